"""plan and candidates, in words."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.exits import Exit
from aios.cli.output import emit, metric_text, save_text
from aios.cli.progress import Progress
from aios.cli.threads import one_thread
from aios.cli.ways import device_words, spread_words
from aios.cli.words import Ink, counted, table
from aios.records.candidate import Estimate, Priced, Residence
from aios.records.intent import Intent, Requirement
from aios.records.plan import Plan
from aios.records.selection import ObjectiveValue
from aios.records.units import Dimension, format_quantity
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.workflow.planning import Considered, Planned

__all__ = ["candidates", "code_of", "plan", "plan_words"]

_SHOWN = 8
"""Candidates listed per intent unless all are asked for: the chosen one and its nearest rivals."""

_SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "keep": " "}
_INKS = {"create": "green", "update": "yellow", "replace": "yellow", "delete": "red", "keep": "dim"}


def plan(
    setting: Setting,
    *,
    out: Path | None,
    detailed: bool,
    keep_others: bool,
    every: bool,
    json: bool,
    json_into: Path | None,
) -> int:
    """Make a plan, print it, save it if asked to."""
    from aios.plan import plan_text
    from aios.workflow.planning import make_plan

    one_thread()
    with Progress("plan", quiet=json):
        planned = make_plan(setting, keep_others=keep_others)
    text = plan_text(planned.plan)
    if out is not None and planned.plan.conflict is None:
        save_text(out, text)
    words = "" if json else plan_words(planned, every=every, out=out, keep_others=keep_others)
    emit(words, text, json=json, json_into=json_into)
    return code_of(planned.plan, detailed)


def code_of(plan: Plan, detailed: bool = False) -> Exit:
    """Return the exit code that a plan stands for."""
    if plan.status == "infeasible":
        return Exit.INFEASIBLE
    if plan.status == "unknown":
        return Exit.WORLD
    changes = any(action.action != "keep" for action in plan.actions)
    return Exit.CHANGES if detailed and changes else Exit.DONE


def plan_words(
    planned: Planned,
    *,
    every: bool = False,
    out: Path | None = None,
    keep_others: bool = False,
    applying: bool = False,
) -> str:
    """Return the plan as people read it. applying: it is about to be carried out, so what to run next is not said."""
    ink = Ink(sys.stdout)
    given = planned.considered.given
    blocks = [_heading(planned, ink)]
    blocks += [_considered(planned, intent, ink, every) for intent in given.intents]
    if planned.plan.conflict is not None:
        blocks.append(_conflict(planned, ink))
    else:
        blocks += [
            _spread(planned, ink),
            _residences(planned.plan, ink),
            _promises(planned.plan, ink),
            _objective(planned, ink),
            _actions(planned.plan, ink, None if applying else _apply_command(planned.plan, out, keep_others)),
        ]
    return "\n\n".join(block for block in blocks if block)


def _heading(planned: Planned, ink: Ink) -> str:
    fleet = planned.considered.given.fleet
    devices = ", ".join(sorted({slot.type for node in fleet.nodes for slot in node.devices}))
    return f"{ink('fleet', 'dim')} {fleet.name} ({fleet.origin}): {devices}"


def _considered(planned: Planned, intent: Intent, ink: Ink, every: bool) -> str:
    options = planned.considered.options[intent.name]
    chosen = planned.selection.chosen.get(intent.name)
    ranked = sorted(options, key=lambda option: _rank(option, intent, chosen))
    shown = ranked if every else ranked[:_SHOWN]
    columns = _columns(intent)
    rows = [_row(option, intent, columns) for option in shown]
    marked = [
        index for index, option in enumerate(shown) if chosen is not None and option.candidate == chosen.candidate
    ]
    head = ["MODEL", "DEVICE", "PRECISION", "B", "T", "R", *(name.upper() for name in columns), "SOURCE", "WHY NOT"]
    bounds = ", ".join(item.text for item in _written(intent) or intent.require) or "nothing required"
    load = _load(intent)
    lines = [f"{ink(intent.name, 'bold')}: {'; '.join(map(str, intent.goal))}, subject to {bounds}{load}"]
    if rows:
        lines.append(table(head, rows, ink, marked))
    left = len(options) - len(shown)
    if left > 0:
        lines.append(ink(f"… and {counted(left, 'more candidate')} (--all lists them)", "dim"))
    rejected = [row for row in planned.considered.rejections if _about(row.what, intent, planned.considered)]
    if every:
        lines += [ink(f"left out: {row.what}: {row.reason}", "dim") for row in rejected]
    elif rejected:
        lines.append(ink(f"left out: {counted(len(rejected), 'family', 'families')} (--all says which and why)", "dim"))
    return "\n".join(lines)


def _written(intent: Intent) -> list[Requirement]:
    """Return the bounds that somebody wrote: what the load implies is told with the load."""
    return [item for item in intent.require if item.implied_by is None]


def _load(intent: Intent) -> str:
    load = intent.load
    if load is None:
        return ""
    tokens = f", {load.prompt_tokens} + {load.output_tokens} tokens" if load.output_tokens else ""
    return f" at {load.rate_per_s:g}/s {load.arrivals}{tokens}"


def _about(what: str, intent: Intent, considered: Considered) -> bool:
    """Whether a rejection is of this intent; with a single one, all are."""
    return len(considered.given.intents) == 1 or any(choice.name in what for choice in intent.models)


def _rank(option: Priced, intent: Intent, chosen: Priced | None) -> tuple[object, ...]:
    """Order: the chosen one, then what meets every requirement, each by the intent's goals."""
    broken = _broken(option, intent)
    goals = []
    for goal in intent.goal:
        estimate = option.estimates.get(goal.metric)
        value = estimate.value if estimate else float("inf")
        goals.append(value if goal.direction == "minimize" else -value)
    is_chosen = chosen is not None and option.candidate == chosen.candidate
    return (not is_chosen, len(broken), *goals, option.candidate.id)


