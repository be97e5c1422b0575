"""apply and destroy: carry out what was planned, decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aios.records.errors import ConflictError, Diagnostic, InputError
from aios.records.plan import Action, Plan
from aios.workflow.keeping import Opened, opened
from aios.workflow.planning import inputs_of
from aios.workflow.reading import gather
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.apply import Event, Report

__all__ = ["apply_plan", "carry_out", "destroy", "is_plan_file", "read_plan_file"]


def is_plan_file(paths: Sequence[str]) -> bool:
    """Say whether ``paths`` name a saved plan rather than intents."""
    return len(paths) == 1 and paths[0].endswith(".json")


def read_plan_file(path: str) -> Plan:
    """Read a saved plan. Raises InputError if it is missing, damaged or of another major version."""
    from aios.plan import read_plan

    try:
        text = Path(path).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Diagnostic(summary=f"the plan {path} cannot be read", reason=str(error))) from None
    return read_plan(text, path)


def apply_plan(plan: Plan, setting: Setting, on_event: Callable[[Event], None]) -> Report:
    """Carry out ``plan``.

    Raises ConflictError, saying what changed, unless everything that it was made from is still the same, and when
    somebody else holds the lock; WorldError when its actions cannot be carried out from here.
    """
    if plan.conflict is not None or plan.status in ("infeasible", "unknown"):
        raise InputError(Diagnostic(summary="this plan is infeasible: there is nothing to apply", command="aios plan"))
    setting = _setting_of(plan, setting)
    with opened(setting, "aios apply") as kept:
        _check_fresh(plan, setting, kept)
        return carry_out(plan.actions, kept, setting, plan=plan.id, made=plan, on_event=on_event)


def destroy(setting: Setting, targets: Sequence[str], on_event: Callable[[Event], None]) -> Report:
    """Remove ``targets``, or everything that stands. Raises InputError for an unknown target."""
    from aios.plan import destroy_actions

    with opened(setting, "aios destroy") as kept:
        actions = destroy_actions(kept.state.load(), targets)
        return carry_out(actions, kept, setting, plan="destroy", made=None, on_event=on_event)


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
        state=Path(files["state"]),
    )


def _check_fresh(plan: Plan, setting: Setting, kept: Opened) -> None:
    from aios.plan import stale

    state = kept.state.load()
    current = inputs_of(gather(setting), state)
    if kept.journal.resumes(plan.id, state):
        current = current.model_copy(update={"state": plan.inputs.state})
    problems = stale(plan, current)
    if problems:
        raise ConflictError(*problems)
