"""How what cannot all be admitted is divided, where the objective names a policy.

S is how many copies of an intent are admitted, p its weight (its priority, one where none is stated).

``fair-share``: maximise the sum of p S, where S / p is the same for all intents and what they take is there. So S is
one level times p, and the level is made as large as can be; whole copies are rounded down, but nobody gets nothing
where one copy of everybody fits: the level starts there. No intent gets more than it asks for, so the level ends where
the first has all that it wants. · ``max-min``: as before, but who has all that it wants, or can have no more, stays
where it is while the others rise (weighted max-min fairness: Bertsekas, Gallager, Data Networks, 2nd edition, 6.5.2).
· ``priority``: as many copies as can be of the highest priority, then of the next with these kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from aios.records.demanded import Demanded
from aios.records.objective import Policy
from aios.records.selection import ObjectiveValue
from aios.solve.admission.stock import Stocked
from aios.solve.admission.worth import weight_of
from aios.solve.cpsat import Engine
from aios.solve.packing import Packing, Problem, pack
from aios.solve.packing.relaxed import lacks
from aios.solve.packing.units import normal

__all__ = ["Divided", "divide"]


class Divided(NamedTuple):
    """copies: demand that may be refused -> how many are admitted · packing: of exactly these · proved: whether the
    policy allows no more"""

    copies: Mapping[str, int]
    packing: Packing
    rows: tuple[ObjectiveValue, ...]
    proved: bool


def divide(posed: Stocked, policy: Policy, engine: Engine, *, alone: bool = True) -> Divided | None:
    """Return how many copies of each demand are admitted under a policy; None if what is required does not fit.

    alone: whether nothing else is on the fleet; beside services nothing is proved, since they might stand elsewhere
    """
    division = _Division(posed, engine)
    if division.found is None:
        return None
    if policy == "priority":
        division.by_priority()
    elif policy == "max-min":
        division.rise(alone=True)
    else:
        division.rise(alone=False)
    division.proved &= alone
    rows = tuple(division.rows(policy))
    return Divided(division.copies, division.found, rows, division.proved)


class _Division:
    """The division so far. copies: what is admitted · found: a packing of it"""

    def __init__(self, posed: Stocked, engine: Engine) -> None:
        self.posed = posed
        self.engine = engine
        self.demands = [item for own in posed.alike for item in own if not item.required]
        self.weights = {item.name: weight_of(item.priority) for item in self.demands}
        self.copies = dict.fromkeys(self.weights, 0)
        self.proved = True
        self.found = self.packed(self.copies)

    def problem(self, copies: Mapping[str, int]) -> Problem:
        """Return the problem in which these copies and all that is required must stand, and nothing else."""
        kinds = []
        for kind, own in zip(self.posed.problem.kinds, self.posed.alike, strict=True):
            number = sum(item.copies if item.required else copies[item.name] for item in own)
            kinds.append(kind._replace(number=number, required=True, value=0))
        return self.posed.problem._replace(kinds=tuple(kinds))

    def packed(self, copies: Mapping[str, int]) -> Packing | None:
        """Return a packing of these copies, or None; notes where that was not proved to be impossible."""
        problem = self.problem(copies)
        if lacks(normal(problem).problem):
            return None
        answer = pack(problem, self.engine)
        if isinstance(answer, Packing):
            return answer
        self.proved &= answer.proved
        return None

    def admits(self, copies: Mapping[str, int]) -> bool:
        """Take these copies if they fit, and say whether they do."""
        found = self.packed(copies)
        if found is None:
            return False
        self.copies, self.found = dict(copies), found
        return True

    def rise(self, *, alone: bool) -> None:
        """Raise the level of all; with ``alone`` let those that can still rise do so when others cannot."""
        self.admits(dict.fromkeys(self.weights, 1))
        active = self.demands
        while active:
            before = self.copies
            steps = self._steps(active, ended=not alone)
            self._highest(active, steps)
            if not alone:
                return
            wanting = [item for item in active if self.copies[item.name] < item.copies]
            if wanting and self.copies == before:  # each could have one more, but not all: the weightiest has it
                first = min(wanting, key=lambda item: (-self.weights[item.name], item.name))
                self.admits({**self.copies, first.name: self.copies[first.name] + 1})
            active = [item for item in active if self.copies[item.name] < item.copies and self._may_rise(item.name)]

    def _at(self, active: Sequence[Demanded], start: Mapping[str, int], level: Fraction) -> dict[str, int]:
        """Return the copies when these intents have risen to a level, each at most to what it asks for."""
        risen = dict(start)
        for item in active:
            due = min(item.copies, int(level * self.weights[item.name]))
            risen[item.name] = max(start[item.name], due)
        return risen

    def _steps(self, active: Sequence[Demanded], *, ended: bool) -> list[Fraction]:
        """Return the levels at which some intent gets one more copy. ended: none after the first that wants no more"""
        steps = {Fraction(n, self.weights[item.name]) for item in active for n in range(1, item.copies + 1)}
        last = min(Fraction(item.copies, self.weights[item.name]) for item in active) if ended else max(steps)
        return sorted(step for step in steps if step <= last)

    def _highest(self, active: Sequence[Demanded], steps: Sequence[Fraction]) -> None:
        """Let these intents rise to the highest of the levels that fits."""
        low, high, start = -1, len(steps), self.copies
        while high - low > 1:
            middle = (low + high) // 2
            fits = self.admits(self._at(active, start, steps[middle]))
            low, high = (middle, high) if fits else (low, middle)

    def _may_rise(self, name: str) -> bool:
        return self.packed({**self.copies, name: self.copies[name] + 1}) is not None

    def by_priority(self) -> None:
        """Admit as many as can be of each priority, the highest first, keeping what is admitted."""
        for priority in sorted({item.priority for item in self.demands}, reverse=True):
            alike = [item for item in self.demands if item.priority == priority]
            self._most(alike)

    def _most(self, alike: Sequence[Demanded]) -> None:
        names = {item.name for item in alike}
        fixed = self.problem(self.copies)
        kinds = list(fixed.kinds)
        places = []
        for index, (kind, own) in enumerate(zip(self.posed.problem.kinds, self.posed.alike, strict=True)):
            number = sum(item.copies for item in own if item.name in names)
            if number:
                places.append(index)
                kinds.append(kind._replace(number=number, required=False, value=1))
        answer = pack(fixed._replace(kinds=tuple(kinds)), self.engine)
        if not isinstance(answer, Packing):
            self.proved = False
            return
        self.proved &= answer.value == answer.bound
        stands = dict.fromkeys(range(len(kinds)), 0)
        for standing in answer.standing:
            stands[standing.kind] += 1
        copies = dict(self.copies)
        for position, index in enumerate(places):
            left = stands[len(fixed.kinds) + position]
            for item in self.posed.alike[index]:
                if item.name in names:
                    copies[item.name] = min(item.copies, left)
                    left -= copies[item.name]
        self.proved &= self.admits(copies)

    def rows(self, policy: Policy) -> list[ObjectiveValue]:
        """Return what the policy comes to: for the fair ones the least S / p, else what is admitted by weight.

        Where a step was not proved impossible, the bound is what there would be if everything that is asked for fitted.
        """
        if not self.weights:
            return []
        wanted = {item.name: item.copies for item in self.demands}
        if policy == "priority":
            goal, value, most = "maximize admitted", self._weighed(self.copies), self._weighed(wanted)
        else:
            goal, value, most = f"maximize {policy}", self._least(self.copies), self._least(wanted)
        bound = value if self.proved else most
        gap = (bound - value) / bound if bound else 0.0
        return [ObjectiveValue(goal=goal, value=value, bound=bound, gap=gap, unit="1")]

    def _weighed(self, copies: Mapping[str, int]) -> float:
        return float(sum(self.weights[name] * count for name, count in copies.items()))

    def _least(self, copies: Mapping[str, int]) -> float:
        return min(count / self.weights[name] for name, count in copies.items())
