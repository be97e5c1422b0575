"""Loads to put on a served endpoint, made from an intent's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aios.records.model import ModelProfile
from aios.spi.executor import Exercise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["bursts", "items_for", "open_loop", "synthetic_items"]

_SYNTHETIC_ITEMS = 64


def items_for(
    paths: Sequence[str], profile: ModelProfile
) -> tuple[Mapping[str, NDArray[Any]], NDArray[np.int64] | None]:
    """Return inputs (and labels, if any) from the first file that fits, or synthetic inputs when none is given."""
    from aios.models.data import fitting_file, load_arrays

    if not paths:
        return synthetic_items(profile), None
    path, headers = fitting_file(paths, profile, labelled=False)
    del headers
    return load_arrays(path, profile)


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
