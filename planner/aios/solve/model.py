"""The decisions as variables: which option of each intent, and how many of its parts stand where."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from aios.records.where import NODE
from aios.solve.alike import domain_at, domains_at
from aios.solve.cpsat import Engine, Model, Term
from aios.solve.problem import Machine, Need, Problem, Shape

__all__ = ["Decisions", "Load"]

_ROUNDINGS = (1, 2, 3)
"""Parts of more than a half, a third and a quarter are told apart where machines are counted together."""


class Load(NamedTuple):
    """Parts on one device: ``times`` for each unit of ``variable``; never more than ``most``, of one intent.

    beside: it is a further device of parts that are counted on their first · least: parts that stand there in any case
    where the option is chosen · wide: devices that each part takes of one that stands for many
    """

    intent: int
    variable: int
    times: int
    most: int
    need: Need
    beside: bool = False
    least: int = 0
    wide: int = 1

    def taken(self, amount: Callable[[Need], int]) -> int:
        """Return what a part takes of something, of all the devices there that it stands on."""
        return amount(self.need) + (amount(self.need.beside()) * (self.wide - 1) if self.wide > 1 else 0)


class Decisions:
    """A model of the problem without any rule yet; the clauses add theirs.

    chosen: intent -> a 0-1 variable per option · loads: device -> what may stand there · periods: of the day, device ->
    what of that may run then; ``loads`` alone where nothing changes ·
    intents: those that are in the model (the others are not planned at all) · sums: weighted sums of loads' variables
    and the capacity that each keeps within, on machines that are not pooled · exclusive: pairs of such sums of which
    one is nothing · sums_only: whether those say everything about where parts may stand
    """

    def __init__(self, problem: Problem, intents: Sequence[int]) -> None:
        self.problem = problem
        self.model = Model()
        self.intents = tuple(intents)
        self.chosen: dict[int, list[int]] = {}
        self.loads: list[list[Load]] = [[] for _ in problem.bins]
        self.periods = [[list[Load]() for _ in problem.bins] for _ in problem.periods] or [self.loads]
        self.sums: list[tuple[list[Term], int]] = []
        self.exclusive: list[tuple[list[Term], list[Term]]] = []
        self.sums_only = True
        self._standing: dict[int, list[tuple[int, Term]]] = {}
        for intent in self.intents:
            self._add_intent(intent)

    def _add_intent(self, intent: int) -> None:
        options = self.problem.options[intent]
        variables = [self.model.variable(0, 1) for _ in options]
        self.chosen[intent] = variables
        if intent in self.problem.stated:
            self._place_copies(intent, variables)
            return
        by_shape: dict[int, list[int]] = {}
        for option, variable in zip(options, variables, strict=True):
            by_shape.setdefault(option.shape, []).append(variable)
        for shape, alike in by_shape.items():
            self._place(intent, shape, alike)

    def _place_copies(self, intent: int, variables: Sequence[int]) -> None:
        """Let as many copies of a stated demand stand as the chosen option says."""
        shapes = [self.problem.shapes[option.shape] for option in self.problem.options[intent]]
        largest = max(shapes, key=lambda shape: shape.parts, default=None)
        if largest is None:
            return
        counts = [self.model.variable(0, largest.parts) for _ in largest.places]
        copies = [(variable, -shape.parts) for variable, shape in zip(variables, shapes, strict=True)]
        self.model.linear([*((count, 1) for count in counts), *copies], 0, 0)
        for place, count in zip(largest.places, counts, strict=True):
            self._load(place, Load(intent, count, 1, largest.parts, largest.need), ())

    def _place(self, intent: int, shape_index: int, alike: Sequence[int]) -> None:
        """Let the parts of whichever of these equally shaped options is chosen stand on its devices."""
        shape = self.problem.shapes[shape_index]
        parts = shape.parts
        if not parts:
            return  # not to run takes nothing
        if not shape.places:
            self.model.forbid(alike)
        elif shape.pins:
            self._pin(intent, shape, alike)
        elif len(shape.places) == 1:
            for variable in alike:
                load = Load(intent, variable, parts, parts, shape.need, wide=shape.wide)
                self._load(shape.places[0], load, _alone(load, shape))
        else:
            counts = [self.model.variable(0, parts) for _ in shape.places]
            self.model.linear([*((c, 1) for c in counts), *((v, -parts) for v in alike)], 0, 0)
            loads = [Load(intent, count, 1, parts, shape.need, wide=shape.wide) for count in counts]
            self._load_all(shape, loads, alike)

    def _pin(self, intent: int, shape: Shape, alike: Sequence[int]) -> None:
        """Let the parts stand where they are pinned."""
        counts = [self.model.variable(0, most) for _, most in shape.pins]
        self.model.linear([*((c, 1) for c in counts), *((v, -shape.parts) for v in alike)], 0, 0)
        for count, (least, _) in zip(counts, shape.pins, strict=True):
            if least:
                self.model.linear([(count, 1), *((v, -least) for v in alike)], low=0)
        pinned = zip(counts, shape.pins, strict=True)
        loads = [Load(intent, count, 1, most, shape.need, least=least) for count, (least, most) in pinned]
        self._load_all(shape, loads, alike)

    def _load_all(self, shape: Shape, loads: Sequence[Load], alike: Sequence[int]) -> None:
        """Put parts on all places of a shape, fewer of them where fewer run: of those that run at a higher rate."""
        running: dict[int, Sequence[Load]] = {shape.parts: loads}
        above = loads
        for parts in sorted({parts for parts, _ in shape.at if parts < shape.parts}, reverse=True):
            fewer = [self.model.variable(0, min(parts, load.most)) for load in loads]
            self.model.linear([*((count, 1) for count in fewer), *((v, -parts) for v in alike)], 0, 0)
            for count, load in zip(fewer, above, strict=True):
                self.model.linear([(count, 1), (load.variable, -1)], high=0)
            above = running[parts] = [
                load._replace(variable=count, most=min(parts, load.most), least=0)
                for count, load in zip(fewer, loads, strict=True)
            ]
        for index, (place, load) in enumerate(zip(shape.places, loads, strict=True)):
            at = [_drawing(running[parts][index], watts) for parts, watts in shape.at]
            self._load(place, load, at)

    def _load(self, place: Sequence[int], load: Load, at: Sequence[Load]) -> None:
        """Put parts on all devices of a place; what they take of the machine counts once, on the first. at: in each
        period; nothing where all parts always run"""
        first, *others = place
        self._standing.setdefault(load.intent, []).append(
            (self.problem.bins[first].machine, (load.variable, load.times))
        )
        kept = [(self.loads, load)]
        if self.problem.periods:
            kept += zip(self.periods, at or [load] * len(self.periods), strict=True)
            self.sums_only = False
        for devices, own in kept:
            devices[first].append(own)
            for index in others:
                devices[index].append(own._replace(need=own.need.beside(), beside=True, wide=1))

    def standing(self, intent: int, over: str) -> dict[str, list[Term]]:
        """Return failure domain -> how many parts of an intent stand there, as a sum; without those that no node names.

        over: ``node``, ``region`` or a label; for ``node`` without pooled ones, where each part has a machine alone
        """
        return {domain: terms for domain, (terms, _) in self.domains(intent, over).items()}

    def domains(self, intent: int, over: str) -> dict[str, tuple[list[Term], int]]:
        """Like ``standing``, with how many domains each sum is of: more than one where machines count together."""
        found: dict[str, tuple[list[Term], int]] = {}
        for index, term in self._standing.get(intent, ()):
            machine = self.problem.machines[index]
            domain = domain_at(machine, over)
            if domain is not None and not (over == NODE and machine.pooled):
                found.setdefault(domain, ([], domains_at(machine, over)))[0].append(term)
        return found

    def counts(self, values: Sequence[int]) -> dict[int, dict[int, int]]:
        """Return machine -> intent -> parts of it that stand there, from the values of a solution."""
        found: dict[int, dict[int, int]] = {}
        for intent, rows in self._standing.items():
            for machine, (variable, times) in rows:
                if values[variable]:
                    own = found.setdefault(machine, {})
                    own[intent] = own.get(intent, 0) + times * values[variable]
        return found

    def gathered(self, intent: int, machine: str) -> int | None:
        """Return a variable that is 1 only if all parts of a pipeline on what ``machine`` names stand on one machine;
        None where nothing stands for several."""
        del intent, machine  # here each stands for itself
        return None

    def keep(self, terms: Iterable[Term], capacity: int) -> None:
        """Keep a weighted sum of loads' variables, no weight of which is negative, within a capacity."""
        pairs = [term for term in terms if term[1]]
        self.sums.append((pairs, capacity))
        self.model.forbid([variable for variable, weight in pairs if weight > capacity])
        within = [term for term in pairs if term[1] <= capacity]
        if within:
            self.model.linear(within, high=capacity)

    def limit(
        self, machine: Machine, bins: Sequence[int], amount: Callable[[Need], int], capacity: int, *, each: bool
    ) -> None:
        """Keep what all replicas on these devices of one machine take together within ``capacity``, at any time.

        On a pooled machine each replica has to fit alone. A sum that cannot exceed the capacity adds no constraint.
        each: whether it is the capacity of every device, which matters where one stands for many
        """
        many = machine.many * (self.problem.bins[bins[0]].many if each and bins else 1)
        whole = math.floor(machine.room * many * capacity)
        for loads in self.together(bins):
            if many > 1:
                self._limit_many(loads, amount, capacity, many, whole, each=each)
            else:
                self._limit(machine, loads, amount, capacity)

    def together(self, bins: Sequence[int]) -> list[list[Load]]:
        """Return what may run on some devices at once: in each period of the day, the same things only once."""
        found: dict[tuple[tuple[int, int, float | None], ...], list[Load]] = {}
        for period in self.periods:
            loads = [load for index in bins for load in period[index]]
            found.setdefault(tuple((load.variable, load.times, load.need.watts) for load in loads), loads)
        return list(found.values())

    def _limit(self, machine: Machine, loads: Sequence[Load], amount: Callable[[Need], int], capacity: int) -> None:
        too_large: list[int] = []
        terms: list[tuple[int, int]] = []
        most: dict[int, int] = {}
        if not machine.pooled:
            self.sums.append(([(load.variable, amount(load.need) * load.times) for load in loads], capacity))
        for load in loads:
            own = amount(load.need)
            if own > capacity or (not machine.pooled and own * load.times > capacity):
                too_large.append(load.variable)
            elif own and not machine.pooled:
                terms.append((load.variable, own * load.times))
                most[load.intent] = max(most.get(load.intent, 0), own * load.most)
        self.model.forbid(too_large)
        if sum(most.values()) > capacity:
            self.model.linear(terms, high=capacity)

    def _limit_many(
        self, loads: Sequence[Load], amount: Callable[[Need], int], capacity: int, many: int, whole: int, *, each: bool
    ) -> None:
        """Keep what stands on so many equal machines, or devices of them, within what they hold together (``whole``).

        Parts that are large count by rounded sizes as well, the dual feasible functions of ``certificate``.
        """
        takes = [(load, amount(load.need)) for load in loads]
        self.model.forbid([load.variable for load, own in takes if own > capacity])
        terms = [(load.variable, load.taken(amount) * load.times) for load, own in takes if own]
        self.sums.append((terms, whole))
        most: dict[int, int] = {}
        for load in loads:
            most[load.intent] = max(most.get(load.intent, 0), load.taken(amount) * load.most)
        if sum(most.values()) > whole:
            self.model.linear(terms, high=whole)
        for k in _ROUNDINGS if capacity else ():
            rounded = [(load, max(0, ((k + 1) * own - 1) // capacity)) for load, own in takes]
            counted = [
                (load.variable, load.times * part * (load.wide if each else 1)) for load, part in rounded if part
            ]
            if counted:
                self.model.linear(counted, high=k * many)

    def raise_with(
        self, machine: Machine, bins: Sequence[int], amount: Callable[[Need], int], level: int, scale: int = 1
    ) -> None:
        """Like ``limit``, with ``scale`` times the variable ``level`` as the capacity."""
        if not machine.pooled:
            for loads in self.together(bins):
                terms = [(load.variable, amount(load.need) * load.times) for load in loads]
                self.model.linear([*terms, (level, -scale)], high=0)
            return
        for load in (load for index in bins for load in self.loads[index]):
            here = self.model.variable(0, 1)
            self.model.linear([(load.variable, 1), (here, -load.most)], high=0)
            self.model.linear([(here, amount(load.need)), (level, -scale)], high=0)

    def feasible(self, engine: Engine) -> bool | None:
        """Say whether all that was added can hold together; None when the limit came first."""
        status = engine.solve(self.model).status
        return None if status == "unknown" else status != "infeasible"

    def picked(self, values: Sequence[int]) -> dict[int, int]:
        """Return intent -> index of its chosen option, from the values of a solution."""
        return {
            intent: next(index for index, variable in enumerate(variables) if values[variable])
            for intent, variables in self.chosen.items()
        }


def _alone(load: Load, shape: Shape) -> list[Load]:
    """Return what runs in each period of parts that all stand on one place."""
    return [_drawing(load._replace(times=parts, most=parts), watts) for parts, watts in shape.at]


def _drawing(load: Load, watts: float | None) -> Load:
    return load._replace(need=load.need._replace(watts=watts))
