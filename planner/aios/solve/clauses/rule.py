"""The form that every clause has."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from aios.records.fleet import Fleet
from aios.records.selection import Clause
from aios.solve.cpsat import Answer, Term
from aios.solve.model import Decisions

__all__ = ["Eased", "Rule"]


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
    and number
    """

    clause: Clause
    intent: int | None
    add: Callable[[Decisions], None]
    runs: bool = False
    of_load: bool = False
    ease: Callable[[Decisions], Eased | None] | None = None
    grow: Callable[[Fleet, int], tuple[Fleet, str, float]] | None = None
