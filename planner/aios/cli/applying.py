"""apply, status and destroy, in words."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.planning import code_of, plan_words
from aios.cli.progress import Progress
from aios.cli.words import Ink, print_diagnostics, table
from aios.records.errors import Diagnostic, UsageError
from aios.records.plan import Plan
from aios.workflow.setting import place_of

if TYPE_CHECKING:
    from aios.apply import Event, Report
    from aios.workflow.setting import Setting

__all__ = ["apply", "destroy", "status"]

_CONDITION_INKS = {
    "healthy": "green",
    "written": "dim",
    "starting": "yellow",
    "degraded": "yellow",
    "dead": "red",
    "absent": "red",
}


def apply(setting: Setting, *, keep_others: bool, yes: bool, json: bool, json_into: Path | None) -> int:
    """Carry out a saved plan, or plan, ask and carry out."""
    from aios.plan import plan_text
    from aios.workflow.applying import apply_plan, is_plan_file, read_plan_file

    if not setting.paths:
        raise UsageError(
            Diagnostic(
                summary="apply needs a saved plan or intents",
                remedy="name one, such as the intent that you planned",
                command="aios apply intent.yaml",
            )
        )
    again = None
    saved = [path for path in setting.paths if is_plan_file(path)]
    if saved:
        plan = read_plan_file(saved[0])
        _refuse_planning(saved[0], plan, setting, keep_others)
    else:
        planned = _plan_and_ask(setting, keep_others=keep_others, yes=yes, json=json)
        if planned.conflict is not None:
            if json or json_into is not None:
                emit("", plan_text(planned), json=json, json_into=json_into)
            return code_of(planned)
        plan, again = planned, _replanning(setting, keep_others, json) if yes else None
    with Progress("apply", quiet=json) as progress:
        report = apply_plan(plan, replace(setting, tell=progress), lambda event: _tell(progress, event), again)
    return _report(report, json=json, json_into=json_into)


def _replanning(setting: Setting, keep_others: bool, json: bool) -> Callable[[], Plan]:
    """Return what plans again, and shows it, when the state has moved since the first plan."""

    def again() -> Plan:
        from aios.workflow.planning import make_plan

        setting.warn("somebody else applied in the meantime: planned again")
        planned = make_plan(setting, keep_others=keep_others)
        print(plan_words(planned, keep_others=keep_others, applying=True), file=sys.stderr if json else sys.stdout)
        return planned.plan

    return again


def _plan_and_ask(setting: Setting, *, keep_others: bool, yes: bool, json: bool) -> Plan:
    from aios.workflow.planning import make_plan

    _need_approval(yes, "apply", setting.paths)
    with Progress("plan", quiet=json) as progress:
        planned = make_plan(replace(setting, tell=progress.doing), keep_others=keep_others)
    stream = sys.stderr if json else sys.stdout
    print(plan_words(planned, keep_others=keep_others, applying=True), file=stream)
    changes = any(action.action != "keep" for action in planned.plan.actions)
    if planned.plan.conflict is None and changes and not yes:
        _ask("apply this plan?")
    return planned.plan


def _refuse_planning(path: str, plan: Plan, setting: Setting, keep_others: bool) -> None:
    """Raise UsageError for what would have to be planned again: a saved plan is carried out as it is, or not at all."""
    defaults = type(setting)()
    given = {
        "--fleet": setting.fleet is not None,
        f"another --state than its own ({plan.files['state']})": setting.state
        not in (defaults.state, place_of(plan.files["state"])),
        "--profiles": setting.profiles != defaults.profiles,
        "--keep-others": keep_others,
        "other files": len(setting.paths) > 1,
    }
    named = [name for name, present in given.items() if present]
    if named:
        raise UsageError(
            Diagnostic(
                summary=f"{path} is a saved plan: it is applied as it is, without {', '.join(named)}",
                reason="what a plan depends on was given when it was made",
                remedy="leave them out; or plan again with them, and apply that",
                command=shlex.join(["aios", "apply", path]),
            )
        )


def _need_approval(yes: bool, what: str, names: Sequence[str]) -> None:
    if not yes and not sys.stdin.isatty():
        raise UsageError(
            Diagnostic(
                summary=f"{what} asks before it acts, and there is no terminal to ask at",
                remedy="pass --yes" + (", or apply a saved plan (it is the approval)" if what == "apply" else ""),
                command=shlex.join(["aios", what, *names, "--yes"]),
            )
        )


def _ask(question: str) -> None:
    """Return if the answer is yes; raises UsageError otherwise."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError(Diagnostic(summary="not approved: nothing was changed"))


def _tell(progress: Progress, event: Event) -> None:
    if event.phase == "begin":
        progress(f"{event.action} {event.address}")


def _report(report: Report, *, json: bool, json_into: Path | None) -> int:
    ink = Ink(sys.stdout)
    inks = {"done": "green", "kept": "dim", "failed": "red", "not begun": "yellow"}
    lines = [
        f"{ink(result.status.ljust(9), inks[result.status])} {result.action} {result.address}: {result.note}"
        for result in report.results
    ]
    emit("\n".join(lines) or "nothing to do", {"results": report.results}, json=json, json_into=json_into)
    if report.diagnostics:
        print_diagnostics(report.diagnostics)
    return Exit.DONE if report.complete else Exit.WORLD


def status(setting: Setting, *, json: bool) -> int:
    """Show what stands."""
    from aios.workflow.standing import look

    standing = look(setting)
    rows = []
    ink = Ink(sys.stdout)
    for item in standing:
        deployment = item.resource.deployment
        unfinished = item.resource.unfinished and f"an earlier {item.resource.unfinished} did not finish"
        precision = deployment.precision + ("" if deployment.quantization == "none" else f" {deployment.quantization}")
        rows.append(
            [
                item.resource.address,
                ink(item.seen.condition, _CONDITION_INKS[item.seen.condition]),
                item.seen.endpoint or "-",
                f"{deployment.model} {precision}",
                "-" if item.seen.condition == "written" else f"{item.seen.replicas_ready}/{deployment.replicas}",
                item.resource.applied_at,
                item.seen.detail + (f"; {unfinished}, apply again" if unfinished else ""),
            ]
        )
    head = ["ADDRESS", "CONDITION", "ENDPOINT", "RUNS", "READY", "APPLIED", "DETAIL"]
    words = table(head, rows, ink) if rows else "nothing is applied"
    document = {"resources": [{"resource": item.resource, "observed": item.seen} for item in standing]}
    emit(words, document, json=json)
    return Exit.DONE


def destroy(setting: Setting, targets: tuple[str, ...], *, yes: bool, json: bool) -> int:
    """Remove what was applied."""
    from aios.workflow.applying import destroy as work
    from aios.workflow.standing import load_state, pick

    doomed = pick(load_state(setting), targets)
    if doomed:
        _need_approval(yes, "destroy", targets)
        if not yes:
            _ask(f"destroy {', '.join(resource.address for resource in doomed)}?")
    with Progress("destroy", quiet=json) as progress:
        report = work(replace(setting, tell=progress), targets, lambda event: _tell(progress, event))
    if not report.results:
        emit("nothing is applied", {"results": []}, json=json)
        return Exit.DONE
    return _report(report, json=json, json_into=None)
