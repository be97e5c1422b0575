"""Whole numbers near the relaxed ones: how many of each kind stand on each kind of nodes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.solve.cpsat import Engine, Model, Term
from aios.solve.packing.patterns import Pattern
from aios.solve.packing.problem import Content, Place, Problem, held
from aios.solve.packing.relaxed import MISSING, Known, Relaxed

__all__ = ["Whole", "round_off"]

_NEAR = 1
"""How far from the relaxed number, rounded either way, a whole one may lie."""
_LOOSE = 0.80
"""Share of a resource up to which a pool is loose."""
_MORE = 0.01
"""How much more of a resource than the relaxation a pool may use, beyond that."""


class Whole(NamedTuple):
    """stands: (kind, place) -> how many · patterns: place -> patterns and how many devices hold each · contents:
    nodes -> of each of their contents how many nodes hold it"""

    stands: Mapping[tuple[int, Place], int]
    patterns: Mapping[Place, Mapping[Pattern, int]]
    contents: Mapping[int, Sequence[int]]


class _Model:
    def __init__(self, problem: Problem, known: Known, relaxed: Relaxed, lenient: bool) -> None:
        contents, self.spare = known.contents, known.spare
        self.problem, self.relaxed = problem, relaxed
        self.model = Model()
        self.near: list[int] = []
        self.objective: list[Term] = []
        self.of_kind: dict[int, list[Term]] = defaultdict(list)
        self.stands: dict[tuple[int, Place], int] = {}
        pooled: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for (kind, place), number in relaxed.stands.items():
            demand = problem.kinds[kind]
            self.stands[kind, place] = self._number(number, demand.number, demand.value)
            self.of_kind[kind].append((self.stands[kind, place], 1))
            pooled[place[0]].append((kind, place[1]))
        self.contents: dict[int, list[int]] = {}
        for nodes, numbers in relaxed.contents.items():
            self._add_contents(nodes, contents[nodes], numbers)
        self.patterns: dict[Place, dict[Pattern, int]] = {}
        for nodes, own_kinds in pooled.items():
            self._add_pool(nodes, own_kinds)
        missing = MISSING * max((1, *(demand.value for demand in problem.kinds)))
        for kind, demand in enumerate(problem.kinds):
            terms = self.of_kind[kind]
            if demand.required and lenient:
                terms = [*terms, (self._number(0.0, demand.number, -missing, demand.number), 1)]
            self.model.linear(terms, demand.number if demand.required else None, demand.number)

    def _add_contents(self, nodes: int, contents: Sequence[Content], relaxed: Sequence[float]) -> None:
        count, kinds = self.problem.nodes[nodes].number, self.problem.kinds
        self.contents[nodes] = []
        for number, content in zip(relaxed, contents, strict=True):
            numbers = held(content)
            variable = self._number(number, count, sum(kinds[kind].value * many for kind, many in numbers.items()))
            self.contents[nodes].append(variable)
            for kind, many in numbers.items():
                self.of_kind[kind].append((variable, many))
        self.model.linear([(variable, 1) for variable in self.contents[nodes]], high=count)

    def _number(self, relaxed: float, most: int, worth: int = 0, near: int = _NEAR) -> int:
        low = max(0, math.floor(relaxed + 1e-6) - near)
        variable = self.model.variable(low, max(low, min(most, math.ceil(relaxed - 1e-6) + near)))
        self.near.append(round(relaxed))
        self.objective.append((variable, -worth))
        return variable

    def _add_pool(self, nodes: int, kinds: Sequence[tuple[int, int]]) -> None:
        pool, demands = self.problem.nodes[nodes], self.problem.kinds
        variables = {(kind, group): self.stands[kind, (nodes, group)] for kind, group in kinds}
        for resource, has in enumerate(pool.has):
            takes = {key: demands[key[0]].takes[resource] for key in kinds}
            used = sum(takes[key] * self.relaxed.stands[key[0], (nodes, key[1])] for key in kinds)
            each = has if pool.number == 1 else min(has, math.ceil(max(used / pool.number * (1 + _MORE), _LOOSE * has)))
            most = pool.number * has - self.spare.get((nodes, resource), 0)
            terms = [(variables[key], takes[key]) for key in kinds if takes[key]]
            self.model.linear(terms, high=min(each * pool.number, most))
            for group, size in enumerate(pool.groups):
                mine = [key for key in kinds if key[1] == group]
                full = [key for key in mine if size > 1 and demands[key[0]].devices == size]
                if full:
                    rest = [(variables[key], takes[key]) for key in mine if key not in full]
                    self.model.linear([*rest, *((variables[key], has) for key in full)], high=has * pool.number)
        for group, size in enumerate(pool.groups):
            self._add_group((nodes, group), size, [kind for kind, own in kinds if own == group])

    def _add_group(self, place: Place, size: int, kinds: Sequence[int]) -> None:
        demands, most = self.problem.kinds, size * self.problem.nodes[place[0]].number
        own = {pattern: self._number(count, most) for pattern, count in self.relaxed.patterns[place].items()}
        self.patterns[place] = own
        devices = [(self.stands[k, place], demands[k].devices) for k in kinds if not demands[k].is_shared]
        self.model.linear([*devices, *((variable, 1) for variable in own.values())], high=most)
        shared = [kind for kind in kinds if demands[kind].is_shared]
        for share in sorted({demands[kind].share for kind in shared}):
            terms = [(self.stands[kind, place], 1) for kind in shared if demands[kind].share == share]
            room = [(variable, -dict(pattern).get(share, 0)) for pattern, variable in own.items()]
            self.model.linear([*terms, *(term for term in room if term[1])], high=0)


def round_off(problem: Problem, known: Known, relaxed: Relaxed, engine: Engine, share: float) -> Whole | None:
    """Return the best whole numbers near the relaxed ones that were found within a share of the engine's allowance.

    Where none near them hold all required demands, some that leave as few over as were found.
    """
    for lenient in (False, True):
        built = _Model(problem, known, relaxed, lenient)
        built.model.minimize(built.objective)
        built.model.hint(built.near)
        answer = engine.solve(built.model, share, numbers=True)
        if answer.values:
            break
    else:
        return None
    values = answer.values
    return Whole(
        stands={key: values[variable] for key, variable in built.stands.items() if values[variable]},
        patterns={
            key: {pattern: values[variable] for pattern, variable in own.items() if values[variable]}
            for key, own in built.patterns.items()
        },
        contents={nodes: [values[variable] for variable in own] for nodes, own in built.contents.items()},
    )
