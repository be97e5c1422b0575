"""apply and destroy: carry out what was planned, decide nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aios.records.base import Span
from aios.records.errors import ConflictError, Diagnostic, InputError
from aios.records.plan import Action, Plan
from aios.workflow import stopping
from aios.workflow.basis import basis_of, places_of
from aios.workflow.goingback import check_return
from aios.workflow.keeping import Opened, load_state, opened
from aios.workflow.manner import Manner
from aios.workflow.moving import protects
from aios.workflow.observing import unhealthy
from aios.workflow.planning import inputs_of
from aios.workflow.reading import Given, gather
from aios.workflow.ruling import denials
from aios.workflow.setting import Setting, place_of
from aios.workflow.stages import of_command, stage
from aios.workflow.watching import Watching

if TYPE_CHECKING:
    from aios.apply import Event, Report, Undo
    from aios.records.state import State

__all__ = ["apply_plan", "carry_out", "destroy", "roll_back", "to_destroy", "to_roll_back"]

_AS_USUAL = Manner()
_ONE_BY_ONE = Manner(parallelism=1)


def apply_plan(
    plan: Plan,
    setting: Setting,
    on_event: Callable[[Event], None],
    manner: Manner = _AS_USUAL,
    again: Callable[[], Plan] | None = None,
    command: str | None = None,
) -> Report:
    """Carry out ``plan``; where its last run was being rolled back, end that instead.

    again: makes the plan anew, where the approval holds for whatever is planned; it is asked for one when somebody else
    has applied while we waited for the lock · command: what the history says was run, where that is not the usual

    Raises ConflictError, saying what changed, unless everything that it was made from is still the same, and when
    somebody else holds the lock; WorldError when its actions cannot be carried out from here.
    """
    _see_that_it_can_be_applied(plan)
    setting = _setting_of(plan, setting)
    with opened(setting, "aios apply") as kept, stopping.patient():
        last = kept.state.load().run
        if last is not None and last.back and last.plan == plan.id:
            return _roll_back(kept, setting, on_event)
        if again is not None and _has_moved(plan, kept):
            plan = again()
            _see_that_it_can_be_applied(plan)
        of_command(plan=plan.id)
        with stage("freshness", plan=plan.id):
            _check_fresh(plan, setting, kept)
        return _recorded(plan.actions, kept, setting, plan.id, plan, on_event, manner, command)


def _see_that_it_can_be_applied(plan: Plan) -> None:
    if plan.conflict is not None or not plan.is_found:
        raise InputError(Diagnostic(summary="this plan is infeasible: there is nothing to apply", command="aios plan"))
    denied = denials(plan)
    if denied:
        names = ", ".join(item.rule for item in denied)
        raise InputError(Diagnostic(summary=f"this plan is denied by {names}: it is not applied", command="aios plan"))
    if not plan.at_once:
        raise InputError(_not_at_once(plan))


def _has_moved(plan: Plan, kept: Opened) -> bool:
    state = kept.state.load()
    return plan.inputs.state != f"{state.lineage}:{state.serial}" and not kept.journal.resumes(plan.id, state)


def to_roll_back(setting: Setting) -> tuple[Undo, ...]:
    """Return what would take back the last run, unless it came to its end."""
    from aios.apply import undo_actions

    return undo_actions(load_state(setting))


def roll_back(setting: Setting, on_event: Callable[[Event], None]) -> Report:
    """Take back what the last run did, which was killed, stopped, or failed in part.

    Raises InputError when it did come to its end, ConflictError when somebody else holds the lock.
    """
    with opened(setting, "aios apply --abort") as kept, stopping.patient():
        return _roll_back(kept, setting, on_event)


def _roll_back(kept: Opened, setting: Setting, on_event: Callable[[Event], None]) -> Report:
    from aios.apply import roll_back as work
    from aios.apply import undo_actions, unfinished_run
    from aios.spi import registry
    from aios.workflow.recording import recorded

    state = kept.state.load()
    plan = unfinished_run(state).plan  # where there is none, nothing was done that the history could tell of
    actions = [undo.action for undo in undo_actions(state)]
    with (
        recorded(kept, setting, actions, command="apply --abort", plan=plan, made=None) as recording,
        stage("rollback", plan=plan, actions=len(actions)),
        Watching(recording.noting(on_event)) as watching,
    ):
        recording.report = work(
            state_store=watching.states(kept.state),
            executors=watching.executors(registry.load_all("aios.executors")),
            artefacts=kept.artefacts,
            journal=kept.journal,
            now=setting.now,
            on_event=watching.event,
            stop=_is_asked_to_stop,
        )
    return recording.report


def _is_asked_to_stop() -> bool:
    return stopping.asked() is not None


def _never() -> bool:
    return False


def _not_at_once(plan: Plan) -> Diagnostic:
    jobs = [decision.intent for decision in plan.decisions if decision.start_s]
    if jobs:
        return Diagnostic(
            summary=f"{', '.join(jobs)}: planned to start later, and `aios apply` starts everything at once",
            remedy="apply what stands all the time apart, and let whoever runs the jobs start them at `start_s`",
        )
    shared = ", ".join(decision.intent for decision in plan.decisions if decision.periods)
    return Diagnostic(
        summary=f"{shared} share machines by the hour, and there is no room for all of their replicas at once",
        reason="`aios apply` starts every replica and stops none by the hour",
        remedy="give them more machines, or state the highest rate alone; the plan says what whoever runs them starts "
        "and stops when (`hourly` of each place)",
    )


def to_destroy(setting: Setting, targets: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses that ``destroy`` would remove. Raises InputError as that does."""
    from aios.plan import destroy_actions

    return tuple(action.address for action in destroy_actions(load_state(setting), targets))


