"""Says why nothing fits: the smallest set of clauses that cannot hold together, and what would be enough."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence

from aios.records.selection import Clause, Conflict
from aios.solve.clauses import Rule, rules_of
from aios.solve.cpsat import Engine
from aios.solve.holding import Holding
from aios.solve.limits import Limits
from aios.solve.model import Decisions
from aios.solve.notes import notes_on_options, without_end
from aios.solve.problem import Problem
from aios.solve.relaxing import Relaxing

__all__ = ["explain", "minimal"]

_MOST_TRIED = 12
_FEW_TRIED = 4
"""Clauses of a conflict, and of a large one, that are tried to be relaxed one by one."""
_MOST_TOLD = 3
"""Clauses of which no change is enough alone, of which it is told what must give besides; none in a large conflict."""
_MANY = 20
"""Clauses that make a conflict large."""


def explain(problem: Problem, limits: Limits, whole: Problem | None = None) -> Conflict:
    """Return the conflict of a problem that has no plan. whole: with the options that others do as well as too, where
    these were left out

    The set is found by leaving out whatever can be left out, each time asking whether what remains can hold: the
    solver's own account of a conflict is not relied on. Clauses that only say that an intent runs are listed where
    several intents, or nothing else, make the conflict. Relaxations change one clause and keep all others, also those
    outside the set.
    """
    return _Explanation(problem, limits, whole or problem).conflict()


def minimal(problem: Problem, ids: Collection[str], limits: Limits) -> bool:
    """Say whether clauses (by id, with those that say that their intents run) cannot hold, and without any one can.

    The engine alone is asked, without an objective, as nothing else here is. Where capacities alone are named, one
    intent runs against them: that of any will do.
    """
    rules = rules_of(problem)
    named = {rule.intent for rule in rules if rule.clause.id in ids and rule.intent is not None}
    groups = [named] if named else [{intent} for intent in range(len(problem.intents))]

    def holds(kept: Sequence[Rule]) -> bool | None:
        decisions = Decisions(problem, [rule.intent for rule in kept if rule.runs and rule.intent is not None])
        for rule in kept:
            rule.add(decisions)
        return decisions.feasible(Engine(limits))

    for intents in groups:
        core = [rule for rule in rules if rule.clause.id in ids or (rule.runs and rule.intent in intents)]
        if holds(core) is False:
            return all(holds([other for other in core if other is not rule]) is True for rule in core)
    return False


class _Explanation:
    def __init__(self, problem: Problem, limits: Limits, whole: Problem) -> None:
        self.problem = problem
        self.whole = whole
        self.rules = rules_of(problem)
        self.holding = Holding(problem, self.rules, Engine(limits))
        self.relaxing = Relaxing(problem, self.rules, self.holding)

    def conflict(self) -> Conflict:
        core = self.shrink(range(len(self.rules)))
        members = [self.rules[index] for index in core]
        tried = [index for index in core if not self.rules[index].runs]
        relaxations, hopeless, notes = [], [], []
        most = _MOST_TRIED if len(core) <= _MANY else _FEW_TRIED
        for index in tried[:most]:
            relaxation = self.relaxing.alone(index)
            if relaxation:
                relaxations.append(relaxation)
            else:
                hopeless.append(index)
        told = _MOST_TOLD if len(core) <= _MANY else 0
        for index in hopeless[:told]:
            notes.extend(self.what_else(index))
        if len(hopeless) > told:
            others = ", ".join(f"`{self.rules[index].clause.text}`" for index in hopeless[told:])
            notes.append(
                f"Of these too no change is enough alone: {others}."
                if told
                else f"No change of one of these alone is enough: {others}."
            )
        if len(tried) > most:
            notes.append(f"Of {len(tried)} clauses that could give the first {most} were tried alone.")
        together = self.relaxing.together(core, relaxations)
        if not self.holding.sure:
            notes.append("The solver's limit was reached while explaining: a smaller set of clauses may conflict.")
        return Conflict(
            clauses=tuple(rule.clause for rule in _shown(members)),
            relaxations=tuple(relaxations),
            together=together,
            helps=self.relaxing.helps(core, relaxations),
            notes=(*notes_on_options(self.whole, members), *dict.fromkeys(notes)),
        )

    def shrink(self, rules: Collection[int]) -> list[int]:
        """Return a set of these clauses, which cannot hold together, of which every smaller set can."""
        kept, intents = self.fewest_intents(list(rules))
        rest = self.holding.proved(kept)
        kept = kept if self.holding.can_hold(rest) else rest
        capacities = [index for index in kept if self.rules[index].intent is None]
        each_intent = [[index for index in kept if self.rules[index].intent == intent] for intent in intents]
        # Whole groups first, which is quicker; capacities and less important intents are spared blame before others.
        for group in [capacities, *reversed(each_intent), *([index] for index in capacities)]:
            kept = self.without(kept, group)
        for index in [index for index in reversed(kept) if self.rules[index].intent is not None]:
            kept = self.without(kept, [index])
        return kept

    def fewest_intents(self, kept: list[int]) -> tuple[list[int], list[int]]:
        """Return clauses that cannot hold, of one intent if one alone is enough, else of the most important ones that
        cannot run together; and these intents."""
        intents = [rule.intent for rule in map(self.rules.__getitem__, kept) if rule.runs and rule.intent is not None]
        for capacities in (False, True):
            for intent in intents:
                alone = self.of(kept, [intent], capacities=capacities)
                if not self.holding.can_hold(alone):
                    return alone, [intent]
        enough = bisect_left(
            range(len(intents)),
            True,
            lo=min(1, len(intents)),
            key=lambda count: not self.holding.can_hold(self.of(kept, intents[: count + 1])),
        )
        together = intents[: enough + 1]
        return self.of(kept, together), together

    def of(self, kept: Sequence[int], intents: Collection[int], *, capacities: bool = True) -> list[int]:
        """Return the clauses of some intents, and capacities."""
        wanted = set(intents)
        own = [(index, self.rules[index].intent) for index in kept]
        return [index for index, intent in own if (capacities if intent is None else intent in wanted)]

    def without(self, kept: list[int], group: Sequence[int]) -> list[int]:
        """Return ``kept`` without the group if that still cannot hold, else as it is."""
        gone = set(group)
        rest = [index for index in kept if index not in gone]
        return kept if len(rest) == len(kept) or self.holding.can_hold(rest) else rest

    def what_else(self, index: int) -> list[str]:
        """Say what must give besides this clause, when giving it up is not enough."""
        rule = self.rules[index]
        endless = without_end(self.problem, rule)
        if endless is not None:
            return [endless]
        rest = [other for other in range(len(self.rules)) if other != index]
        if self.holding.can_hold(rest):
            return [f"No value of `{self._named(rule.clause)}` is enough; without it there is a plan."]
        core = _shown([self.rules[other] for other in self.shrink(rest)])
        others = list(dict.fromkeys(f"`{self._named(other.clause)}`" for other in core))
        if rule.of_load and all(other.intent == rule.intent and _waits(other) for other in core):
            return [f"Whether a smaller load keeps {' and '.join(others)} shows when it is planned for."]
        also = others[0] if len(others) == 1 else f"one of {', '.join(others)}"
        return [f"Changing `{self._named(rule.clause)}` alone is not enough: {also} must give too."]

    def _named(self, clause: Clause) -> str:
        """Return the words of a clause, of several intents with whose it is where they do not begin with that."""
        owner = clause.intent
        alone = len(self.problem.intents) == 1 or owner is None or clause.text.startswith(f"{owner} ")
        return clause.text if alone else f"{owner}: {clause.text}"


def _waits(rule: Rule) -> bool:
    """Say whether a clause bounds a time that shrinks with the load."""
    return (rule.clause.metric or "").startswith("latency.")


def _shown(core: Sequence[Rule]) -> list[Rule]:
    """Leave out that an intent runs where it is the only one in the conflict, and plain, or where its bound says more:
    that so many copies of a demand stand."""
    intents = {rule.intent for rule in core if rule.intent is not None}
    bound = {rule.intent for rule in core if not rule.runs and rule.clause.id.endswith("/stands")}
    kept = [rule for rule in core if not (rule.runs and rule.intent in bound)]
    plain = [rule for rule in kept if not (rule.runs and rule.clause.id.endswith("/runs"))]
    return plain if len(intents) == 1 and plain else kept
