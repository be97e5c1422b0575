"""diff: two saved plans."""

from __future__ import annotations

from typing import NamedTuple

from aios.records.differences import PlanDifference
from aios.records.errors import Diagnostic, InputError
from aios.records.plan import Plan
from aios.workflow.planfiles import read_plan_file

__all__ = ["Compared", "compare_plans"]


class Compared(NamedTuple):
    """Two plans and all that differs from the first to the second."""

    before: Plan
    after: Plan
    difference: PlanDifference


def compare_plans(before: str, after: str) -> Compared:
    """Return how the plans in two files differ. Raises InputError with what is wrong with either."""
    from aios.plan import differences

    plans: list[Plan] = []
    problems: list[Diagnostic] = []
    for path in (before, after):
        try:
            plans.append(read_plan_file(path))
        except InputError as error:
            problems += error.diagnostics
    if problems:
        raise InputError(*dict.fromkeys(problems))
    earlier, later = plans
    return Compared(earlier, later, differences(earlier, later))
