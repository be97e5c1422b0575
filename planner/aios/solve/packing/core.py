"""One node and more demands than it holds: what is clearly worth having stays, and what is not; the rest is searched.

When demands may be cut, resources have prices, and a demand is worth its value less the price of what it takes. In the
best whole choice almost only demands near zero are decided otherwise than in the best cut one, so that a search among
the nearest, more of them each time, finds it soon (Balas, Zemel, An algorithm for large zero-one knapsack problems,
Operations Research 28, 1980; for several resources Puchinger, Raidl, Pferschy, INFORMS Journal on Computing 22, 2010).
Where many resources are scarce, the nearest are almost all of them: choices of these are bred first (see ``breed``),
and what is not searched stays as in the best of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.solve.cpsat import Engine, Model
from aios.solve.lp import LinearProgram
from aios.solve.packing.problem import NO_GROUP, Content, Problem

__all__ = ["core_content"]

_SIZES = (20, 30, 40)
"""Kinds of demands in the core, one after the other."""
_WORK = 1 / 60
"""Share of the engine's allowance for searching one core."""
_BRED = 200
"""Kinds of demands, nearest first, among which choices are bred."""
_BREEDING = 1 / 6
"""Share of the engine's allowance for that."""
_LITTER = 1.6e-5
"""Of the engine's work, what a litter costs for each kind: it takes about as long."""


class _Cut(NamedTuple):
    """The optimum when demands may be cut. prices: by resource · numbers, gains: kind -> how many stand, and what one
    is worth above the price of what it takes"""

    prices: Sequence[float]
    numbers: Mapping[int, float]
    gains: Mapping[int, float]


def core_content(problem: Problem, nodes: int, engine: Engine) -> Content | None:
    """Return a content for one node of a kind, worth the most that was found, with all required demands; None if none.

    Of demands that need no device; others are left out.
    """
    kinds = problem.kinds
    may = [kind for kind, demand in enumerate(kinds) if (nodes, NO_GROUP) in demand.places and not demand.devices]
    cut = _cut(problem, nodes, may)
    if cut is None:
        return None
    most = {kind: _most(problem, nodes, kind) for kind in may}
    ranked = sorted((kind for kind in may if not kinds[kind].required), key=lambda kind: (abs(cut.gains[kind]), kind))
    held = {kind: most[kind] if kinds[kind].required or cut.gains[kind] > 0 else 0 for kind in may}
    found = len(ranked) > _SIZES[-1] and _breed(problem, nodes, held, most, ranked[:_BRED], cut, engine)
    for size in _SIZES:
        core, model = set(ranked[:size]), Model()
        for kind in may:
            model.variable(0 if kind in core else held[kind], most[kind] if kind in core else held[kind])
        for resource, has in enumerate(problem.nodes[nodes].has):
            takes = ((variable, kinds[kind].takes[resource]) for variable, kind in enumerate(may))
            model.linear([term for term in takes if term[1]], high=has)
        model.minimize([(variable, -kinds[kind].value) for variable, kind in enumerate(may)])
        if found:
            model.hint([held[kind] for kind in may])
        values = engine.solve(model, _WORK, numbers=True).values
        if values:
            found = True
            held.update(zip(may, values, strict=True))
        if size >= len(ranked):
            break
    return tuple((NO_GROUP, (kind,)) for kind in may for _ in range(held[kind])) if found else None


def _breed(
    problem: Problem,
    nodes: int,
    held: dict[int, int],
    most: Mapping[int, int],
    among: Sequence[int],
    cut: _Cut,
    engine: Engine,
) -> bool:
    """Let some kinds be held as in the best choice bred, the others as they are; return whether these fit at all."""
    from aios.solve.packing.breed import Choice, breed

    kinds, allowance = problem.kinds, min(engine.left, _BREEDING * engine.limits.deterministic_limit)
    bundles = [(kind, times) for kind in among for times in _bundles(most[kind])]
    litters = int(allowance / (_LITTER * len(bundles)))
    others = {kind: count for kind, count in held.items() if kind not in set(among)}
    has = [
        there - sum(kinds[kind].takes[resource] * count for kind, count in others.items())
        for resource, there in enumerate(problem.nodes[nodes].has)
    ]
    if min(has, default=0) < 0 or not litters:
        return False
    choice = Choice(
        takes=[[times * amount for amount in kinds[kind].takes] for kind, times in bundles],
        has=has,
        values=[times * kinds[kind].value for kind, times in bundles],
        prices=cut.prices,
        likely=[cut.numbers[kind] / most[kind] for kind, _ in bundles],
    )
    held.update(dict.fromkeys(among, 0))
    for (kind, times), chosen in zip(bundles, breed(choice, litters), strict=True):
        held[kind] += times * chosen
    engine.left -= litters * _LITTER * len(bundles)
    return True


def _bundles(number: int) -> Iterator[int]:
    """Yield powers of two and a rest, of which every number up to this one is a sum."""
    times = 1
    while number > 0:
        yield min(times, number)
        number, times = number - times, 2 * times


def _most(problem: Problem, nodes: int, kind: int) -> int:
    takes = zip(problem.kinds[kind].takes, problem.nodes[nodes].has, strict=True)
    return min((problem.kinds[kind].number, *(has // amount for amount, has in takes if amount)))


def _cut(problem: Problem, nodes: int, may: Sequence[int]) -> _Cut | None:
    """Return the optimum when demands may be cut; None where the required ones do not fit."""
    program = LinearProgram()
    rows = [program.row((), high=float(has)) for has in problem.nodes[nodes].has]
    for kind in may:
        demand = problem.kinds[kind]
        variable = program.variable(_most(problem, nodes, kind), float(demand.value))
        for row, amount in zip(rows, demand.takes, strict=True):
            program.extend(row, variable, float(amount))
        if demand.required:
            program.row([(variable, 1.0)], low=float(demand.number))
    best = program.maximize()
    if best is None:
        return None
    prices = [best.prices[row] for row in rows]
    gains = {
        kind: problem.kinds[kind].value
        - math.fsum(price * amount for price, amount in zip(prices, problem.kinds[kind].takes, strict=True))
        for kind in may
    }
    return _Cut(prices, dict(zip(may, best.values, strict=False)), gains)