def destroy(
    setting: Setting, targets: Sequence[str], on_event: Callable[[Event], None], manner: Manner = _AS_USUAL
) -> Report:
    """Remove ``targets``, or everything that stands.

    Raises InputError for an unknown target, ConflictError when a run is at work that may be making something.
    """
    from aios.apply import Report
    from aios.plan import destroy_actions

    if isinstance(setting.state, Path) and not setting.home.is_dir():
        return Report(results=(), interrupted=False)
    with opened(setting, "aios destroy") as kept, stopping.patient():
        actions = destroy_actions(kept.state.load(), targets)
        if not actions:
            return Report(results=(), interrupted=False)
        return _recorded(actions, kept, setting, "destroy", None, on_event, manner)


def _recorded(
    actions: Sequence[Action],
    kept: Opened,
    setting: Setting,
    plan: str,
    made: Plan | None,
    on_event: Callable[[Event], None],
    manner: Manner,
    said: str | None = None,
) -> Report:
    """Carry out ``actions`` and record it. said: what was run, where that is not the usual"""
    from aios.workflow.recording import recorded

    command = "destroy" if made is None else f"rollback to @{made.back_to.run}" if made.back_to else "apply"
    with recorded(kept, setting, actions, command=said or command, plan=plan, made=made) as recording:
        recording.report = carry_out(
            actions,
            kept,
            setting,
            plan=plan,
            made=made,
            on_event=recording.noting(on_event),
            stop=_is_asked_to_stop,
            manner=manner,
        )
    return recording.report


def carry_out(
    actions: Sequence[Action],
    kept: Opened,
    setting: Setting,
    *,
    plan: str,
    made: Plan | None,
    on_event: Callable[[Event], None],
    stop: Callable[[], bool] = _never,
    manner: Manner = _ONE_BY_ONE,
) -> Report:
    """Hand actions to the engine of apply. stop: asked before each action; see `aios.apply.execute`"""
    from aios.apply import execute
    from aios.spi import registry

    with stage("apply", plan=plan, actions=len(actions)) as at, Watching(on_event) as watching:
        report = execute(
            actions,
            plan=plan,
            claims=made.claims if made else (),
            evaluate=made.evaluate if made else None,
            protected=made.protected if made else (),
            state_store=watching.states(kept.state),
            executors=watching.executors(registry.load_all("aios.executors")),
            artefacts=kept.artefacts,
            journal=kept.journal,
            now=setting.now,
            on_event=watching.event,
            stop=stop,
            **manner._asdict(),
        )
        at.note(complete=report.complete, interrupted=report.interrupted)
        return report


