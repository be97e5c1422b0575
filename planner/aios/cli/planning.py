"""plan, in words."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.candidates import columns_of, option_table, written
from aios.cli.conflicts import also_enough
from aios.cli.daywords import day_words, rate_words
from aios.cli.demands import demand_words, nowhere
from aios.cli.exits import Exit
from aios.cli.moving import move_words
from aios.cli.output import emit, metric_text, save_text
from aios.cli.pipelines import pipeline_words
from aios.cli.progress import Progress
from aios.cli.splitwords import split_words
from aios.cli.standing import budget_words, machine_words
from aios.cli.threads import one_thread
from aios.cli.ways import spread_words
from aios.cli.words import Ink, counted, further, gap_text, table
from aios.records.candidate import Residence
from aios.records.intent import Intent
from aios.records.metrics import PLAN_METRICS
from aios.records.plan import Plan
from aios.records.selection import ObjectiveValue
from aios.records.units import Dimension, format_quantity
from aios.workflow.ranking import ranked
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.workflow.planning import Considered, Planned
    from aios.workflow.replanning import Wished

__all__ = ["code_of", "conflict_text", "plan", "plan_words"]

_SHOWN = 8
"""Candidates listed per intent unless all are asked for: the chosen one and its nearest rivals."""

_MOST_TYPES = 12
"""Device types of a fleet that are named."""
_SIGNS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "keep": " "}
_INKS = {"create": "green", "update": "yellow", "replace": "yellow", "delete": "red", "keep": "dim"}


def plan(
    setting: Setting,
    *,
    wished: Wished,
    out: Path | None,
    detailed: bool,
    keep_others: bool,
    every: bool,
    json: bool,
    json_into: Path | None,
    start: str | None = None,
    picture: Path | None = None,
) -> int:
    """Make a plan, print it, save it if asked to. start: of a plan in time · picture: file to draw its jobs into"""
    from dataclasses import replace

    from aios.plan import plan_text
    from aios.solve.interrupting import allow
    from aios.workflow.planning import make_plan
    from aios.workflow.scheduling import frame_of

    one_thread()
    allow()
    with Progress("plan", quiet=json) as progress:
        told = replace(setting, tell=progress.doing)
        planned = make_plan(told, keep_others=keep_others, wished=wished, frame=frame_of(start))
        progress.doing("writing it down")
        if picture is not None:
            from aios.cli.scheduling import draw_jobs

            draw_jobs(planned, picture)
        words = "" if json else plan_words(planned, every=every, out=out, keep_others=keep_others)
    text = plan_text(planned.plan)
    if out is not None and planned.plan.conflict is None:
        save_text(out, text)
    emit(words, text, json=json, json_into=json_into)
    return code_of(planned.plan, detailed)


def code_of(plan: Plan, detailed: bool = False) -> Exit:
    """Return the exit code that a plan stands for."""
    if plan.status == "infeasible":
        return Exit.INFEASIBLE
    if plan.solver.termination == "interrupted":
        return Exit.INTERRUPTED
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
    if every or planned.plan.status != "unknown":
        blocks += [_considered(planned, intent, ink, every) for intent in given.intents]
    if planned.plan.status == "unknown":
        blocks.append(_nothing_found(planned, ink))
    elif planned.plan.conflict is not None:
        blocks.append(conflict_text(planned, ink))
    else:
        blocks += [
            _refusals(planned, ink),
            demand_words(planned, ink, every),
            machine_words(planned, ink, every),
            _times(planned, ink),
            split_words(planned.plan, ink),
            _spread(planned, ink),
            _residences(planned, ink),
            pipeline_words(planned.plan, ink),
            day_words(planned.plan, ink),
            _promises(planned.plan, ink),
            _remarks(planned, ink),
            budget_words(planned, ink),
            _objective(planned, ink),
            move_words(planned.plan, ink, every),
            _actions(planned.plan, ink, None if applying else _apply_command(planned, out, keep_others)),
        ]
    return "\n\n".join(block for block in blocks if block)


def _heading(planned: Planned, ink: Ink) -> str:
    fleet = planned.considered.given.fleet
    types = sorted({slot.type for node in fleet.nodes for slot in node.devices})
    left = f" and {counted(len(types) - _MOST_TYPES, 'more type')}" if len(types) > _MOST_TYPES else ""
    return f"{ink('fleet', 'dim')} {fleet.name} ({fleet.origin}): {', '.join(types[:_MOST_TYPES])}{left}"


def _considered(planned: Planned, intent: Intent, ink: Ink, every: bool) -> str:
    options, fleet = planned.considered.options[intent.name], planned.considered.given.fleet
    chosen = planned.selection.chosen.get(intent.name)
    order = ranked(options, intent, chosen)
    shown = order if every else order[:_SHOWN]
    bounds = ", ".join(item.text for item in written(intent) or intent.require) or "nothing required"
    load = _load(intent)
    lines = [f"{ink(intent.name, 'bold')}: {'; '.join(map(str, intent.goal))}, subject to {bounds}{load}"]
    if shown:
        lines.append(option_table(shown, intent, ink, chosen, fleet.types))
    left = len(options) - len(shown)
    if left > 0:
        lines.append(ink(f"… and {counted(left, 'more candidate')} (--all lists them)", "dim"))
    rejected = [row for row in planned.considered.rejections if _about(row.what, intent, planned.considered)]
    if every:
        lines += [ink(f"left out: {row.what}: {row.reason}", "dim") for row in rejected]
    elif rejected:
        lines.append(ink(f"left out: {counted(len(rejected), 'family', 'families')} (--all says which and why)", "dim"))
    return "\n".join(lines)


def _times(planned: Planned, ink: Ink) -> str:
    """Say when jobs run, of a plan in time."""
    if planned.schedule is None:
        return ""
    from aios.cli.scheduling import time_words

    return time_words(planned.schedule, planned.considered.given.fleet, ink)


def _load(intent: Intent) -> str:
    load = intent.load
    if load is None:
        return ""
    tokens = f", {load.prompt_tokens} + {load.output_tokens} tokens" if load.output_tokens else ""
    return f" at {rate_words(load)} {load.arrivals}{tokens}"


def _about(what: str, intent: Intent, considered: Considered) -> bool:
    """Whether a rejection is of this intent; with a single one, all are."""
    return len(considered.given.intents) == 1 or any(choice.name in what for choice in intent.models)


def _refusals(planned: Planned, ink: Ink) -> str:
    """Name the intents with a model that are refused; of demands their table tells."""
    models = {intent.name for intent in planned.considered.given.intents}
    names = [item.intent for item in planned.plan.refused if item.intent in models]
    head = ink("refused", "yellow")
    return f"{head} {', '.join(names)}: no room beside what must run and what weighs more" if names else ""


def _spread(planned: Planned, ink: Ink) -> str:
    """Say how what takes several devices is spread over them."""
    fleet = planned.considered.given.fleet
    told = {decision.intent: spread_words(decision, fleet) for decision in planned.plan.decisions}
    return "\n".join(f"{ink('spread', 'dim')} {name}: {text}" for name, text in told.items() if text)


def _residences(planned: Planned, ink: Ink) -> str:
    """Say where the parts of each model live and what reading them costs."""
    lines = []
    for decision in planned.plan.decisions:
        if not decision.memory:
            continue
        profile = planned.considered.given.profiles[decision.intent][decision.model]
        sparse = profile.transformer is not None and profile.transformer.experts is not None
        parts = "; ".join(_residence(item, sparse) for item in decision.memory)
        lines.append(f"{ink('memory', 'dim')} {decision.intent}: {parts}")
    return "\n".join(lines)


def _residence(item: Residence, sparse: bool) -> str:
    """Return a part of a model. sparse: a token reads only the experts that it is routed to"""
    size = format_quantity(item.bytes, Dimension.BYTES)
    where = f"{item.part.replace('_', ' ')} {size} in {item.tier}"
    if item.read_bytes_per_s is None or item.seconds is None:
        return f"{where}, read at an unknown rate"
    rate, time = (
        format_quantity(item.read_bytes_per_s, Dimension.BANDWIDTH),
        format_quantity(item.seconds, Dimension.TIME),
    )
    what = "read all experts" if sparse and item.part == "weights" else "read"
    return f"{where}, {time} to {what} at {rate} ({item.source})"


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
    return table(["INTENT", "PROMISE", "VALUE", "90 % INTERVAL", "SOURCE", "REQUIRED"], rows, ink) if rows else ""


def _objective(planned: Planned, ink: Ink) -> str:
    lines = []
    for item in planned.plan.objective:
        proof = (
            "proved optimal" if item.gap == 0 else f"bound {_goal_value(item, item.bound)}, gap {gap_text(item.gap)}"
        )
        lines.append(f"{ink('objective', 'dim')} {item.goal}: {_goal_value(item, item.value)}, {proof}")
    given = planned.considered.given
    count = sum(len(options) for options in planned.considered.options.values())
    note = planned.plan.solver
    if planned.plan.status == "feasible":
        lines.append(
            f"{ink('not proved', 'yellow')}: {_ended(planned.plan)}; a better plan is possible within the gaps above"
            + further(given.setting, "plan")
        )
    lines.append(
        ink(f"{planned.plan.status}: {counted(count, 'candidate')}, solved in {planned.seconds:.2f} s, ", "dim")
        + ink(f"{note.version}, seed {note.seed}, {note.workers} worker; the checker agrees", "dim")
    )
    return "\n".join(lines)


def _ended(plan: Plan) -> str:
    """Say why there is no proof."""
    interrupted = plan.solver.termination == "interrupted"
    return "the search was interrupted" if interrupted else "the search came to the end of its allowance"


def _nothing_found(planned: Planned, ink: Ink) -> str:
    plan = planned.plan
    given = planned.considered.given
    turns = "services first, demands that must stand first and all demands first were tried\n"
    ended = f"{_ended(plan)} before a plan was found; that there is none is not proved"
    return (
        f"{ink('unknown', 'red', 'bold')}: {ended}{further(given.setting, 'plan')}\n"
        f"{turns if given.intents and given.demands else ''}"
        "plan fewer intents at a time, pin what is settled, or leave more room in the fleet"
    )


def _remarks(planned: Planned, ink: Ink) -> str:
    """Say why numbers of the choices that people look for are unknown, and what else their reader should know."""
    lines = []
    for intent in planned.considered.given.intents:
        option = planned.selection.chosen.get(intent.name)
        if option is None:
            continue
        for name in columns_of(intent):
            if name not in option.estimates:
                why = option.unknown.get(name, "nothing is known of it")
                lines.append(f"{ink('unknown', 'yellow')} {intent.name}: {name}: {why}")
    for decision in planned.plan.decisions:
        lines += [f"{ink('note', 'yellow')} {decision.intent}: {note}" for note in decision.notes]
    return "\n".join(lines)


def _goal_value(item: ObjectiveValue, value: float) -> str:
    if ": minimize unknown " in item.goal:
        return counted(round(value), "intent")
    if item.goal.split()[1] in (*PLAN_METRICS, "fair-share", "max-min"):
        return f"{value:,.7g}"
    return f"{100 * value:.4g} %" if item.unit == "1" else f"{value:.4g} {item.unit}"


def _actions(plan: Plan, ink: Ink, command: str | None) -> str:
    lines = []
    for action in plan.actions:
        sign = f"{_SIGNS[action.action]} {action.action}"
        waits = f"; after {', '.join(action.waits_for)}" if action.waits_for else ""
        lines.append(f"{ink(sign.ljust(9), _INKS[action.action])} {action.address}: {action.reason}{waits}")
    counts = {kind: sum(action.action == kind for action in plan.actions) for kind in _SIGNS}
    changes = [f"{count} to {kind}" for kind, count in counts.items() if count and kind != "keep"]
    if not changes:
        stands = "what stands is what the intents ask for" if plan.actions else "demands are placed, not started"
        return "\n".join([*lines, f"nothing to do: {stands}"])
    lines.append(f"plan: {', '.join(changes)}")
    return "\n".join([*lines, f"next: {command}"] if command else lines)


def _apply_command(planned: Planned, out: Path | None, keep_others: bool) -> str | None:
    """Return the command that carries out exactly this plan; none where there is not room for all of it at once.

    What was read from standard input, what starts from a saved plan, and what was limited in its moves, only saved
    plans carry out.
    """
    plan = planned.plan
    if not plan.at_once:
        return None
    if out is not None:
        return shlex.join(["aios", "apply", str(out)])
    files = plan.files
    limited = plan.inputs.current is not None or planned.replanning.moving.binds
    if limited or "-" in (*files["intents"], files["fleet"]):
        return "save this plan with `-o plan.json`, and run `aios apply plan.json`"
    words = ["aios", "apply", *files["intents"]]
    if files["fleet"] is not None:
        words += ["--fleet", files["fleet"]]
    defaults = Setting()
    if files["profiles"] != str(defaults.profiles):
        words += ["--profiles", files["profiles"]]
    if files["state"] != str(defaults.state):
        words += ["--state", files["state"]]
    return shlex.join([*words, *(["--keep-others"] if keep_others else [])])


_MOST, _FIRST = 12, 8
"""Kinds of demands of a conflict that are all told, and how many of more are."""


def conflict_text(planned: Planned, ink: Ink) -> str:
    """Say why there is no plan, and what would do."""
    conflict = planned.plan.conflict
    assert conflict is not None
    impossible = [name for name, options in planned.considered.options.items() if not options]
    if impossible:
        head = f"there is no way at all to run {', '.join(impossible)}"
        rows = [
            f"  {row.what}: {row.reason}" + (f"; {row.resolvable}" if row.resolvable else "")
            for row in planned.considered.rejections
        ]
        lines = [f"{ink('infeasible', 'red', 'bold')}: {head}; left out:", *rows]
        rules = [clause for clause in conflict.clauses if clause.id != f"{clause.intent}/runs"]
        if rules:
            lines.append("by what is asked here:")
            lines += [f"  {clause.text}  {ink(str(clause.where), 'dim')}" for clause in rules]
        if conflict.relaxations:
            lines.append("each of these alone would do:" if len(conflict.relaxations) > 1 else "this would do:")
            lines += [f"  {item.clause} -> {ink(item.to, 'green')}" for item in conflict.relaxations]
        return "\n".join(lines)
    alone = len(conflict.clauses) == 1
    head = "this cannot hold" if alone else "these cannot hold together"
    if not alone and len(conflict.relaxations) == len(conflict.clauses):
        head += "; without any one of them the others can"
    lines = [f"{ink('infeasible', 'red', 'bold')}: {head}"]
    stands = [clause for clause in conflict.clauses if clause.id == f"{clause.intent}/stands"]
    left_out = stands[_FIRST:] if len(stands) > _MOST else []
    for clause in conflict.clauses:
        if clause in left_out:
            continue
        asked = clause.where is None or clause.where.file.startswith("--")  # an option, which its words name
        where = "" if asked else f"  {ink(str(clause.where), 'dim')}"
        owner = f"{clause.intent}: " if clause.intent else ""
        lines.append(f"  {owner}{clause.text}{where}")
        if left_out and clause is stands[_FIRST - 1]:
            lines.append(f"  … and {len(left_out):,} more kinds of demands, smaller ones (--json lists them)")
    if conflict.relaxations:
        this = "this" if alone else "each of these alone"
        lines.append(f"{this} would do, the others as they are:")
        lines += [f"  {item.clause} -> {ink(item.to, 'green')}" for item in conflict.relaxations]
    lines += also_enough(conflict, ink)
    lines += [f"note: {note}" for note in (*conflict.notes, *nowhere(planned))]
    return "\n".join(lines)
