"""rollback, in words."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.applying import Underway, ask, need_approval, not_signed, tell_report
from aios.cli.exits import Exit
from aios.cli.output import emit, save_text
from aios.cli.policing import print_rulings
from aios.cli.progress import Progress
from aios.cli.showing import words_of
from aios.cli.words import Ink, shown
from aios.records.errors import UsageError
from aios.records.plan import Plan
from aios.workflow.planfiles import Keeping, finished, see_keeping, text_to_save
from aios.workflow.ruling import denials

if TYPE_CHECKING:
    from aios.workflow.manner import Manner
    from aios.workflow.setting import Setting

__all__ = ["rollback"]


def rollback(
    setting: Setting,
    manner: Manner,
    run: str,
    *,
    out: Path | None,
    keeping: Keeping,
    verify_key: str | None,
    detailed: bool,
    every: bool,
    yes: bool,
    json: bool,
    json_into: Path | None,
) -> int:
    """Plan what goes back to a run; save that plan, or ask and carry it out. keeping: how it is saved · verify_key: a
    signature is demanded of what is carried out"""
    from aios.plan import plan_text
    from aios.workflow.goingback import plan_return

    carries_out = out is None or yes
    see_keeping(keeping, setting.now(), saved=out is not None)
    if carries_out and verify_key is not None:
        raise UsageError(not_signed(["aios", "rollback", run, "-o", "plan.json", "--sign-key", "KEY"]))
    if carries_out:
        need_approval(yes, "rollback", [run])
    with Progress("rollback", quiet=json) as progress:
        plan = finished(plan_return(replace(setting, tell=progress.doing), run), keeping, setting)
    denied = bool(denials(plan))
    text = plan_text(plan)
    if out is not None and not denied:
        save_text(out, text_to_save(text, keeping))
    if not carries_out or denied:
        saved = None if denied else str(out)
        emit("" if json else words_of(plan, saved, Ink(sys.stdout), every), text, json=json, json_into=json_into)
        print_rulings(plan.rulings, {})
        return _code(plan, denied=denied, detailed=detailed)
    stream = sys.stderr if json else sys.stdout
    print(shown(words_of(plan, None, Ink(stream), every), Ink(stream)), file=stream)
    print_rulings(plan.rulings, {})
    return _carry_out(plan, setting, manner, yes=yes, json=json, json_into=json_into)


def _carry_out(plan: Plan, setting: Setting, manner: Manner, *, yes: bool, json: bool, json_into: Path | None) -> int:
    from aios.workflow.applying import apply_plan

    if plan.has_changes and not yes:
        ask("go back to this?")
    with Progress("rollback", quiet=json) as progress:
        report = apply_plan(plan, replace(setting, tell=progress), Underway(progress), manner)
    return tell_report(report, json=json, json_into=json_into)


def _code(plan: Plan, *, denied: bool, detailed: bool) -> Exit:
    if denied:
        return Exit.INPUT
    return Exit.CHANGES if detailed and plan.has_changes else Exit.DONE
