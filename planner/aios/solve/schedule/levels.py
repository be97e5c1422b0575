"""What is made small, in order, and what it comes to.

Jobs of higher priority come first; among equals, everybody's first goal before anybody's second; at each step in the
order of ``TOTALS``. Then, over all jobs: what they cost, what they emit, when the last one ends, and that each starts
as early as it can.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.records.schedule import TOTALS, TimeGoal, Total, Way
from aios.records.selection import ObjectiveValue
from aios.solve.cpsat import Term
from aios.solve.schedule.decisions import Chosen, Decisions
from aios.solve.schedule.hours import Hours, Segment, bends, segments
from aios.solve.schedule.problem import Mode, Problem, in_order

__all__ = ["Level", "Sum", "add", "cheapest", "compared", "least", "levels_of", "row", "value_of"]

_FINAL: tuple[Total, ...] = ("expense", "carbon", "time")
_STEPS = 10**6
"""Steps of the largest rate: sums are off by at most half a step for each step of time that jobs take."""


class Level(NamedTuple):
    """One sum over some tasks (indexes); None: their starts. tolerance: share by which later levels may worsen it ·
    tie: whether it only breaks ties between schedules that are as good in what was asked for"""

    total: Total | None
    tasks: tuple[int, ...]
    tolerance: float
    text: str
    tie: bool = False


class Sum(NamedTuple):
    """A level in the model.

    terms: what is made small · unit: what one of it is worth · values: of the variables that were added for it, by the
    best schedule so far · least: what the terms leave out, as no schedule comes below it · error: by which sums may be
    off, in whole units
    """

    terms: list[Term]
    unit: float
    values: Sequence[int] = ()
    least: int = 0
    error: float = 0.0


def levels_of(problem: Problem, asked: Sequence[TimeGoal] = ()) -> list[Level]:
    """Return the levels, most important first. asked: over all jobs, in place of what these want themselves"""
    jobs = [number for number, task in enumerate(problem.tasks) if not task.standing]
    found: list[Level] = []
    if asked:
        found += [_level(problem, goal.total, jobs, goal.tolerance, len(jobs)) for goal in asked]
    else:
        for priority in sorted({problem.tasks[k].job.priority for k in jobs}, reverse=True):
            alike = [k for k in jobs if problem.tasks[k].job.priority == priority]
            found += _wanted(problem, alike, len(jobs))
    stated = {(level.total, level.tasks) for level in found}
    for total in _FINAL:
        if (total, tuple(jobs)) not in stated:
            found.append(_level(problem, total, jobs, 0.0, len(jobs))._replace(tie=bool(stated) and total != "expense"))
    found.append(Level(None, tuple(jobs), 0.0, "minimize the sum of starts", tie=True))
    return [level for level in found if level.tasks and _known(problem, level)]


def _wanted(problem: Problem, alike: Sequence[int], everybody: int) -> Iterator[Level]:
    for position in range(max(len(problem.tasks[k].job.goals) for k in alike)):
        wishes = {k: problem.tasks[k].job.goals[position] for k in alike if len(problem.tasks[k].job.goals) > position}
        for total in TOTALS:
            same = [k for k, goal in wishes.items() if goal.total == total]
            if same:
                yield _level(problem, total, same, min(wishes[k].tolerance for k in same), everybody)


def _level(problem: Problem, total: Total, tasks: Sequence[int], tolerance: float, everybody: int) -> Level:
    names = sorted({problem.tasks[k].job.intent for k in tasks})
    prefix = "" if len(tasks) == everybody else f"{', '.join(names)}: "
    within = f" within {100 * tolerance:.4g} %" if tolerance else ""
    return Level(total, tuple(tasks), tolerance, f"{prefix}minimize {total}{within}")


def _known(problem: Problem, level: Level) -> bool:
    """Whether any of its tasks could have a value: a sum over none says nothing."""
    if level.total in (None, "time"):
        return True
    tasks = [problem.tasks[k] for k in level.tasks]
    return any(_rates(level.total, task.job.ways[mode.way]) for task in tasks for mode in task.modes)


def _rates(total: Total | None, way: Way) -> tuple[float, ...]:
    """Return what a way takes of a total in an hour: a series; empty where nobody knows."""
    if total == "expense":
        return way.usd_per_h
    if total == "carbon":
        return way.g_per_h
    return () if way.power_w is None else (way.power_w * 3600.0,)


def value_of(problem: Problem, level: Level, chosen: Chosen) -> float:
    """Return what a schedule comes to: USD, gCO2, J, s; of starts, the sum of their seconds."""
    ends = [chosen[k][1] + problem.tasks[k].modes[chosen[k][0]].length for k in level.tasks]
    if level.total is None:
        return float(sum(chosen[k][1] for k in level.tasks) * problem.step_s)
    if level.total == "time":
        return float(max(ends) * problem.step_s)
    return sum(
        _spent(problem, _rates(level.total, problem.tasks[k].job.ways[mode.way]), start, start + mode.length)
        for k in level.tasks
        for index, start in [chosen[k]]
        for mode in [problem.tasks[k].modes[index]]
    )


def _spent(problem: Problem, rates: Sequence[float], start: int, end: int) -> float:
    """Return the integral of a series of rates per hour."""
    if not rates:
        return 0.0
    hours = problem.hours(range(len(rates)))
    return sum(rates[index] * (b - a) for a, b, index in hours.pieces(start, end)) / problem.hour


def compared(problem: Problem, levels: Sequence[Level], chosen: Chosen) -> tuple[float, ...]:
    """Return what schedules are compared by, the less the better."""
    return tuple(value_of(problem, level, chosen) for level in levels)


def add(decisions: Decisions, level: Level, best: Chosen | None) -> Sum:
    """Add a level's sum to the model. best: a schedule that the model is to begin with"""
    problem = decisions.problem
    if level.total is None:
        return Sum([(decisions.starts[k], 1) for k in level.tasks], float(problem.step_s))
    if level.total == "time":
        last = decisions.model.variable(0, problem.horizon)
        decisions.end_after(last, level.tasks)
        ends = [] if best is None else [best[k][1] + problem.tasks[k].modes[best[k][0]].length for k in level.tasks]
        return Sum([(last, 1)], float(problem.step_s), [max(ends)] if ends else [])
    return _add_spending(decisions, level, best)


