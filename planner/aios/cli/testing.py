"""test, in words: a line for each case, why those failed that did, and a summary."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.exits import Exit
from aios.cli.output import emit, save_text
from aios.cli.progress import Progress
from aios.cli.threads import one_thread
from aios.cli.words import Ink, diagnostic_text, harmless
from aios.records.errors import Diagnostic, InputError

if TYPE_CHECKING:
    from aios.workflow.setting import Setting
    from aios.workflow.testing import Outcome

__all__ = ["test"]

_INKS = {"passed": "green", "failed": "red", "broken": "red"}


def test(setting: Setting, *, chosen: str | None, junit: Path | None, json: bool, json_into: Path | None) -> int:
    """Run the cases of test files. chosen: pattern or part of ``file: name``"""
    from aios.workflow.testing import find_tests, run_tests

    one_thread()
    trials = find_tests(setting.paths, setting.stdin)
    outcomes: list[Outcome] = []
    with Progress("test", quiet=json) as progress:
        for outcome in run_tests(trials, lambda name: _is_chosen(name, chosen), progress.doing):
            outcomes.append(outcome)
            if not json:
                print(_words(outcome, Ink(sys.stdout)), flush=True)
    if not outcomes:
        raise InputError(
            Diagnostic(summary=f"no case is called like `{chosen}`", remedy="leave --filter out to see all")
        )
    if junit is not None:
        from aios.cli.junit import junit_text

        save_text(junit, junit_text(outcomes))
    counts = {status: sum(item.status == status for item in outcomes) for status in _INKS}
    summary = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    emit(summary, {"counts": counts, "cases": _documents(outcomes)}, json=json, json_into=json_into)
    return Exit.DONE if counts["passed"] == len(outcomes) else Exit.INPUT


def _is_chosen(name: str, pattern: str | None) -> bool:
    return pattern is None or pattern in name or fnmatchcase(name, pattern)


def _words(outcome: Outcome, ink: Ink) -> str:
    lines = [f"{ink(outcome.status, _INKS[outcome.status])} {harmless(f'{outcome.file}: {outcome.name}')}"]
    for item in outcome.told:
        text = diagnostic_text(item, ink, "failed" if outcome.status == "failed" else "error")
        lines += [f"  {line}" for line in text.splitlines()]
    if outcome.status == "failed":
        lines += [f"  {ink('planned', 'dim')} {harmless(text)}" for text in outcome.chosen]
    return "\n".join(lines)


def _documents(outcomes: Sequence[Outcome]) -> list[dict[str, object]]:
    return [
        {
            "file": item.file,
            "name": item.name,
            "where": str(item.where),
            "status": item.status,
            "told": list(item.told),
            "planned": list(item.chosen),
        }
        for item in outcomes
    ]
