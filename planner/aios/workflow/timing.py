"""Plans in time: the same choice as `aios plan`, with a start and an end for whatever runs to an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.records.current import Moving
from aios.records.errors import Diagnostic, InputError
from aios.records.schedule import Frame, Run, Schedule
from aios.records.selection import Placement, Selection
from aios.workflow.joining import refuse_splits
from aios.workflow.reading import Given
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.workflow.planning import Considered
    from aios.workflow.scheduling import Scheduled

__all__ = ["in_time", "jobs_only", "selected", "takes_time"]


def takes_time(given: Given) -> bool:
    """Say whether a plan is one in time: something says when it may run, or how long it takes where rents change.

    The one place of this rule. Nobody who states a duration alone asks for a schedule: where one would refuse what is
    given, everything stands all the time, as it does where rents never change.
    """
    if any(intent.when is not None for intent in given.intents) or any(own.when is not None for own in given.demands):
        return True
    ends = any(demand.duration_s is not None for demand in given.demands)
    if not ends or not any(node.hourly_usd_per_h for node in given.fleet.nodes):
        return False
    from aios.solve.schedule import MOST_JOBS

    optional = any(not item.required for item in given.intents) or any(not own.required for own in given.demands)
    ruled = any(item.train is not None and item.placement.domains for item in given.intents)
    split = any(item.load is not None and item.load.split is not None for item in given.intents)
    many = sum(demand.copies for demand in given.demands) + len(given.intents) > MOST_JOBS
    return given.objective is None and not (optional or ruled or split or many)


def in_time(setting: Setting, considered: Considered, frame: Frame, moving: Moving) -> Scheduled:
    """Place the services and schedule the jobs. Raises InputError for what a plan in time does not keep."""
    from aios.workflow.scheduling import scheduled, windows_in

    given = considered.given
    refuse_splits(given.intents, "plan", "aios size --split")
    if given.objective is not None:
        raise InputError(
            Diagnostic(
                summary="an Objective holds of what stands all the time, and here jobs run at times of their own",
                where=given.objective.where,
                reason="something says `when` it may run, or how long it takes where rents change over the day",
                remedy="leave the objective out, or plan the jobs apart with `aios schedule`",
            )
        )
    return scheduled(considered, windows_in(given, frame), setting, frame, moving=moving)


def selected(found: Scheduled) -> Selection:
    """Return a schedule and the services beside it as one choice."""
    schedule, services = found.schedule, found.services
    if not schedule.runs:
        return Selection(status=schedule.status, termination=schedule.termination, conflict=schedule.conflict)
    options = {option.candidate.id: option for own in found.considered.options.values() for option in own}
    chosen = dict(services.chosen) if services else {}
    placement = dict(services.placement) if services else {}
    for run in schedule.runs:
        if run.candidate in options:
            chosen[run.intent] = options[run.candidate]
        placement[run.intent] = _together(placement.get(run.intent, ()), run.placement)
    best = {schedule.status, services.status if services else "optimal"} == {"optimal"}
    return Selection(
        status="optimal" if best else "feasible",
        chosen={name: chosen[name] for name in sorted(chosen)},
        placement={name: placement[name] for name in sorted(placement)},
        refused=services.refused if services else {},
        objective=(*(services.objective if services else ()), *schedule.goals),
        termination=schedule.termination,
    )


def _together(one: tuple[Placement, ...], other: tuple[Placement, ...]) -> tuple[Placement, ...]:
    """Return the places of several copies, those on the same devices as one."""
    found = {(part.node, part.devices, part.share): part for part in one}
    for part in other:
        key = (part.node, part.devices, part.share)
        before = found.get(key)
        more = part.replicas + (before.replicas if before else 0)
        found[key] = part.model_copy(update={"replicas": more})
    return tuple(found.values())


def jobs_only(given: Given, schedule: Schedule) -> Schedule:
    """Return the schedule without what stands all the time."""
    ends = {item.name for item in given.intents if item.train is not None}
    ends |= {item.name for item in given.demands if item.duration_s is not None}
    runs: tuple[Run, ...] = tuple(run for run in schedule.runs if run.intent in ends)
    return schedule.model_copy(update={"runs": runs})
