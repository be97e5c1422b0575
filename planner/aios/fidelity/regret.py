"""What it would cost to decide by predictions: intents drawn over measured configurations, decided, looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from aios.fidelity.configuring import Column, Configurations
from aios.records.metrics import find_metric

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats

    Mask = npt.NDArray[np.bool_]

__all__ = ["ChoiceSet", "Decisions", "Drawn", "Ways", "chosen", "compared_end", "decisions", "lower_is_better"]

INTENTS = 2000
"""Intents drawn per table and goal; their medians then move by less than a tenth between seeds."""
_FEWEST = 4
"""Rows of a set; among fewer there is hardly anything to decide."""
_WITHIN = (0.1, 0.9)
"""Quantiles of what was measured, between which bounds are drawn."""
_TOLERANCE = (0.05, 0.3)
"""How much worse than the best a first goal may be, as people write it: ``minimize latency.mean within 10 %``."""


class Decisions(NamedTuple):
    """What came of deciding by predictions.

    intents: drawn, which some configuration truly meets · undecided: of them, those that none was predicted to meet for
    sure · loose: of them, those that every configuration that is accurate enough meets · impossible: drawn besides,
    which nothing truly meets · promised: of these, those for which something was chosen all the same · feasible_share:
    of all that was chosen, what truly meets its intent · regret_median, regret_p90: by how much that is worse than the
    best that meets it, as a fraction of that
    """

    intents: int
    undecided: int
    loose: int
    impossible: int
    promised: int
    feasible_share: float | None
    regret_median: float | None
    regret_p90: float | None


class Ways(NamedTuple):
    """What came of the same intents: decided by predictions, with either risk that an intent may state, and by physics
    alone, which states no interval."""

    pessimistic: Decisions
    expected: Decisions
    roofline: Decisions


@dataclass(frozen=True)
class ChoiceSet:
    """Configurations to choose among, with what an intent limits and what it wants best.

    name: of the metric that is limited · relative: the limit is a share of the best that there is · accuracy: NaN where
    not stated · lower: whether less is better, of what is limited and of the goal
    """

    name: str
    relative: bool
    bound: Column
    goal: Column
    accuracy: Floats
    lower: tuple[bool, bool]


class Drawn(NamedTuple):
    """limit: of the bound, or how much worse than the best it may be, as a fraction · enough: which configurations are
    accurate enough"""

    limit: float
    enough: Mask


def decisions(
    rows: Configurations,
    within: Sequence[str],
    bounds: Sequence[tuple[str, Column]],
    goal: tuple[str, Column],
    seed: int,
    first: Sequence[tuple[str, Column]] = (),
) -> Ways | None:
    """Return what deciding by predictions is worth, and by physics alone; None where nothing can be decided.

    within: roles whose equal values make a set · bounds, goal: names and columns · first: of goals that come before it,
    which have to be as good as they get within a tolerance. Each intent has one bound or one first goal, drawn at
    random, and where accuracies are stated one of those; of two sets the one with twice the rows is asked twice as
    often. It decides as the solver does: a requirement must hold at the pessimistic end of the interval, goals count at
    their expected values.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    limited = [(item, False) for item in bounds] + [(item, True) for item in first]
    sets = [item for bound, relative in limited for item in _sets(rows, within, bound, goal, relative)]
    if not sets:
        return None
    names = dict.fromkeys(item.name for item in sets)
    limits = {name: np.concatenate([item.bound.measured for item in sets if item.name == name]) for name in names}
    ends = np.cumsum([len(item.accuracy) for item in sets])
    places = np.searchsorted(ends, (np.arange(INTENTS) + 0.5) / INTENTS * ends[-1])
    pessimistic, expected, roofline = tallies = _Tally(), _Tally(), _Tally()
    for place in random.permutation(places):
        item = sets[place]
        intent = _drawn(item, limits, random)
        true = intent.enough & _meets(item, item.bound.measured, intent)
        pessimistic.add(true, intent, chosen(item, intent, item.goal.value, compared_end(item)), item)
        expected.add(true, intent, chosen(item, intent, item.goal.value, item.bound.value), item)
        roofline.add(true, intent, chosen(item, intent, item.goal.reference, item.bound.reference), item)
    return Ways(*(tally.told() for tally in tallies)) if pessimistic.intents else None


