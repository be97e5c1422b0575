"""What holds for all intents of a plan together."""

from typing import Literal

from aios.records.base import Record, Span
from aios.records.intent import Goal

__all__ = ["Budget", "Objective", "Policy", "ShadowValue"]

Policy = Literal["fair-share", "max-min", "priority", "model-aware"]


class Budget(Record):
    """A bound on a metric summed over the whole plan. bound: SI · text: as shown, ``power <= 2 kW`` · where: of it"""

    metric: str
    bound: float
    text: str
    where: Span


class Objective(Record):
    """Goals, policy and budgets of the whole plan.

    goal: most important first; after them come the intents' own · policy: how what cannot all be admitted is divided;
    None: whatever makes the goals best
    """

    name: str
    goal: tuple[Goal, ...] = ()
    policy: Policy | None = None
    budget: tuple[Budget, ...] = ()
    where: Span


class ShadowValue(Record):
    """What more of a budget would be worth.

    bound, more: of the budget, and by how much it was raised to find out (SI) · goal: the first of the plan · gain: by
    how much it became better, in ``unit`` · per_unit: the same for one unit (SI) more of the budget
    """

    metric: str
    bound: float
    more: float
    goal: str
    unit: str
    gain: float
    per_unit: float
    where: Span
