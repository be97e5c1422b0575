"""The act: size.

Counts of machines are chosen with all that they have pooled, cheapest first; whether everything really stands on them
is asked of ``holds``. Where it does not, these machines and all that are fewer are cut off, and counts are chosen anew.
So the first fleet that holds everything is the cheapest of all, and until then every answer is a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from aios.solve.cpsat import Engine
from aios.solve.limits import Limits
from aios.solve.sizing.pooled import Counts, Pooled
from aios.solve.sizing.problem import Problem

__all__ = ["Alone", "Held", "Holds", "Key", "Sized", "alone", "size"]

_ROUNDS = 80
"""Fleets that are looked at before the cheapest one that is found to hold everything is taken as it is."""
_SHARE = 1 / 4
"""Share of the allowance for choosing counts once."""
_STEPS = 16
"""A fleet that is too small grows by a sixteenth at a time."""
_MANY = 12
"""Machines of a fleet for which it pays to grow it by more than one at a time."""
_PATIENCE = 10_000
"""Machines of all fleets together that are looked at, which is what looking takes time for."""
_UNSURE = 3
"""Fleets of which nobody found out whether they hold everything: after these there is no proof, and soon an end."""


Key = tuple[int, int]
"""Index of a demand, and of one of its ways."""


class Held(NamedTuple):
    """Whether machines hold everything: None if that was not found out.

    taken: (demand, way) -> how often · figure: of all that is taken, in whole steps; on these machines none is smaller
    """

    fits: bool | None
    taken: Mapping[Key, int] = {}
    figure: int = 0


Holds = Callable[[Sequence[int], Mapping[Key, int], Mapping[Key, int]], Held]
"""(machines of each shape, what the model of counts took, whole figure of each way) -> what really stands."""


class Sized(NamedTuple):
    """The best fleet. status: as of a Selection · machines: of each shape · taken: (demand, way) -> how often ·
    figure, bound: of all of it, and what no fleet goes below · equal: machines of other fleets of the same figure ->
    what is taken there"""

    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    machines: tuple[int, ...] = ()
    taken: Mapping[Key, int] = {}
    figure: float = 0.0
    bound: float = 0.0
    equal: Mapping[tuple[int, ...], Mapping[Key, int]] = {}


class Alone(NamedTuple):
    """The best fleet of one shape. shape: index · sized: with no machines of others."""

    shape: int
    sized: Sized


def alone(problem: Problem, limits: Limits, holds: Holds, most: int) -> list[Alone]:
    """Return the best fleets of one shape, best first, of the ``most`` shapes that could be best when pooled."""
    bounds: dict[int, tuple[float, int]] = {}
    for place in range(len(problem.shapes)):
        own = _only(problem, place)
        if own is None:
            continue
        pooled = Pooled(own)
        counts = pooled.solve(Engine(limits))
        if counts is not None:
            bounds[place] = (pooled.real(counts.least), sum(counts.machines))
    found = []
    for place in sorted(bounds, key=lambda place: (*bounds[place], place))[:most]:
        own = _only(problem, place)
        sized = size(own, limits, holds) if own is not None else None
        if sized is not None and sized.machines:
            found.append(Alone(place, sized))
    return sorted(found, key=lambda item: (item.sized.figure, sum(item.sized.machines), item.shape))


def _only(problem: Problem, shape: int) -> Problem | None:
    """Return the problem with machines of one shape alone; None where something cannot stand on it at all."""
    footprints = [tuple(place for place in own if place.shape == shape) for own in problem.footprints]
    if not all(any(footprints[way.footprint] for way in demand.ways) for demand in problem.demands):
        return None
    shapes = [own if k == shape else own._replace(most=0, figure=0.0) for k, own in enumerate(problem.shapes)]
    return problem._replace(shapes=shapes, footprints=footprints)


class _Best(NamedTuple):
    machines: tuple[int, ...]
    taken: Mapping[Key, int]
    figure: int


def size(problem: Problem, limits: Limits, holds: Holds | None = None, equals: int = 0) -> Sized:
    """Return the machines of least figure that hold every demand; of those equally good, the fewest machines.

    holds: says what really stands on machines; None where work may be cut anywhere, so that pooled machines are all
    that counts · equals: how many further fleets of the same figure are looked for
    """
    pooled = Pooled(problem)
    search = _Search(pooled, Engine(limits), holds or _pooled_is_enough)
    search.run()
    best = search.best
    if best is None:
        return Sized("infeasible" if search.exhausted else "unknown", bound=pooled.real(search.floor))
    proved = search.floor >= best.figure
    equal = search.equals(equals) if proved and equals else {}
    return Sized(
        "optimal" if proved else "feasible",
        best.machines,
        best.taken,
        pooled.real(best.figure),
        pooled.real(min(search.floor, best.figure)),
        equal,
    )


def _pooled_is_enough(_machines: Sequence[int], taken: Mapping[Key, int], figures: Mapping[Key, int]) -> Held:
    return Held(True, taken, sum(figures[key] * count for key, count in taken.items()))


class _Search:
    """floor: figure that no fleet goes below · exhausted: whether no fleet is left that was not looked at."""

    def __init__(self, pooled: Pooled, engine: Engine, holds: Holds) -> None:
        self.pooled, self.engine = pooled, engine
        self.best: _Best | None = None
        self.floor = 0
        self.exhausted = False
        self._unsure = 0
        self._asked = 0
        self._holds = holds
        self._figures = pooled.figure_by_way()
        self._most = tuple(pooled.most)

    def run(self) -> None:
        """Look at one fleet after the other, cheapest first."""
        last: Counts | None = None
        for _ in range(_ROUNDS):
            if self._asked > _PATIENCE or self._unsure > _UNSURE:
                break
            counts = self.pooled.solve(self.engine, _SHARE)
            if counts is None:
                self._end()
                break
            last = counts
            if not self._unsure:
                self.floor = max(self.floor, counts.least)
            if self._is_proved():
                return
            self._look(counts)
            if self._is_proved():
                return
        if self.best is None and not self.exhausted and last is not None:
            self._grow(last)
        if self.best is not None and not self._is_proved():
            self._shrink()

    def _is_proved(self) -> bool:
        return self.best is not None and self.floor >= self.best.figure

    def _end(self) -> None:
        """Take note that there is no other fleet, or that none was found."""
        if self.pooled.exhausted and not self._unsure:
            self.exhausted = self.best is None
            self.floor = self.floor if self.best is None else self.best.figure

    def _look(self, counts: Counts) -> None:
        """Find out what stands on these machines, note it, and cut them off."""
        held = self._ask(counts.machines, counts.taken)
        if held.fits:
            figure = self.pooled.figure_of(counts.machines) + held.figure
            if self.best is None or figure < self.best.figure:
                self.best = _Best(counts.machines, held.taken, figure)
            self.pooled.cut(counts.machines, held.figure)
        elif held.fits is None:
            self._unsure += 1
            self.pooled.cut(counts.machines, None)
        else:
            self.pooled.cut(self._lifted(counts.machines), None)

    def _lifted(self, machines: tuple[int, ...]) -> tuple[int, ...]:
        """Return as many machines as still hold too little, so that buying more of what does not help is cut off."""
        order = sorted(range(len(machines)), key=lambda shape: (machines[shape] > 0, shape))
        more = [shape for shape in order if machines[shape] < self._most[shape]]
        machines = self._lift(machines, more)
        return self._along(machines) if sum(machines) >= _MANY else machines

    def _along(self, machines: tuple[int, ...]) -> tuple[int, ...]:
        """Return the most of the same machines that hold too little, found by doubling and halving what is added."""
        lacking, fitting = machines, None
        for step in (1, 2, 4, 8, 16, 32):
            larger = self._larger(machines, step)
            if larger == lacking or sum(larger) > self.pooled.problem.machines:
                return lacking
            fits = self._note(larger)
            if fits is None:
                return lacking
            if fits:
                fitting = larger
                break
            lacking = larger
        while fitting is not None:
            middle = tuple((low + high) // 2 for low, high in zip(lacking, fitting, strict=True))
            fits = None if middle == lacking else self._note(middle)
            if fits is None:
                break
            lacking, fitting = (lacking, middle) if fits else (middle, fitting)
        return lacking

    def _larger(self, machines: tuple[int, ...], step: int) -> tuple[int, ...]:
        """Return machines with ``step`` sixteenths more of each shape, rounded up."""
        wanted = (count + -(-count * step // _STEPS) for count in machines)
        return tuple(min(most, count) for most, count in zip(self._most, wanted, strict=True))

    def _lift(self, machines: tuple[int, ...], shapes: Sequence[int]) -> tuple[int, ...]:
        if not shapes:
            return machines
        larger = tuple(self._most[k] if k in shapes else count for k, count in enumerate(machines))
        if self._ask(larger, {}).fits is False:
            return larger
        if len(shapes) == 1:
            return machines
        half = len(shapes) // 2
        return self._lift(self._lift(machines, shapes[:half]), shapes[half:])

    def _grow(self, counts: Counts) -> None:
        """Take more of the same until it holds everything."""
        for step in range(1, 8 * _STEPS):
            larger = self._larger(counts.machines, step)
            if sum(larger) > self.pooled.problem.machines or self._note(larger):
                return

    def _shrink(self) -> None:
        """Give back what is not needed of the best fleet, dearest first."""
        assert self.best is not None
        machines = self.best.machines
        prices = [self.pooled.figure_of([k == shape for k in range(len(machines))]) for shape in range(len(machines))]
        for shape in sorted(range(len(machines)), key=lambda k: (-prices[k], k)):
            while machines[shape] and prices[shape] and self._note(fewer := _less(machines, shape)):
                machines = fewer

    def _note(self, machines: tuple[int, ...]) -> bool | None:
        """Find out whether these machines hold everything, and remember them if they are the best so far."""
        held = self._ask(machines, {})
        figure = self.pooled.figure_of(machines) + held.figure
        if held.fits and (self.best is None or figure < self.best.figure):
            self.best = _Best(machines, held.taken, figure)
        return held.fits

    def _ask(self, machines: tuple[int, ...], taken: Mapping[Key, int]) -> Held:
        self._asked += sum(machines)
        return self._holds(machines, taken, self._figures)

    def equals(self, most: int) -> dict[tuple[int, ...], Mapping[Key, int]]:
        """Return further fleets of the best figure, the ones of fewest machines first."""
        assert self.best is not None
        found: dict[tuple[int, ...], Mapping[Key, int]] = {}
        self.pooled.at_most(self.best.figure)
        self.pooled.cut(self.best.machines, None)
        for _ in range(2 * most):
            counts = self.pooled.solve(self.engine, _SHARE) if len(found) < most else None
            if counts is None:
                break
            held = self._ask(counts.machines, counts.taken)
            if held.fits and self.pooled.figure_of(counts.machines) + held.figure <= self.best.figure:
                found[counts.machines] = held.taken
            self.pooled.cut(counts.machines, None)
        return found


def _less(machines: tuple[int, ...], shape: int) -> tuple[int, ...]:
    return tuple(count - (k == shape) for k, count in enumerate(machines))
