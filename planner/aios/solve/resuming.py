"""Planning a large fleet again after a change: what stands and still holds stays, and only the rest is chosen anew.

No option of an intent that stays is looked at, but for the bound: no plan costs less than every intent at its cheapest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.records.candidate import Priced
from aios.records.current import Moving
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.objective import Objective
from aios.records.selection import ObjectiveValue
from aios.solve.clauses.requirement import keep
from aios.solve.contenders import contenders
from aios.solve.goals import levels_of
from aios.solve.joint.size import LARGE
from aios.solve.problem import Problem, outline
from aios.solve.staying import stays_of

__all__ = ["Resumed", "resume"]

_TOUCHED = 0.25
"""Share of the intents that may have to be chosen anew; of more, all are."""


class Resumed(NamedTuple):
    """A problem in which most intents have no choice left. bounds: per goal, what no plan is below"""

    problem: Problem
    bounds: tuple[float, ...]

    def rows(self, rows: Sequence[ObjectiveValue]) -> tuple[ObjectiveValue, ...]:
        """Return rows of goals with bounds that hold for all plans, not only for those that keep what stands."""
        found = []
        for row, bound in zip(rows, self.bounds, strict=True):
            best = row.value if row.gap == 0 and row.value == bound else bound
            largest = max(abs(row.value), abs(best))
            gap = abs(row.value - best) / largest if largest else 0.0
            found.append(row.model_copy(update={"bound": best, "gap": gap}))
        return tuple(found)


def resume(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    objective: Objective | None,
    moving: Moving,
) -> Resumed | None:
    """Return the problem of those that cannot stay, beside those that do; None where all have to be looked at."""
    if not moving.standing or sum(map(len, options.values())) <= LARGE:
        return None
    empty = outline(intents, {}, fleet, objective.budget if objective else ()).under(objective)
    levels = levels_of(empty.intents, empty.goals)
    if not empty.plain or any(len(level.totals) > 1 for level in levels):
        return None
    staying = _staying(intents, options, moving)
    touched = [intent for intent in intents if intent.name not in staying]
    if len(touched) > _TOUCHED * len(intents):
        return None
    few = contenders(touched, options, fleet, (), empty.goals)
    stays = {**stays_of(touched, options, fleet, moving, (), empty.goals), **staying}
    problem = outline(intents, few, fleet, (), moving, stays).under(objective)
    bounds = tuple(_bound(problem, options, level.totals[0].metric, level.totals[0].sign) for level in levels)
    return Resumed(problem, bounds)


def _staying(
    intents: Sequence[Intent], options: Mapping[str, Sequence[Priced]], moving: Moving
) -> dict[str, list[Priced]]:
    """Return intent -> the option that it runs as, where all its places are there and it keeps what is required."""
    found: dict[str, list[Priced]] = {}
    for intent in intents:
        standing = moving.standing.get(intent.name)
        if standing is None or standing.option is None:
            continue
        same = [option for option in options[intent.name] if option.candidate.id == standing.option]
        whole = sum(part.replicas for part in standing.placement)
        for option in same[:1]:
            kept = all(keep([option], intent, item)[0] for item in intent.require)
            if kept and option.candidate.parts == whole:
                found[intent.name] = [option]
    return found


def _bound(problem: Problem, options: Mapping[str, Sequence[Priced]], metric: str, sign: int) -> float:
    """Return what a sum cannot be better than: every intent at its best option that keeps its requirements."""
    total = 0.0
    for intent in problem.intents:
        own = sorted(
            (sign * option.estimates[metric].value, index)
            for index, option in enumerate(options[intent.name])
            if metric in option.estimates
        )
        for value, index in own:
            option = options[intent.name][index]
            if all(keep([option], intent, item)[0] for item in intent.require):
                total += value
                break
    return sign * total
