"""Runs of the history by their number, ``@3``, and the plans that they carried out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from aios.records.errors import AiosError, Diagnostic, InputError
from aios.records.history import Run
from aios.workflow.keeping import locked_state, state_of
from aios.workflow.planfiles import Trust, read_plan_file
from aios.workflow.recording import seen_now
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.records.plan import Plan
    from aios.spi.backend import Backend
    from aios.workflow.verifying import Verified

__all__ = [
    "Told",
    "concerns",
    "find_run",
    "is_run",
    "keep_verdicts",
    "plan_named",
    "plan_of",
    "renamed_since",
    "runs_of",
    "tell_of",
    "whole_plan",
]

_NUMBER = re.compile(r"@(-?\d{1,9})")


class Told(NamedTuple):
    """A run and the plan that it carried out; None where it had none."""

    run: Run
    plan: Plan | None


def is_run(text: str) -> bool:
    """Say whether an argument means a run of the history rather than a file."""
    return text.startswith("@")


def tell_of(setting: Setting, text: str) -> Told:
    """Return the run that ``@3`` or ``@-1`` (the last one) names, with its plan. Raises InputError for an unknown
    one."""
    with closing(state_of(setting)) as backend:
        (run,) = seen_now(backend, (find_run(backend, text),), setting)
        return Told(run, _own_plan(backend, run.number))


def plan_named(setting: Setting, text: str, trust: Trust | None = None) -> Plan:
    """Return the plan that a file holds, or that a run of the history carried out; of ``@0``, where nothing stands.

    Raises InputError for a file that is no plan, and for an unknown run.
    """
    if not is_run(text):
        return read_plan_file(text, trust)
    with closing(state_of(setting)) as backend:
        number = 0 if text == "@0" else find_run(backend, text).number
        return plan_of(backend, number)


def find_run(backend: Backend, text: str) -> Run:
    """Return the run of this number; a negative one counts from the end. Raises InputError where there is none."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise InputError(
            Diagnostic(
                summary=f"`{text[:80]}` names no run",
                reason="what begins with @ is a run of the history",
                remedy="write its number, such as @3; @-1 is the last one; a file is written `./@...`",
                command="aios history",
            )
        )
    number = int(match[1])
    newest = backend.runs(last=1)
    most = newest[-1].number if newest else 0
    if number < 0:
        found = list(backend.runs(last=-number)) if -number <= most else []
        run = found[0] if len(found) == -number else None
    else:
        some = backend.runs(last=most - number + 1) if 0 < number <= most else ()
        run = next((item for item in some if item.number == number), None)
    if run is None:
        raise InputError(_no_run(text, newest))
    return run


def _no_run(text: str, newest: Sequence[Run]) -> Diagnostic:
    if not newest:
        return Diagnostic(
            summary=f"there is no run {text}: nothing was ever applied here",
            remedy="name the state that it was applied to, with --state",
            command="aios history",
        )
    if text in ("@0", "@-0"):
        return Diagnostic(
            summary="@0 is what stood before the first run: nothing",
            remedy="to have nothing stand, destroy what does",
            command="aios destroy",
        )
    return Diagnostic(
        summary=f"there is no run {text}",
        reason=f"the last one is @{newest[-1].number}",
        remedy="see which there are",
        command="aios history",
    )


def _own_plan(backend: Backend, number: int) -> Plan | None:
    from aios.plan import read_plan

    text = backend.plan_of(number)
    return None if text is None else read_plan(text, f"of run @{number}")


def plan_of(backend: Backend, number: int) -> Plan:
    """Return the plan of a run; of one that had none, such as a destroy, what stood after it, with what plans before it
    say of that; of 0, an empty plan."""
    from aios.plan import as_stood, empty_plan, without

    deleted: set[str] = set()
    for run in _backwards(backend, number):
        plan = _own_plan(backend, run.number)
        if plan is not None:
            break
        deleted |= {step.address for step in run.steps if step.action == "delete"}
    else:
        run, plan = None, empty_plan()
    if run is not None and run.number == number:
        return plan
    state = backend.state_after(number) if number else None
    if state is None:
        return without(plan, deleted)
    return _completed(backend, as_stood(plan, tuple(state.resources.values())), number)


def whole_plan(backend: Backend, number: int) -> Plan:
    """Return the plan of a run with all that it left as it stood: decisions and promises that earlier plans made of
    services which this one kept without planning them."""
    return _completed(backend, plan_of(backend, number), number)


