"""plan, in words."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aios.cli.candidates import columns_of, option_table, written
from aios.cli.conflicts import conflict_text
from aios.cli.daywords import day_words, rate_words
from aios.cli.demands import demand_words, nowhere
from aios.cli.exits import Exit
from aios.cli.keys import vouched
from aios.cli.moving import move_words
from aios.cli.output import emit, save_text
from aios.cli.pipelines import pipeline_words
from aios.cli.planwords import action_words, ended, objective_words, promise_words, residence_words
from aios.cli.policing import gate, rulings_line
from aios.cli.progress import Progress
from aios.cli.splitwords import split_words
from aios.cli.standing import budget_words, machine_words
from aios.cli.threads import one_thread
from aios.cli.ways import spread_words
from aios.cli.words import Ink, counted, further
from aios.records.intent import Intent
from aios.records.plan import Plan
from aios.workflow.planfiles import Keeping, finished, see_keeping, text_to_save
from aios.workflow.ranking import ranked
from aios.workflow.ruling import denials
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.records.schedule import Frame
    from aios.workflow.planning import Considered, Planned
    from aios.workflow.replanning import Wished

__all__ = ["Comment", "code_of", "conflict_of", "plan", "plan_words"]

_SHOWN = 8
"""Candidates listed per intent unless all are asked for: the chosen one and its nearest rivals."""
_MOST_TYPES = 12
"""Device types of a fleet that are named."""


class Comment(NamedTuple):
    """Whether the plan is printed as the comment of a pull request, and the file that this is written to."""

    printed: bool = False
    file: Path | None = None


NO_COMMENT = Comment()


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
    keeping: Keeping,
    comment: Comment = NO_COMMENT,
    changed_since: str | None = None,
) -> int:
    """Make a plan, print it, save it. start: of a plan in time · picture: file to draw jobs into · keeping: the file ·
    changed_since: revision since which what did not change is left as it stands"""
    from dataclasses import replace

    from aios.plan import plan_text
    from aios.solve.interrupting import allow
    from aios.workflow.scheduling import frame_of

    see_keeping(keeping, setting.now(), saved=out is not None)
    one_thread()
    allow()
    with Progress("plan", quiet=json) as progress:
        remarks: list[str] = []
        told = replace(setting, tell=progress.doing, warn=_noting(remarks, setting.warn))
        planned = _made(told, wished, changed_since, keep_others=keep_others, frame=frame_of(start))
        planned = planned._replace(plan=finished(planned.plan, keeping, setting))
        progress.doing("writing it down")
        if picture is not None:
            from aios.cli.scheduling import draw_jobs

            draw_jobs(planned, picture)
        said = comment_on(planned.plan, remarks) if any(comment) else ""
        words = said if comment.printed else plan_words(planned, every=every, out=out, keep_others=keep_others)
    text = plan_text(planned.plan)
    if out is not None and planned.plan.conflict is None and not denials(planned.plan):
        save_text(out, text_to_save(text, keeping))
    if comment.file is not None:
        save_text(comment.file, said)
    emit(words, text, json=json, json_into=json_into)
    gate(planned, out)
    return code_of(planned.plan, detailed)


def _made(setting: Setting, wished: Wished, revision: str | None, *, keep_others: bool, frame: Frame) -> Planned:
    """Make the plan. revision: what did not change since is left as it stands, which is said"""
    from aios.workflow.planning import make_plan

    if revision is None:
        return make_plan(setting, keep_others=keep_others, wished=wished, frame=frame)
    from aios.workflow.changedsince import changed_since

    found = changed_since(setting, revision, wished)
    for remark in found.remarks:
        setting.warn(remark)
    planned = make_plan(setting, found.considered, keep_others=keep_others, wished=found.wished, frame=frame)
    if planned.plan.conflict is not None and found.wished.freeze:
        setting.warn("what was left as it stands is a part of this; without --changed-since more may be possible")
    return planned


def _noting(remarks: list[str], warn: Callable[[str], None]) -> Callable[[str], None]:
    """Return what warns and keeps what it warned of."""

    def warned(text: str) -> None:
        remarks.append(text)
        warn(text)

    return warned


def comment_on(plan: Plan, remarks: Sequence[str]) -> str:
    """Return a plan as the comment of a pull request."""
    from aios.cli.commenting import comment

    return comment(plan, remarks)


def code_of(plan: Plan, detailed: bool = False) -> Exit:
    """Return the exit code that a plan stands for."""
    if plan.status == "infeasible":
        return Exit.INFEASIBLE
    if plan.solver.termination == "interrupted":
        return Exit.INTERRUPTED
    if plan.status == "unknown":
        return Exit.WORLD
    return Exit.INPUT if denials(plan) else Exit.CHANGES if detailed and plan.has_changes else Exit.DONE


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
        blocks.append(conflict_of(planned, ink))
    else:
        blocks += [
            _refusals(planned, ink),
            demand_words(planned, ink, every),
            machine_words(planned, ink, every),
            _times(planned, ink),
            split_words(planned.plan, ink),
            _spread(planned, ink),
            residence_words(planned.plan, ink, _sparse(planned)),
            pipeline_words(planned.plan, ink),
            day_words(planned.plan, ink),
            promise_words(planned.plan, ink),
            _remarks(planned, ink),
            budget_words(planned, ink),
            _objective(planned, ink),
            move_words(planned.plan, ink, every),
            vouched(planned.plan, ink),
            rulings_line(planned.plan, ink),
            action_words(planned.plan, ink, None if applying else _apply_command(planned, out, keep_others)),
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


def _sparse(planned: Planned) -> set[str]:
    """Return the intents of whose model a token reads only the experts that it is routed to."""
    profiles = planned.considered.given.profiles
    chosen = ((item.intent, profiles[item.intent][item.model]) for item in planned.plan.decisions if item.memory)
    return {name for name, made in chosen if made.transformer is not None and made.transformer.experts is not None}


def _objective(planned: Planned, ink: Ink) -> str:
    lines = objective_words(planned.plan, ink)
    given = planned.considered.given
    count = sum(len(options) for options in planned.considered.options.values())
    note = planned.plan.solver
    if planned.plan.status == "feasible":
        lines.append(
            f"{ink('not proved', 'yellow')}: {ended(planned.plan)}; a better plan is possible within the gaps above"
            + further(given.setting, "plan")
        )
    lines.append(
        ink(f"{planned.plan.status}: {counted(count, 'candidate')}, solved in {planned.seconds:.2f} s, ", "dim")
        + ink(f"{note.version}, seed {note.seed}, {note.workers} worker; the checker agrees", "dim")
    )
    return "\n".join(lines)


def _nothing_found(planned: Planned, ink: Ink) -> str:
    plan = planned.plan
    given = planned.considered.given
    turns = "services first, demands that must stand first and all demands first were tried\n"
    why = f"{ended(plan)} before a plan was found; that there is none is not proved"
    return (
        f"{ink('unknown', 'red', 'bold')}: {why}{further(given.setting, 'plan')}\n"
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


def _apply_command(planned: Planned, out: Path | None, keep_others: bool) -> str | None:
    """Return the command that carries out exactly this plan; none where there is not room for all of it at once.

    What was read from standard input, what starts from a saved plan, and what was limited in its moves, only saved
    plans carry out.
    """
    plan = planned.plan
    if not plan.at_once or denials(plan):
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


def conflict_of(planned: Planned, ink: Ink) -> str:
    """Say why there is no plan, and what would do."""
    impossible = [name for name, options in planned.considered.options.items() if not options]
    return conflict_text(planned.plan, impossible, tuple(nowhere(planned)), ink)
