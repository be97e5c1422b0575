"""Why a way of running an intent was not chosen."""

from collections.abc import Mapping
from typing import Literal

from aios.records.base import Record, Span

__all__ = ["Difference", "Verdict", "WhyNot"]

Verdict = Literal["chosen", "worse", "no-room", "breaks", "rejected", "absent"]
"""What became of it: the plan holds it · it can be had and is no better · it finds no room beside the others · its best
member breaks a requirement · a rule left it out before anything was priced · there is no such thing."""


class Difference(Record):
    """What choosing it would do to a goal of the plan. now, then: in ``unit`` (SI) · difference: then - now ·
    percent: of ``now``, None where that is 0"""

    goal: str
    unit: str
    now: float
    then: float
    difference: float
    percent: float | None


class WhyNot(Record):
    """The answer for one intent and one family of ways to run it.

    asked: field of a candidate -> value · rule: what excludes it first, or why it lost · reason: with its figures ·
    where: the rule stands · lifted_by: what would lift the rule, in words, if anything · candidate: id of the member
    that the answer is about · would_cost: per goal of the plan, where it can be had · changes: other intents that
    would run differently then · proved: whether neither plan could be better
    """

    intent: str
    asked: Mapping[str, str | int]
    verdict: Verdict
    rule: str | None = None
    reason: str
    where: Span | None = None
    lifted_by: str | None = None
    candidate: str | None = None
    would_cost: tuple[Difference, ...] = ()
    changes: tuple[str, ...] = ()
    proved: bool = True
