"""apply and destroy: carry out what was planned, decide nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aios.records.errors import ConflictError, Diagnostic, InputError
from aios.records.plan import Action, Plan
from aios.workflow.keeping import Opened, opened
from aios.workflow.planning import inputs_of
from aios.workflow.reading import gather
from aios.workflow.setting import Setting, place_of

if TYPE_CHECKING:
    from aios.apply import Event, Report
    from aios.records.state import State

__all__ = ["apply_plan", "carry_out", "destroy", "is_plan_file", "read_plan_file"]

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
    plan: Plan, setting: Setting, on_event: Callable[[Event], None], again: Callable[[], Plan] | None = None
) -> Report:
    """Carry out ``plan``. again: makes it anew, where the approval holds for whatever is planned; it is asked for one
    when somebody else has applied while we waited for the lock

    Raises ConflictError, saying what changed, unless everything that it was made from is still the same, and when
    somebody else holds the lock; WorldError when its actions cannot be carried out from here.
    """
    _see_that_it_can_be_applied(plan)
    setting = _setting_of(plan, setting)
    with opened(setting, "aios apply") as kept:
        if again is not None and _has_moved(plan, kept):
            plan = again()
            _see_that_it_can_be_applied(plan)
        _check_fresh(plan, setting, kept)
        return _recorded(plan.actions, kept, setting, plan.id, plan, on_event)


def _see_that_it_can_be_applied(plan: Plan) -> None:
    if plan.conflict is not None or plan.status in ("infeasible", "unknown"):
        raise InputError(Diagnostic(summary="this plan is infeasible: there is nothing to apply", command="aios plan"))
    if not plan.at_once:
        raise InputError(_not_at_once(plan))


def _has_moved(plan: Plan, kept: Opened) -> bool:
    state = kept.state.load()
    return plan.inputs.state != f"{state.lineage}:{state.serial}" and not kept.journal.resumes(plan.id, state)


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


def destroy(setting: Setting, targets: Sequence[str], on_event: Callable[[Event], None]) -> Report:
    """Remove ``targets``, or everything that stands.

    Raises InputError for an unknown target, ConflictError when a run is at work that may be making something.
    """
    from aios.apply import Report
    from aios.plan import destroy_actions

    if isinstance(setting.state, Path) and not setting.home.is_dir():
        return Report(results=(), interrupted=False)
    with opened(setting, "aios destroy") as kept:
        actions = destroy_actions(kept.state.load(), targets)
        if not actions:
            return Report(results=(), interrupted=False)
        return _recorded(actions, kept, setting, "destroy", None, on_event)


def _recorded(
    actions: Sequence[Action],
    kept: Opened,
    setting: Setting,
    plan: str,
    made: Plan | None,
    on_event: Callable[[Event], None],
) -> Report:
    """Carry out ``actions`` and record it."""
    from aios.workflow.recording import recorded

    command = "apply" if made else "destroy"
    with recorded(kept, setting, actions, command=command, plan=plan, made=made) as recording:

        def tell(event: Event) -> None:
            recording.note(event)
            on_event(event)

        recording.report = carry_out(actions, kept, setting, plan=plan, made=made, on_event=tell)
    return recording.report


def carry_out(
    actions: Sequence[Action],
    kept: Opened,
    setting: Setting,
    *,
    plan: str,
    made: Plan | None,
    on_event: Callable[[Event], None],
) -> Report:
    """Hand actions to the engine of apply."""
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
        stop=lambda: False,
    )


def _setting_of(plan: Plan, setting: Setting) -> Setting:
    """Return the setting that the plan was made in; the clock and the talk stay ours."""
    files = plan.files
    return replace(
        setting,
        paths=tuple(files["intents"]),
        fleet=files["fleet"],
        profiles=Path(files["profiles"]),
        state=place_of(files["state"]),
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
