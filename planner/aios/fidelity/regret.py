"""What it would cost to decide by predictions: intents drawn over measured configurations, decided, looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from aios.records.metrics import find_metric
from aios.records.observation import Observations

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Texts

    Rows = npt.NDArray[np.int64]

__all__ = ["Decisions", "Predictions", "decisions"]

INTENTS = 2000
"""Intents drawn per table and kind of choice; their medians then move by less than a tenth between seeds."""
_FEWEST = 4
"""Rows of a set; among fewer there is hardly anything to decide."""
_WITHIN = (0.1, 0.9)
"""Quantiles of what was measured in a set, between which bounds are drawn."""
_SAME_LINE = ("precision", "transform", "phase", "scenario")
"""Words that tell configurations apart that stand on one line."""


@dataclass(frozen=True)
class Predictions:
    """Predicted values of all rows of some observations and their 90 % intervals; NaN where nothing is predicted."""

    observations: Observations
    value: Floats
    low: Floats
    high: Floats


class Decisions(NamedTuple):
    """What came of deciding by predictions.

    intents: drawn, all of which some configuration truly meets · undecided: of them, those that none was predicted to
    meet · feasible_share: of the decided, those whose choice truly meets the bound · regret_median, regret_p90: by how
    much their choice is worse than the best that meets it, as a fraction of that
    """

    intents: int
    undecided: int
    feasible_share: float | None
    regret_median: float | None
    regret_p90: float | None


class _Set(NamedTuple):
    """Configurations to choose among. measured, value, low, high: metric -> column · accuracy: NaN where not stated"""

    measured: Mapping[str, Floats]
    value: Mapping[str, Floats]
    pessimistic: Mapping[str, Floats]
    accuracy: Floats


def decisions(
    predicted: Mapping[str, Sequence[Predictions]],
    within: Sequence[str],
    bounds: Sequence[str],
    goals: Sequence[str],
    accuracy: str | None,
    seed: int,
) -> Decisions | None:
    """Return what deciding by predictions is worth; None where nothing can be decided.

    predicted: metric -> its predictions in one table · within: roles whose equal values make a set · bounds, goals:
    metrics, of which each intent has one each, drawn at random · accuracy: role of the accuracy that it asks for.
    A requirement must hold at the pessimistic end of the interval; among what is left the best prediction wins.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    pairs = [(bound, goal) for bound in bounds for goal in goals if bound in predicted and goal in predicted]
    kinds = {pair: _sets(predicted, pair, within, accuracy) for pair in pairs if pair[0] != pair[1]}
    sets = [(pair, item) for pair, found in kinds.items() for item in found]
    if not sets:
        return None
    drawn = undecided = 0
    feasible: list[bool] = []
    regrets: list[float] = []
    for place in random.permutation(np.arange(INTENTS) % len(sets)):
        (bound, goal), item = sets[place]
        outcome = _decide(item, bound, goal, random)
        if outcome is None:
            continue
        drawn += 1
        met, regret = outcome
        if met is None:
            undecided += 1
            continue
        feasible.append(met)
        if met:
            regrets.append(regret)
    return Decisions(
        intents=drawn,
        undecided=undecided,
        feasible_share=float(np.mean(feasible)) if feasible else None,
        regret_median=float(np.median(regrets)) if regrets else None,
        regret_p90=float(np.quantile(regrets, 0.9)) if regrets else None,
    )


def _decide(item: _Set, bound: str, goal: str, random: np.random.Generator) -> tuple[bool | None, float] | None:
    """Draw an intent and decide it. Returns whether the choice meets it (None: nothing was chosen) and its regret."""
    import numpy as np

    limit = float(np.quantile(item.measured[bound], random.uniform(*_WITHIN)))
    enough = np.ones(len(item.accuracy), dtype=bool)
    if np.isfinite(item.accuracy).any():
        floor = float(np.nanquantile(item.accuracy, random.uniform(*_WITHIN)))
        enough = item.accuracy >= floor
    true = enough & _meets(bound, item.measured[bound], limit)
    if not true.any():
        return None
    promised = enough & _meets(bound, item.pessimistic[bound], limit)
    if not promised.any():
        return None, 0.0
    sign = 1.0 if _lower_is_better(goal) else -1.0
    choice = int(np.argmin(np.where(promised, sign * item.value[goal], np.inf)))
    best = float(np.min(np.where(true, sign * item.measured[goal], np.inf)))
    worse = sign * float(item.measured[goal][choice]) - best
    return bool(true[choice]), max(worse, 0.0) / abs(best)


def _lower_is_better(metric: str) -> bool:
    found = find_metric(metric)
    return metric not in ("throughput", "accuracy_change", "fits") if found is None else found.better == "lower"


def _meets(metric: str, values: Floats, limit: float) -> npt.NDArray[np.bool_]:
    return values <= limit if _lower_is_better(metric) else values >= limit


def _sets(
    predicted: Mapping[str, Sequence[Predictions]], pair: tuple[str, str], within: Sequence[str], accuracy: str | None
) -> list[_Set]:
    """Return the sets of configurations of which both metrics are measured and predicted."""
    import numpy as np

    columns = {metric: _by_row(predicted[metric]) for metric in pair}
    first = columns[pair[0]]
    shared = [row for row in first if row in columns[pair[1]]]
    groups: dict[tuple[str, ...], list[tuple[object, ...]]] = {}
    for row in shared:
        part, place = first[row]
        groups.setdefault(_group(part.observations, place, within), []).append(row)
    found = []
    for rows in groups.values():
        if len(rows) < _FEWEST:
            continue
        places = {metric: [columns[metric][row] for row in rows] for metric in pair}
        found.append(
            _Set(
                measured={m: np.array([p.observations.values[i] for p, i in places[m]]) for m in pair},
                value={m: np.array([p.value[i] for p, i in places[m]]) for m in pair},
                pessimistic={
                    m: np.array([(p.high if _lower_is_better(m) else p.low)[i] for p, i in places[m]]) for m in pair
                },
                accuracy=np.array([_number(p.observations, i, accuracy) for p, i in places[pair[0]]]),
            )
        )
    return found


def _by_row(parts: Sequence[Predictions]) -> dict[tuple[object, ...], tuple[Predictions, int]]:
    """Return line, and what tells apart configurations on one line -> where its value stands."""
    import numpy as np

    found: dict[tuple[object, ...], tuple[Predictions, int]] = {}
    for part in parts:
        words = [part.observations.word(role) for role in _SAME_LINE]
        for place in np.flatnonzero(np.isfinite(part.value)):
            key = (int(part.observations.lines[place]), *(str(column[place]) for column in words))
            found.setdefault(key, (part, int(place)))
    return found


def _group(rows: Observations, place: int, within: Sequence[str]) -> tuple[str, ...]:
    return tuple(_cell(rows, place, role) for role in within)


def _cell(rows: Observations, place: int, role: str) -> str:
    if role == "device_type":
        return str(rows.types[place])
    column: Texts | Floats | None = rows.words.get(role, rows.numbers.get(role))
    return "" if column is None else str(column[place])


def _number(rows: Observations, place: int, role: str | None) -> float:
    column = rows.numbers.get(role) if role is not None else None
    return float("nan") if column is None else float(column[place])
