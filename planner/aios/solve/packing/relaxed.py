"""The problem with nodes of a kind taken together: a linear programme whose optimum no packing exceeds.

Of each kind of demand x stand on each kind of nodes, all of which give what they have to one pool; shares of devices
fill them by patterns. Two things are lost: that a demand stands on one node, and that it cannot be cut. Nodes whose
pool promises more than single nodes hold get contents instead, each a whole node's (see ``contents``).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

from aios.solve.lp import LinearProgram, Solution, Term
from aios.solve.packing.patterns import NO_MORE, Pattern, best_pattern, first_patterns
from aios.solve.packing.problem import Content, Place, Problem, held

__all__ = ["MISSING", "Known", "Lacking", "Relaxed", "lacks", "relax"]


class Known(NamedTuple):
    """What was found out about pools that promise too much.

    contents: nodes that are taken one by one -> what one of them may hold · spare: (nodes, resource) -> how much of
    what all of them have is of no use to anybody · patterns: that were worth having so far
    """

    contents: dict[int, list[Content]]
    spare: dict[tuple[int, int], int]
    patterns: dict[Place, list[Pattern]]

    @classmethod
    def nothing(cls) -> Self:
        """Return what is known at first."""
        return cls({}, {}, {})


_FILLED = (0.80, 0.88, 0.94, 0.98)
"""Shares of a resource from which using more of it costs more, when of all optima the loosest is wanted."""
MISSING = 100
"""What a required demand that stands nowhere costs, in the largest value of a demand."""
_BEYOND = 1
"""How far beyond the number of nodes that of a content may go: then only their row binds, and has the whole price."""
_ROUNDS = 60
_LEAST_GAIN = 1e-6
_SURELY = 1e-4
"""Required demands that must be missing for certain before the pools are said not to hold them all: above the engine's
tolerance, and far below one."""


class Relaxed(NamedTuple):
    """The optimum of the relaxation, and of all optima the one that leaves most room.

    bound: that no packing is worth more than · stands: (kind, place) -> how many · patterns: place -> patterns and how
    many devices hold each · contents: nodes -> of each of their contents how many nodes hold it · content_prices:
    nodes -> what one more of them is worth · kind_prices: what one more demand of a kind is worth
    """

    bound: int
    stands: Mapping[tuple[int, Place], float]
    patterns: Mapping[Place, Mapping[Pattern, float]]
    contents: Mapping[int, Sequence[float]]
    content_prices: Mapping[int, float]
    kind_prices: Sequence[float]


class Lacking(NamedTuple):
    """Not even pools hold all required demands. kinds: kind -> how many one solution that leaves fewest over does;
    empty where the engine found no solution at all, which proves nothing"""

    kinds: dict[int, int]


class _Model:
    """The linear programme, and where its parts stand."""

    def __init__(self, problem: Problem, known: Known) -> None:
        self.problem = problem
        self.known = known
        contents = known.contents
        self.lp = LinearProgram()
        self.stands: dict[tuple[int, Place], int] = {}
        self.of_kind: dict[int, list[Term]] = defaultdict(list)
        self.sizes: dict[Place, dict[int, int]] = {}
        self.devices: dict[Place, int] = {}
        self.patterns: dict[Place, dict[Pattern, int]] = {}
        self.contents: dict[int, list[int]] = {}
        self.nodes_rows: dict[int, int] = {}
        self.worth: list[Term] = []
        self.strain: list[Term] = []
        for nodes, own in contents.items():
            self._add_contents(nodes, own)
        pooled: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for kind, demand in enumerate(problem.kinds):
            for nodes, group in demand.places:
                if nodes not in contents:
                    variable = self.lp.variable(demand.number, demand.value)
                    self.stands[kind, (nodes, group)] = variable
                    self.of_kind[kind].append((variable, 1.0))
                    self.worth.append((variable, demand.value))
                    pooled[nodes].append((kind, group))
        for nodes, kinds in pooled.items():
            self._add_pool(nodes, kinds)
        self.missing: dict[int, int] = {}
        self.kind_rows = [self._add_kind(kind) for kind in range(len(problem.kinds))]

    def _add_contents(self, nodes: int, contents: Sequence[Content]) -> None:
        kinds = self.problem.kinds
        count = self.problem.nodes[nodes].number
        self.contents[nodes] = []
        for content in contents:
            numbers = held(content)
            worth = sum(kinds[kind].value * many for kind, many in numbers.items())
            variable = self.lp.variable(count + _BEYOND, worth)
            self.contents[nodes].append(variable)
            self.worth.append((variable, worth))
            for kind, many in numbers.items():
                self.of_kind[kind].append((variable, float(many)))
        self.nodes_rows[nodes] = self.lp.row([(variable, 1.0) for variable in self.contents[nodes]], high=count)

    def _add_pool(self, nodes: int, kinds: Sequence[tuple[int, int]]) -> None:
        pool, demands = self.problem.nodes[nodes], self.problem.kinds
        variables = {(kind, group): self.stands[kind, (nodes, group)] for kind, group in kinds}
        for resource, has in enumerate(pool.has):
            takes = {key: demands[key[0]].takes[resource] for key in kinds}
            left = 1.0 - self.known.spare.get((nodes, resource), 0) / (pool.number * has) if has else 1.0
            self._fill([(variables[key], takes[key]) for key in kinds], pool.number, has, left)
            for group, size in enumerate(pool.groups):
                mine = [key for key in kinds if key[1] == group]
                whole = [key for key in mine if size > 1 and demands[key[0]].devices == size]
                if whole:  # who takes all devices of a node leaves the others that need one so many nodes less
                    rest = [(variables[key], takes[key]) for key in mine if key not in whole]
                    self._fill([*rest, *((variables[key], has) for key in whole)], pool.number, has)
        for group in range(len(pool.groups)):
            self._add_group((nodes, group), [kind for kind, own in kinds if own == group])

    def _fill(self, terms: Sequence[tuple[int, int]], count: int, has: int, most: float = 1.0) -> None:
        """Keep what is taken within a share of what all nodes have; note what strains them."""
        if not any(weight for _, weight in terms):
            return
        if not has:
            self.lp.row([(variable, 1.0) for variable, weight in terms if weight], high=0.0)
            return
        shares = [(variable, weight / has / count) for variable, weight in terms if weight]
        self.lp.row(shares, high=most)
        for filled in _FILLED:
            over = self.lp.variable(1.0)
            self.strain.append((over, float(count)))
            self.lp.row([*shares, (over, -1.0)], high=filled)

    def _add_group(self, place: Place, kinds: Sequence[int]) -> None:
        demands = self.problem.kinds
        shared = [kind for kind in kinds if demands[kind].is_shared]
        terms = [(self.stands[kind, place], float(demands[kind].devices)) for kind in kinds if kind not in shared]
        self.devices[place] = self.lp.row(terms, high=self.device_count(place))
        self.sizes[place] = {
            share: self.lp.row([(self.stands[k, place], 1.0) for k in shared if demands[k].share == share], high=0.0)
            for share in sorted({demands[kind].share for kind in shared})
        }
        self.patterns[place] = {}
        known = self.known.patterns.setdefault(place, first_patterns(tuple(self.sizes[place]), self.room(place)))
        for pattern in known:
            self._add_pattern(place, pattern)

    def device_count(self, place: Place) -> int:
        """Return how many devices a group has on all its nodes."""
        pool = self.problem.nodes[place[0]]
        return pool.number * pool.groups[place[1]]

    def room(self, place: Place) -> int:
        """Return how many units each device of a group has."""
        return self.problem.nodes[place[0]].room(place[1])

    def add_pattern(self, place: Place, pattern: Pattern) -> None:
        """Let devices of a group be shared this way, from now on."""
        self.known.patterns[place].append(pattern)
        self._add_pattern(place, pattern)

    def _add_pattern(self, place: Place, pattern: Pattern) -> None:
        variable = self.patterns[place][pattern] = self.lp.variable()
        self.lp.extend(self.devices[place], variable, 1.0)
        for size, count in pattern:
            self.lp.extend(self.sizes[place][size], variable, -float(count))

    def _add_kind(self, kind: int) -> int:
        demand = self.problem.kinds[kind]
        if not demand.required:
            return self.lp.row(self.of_kind[kind], high=demand.number)
        absent = self.lp.variable(demand.number)
        self.missing[kind] = absent
        return self.lp.row([*self.of_kind[kind], (absent, 1.0)], demand.number, demand.number)

    def lacking(self, values: Sequence[float]) -> dict[int, int]:
        """Return of each required kind how many are left over, in whole numbers."""
        found = {kind: math.ceil(values[variable] - _SURELY) for kind, variable in self.missing.items()}
        return {kind: number for kind, number in found.items() if number}


def relax(problem: Problem, known: Known, *, loosest: bool = True) -> Relaxed | Lacking:
    """Return the optimum, or what is left over where the required demands do not even fit into the pools.

    loosest: whether the optimum that leaves most room is wanted, or any with its prices
    """
    model = _Model(problem, known)
    penalty = MISSING * max(1, max((kind.value for kind in problem.kinds), default=1))
    worth = [*model.worth, *((variable, -penalty) for variable in model.missing.values())]
    model.lp.reward(worth)
    best: Solution | Lacking | None = _priced(model)
    if isinstance(best, Solution) and not known.contents and _absent(model, best.values) > _SURELY:
        best = _complete(model)
    if not isinstance(best, Solution):
        return best or Lacking({})
    prices = {nodes: best.prices[row] for nodes, row in model.nodes_rows.items()}
    kind_prices = [best.prices[row] for row in model.kind_rows]
    bound = math.floor(best.bound + 1e-9 * abs(best.bound) + 1e-6)
    if loosest:
        most = max((abs(weight) for _, weight in worth), default=1.0) or 1.0
        least = best.objective - max(1e-6 * abs(best.objective), 1e-3)
        model.lp.row([(variable, weight / most) for variable, weight in worth], low=least / most)
        model.lp.reward([(variable, -weight) for variable, weight in model.strain])
        best = model.lp.maximize() or best
    return Relaxed(
        bound=bound,
        stands={key: best.values[variable] for key, variable in model.stands.items()},
        patterns={
            key: {pattern: best.values[variable] for pattern, variable in own.items() if best.values[variable] > 1e-7}
            for key, own in model.patterns.items()
        },
        contents={nodes: [best.values[variable] for variable in own] for nodes, own in model.contents.items()},
        content_prices=prices,
        kind_prices=kind_prices,
    )


def lacks(problem: Problem) -> bool:
    """Say whether it is proved that not even pools hold what is required of a problem in normal form."""
    found = relax(problem, Known.nothing(), loosest=False)
    return isinstance(found, Lacking) and bool(found.kinds)


def _absent(model: _Model, values: Sequence[float]) -> float:
    return sum(values[variable] for variable in model.missing.values())


def _complete(model: _Model) -> Solution | Lacking | None:
    """Return the optimum with every required demand, where leaving one out looked better; what one must leave out."""
    model.lp.reward([(variable, -1.0) for variable in model.missing.values()])
    best = _priced(model)
    if best is None or best.bound < -_SURELY:
        return Lacking(model.lacking(best.values) if best else {})
    model.lp.row([(variable, 1.0) for variable in model.missing.values()], high=_SURELY)
    model.lp.reward(model.worth)
    return _priced(model)


def _priced(model: _Model) -> Solution | None:
    """Return the optimum over all patterns: those worth more than a device are added until there is none.

    Its bound holds for every pattern: none is worth more than the best, on any device.
    """
    best, bound = model.lp.maximize(), math.inf
    for _ in range(_ROUNDS):
        if best is None:
            return None
        added, over = False, 0.0
        for place, sizes in model.sizes.items():
            if not sizes:
                continue
            worth, pattern = best_pattern({size: best.prices[row] for size, row in sizes.items()}, model.room(place))
            device = best.prices[model.devices[place]]
            over += max(0.0, worth - device + NO_MORE) * model.device_count(place)
            if worth > device + _LEAST_GAIN * max(1.0, abs(device)) and pattern not in model.patterns[place]:
                model.add_pattern(place, pattern)
                added = True
        bound = min(bound, best.bound + over)
        if not added:
            break
        best = model.lp.maximize()
    return best and best._replace(bound=bound)
