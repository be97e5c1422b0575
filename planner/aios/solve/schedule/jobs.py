"""Intents and demands that run to an end, as jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.records.demanded import Demanded
from aios.records.errors import Diagnostic, InputError
from aios.records.intent import Intent
from aios.records.schedule import Job, TimeGoal, Total, Way
from aios.records.when import Window

__all__ = ["MOST_JOBS", "Jobs", "jobs_of"]

_TOTALS: Mapping[str, Total] = {
    "expense": "expense",
    "cost": "expense",
    "carbon": "carbon",
    "energy": "energy",
    "power": "energy",
    "time": "time",
}
"""Metric of a goal -> what it adds up to over the hours of a job. Power x time is energy."""

MOST_JOBS = 500
"""Jobs of one schedule: more take minutes to prove anything of, and fill no chart that can be read."""


class Jobs(NamedTuple):
    """notes: what jobs want and no schedule is judged by, in words"""

    jobs: tuple[Job, ...]
    notes: tuple[str, ...]


def jobs_of(
    intents: Sequence[Intent],
    demands: Sequence[Demanded],
    windows: Mapping[str, Window],
    ways: Mapping[str, Sequence[Way]],
) -> Jobs:
    """Return a job for each training intent and each copy of a demand.

    windows: of what runs to an end; a demand without one stands all the time · ways: name -> how it can run. Raises
    InputError for what a schedule cannot keep, and for more jobs than it can hold.
    """
    mistakes = [
        *(_refusable(item.name, item) for item in intents if item.name in windows and not item.required),
        *(_refusable(item.name, item) for item in demands if not item.required),
        *(
            _ruled(item)
            for item in intents
            if item.name in windows and (item.placement.domains or item.placement.survive)
        ),
    ]
    many = sum(item.copies for item in demands) + len(windows)
    if many > MOST_JOBS:
        summary = f"{many:,} jobs, copies included, are more than a schedule holds (at most {MOST_JOBS:,})"
        mistakes.append(Diagnostic(summary=summary, remedy="schedule them in several parts"))
    if mistakes:
        raise InputError(*mistakes)
    names = {item.name: [item.name] for item in intents} | {item.name: _names(item) for item in demands}
    jobs: list[Job] = []
    notes: list[str] = []
    for intent in intents:
        if intent.name in windows:
            jobs.append(_job(intent, intent.name, names, windows[intent.name], ways[intent.name], _goals(intent)))
            ignored = [goal.metric for goal in intent.goal if goal.metric not in _TOTALS]
            notes += [
                f"{intent.name}: `{name}` is the same whenever a job runs, and is no goal here" for name in ignored
            ]
    for demand in demands:
        window = windows.get(demand.name, Window())
        jobs += [_job(demand, name, names, window, ways[demand.name], ()) for name in names[demand.name]]
    return Jobs(tuple(jobs), (*notes, *_unknown(jobs)))


def _refusable(name: str, item: Intent | Demanded) -> Diagnostic:
    return Diagnostic(
        summary=f"`{name}` may be refused, and a schedule refuses nothing",
        where=item.where,
        remedy="delete `required: false`, or leave its file out",
    )


def _ruled(intent: Intent) -> Diagnostic:
    return Diagnostic(
        summary=f"`{intent.name}` says how its parts spread, and a schedule does not keep that",
        where=intent.where,
        remedy="delete `spread`, `together`, `apart` and `survive` of jobs",
    )


def _names(demand: Demanded) -> list[str]:
    return [demand.name] if demand.copies == 1 else [f"{demand.name}-{index}" for index in range(demand.copies)]


def _goals(intent: Intent) -> tuple[TimeGoal, ...]:
    found: dict[Total, TimeGoal] = {}
    for goal in intent.goal:
        if goal.metric in _TOTALS:
            total = _TOTALS[goal.metric]
            found.setdefault(total, TimeGoal(total=total, tolerance=goal.tolerance))
    return tuple(found.values())


def _job(
    item: Intent | Demanded,
    name: str,
    names: Mapping[str, Sequence[str]],
    window: Window,
    ways: Sequence[Way],
    goals: tuple[TimeGoal, ...],
) -> Job:
    when = item.when
    waits = [] if when is None else list(zip(when.after, when.after_at, strict=True))
    return Job(
        name=name,
        intent=item.name,
        ways=tuple(ways),
        earliest_s=window.earliest_s,
        deadline_s=window.deadline_s,
        after=tuple(dict.fromkeys(copy for other, _ in waits for copy in names[other])),
        goals=goals,
        priority=item.priority,
        where=item.where,
        deadline_at=when.deadline.where if when and when.deadline else None,
        after_at=tuple(at for _, at in waits),
    )


def _unknown(jobs: Sequence[Job]) -> list[str]:
    """Return what is not known of every way of a job, so that it counts nothing in a sum."""
    found: dict[str, list[str]] = {"price": [], "carbon intensity": [], "power": []}
    for job in jobs:
        if all(way.duration_s is not None for way in job.ways):
            known = {
                "price": any(way.usd_per_h for way in job.ways),
                "power": any(way.power_w is not None for way in job.ways),
                "carbon intensity": any(way.g_per_h or way.power_w is None for way in job.ways),
            }
            for what in (what for what, is_known in known.items() if not is_known and job.ways):
                found[what].append(job.intent)
    return [
        f"no {what} is known of {', '.join(dict.fromkeys(names))}: it counts nothing in the sums"
        for what, names in found.items()
        if names
    ]
