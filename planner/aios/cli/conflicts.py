"""What a conflict says beyond its clauses and what relaxes one of them: joint changes, and what would help."""

from __future__ import annotations

from aios.cli.words import Ink
from aios.records.selection import Conflict

__all__ = ["also_enough"]


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
