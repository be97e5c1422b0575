"""diff, in words: how two plans differ."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from aios.cli.changewords import changed_by, head_of, proof_of, value_text
from aios.cli.exits import Exit
from aios.cli.output import emit, metric_text
from aios.cli.planwords import INPUT_WORDS
from aios.cli.words import Ink, counted, harmless, table
from aios.records.candidate import Rejection
from aios.records.differences import FieldChange, GoalChange, IntentChange, Move, PlanDifference, ValueChange
from aios.records.selection import Conflict
from aios.workflow.setting import Setting

__all__ = ["conflict_words", "diff", "intent_words"]

_MOST_INTENTS = 40
_MOST_MOVES = 6
_MOST_REJECTIONS = 5
"""What is told of each kind unless all is asked for."""
_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
_NOT_OF_ALL = ("current", "policies")
"""Inputs that few plans have: that they are the same is not said."""
_PARTS = {
    "format_version": "the format of the document",
    "aios_version": "the version of aios",
    "solver": "the solver's version or limits",
    "files": "where files lie",
}
"""Parts of plans that decide and promise nothing."""
_DETAILS = {
    "intervals": "intervals of estimates",
    "sources": "sources of estimates",
    "notes": "notes",
    "memory": "how memory is read",
}


def diff(
    setting: Setting,
    before: str,
    after: str,
    *,
    detailed: bool,
    every: bool,
    json: bool,
    json_into: Path | None,
) -> int:
    """Print how two plans differ."""
    from aios.workflow.differing import compare_plans

    found = compare_plans(setting, before, after).difference
    words = "" if json else _words(found, Ink(sys.stdout), every)
    emit(words, found.model_dump_json(indent=2) + "\n", json=json, json_into=json_into)
    return Exit.CHANGES if detailed and not found.same else Exit.DONE


def _words(found: PlanDifference, ink: Ink, every: bool) -> str:
    if found.same:
        parts = " and ".join(_PARTS[name] for name in found.others)
        return "no difference: both plans decide and promise the same" + (f"; what differs is {parts}" if parts else "")
    blocks = ["\n".join(_head(found, ink)), _goals(found.goals, ink)]
    if found.conflicts:
        blocks.append(conflict_words(*found.conflicts))
    blocks += [intent_words(found.intents, ink, every), "\n".join(_rejections(found, ink, every))]
    counts = [
        f"{sum(item.what == what for item in found.intents)} {what}"
        for what in _SIGNS
        if any(item.what == what for item in found.intents)
    ]
    blocks.append(f"intents: {', '.join(counts)}" if counts else "the choice for every intent is the same")
    return "\n\n".join(block for block in blocks if block)


def _head(found: PlanDifference, ink: Ink) -> Iterator[str]:
    differ = [INPUT_WORDS[name] for name in found.inputs]
    same = [text for name, text in INPUT_WORDS.items() if name not in (*found.inputs, *_NOT_OF_ALL)]
    told = f"{', '.join(differ) or 'nothing'} differ{'' if len(differ) > 1 else 's'}"
    yield f"{ink('made from', 'dim')} {told}" + (ink(f"; {', '.join(same)} the same", "dim") if same else "")
    if found.status:
        yield f"{ink('status', 'dim')} {found.status.before} -> {found.status.after}"


def _goals(goals: Sequence[GoalChange], ink: Ink) -> str:
    rows = []
    for item in goals:
        old, new = item.before, item.after
        unit = new.unit if new else old.unit if old else ""
        row = ValueChange(metric=item.goal, before=old and old.value, after=new and new.value, unit=unit)
        values = [value_text(item.goal, value, unit) for value in (row.before, row.after)]
        rows.append([harmless(head_of(item.goal)), *values, changed_by(row), proof_of(old), proof_of(new)])
    return table(["GOAL", "BEFORE", "AFTER", "CHANGE", "PROOF BEFORE", "PROOF AFTER"], rows, ink) if rows else ""


def conflict_words(before: Conflict | None, after: Conflict | None) -> str:
    """Say which requirements cannot hold together in one plan and not in the other."""
    return "\n".join([*_conflict(before, "could not", "before"), *_conflict(after, "cannot", "now")])


def _conflict(conflict: Conflict | None, cannot: str, when: str) -> Iterator[str]:
    if conflict is None:
        return
    if not conflict.clauses:
        yield f"there {'was' if when == 'before' else 'is'} no way at all to run what is asked for {when}"
    else:
        several = len(conflict.clauses) > 1
        yield f"these {cannot} hold together {when}:" if several else f"this {cannot} hold {when}:"
    for clause in conflict.clauses:
        owner = f"{clause.intent}: " if clause.intent else ""
        where = f"  {clause.where}" if clause.where else ""
        yield f"  {harmless(f'{owner}{clause.text}{where}')}"
    if conflict.relaxations:
        each = "any of these alone would do" if len(conflict.relaxations) > 1 else "this would do"
        yield f"{each}: " + harmless("; ".join(f"{row.clause} -> {row.to}" for row in conflict.relaxations))


def intent_words(intents: Sequence[IntentChange], ink: Ink, every: bool = False) -> str:
    """Say what changes for each intent: choice, place, figures, and why."""
    shown = intents if every else intents[:_MOST_INTENTS]
    blocks = ["\n".join(_intent(item, ink, every)) for item in shown]
    if len(shown) < len(intents):
        blocks.append(ink(f"… and {counted(len(intents) - len(shown), 'more intent')} (--all tells them)", "dim"))
    return "\n".join(blocks)


def _intent(item: IntentChange, ink: Ink, every: bool) -> Iterator[str]:
    sign, colour = _SIGNS[item.what]
    yield f"{ink(sign, colour)} {ink(harmless(item.intent), 'bold')}: {harmless(_choice(item))}"
    fields = [row for row in item.fields if row.field not in _HEADED]
    lines: tuple[tuple[str, str], ...] = (
        ("changed", ", ".join(f"{row.field} {row.before or 'none'} -> {row.after or 'none'}" for row in fields)),
        ("required", ", ".join(_requirement(row) for row in item.requirements if item.what == "changed")),
        ("placed", "; ".join(_moves(item.moves, every))),
        ("expected", ", ".join(_estimate(row) for row in item.estimates if every or _counts(row))),
        ("also", "" if item.estimates else ", ".join(_DETAILS[name] for name in item.details)),
        ("because", "; ".join(item.reasons)),
    )
    for label, text in lines:
        if text:
            yield f"    {ink(label, 'dim')} {harmless(text)}"


def _requirement(row: FieldChange) -> str:
    if row.before is None or row.after is None:
        return f"{row.after} is new" if row.after else f"{row.before} no longer"
    return f"{row.before} -> {row.after}"


_HEADED = ("replicas", "model", "device", "precision", "quantization")
"""Told in the first line of an intent."""


def _choice(item: IntentChange) -> str:
    """Return the choice and how often, ``resnet50 int8-static on hailo-8 -> resnet18 fp16 on nvidia-l4``."""
    refused = _refused(item)
    if item.before is None and item.after is None:
        return f"not run{refused}"
    if item.before is None or item.after is None:
        told = item.after or f"no longer run: {item.before}"
        return f"{told}, {_copies(item)}{refused}"
    if item.before != item.after:
        return f"{item.before} -> {item.after}, {_copies(item)}{refused}"
    return f"{_copies(item)} {item.after}{refused}" if _stated(item) else f"{item.after}, {_copies(item)}{refused}"


def _stated(item: IntentChange) -> bool:
    """Whether a demand was stated and no model named: its choice is a place alone."""
    return (item.after or item.before or "").startswith("on ")


def _copies(item: IntentChange) -> str:
    """Return ``3 replicas``, ``12 -> 9 copies``."""
    names = ("copy", "copies") if _stated(item) else ("replica", "replicas")
    old, new = item.replicas
    if item.before is None or item.after is None or old == new:
        return counted(new or old, *names)
    return f"{old} -> {counted(new, *names)}"


def _refused(item: IntentChange) -> str:
    old, new = item.refused
    if old == new:
        return f" ({new} refused)" if new else ""
    return f" ({new} refused)" if not old else f" ({old} -> {new} refused)"


def _moves(moves: Sequence[Move], every: bool) -> Iterator[str]:
    """Yield ``2 x t4-0[0] -> t4-1[0]``, then what begins and ends, places together."""
    shown = moves if every or len(moves) <= _MOST_MOVES else moves[: _MOST_MOVES - 1]
    for move in shown:
        if move.before and move.after:
            yield f"{_many(move)}{move.before} -> {move.after}"
    begun = [f"{_many(move)}{move.after}" for move in shown if move.after and not move.before]
    ended = [f"{_many(move)}{move.before}" for move in shown if move.before and not move.after]
    if begun:
        yield f"added on {', '.join(begun)}"
    if ended:
        yield f"taken off {', '.join(ended)}"
    left = sum(move.replicas for move in moves[len(shown) :])
    if left:
        yield f"and {left:,} more"


def _many(move: Move) -> str:
    return f"{move.replicas:,} x " if move.replicas > 1 else ""


def _counts(row: ValueChange) -> bool:
    """Say whether an estimate is told without being asked for: means and lesser percentiles follow the last one."""
    return not row.metric.startswith("latency.") or row.metric.endswith((".p99", "t.p90"))


def _estimate(row: ValueChange) -> str:
    old, new = ("unknown" if value is None else metric_text(row.metric, value) for value in (row.before, row.after))
    share = changed_by(row)
    return f"{row.metric} {old} -> {new}" + (f" ({share})" if share else "")


def _rejections(found: PlanDifference, ink: Ink, every: bool) -> Iterator[str]:
    for rows, what in ((found.gained, "left out now"), (found.lost, "no longer left out")):
        if rows:
            yield f"{ink(what, 'dim')} {counted(len(rows), 'family', 'families')}: {harmless(_families(rows, every))}"


def _families(rows: Sequence[Rejection], every: bool) -> str:
    if every:
        return "".join(f"\n  {row.what}: {row.reason}" for row in rows)
    listed = list(dict.fromkeys(row.what for row in rows))
    more = ", … (--all says which and why)" if len(listed) > _MOST_REJECTIONS else ""
    return ", ".join(listed[:_MOST_REJECTIONS]) + more
