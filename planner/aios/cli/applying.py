"""apply and destroy, in words."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Callable, Sequence
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
from aios.workflow import stopping
from aios.workflow.manner import Manner
from aios.workflow.ruling import denials
from aios.workflow.setting import place_of

if TYPE_CHECKING:
    from aios.apply import Event, Report
    from aios.workflow.planfiles import Trust
    from aios.workflow.setting import Setting

__all__ = ["Underway", "abort", "apply", "ask", "destroy", "need_approval", "not_signed", "tell_report"]


def apply(
    setting: Setting,
    manner: Manner,
    *,
    trust: Trust,
    keep_others: bool,
    yes: bool,
    json: bool,
    json_into: Path | None,
) -> int:
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
    again = None
    saved = [path for path in setting.paths if is_plan_file(path)]
    if saved:
        plan = read_plan_file(saved[0], trust)
        _refuse_planning(saved[0], plan, setting, keep_others)
    elif trust.verify_key is not None:
        raise UsageError(not_signed(["aios", "plan", *setting.paths, "-o", "plan.json", "--sign-key", "KEY"]))
    else:
        planned = _plan_and_ask(setting, keep_others=keep_others, yes=yes, json=json)
        if planned.conflict is not None or denials(planned):
            if json or json_into is not None:
                emit("", plan_text(planned), json=json, json_into=json_into)
            return code_of(planned)
        plan, again = planned, _replanning(setting, keep_others, json) if yes else None
    with Progress("apply", quiet=json) as progress:
        report = apply_plan(plan, replace(setting, tell=progress), Underway(progress), manner, again)
    return tell_report(report, json=json, json_into=json_into)


def _replanning(setting: Setting, keep_others: bool, json: bool) -> Callable[[], Plan]:
    """Return what plans again, and shows it, when the state has moved since the first plan."""

    def again() -> Plan:
        from aios.workflow.planning import make_plan

        setting.warn("somebody else applied in the meantime: planned again")
        planned = make_plan(setting, keep_others=keep_others)
        stream = sys.stderr if json else sys.stdout
        print(shown(plan_words(planned, keep_others=keep_others, applying=True), Ink(stream)), file=stream)
        gate(planned)
        return planned.plan

    return again


def abort(setting: Setting, *, yes: bool, json: bool, json_into: Path | None) -> int:
    """Take back what the last run did, which did not come to its end."""
    from aios.workflow.applying import roll_back, to_roll_back

    if setting.paths:
        raise UsageError(
            Diagnostic(
                summary="--abort takes back the last run, whatever it applied: it takes no plan and no intents",
                command="aios apply --abort",
            )
        )
    undone = to_roll_back(setting)
    if undone:
        need_approval(yes, "apply", ["--abort"])
        if not yes:
            what = "; ".join(f"{item.action.action} {item.address} ({item.action.reason})" for item in undone)
            ask(f"{what}: do that?")
    with Progress("apply", quiet=json) as progress:
        report = roll_back(replace(setting, tell=progress), Underway(progress))
    code = tell_report(report, json=json, json_into=json_into)
    return Exit.DONE if report.rolled_back and code == Exit.WORLD else code


def _plan_and_ask(setting: Setting, *, keep_others: bool, yes: bool, json: bool) -> Plan:
    from aios.workflow.planning import make_plan

    need_approval(yes, "apply", setting.paths)
    with Progress("plan", quiet=json) as progress:
        planned = make_plan(replace(setting, tell=progress.doing), keep_others=keep_others)
    stream = sys.stderr if json else sys.stdout
    print(shown(plan_words(planned, keep_others=keep_others, applying=True), Ink(stream)), file=stream)
    gate(planned)
    changes = planned.plan.has_changes and not denials(planned.plan)
    if planned.plan.conflict is None and changes and not yes:
        ask("apply this plan?")
    return planned.plan


def _refuse_planning(path: str, plan: Plan, setting: Setting, keep_others: bool) -> None:
    """Raise UsageError for what would have to be planned again: a saved plan is carried out as it is, or not at all.

    The state that it was made for may be named, as a pipeline does that sets AIOS_STATE for all of its commands.
    """
    defaults = type(setting)()
    given = {
        "--fleet": setting.fleet is not None,
        "--state": setting.state not in (defaults.state, place_of(plan.files["state"])),
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


def not_signed(command: Sequence[str]) -> Diagnostic:
    """Say that only signed plans are carried out. command: that makes one"""
    return Diagnostic(
        summary="a signed plan is demanded here, and this is none",
        reason="--verify-key or AIOS_VERIFY_KEY names a public key",
        remedy="have them planned and signed, and apply that plan",
        command=shlex.join(command),
    )


def need_approval(yes: bool, what: str, names: Sequence[str]) -> None:
    """Raise UsageError where nobody can be asked and --yes is not given. what: the command · names: its arguments"""
    if not yes and not sys.stdin.isatty():
        raise UsageError(
            Diagnostic(
                summary=f"{what} asks before it acts, and there is no terminal to ask at",
                remedy="pass --yes"
                + (", or apply a saved plan (it is the approval)" if what in ("apply", "rollback") else ""),
                command=shlex.join(["aios", what, *names, "--yes"]),
            )
        )


def ask(question: str) -> None:
    """Return if the answer is yes; raises UsageError otherwise."""
    sys.stderr.write(f"{harmless(question)} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError(Diagnostic(summary="not approved: nothing was changed"))


class Underway:
    """What runs now, told with the seconds since each part of it began."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._began: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Take note of an event, and say what begins."""
        what = f"{event.action} {event.address}"
        if event.phase != "begin":
            self._began.pop(what, None)
            self._progress.doing(", ".join(self._began), self._words)
            return
        self._began[what] = time.monotonic()
        self._progress.begun(f"rolling back: {what}" if event.back else what, ", ".join(self._began), self._words)

    def _words(self) -> str:
        now = time.monotonic()
        running = [f"{what} ({now - since:.0f} s)" for what, since in list(self._began.items())]
        more = f" and {len(running) - _NAMED} more" if len(running) > _NAMED else ""
        return f"still at work: {', '.join(running[:_NAMED])}{more}" if running else "working"


