"""Times of operations on sets of devices, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

from aios.cli.words import Ink, harmless, table
from aios.records.units import Dimension, format_quantity

if TYPE_CHECKING:
    from aios.workflow.communicating import Timed

__all__ = ["times_document", "times_text"]


def times_text(times: Sequence[Sequence[Timed]], library: str, ink: Ink) -> str:
    """Return a row per set and operation, and below them what they rest on, each basis once."""
    bases: dict[str, str] = {}
    rows: list[list[str]] = []
    for number, timed in enumerate(times, 1):
        for item in timed:
            basis = item.duration.basis if item.duration else item.reason
            letter = bases.setdefault(basis, _letter(len(bases)))
            rows.append([str(number), item.operation.name, item.operation.written, *_cells(item), letter])
    heads = ["", "OPERATION", "SIZE", "TIME", "90 % INTERVAL", "ALGORITHM", "SOURCE", "BASIS"]
    lines = [f"{letter}  {harmless(basis)}" for basis, letter in bases.items()]
    title = ink(f"predicted times with {harmless(library)}", "bold")
    return "\n".join([title, table(heads, rows, ink), *(ink(line, "dim") for line in lines)])


def _letter(number: int) -> str:
    """Return a, b ... z, a2, b2 ..."""
    turn, index = divmod(number, len(ascii_lowercase))
    return ascii_lowercase[index] + (str(turn + 1) if turn else "")


def _cells(item: Timed) -> list[str]:
    found = item.duration
    if found is None:
        return ["?", "?", "?", "?"]
    low, value, high = (format_quantity(it, Dimension.TIME) for it in (found.low, found.value, found.high))
    return [value, f"{low} to {high}", found.algorithm, found.source]


def times_document(times: Sequence[Timed], library: str) -> list[dict[str, Any]]:
    """Return the times as JSON has them; what cannot be said is null, with the reason."""
    return [
        {
            "operation": item.operation.name,
            "size_bytes": item.operation.size_bytes,
            "library": library,
            "time_s": found.value if found else None,
            "low_s": found.low if found else None,
            "high_s": found.high if found else None,
            "algorithm": found.algorithm if found else None,
            "source": found.source if found else None,
            "basis": found.basis if found else None,
            "reason": None if found else item.reason,
        }
        for item in times
        for found in (item.duration,)
    ]
