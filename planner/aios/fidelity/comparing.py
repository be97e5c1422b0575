"""What changed between two reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

__all__ = ["Change", "compared"]

_KEY = ("table", "predictor", "metric", "level")


class Change(NamedTuple):
    """A figure of a row of the report before and after; None where one of them lacks it. better: lower than before"""

    key: tuple[str, ...]
    figure: str
    old: float | None
    new: float | None

    @property
    def better(self) -> bool | None:
        """Say whether the figure came closer to what it should be; None where that cannot be said."""
        if self.old is None or self.new is None or self.old == self.new:
            return None
        if self.figure == "coverage":
            return abs(self.new - 0.9) < abs(self.old - 0.9)
        return self.new > self.old if self.figure == "feasible_share" else self.new < self.old


def compared(old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]) -> tuple[Change, ...]:
    """Return what changed in ``tables`` of two reports, rows in the order of the new one, then those that are gone."""
    before = {_key(row): row for row in old}
    after = {_key(row): row for row in new}
    found = []
    for key in (*after, *(key for key in before if key not in after)):
        for figure in ("rows", "median_ape", "p90_ape", "coverage", "feasible_share", "regret_median", "regret_p90"):
            was, now = before.get(key, {}).get(figure), after.get(key, {}).get(figure)
            if was != now and (figure != "rows" or was is None or now is None):
                found.append(Change(key, figure, was, now))
    return tuple(found)


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(row.get(name) or "") for name in _KEY)