def _add_spending(decisions: Decisions, level: Level, best: Chosen | None) -> Sum:
    problem = decisions.problem
    rates = {
        (k, mode): _rates(level.total, problem.tasks[k].job.ways[mode.way])
        for k in level.tasks
        for mode in problem.tasks[k].modes
    }
    unit = max((max(series, default=0.0) for series in rates.values()), default=0.0) / _STEPS or 1.0
    terms: list[Term] = []
    values: Sequence[int] = ()
    bottom = 0
    for k in level.tasks:
        hours = [
            problem.hours([round(rate / unit) for rate in rates[k, mode]] or [0]) for mode in problem.tasks[k].modes
        ]
        rows = [_pieces(decisions, k, mode, own) for mode, own in zip(problem.tasks[k].modes, hours, strict=True)]
        low = min(min(piece.base, piece.last) for row in rows for piece in row)
        own, begun = _add_task(decisions, k, rows, low, None if best is None else best[k])
        terms, values, bottom = [*terms, *own], [*values, *begun], bottom + low
    longest = sum(max((mode.length for mode in problem.tasks[k].modes), default=0) for k in level.tasks)
    return Sum(terms, unit / problem.hour, values, bottom, longest / 2)


def _add_task(
    decisions: Decisions, number: int, rows: Sequence[Sequence[Segment]], low: int, best: tuple[int, int] | None
) -> tuple[list[Term], list[int]]:
    """Return what a task spends above ``low`` as terms, and the values of the variables added for it.

    Of the pieces of its sums over the start, one is taken; the start is where that is cheapest, and away from there by
    a rest. This form has the convex hull of each task as its linear relaxation, and no term is negative, so that a
    level that is held closes at once what would exceed it.
    rows: pieces by mode · best: mode and start that the model is to begin with
    """
    if all(len(row) == 1 and row[0].slope == 0 for row in rows):
        return [(taken, row[0].base - low) for taken, row in zip(decisions.taken[number], rows, strict=True)], []
    model, terms, values = decisions.model, list[Term](), list[int]()
    begin: list[Term] = [(decisions.starts[number], -1)]
    for index, (taken, row) in enumerate(zip(decisions.taken[number], rows, strict=True)):
        own = []
        settled = best is None or best[0] != index
        for segment in row:
            piece, rest = model.variable(0, 1), model.variable(0, segment.high - segment.low)
            model.linear([(rest, 1), (piece, segment.low - segment.high)], high=0)
            own.append(piece)
            rising = segment.slope >= 0
            begin += [(piece, segment.low if rising else segment.high), (rest, 1 if rising else -1)]
            terms += [(piece, min(segment.base, segment.last) - low), (rest, abs(segment.slope))]
            here = not settled and best is not None and segment.low <= best[1] <= segment.high
            settled = settled or here
            away = 0 if best is None else best[1] - segment.low if rising else segment.high - best[1]
            values += [int(here), away if here else 0]
        model.linear([*((piece, 1) for piece in own), (taken, -1)], low=0, high=0)
    model.linear(begin, low=0, high=0)
    return terms, values


