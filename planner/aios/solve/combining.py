"""The smallest joint change of several clauses: the sum of their relative changes is made as small as can be."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from aios.records.metrics import is_endless
from aios.records.selection import Relaxation
from aios.solve.certificate import Asked
from aios.solve.clauses import Rule
from aios.solve.clauses.requirement import compared
from aios.solve.clauses.rule import Eased
from aios.solve.cpsat import Answer
from aios.solve.holding import Holding
from aios.solve.model import Decisions

__all__ = ["Combined", "combined", "had", "nearest", "softened_alone"]

_STEPS = 10**12
"""A change by all of a bound in whole steps."""
_LARGEST = 1 << 60
"""No sum of changes may come near the engine's 63 bits."""
_SHARE = 1 / 20
"""Of the work that is allowed for explaining: what is found then may not be the least, and is not told."""
_MOST = 1000.0
"""Times a bound by which it may change; an option that needs more is out of the question."""


class Combined(NamedTuple):
    """relaxations: all needed together · change: sum of their relative changes, None where the limit came first"""

    relaxations: tuple[Relaxation, ...]
    change: float | None


class _Soft(NamedTuple):
    """A capacity that may give. extra: variable of how much more than there is"""

    rule: Rule
    eased: Eased
    level: int
    extra: int
    had: int


def had(rule: Rule) -> int:
    """Return the capacity of a clause in its own figure."""
    return max((limit.capacity // limit.scale for limit in rule.limits), default=0)


def softened_alone(holding: Holding, rule: Rule) -> tuple[Sequence[int], Eased | None]:
    """Return a requirement made soft beside nothing else: the variables of its intent's options, and how to read it."""
    assert rule.intent is not None
    decisions = Decisions(holding.problem, [rule.intent])
    return decisions.chosen[rule.intent], rule.ease(decisions) if rule.ease else None


def combined(holding: Holding, core: Collection[int]) -> Combined | None:
    """Return what the clauses of a conflict and all bounds of its intents must give together; None if no change of
    them is enough. Capacities that give in whole devices stay as they are."""
    rules, problem = holding.rules, holding.problem
    members = sorted({rule.intent for rule in map(rules.__getitem__, core) if rule.intent is not None})
    bounds = [rule for rule in rules if rule.keeps is not None and rule.intent in members]
    giving = [rules[index] for index in core if rules[index].limits and rules[index].ease]
    asked = holding.asked(range(len(rules)))
    decisions = Decisions(holding.reduced(asked, but=members), range(len(problem.intents)))
    for rule in rules:
        if rule.keeps is None and rule not in giving:
            rule.add(decisions)
    costs = {intent: _changes(holding, intent, [b for b in bounds if b.intent == intent]) for intent in members}
    terms = _costed(decisions, costs)
    soft = [item for rule in giving if (item := _capacity(decisions, rule)) is not None]
    scale = min(_STEPS, _LARGEST // int(2 + _MOST * (len(members) + len(soft))))
    whole = [(variable, round(cost * scale)) for variable, cost in terms]
    whole += [(item.extra, max(1, round(scale / max(item.had, 1)))) for item in soft]
    decisions.model.minimize(whole)
    answer = holding.engine.solve(decisions.model, _SHARE)
    holding.doubt(answer.status == "unknown")
    if not answer.values:
        return None
    picked = decisions.picked(answer.values)
    found = [relaxation for intent in members for relaxation in _bounds(holding, bounds, intent, picked[intent])]
    for item in soft:
        if answer.values[item.extra]:
            text, value = item.eased.read(answer)
            found.append(Relaxation(clause=item.rule.clause.id, to=text, value=value, where=item.rule.clause.where))
    change = sum(costs[intent][picked[intent]] or 0.0 for intent in members)
    change += sum(answer.values[item.extra] / max(item.had, 1) for item in soft)
    return Combined(tuple(found), change if answer.status == "optimal" else None)


def nearest(holding: Holding, core: Collection[int]) -> Combined | None:
    """Like ``combined`` where one intent alone makes the conflict and no capacity is to give: tries its options one by
    one. None also where the conflict is of several intents, whose joint change takes too long to find here."""
    members = {rule.intent for rule in map(holding.rules.__getitem__, core) if rule.intent is not None}
    if len(members) != 1:
        return None
    (intent,) = members
    bounds = [rule for rule in holding.rules if rule.keeps is not None and rule.intent == intent]
    costs = _changes(holding, intent, bounds)
    everything = range(len(holding.rules))
    asked = holding.asked(everything)
    tried: dict[int, bool] = {}
    for cost, option in sorted((cost, option) for option, cost in enumerate(costs) if cost is not None):
        shape = holding.problem.options[intent][option].shape
        if shape not in tried:
            choice = holding.cells.lean([shape])
            tried[shape] = holding.answer(everything, Asked({**asked.choices, intent: choice}, asked.off))
        if tried[shape]:
            return Combined(tuple(_bounds(holding, bounds, intent, option)), cost if holding.sure else None)
    return None


def _changes(holding: Holding, intent: int, bounds: Sequence[Rule]) -> list[float | None]:
    """Return by how much all bounds must change for each option, added up; None where no bound would admit it."""
    options = holding.problem.priced(intent)
    total: list[float | None] = [0.0] * len(options)
    for rule in bounds:
        clause, keeps = rule.clause, rule.keeps
        if keeps is None or clause.metric is None or clause.bound is None:
            continue
        values = compared(options, holding.problem.intents[intent], clause.metric)
        for place, (value, kept) in enumerate(zip(values, keeps(holding.problem), strict=True)):
            before = total[place]
            if kept or before is None:
                continue
            if value is None or is_endless(clause.metric, value):
                total[place] = None
            else:
                total[place] = before + abs(value - clause.bound) / (abs(clause.bound) or 1.0)
    return [None if cost is None or cost > _MOST else cost for cost in total]


def _costed(decisions: Decisions, costs: Mapping[int, Sequence[float | None]]) -> list[tuple[int, float]]:
    found = []
    for intent, row in costs.items():
        variables = decisions.chosen[intent]
        decisions.model.forbid([variable for variable, cost in zip(variables, row, strict=True) if cost is None])
        found += [(variable, cost) for variable, cost in zip(variables, row, strict=True) if cost]
    return found


def _capacity(decisions: Decisions, rule: Rule) -> _Soft | None:
    eased = rule.ease(decisions) if rule.ease else None
    if eased is None:
        return None
    ((level, _),) = eased.minimize
    there = had(rule)
    extra = decisions.model.variable(0, int(_MOST * max(there, 1)))
    decisions.model.linear([(level, 1), (extra, -1)], high=there)
    return _Soft(rule, eased, level, extra, there)


def _bounds(holding: Holding, bounds: Sequence[Rule], intent: int, option: int) -> list[Relaxation]:
    """Return what the bounds of an intent become for an option to keep them."""
    found = []
    for rule in bounds:
        if rule.intent != intent or rule.keeps is None or rule.keeps(holding.problem)[option]:
            continue
        variables, soft = softened_alone(holding, rule)
        if soft is not None:
            size = max(variables) + 1
            text, value = soft.read(Answer("optimal", [int(k == variables[option]) for k in range(size)]))
            found.append(Relaxation(clause=rule.clause.id, to=text, value=value, where=rule.clause.where))
    return found
