"""apply and destroy, in words."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.planning import code_of, plan_words
from aios.cli.policing import gate
from aios.cli.progress import Progress
from aios.cli.words import Ink, harmless, print_diagnostics, shown
from aios.records.errors import Diagnostic, UsageError
from aios.records.plan import Plan
from aios.workflow.ruling import denials

if TYPE_CHECKING:
    from aios.apply import Event, Report
    from aios.workflow.planfiles import Trust
    from aios.workflow.setting import Setting

__all__ = ["apply", "destroy"]


def apply(setting: Setting, *, trust: Trust, keep_others: bool, yes: bool, json: bool, json_into: Path | None) -> int:
    """Carry out a saved plan, or plan, ask and carry out. trust: what a saved plan needs to be believed"""
    from aios.plan import plan_text
    from aios.workflow.applying import apply_plan
    from aios.workflow.planfiles import is_plan_file, read_plan_file

    if not setting.paths:
        raise UsageError(
            Diagnostic(
                summary="apply needs a saved plan or intents",
                remedy="name one, such as the intent that you planned",
                command="aios apply intent.yaml",
            )
        )
    saved = [path for path in setting.paths if is_plan_file(path)]
    if saved:
        _refuse_planning(saved[0], setting, keep_others)
        plan = read_plan_file(saved[0], trust)
    elif trust.verify_key is not None:
        raise UsageError(_not_signed(setting.paths))
    else:
        planned = _plan_and_ask(setting, keep_others=keep_others, yes=yes, json=json)
        if planned.conflict is not None or denials(planned):
            if json or json_into is not None:
                emit("", plan_text(planned), json=json, json_into=json_into)
            return code_of(planned)
        plan = planned
    with Progress("apply", quiet=json) as progress:
        report = apply_plan(plan, replace(setting, tell=progress), lambda event: _tell(progress, event))
    return _report(report, json=json, json_into=json_into)


def _plan_and_ask(setting: Setting, *, keep_others: bool, yes: bool, json: bool) -> Plan:
    from aios.workflow.planning import make_plan

    _need_approval(yes, "apply", setting.paths)
    with Progress("plan", quiet=json) as progress:
        planned = make_plan(replace(setting, tell=progress.doing), keep_others=keep_others)
    stream = sys.stderr if json else sys.stdout
    print(shown(plan_words(planned, keep_others=keep_others, applying=True), Ink(stream)), file=stream)
    gate(planned)
    changes = any(action.action != "keep" for action in planned.plan.actions) and not denials(planned.plan)
    if planned.plan.conflict is None and changes and not yes:
        _ask("apply this plan?")
    return planned.plan


def _refuse_planning(path: str, setting: Setting, keep_others: bool) -> None:
    """Raise UsageError for what would have to be planned again: a saved plan is carried out as it is, or not at all."""
    defaults = type(setting)()
    given = {
        "--fleet": setting.fleet is not None,
        "--state": setting.state != defaults.state,
        "--profiles": setting.profiles != defaults.profiles,
        "--keep-others": keep_others,
        "--policy": bool(setting.policies),
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


def _not_signed(paths: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        summary="a signed plan is demanded here, and intents were given",
        reason="--verify-key or AIOS_VERIFY_KEY names a public key",
        remedy="have them planned and signed, and apply that plan",
        command=shlex.join(["aios", "plan", *paths, "-o", "plan.json", "--sign-key", "KEY"]),
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
    sys.stderr.write(f"{harmless(question)} [y/N] ")
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