def _broken(option: Priced, intent: Intent) -> list[str]:
    """Return why the option is out: each requirement that its estimates do not show to hold, as the checker sees it."""
    from aios.check import requirement_rows

    reasons = []
    for row in requirement_rows(intent, option):
        if row.holds:
            continue
        name = str(row.clause.metric)
        value = "unknown" if row.value is None else metric_text(name, row.value)
        reasons.append(f"{name} {value}, required {row.clause.text.removeprefix(name).strip()}")
    return reasons


def _columns(intent: Intent) -> list[str]:
    wanted = [goal.metric for goal in intent.goal] + [item.metric for item in _written(intent)]
    usual = ["time", "energy"] if intent.train is not None else ["latency.p99", "power"]
    return list(dict.fromkeys([*wanted, *usual]))


def _row(option: Priced, intent: Intent, columns: list[str]) -> list[str]:
    candidate = option.candidate
    quantization = "" if candidate.quantization == "none" else f" {candidate.quantization}"
    estimates = [option.estimates.get(name) for name in columns]
    sources = [estimate.source for estimate in estimates if estimate is not None]
    return [
        candidate.model,
        device_words(candidate),
        f"{candidate.precision}{quantization}",
        str(candidate.batch),
        str(candidate.threads or "-"),
        str(candidate.replicas),
        *(_estimate(name, estimate) for name, estimate in zip(columns, estimates, strict=True)),
        "+".join(dict.fromkeys(sources)),
        "; ".join(_broken(option, intent)),
    ]


def _estimate(name: str, estimate: Estimate | None) -> str:
    return "?" if estimate is None else metric_text(name, estimate.value)


def _spread(planned: Planned, ink: Ink) -> str:
    """Say how what takes several devices is spread over them."""
    fleet = planned.considered.given.fleet
    told = {decision.intent: spread_words(decision, fleet) for decision in planned.plan.decisions}
    return "\n".join(f"{ink('spread', 'dim')} {name}: {text}" for name, text in told.items() if text)


def _residences(plan: Plan, ink: Ink) -> str:
    """Say where the parts of each model live and what reading them costs."""
    lines = []
    for decision in plan.decisions:
        parts = [_residence(item) for item in decision.memory]
        if parts:
            lines.append(f"{ink('memory', 'dim')} {decision.intent}: {'; '.join(parts)}")
    return "\n".join(lines)


def _residence(item: Residence) -> str:
    size = format_quantity(item.bytes, Dimension.BYTES)
    where = f"{item.part.replace('_', ' ')} {size} in {item.tier}"
    if item.read_bytes_per_s is None or item.seconds is None:
        return f"{where}, read at an unknown rate"
    rate, time = (
        format_quantity(item.read_bytes_per_s, Dimension.BANDWIDTH),
        format_quantity(item.seconds, Dimension.TIME),
    )
    return f"{where}, {time} to read at {rate} ({item.source})"


def _promises(plan: Plan, ink: Ink) -> str:
    rows = [
        [
            claim.address,
            claim.metric,
            metric_text(claim.metric, claim.estimate.value),
            f"{metric_text(claim.metric, claim.estimate.low)} .. {metric_text(claim.metric, claim.estimate.high)}",
            claim.estimate.source,
            claim.clause or "-",
        ]
        for claim in plan.claims
    ]
    return table(["INTENT", "PROMISE", "VALUE", "90 % INTERVAL", "SOURCE", "REQUIRED"], rows, ink)


