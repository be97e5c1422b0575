"""Tables of two lines per card in the manner of nvidia-smi, which several makers' tools print."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

__all__ = ["card_rows", "pair"]


def card_rows(text: str, title: str) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Yield the cells of the two lines of every card: lines between the heading that holds ``title`` and the next box.

    The heading itself has two lines and ends with a line of ``=``.
    """
    lines = iter(text.splitlines())
    if not any(title in line for line in lines) or not any("====" in line for line in lines):
        return
    first: Sequence[str] | None = None
    for line in lines:
        if "Process" in line:
            return
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.strip().startswith("|") or len(cells) < 3 or not re.search(r"\w", line):
            continue
        if first is None:
            first = cells
        else:
            yield first, cells
            first = None


def pair(text: str) -> tuple[float, float] | None:
    """Return the first two numbers that a slash divides, such as ``768MiB / 98304MiB`` or ``3318 / 65536``, the last
    such pair in ``text``; None where there is none."""
    found = re.findall(r"(\d+(?:\.\d+)?)\s*(?:Mi?B|Mib|W)?\s*/\s*(\d+(?:\.\d+)?)", text)
    return (float(found[-1][0]), float(found[-1][1])) if found else None