class _Tally:
    """Outcomes of intents."""

    def __init__(self) -> None:
        self.intents = self.undecided = self.loose = self.impossible = self.promised = 0
        self.feasible: list[bool] = []
        self.regrets: list[float] = []

    def add(self, true: Mask, intent: Drawn, choice: int | None, item: ChoiceSet) -> None:
        """Count one intent. true: which configurations meet it · choice: None where nothing was chosen"""
        possible = bool(true.any())
        self.intents += possible
        self.impossible += not possible
        self.loose += possible and bool(true[intent.enough].all())
        if choice is None:
            self.undecided += possible
            return
        self.promised += not possible
        self.feasible.append(bool(true[choice]))
        if true[choice]:
            self.regrets.append(_regret(item, true, choice))

    def told(self) -> Decisions:
        """Return the figures."""
        import numpy as np

        return Decisions(
            intents=self.intents,
            undecided=self.undecided,
            loose=self.loose,
            impossible=self.impossible,
            promised=self.promised,
            feasible_share=float(np.mean(self.feasible)) if self.feasible else None,
            regret_median=float(np.median(self.regrets)) if self.regrets else None,
            regret_p90=float(np.quantile(self.regrets, 0.9)) if self.regrets else None,
        )


def _drawn(item: ChoiceSet, limits: Mapping[str, Floats], random: np.random.Generator) -> Drawn:
    """Draw what an intent asks of a set.

    A bound is drawn from what was measured in all sets of the table: what a user wants of a configuration is no news of
    how fast it is. Bounds from the measurements of the set itself would be: what is then predicted to meet them for
    sure is mostly what is mispredicted. Accuracies are known beforehand.

    limits: metric -> what was measured of it in all sets
    """
    import numpy as np

    if item.relative:
        limit = random.uniform(*_TOLERANCE)
    else:
        limit = float(np.quantile(limits[item.name], random.uniform(*_WITHIN)))
    enough = np.ones(len(item.accuracy), dtype=bool)
    if np.isfinite(item.accuracy).any():
        enough = item.accuracy >= float(np.nanquantile(item.accuracy, random.uniform(*_WITHIN)))
    return Drawn(limit, enough)


def chosen(item: ChoiceSet, intent: Drawn, goal: Floats, bound: Floats) -> int | None:
    """Choose by these numbers; None where none of them meets the intent."""
    import numpy as np

    promised = intent.enough & _meets(item, bound, intent)
    if not promised.any():
        return None
    return int(np.argmin(np.where(promised, _cost(item, goal), np.inf)))


def _regret(item: ChoiceSet, true: Mask, choice: int) -> float:
    """Return by how much a choice is worse than the best of those that truly meet the intent."""
    import numpy as np

    cost = _cost(item, item.goal.measured)
    best = float(np.min(cost[true]))
    return max(float(cost[choice]) - best, 0.0) / abs(best)


def _cost(item: ChoiceSet, goal: Floats) -> Floats:
    return goal if item.lower[1] else -goal


def compared_end(item: ChoiceSet) -> Floats:
    """Return what a limit is compared with: a requirement's pessimistic end, the expected value of a goal."""
    if item.relative:
        return item.bound.value
    return item.bound.high if item.lower[0] else item.bound.low


def _meets(item: ChoiceSet, values: Floats, intent: Drawn) -> Mask:
    limit = intent.limit
    if item.relative:
        accurate = values[intent.enough]
        limit = accurate.min() * (1 + limit) if item.lower[0] else accurate.max() * (1 - limit)
    found: Mask = values <= limit if item.lower[0] else values >= limit
    return found


def lower_is_better(metric: str) -> bool:
    """Say which way a metric is better."""
    found = find_metric(metric)
    return metric not in ("accuracy_change", "fits") if found is None else found.better == "lower"


def _sets(
    rows: Configurations,
    within: Sequence[str],
    bound: tuple[str, Column],
    goal: tuple[str, Column],
    relative: bool,
) -> Iterator[ChoiceSet]:
    """Yield the sets of configurations of which both metrics are measured and predicted.

    Of several models whose accuracies are stated, those that state none are left out: nobody knows whether they could
    take the place of the others.
    """
    import numpy as np

    known = np.ones(len(rows), dtype=bool)
    for _, column in (bound, goal):
        known &= np.isfinite(np.array([column.measured, column.value, column.reference])).all(axis=0)
        known &= column.measured > 0
    accuracy, models = rows.number("accuracy"), _cells(rows, "model")
    groups: dict[tuple[object, ...], list[int]] = {}
    cells = [_cells(rows, role) for role in within]
    for place in map(int, np.flatnonzero(known)):
        groups.setdefault(tuple(column[place] for column in cells), []).append(place)
    lower = (lower_is_better(bound[0]), lower_is_better(goal[0]))
    for places in groups.values():
        index = np.array(places)
        stated = np.isfinite(accuracy[index])
        if stated.any() and len({models[place] for place in places}) > 1:
            index = index[stated]
        if len(index) >= _FEWEST:
            yield ChoiceSet(bound[0], relative, bound[1].take(index), goal[1].take(index), accuracy[index], lower)


def _cells(rows: Configurations, role: str) -> Sequence[object]:
    if role == "device_type":
        return list(rows.types)
    column = rows.words.get(role, rows.numbers.get(role))
    return [""] * len(rows) if column is None else [str(cell) for cell in column]
