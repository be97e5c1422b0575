"""Why there is no plan, in words: what cannot hold together, what relaxes it, and what would help."""

from __future__ import annotations

from collections.abc import Sequence

from aios.cli.words import Ink
from aios.records.plan import Plan
from aios.records.selection import Conflict

__all__ = ["also_enough", "conflict_text"]


def also_enough(conflict: Conflict, ink: Ink) -> list[str]:
    """Return the lines of the smallest joint change and of additions to the fleet; none where there are none."""
    lines = []
    if conflict.together:
        lines.append("these together would do, and change least:")
        lines += [f"  {item.clause} -> {ink(item.to, 'green')}" for item in conflict.together]
    if conflict.helps:
        lines.append("what would help, each alone:")
        lines += [f"  {ink(item.text, 'green')}" for item in conflict.helps]
    return lines


_MOST, _FIRST = 12, 8
"""Kinds of demands of a conflict that are all told, and how many of more are."""


def conflict_text(plan: Plan, impossible: Sequence[str], homeless: Sequence[str], ink: Ink) -> str:
    """Say why there is no plan, and what would do.

    impossible: intents that there is no way at all to run · homeless: why demands have no place in the fleet at all
    """
    conflict = plan.conflict
    assert conflict is not None
    if impossible:
        head = f"there is no way at all to run {', '.join(impossible)}"
        rows = [
            f"  {row.what}: {row.reason}" + (f"; {row.resolvable}" if row.resolvable else "") for row in plan.rejections
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
    lines += [f"note: {note}" for note in (*conflict.notes, *homeless)]
    return "\n".join(lines)
