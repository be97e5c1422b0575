"""What it would cost to decide by predictions: intents drawn over measured configurations, decided, looked up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from aios.fidelity.configurations import Column, Configurations
from aios.records.metrics import find_metric

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats

    Mask = npt.NDArray[np.bool_]

__all__ = ["Decisions", "decisions", "lower_is_better"]

INTENTS = 2000
"""Intents drawn per table and goal; their medians then move by less than a tenth between seeds."""
_FEWEST = 4
"""Rows of a set; among fewer there is hardly anything to decide."""
_WITHIN = (0.1, 0.9)
"""Quantiles of what was measured in a set, between which bounds are drawn."""


class Decisions(NamedTuple):
    """What came of deciding by predictions.

    intents: drawn, all of which some configuration truly meets · undecided: of them, those that none was predicted to
    meet for sure · feasible_share: of the decided, those whose choice truly meets the intent · regret_median,
    regret_p90: by how much their choice is worse than the best that meets it, as a fraction of that
    """

    intents: int
    undecided: int
    feasible_share: float | None
    regret_median: float | None
    regret_p90: float | None


class _Set(NamedTuple):
    """Configurations to choose among, and one bound and goal. accuracy: NaN where not stated"""

    bound: Column
    goal: Column
    accuracy: Floats
    lower: tuple[bool, bool]


class _Intent(NamedTuple):
    """limit: of the bound · enough: which configurations are accurate enough"""

    limit: float
    enough: Mask


def decisions(
    rows: Configurations,
    within: Sequence[str],
    bounds: Sequence[tuple[str, Column]],
    goal: tuple[str, Column],
    seed: int,
) -> tuple[Decisions, Decisions] | None:
    """Return what deciding by predictions is worth, and by physics alone; None where nothing can be decided.

    within: roles whose equal values make a set · bounds, goal: names and columns; each intent has one bound, drawn at
    random, and where accuracies are stated one of those. A requirement must hold at the pessimistic end of the
    interval; among what is left the best expected value wins, as a planner decides. Physics alone states no interval:
    it decides by its numbers.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    sets = [item for bound in bounds for item in _sets(rows, within, bound, goal)]
    if not sets:
        return None
    model, physics = _Tally(), _Tally()
    for place in random.permutation(np.arange(INTENTS) % len(sets)):
        item = sets[place]
        intent = _drawn(item, random)
        if intent is not None:
            model.add(_decided(item, intent, item.goal.value, _pessimistic(item)))
            physics.add(_decided(item, intent, item.goal.reference, item.bound.reference))
    return (model.told(), physics.told()) if model.intents else None


class _Tally:
    """Outcomes of intents."""

    def __init__(self) -> None:
        self.intents = self.undecided = 0
        self.feasible: list[bool] = []
        self.regrets: list[float] = []

    def add(self, outcome: tuple[bool, float] | None) -> None:
        """Count one intent: whether the choice meets it, and its regret; None where nothing was chosen."""
        self.intents += 1
        if outcome is None:
            self.undecided += 1
            return
        self.feasible.append(outcome[0])
        if outcome[0]:
            self.regrets.append(outcome[1])

    def told(self) -> Decisions:
        """Return the figures."""
        import numpy as np

        return Decisions(
            intents=self.intents,
            undecided=self.undecided,
            feasible_share=float(np.mean(self.feasible)) if self.feasible else None,
            regret_median=float(np.median(self.regrets)) if self.regrets else None,
            regret_p90=float(np.quantile(self.regrets, 0.9)) if self.regrets else None,
        )


def _drawn(item: _Set, random: np.random.Generator) -> _Intent | None:
    """Draw what an intent asks of a set; None where nothing truly gives it."""
    import numpy as np

    limit = float(np.quantile(item.bound.measured, random.uniform(*_WITHIN)))
    enough = np.ones(len(item.accuracy), dtype=bool)
    if np.isfinite(item.accuracy).any():
        enough = item.accuracy >= float(np.nanquantile(item.accuracy, random.uniform(*_WITHIN)))
    intent = _Intent(limit, enough)
    return intent if (enough & _meets(item, item.bound.measured, intent)).any() else None


def _decided(item: _Set, intent: _Intent, goal: Floats, bound: Floats) -> tuple[bool, float] | None:
    """Choose by these numbers. Returns whether the choice truly meets the intent, and its regret."""
    import numpy as np

    promised = intent.enough & _meets(item, bound, intent)
    if not promised.any():
        return None
    true = intent.enough & _meets(item, item.bound.measured, intent)
    sign = 1.0 if item.lower[1] else -1.0
    choice = int(np.argmin(np.where(promised, sign * goal, np.inf)))
    best = float(np.min(np.where(true, sign * item.goal.measured, np.inf)))
    worse = sign * float(item.goal.measured[choice]) - best
    return bool(true[choice]), max(worse, 0.0) / abs(best)


def _pessimistic(item: _Set) -> Floats:
    return item.bound.high if item.lower[0] else item.bound.low


def _meets(item: _Set, values: Floats, intent: _Intent) -> Mask:
    found: Mask = values <= intent.limit if item.lower[0] else values >= intent.limit
    return found


def lower_is_better(metric: str) -> bool:
    """Say which way a metric is better."""
    found = find_metric(metric)
    return metric not in ("accuracy_change", "fits") if found is None else found.better == "lower"


def _sets(
    rows: Configurations, within: Sequence[str], bound: tuple[str, Column], goal: tuple[str, Column]
) -> Iterator[_Set]:
    """Yield the sets of configurations of which both metrics are measured and predicted."""
    import numpy as np

    known = np.ones(len(rows), dtype=bool)
    for _, column in (bound, goal):
        known &= np.isfinite(np.array([column.measured, column.value, column.reference])).all(axis=0)
        known &= column.measured > 0
    accuracy = rows.number("accuracy")
    groups: dict[tuple[object, ...], list[int]] = {}
    cells = [_cells(rows, role) for role in within]
    for place in map(int, np.flatnonzero(known)):
        groups.setdefault(tuple(column[place] for column in cells), []).append(place)
    lower = (lower_is_better(bound[0]), lower_is_better(goal[0]))
    for places in groups.values():
        if len(places) >= _FEWEST:
            index = np.array(places)
            yield _Set(bound[1].take(index), goal[1].take(index), accuracy[index], lower)


def _cells(rows: Configurations, role: str) -> Sequence[object]:
    if role == "device_type":
        return list(rows.types)
    column = rows.words.get(role, rows.numbers.get(role))
    return [""] * len(rows) if column is None else [str(cell) for cell in column]
