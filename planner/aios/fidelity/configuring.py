"""Measured configurations of one table: what was measured, predicted and stated of each, and what follows from that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from aios.records.observation import NUMBERS, WORDS, Observations

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Texts

    Index = npt.NDArray[np.int64]
    Mask = npt.NDArray[np.bool_]

__all__ = ["Column", "Configurations", "Predictions", "configurations"]

_APART = ("precision", "transform", "phase", "scenario")
_APART_NUMBERS = ("batch",)
"""Roles that tell configurations apart that stand on one line."""


@dataclass(frozen=True)
class Predictions:
    """Predicted values of all rows of some observations and their 90 % intervals; NaN where nothing is predicted.

    reference: what physics alone says, scaled by one constant per device
    """

    observations: Observations
    value: Floats
    low: Floats
    high: Floats
    reference: Floats


class Column(NamedTuple):
    """One metric of n configurations, NaN where it is not known."""

    measured: Floats
    value: Floats
    low: Floats
    high: Floats
    reference: Floats

    def inverse(self) -> Column:
        """Return 1 / it."""
        return Column(1 / self.measured, 1 / self.value, 1 / self.high, 1 / self.low, 1 / self.reference)

    def times(self, other: Column | Floats) -> Column:
        """Return the product with positive numbers, or with another metric, both at the same ends."""
        factors = other if isinstance(other, Column) else [other] * len(self)
        return Column(*(own * factor for own, factor in zip(self, factors, strict=True)))

    def plus(self, other: Column) -> Column:
        """Return the sum, both at the same ends."""
        return Column(*(own + more for own, more in zip(self, other, strict=True)))

    def otherwise(self, other: Column) -> Column:
        """Return it with another one in the rows where nothing of it was measured."""
        import numpy as np

        missing = np.isnan(self.measured)
        return Column(*(np.where(missing, more, own) for own, more in zip(self, other, strict=True)))

    def take(self, rows: Index | Mask) -> Column:
        """Return the rows that an index or mask selects."""
        return Column(*(column[rows] for column in self))


class Configurations(NamedTuple):
    """n configurations. metrics: name -> column · words, numbers: role -> column, empty or NaN where not stated ·
    types: catalogue name of the device, empty where nobody knows it"""

    metrics: Mapping[str, Column]
    words: Mapping[str, Texts]
    numbers: Mapping[str, Floats]
    types: Texts

    def __len__(self) -> int:
        """Return n."""
        return len(self.types)

    def number(self, role: str, default: float = float("nan")) -> Floats:
        """Return a column of numbers, with ``default`` wherever none is stated."""
        import numpy as np

        found = self.numbers.get(role)
        return np.full(len(self), default) if found is None else np.where(np.isnan(found), default, found)


def configurations(predicted: Mapping[str, Sequence[Predictions]]) -> Configurations:
    """Return what one table says of each of its lines, or of each configuration on a line that holds several.

    predicted: metric -> its predictions, by any form of the table. What the first of them says of a row holds.
    """
    import numpy as np

    apart = _roles_apart(predicted)
    places: dict[tuple[object, ...], int] = {}
    parts = []
    for metric, found in predicted.items():
        for part in found:
            cells = [_column(part.observations, role) for role in apart]
            keys = zip(part.observations.lines.tolist(), *cells, strict=True)
            rows = np.array([places.setdefault(key, len(places)) for key in keys], dtype=np.int64)
            parts.append((metric, part, rows))
    count = len(places)
    metrics: dict[str, Column] = {}
    words: dict[str, Texts] = {}
    numbers: dict[str, Floats] = {}
    types = np.full(count, "", dtype=object)
    for metric, part, rows in parts:
        column = metrics.setdefault(metric, Column(*(np.full(count, np.nan) for _ in Column._fields)))
        own = (part.observations.values, part.value, part.low, part.high, part.reference)
        for whole, values in zip(column, own, strict=True):
            _fill(whole, rows, values, np.isnan(whole[rows]))
        for role, texts in part.observations.words.items():
            said = words.setdefault(role, np.full(count, "", dtype=object))
            _fill(said, rows, texts, said[rows] == "")
        for role, stated in part.observations.numbers.items():
            whole = numbers.setdefault(role, np.full(count, np.nan))
            _fill(whole, rows, stated, np.isnan(whole[rows]))
        _fill(types, rows, part.observations.types, types[rows] == "")
    return Configurations(metrics, words, numbers, types)


def _fill(whole: npt.NDArray[Any], rows: Index, values: npt.NDArray[Any], empty: Mask) -> None:
    """Fill in where nothing was said before; of several values for one row the first holds."""
    chosen, chosen_values = rows[empty][::-1], values[empty][::-1]
    whole[chosen] = chosen_values


def _roles_apart(predicted: Mapping[str, Sequence[Predictions]]) -> tuple[str, ...]:
    """Return the roles by which some metric has several values on a line."""
    found: dict[str, None] = {}
    for parts in predicted.values():
        lines = [line for part in parts for line in part.observations.lines.tolist()]
        if len(set(lines)) == len(lines):
            continue
        for role in (*_APART, *_APART_NUMBERS):
            cells = [cell for part in parts for cell in _column(part.observations, role)]
            if len(set(zip(lines, cells, strict=True))) > len(set(lines)):
                found[role] = None
    return tuple(found)


def _column(rows: Observations, role: str) -> list[object]:
    cells: Texts | Floats = rows.word(role) if role in WORDS else rows.number(role, -1.0)
    assert role in WORDS or role in NUMBERS
    found: list[object] = cells.tolist()
    return found
