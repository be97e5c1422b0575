"""A fair policy where copies and models are chosen for as one: every level is tried with all places that services may
take, so that what is reached is the most there is.

See ``aios.solve.admission.policies`` for what the policies say.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

from aios.records.selection import ObjectiveValue
from aios.solve.admission.worth import weight_of
from aios.solve.search import Search, amounts

__all__ = ["Division"]


class Division:
    """The division of copies by the problem's policy. copies: intent -> how many of its copies stand · proved: whether
    the policy allows no more

    Nobody gets nothing where one copy of everybody fits beside every service.
    """

    def __init__(self, search: Search) -> None:
        self.search = search
        problem = search.problem
        self.policy = problem.policy
        self.wants = {
            index: stated.demand.copies for index, stated in problem.stated.items() if not stated.demand.required
        }
        self.weights = {index: weight_of(problem.intents[index].priority) for index in self.wants}
        self.copies = dict.fromkeys(self.wants, 0)
        self.proved = True

    def settle(self) -> None:
        """Divide, and let every later step keep it."""
        intents, stated = self.search.problem.intents, self.search.problem.stated
        ones = dict.fromkeys(self.wants, 1)
        services = {index: 1 for index, item in enumerate(intents) if not item.required and index not in stated}
        if not self._climb([{**ones, **services}]):
            self._climb([ones])
        active = set(self.wants)
        while active:
            before = dict(self.copies)
            self._climb([self._at(active, level) for level in self._levels(active)])
            if self.policy == "fair-share":
                break
            wanting = [index for index in sorted(active) if self.copies[index] < self.wants[index]]
            if wanting and self.copies == before:  # each could have one more, but not all: the weightiest has it
                first = min(wanting, key=lambda index: (-self.weights[index], intents[index].name))
                self._climb([self._one_more(first)])
                wanting = [index for index in wanting if self.copies[index] < self.wants[index]]
            active = {index for index in wanting if self._reach([self._one_more(index)])}
        for index, copies in self.copies.items():
            self.search.restrict(index, [own == copies for own in amounts(self.search.problem, index)])
        self.search.find()

    def _climb(self, rungs: Sequence[Mapping[int, int]]) -> bool:
        """Climb as far as can be, keep what was reached, and say whether that is any rung."""
        reached = self._reach(rungs)
        if not reached:
            return False
        for index, least in rungs[reached - 1].items():
            self.search.restrict(index, [own >= least for own in amounts(self.search.problem, index)])
            if index in self.copies:
                self.copies[index] = least
        return True

    def _reach(self, rungs: Sequence[Mapping[int, int]]) -> int:
        reached, proved = self.search.highest(rungs) if rungs else (0, True)
        self.proved &= proved
        return reached

    def _one_more(self, index: int) -> dict[int, int]:
        return {**self.copies, index: self.copies[index] + 1}

    def _at(self, active: Collection[int], level: Fraction) -> dict[int, int]:
        """Return the copies when these intents have risen to a level, each at most to what it asks for."""
        due = {index: min(self.wants[index], int(level * self.weights[index])) for index in active}
        return {index: max(copies, due.get(index, 0)) for index, copies in self.copies.items()}

    def _levels(self, active: Collection[int]) -> list[Fraction]:
        """Return the levels at which some intent gets one more copy; of ``fair-share`` none after the first that wants
        no more."""
        levels = {Fraction(n, self.weights[index]) for index in active for n in range(1, self.wants[index] + 1)}
        ends = [Fraction(self.wants[index], self.weights[index]) for index in active]
        last = min(ends) if self.policy == "fair-share" else max(ends)
        return sorted(level for level in levels if level <= last)

    def rows(self, picked: Mapping[int, int]) -> list[ObjectiveValue]:
        """Return the row that says how many copies whoever has least has, by weight."""
        problem = self.search.problem
        value = min(amounts(problem, index)[picked[index]] / weight for index, weight in self.weights.items())
        most = min(wants / self.weights[index] for index, wants in self.wants.items())
        bound = value if self.proved else most
        gap = (bound - value) / bound if bound else 0.0
        return [ObjectiveValue(goal=f"maximize {self.policy}", value=value, bound=bound, gap=gap, unit="1")]
