"""One node and more demands than it holds: what is clearly worth having stays, and what is not; the core is searched.

When demands may be cut, resources have prices, and a demand is worth its value less the price of what it takes. In the
best whole choice almost only demands near zero are decided otherwise than in the best cut one, so that a search among
the nearest, more of them each time, finds it soon (Balas, Zemel, An algorithm for large zero-one knapsack problems,
Operations Research 28, 1980; for several resources Puchinger, Raidl, Pferschy, INFORMS Journal on Computing 22, 2010).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from aios.solve.cpsat import Engine, Model
from aios.solve.lp import LinearProgram
from aios.solve.packing.problem import NO_GROUP, Content, Problem

__all__ = ["core_content"]

_SIZES = (20, 30, 40)
"""Kinds of demands in the core, one after the other."""
_WORK = 1 / 30
"""Share of the engine's allowance for searching one core."""


def core_content(problem: Problem, nodes: int, engine: Engine) -> Content | None:
    """Return a content for one node of a kind, worth the most that was found, with all required demands; None if none.

    Of demands that need no device; others are left out.
    """
    kinds = problem.kinds
    may = [kind for kind, demand in enumerate(kinds) if (nodes, NO_GROUP) in demand.places and not demand.devices]
    gains = _gains(problem, nodes, may)
    if gains is None:
        return None
    most = {kind: _most(problem, nodes, kind) for kind in may}
    ranked = sorted((kind for kind in may if not kinds[kind].required), key=lambda kind: (abs(gains[kind]), kind))
    best: Sequence[int] = ()
    for size in _SIZES:
        core, model = set(ranked[:size]), Model()
        for kind in may:
            least = kinds[kind].number if kinds[kind].required else most[kind] if gains[kind] > 0 else 0
            model.variable(0 if kind in core else least, most[kind] if kind in core else least)
        for resource, has in enumerate(problem.nodes[nodes].has):
            takes = ((variable, kinds[kind].takes[resource]) for variable, kind in enumerate(may))
            model.linear([term for term in takes if term[1]], high=has)
        model.minimize([(variable, -kinds[kind].value) for variable, kind in enumerate(may)])
        if best:
            model.hint(best)
        best = engine.solve(model, _WORK, numbers=True).values or best
        if size >= len(ranked):
            break
    held = ((NO_GROUP, (kind,)) for kind, count in zip(may, best, strict=False) for _ in range(count))
    return tuple(held) if best else None


def _most(problem: Problem, nodes: int, kind: int) -> int:
    takes = zip(problem.kinds[kind].takes, problem.nodes[nodes].has, strict=True)
    return min((problem.kinds[kind].number, *(has // amount for amount, has in takes if amount)))


def _gains(problem: Problem, nodes: int, may: Sequence[int]) -> dict[int, float] | None:
    """Return what each demand is worth above the price of what it takes; None where the required ones do not fit."""
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
    return {
        kind: problem.kinds[kind].value
        - math.fsum(price * amount for price, amount in zip(prices, problem.kinds[kind].takes, strict=True))
        for kind in may
    }
