"""Lists every clause of a problem."""

from __future__ import annotations

from aios.solve.clauses import (
    apart,
    assignment,
    budget,
    copies,
    cores,
    device_memory,
    device_share,
    device_use,
    moves,
    node_memory,
    pipeline,
    power_cap,
    requirement,
    split,
    spread,
    survive,
    tier_memory,
    together,
)
from aios.solve.clauses.rule import Rule
from aios.solve.problem import Problem

__all__ = ["Rule", "rules_of"]

_KINDS = (
    assignment.rules,
    requirement.rules,
    copies.rules,
    pipeline.rules,
    split.rules,
    spread.rules,
    survive.rules,
    together.rules,
    apart.rules,
    cores.rules,
    node_memory.rules,
    device_share.rules,
    device_use.rules,
    device_memory.rules,
    tier_memory.rules,
    power_cap.rules,
    budget.rules,
    moves.rules,
)


def rules_of(problem: Problem) -> list[Rule]:
    """Return every clause, in an order that depends on the problem alone."""
    return [rule for kind in _KINDS for rule in kind(problem)]