def _setting_of(plan: Plan, setting: Setting) -> Setting:
    """Return the setting that the plan was made in; the clock and the talk stay ours."""
    files = plan.files
    return replace(
        setting,
        paths=tuple(files["intents"]),
        fleet=files["fleet"],
        profiles=Path(files["profiles"]),
        state=place_of(files["state"]),
        policies=tuple(files.get("policies", ())),
    )


def _check_fresh(plan: Plan, setting: Setting, kept: Opened) -> None:
    from aios.plan import stale

    state = kept.state.load()
    resumes = kept.journal.resumes(plan.id, state)
    if plan.back_to is not None:
        if not resumes:
            _check_time(plan, setting)
        check_return(plan, setting, kept.state, state, resumes=resumes)
        _check_protected(plan, state, {})
        return
    given = gather(setting)
    current = inputs_of(given, state)
    if resumes:
        current = current.model_copy(update={"state": plan.inputs.state})
    else:
        _check_time(plan, setting)
    now = basis_of(given, state)
    problems = stale(plan, current, now, places_of(given, now["intents"]))
    if not problems:
        _check_actions(plan, given, None if resumes else state)
        _check_protected(plan, state, {intent.name: protects(intent) for intent in given.intents})
        return
    policies = [word for path in plan.files.get("policies", ()) for word in ("--policy", path)]
    again = shlex.join(["aios", "plan", *plan.files["intents"], *policies, "-o"]) + " plan.json"
    if _was_applied(plan, state):
        raise ConflictError(
            Diagnostic(
                summary="this plan was applied already, and a plan is applied once",
                reason="; ".join(item.summary for item in problems),
                remedy="to see whether anything is left to do, plan again",
                command=again,
            )
        )
    raise ConflictError(*(item.model_copy(update={"command": again}) for item in problems))


def _check_actions(plan: Plan, given: Given, state: State | None) -> None:
    """Raise InputError for actions that do something else than the plan decided. state: None where it has changed"""
    from aios.plan import Asked, contradictions

    models = {name: {model: profile.digest for model, profile in own.items()} for name, own in given.profiles.items()}
    standing = None if state is None else [resource.deployment for resource in state.resources.values()]
    problems = contradictions(
        plan, Asked(given.intents, models, given.calibration, given.fleet, standing, given.training)
    )
    if problems:
        raise InputError(*problems)


def _check_protected(plan: Plan, state: State, said: Mapping[str, Span | None]) -> None:
    """Raise InputError for actions that would destroy what is not to be destroyed. said: see `forbidden`"""
    from aios.plan import forbidden
    from aios.spi import registry

    if any(forbidden(plan, state, said, {})):
        problems = tuple(forbidden(plan, state, said, unhealthy(registry.load_all("aios.executors"), state)))
        if problems:
            raise InputError(*problems)


def _check_time(plan: Plan, setting: Setting) -> None:
    """Raise ConflictError for a plan that has expired; one that was begun in time may be carried on with."""
    from aios.plan import out_of_time

    trouble = out_of_time(plan, setting.now())
    if trouble is not None:
        raise ConflictError(trouble)


def _was_applied(plan: Plan, state: State) -> bool:
    """Whether everything that the plan wanted stands by it."""
    wanted = [action for action in plan.actions if action.after is not None and action.action != "keep"]
    standing = [state.resources.get(action.address) for action in wanted]
    return bool(wanted) and all(found is not None and found.plan == plan.id for found in standing)
