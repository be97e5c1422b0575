"""The form that every clause has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from aios.records.fleet import Fleet, Node
from aios.records.selection import Clause
from aios.solve.cpsat import Answer, Term
from aios.solve.model import Decisions
from aios.solve.problem import Machine, Need, Problem

__all__ = ["Eased", "Limit", "Rule"]


class Limit(NamedTuple):
    """groups: of a machine's devices that share a capacity · amount: what a replica takes of it · scale: how much of it
    one unit of the clause's own figure gives · each: whether every device has it for itself, and not the machine"""

    groups: Callable[[Machine], Sequence[Sequence[int]]]
    amount: Callable[[Need], int]
    capacity: int
    scale: int
    each: bool = False


class Eased(NamedTuple):
    """A clause made soft.

    minimize: how far it must give · read: a solution -> the bound it needs, as text and number
    """

    minimize: tuple[Term, ...]
    read: Callable[[Answer], tuple[str, float]]


class Rule(NamedTuple):
    """A clause that can be enforced, left out, or made soft.

    intent: index of the intent it belongs to; None for a capacity · add: enforces it · runs: whether all it says is
    that its intent runs · of_load: whether it says that the load of its intent is sustained ·
    ease: adds its soft form instead (None: there is none) ·
    grow: for a clause that gives only in whole devices: (fleet, how many more) -> larger fleet and that bound as text
    and number · keeps: all it says is that one of these options of its intent is chosen · node, limits: all it says is
    that these hold on every machine of the node
    """

    clause: Clause
    intent: int | None
    add: Callable[[Decisions], None]
    runs: bool = False
    of_load: bool = False
    ease: Callable[[Decisions], Eased | None] | None = None
    grow: Callable[[Fleet, int], tuple[Fleet, str, float]] | None = None
    keeps: Callable[[Problem], list[bool]] | None = None
    node: Node | None = None
    limits: Sequence[Limit] = ()
