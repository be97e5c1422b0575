"""profile and verify, in words."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.cli.exits import Exit
from aios.cli.output import emit, metric_text
from aios.cli.progress import Progress
from aios.cli.words import Ink, table
from aios.records.candidate import label_of
from aios.records.measurement import MADE_WITH, RELATIVE, Measured, Measurement, Verdict
from aios.records.metrics import find_metric

if TYPE_CHECKING:
    from aios.records.intent import Goal
    from aios.workflow.profiled import Manner, Profiled, Proof, Unmade
    from aios.workflow.setting import Setting
    from aios.workflow.verifying import Verified

__all__ = ["profile", "verdict_table", "verify"]


def profile(setting: Setting, manner: Manner, *, json: bool, json_into: Path | None) -> int:
    """Measure what could change the choice; say what was measured, what was left out and what is still open.

    Exit 3 where nothing can meet an intent that is required, as a plan of it would.
    """
    from dataclasses import replace

    from aios.workflow.profiling import profile as work

    with Progress("profile", quiet=json) as progress:
        done = work(replace(setting, tell=progress), manner)
    emit(_profile_words(done, setting), _profile_document(done), json=json, json_into=json_into)
    return Exit.INFEASIBLE if done.is_infeasible else Exit.DONE


def _profile_document(done: Profiled) -> dict[str, Any]:
    return {
        "measured": done.measured,
        "reused": done.reused,
        "skipped": done.skipped,
        "settled": done.settled,
        "intents": {name: _proof_document(proof) for name, proof in done.proofs.items()},
        "seconds": round(done.seconds, 1),
        "measuring_s": {kind: round(seconds, 2) for kind, seconds in done.measuring_s.items()},
        "not_made": [{**item._asdict(), "seconds": round(item.seconds, 2)} for item in done.unmade],
    }


def _proof_document(proof: Proof) -> dict[str, Any]:
    return {
        "settled": proof.settled,
        "choice": proof.choice,
        "candidates": proof.candidates,
        "candidates_measured": proof.measured,
        "cannot_meet": dict(proof.out),
        "leaning_on": list(proof.leaning),
        "too_close_to_tell": list(proof.close),
        "rivals": [
            {
                "id": rival.id,
                "best": rival.best,
                "preparing_s": round(rival.preparing_s, 2),
                "missing": [{"kind": item.kind, "seconds": round(item.seconds, 2)} for item in rival.missing],
            }
            for rival in proof.rivals
        ],
    }


_SETTLED = {
    "measured": "its choice rests on measurements",
    "open": "its choice is still open",
    "infeasible": "no candidate meets it: `aios plan` says why",
    "described": "nothing can be measured here: none of the fleet's devices is this machine's",
}

_MOST_TOLD = 3
"""Rivals, and measurements without time, that are told by name; --json has all of them."""


def _profile_words(done: Profiled, setting: Setting) -> str:
    ink = Ink(sys.stdout)
    lines = []
    for kind, title in (("accuracy", "accuracy"), ("service", "engine alone"), ("serving", "behind its endpoint")):
        rows = [_measurement_row(item, done.names) for item in done.measured if item.subject.kind == kind]
        if rows:
            lines += [ink(title, "bold"), table(["WHAT", "MEASURED"], rows, ink), ""]
    spent = sum(done.measuring_s.values())
    count = f"{len(done.measured)} measured, {done.reused} known from before"
    lines.append(f"{count}, in {done.seconds:.0f} s ({spent:.0f} s of measuring): {setting.profiles}/")
    lines += [f"{count} left out: {why}" for why, count in done.skipped.items()]
    lines += _unmade_words(done.unmade)
    for name, proof in done.proofs.items():
        lines += _proof_words(name, proof, done.goals[name])
    return "\n".join([*lines, f"next: aios plan {' '.join(setting.paths)}"])


def _unmade_words(unmade: Sequence[Unmade]) -> list[str]:
    """Say what there was no time for, and how much it would have taken."""
    lines = []
    for item in sorted(unmade, key=lambda item: not item.cut)[:_MOST_TOLD]:
        if item.cut:
            lines.append(f"cut off after {item.seconds:.0f} s, as the budget was spent: {item.what}")
        else:
            lines.append(f"not begun, for lack of time: {item.what}, about {max(1.0, item.seconds):.0f} s")
    if len(unmade) > _MOST_TOLD:
        lines.append(f"and {len(unmade) - _MOST_TOLD} more for which there was no time (--json has all)")
    return lines


def _proof_words(name: str, proof: Proof, goal: Goal) -> list[str]:
    """Say how far a choice is proved, and what would decide what is open."""
    count = f"{proof.measured} of {proof.candidates} candidates measured"
    if proof.settled == "described":
        return [f"{name}: {_SETTLED[proof.settled]}"]
    lines = [f"{name}: {_SETTLED[proof.settled]} ({count})"]
    if proof.settled == "measured":
        lines[0] += ": no other is better even where all that was not measured is at its best"
    lines += [f"  {item}: that is a rule, and was not measured" for item in proof.leaning[:_MOST_TOLD]]
    for item in proof.close[:_MOST_TOLD]:
        lines.append(f"  {item} is as good within the intervals: {goal} does not tell them apart")
    for rival in proof.rivals[:_MOST_TOLD]:
        best = "unknown" if rival.best is None else metric_text(goal.metric, rival.best)
        kinds = ", ".join(dict.fromkeys(_KINDS[item.kind] for item in rival.missing))
        would_tell = f"{kinds} would tell, about {rival.seconds:.0f} s"
        lines.append(f"  {rival.id} may still be better: {goal.metric} at best {best}; {would_tell}")
    if len(proof.rivals) > _MOST_TOLD:
        lines.append(f"  and {len(proof.rivals) - _MOST_TOLD} more (--json has all)")
    return lines


_KINDS = {"accuracy": "accuracy", "service": "engine", "serving": "endpoint"}


def _measurement_row(item: Measurement, names: dict[str, str]) -> list[str]:
    subject = item.subject
    what = f"{names[subject.model]} {label_of(subject)}"
    if subject.kind != "accuracy":
        what += f" threads {subject.threads} batch {subject.batch}"
    told = (("disturbed", "disturbed"), (MADE_WITH, "judged on what it was made with"))
    note = "".join(f"; {words}: {item.conditions[name]}" for name, words in told if name in item.conditions)
    shown = [
        f"{name} {_value(name, value)}{_sureness(name, value)}"
        for name, value in item.values.items()
        if name != RELATIVE
    ]
    return [what, ", ".join(shown) + note]


def _sureness(name: str, value: Measured) -> str:
    """Return the 90 % interval of an accuracy, and the items that it was measured on."""
    if not name.startswith("accuracy."):
        return ""
    return f" ({metric_text(name, value.low)} to {metric_text(name, value.high)} at 90 %, n = {value.n})"


def _value(name: str, value: Measured) -> str:
    if find_metric(name) is not None:
        return metric_text(name, value.value)
    return metric_text({"s": "latency.p50", "1/s": "throughput", "B": "memory", "J": "energy"}[value.unit], value.value)


def verify(
    setting: Setting, targets: tuple[str, ...], *, seconds: float, seed: int, json: bool, json_into: Path | None
) -> int:
    """Measure each promise; exit 5 when one is broken."""
    from dataclasses import replace

    from aios.workflow.verifying import verify as work

    with Progress("verify", quiet=json) as progress:
        done = work(replace(setting, tell=progress), targets, seconds, seed)
    document = {
        "verified": [
            {"address": item.address, "conditions": item.conditions, "verdicts": item.verdicts} for item in done
        ]
    }
    emit("\n\n".join(_verified_words(item) for item in done), document, json=json, json_into=json_into)
    broken = any(verdict.verdict == "broken" for item in done for verdict in item.verdicts)
    return Exit.BROKEN if broken else Exit.DONE


_INKS = {"held": "green", "broken": "red", "unmeasured": "yellow", "noted": "dim"}


def _verified_words(item: Verified) -> str:
    ink = Ink(sys.stdout)
    text = verdict_table(item.verdicts, ink)
    conditions = [ink(f"{name}: {value}", "dim") for name, value in item.conditions.items()]
    counts = {name: sum(verdict.verdict == name for verdict in item.verdicts) for name in _INKS}
    summary = ", ".join(ink(f"{count} {name}", _INKS[name]) for name, count in counts.items() if count)
    return "\n".join([f"{ink(item.address, 'bold')}: {summary}", text, *conditions])


def verdict_table(verdicts: Sequence[Verdict], ink: Ink) -> str:
    """Return a table of promises beside what was measured of each."""
    rows = [_verdict_row(verdict) for verdict in verdicts]
    return table(["VERDICT", "METRIC", "REQUIRED", "PREDICTED", "90 % INTERVAL", "MEASURED", "REMARK"], rows, ink)


def _verdict_row(verdict: Verdict) -> list[str]:
    def shown(value: float | None) -> str:
        return "-" if value is None else metric_text(verdict.metric, value)

    interval = f"{shown(verdict.low)} .. {shown(verdict.high)}"
    measured = verdict.measured.value if verdict.measured else None
    return [
        verdict.verdict,
        verdict.metric,
        verdict.clause or "-",
        shown(verdict.predicted),
        interval,
        shown(measured),
        verdict.reason,
    ]