_NAMED = 4
"""Actions that are named while they run."""
_INKS = {"done": "green", "kept": "dim", "failed": "red", "not begun": "yellow", "rolled back": "yellow"}


def tell_report(report: Report, *, json: bool, json_into: Path | None) -> int:
    """Print what came of each action, and return the exit code."""
    ink = Ink(sys.stdout)
    width = max((9, *(len(result.status) for result in report.results)))
    lines = [
        f"{ink(result.status.ljust(width), _INKS[result.status])} {result.action} {result.address}: {result.note}"
        for result in report.results
    ]
    document = {"results": report.results, "interrupted": report.interrupted, "rolled_back": report.rolled_back}
    emit("\n".join(lines) or "nothing to do", document, json=json, json_into=json_into)
    if report.diagnostics:
        print_diagnostics(report.diagnostics)
    if report.rolled_back:
        print("rolled back: what stood before this run stands again", file=sys.stderr)
    elif not report.complete and not report.interrupted:
        print("`aios apply --abort` takes back what was done", file=sys.stderr)
    number = stopping.asked()
    if number is not None:
        _say_stopped(report, number)
        return 128 + number
    return Exit.DONE if report.complete else Exit.WORLD


def _say_stopped(report: Report, number: int) -> None:
    """Say after a signal what is left, and how to go on."""
    word = stopping.WORDS[signal.Signals(number)]
    left = [f"{result.action} {result.address}" for result in report.results if result.status == "not begun"]
    if not left:
        print(f"{word}: nothing is lost, and nothing was left to begin", file=sys.stderr)
        return
    print(
        f"{word}: nothing is lost; not begun: {', '.join(left)}\n"
        "the same command goes on from here, and `aios apply --abort` takes back what was done",
        file=sys.stderr,
    )


def destroy(setting: Setting, targets: tuple[str, ...], *, parallelism: int, yes: bool, json: bool) -> int:
    """Remove what was applied."""
    from aios.workflow.applying import destroy as work
    from aios.workflow.applying import to_destroy

    doomed = to_destroy(setting, targets)
    if doomed:
        need_approval(yes, "destroy", targets)
        if not yes:
            ask(f"destroy {', '.join(doomed)}?")
    with Progress("destroy", quiet=json) as progress:
        manner = Manner(parallelism=parallelism)
        report = work(replace(setting, tell=progress), targets, Underway(progress), manner)
    if not report.results:
        emit("nothing is applied", {"results": []}, json=json)
        return Exit.DONE
    return tell_report(report, json=json, json_into=None)
