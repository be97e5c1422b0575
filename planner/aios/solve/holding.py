"""Says whether clauses can hold together: by a plan that keeps them, by a proof that none does, or by the engine.

Explaining asks this hundreds of times of sets that differ in one clause. What was found for one set nearly answers the
next: a plan is mended where the difference touches it, a proof is checked again. Where neither helps the engine does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from aios.solve.cells import Cells
from aios.solve.certificate import Asked, Certificate, relaxed
from aios.solve.clauses import Rule
from aios.solve.cpsat import Engine
from aios.solve.displacing import Kept, displaced, settled
from aios.solve.model import Decisions
from aios.solve.problem import Problem

__all__ = ["Holding"]

_ROUNDS = 3
"""How often a plan is begun anew with those first that found no room before."""
_FEW = 2
"""How many may have found no room for others to be moved for them."""
_REMEMBERED = 4
"""Plans and proofs that are tried again, the latest first."""
_SMALL = 2_000
"""Places to decide on up to which the engine may take all the work that is allowed."""
_SHARE = 1 / 200
"""Of that work for one question, where there are more."""
_HOPELESS = 40_000
"""Places beyond which that work decides nothing, so that the engine is not asked."""
_DOUBTS = 1
"""Answers that the limit cut off before only what costs little is tried: those that follow are as hard."""


class Holding:
    """Answers for sets of clauses of one problem, given by their positions in ``rules``.

    strange: clauses of which only the engine knows what they say ·
    latest: the plan behind the latest answer, None where there is none
    """

    def __init__(self, problem: Problem, rules: Sequence[Rule], engine: Engine) -> None:
        self.problem = problem
        self.rules = rules
        self.engine = engine
        self.cells = Cells(problem, rules)
        self._doubts = 0
        self.latest: Kept | None = None
        self._keeps = {index: rule.keeps(problem) for index, rule in enumerate(rules) if rule.keeps}
        daily = bool(problem.periods)  # machines may then be shared by the hour, and cells know no hours
        self.strange = {index for index, rule in enumerate(rules) if daily or not _is_plain(rule)}
        self._capacities = frozenset(index for index, rule in enumerate(rules) if rule.node is not None)
        self._choices: dict[tuple[int, frozenset[int]], tuple[int, ...]] = {}
        self._plans: list[Kept] = []
        self._proofs: list[Certificate] = []
        self._liked: dict[int, Mapping[int, float]] = {}

    @property
    def sure(self) -> bool:
        """Whether every answer so far was proved."""
        return not self._doubts

    def doubt(self, cut_off: bool) -> None:
        """Remember whether the limit cut off an answer that was found otherwise."""
        self._doubts += cut_off

    def can_hold(self, kept: Collection[int], given: Mapping[int, int] | None = None) -> bool:
        """Say whether these clauses can hold together; when the limit comes first, say yes and remember that.

        given: capacity clause -> its own figure, changed
        """
        return self.answer(kept, self.asked(kept, given))

    def answer(self, kept: Collection[int], asked: Asked) -> bool:
        """Like ``can_hold``, of what a set of clauses asks for, or of a change of that."""
        self.latest = None
        if any(not shapes for shapes in asked.choices.values()):
            return False
        if any(proof.proves(asked) for proof in self._proofs):
            return False
        strange = self.strange.intersection(kept)
        if not strange and self.plan(asked) is not None:
            return True
        if self._doubts > _DOUBTS:
            return True
        if asked.choices and self._prove(asked):
            return False
        if not strange and self.plan(asked, anew=True) is not None:
            return True
        feasible = self._decided(kept, asked, strange)
        self._doubts += feasible is None
        return feasible is not False

    def asked(self, kept: Collection[int], given: Mapping[int, int] | None = None) -> Asked:
        """Return what a set of clauses asks for."""
        bounds: dict[int, list[int]] = {}
        running = []
        for index in kept:
            rule = self.rules[index]
            if rule.runs and rule.intent is not None:
                running.append(rule.intent)
            elif index in self._keeps and rule.intent is not None:
                bounds.setdefault(rule.intent, []).append(index)
        choices = {intent: self.choices(intent, frozenset(bounds.get(intent, ()))) for intent in sorted(running)}
        return Asked(choices, self._capacities.difference(kept), given or {})

    def proved(self, kept: Sequence[int]) -> list[int]:
        """Return those of some clauses that the latest proof rests on, if one proves that these cannot hold."""
        asked = self.asked(kept)
        for proof in self._proofs:
            if proof.proves(asked):
                idle = {intent for intent, shapes in asked.choices.items() if not proof.least(shapes, asked.off)}
                rules = [(index, self.rules[index].intent) for index in kept]
                return [index for index, of in rules if (index in proof.clauses if of is None else of not in idle)]
        return list(kept)

    def choices(self, intent: int, bounds: frozenset[int]) -> tuple[int, ...]:
        """Return the shapes that an intent may run as: those of options that keep these bounds, and no worse ones."""
        key = (intent, bounds)
        if key not in self._choices:
            keeping = [self._keeps[index] for index in bounds]
            options = enumerate(self.problem.options[intent])
            kept = {option.shape for place, option in options if all(row[place] for row in keeping)}
            self._choices[key] = self.cells.lean(kept)
        return self._choices[key]

    def plan(self, asked: Asked, *, anew: bool = False) -> Kept | None:
        """Return a plan, made of an earlier one or (anew) of none; None if none was found."""
        room = self.cells.room(asked.off, asked.given)
        moving = anew and self._places(asked) > _SMALL  # of few places the engine knows sooner
        found = self._from_others(asked, room, moving=moving) if moving or not anew else None
        if anew and found is None:
            found = self._from_nothing(asked, room)
        return None if found is None else self._remembered(found)

    def _remembered(self, found: Kept) -> Kept:
        self.latest = found
        self._plans = [found, *self._plans][:_REMEMBERED]
        return found

    def level(self, index: int) -> int | None:
        """Return what the plan behind the latest answer takes of a capacity, in the clause's own figure."""
        if self.latest is None:
            return None
        used: dict[int, int] = {}
        for shape, standing in self.latest.values():
            for place, count in standing:
                sums, alone = self.cells.takes(shape, place)
                for cell, amount in sums:
                    used[cell] = used.get(cell, 0) + amount * count
                for cell, amount in alone:
                    used[cell] = max(used.get(cell, 0), amount)
        families = self.cells.families
        own = [(families[self.cells.family[cell]], amount) for cell, amount in used.items()]
        return max((-(-amount // family.scale) for family, amount in own if family.rule == index), default=0)

    def _from_others(self, asked: Asked, room: Sequence[int], *, moving: bool) -> Kept | None:
        """Mend an earlier plan. moving: of the latest also move intents that need not move"""
        for earlier in self._plans:
            left: list[int] = list(room)
            kept: Kept = {}
            for intent, (shape, standing) in earlier.items():
                if shape in asked.choices.get(intent, ()) and self.cells.fits(left, shape, standing):
                    kept[intent] = (shape, standing)
                    for place, count in standing:
                        self.cells.take(left, shape, place, count)
            missing = [intent for intent in asked.choices if intent not in kept]
            failed = self._insert(asked, left, missing, kept, most=_FEW if moving else 0)
            if not failed or (moving and self._moved(asked, left, kept, failed)):
                return kept
            moving = False
        return None

    def _moved(self, asked: Asked, room: list[int], kept: Kept, failed: Sequence[int]) -> bool:
        """Place those that found no room by moving others, where they are few."""
        return len(failed) <= _FEW and all(displaced(self.cells, asked, room, kept, intent) for intent in failed)

    def _from_nothing(self, asked: Asked, room: Sequence[int]) -> Kept | None:
        """Place one after the other, those that need most first; who found no room comes first the next time."""
        order = sorted(asked.choices, key=lambda intent: (-self._bulk(asked.choices[intent]), intent))
        for _ in range(_ROUNDS):
            kept: Kept = {}
            left = list(room)
            failed = self._insert(asked, left, order, kept)
            if not failed:
                return kept
            order = [*failed, *(intent for intent in order if intent not in failed)]
        return None

    def _places(self, asked: Asked) -> int:
        shapes = self.problem.shapes
        return sum(len(shapes[shape].places) for own in asked.choices.values() for shape in own)

    def _insert(
        self, asked: Asked, room: list[int], missing: Iterable[int], kept: Kept, most: int | None = None
    ) -> list[int]:
        """Place intents where there is room; return those that find none. most: of these, until it is given up"""
        failed = []
        for intent in missing:
            liked = self._liked.get(intent, {})
            shapes = sorted(asked.choices[intent], key=lambda shape: -liked.get(shape, 0.0))
            found = settled(self.cells, room, shapes)
            if found is None:
                failed.append(intent)
                if most is not None and len(failed) > most:
                    break
            else:
                kept[intent] = found
        return failed

    def _bulk(self, shapes: Sequence[int]) -> float:
        """Return what the smallest of some shapes takes of machines, as shares of cells added up."""
        return min(map(self._size, shapes))

    def _size(self, shape: int) -> float:
        families = self.cells.families
        profiles = self.cells.profiles(shape)
        parts = self.problem.shapes[shape].parts
        return parts * min(
            sum(amount / families[family].capacity for family, amount in item.weights if families[family].capacity)
            for item in profiles
        )

    def _prove(self, asked: Asked) -> bool:
        if self.problem.periods:
            return False
        found = relaxed(self.cells, asked)
        if found.certificate is not None:
            self._proofs = [found.certificate, *self._proofs][:_REMEMBERED]
            return True
        self._liked = dict(found.shares)
        return False

    def _decided(self, kept: Collection[int], asked: Asked, strange: Collection[int]) -> bool | None:
        """Ask the engine. Where all clauses are plain, one option stands for all of its shape."""
        if not strange and self._places(asked) > _HOPELESS:
            return None
        problem = self.problem if strange else self.reduced(asked)
        decisions = Decisions(problem, list(asked.choices))
        for index in sorted(kept):
            if index not in asked.given and (strange or index not in self._keeps):
                self.rules[index].add(decisions)
        for index, level in asked.given.items():
            self._enforce(decisions, index, level)
        answer = self.engine.solve(decisions.model, 1.0 if self._places(asked) <= _SMALL else _SHARE)
        if answer.status == "unknown":
            return None
        if answer.values and not strange:
            self._remembered(self._read(decisions, answer.values))
        return answer.status != "infeasible"

    def _enforce(self, decisions: Decisions, index: int, level: int) -> None:
        rule = self.rules[index]
        assert rule.node is not None
        for machine in self.problem.machines_of(rule.node):
            for limit in rule.limits:
                for bins in limit.groups(machine):
                    decisions.limit(machine, bins, limit.amount, level * limit.scale, each=limit.each)

    def reduced(self, asked: Asked, but: Collection[int] = ()) -> Problem:
        """Return the problem with one option for each shape that is asked for, ``but`` for some intents."""
        options = list(self.problem.options)
        for intent, shapes in asked.choices.items():
            if intent in but:
                continue
            first = {option.shape: option for option in reversed(options[intent])}
            options[intent] = tuple(first[shape] for shape in shapes)
        return self.problem._replace(options=tuple(options))

    def _read(self, decisions: Decisions, values: Sequence[int]) -> Kept:
        """Return the plan of a solution."""
        shapes = {
            intent: decisions.problem.options[intent][option].shape
            for intent, option in decisions.picked(values).items()
        }
        places = {
            shape: {place[0]: index for index, place in enumerate(self.problem.shapes[shape].places)}
            for shape in set(shapes.values())
        }
        standing: dict[int, list[tuple[int, int]]] = {intent: [] for intent in shapes}
        for index, loads in enumerate(decisions.loads):
            for load in loads:
                count = load.times * values[load.variable]
                if count and not load.beside:
                    standing[load.intent].append((places[shapes[load.intent]][index], count))
        return {intent: (shape, tuple(standing[intent])) for intent, shape in shapes.items()}


def _is_plain(rule: Rule) -> bool:
    """Say whether all that a clause says is known here."""
    return rule.runs or rule.keeps is not None or rule.node is not None
