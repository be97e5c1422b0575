"""The search so far: the model with all that is settled, the best plan found, and what each intent may still choose."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

from aios.solve.clauses import Rule
from aios.solve.costs import Costs
from aios.solve.cpsat import Engine
from aios.solve.model import Decisions
from aios.solve.problem import Problem
from aios.solve.refusing import is_refusal
from aios.solve.report import Solved

__all__ = ["NoPlanError", "Search", "Seeking", "amounts"]


class NoPlanError(Exception):
    """There is no plan (``infeasible``), or the limit came before one was found (``unknown``): its one argument."""


class Seeking(Protocol):
    """Any search that makes one sum small after the other, each within what the earlier ones leave.

    picked: intent -> index of its option in the best plan so far · open: intent -> per option, whether it may still be
    chosen · proved: whether all that was made small so far is proved
    """

    problem: Problem
    picked: Mapping[int, int]
    open: dict[int, list[bool]]
    proved: bool

    def minimize(
        self, costs: Costs, real: Callable[[], float] | None = None, offset: float = 0.0, share: float = 1.0
    ) -> Solved:
        """Make the costs small, and say what they cannot fall below."""
        ...

    def hold(self, costs: Costs, allowance: float) -> None:
        """Let no later step worsen the costs of the best plan by more than the allowance."""
        ...

    def restrict(self, intent: int, allowed: Sequence[bool]) -> None:
        """Close options of an intent."""
        ...


def amounts(problem: Problem, intent: int) -> list[int]:
    """Return per option of an intent how many copies of a demand stand; of a service whether it runs."""
    own = problem.priced(intent)
    if intent in problem.stated:
        return [priced.candidate.parts for priced in own]
    return [int(not is_refusal(priced)) for priced in own]


class Search:
    """Makes one sum small after the other, each within what the earlier ones leave.

    The problem's options are contenders: every one keeps the requirements of its intent.

    picked: intent -> index of its option in the best plan so far · open: intent -> per option, whether it may still be
    chosen · proved: whether all that was made small so far is proved · values: of the model's variables in that plan
    """

    def __init__(
        self, problem: Problem, rules: Sequence[Rule], engine: Engine, decisions: Decisions | None = None
    ) -> None:
        """decisions: the model to begin with, without any rule yet; of all intents on single machines by default"""
        self.problem = problem
        self.engine = engine
        self.proved = True
        self.picked: Mapping[int, int] = {}
        self.values: Sequence[int] = ()
        self.decisions = decisions or Decisions(problem, range(len(problem.intents)))
        for rule in rules:
            rule.add(self.decisions)
        self.open = {index: [True] * len(options) for index, options in enumerate(problem.options)}

    def minimize(
        self, costs: Costs, real: Callable[[], float] | None = None, offset: float = 0.0, share: float = 1.0
    ) -> Solved:
        """Make the costs small; raises NoPlanError when this is the first step and there is no plan, or none was found.

        real: computes the real cost of the best plan from its figures · offset: what the real cost is less than the
        scaled one · share: of the whole allowance that may be used
        """
        found = real or (lambda: costs.real(costs.of(self.picked)) - offset)
        if self.picked and not costs.of(self.picked):
            return Solved(found(), found())  # nothing is below zero
        self.decisions.model.minimize(costs.terms(self.decisions.chosen))
        self.decisions.model.hint(self.values)
        answer = self.engine.solve(self.decisions.model, share)
        if answer.values:
            picked = self.decisions.picked(answer.values)
            if not self.picked or costs.of(picked) <= costs.of(self.picked):
                self.picked, self.values = picked, answer.values
        elif not self.picked:
            raise NoPlanError(answer.status)
        if answer.status == "optimal":
            return Solved(found(), found())
        self.proved = False
        # Each intent's cost was rounded by at most half a step, and a plan cannot cost less than nothing.
        whole = max((answer.bound or 0) - len(costs.whole) / 2, 0)
        return Solved(found(), min(costs.real(whole) - offset, found()))

    def find(self) -> None:
        """Find a plan of all that was restricted; raises NoPlanError where none was found."""
        self.picked, self.values = {}, ()
        self.minimize(Costs(0.0, 1.0, {}))

    def highest(self, rungs: Sequence[Mapping[int, int]]) -> tuple[int, bool]:
        """Return how many of the rungs can be climbed, and whether it is proved that no more can.

        rungs: intent -> its least amount (see ``amounts``), no smaller from one to the next
        """
        model = self.decisions.model
        climbed = [model.variable(0, 1) for _ in rungs]
        for lower, upper in pairwise(climbed):
            model.linear([(upper, 1), (lower, -1)], high=0)
        for intent in rungs[-1]:
            least = [rung.get(intent, 0) for rung in rungs]
            steps = [after - before for before, after in pairwise((0, *least))]
            own = zip(self.decisions.chosen[intent], amounts(self.problem, intent), strict=True)
            model.linear([*own, *((rung, -step) for rung, step in zip(climbed, steps, strict=True) if step)], low=0)
        model.minimize([(rung, -1) for rung in climbed])
        model.hint(self.values)
        answer = self.engine.solve(model)
        if not answer.values:
            if not self.picked:
                raise NoPlanError(answer.status)
            return 0, False
        self.picked, self.values = self.decisions.picked(answer.values), answer.values
        return sum(answer.values[rung] for rung in climbed), answer.status == "optimal"

    def hold(self, costs: Costs, allowance: float) -> None:
        """Let no later step worsen the costs of the best plan by more than the allowance."""
        limit = costs.of(self.picked) + math.floor(allowance / costs.step)
        for index, row in costs.whole.items():
            self.restrict(index, [cost <= limit for cost in row])
        if limit == costs.of(self.picked) and sum(sum(is_open) > 1 for is_open in self.open.values()) > 1:
            self._settle_if_unique(costs)
        self.decisions.model.linear(costs.terms(self.decisions.chosen), high=limit)

    def _settle_if_unique(self, costs: Costs) -> None:
        """Close all other options if no other plan costs as little.

        Later steps would come to the same, but some only after a long search: the engine is good at ruling out dearer
        plans while cost is what it makes small, and bad at it once cost is a mere bound. So the best plan is made one
        step dearer, and the engine looks for another one.
        """
        model = self.decisions.model
        dearer = model.variable(0, 1)
        best = [self.decisions.chosen[intent][option] for intent, option in self.picked.items()]
        model.linear([*((variable, 1) for variable in best), (dearer, -1)], high=len(best) - 1)
        model.minimize([*costs.terms(self.decisions.chosen), (dearer, 1)])
        self.values = [*self.values, 1]
        model.hint(self.values)
        answer = self.engine.solve(model)
        if answer.status == "optimal" and answer.values[dearer]:
            for intent, option in self.picked.items():
                self.restrict(intent, [k == option for k in range(len(self.open[intent]))])

    def restrict(self, intent: int, allowed: Sequence[bool]) -> None:
        """Close options of an intent."""
        lost = [was and not may for was, may in zip(self.open[intent], allowed, strict=True)]
        variables = self.decisions.chosen[intent]
        self.decisions.model.forbid([variable for variable, gone in zip(variables, lost, strict=True) if gone])
        self.open[intent] = [was and may for was, may in zip(self.open[intent], allowed, strict=True)]