def _objective(planned: Planned, ink: Ink) -> str:
    lines = []
    for item in planned.plan.objective:
        proof = "proved optimal" if item.gap == 0 else f"bound {_goal_value(item, item.bound)}, gap {item.gap:.2%}"
        lines.append(f"{ink('objective', 'dim')} {item.goal}: {_goal_value(item, item.value)}, {proof}")
    count = sum(len(options) for options in planned.considered.options.values())
    note = planned.plan.solver
    lines.append(
        ink(f"{planned.plan.status}: {counted(count, 'candidate')}, solved in {planned.seconds:.2f} s, ", "dim")
        + ink(f"{note.version}, seed {note.seed}, {note.workers} worker; the checker agrees", "dim")
    )
    return "\n".join(lines)


def _goal_value(item: ObjectiveValue, value: float) -> str:
    return f"{100 * value:.4g} %" if item.unit == "1" else f"{value:.4g} {item.unit}"


def _actions(plan: Plan, ink: Ink, command: str | None) -> str:
    lines = []
    for action in plan.actions:
        sign = f"{_SIGNS[action.action]} {action.action}"
        lines.append(f"{ink(sign.ljust(9), _INKS[action.action])} {action.address}: {action.reason}")
    counts = {kind: sum(action.action == kind for action in plan.actions) for kind in _SIGNS}
    changes = [f"{count} to {kind}" for kind, count in counts.items() if count and kind != "keep"]
    if not changes:
        return "\n".join([*lines, "nothing to do: what stands is what the intents ask for"])
    lines.append(f"plan: {', '.join(changes)}")
    return "\n".join([*lines, f"next: {command}"] if command else lines)


def _apply_command(plan: Plan, out: Path | None, keep_others: bool) -> str:
    """Return the command that carries out exactly this plan."""
    if out is not None:
        return shlex.join(["aios", "apply", str(out)])
    files = plan.files
    words = ["aios", "apply", *files["intents"]]
    if files["fleet"] is not None:
        words += ["--fleet", files["fleet"]]
    defaults = Setting()
    if files["profiles"] != str(defaults.profiles):
        words += ["--profiles", files["profiles"]]
    if files["state"] != str(defaults.state):
        words += ["--state", files["state"]]
    return shlex.join([*words, *(["--keep-others"] if keep_others else [])])


def _conflict(planned: Planned, ink: Ink) -> str:
    conflict = planned.plan.conflict
    assert conflict is not None
    impossible = [name for name, options in planned.considered.options.items() if not options]
    if impossible:
        head = f"there is no way at all to run {', '.join(impossible)}"
        rows = [f"  {row.what}: {row.reason}" for row in planned.considered.rejections]
        return "\n".join([f"{ink('infeasible', 'red', 'bold')}: {head}; left out:", *rows])
    alone = len(conflict.clauses) == 1
    head = "this cannot hold" if alone else "these cannot hold together; without any one of them the others can"
    lines = [f"{ink('infeasible', 'red', 'bold')}: {head}"]
    for clause in conflict.clauses:
        where = f"  {ink(str(clause.where), 'dim')}" if clause.where else ""
        owner = f"{clause.intent}: " if clause.intent else ""
        lines.append(f"  {owner}{clause.text}{where}")
    if conflict.relaxations:
        this = "this" if alone else "each of these alone"
        lines.append(f"{this} would do, the others as they are:")
        lines += [f"  {item.clause} -> {ink(item.to, 'green')}" for item in conflict.relaxations]
    lines += [f"note: {note}" for note in conflict.notes]
    return "\n".join(lines)


def candidates(setting: Setting, *, json: bool, json_into: Path | None) -> int:
    """List every candidate with its estimates."""
    from aios.workflow.planning import consider
    from aios.workflow.reading import gather

    with Progress("candidates", quiet=json):
        considered = consider(gather(setting))
    ink = Ink(sys.stdout)
    blocks, document = [], []
    for intent in considered.given.intents:
        columns = _columns(intent)
        options = sorted(considered.options[intent.name], key=lambda option: _rank(option, intent, None))
        rows = [_row(option, intent, columns) for option in options]
        head = ["MODEL", "DEVICE", "PRECISION", "B", "T", "R", *(name.upper() for name in columns), "SOURCE", "WHY NOT"]
        blocks.append(f"{ink(intent.name, 'bold')}: {counted(len(rows), 'candidate')}\n{table(head, rows, ink)}")
        document += [_candidate_json(option, intent) for option in considered.options[intent.name]]
    if considered.rejections:
        blocks.append("\n".join(f"left out: {row.what}: {row.reason}" for row in considered.rejections))
    emit(
        "\n\n".join(blocks),
        {"candidates": document, "rejections": considered.rejections},
        json=json,
        json_into=json_into,
    )
    return Exit.DONE


def _candidate_json(option: Priced, intent: Intent) -> dict[str, object]:
    """Return a candidate with everything that a stranger needs to recompute the optimum."""
    return {
        **option.candidate.model_dump(mode="json"),
        "estimates": option.estimates,
        "unknown": option.unknown,
        "demand": option.demand,
        "feasible": not _broken(option, intent),
        "out": _broken(option, intent),
    }
