"""Which group a row belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.cost.learning.design import Design

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["members", "of_one_device"]


def members(design: Design, keys: tuple[str, ...]) -> list[tuple[str, npt.NDArray[np.int64]]]:
    """Return each group (the keys' values, joined) with the indices of its rows, by name; rows where one of them is
    empty have none."""
    import numpy as np

    count = len(design.base)
    if not keys:
        return [("", np.arange(count))] if count else []
    numbers: dict[tuple[str, ...], int] = {}
    rows = zip(*(design.keys[key].tolist() for key in keys), strict=True)
    places = np.fromiter((numbers.setdefault(row, len(numbers)) for row in rows), np.int64, count)
    order = np.argsort(places, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(places, minlength=len(numbers)))[:-1])
    named = (("\x1f".join(row), part) for row, part in zip(numbers, parts, strict=True) if all(row))
    return sorted(named, key=lambda item: item[0])


def of_one_device(keys: tuple[str, ...]) -> bool:
    """Say whether groups by these keys are of single devices."""
    return any(key.endswith("device") for key in keys)