def renamed_since(backend: Backend, number: int) -> Sequence[tuple[str, str]]:
    """Return address -> address of every service that was renamed after a run, in order."""
    from aios.plan import read_plan

    newest = backend.runs(last=1)
    most = newest[-1].number if newest else 0
    found = []
    for run in backend.runs(last=max(most - number, 0)) if most > number else ():
        text = backend.plan_of(run.number)
        if text is None or '"moved_from"' not in text:
            continue
        done = {step.address for step in run.steps if step.status == "done"}
        actions = read_plan(text, f"of run @{run.number}").actions
        found += [(item.moved_from, item.address) for item in actions if item.moved_from and item.address in done]
    return found


def _completed(backend: Backend, plan: Plan, number: int) -> Plan:
    from aios.plan import completed

    for run in _backwards(backend, number - 1):
        decided = {decision.intent for decision in plan.decisions}
        missing = {action.address for action in plan.actions if action.after is not None} - decided
        if not missing:
            break
        earlier = _own_plan(backend, run.number)
        if earlier is not None:
            plan = completed(plan, earlier, missing)
    return plan


def _backwards(backend: Backend, number: int) -> Iterator[Run]:
    """Yield the runs up to a number, newest first; they are read in growing pieces, as few are asked for mostly."""
    newest = backend.runs(last=1)
    most = newest[-1].number if newest else 0
    below, piece = min(number, most) + 1, 16
    while below > 1:
        fresh = [run for run in backend.runs(last=most - below + 1 + piece) if run.number < below]
        if not fresh:
            return
        yield from reversed(fresh)
        below, piece = fresh[0].number, piece * 4


def runs_of(setting: Setting, address: str) -> Sequence[Run]:
    """Return the runs that did something with an address, or with stages of the pipeline of that name, oldest first.

    Raises InputError for one that no run knows.
    """
    with closing(state_of(setting)) as backend:
        runs = seen_now(backend, backend.runs(), setting)
    found = [run for run in runs if any(concerns(step.address, address) for step in run.steps)]
    if not found:
        known = sorted({step.address for run in runs for step in run.steps})
        near = difflib.get_close_matches(address, known, n=1)
        raise InputError(
            Diagnostic(
                summary=f"no run ever did anything with {address!r}",
                reason="runs know of " + (", ".join(known[:20]) + (", …" if len(known) > 20 else "") or "nothing"),
                remedy=f"did you mean `{near[0]}`?" if near else None,
                command="aios history",
            )
        )
    return found


def concerns(address: str, wanted: str) -> bool:
    """Say whether a step's address is the wanted one, or a stage of that pipeline."""
    return wanted in (address, address.partition("/")[0])


def keep_verdicts(setting: Setting, verified: Sequence[Verified]) -> None:
    """Attach what was measured to the runs that made the services. What cannot be attached is a warning: it has been
    measured and told all the same."""
    try:
        with locked_state(setting, "aios verify") as backend:
            for number, verdicts in _by_run(backend, verified).items():
                run = find_run(backend, f"@{number}")
                found = {**run.verdicts, **{item.address: item.verdicts for item in verdicts}}
                times = {**run.measured_at, **{item.address: setting.now() for item in verdicts}}
                backend.record(run.model_copy(update={"verdicts": found, "measured_at": times}))
    except AiosError as error:
        setting.warn(f"the history does not have these verdicts: {error}")


def _by_run(backend: Backend, verified: Sequence[Verified]) -> Mapping[int, list[Verified]]:
    """Return number of a run -> what was measured of the services that stand by it."""
    state = backend.load()
    plans = {
        item.address: resource.plan
        for item in verified
        for name, resource in state.resources.items()
        if concerns(name, item.address)
    }
    found: dict[int, list[Verified]] = {}
    left = {item.address: item for item in verified if item.address in plans}
    newest = backend.runs(last=1)
    for run in _backwards(backend, newest[-1].number if newest else 0):
        own = [item for item in left.values() if plans[item.address] == run.plan and _did(run, item.address)]
        if own:
            found[run.number] = own
            left = {name: item for name, item in left.items() if item not in own}
        if not left:
            break
    return found


def _did(run: Run, address: str) -> bool:
    return any(concerns(step.address, address) and step.status in ("done", "kept") for step in run.steps)
