"""Which rows are learnt from, and which are then predicted: no row by anything that saw it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Level, Texts

    Mask = npt.NDArray[np.bool_]

__all__ = ["FEWEST_KNOWN", "Split", "splits", "united"]

FAMILY_FOLDS = 5
DEVICE_FOLDS = 5
"""Devices are held back one by one; beyond so many in groups: each fold takes as long as learning everything."""
FEWEST_KNOWN = 5
"""Rows of a device from which on it counts as calibrated."""


class Split(NamedTuple):
    """Rows to learn from and rows to predict.

    others: rows that intervals may be learnt from: those of ``train``, at zero-shot with all families of the devices
    that are seen; never one of ``test`` · group: splits of one group have the same ``others``
    """

    train: Mask
    test: Mask
    others: Mask
    group: int


def splits(level: Level, devices: Texts, models: Texts, families: Texts, settings: Texts) -> Iterator[Split]:
    """Yield the splits of a level, in which no row is to be predicted twice.

    settings: names of what rows say; rows that say the same are held back together. zero-shot: devices held back, and
    the families of what is predicted as well · calibrated: families held back; predicted are rows of devices that are
    seen · profiled: rows held back; predicted are those of models seen on their device.
    """
    if level == "zero-shot":
        yield from _unseen_devices(_even(devices, DEVICE_FOLDS), _even(families, FAMILY_FOLDS))
        return
    import numpy as np

    folds = _even(families, FAMILY_FOLDS) if level == "calibrated" else _hashed(settings)
    known, fewest = (devices, FEWEST_KNOWN) if level == "calibrated" else (_pairs(devices, models), 1)
    _, places = np.unique(known, return_inverse=True)
    for fold in np.unique(folds):
        train = folds != fold
        counts = np.bincount(places[train], minlength=int(places.max()) + 1)
        test = ~train & (counts[places] >= fewest)
        if test.any():
            yield Split(train, test, train, int(fold))


def united(families: Texts, networks: Texts) -> Texts:
    """Return the families with those under one name that have a network in common; rows of no network are left alone.

    What is one network under two names is held back under both.
    """
    import numpy as np

    stated = networks != ""
    pairs = sorted(set(zip(networks[stated].tolist(), families[stated].tolist(), strict=True)))
    joined: dict[str, str] = {}
    first: dict[str, str] = {}
    for network, family in pairs:
        one, other = sorted((_root(joined, first.setdefault(network, family)), _root(joined, family)))
        if one != other:
            joined[other] = one
    unique, places = np.unique(families, return_inverse=True)
    return np.array([_root(joined, str(name)) for name in unique] or [""])[places]


def _root(joined: dict[str, str], family: str) -> str:
    while family in joined:
        family = joined[family]
    return family


def _unseen_devices(devices: npt.NDArray[np.int64], families: npt.NDArray[np.int64]) -> Iterator[Split]:
    import numpy as np

    for fold in np.unique(devices):
        seen = devices != fold
        for family in np.unique(families[~seen]):
            train, test = seen & (families != family), ~seen & (families == family)
            if train.any():
                yield Split(train, test, seen, int(fold))


def _even(names: Texts, most: int) -> npt.NDArray[np.int64]:
    """Return a fold for each name: as many names in each, in an order that has nothing to do with what they are."""
    import numpy as np

    unique, places = np.unique(names, return_inverse=True)
    order = sorted(range(len(unique)), key=lambda place: (zlib.crc32(str(unique[place]).encode()), str(unique[place])))
    fold = np.empty(len(unique), dtype=np.int64)
    fold[order] = np.arange(len(unique)) % most
    return fold[places]


def _hashed(names: Texts) -> npt.NDArray[np.int64]:
    import numpy as np

    unique, places = np.unique(names, return_inverse=True)
    return np.array([zlib.crc32(str(name).encode()) % FAMILY_FOLDS for name in unique], dtype=np.int64)[places]


def _pairs(first: Texts, second: Texts) -> Texts:
    import numpy as np

    return np.char.add(np.char.add(first.astype(str), "\x1f"), second.astype(str))
