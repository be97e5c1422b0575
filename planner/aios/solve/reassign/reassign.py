"""Finds where processes should stand: annealing, then exact choices on few machines at a time; with a bound."""

from __future__ import annotations

import math

import numpy as np

from aios.solve.cpsat import Engine
from aios.solve.interrupting import came
from aios.solve.reassign.again import Again
from aios.solve.reassign.anneal import Noise, anneal, settle
from aios.solve.reassign.problem import Problem, Reassignment
from aios.solve.reassign.standing import Standing, Tables

__all__ = ["reassign"]

_SMALL = 4_000
"""Processes times machines up to which the engine is given all at once."""
_EXACT, _ANNEALING = 0.4, 0.5
"""Share of the work for everything at once, where that is small; share of the rest for annealing."""
_PIECE = 0.3
"""Deterministic seconds for some machines at most."""
_QUICK = 0.2
"""Share of these within which a choice is so quick that the next one may be larger."""
_LARGER, _SMALLER = 1.05, 0.8
"""How the size of a choice follows: processes times the machines that they choose from."""
_SIZES = 60.0, 2_000.0
"""Size at least, with which it begins, and at most: more takes long to write down."""
_FEWEST = 3
"""Machines at least; where so many hold too much, only some of their processes choose."""
_BUILD = 2e-3, 4e-7, 3e-5
"""Work of making a model and starting the engine on it: of each; by process, machine and row; by constraint."""


def reassign(problem: Problem, engine: Engine) -> Reassignment:
    """Return where every process should stand.

    Raises ValueError where what stands now does not satisfy everything that must hold.
    """
    tables = Tables(problem)
    standing = Standing(tables, tables.home)
    if not standing.valid():
        raise ValueError("what stands now breaks a rule")
    before, bound = standing.cost, tables.bound()
    if len(problem.machines) * len(problem.processes) <= _SMALL:
        found = Again(standing, range(len(problem.machines)), range(len(problem.processes))).solve(engine, _EXACT)
        bound = max(bound, found.bound or 0)
    if standing.cost > bound:
        noise = Noise(engine.limits.seed, max(len(problem.machines), len(problem.processes)) + 1)
        standing = _annealed(standing, engine, noise)
        _choose_again(standing, engine, noise, bound)
    return Reassignment(standing.at.tolist(), standing.cost, before, min(bound, standing.cost))


def _annealed(standing: Standing, engine: Engine, noise: Noise) -> Standing:
    """Return the best of where processes settle at once and where they settle after annealing."""
    least = (1 - _ANNEALING) * engine.left
    settle(standing, engine, least)
    cost, at = standing.cost, standing.at.tolist()
    anneal(standing, engine, noise, least)
    settle(standing, engine, least / 2)
    return standing if standing.cost <= cost else Standing(standing.tables, at)


def _choose_again(standing: Standing, engine: Engine, noise: Noise, bound: int) -> None:
    """Let the engine place some processes of some machines again, of which dear ones are drawn more often."""
    machines, rows = len(standing.price), len(standing.level) + len(standing.room)
    size = least = _SIZES[0]
    while engine.left > 0 and standing.cost > bound and machines > 1 and not came():
        dear = standing.price + 0.3 * standing.price.mean() + 1.0
        number = max(_FEWEST, round(math.sqrt(size * machines / len(standing.at))))
        chosen = noise.some(np.log(dear), number)
        on = np.flatnonzero(np.isin(standing.at, chosen))
        free = on[noise.some(np.zeros(len(on)), round(size / number))]
        again = Again(standing, sorted(chosen.tolist()), sorted(free.tolist()))
        parts = (1, len(again.at) * rows, len(again.model.proto.constraints))
        engine.left -= sum(each * number for each, number in zip(_BUILD, parts, strict=True))
        left = engine.left
        answer = again.solve(engine, _PIECE / engine.limits.deterministic_limit)
        if answer.status != "optimal":
            size = max(least, size * _SMALLER)
        elif left - engine.left < _QUICK * _PIECE:
            size = min(_SIZES[1], size * _LARGER)
