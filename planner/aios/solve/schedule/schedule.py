"""The act: every job gets a way, a time and devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.records.fleet import Fleet
from aios.records.hosts import natural_order
from aios.records.schedule import Frame, Job, Run, Schedule, TimeGoal, Total
from aios.records.selection import Conflict, ObjectiveValue, Placement, Selection
from aios.solve.cpsat import Engine, Term
from aios.solve.limits import Limits
from aios.solve.schedule.conflict import explain
from aios.solve.schedule.decisions import Chosen, Decisions
from aios.solve.schedule.levels import Level, add, cheapest, compared, least, levels_of, row, value_of
from aios.solve.schedule.listing import by_lists, listed
from aios.solve.schedule.problem import Problem, in_order, pose
from aios.solve.schedule.timetable import Part, Stay, Timetable
from aios.solve.selecting import termination

__all__ = ["schedule"]

_LARGEST = 20_000
"""Numbers of parts on machines that the exact model may have; it has one for each way and machine of its node."""

_TIES = 1 / 30
"""Share of the allowance for each step of breaking ties: two seconds of the usual minute. What is found is taken."""

Stays = Mapping[int, Stay]


class _Found(NamedTuple):
    """What the engine found. rows: one per level, as far as it came · parts: of each task, from the exact model"""

    status: str
    chosen: Chosen | None = None
    rows: tuple[ObjectiveValue, ...] = ()
    parts: Mapping[int, Sequence[Part]] | None = None


def schedule(
    jobs: Sequence[Job],
    fleet: Fleet,
    standing: Selection | None,
    frame: Frame,
    limits: Limits,
    asked: Sequence[TimeGoal] = (),
) -> Schedule:
    """Choose a way and a start for every job, and place it on devices that it has to itself until it ends.

    standing: services, which stand where they stand all the time · asked: goals over all jobs, in place of their own.
    Capacities, power caps, deadlines and order hold at every moment. The goals are made small in order (see
    ``levels``), each within what the earlier ones leave, among all schedules that end by the horizon. Status
    ``infeasible`` comes with the smallest set of clauses that cannot hold together.
    """
    problem = pose(jobs, fleet, standing, frame)
    lists = by_lists(problem)
    problem = problem.until(_horizon(problem, lists))
    if any(not task.modes for task in problem.tasks):
        return _nothing(problem, limits, "infeasible", explain(problem, Engine(limits), exact=False))
    levels = levels_of(problem, asked)
    if levels[0].total not in (None, "time"):
        order = in_order(problem, range(len(problem.tasks)))
        cheap = listed(problem, order, ways=cheapest(problem, levels[0]))
        lists = lists if cheap is None else [*lists, cheap]
    first = _best(problem, levels, lists)
    found = _solve(Decisions(problem), levels, first, Engine(limits))
    if found.status == "infeasible":
        return _nothing(problem, limits, "infeasible", explain(problem, Engine(limits), exact=False))
    stays = None if found.chosen is None else _placed(problem, found.chosen)
    if stays is None:
        return _in_particular(problem, levels, found, lists, limits)
    return _told(problem, found, stays, limits)


def _horizon(problem: Problem, lists: Sequence[Stays]) -> int:
    """Return the step by which all jobs have ended.

    The last deadline where all jobs have one. Else a day after the shortest of the lists, or, where there is none, a
    day after all jobs one after the other.
    """
    jobs = [number for number, task in enumerate(problem.tasks) if not task.standing]
    ends = [problem.tasks[k].latest for k in jobs]
    latest = max((end for end in ends if end is not None), default=0)
    if None not in ends:
        return max(latest, 1)
    if lists:
        return max(latest, min(max(stays[k].end for k in jobs) for stays in lists) + problem.day)
    every = sum(max((mode.length for mode in problem.tasks[k].modes), default=0) for k in jobs)
    return max(latest, max(problem.tasks[k].earliest for k in jobs) + every + problem.day)


def _best(problem: Problem, levels: Sequence[Level], tried: Sequence[Stays]) -> Stays | None:
    """Return the best of these that end by the horizon; None without any."""
    jobs = [number for number, task in enumerate(problem.tasks) if not task.standing]
    ending = [stays for stays in tried if all(stays[k].end <= problem.horizon for k in jobs)]
    return min(ending, key=lambda stays: compared(problem, levels, _chosen(problem, stays)), default=None)


def _chosen(problem: Problem, stays: Stays) -> dict[int, tuple[int, int]]:
    """Return the schedule of stays, whose modes have the lengths of before the horizon was known."""
    return {
        number: (next(k for k, mode in enumerate(problem.tasks[number].modes) if mode.way == stay.mode.way), stay.start)
        for number, stay in stays.items()
    }


def _solve(decisions: Decisions, levels: Sequence[Level], first: Stays | None, engine: Engine) -> _Found:
    """Make one level after the other small. first: a schedule to begin with"""
    problem, model = decisions.problem, decisions.model
    decisions.add_symmetry()
    best: Chosen | None = None
    values: list[int] = []
    if first is not None:
        best = _chosen(problem, first)
        values = decisions.values(best, {number: stay.parts for number, stay in first.items()})
    bounds: list[float] = []
    proved = True
    for level in levels:
        added = add(decisions, level, best)
        values = [*values, *added.values] if best is not None else []
        if best is not None and level.total != "time" and not _whole(added.terms, values):
            bounds.append(value_of(problem, level, best))  # no term is negative, so that nothing is below zero
            model.linear(added.terms, high=int(level.tolerance * added.least))
            continue
        model.minimize(added.terms)
        model.hint(values)
        share = _TIES if level.tie else engine.left / engine.limits.deterministic_limit / 2
        answer = engine.solve(model, share, varied=True)
        if answer.values:
            values, best = list(answer.values), decisions.chosen(answer.values)
        elif best is None or answer.status == "infeasible":
            return _Found(answer.status)
        proved = proved and (level.tie or answer.status == "optimal")
        value = value_of(problem, level, best)
        bound = value if answer.status == "optimal" else added.unit * (added.least + (answer.bound or 0) - added.error)
        bounds.append(max(bound, least(problem, level)))
        whole = _whole(added.terms, values)
        model.linear(added.terms, high=whole + int(level.tolerance * (added.least + whole)))
    assert best is not None  # there is a level, as there is a job
    rows = tuple(row(problem, level, best, bound) for level, bound in zip(levels, bounds, strict=True))
    return _Found("optimal" if proved else "feasible", best, rows, decisions.parts(values))


def _whole(terms: Sequence[Term], values: Sequence[int]) -> int:
    return sum(weight * values[variable] for variable, weight in terms)


def _placed(problem: Problem, chosen: Chosen, parts: Mapping[int, Sequence[Part]] | None = None) -> Stays | None:
    """Give every part devices, jobs in the order of their starts; None where there are none in particular."""
    table, stays = Timetable(problem), dict[int, Stay]()
    width = {k: problem.tasks[k].modes[mode].devices for k, (mode, _) in chosen.items()}
    order = sorted(chosen, key=lambda k: (chosen[k][1], not problem.tasks[k].standing, -width[k], k))
    for number in order:
        index, start = chosen[number]
        mode = problem.tasks[number].modes[index]
        given = () if parts is None else tuple(parts[number])
        if given and all(len(part.devices) == mode.devices for part in given):
            placed: tuple[Part, ...] | None = given
        else:
            placed = table.parts(mode, start, [part.machine for part in given] or None)
        if placed is None:
            return None
        stays[number] = Stay(mode, start, placed)
        table.enter(stays[number])
    return stays


def _in_particular(
    problem: Problem, levels: Sequence[Level], found: _Found, lists: Sequence[Stays], limits: Limits
) -> Schedule:
    """Schedule where the starts found have no room on machines in particular, or no starts were found."""
    tried = list(lists)
    if found.chosen is not None:
        starts = {number: start for number, (_, start) in found.chosen.items()}
        order = in_order(problem, sorted(starts, key=lambda k: (starts[k], k)))
        ways = {number: mode for number, (mode, _) in found.chosen.items()}
        tries = ((starts, ways), (starts, None), (None, ways), (None, None))
        tried += [stays for wait, way in tries if (stays := listed(problem, order, wait, way)) is not None]
    best = _best(problem, levels, tried)
    if best is not None and found.chosen is not None and _as_good(problem, levels, best, found.chosen):
        chosen = _chosen(problem, best)
        rows = [row(problem, level, chosen, item.bound) for level, item in zip(levels, found.rows, strict=True)]
        return _told(problem, found._replace(rows=tuple(rows)), best, limits)
    bound = found.rows[0].bound if found.rows else 0.0
    if sum(len(problem.pools[mode.pool].machines) for task in problem.tasks for mode in task.modes) <= _LARGEST:
        again = _solve(Decisions(problem, exact=True), levels, best, Engine(limits))
        if again.status == "infeasible":
            return _nothing(problem, limits, "infeasible", explain(problem, Engine(limits), exact=True))
        stays = None if again.chosen is None else _placed(problem, again.chosen, again.parts)
        if stays is not None and again.status == "optimal":
            return _told(problem, again, stays, limits)
        best = _best(problem, levels, [*tried, *([] if stays is None else [stays])])
        bound = max(bound, again.rows[0].bound) if again.rows else bound
    if best is None:
        return _nothing(problem, limits, "unknown", None)
    return _told(problem, _bounded(problem, levels, best, bound), best, limits)


def _as_good(problem: Problem, levels: Sequence[Level], stays: Stays, chosen: Chosen) -> bool:
    return compared(problem, levels, _chosen(problem, stays)) <= compared(problem, levels, chosen)


def _bounded(problem: Problem, levels: Sequence[Level], stays: Stays, bound: float) -> _Found:
    """Return a schedule that the engine has not found. bound: of the first level; the others look at jobs alone"""
    chosen = _chosen(problem, stays)
    known = [(level, bound if level is levels[0] else 0.0) for level in levels]
    rows = [row(problem, level, chosen, max(own, least(problem, level))) for level, own in known]
    proved = all(item.gap <= 0 or level.tie for item, level in zip(rows, levels, strict=True))
    return _Found("optimal" if proved else "feasible", chosen, tuple(rows))


def _nothing(problem: Problem, limits: Limits, status: str, conflict: Conflict | None) -> Schedule:
    return Schedule(
        status="infeasible" if status == "infeasible" else "unknown",
        frame=problem.frame,
        step_s=problem.step_s,
        horizon_s=problem.horizon * problem.step_s,
        conflict=conflict,
        termination=termination(limits, "infeasible" if status == "infeasible" else "limit", found=False),
    )


def _told(problem: Problem, found: _Found, stays: Stays, limits: Limits) -> Schedule:
    runs = [_run(problem, number, stay) for number, stay in stays.items()]
    return Schedule(
        status="optimal" if found.status == "optimal" else "feasible",
        frame=problem.frame,
        step_s=problem.step_s,
        horizon_s=problem.horizon * problem.step_s,
        runs=tuple(sorted(runs, key=lambda run: (run.start_s, run.end_s, natural_order(run.job)))),
        goals=found.rows,
        termination=termination(limits, "optimal" if found.status == "optimal" else "limit", found=True),
    )


def _run(problem: Problem, number: int, stay: Stay) -> Run:
    task = problem.tasks[number]
    job, mode = task.job, stay.mode
    way, pool = job.ways[mode.way], problem.pools[mode.pool]
    end = problem.horizon if task.standing else stay.end
    index = next(k for k, other in enumerate(task.modes) if other.way == mode.way)
    spent: dict[Total, float | None] = {"expense": None, "carbon": None, "energy": None}
    known = {"expense": bool(way.usd_per_h), "carbon": bool(way.g_per_h), "energy": way.power_w is not None}
    for total in [total for total in spent if known[total] and not task.standing]:
        spent[total] = value_of(problem, Level(total, (number,), 0.0, ""), {number: (index, stay.start)})
    placed: dict[tuple[int, tuple[str, ...]], int] = {}
    for part in stay.parts:
        placed[part] = placed.get(part, 0) + 1
    return Run(
        job=job.name,
        intent=job.intent,
        way=mode.way,
        candidate=way.id,
        node=way.node,
        placement=tuple(
            Placement(node=pool.machines[machine].name, devices=devices, share=way.share, replicas=times)
            for (machine, devices), times in placed.items()
        ),
        start_s=float(stay.start * problem.step_s),
        end_s=float(end * problem.step_s),
        power_w=way.power_w,
        expense_usd=spent["expense"],
        emissions_g=spent["carbon"],
        energy_j=spent["energy"],
    )
