"""Which rows are held back together."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from aios.cost.learning.groups import of_one_device

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Texts

    Folds = npt.NDArray[np.int64]

__all__ = ["FOLDS", "device_folds", "fold_of", "judging_folds"]

FOLDS = 5
_DEVICE_FOLDS = 8
_FEWEST_DEVICES = 3


def fold_of(names: Texts) -> Folds:
    """Return for each name one of ``FOLDS`` numbers, the same in every run and whatever other names there are."""
    import numpy as np

    unique, places = np.unique(names, return_inverse=True)
    return np.array([zlib.crc32(str(name).encode()) % FOLDS for name in unique], dtype=np.int64)[places]


def device_folds(devices: Texts) -> Folds:
    """Return for each device the number of its fold: one of its own where there are few, else evenly many to a fold."""
    import numpy as np

    unique, places = np.unique(devices, return_inverse=True)
    return (np.arange(len(unique), dtype=np.int64) % _DEVICE_FOLDS)[places]


def judging_folds(keys: tuple[str, ...], devices: Texts, families: Folds) -> tuple[Folds, ...]:
    """Return by which folds of one group's rows what was learnt of it is judged.

    By families of models; what devices have in common by devices that were not seen as well, where there are enough.
    """
    import numpy as np

    if of_one_device(keys) or len(np.unique(devices)) < _FEWEST_DEVICES:
        return (families,)
    return device_folds(devices), families