def _pieces(decisions: Decisions, number: int, mode: Mode, hours: Hours) -> list[Segment]:
    earliest = decisions.problem.tasks[number].earliest
    last = max(earliest, decisions.latest(number) - mode.length)
    return segments(hours, mode.length, earliest, last)


def least(problem: Problem, level: Level) -> float:
    """Return what no schedule comes below, each task looked at alone."""
    if level.total is None:
        return float(sum(problem.tasks[k].earliest for k in level.tasks) * problem.step_s)
    if level.total == "time":
        return float(max(_soonest(problem).values(), default=0) * problem.step_s)
    return sum(
        min((_cheapest(problem, level, k, mode) for mode in problem.tasks[k].modes), default=0.0) for k in level.tasks
    )


def cheapest(problem: Problem, level: Level) -> dict[int, int]:
    """Return task -> the mode in which it adds least to a level, looked at alone; of equal ones the shortest."""
    found = {}
    for k, task in enumerate(problem.tasks):
        each = [(_cheapest(problem, level, k, mode), mode.length, index) for index, mode in enumerate(task.modes)]
        found[k] = min(each)[2]
    return found


def _cheapest(problem: Problem, level: Level, number: int, mode: Mode) -> float:
    task = problem.tasks[number]
    rates = _rates(level.total, task.job.ways[mode.way])
    latest = problem.horizon if task.latest is None else task.latest
    hours = problem.hours(range(len(rates) or 1))
    last = max(task.earliest, latest - mode.length)
    starts = bends(hours, mode.length, task.earliest, last)
    return min(_spent(problem, rates, start, start + mode.length) for start in starts)


def _soonest(problem: Problem) -> Mapping[int, int]:
    """Return when each task ends at the soonest, with nothing but what it waits for in its way."""
    ends: dict[int, int] = {}
    for number in in_order(problem, range(len(problem.tasks))):
        task = problem.tasks[number]
        ready = max([task.earliest, *(ends[other] for other in task.after)])
        ends[number] = ready + min((mode.length for mode in task.modes), default=0)
    return {number: end for number, end in ends.items() if not problem.tasks[number].standing}


def row(problem: Problem, level: Level, chosen: Chosen, bound: float) -> ObjectiveValue:
    """Return what is reported of a level. bound: no schedule within what earlier levels leave comes below"""
    value = value_of(problem, level, chosen)
    bound = min(bound, value)
    unit = "s" if level.total is None else TOTALS[level.total]
    gap = (value - bound) / value if value > 0 else 0.0
    return ObjectiveValue(goal=level.text, value=value, bound=bound, gap=gap, unit=unit)
