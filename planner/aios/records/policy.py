"""Rules on plans, and what came of them."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from aios.records.base import Record, Span

__all__ = ["About", "Finding", "Policy", "Rule", "Ruling", "Severity"]

About = Literal["plan", "decision", "claim", "action"]
"""What a rule is asked of: the plan once, or each decision, claim or action of it."""

Severity = Literal["deny", "warn"]


class Rule(Record):
    """One rule on plans.

    about: what it is asked of · labels: asked only of intents that have all of these · condition: CEL; the rule is
    broken where it is true · message: text with CEL in braces; None: the rule's name says it · remedy: what to do ·
    where: of the condition
    """

    name: str
    about: About = "plan"
    labels: Mapping[str, str] = {}
    severity: Severity
    condition: str
    message: str | None = None
    remedy: str | None = None
    where: Span


class Policy(Record):
    """Rules that are checked in together. where: of its name"""

    name: str
    rules: tuple[Rule, ...]
    where: Span


class Finding(Record):
    """Where a rule is broken.

    subject: intent, claim or action that breaks it, None for the plan · intent: whose that is, if any · message: in
    words · seen: what the condition read -> its value, as text
    """

    subject: str | None = None
    intent: str | None = None
    message: str
    seen: Mapping[str, str] = {}


class Ruling(Record):
    """What came of one rule. rule: ``<policy>/<rule>`` · asked: of how many decisions, claims or actions"""

    rule: str
    severity: Severity
    outcome: Literal["pass", "warn", "deny"]
    asked: int
    findings: tuple[Finding, ...] = ()
    remedy: str | None = Field(default=None, exclude_if=lambda remedy: remedy is None)
    where: Span
