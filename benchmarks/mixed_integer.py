"""A linear model written for CP-SAT, given to HiGHS instead: the mixed-integer solver that comes with OR-Tools."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

_OPEN = 1 << 61
"""Bounds of rows beyond this mean that there is none."""


class Answer(NamedTuple):
    """values: by variable, None where no solution was found · bound: no solution has a smaller objective"""

    values: Sequence[int] | None
    bound: float | None
    status: str


def by_highs(proto: Any, seconds: float) -> Answer:
    """Minimise a model of integer variables, linear rows, and choices of one.

    proto: ``CpModelProto`` · seconds: by the clock. Raises ValueError for any other kind of row.
    """
    from ortools.math_opt.python import mathopt

    model = mathopt.Model()
    domains = (list(own.domain) for own in proto.variables)  # its own negative indices are not those of a list
    variables = [model.add_integer_variable(lb=domain[0], ub=domain[-1]) for domain in domains]
    for constraint in proto.constraints:
        low, high, terms = _row(constraint)
        row = model.add_linear_constraint(lb=low, ub=high)
        for variable, weight in terms:
            row.set_coefficient(variables[variable], row.get_coefficient(variables[variable]) + weight)
    for variable, weight in zip(proto.objective.vars, proto.objective.coeffs, strict=True):
        model.objective.set_linear_coefficient(variables[variable], weight)
    limits = mathopt.SolveParameters(time_limit=datetime.timedelta(seconds=seconds))
    result = mathopt.solve(model, mathopt.SolverType.HIGHS, params=limits)
    bound = result.termination.objective_bounds.dual_bound
    values = result.variable_values(variables) if result.has_primal_feasible_solution() else None
    return Answer(
        None if values is None else [round(value) for value in values],
        bound if math.isfinite(bound) else None,
        result.termination.reason.name.lower(),
    )


def _row(constraint: Any) -> tuple[float, float, list[tuple[int, int]]]:
    if constraint.has_exactly_one():
        return 1.0, 1.0, [(literal, 1) for literal in constraint.exactly_one.literals]
    if constraint.has_at_most_one():
        return 0.0, 1.0, [(literal, 1) for literal in constraint.at_most_one.literals]
    if not constraint.has_linear() or len(constraint.enforcement_literal) or len(constraint.linear.domain) != 2:
        raise ValueError(f"no linear row: {constraint}")
    low, high = constraint.linear.domain
    terms = list(zip(constraint.linear.vars, constraint.linear.coeffs, strict=True))
    return (-math.inf if low < -_OPEN else low), (math.inf if high > _OPEN else high), terms
