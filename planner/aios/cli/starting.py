"""init and validate."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from aios.cli.output import emit
from aios.cli.progress import Progress
from aios.cli.words import Ink, counted
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import Node
from aios.records.intent import Intent
from aios.workflow.setting import Setting

__all__ = ["init", "validate"]


def init(folder: Path, *, force: bool, json: bool) -> int:
    """Write fleet.yaml and a starter intent for this machine."""
    from aios.workflow.starting import start

    taken = folder / "fleet.yaml"
    if taken.exists() and not force:
        raise InputError(
            Diagnostic(
                summary=f"{taken} is there already",
                remedy="remove it, choose another folder, or overwrite it",
                command=shlex.join(["aios", "init", str(folder), "--force"]),
            )
        )
    with Progress("init", quiet=json) as progress:
        started = start(folder, progress)
    ink = Ink(sys.stdout)
    lines = [ink("found", "bold"), *(f"  {ink('✔', 'green')} {line}" for line in started.seen)]
    if started.missing:
        lines += [ink("not found", "bold"), *(f"  {ink('-', 'dim')} {line}" for line in started.missing)]
    lines += [ink("written", "bold"), *(f"  {path}" for path in started.written)]
    lines += ["", f"next: see that {started.intent} names your models and data, then `aios plan {started.intent}`"]
    document = {"seen": started.seen, "missing": started.missing, "written": started.written, "fleet": started.fleet}
    emit("\n".join(lines), document, json=json)
    return 0


def validate(setting: Setting, *, json: bool, json_into: Path | None) -> int:
    """Check files and say what they hold."""
    from aios.workflow.cataloguing import overridden
    from aios.workflow.reading import read_written
    from aios.workflow.ruling import Evaluator, check_rules

    if not setting.paths and setting.fleet is None:
        raise InputError(Diagnostic(summary="there is nothing to validate", command="aios validate intent.yaml"))
    intents, demands, objective, fleet, rules = read_written(setting)
    with Evaluator() as evaluator:
        check_rules(rules, evaluator)
    lines = [_counted(intent) for intent in intents]
    if demands:
        copies = sum(demand.copies for demand in demands)
        lines.append(f"demands: {len(demands):,}, copies {copies:,}")
    if objective is not None:
        goals = "; ".join(map(str, objective.goal)) or "no goal"
        lines.append(f"objective {objective.name}: {goals}, {len(objective.budget)} budgets")
    if rules:
        policies = len({item.policy for item in rules})
        lines.append(f"{counted(policies, 'policy', 'policies')}: {counted(len(rules), 'rule')}")
    if fleet is not None:
        machines = sum(node.count for node in fleet.nodes)
        devices = sum(node.count * _devices(node) for node in fleet.nodes)
        types = len({slot.type for node in fleet.nodes for slot in node.devices})
        lines.append(f"fleet {fleet.name}: machines {machines:,}, devices {devices:,}, device types {types}")
    replaced = overridden(fleet) if fleet is not None else ()
    lines += [f"device type {name}: described in the fleet, in place of the catalogue's" for name in replaced]
    read = {"intents": (*intents, *demands), "objective": objective, "fleet": fleet}
    document = {"valid": True, **read, "overridden": replaced, "rules": [item.name for item in rules]}
    emit("\n".join([*lines, "valid"]), document, json=json, json_into=json_into)
    return 0


def _counted(intent: Intent) -> str:
    """Say how much an intent holds; what its load implies is not counted among the requirements."""
    written = [item for item in intent.require if item.implied_by is None]
    return f"intent {intent.name}: {counted(len(intent.models), 'model')}, {counted(len(written), 'requirement')}"


def _devices(node: Node) -> int:
    """Return how many devices each machine has; the parts of one count as one."""
    return len({id_.partition(".")[0] for slot in node.devices for id_ in slot.ids})
