"""doctor: what is broken here, and how to mend it."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.progress import Progress
from aios.cli.words import Ink, counted, harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.spi.checkup import Finding
    from aios.workflow.setting import Setting

__all__ = ["doctor"]

_INKS = {"ok": "green", "warn": "yellow", "fail": "red", "skipped": "dim"}


def doctor(setting: Setting, *, every: bool, json: bool, json_into: Path | None) -> int:
    """Print every finding that is not plain; exit 6 when something is broken."""
    from dataclasses import replace

    from aios.workflow.doctor import examine

    with Progress("doctor", quiet=json) as progress:
        findings = examine(replace(setting, tell=progress.doing))
    counts = Counter[str](finding.status for finding in findings)
    document = {
        "checks": findings,
        "counts": {name: counts[name] for name in ("ok", "warn", "fail", "skipped")},
        "healthy": not counts["fail"],
    }
    emit(_words(findings, counts, every=every), document, json=json, json_into=json_into)
    return Exit.WORLD if counts["fail"] else Exit.DONE


def _words(findings: Sequence[Finding], counts: Counter[str], *, every: bool) -> str:
    ink = Ink(sys.stdout)
    shown = [item for item in findings if every or item.status in ("warn", "fail") or not _of_plugin(item)]
    width = max((len(item.check) for item in shown), default=0)
    lines = []
    for item in shown:
        lines.append(
            f"{ink(item.status.ljust(7), _INKS[item.status])}  {item.check.ljust(width)}  {harmless(item.seen)}"
        )
        lead = " " * 9
        lines += [
            f"{lead}{ink(name, 'dim')} {harmless(text)}"
            for name, text in (("remedy ", item.remedy), ("run    ", item.command))
            if text
        ]
    told = [counted(counts["ok"], "check") + " passed", counted(counts["warn"], "warning"), f"{counts['fail']} broken"]
    hidden = len(findings) - len(shown)
    more = f" ({hidden} of plugins not shown: --all)" if hidden else ""
    lines.append(f"{', '.join(told)}, {counts['skipped']} skipped{more}")
    return "\n".join(lines)


def _of_plugin(item: Finding) -> bool:
    """Say whether a finding is of a plugin: there are many, and mostly they load or have no device here."""
    return item.check.partition(".")[0] in ("executor", "probe", "meter", "model-reader", "importer", "state-backend")
