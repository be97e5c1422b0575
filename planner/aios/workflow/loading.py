"""Loads to put on a served endpoint, made from an intent's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.records.data import DataFile
from aios.records.model import ModelProfile
from aios.spi.executor import Exercise
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aios.models.data_files import Items

__all__ = ["arrays_of", "bursts", "items_for", "open_loop", "synthetic_items"]

_SYNTHETIC_ITEMS = 64


def items_for(setting: Setting, files: Sequence[DataFile], profile: ModelProfile) -> Items:
    """Return the items of the first data that fits, or synthetic inputs when none is given."""
    from aios.models.data_files import Items, load_items

    path = arrays_of(setting, files, profile)
    return Items(synthetic_items(profile)) if path is None else load_items(path, profile)


def arrays_of(setting: Setting, files: Sequence[DataFile], profile: ModelProfile) -> Path | None:
    """Return the ``.npz`` file of the first data that fits the model, made if need be; None where none is given."""
    from aios.models.data_files import array_file, fitting_data

    if not files:
        return None
    return array_file(fitting_data(files, profile), profile, setting.data_cache, setting.tell)


def synthetic_items(profile: ModelProfile) -> Mapping[str, NDArray[Any]]:
    """Return inputs of the model's shapes and types: uniform in [0, 1), or zeros for integers; fixed by a seed.

    Time hardly depends on values; accuracy does, and is never measured on these.
    """
    import numpy as np

    generator = np.random.default_rng(0)
    items = {}
    for spec in profile.inputs:
        sizes = [size if isinstance(size, int) else profile.assumed.get(size, 1) for size in spec.shape]
        axis = profile.batch_axis or 0
        shape = [_SYNTHETIC_ITEMS if index == axis else size for index, size in enumerate(sizes)] or [_SYNTHETIC_ITEMS]
        values = generator.random(shape) if spec.dtype.startswith("float") else np.zeros(shape)
        items[spec.name] = values.astype(spec.dtype)
    return items


def open_loop(at_s: NDArray[np.float64], items: Mapping[str, NDArray[Any]], keep_outputs: bool = False) -> Exercise:
    """Return a load that sends the items in order, again from the first when they run out, at the given times."""
    import numpy as np

    count = len(next(iter(items.values())))
    return Exercise(at_s=at_s, item=np.arange(len(at_s)) % count, inputs=items, keep_outputs=keep_outputs, trial=True)


def bursts(items: Mapping[str, NDArray[Any]], count: int, size: int) -> list[Exercise]:
    """Return ``count`` loads of ``size`` requests each, all sent at once."""
    import numpy as np

    return [open_loop(np.zeros(size), items) for _ in range(count)]
