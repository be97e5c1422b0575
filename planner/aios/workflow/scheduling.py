"""schedule: when every job runs, around the services that stand all the time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from aios.records.current import Moving
from aios.records.errors import BadValue, Diagnostic, InputError, UsageError
from aios.records.schedule import Frame, Job, Schedule, TimeGoal, Way
from aios.records.selection import Ledger, Selection
from aios.records.when import Window
from aios.workflow.joining import joins_of, refuse_splits
from aios.workflow.planning import Considered, consider
from aios.workflow.reading import Given, gather
from aios.workflow.setting import Setting

__all__ = ["Scheduled", "frame_of", "schedule_jobs", "scheduled", "windows_in"]

NOTHING = Moving()
"""Nothing stands."""


class Scheduled(NamedTuple):
    """A schedule with what stood behind it. services: what stands all the time, None where nothing does · seconds: what
    solving took, for people"""

    schedule: Schedule
    jobs: tuple[Job, ...]
    considered: Considered
    services: Selection | None
    ledger: Ledger
    seconds: float


_LAST_YEAR = 9000
"""Plans begin no later: what runs for years after the start still has a date."""


def frame_of(start: str | None, within_s: float | None = None) -> Frame:
    """Return where a plan stands in time. start: ISO 8601, UTC where it says no zone. Raises UsageError."""
    from aios.intents import read_instant

    if start is None:
        return Frame(within_s=within_s)
    try:
        instant = datetime.fromtimestamp(int(read_instant(start)), UTC)
        if instant.year > _LAST_YEAR:
            raise ValueError(instant)
    except (BadValue, OverflowError, ValueError) as error:
        remedy = "write it as ISO 8601 does, such as `2027-03-01T18:00Z`"
        raise UsageError(Diagnostic(summary=f"`{start[:80]}` is no date and time", remedy=remedy)) from error
    offset = instant.hour * 3600 + instant.minute * 60 + instant.second
    return Frame(start=instant.isoformat().replace("+00:00", "Z"), offset_s=float(offset), within_s=within_s)


def schedule_jobs(setting: Setting, frame: Frame, asked: tuple[TimeGoal, ...] = ()) -> Scheduled:
    """Place the services of ``setting``, then schedule its jobs on what they leave.

    asked: goals over all jobs, in place of their own. Raises InputError for what was given.
    """
    given = gather(setting)
    refuse_splits(given.intents, "schedule")
    windows = windows_in(given, frame)
    if not windows:
        raise InputError(_no_job(setting))
    return scheduled(consider(given, setting.tell), windows, setting, frame, asked)


def windows_in(given: Given, frame: Frame) -> dict[str, Window]:
    """Return name -> when it may run, of everything that runs to an end. Raises InputError for what cannot be meant."""
    from aios.intents import windows_of

    start_s = None if frame.start is None else datetime.fromisoformat(frame.start).timestamp()
    return windows_of(given.intents, given.demands, start_s, frame.offset_s)


def scheduled(
    considered: Considered,
    windows: Mapping[str, Window],
    setting: Setting,
    frame: Frame,
    asked: tuple[TimeGoal, ...] = (),
    moving: Moving = NOTHING,
) -> Scheduled:
    """Place the services, then schedule the jobs on what they leave. windows: of the jobs · moving: what stands"""
    from aios.check import audit_schedule
    from aios.solve.schedule import jobs_of, schedule

    given = considered.given
    found = jobs_of(given.intents, given.demands, windows, _ways(considered))
    services = _services(considered, moving)
    started = time.perf_counter()
    if services is not None and not services.chosen:
        lost = Schedule(
            status=services.status, frame=frame, conflict=services.conflict, termination=services.termination
        )
        return Scheduled(lost, found.jobs, considered, services, Ledger(rows=(), objective=()), 0.0)
    setting.tell("scheduling")
    result = schedule(found.jobs, given.fleet, services, frame, setting.limits(), asked)
    result = result.model_copy(update={"notes": found.notes})
    seconds = time.perf_counter() - started
    ledger = audit_schedule(found.jobs, result, given.fleet, services)
    if not ledger.holds:
        broken = ", ".join(row.clause.text for row in ledger.rows if not row.holds)
        raise AssertionError(f"the schedule breaks what the checker recomputed: {broken}")
    return Scheduled(result, found.jobs, considered, services, ledger, seconds)


def _ways(considered: Considered) -> dict[str, tuple[Way, ...]]:
    """Return name -> every way to run that keeps the requirements of its intent, on each node."""
    from aios.cost import ways_of, ways_of_demand
    from aios.solve.schedule import keeping

    given = considered.given
    ways = {
        intent.name: ways_of(intent, keeping(intent, considered.options[intent.name]), given.fleet)
        for intent in given.intents
        if intent.train is not None
    }
    return ways | {item.name: ways_of_demand(item, considered.sites[item.name], given.fleet) for item in given.demands}


def _services(considered: Considered, moving: Moving) -> Selection | None:
    """Return where the services stand, as if there were no jobs."""
    from aios.check import audit
    from aios.solve import choose

    given: Given = considered.given
    services = [intent for intent in given.intents if intent.train is None]
    if not services:
        return None
    joins = joins_of(services, considered.options, given.fleet)
    selection = choose(
        services, considered.options, given.fleet, given.setting.limits(), moving=moving, joins=joins, by_hour=False
    )
    if selection.chosen and not audit(services, selection, given.fleet, moving=moving, joins=joins).holds:
        raise AssertionError("the choice of services breaks what the checker recomputed")
    return selection


def _no_job(setting: Setting) -> Diagnostic:
    return Diagnostic(
        summary="there is no job to schedule",
        reason=f"{', '.join(setting.paths)}: nothing that trains, and no demand with a `duration`",
        remedy="name the files of jobs as well; services alone are planned by `aios plan`",
    )
