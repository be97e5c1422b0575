"""Where the time, memory and watts of a choice go."""

from typing import Literal

from aios.records.base import Record, Source

__all__ = ["Account", "Bound", "Explanation", "Piece"]

Bound = Literal["compute", "memory", "network", "overhead"]
"""What a piece of work waits for: arithmetic units, memory, links between devices, or fixed costs (starting kernels,
scheduling, queueing)."""


class Piece(Record):
    """A part of an account. name: class of operators, part of memory, or what draws power · value: in the account's
    unit · bound: what it waits for, None where that means nothing"""

    name: str
    value: float
    bound: Bound | None = None


class Account(Record):
    """What a number is the sum of.

    of: what it is, in words · metric: whose estimate it explains, None for a part of one · unit: SI · total: sum of the
    pieces · basis: what the split rests on
    """

    of: str
    metric: str | None = None
    unit: str
    total: float
    source: Source
    pieces: tuple[Piece, ...]
    basis: str


class Explanation(Record):
    """The accounts of one intent's choice. candidate: its id · unknown: what cannot be explained, and why"""

    intent: str
    candidate: str
    model: str
    device: str
    accounts: tuple[Account, ...]
    unknown: tuple[str, ...] = ()
