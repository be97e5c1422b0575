"""A requirement of an intent: the chosen option keeps its bound.

The pessimistic end of the estimate is compared (high for ``<=``, low for ``>=``), or the expected value if the intent
says ``risk: expected``. An unknown metric cannot keep a bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import compress
from operator import not_

from aios.records.candidate import Priced
from aios.records.intent import Intent, Requirement
from aios.records.metrics import is_endless, metric
from aios.records.selection import Clause
from aios.solve.clauses.rule import Eased, Rule
from aios.solve.cpsat import Answer
from aios.solve.model import Decisions
from aios.solve.problem import Problem
from aios.solve.refusing import is_refusal
from aios.solve.wording import sufficient

__all__ = ["compared", "keep", "keep_all", "rules"]

_ROUNDING = 1e-12
"""Relative error of floating-point arithmetic that breaks no bound: ``57 %`` parses to 0.5700000000000001."""


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per requirement, ``<intent>/<metric>`` (and ``#2``... where a metric is bounded again)."""
    for index, intent in enumerate(problem.intents):
        seen: dict[str, int] = {}
        for requirement in intent.require:
            seen[requirement.metric] = nth = seen.get(requirement.metric, 0) + 1
            clause = Clause(
                id=f"{intent.name}/{requirement.metric}" + (f"#{nth}" if nth > 1 else ""),
                intent=intent.name,
                metric=requirement.metric,
                bound=requirement.bound,
                text=requirement.text,
                where=requirement.where,
            )
            add = partial(_add, intent=index, requirement=requirement)
            ease = partial(_ease, intent=index, requirement=requirement)
            keeps = partial(_kept, intent=index, requirement=requirement)
            yield Rule(clause, index, add, of_load=requirement.implied_by == "load", ease=ease, keeps=keeps)


def compared(options: Sequence[Priced], intent: Intent, name: str) -> list[float | None]:
    """Return the values of the metric that a bound is compared with, per option; None where it is unknown."""
    estimates = [option.estimates.get(name) for option in options]
    if intent.risk == "expected":
        return [None if found is None else found.value for found in estimates]
    if metric(name).relation == "<=":
        return [None if found is None else found.high for found in estimates]
    return [None if found is None else found.low for found in estimates]


def keep(options: Sequence[Priced], intent: Intent, requirement: Requirement) -> list[bool]:
    """Say which options keep the bound: not to run breaks none."""
    values = compared(options, intent, requirement.metric)
    slack, sign = _ROUNDING * abs(requirement.bound), 1 if metric(requirement.metric).relation == "<=" else -1
    most = sign * requirement.bound + slack
    kept = [value is not None and sign * value <= most for value in values]
    return [keeps or is_refusal(option) for keeps, option in zip(kept, options, strict=True)]


def keep_all(intent: Intent, options: Sequence[Priced]) -> list[bool]:
    """Say which options keep every bound of an intent."""
    kept = [keep(options, intent, requirement) for requirement in intent.require]
    return [all(row[place] for row in kept) for place in range(len(options))]


def _kept(problem: Problem, intent: int, requirement: Requirement) -> list[bool]:
    return keep(problem.priced(intent), problem.intents[intent], requirement)


def _add(decisions: Decisions, intent: int, requirement: Requirement) -> None:
    if intent in decisions.chosen:
        kept = _kept(decisions.problem, intent, requirement)
        decisions.model.forbid(list(compress(decisions.chosen[intent], map(not_, kept))))


def _ease(decisions: Decisions, intent: int, requirement: Requirement) -> Eased:
    """Find the nearest bound: the rank of the chosen option's value among all values is made small."""
    record = decisions.problem.intents[intent]
    sign = 1 if metric(requirement.metric).relation == "<=" else -1
    values = [
        None if value is None or is_endless(requirement.metric, value) else value  # no bound admits what has no end
        for value in compared(decisions.problem.priced(intent), record, requirement.metric)
    ]
    ranks = {value: rank for rank, value in enumerate(sorted({sign * v for v in values if v is not None}))}
    variables = decisions.chosen[intent]
    decisions.model.forbid([v for v, value in zip(variables, values, strict=True) if value is None])
    terms = [(v, ranks[sign * value]) for v, value in zip(variables, values, strict=True) if value is not None]

    def read(answer: Answer) -> tuple[str, float]:
        value = values[decisions.picked(answer.values)[intent]]
        assert value is not None
        return _given(sufficient(value, metric(requirement.metric)), value, record, requirement), value

    return Eased(tuple(terms), read)


def _given(text: str, value: float, intent: Intent, requirement: Requirement) -> str:
    """Say what to write for a bound to become ``value``: one that stands for the load needs a smaller load as well."""
    if requirement.implied_by == "load":
        return f"rate {text}"
    if requirement.metric == "throughput" and intent.load is not None and value < intent.load.rate_per_s:
        return f"{text}, and a load of no more"
    return text
