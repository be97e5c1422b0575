"""What policies say of a plan, in words; and policy check."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.words import Ink, counted, diagnostic_text, harmless
from aios.records.base import Span
from aios.records.errors import Diagnostic
from aios.records.plan import Plan
from aios.records.policy import Finding, Ruling

if TYPE_CHECKING:
    from aios.workflow.planning import Planned
    from aios.workflow.setting import Setting

__all__ = ["gate", "policy_check", "print_rulings", "rulings_line"]

_MOST = 20
"""Findings of one rule that are told; all are in the document."""


def rulings_line(plan: Plan, ink: Ink) -> str:
    """Return one line on the policies of a plan; nothing without any."""
    if not plan.rulings:
        return ""
    counts = {outcome: sum(item.outcome == outcome for item in plan.rulings) for outcome in ("deny", "warn", "pass")}
    words = {"deny": ("red", "denied by"), "warn": ("yellow", "warned by"), "pass": ("green", "kept:")}
    told = [ink(f"{words[name][1]} {counted(n, 'rule')}", words[name][0]) for name, n in counts.items() if n]
    return f"{ink('policies', 'dim')} {', '.join(told)}"


def gate(planned: Planned, out: Path | None = None) -> None:
    """Say which rules a plan breaks. out: where it would have been saved"""
    given = planned.considered.given
    places = {intent.name: intent.where for intent in given.intents}
    places |= {demand.name: demand.where for demand in given.demands}
    sys.stdout.flush()
    if print_rulings(planned.plan.rulings, places) and out is not None:
        print(f"{harmless(str(out))} is not written: policies deny this plan", file=sys.stderr)


def print_rulings(rulings: Sequence[Ruling], places: Mapping[str, Span]) -> bool:
    """Say on standard error which rules are broken, by what; return whether one denies. places: of intents"""
    ink = Ink(sys.stderr)
    for ruling in rulings:
        label = "denied" if ruling.outcome == "deny" else "warning"
        for finding in ruling.findings[:_MOST]:
            print(diagnostic_text(_told(ruling, finding, places), ink, label), file=sys.stderr)
        if len(ruling.findings) > _MOST:
            left = len(ruling.findings) - _MOST
            print(f"… and {counted(left, 'more')} of rule {ruling.rule} (--json lists them)", file=sys.stderr)
    return any(ruling.outcome == "deny" for ruling in rulings)


def _told(ruling: Ruling, finding: Finding, places: Mapping[str, Span]) -> Diagnostic:
    seen = ", ".join(f"{name} = {value}" for name, value in finding.seen.items())
    place = places.get(finding.intent or "")
    whose = f"{finding.subject}" + (f" at {place}" if place is not None else "") if finding.subject else ""
    because = "; ".join(part for part in (whose, seen) if part)
    return Diagnostic(
        summary=f"{finding.message}  [{ruling.rule}]",
        where=ruling.where,
        reason=because or None,
        remedy=ruling.remedy,
    )


def policy_check(setting: Setting, plan: str, *, json: bool, json_into: Path | None) -> int:
    """Ask the rules of policies of a saved plan."""
    from aios.workflow.rulingsaved import rule_saved

    found = rule_saved(setting, plan)
    ink = Ink(sys.stdout)
    inks = {"pass": "green", "warn": "yellow", "deny": "red"}
    lines = [
        f"{ink(item.outcome, inks[item.outcome])} {harmless(item.rule)}"
        + (f": {counted(len(item.findings), 'finding')}" if item.findings else "")
        for item in found
    ]
    denied = any(item.outcome == "deny" for item in found)
    counts = {name: sum(item.outcome == name for item in found) for name in inks}
    lines.append(", ".join(f"{count} {name}" for name, count in counts.items()))
    document = {"plan": plan, "denied": denied, "rulings": found}
    emit("\n".join(lines), document, json=json, json_into=json_into)
    sys.stdout.flush()
    print_rulings(found, {})
    return Exit.INPUT if denied else Exit.DONE
