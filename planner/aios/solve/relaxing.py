"""How far clauses must give for a plan to exist: one alone, or several together as little as can be."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import compress

from aios.records.candidate import Priced
from aios.records.fleet import Fleet
from aios.records.selection import Addition, Relaxation
from aios.solve.certificate import Asked
from aios.solve.clauses import Rule, rules_of
from aios.solve.combining import combined, had, nearest, softened_alone
from aios.solve.cpsat import Answer
from aios.solve.helping import helps
from aios.solve.holding import Holding
from aios.solve.model import Decisions
from aios.solve.problem import Beside, Problem, pose

__all__ = ["Relaxing"]

_SMALL = 2_000
"""Places up to which the engine finds the smallest capacity in one search."""
_ALIKE = 1e-6
"""Relative difference of two changes below which one is no smaller."""
_NODES = 2
"""Nodes of which more machines are tried; six times as many where that is quick."""
_HALVINGS = 8
_CLOSE = 0.01
"""Share of a capacity below which its smallest sufficient value is not told apart, where there are more places."""


class Relaxing:
    """Finds relaxations. holding: answers whether sets of these clauses can hold"""

    def __init__(self, problem: Problem, rules: Sequence[Rule], holding: Holding) -> None:
        self.problem = problem
        self.rules = rules
        self.holding = holding

    def alone(self, index: int) -> Relaxation | None:
        """Return the smallest change to one clause that lets a plan exist while all others hold, if there is one."""
        rule = self.rules[index]
        others = [other for other in range(len(self.rules)) if other != index]
        if not self.holding.can_hold(others):
            return None
        if rule.grow:
            found = self._grown(rule)
        elif rule.keeps is not None and not self.holding.strange:
            found = self._loosened(index, others)
        elif rule.limits and not self.holding.strange and self._places() > _SMALL:
            found = self._widened(index)
        else:
            found = self._eased(rule)
        if found is None:
            return None
        text, value = found
        return Relaxation(clause=rule.clause.id, to=text, value=value, where=rule.clause.where)

    def _places(self) -> int:
        shapes = self.problem.shapes
        return sum(len(shapes[option.shape].places) for options in self.problem.options for option in options)

    def _eased(self, rule: Rule) -> tuple[str, float] | None:
        """Let the engine make the change small."""
        decisions = Decisions(self.problem, range(len(self.problem.intents)))
        for other in self.rules:
            if other is not rule:
                other.add(decisions)
        soft = rule.ease(decisions) if rule.ease else None
        if soft is None:
            return None
        decisions.model.minimize(soft.minimize)
        answer = self.holding.engine.solve(decisions.model)
        self.holding.doubt(answer.status not in ("optimal", "infeasible"))
        return soft.read(answer) if answer.values else None

    def _loosened(self, index: int, others: Sequence[int]) -> tuple[str, float] | None:
        """Admit one option after the other, those that miss the bound by least first."""
        rule = self.rules[index]
        variables, soft = softened_alone(self.holding, rule)
        intent = rule.intent
        if soft is None or intent is None or not soft.minimize:
            return None
        asked = self.holding.asked(others)
        shapes = [option.shape for option in self.problem.options[intent]]
        ranks = sorted({rank for _, rank in soft.minimize})
        rank_of = dict(soft.minimize)

        def holds(place: int) -> bool:
            near = [rank_of.get(variable, ranks[-1] + 1) <= ranks[place] for variable in variables]
            kept = self._keeping_others(index, intent)
            admitted = {shape for shape, ok, is_near in zip(shapes, kept, near, strict=True) if ok and is_near}
            choice = self.holding.cells.lean(admitted)
            return self.holding.answer(others, Asked({**asked.choices, intent: choice}, asked.off))

        place = bisect_left(range(len(ranks)), True, key=holds)
        if place == len(ranks):
            return None
        kept = self._keeping_others(index, intent)
        best = next(
            variable
            for variable, ok in zip(variables, kept, strict=True)
            if ok and rank_of.get(variable) == ranks[place]
        )
        return soft.read(Answer("optimal", [int(variable == best) for variable in range(variables[-1] + 1)]))

    def _keeping_others(self, index: int, intent: int) -> list[bool]:
        """Return which options of an intent keep all of its bounds but one."""
        rows = [
            rule.keeps(self.problem)
            for other, rule in enumerate(self.rules)
            if other != index and rule.intent == intent and rule.keeps is not None
        ]
        return [all(row[place] for row in rows) for place in range(len(self.problem.options[intent]))]

    def _widened(self, index: int) -> tuple[str, float] | None:
        """Halve the distance between a capacity that is too small and one that some plan is content with."""
        rule = self.rules[index]
        everything = range(len(self.rules))
        low = had(rule)
        self.holding.can_hold([other for other in everything if other != index])
        high = self.holding.level(index)
        if high is None:
            return None
        for _ in range(_HALVINGS):
            if high - low <= max(1, int(_CLOSE * high)):
                break
            middle = (low + high) // 2
            if self.holding.can_hold(everything, {index: middle}):
                high = min(middle, self.holding.level(index) or middle)
            else:
                low = middle
        decisions = Decisions(self.problem, ())
        soft = rule.ease(decisions) if rule.ease else None
        if soft is None:
            return None
        ((level, _),) = soft.minimize
        return soft.read(Answer("feasible", [high] * (level + 1)))

    def _grown(self, rule: Rule) -> tuple[str, float] | None:
        """Add devices, one, two, four and so on, up to all that is wanted, until a plan exists; then as few as can."""
        grow = rule.grow
        assert grow is not None
        named = self._representatives()
        most = sum(max(map(_devices, row), default=0) for row in named.values())
        fleet, low, high = self.problem.fleet, 0, 1
        while not self.fits(named, grow(fleet, min(high, most))[0]):
            if high >= most:
                return None
            low, high = high, 2 * high
        high = min(high, most)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.fits(named, grow(fleet, middle)[0]) else (middle, high)
        return grow(fleet, high)[1:]

    def _representatives(self) -> dict[str, list[Priced]]:
        """Return intent name -> options that matter: one of each shape, where only shapes do."""
        named = {}
        asked = self.holding.asked(range(len(self.rules)))
        for index, (intent, row) in enumerate(zip(self.problem.intents, self.problem.options, strict=True)):
            if self.holding.strange:
                named[intent.name] = [option.priced for option in row]
                continue
            kept = self._keeping_others(-1, index)
            first = {option.shape: option.priced for option in reversed(list(compress(row, kept)))}
            named[intent.name] = [first[shape] for shape in asked.choices[index]]
        return named

    def fits(self, named: Mapping[str, Sequence[Priced]], fleet: Fleet) -> bool:
        """Say whether there is a plan on another fleet; when the limit comes first, say no and remember that."""
        problem = self.problem
        stated = {problem.intents[index].name: item for index, item in problem.stated.items()}
        beside = Beside(budgets=problem.budgets, joins=problem.joins, stated=stated)
        larger = pose(problem.intents, named, fleet, beside)
        rules = rules_of(larger)
        holding = Holding(larger, rules, self.holding.engine)
        found = holding.can_hold(range(len(rules)))
        self.holding.doubt(not holding.sure)
        return found and holding.sure

    def together(self, core: Sequence[int], alone: Sequence[Relaxation]) -> tuple[Relaxation, ...]:
        """Return the smallest joint change of several clauses, where no single one is enough or it is smaller."""
        if self.holding.strange:
            return ()
        found = combined(self.holding, core) if self._places() <= _SMALL else nearest(self.holding, core)
        if found is None or len(found.relaxations) < 2 or found.change is None:
            return ()
        smallest = min((self._change(item) for item in alone), default=math.inf)
        return found.relaxations if found.change < smallest * (1 - _ALIKE) else ()

    def _change(self, relaxation: Relaxation) -> float:
        """Return by how much of its bound a clause changes."""
        rule = next(rule for rule in self.rules if rule.clause.id == relaxation.clause)
        bound = rule.clause.bound
        if relaxation.value is None:
            return math.inf
        if bound is None and rule.grow is not None and rule.node is not None:
            kind = rule.clause.id.split("/")[-2]
            bound = float(sum(len(slot.ids) for slot in rule.node.devices if slot.type == kind))
        elif bound is None:
            bound = float(had(rule))
        return abs(relaxation.value - bound) / (abs(bound) or 1.0)

    def helps(self, core: Sequence[int], alone: Sequence[Relaxation]) -> tuple[Addition, ...]:
        """Return what, added to the fleet, would be enough."""
        named = self._representatives()
        most = _NODES if self._places() > _SMALL else 6 * _NODES
        members = [self.rules[index] for index in core]
        return helps(self.problem, members, alone, lambda fleet: self.fits(named, fleet), most)


def _devices(priced: Priced) -> int:
    return priced.candidate.parts * priced.candidate.devices
