"""status and drift, in words."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.exits import Exit
from aios.cli.history import short_plan
from aios.cli.output import emit, metric_text
from aios.cli.progress import Progress
from aios.cli.words import Ink, harmless, table
from aios.records.candidate import label_of
from aios.records.drift import Deviation

if TYPE_CHECKING:
    from aios.records.state import UnfinishedRun
    from aios.spi.owner import Owner
    from aios.verify.lately import Lately
    from aios.workflow.drifting import Drift
    from aios.workflow.setting import Setting
    from aios.workflow.standing import Standing

__all__ = ["drift", "status"]

_CONDITION_INKS = {
    "healthy": "green",
    "written": "dim",
    "starting": "yellow",
    "degraded": "yellow",
    "dead": "red",
    "absent": "red",
    "unknown": "yellow",
}

_LATELY_S = 60.0
"""Below so many seconds a rate says little: it is not shown."""


def status(setting: Setting, targets: Sequence[str], *, json: bool) -> int:
    """Show what stands."""
    from aios.workflow.standing import load_at_work, look

    state, owner = load_at_work(setting)
    standing = look(setting, targets, state)
    ink = Ink(sys.stdout)
    rows = [_status_row(item, ink, at_work=owner is not None) for item in standing]
    head = ["ADDRESS", "CONDITION", "ENDPOINT", "RUNS", "READY", "AGE", "LOAD", "LATENCY", "DETAIL"]
    words = table(head, rows, ink) if rows else "nothing is applied"
    unfinished = None if state.run is None else {"plan": state.run.plan, "back": state.run.back}
    resources = [_status_document(item) for item in standing]
    emit(words, {"resources": resources, "unfinished_run": unfinished, "at_work": owner}, json=json)
    if state.run is not None:
        _say_unfinished(state.run, owner)
    return Exit.DONE


def _say_unfinished(run: UnfinishedRun, owner: Owner | None) -> None:
    """Say who is at work, or how to go on where the last run did not come to its end."""
    left = "was being rolled back" if run.back else "did not come to its end"
    told = (
        f"a run is at work: {harmless(str(owner))}"
        if owner is not None
        else f"the last run ({harmless(short_plan(run.plan))}) {left}: the same command goes on, and "
        "`aios apply --abort` takes back what it did"
    )
    print(told, file=sys.stderr)


def _status_row(item: Standing, ink: Ink, *, at_work: bool) -> list[str]:
    resource, seen = item.resource, item.seen.observation
    deployment = resource.deployment
    condition = seen.condition if seen else "unknown"
    precision = label_of(deployment, " ")
    ready = f"{seen.replicas_ready}/{deployment.replicas}" if seen and condition != "written" else "-"
    details = [seen.detail if seen else item.seen.why, *(seen.differences if seen else ())]
    if seen and seen.taken_by:
        details.append(f"its port is taken by {seen.taken_by}")
    if resource.unfinished:
        cut_short = f"an earlier {resource.unfinished} did not finish, apply again"
        details.append(f"its {resource.unfinished} is under way" if at_work else cut_short)
    load, latency = _lately_words(item.lately)
    return [
        resource.address,
        ink(condition, _CONDITION_INKS[condition]),
        harmless((seen.endpoint if seen else None) or "-"),
        f"{deployment.model} {precision}",
        ready,
        _age(item.age_s),
        load,
        latency,
        harmless("; ".join(details)),
    ]


def _lately_words(lately: Lately | None) -> tuple[str, str]:
    """Return load and latency of the last minutes, the latter beside what was promised of it."""
    if lately is None:
        return "-", "-"
    load = metric_text("throughput", lately.rate_per_s) if lately.requests else "none"
    if lately.latency_s is None:
        return load, "-"
    latency = f"{lately.metric.removeprefix('latency.')} {metric_text(lately.metric, lately.latency_s)}"
    if lately.bound_s is not None:
        sign = "<=" if lately.latency_s <= lately.bound_s else "> promised"
        latency += f" {sign} {metric_text(lately.metric, lately.bound_s)}"
    return load, latency


def _age(seconds: float) -> str:
    """Return an age in the largest unit of which it has at least two."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _status_document(item: Standing) -> dict[str, object]:
    seen = item.seen.observation
    return {
        "resource": item.resource,
        "observed": seen.model_dump(mode="json", exclude={"recent"}) if seen else None,
        "unknown": item.seen.why or None,
        "age_s": item.age_s,
        "lately": item.lately,
    }


_KIND_INKS = {
    "missing": "red",
    "changed": "yellow",
    "foreign": "yellow",
    "unhealthy": "red",
    "performance": "red",
    "load": "yellow",
    "configuration": "cyan",
    "unknown": "yellow",
}


def drift(setting: Setting, targets: Sequence[str], *, json: bool, json_into: Path | None) -> int:
    """Say what is no longer as it was applied; exit 5 when something is, 6 when nothing is but not all can be told."""
    from dataclasses import replace

    from aios.workflow.drifting import drift as work

    with Progress("drift", quiet=json) as progress:
        found = work(replace(setting, tell=progress.doing), targets)
    code = _code(found.deviations)
    verdict = {Exit.DONE: "none", Exit.BROKEN: "drift", Exit.WORLD: "unknown"}[code]
    document = {"at": found.at, "addresses": found.addresses, "verdict": verdict, "deviations": found.deviations}
    emit(_drift_words(found), document, json=json, json_into=json_into)
    return code


def _code(deviations: Sequence[Deviation]) -> Exit:
    kinds = {item.kind for item in deviations if item.matters}
    if kinds - {"unknown"}:
        return Exit.BROKEN
    return Exit.WORLD if kinds else Exit.DONE


def _drift_words(found: Drift) -> str:
    ink = Ink(sys.stdout)
    lines = []
    if not found.addresses and not found.deviations:
        return "nothing is applied"
    for item in found.deviations:
        if item.matters:
            kind = ink(item.kind.ljust(13), _KIND_INKS[item.kind])
            lines.append(f"{kind} {ink(harmless(item.address), 'bold')}: {harmless(item.text)}")
    notes = [f"{item.address}: {item.text}" for item in found.deviations if not item.matters]
    lines += [ink(f"{'note'.ljust(13)} {harmless(note)}", "dim") for note in notes]
    drifted = {item.address for item in found.deviations if item.matters}
    count = len(found.addresses)
    services = "1 service" if count == 1 else f"{count:,} services"
    if not drifted:
        lines.append(f"no drift: {services} as applied")
    commands = dict.fromkeys(item.command for item in found.deviations if item.matters and item.command)
    if drifted and commands:
        lines.append(f"next: {', '.join(map(harmless, commands))}")
    return "\n".join(lines)
