"""apply and destroy: carry out what was planned, decide nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aios.records.errors import ConflictError, Diagnostic, InputError
from aios.records.plan import Action, Plan
from aios.workflow import stopping
from aios.workflow.keeping import Opened, opened
from aios.workflow.planning import inputs_of
from aios.workflow.reading import gather
from aios.workflow.setting import PARALLELISM, Setting
from aios.workflow.standing import load_state

if TYPE_CHECKING:
    from aios.apply import Event, Report, Undo
    from aios.records.state import State

__all__ = [
    "apply_plan",
    "carry_out",
    "destroy",
    "is_plan_file",
    "read_plan_file",
    "roll_back",
    "to_roll_back",
]

_START = b'{\n  "format_version"'
"""The first bytes of a saved plan."""


def is_plan_file(path: str) -> bool:
    """Say whether ``path`` names a saved plan rather than intents: by its ending or, whatever that is, its start."""
    if path.endswith(".json"):
        return True
    try:
        with Path(path).open("rb") as stream:
            return stream.read(len(_START)) == _START
    except OSError:
        return False


def read_plan_file(path: str) -> Plan:
    """Read a saved plan. Raises InputError if it is missing, damaged or of another major version."""
    from aios.plan import read_plan

    try:
        text = Path(path).read_bytes().decode()
    except FileNotFoundError:
        remedy = "check the path, or make the plan"
        command = f"aios plan PATH -o {shlex.quote(path)}"
        raise InputError(Diagnostic(summary=f"there is no plan {path}", remedy=remedy, command=command)) from None
    except OSError as error:
        raise InputError(Diagnostic(summary=f"the plan {path} cannot be read", reason=error.strerror)) from None
    except UnicodeDecodeError:
        remedy = "make the plan again"
        raise InputError(Diagnostic(summary=f"{path} is no plan: it is not UTF-8 text", remedy=remedy)) from None
    return read_plan(text, path)


def apply_plan(
    plan: Plan,
    setting: Setting,
    on_event: Callable[[Event], None],
    *,
    parallelism: int = PARALLELISM,
    rollback_on_failure: bool = False,
) -> Report:
    """Carry out ``plan``; where its last run was being rolled back, end that instead.

    parallelism: actions that may run at once · rollback_on_failure: take back what was done once an action fails

    Raises ConflictError, saying what changed, unless everything that it was made from is still the same, and when
    somebody else holds the lock; WorldError when its actions cannot be carried out from here.
    """
    if plan.conflict is not None or plan.status in ("infeasible", "unknown"):
        raise InputError(Diagnostic(summary="this plan is infeasible: there is nothing to apply", command="aios plan"))
    if not plan.at_once:
        raise InputError(_not_at_once(plan))
    setting = _setting_of(plan, setting)
    with opened(setting, "aios apply") as kept, stopping.patient():
        last = kept.state.load().run
        if last is not None and last.back and last.plan == plan.id:
            return _roll_back(kept, setting, on_event)
        _check_fresh(plan, setting, kept)
        return carry_out(
            plan.actions,
            kept,
            setting,
            plan=plan.id,
            made=plan,
            on_event=on_event,
            stop=_is_asked_to_stop,
            parallelism=parallelism,
            rollback_on_failure=rollback_on_failure,
        )


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
    from aios.spi import registry

    return work(
        state_store=kept.state,
        executors=registry.load_all("aios.executors"),
        artefacts=kept.artefacts,
        journal=kept.journal,
        now=setting.now,
        on_event=on_event,
        stop=_is_asked_to_stop,
    )


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


def destroy(
    setting: Setting, targets: Sequence[str], on_event: Callable[[Event], None], *, parallelism: int = PARALLELISM
) -> Report:
    """Remove ``targets``, or everything that stands.

    Raises InputError for an unknown target, ConflictError when a run is at work that may be making something.
    """
    from aios.apply import Report
    from aios.plan import destroy_actions

    if not setting.home.is_dir():
        return Report(results=(), interrupted=False)
    with opened(setting, "aios destroy") as kept, stopping.patient():
        actions = destroy_actions(kept.state.load(), targets)
        if not actions:
            return Report(results=(), interrupted=False)
        return carry_out(
            actions,
            kept,
            setting,
            plan="destroy",
            made=None,
            on_event=on_event,
            stop=_is_asked_to_stop,
            parallelism=parallelism,
        )


def carry_out(
    actions: Sequence[Action],
    kept: Opened,
    setting: Setting,
    *,
    plan: str,
    made: Plan | None,
    on_event: Callable[[Event], None],
    stop: Callable[[], bool] = _never,
    parallelism: int = 1,
    rollback_on_failure: bool = False,
) -> Report:
    """Hand actions to the engine of apply. stop, parallelism, rollback_on_failure: see `aios.apply.execute`"""
    from aios.apply import execute
    from aios.spi import registry

    return execute(
        actions,
        plan=plan,
        claims=made.claims if made else (),
        evaluate=made.evaluate if made else None,
        state_store=kept.state,
        executors=registry.load_all("aios.executors"),
        artefacts=kept.artefacts,
        journal=kept.journal,
        now=setting.now,
        on_event=on_event,
        stop=stop,
        parallelism=parallelism,
        rollback_on_failure=rollback_on_failure,
    )


def _setting_of(plan: Plan, setting: Setting) -> Setting:
    """Return the setting that the plan was made in; the clock and the talk stay ours."""
    files = plan.files
    return replace(
        setting,
        paths=tuple(files["intents"]),
        fleet=files["fleet"],
        profiles=Path(files["profiles"]),
        state=Path(files["state"]),
    )


def _check_fresh(plan: Plan, setting: Setting, kept: Opened) -> None:
    from aios.plan import stale

    state = kept.state.load()
    current = inputs_of(gather(setting), state)
    if kept.journal.resumes(plan.id, state):
        current = current.model_copy(update={"state": plan.inputs.state})
    problems = stale(plan, current)
    if not problems:
        return
    again = shlex.join(["aios", "plan", *plan.files["intents"], "-o"]) + " plan.json"
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


def _was_applied(plan: Plan, state: State) -> bool:
    """Whether everything that the plan wanted stands by it."""
    wanted = [action for action in plan.actions if action.after is not None and action.action != "keep"]
    standing = [state.resources.get(action.address) for action in wanted]
    return bool(wanted) and all(found is not None and found.plan == plan.id for found in standing)
