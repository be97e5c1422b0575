"""Surviving losses: after any so many failure domains are lost, what is left of an intent still sustains its load.

The parts in the fullest ``k`` of the domains' counts ``x`` add up to the smallest ``k t + sum of max(0, x - t)`` over
all ``t``, which is linear: the sum of the k largest numbers (Ogryczak and Tamir, "Minimizing the sum of the k largest
functions in linear time", Information Processing Letters 85, 2003).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from aios.records.candidate import Priced
from aios.records.intent import Intent
from aios.records.selection import Clause
from aios.records.where import Survive, place_of
from aios.solve.clauses.domains import keep_below, merged, parts_of
from aios.solve.clauses.requirement import compared
from aios.solve.clauses.rule import Eased, Rule
from aios.solve.cpsat import Answer, Term
from aios.solve.model import Decisions
from aios.solve.problem import Problem
from aios.solve.refusing import is_refusal

__all__ = ["rules", "spare"]

_ENOUGH = 1 << 20
"""How many replicas an intent that does not run may lose."""
_ROUNDING = 1e-9
"""Of a number of replicas: three times a third of the load is the load."""


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per intent that is to survive losses, ``<intent>/survive``."""
    for index, intent in enumerate(problem.intents):
        survive = intent.placement.survive
        if survive is None:
            continue
        clause = Clause(
            id=f"{intent.name}/survive",
            intent=intent.name,
            text=survive.text(intent.name),
            where=place_of(intent.spans, intent.where, "survive", key="losses"),
        )
        add, ease = partial(_add, intent=index, survive=survive), partial(_ease, intent=index, survive=survive)
        yield Rule(clause, index, add, ease=ease)


def spare(intent: Intent, options: Sequence[Priced]) -> list[int]:
    """Return how many replicas of each option may be lost; negative where all together do not sustain the load."""
    found = []
    for priced, sustained in zip(options, compared(options, intent, "throughput"), strict=True):
        if is_refusal(priced):
            found.append(_ENOUGH)
            continue
        replicas, needed = priced.candidate.replicas, 1
        if intent.load is not None and not sustained:
            found.append(-1)
            continue
        if intent.load is not None and sustained:
            needed = max(1, math.ceil(intent.load.rate_per_s * replicas / sustained - _ROUNDING))
        found.append(replicas - needed)
    return found


def _add(decisions: Decisions, intent: int, survive: Survive) -> None:
    if intent not in decisions.chosen:
        return
    left = spare(decisions.problem.intents[intent], decisions.problem.priced(intent))
    # Each loss takes one part at least, or there is no more to lose: what has fewer to spare is out.
    most = [some if some >= survive.losses else -1 for some in left]
    sums = decisions.domains(intent, survive.of)
    if survive.losses == 1:
        keep_below(decisions, intent, sums.values(), most)
        return
    chosen = decisions.chosen[intent]
    decisions.sums_only = False
    decisions.model.forbid([variable for variable, left in zip(chosen, most, strict=True) if left < 0])
    for terms, many in sums.values():
        if many > 1:  # the fullest of these hold no less than their average
            fullest = min(survive.losses, many)
            within = [(variable, -many * max(left, 0)) for variable, left in zip(chosen, most, strict=True)]
            decisions.model.linear(merged([*((v, fullest * n) for v, n in terms), *within]), high=0)
    base, above = _fullest(decisions, intent, {name: terms for name, (terms, many) in sums.items() if many == 1})
    allowed = [(variable, -max(left, 0)) for variable, left in zip(chosen, most, strict=True)]
    decisions.model.linear([(base, survive.losses), *above, *allowed], high=0)


def _fullest(decisions: Decisions, intent: int, sums: Mapping[str, Sequence[Term]]) -> tuple[int, list[Term]]:
    """Return ``t``, and the sum by which domains exceed it."""
    top = max(parts_of(decisions, intent), default=0)
    base = decisions.model.variable(min(1, top), top)
    above = [decisions.model.variable(0, top) for _ in sums]
    for terms, more in zip(sums.values(), above, strict=True):
        decisions.model.linear([*terms, (base, -1), (more, -1)], high=0)
    return base, [(more, 1) for more in above]


def _ease(decisions: Decisions, intent: int, survive: Survive) -> Eased:
    """Find the most losses, fewer than asked for, that can be survived."""
    model, chosen = decisions.model, decisions.chosen[intent]
    most = spare(decisions.problem.intents[intent], decisions.problem.priced(intent))
    sums = decisions.standing(intent, survive.of)
    fewer = {losses: model.variable(0, 1) for losses in range(survive.losses)}
    model.exactly_one(list(fewer.values()))
    base, above = _fullest(decisions, intent, sums)
    top = max(parts_of(decisions, intent), default=0)
    allowed = [(variable, -max(left, 0)) for variable, left in zip(chosen, most, strict=True)]
    for losses, is_so in fewer.items():
        if losses:
            slack = (losses + len(sums)) * top
            model.linear(merged([(base, losses), *above, *allowed, (is_so, slack)]), high=slack)
            lacking = [(variable, 1) for variable, left in zip(chosen, most, strict=True) if left < losses]
            model.linear([*lacking, (is_so, 1)], high=1)

    def read(answer: Answer) -> tuple[str, float]:
        losses = next(losses for losses, is_so in fewer.items() if answer.values[is_so])
        return f"{losses} instead of {survive.losses}", float(losses)

    return Eased(tuple((is_so, survive.losses - losses) for losses, is_so in fewer.items()), read)
