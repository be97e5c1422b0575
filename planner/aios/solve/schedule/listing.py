"""List scheduling: jobs in some order, each as early as there is room for it. Quick, and a place to begin from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aios.solve.schedule.problem import Mode, Problem, Task, in_order
from aios.solve.schedule.timetable import Stay, Timetable

__all__ = ["by_lists", "listed"]

Stays = Mapping[int, Stay]
"""Task (index) -> where and when it runs."""


def by_lists(problem: Problem) -> list[Stays]:
    """Return what comes of several orders: urgent jobs first, long jobs first, as they are; none where all fail."""
    tasks = problem.tasks
    far = max((task.latest for task in tasks if task.latest is not None), default=0) + 1

    def length(task: Task) -> int:
        return min((mode.length for mode in task.modes), default=0)

    orders = (
        lambda k: (far if tasks[k].latest is None else tasks[k].latest, -length(tasks[k]), k),
        lambda k: (-length(tasks[k]), k),
        lambda k: (tasks[k].earliest, k),
    )
    tried = dict.fromkeys(tuple(in_order(problem, sorted(range(len(tasks)), key=key))) for key in orders)
    return [stays for order in tried if (stays := listed(problem, order)) is not None]


def listed(
    problem: Problem,
    order: Sequence[int],
    earliest: Mapping[int, int] | None = None,
    ways: Mapping[int, int] | None = None,
) -> Stays | None:
    """Enter jobs in this order, each in the way and at the time in which it ends first; None where one finds no room.

    order: what a job waits for comes before it · earliest: task -> step before which it is not to start · ways: task ->
    mode (index) that it has to take
    """
    table, stays = Timetable(problem), dict[int, Stay]()
    for number in order:
        task = problem.tasks[number]
        ready = max([task.earliest, *(stays[other].end for other in task.after)])
        if ways is not None:
            task = task._replace(modes=(task.modes[ways[number]],))
        stay = _first(problem, table, task, max(ready, (earliest or {}).get(number, 0)))
        if stay is None:
            return None
        table.enter(stay)
        stays[number] = stay
    return stays


def _first(problem: Problem, table: Timetable, task: Task, ready: int) -> Stay | None:
    best: Stay | None = None
    for mode in sorted(task.modes, key=lambda item: item.length):
        if best is not None and ready + mode.length >= best.end:
            break
        latest = None if task.latest is None else task.latest - mode.length
        for start in _starts(problem, table, task, mode, ready):
            if (latest is not None and start > latest) or (best is not None and start + mode.length >= best.end):
                break
            parts = table.parts(mode, start)
            if parts is not None:
                best = Stay(mode, start, parts)
                break
    return best


def _starts(problem: Problem, table: Timetable, task: Task, mode: Mode, ready: int) -> list[int]:
    """Return when room may come to be: when something ends, or when a cap changes within a week of it."""
    if task.standing:
        return [0]
    found = {ready, *(end for end in table.ends if end > ready)}
    caps = [problem.pools[mode.pool].cap, *(group.cap for group in problem.groups if mode.pool in group.pools)]
    for cap in caps:
        if cap is not None and len(set(cap.values)) > 1:
            found.update(cap.changes(ready, max(found) + 7 * problem.day))
    return sorted(found)
