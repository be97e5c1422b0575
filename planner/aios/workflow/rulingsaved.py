"""policy check: rules of policies, asked of a saved plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.records.errors import Diagnostic, InputError
from aios.records.plan import Plan
from aios.records.policy import Ruling
from aios.workflow.documents import documents_of, policies_beside
from aios.workflow.planfiles import read_plan_file
from aios.workflow.ruling import Evaluator, judge
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.policy import Stated

__all__ = ["rule_saved", "rules_of"]


def rule_saved(setting: Setting, path: str) -> tuple[Ruling, ...]:
    """Return what comes of the policies of ``setting`` on the plan in a file. Raises InputError."""
    from aios.policy import view_of

    problems: list[Diagnostic] = []
    plan: Plan | None = None
    rules: tuple[Stated, ...] = ()
    try:
        plan = read_plan_file(path)
        if not plan.is_found:
            problems.append(Diagnostic(summary=f"{path} holds no plan that could be judged: it is {plan.status}"))
    except InputError as error:
        problems += error.diagnostics
    try:
        rules = rules_of(setting)
    except InputError as error:
        problems += error.diagnostics
    if problems or plan is None:
        raise InputError(*problems)
    with Evaluator() as evaluator:
        return judge(rules, view_of(plan), evaluator)


def rules_of(setting: Setting, *, beside: bool = False) -> tuple[Stated, ...]:
    """Return the rules of the policies that are named. Raises InputError with every mistake.

    beside: of those that stand beside the paths instead, where there may be none
    """
    from aios.policy import compile_policies

    if beside:
        setting = Setting(policies=policies_beside(setting.paths))
    documents, problems = documents_of(setting)
    rules: tuple[Stated, ...] = ()
    try:
        rules = compile_policies([document for document in documents if document.kind == "Policy"])
    except InputError as error:
        problems += error.diagnostics
    if problems:
        raise InputError(*problems)
    return rules
