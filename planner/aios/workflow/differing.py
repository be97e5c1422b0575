"""diff: two plans, saved or carried out."""

from __future__ import annotations

from typing import NamedTuple

from aios.records.differences import PlanDifference
from aios.records.errors import Diagnostic, InputError
from aios.records.plan import Plan
from aios.workflow.runs import plan_named
from aios.workflow.setting import Setting

__all__ = ["Compared", "compare_plans"]


class Compared(NamedTuple):
    """Two plans and all that differs from the first to the second."""

    before: Plan
    after: Plan
    difference: PlanDifference


def compare_plans(setting: Setting, before: str, after: str) -> Compared:
    """Return how two plans differ: files, or runs of the history such as ``@3``. Raises InputError with what is wrong
    with either."""
    from aios.plan import differences

    plans: list[Plan] = []
    problems: list[Diagnostic] = []
    for path in (before, after):
        try:
            plans.append(plan_named(setting, path))
        except InputError as error:
            problems += error.diagnostics
    if problems:
        raise InputError(*dict.fromkeys(problems))
    earlier, later = plans
    return Compared(earlier, later, differences(earlier, later))
