"""The options in which what stands goes on where it stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from aios.records.candidate import Priced
from aios.records.current import MOVES, Moving
from aios.records.fleet import Fleet
from aios.records.intent import Goal, Intent
from aios.records.objective import Budget
from aios.records.selection import ObjectiveValue, Placement
from aios.solve.contenders import contenders, keeping
from aios.solve.problem import Problem

__all__ = ["as_they_stand", "recounted", "stays_of"]


def stays_of(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    moving: Moving,
    budgets: Sequence[Budget],
    goals: Sequence[Goal],
) -> dict[str, list[Priced]]:
    """Return intent -> those of its options that keep its requirements and that it becomes without leaving its places.

    The one that it runs as is among them whatever others do better: to change nothing is worth something.
    """
    standing = [intent for intent in intents if intent.name in moving.standing]
    alike: dict[str, list[Priced]] = {}
    for intent in standing:
        own = moving.standing[intent.name]
        row = options.get(intent.name, ()) if own.placement else ()
        alike[intent.name] = [option for option in row if option.candidate.id in own.alike]
    few = contenders(standing, alike, fleet, budgets, goals)
    for intent in standing:
        same = [o for o in alike[intent.name] if o.candidate.id == moving.standing[intent.name].option]
        few[intent.name] += [option for option in keeping(intent, same) if option not in few[intent.name]]
    return {name: kept for name, kept in few.items() if kept}


def as_they_stand(options: Mapping[str, Sequence[Priced]], moving: Moving) -> dict[str, list[Priced]]:
    """Return intent -> the option that it runs as, whether that keeps its requirements or not: to say why not."""
    return {
        name: [option for option in options.get(name, ()) if option.candidate.id in standing.alike]
        for name, standing in moving.standing.items()
        if standing.placement
    }


def recounted(
    problem: Problem,
    picked: Mapping[int, int],
    placement: Mapping[str, Sequence[Placement]],
    rows: Sequence[ObjectiveValue],
) -> tuple[ObjectiveValue, ...]:
    """Return the goals' rows with the moves that are truly made: who might stand anywhere may be where it was."""
    if not any(row.goal.endswith(f"minimize {MOVES}") for row in rows):
        return tuple(rows)
    made = sum(
        _moves(problem, intent, picked[intent], placement.get(problem.intents[intent].name, ())) for intent in picked
    )
    return tuple(_corrected(row, float(made)) if row.goal.endswith(f"minimize {MOVES}") else row for row in rows)


def _moves(problem: Problem, intent: int, option: int, placement: Sequence[Placement]) -> bool:
    own = problem.options[intent][option]
    standing = problem.moving.standing.get(problem.intents[intent].name)
    if standing is None or own.stays or not placement:
        return False
    before, after = Counter[object](), Counter[object]()
    for part in standing.placement:
        before[part.node, part.devices] += part.replicas
    for part in placement:
        after[part.node, part.devices] += part.replicas
    return own.id not in standing.alike or not before or bool((before - after) and (after - before))


def _corrected(row: ObjectiveValue, value: float) -> ObjectiveValue:
    bound = min(row.bound, value)
    gap = (value - bound) / value if value else 0.0
    return row.model_copy(update={"value": value, "bound": bound, "gap": gap})
