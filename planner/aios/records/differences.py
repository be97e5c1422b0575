"""How two plans differ: what each was made from, reaches, decides and promises."""

from typing import Literal

from aios.records.base import Record
from aios.records.candidate import Rejection
from aios.records.selection import Conflict, ObjectiveValue

__all__ = ["FieldChange", "GoalChange", "IntentChange", "Move", "PlanDifference", "ValueChange"]


class FieldChange(Record):
    """Something that is named or counted. before, after: as people write it, None where there is nothing"""

    field: str
    before: str | None
    after: str | None


class ValueChange(Record):
    """An estimate. before, after: SI, None where it is not known · unit: SI"""

    metric: str
    before: float | None
    after: float | None
    unit: str


class GoalChange(Record):
    """One goal of the whole plan; None on the side that does not have it, or reached nothing."""

    goal: str
    before: ObjectiveValue | None
    after: ObjectiveValue | None


class Move(Record):
    """Replicas that stand elsewhere. before, after: places such as ``t4-3[0,1]``; None: they begin, or end"""

    replicas: int
    before: str | None
    after: str | None


class IntentChange(Record):
    """What differs for one intent.

    what: ``added`` and ``removed``: only one of the plans runs it · before, after: its choice in short, None where it
    is not run · replicas: how many there are, before and after · fields: of the choice, and of what was asked for ·
    moves: replicas that change their place · estimates: those that differ · requirements: bounds that differ, by
    metric · details: of estimates and memory that differ,
    ``intervals``, ``sources``, ``notes``, ``memory`` · refused: copies not admitted, before and after · reasons: why
    the choice differs, as far as can be told
    """

    intent: str
    what: Literal["added", "removed", "changed"]
    before: str | None
    after: str | None
    replicas: tuple[int, int]
    refused: tuple[int, int] = (0, 0)
    fields: tuple[FieldChange, ...] = ()
    moves: tuple[Move, ...] = ()
    estimates: tuple[ValueChange, ...] = ()
    requirements: tuple[FieldChange, ...] = ()
    details: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


class PlanDifference(Record):
    """All that differs between two plans.

    same: nothing does, but for the version of aios and the format that they were written by · before, after: their ids
    · status: of the solution · inputs: names of the fingerprints that differ (``fleet``, ``intents``, ...) · goals:
    every goal of either plan, where any of them differs · conflicts: of each plan, where these differ · gained, lost:
    families of candidates that only the later, or only the earlier plan leaves out · others: parts of the document that
    differ and are not told elsewhere
    """

    same: bool
    before: str
    after: str
    status: FieldChange | None = None
    inputs: tuple[str, ...] = ()
    goals: tuple[GoalChange, ...] = ()
    intents: tuple[IntentChange, ...] = ()
    conflicts: tuple[Conflict | None, Conflict | None] | None = None
    gained: tuple[Rejection, ...] = ()
    lost: tuple[Rejection, ...] = ()
    others: tuple[str, ...] = ()
