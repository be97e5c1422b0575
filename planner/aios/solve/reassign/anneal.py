"""Simulated annealing in which one process looks at all machines at once.

A step takes one process and draws what it does next, by the Boltzmann distribution of what each choice costs (heat
bath): which machine it moves to, or with which of a window of others it trades places; staying is one of the choices.
The draw is the least of cost and temperature times Gumbel noise, so that a step is a handful of operations on arrays
however many machines there are. Annealing by single moves and swaps was among the best of the challenge (Portal and
others, Simulated annealing for the machine reassignment problem, Annals of Operations Research 242, 2016).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aios.solve.cpsat import Engine
from aios.solve.interrupting import came
from aios.solve.reassign.standing import NEVER, Standing
from aios.solve.reassign.swaps import swap, swaps

__all__ = ["Noise", "anneal", "settle"]

_CALL, _CELL = 22e-6, 4e-9
"""Work of a step, in deterministic seconds: of itself, and of every number in the arrays that it goes through."""
_WINDOW = 256
"""Processes that are looked at for a swap."""
_SWAPS = 0.4
"""Share of steps that look for a swap."""
_HOT, _COLD = 6.0, 1000.0
"""First temperature in what the median process pays for its next best machine; how many times colder the last is."""
_BLOCK = 500
"""Steps at one temperature."""
_TRIES = 3
"""Swaps that services may refuse in a step before it is given up."""


class Noise:
    """Numbers that look drawn, always the same ones for a seed. longest: draws that are ever asked for at once"""

    _SIZE = 1 << 16

    def __init__(self, seed: int, longest: int) -> None:
        self._numbers = np.random.Generator(np.random.PCG64(seed))
        self._gumbel = -np.log(-np.log(self._numbers.random(self._SIZE + longest) + 1e-12))

    def shares(self, rows: int, columns: int) -> list[list[float]]:
        """Return numbers from 0 on and below 1."""
        found: list[list[float]] = self._numbers.random((rows, columns)).tolist()
        return found

    def gumbel(self, share: float, count: int) -> NDArray[np.float64]:
        """Return so many draws of the Gumbel distribution, from a place in a table that ``share`` says."""
        start = int(share * self._SIZE)
        return self._gumbel[start : start + count]

    def some(self, logarithms: NDArray[np.float64], count: int) -> NDArray[np.int64]:
        """Return the places of ``count`` weights, given as logarithms, drawn without putting back (Gumbel's top k)."""
        drawn = logarithms + self.gumbel(self.shares(1, 1)[0][0], len(logarithms))
        return np.argsort(-drawn, kind="stable")[:count]


def settle(standing: Standing, engine: Engine, least: float) -> None:
    """Let each process in turn move to where that saves most, until none saves or ``least`` is left of the work."""
    work = _CALL + _CELL * (standing.level.size + standing.room.size)
    better = True
    while better and not came():
        better = False
        for process in range(len(standing.at)):
            if engine.left <= least:
                return
            engine.left -= work
            change = standing.shifts(process)
            machine = int(change.argmin())
            if change[machine] < 0:
                standing.move(process, machine)
                better = True


def anneal(standing: Standing, engine: Engine, noise: Noise, least: float) -> None:
    """Spend work down to ``least`` on annealing; the result may cost more than the start."""
    rows, window = len(standing.level) + len(standing.room), min(_WINDOW, len(standing.at))
    shift = _CALL + _CELL * rows * len(standing.price)
    work = (1 - _SWAPS) * shift + _SWAPS * (2 * _CALL + 2 * _CELL * rows * window)
    blocks = int((engine.left - least) / (work * _BLOCK))
    first = _HOT * _next_best(standing)
    for block in range(blocks):
        if came():
            return
        heat = first * _COLD ** (-block / blocks)
        kinds, whos, wheres, draws = noise.shares(4, _BLOCK)
        for kind, who, where, draw in zip(kinds, whos, wheres, draws, strict=True):
            process = int(who * len(standing.at))
            if kind < _SWAPS:
                start = int(where * (len(standing.at) - window + 1))
                _trade(standing, process, slice(start, start + window), heat, noise.gumbel(draw, window + 1))
            else:
                _shift(standing, process, heat * noise.gumbel(draw, len(standing.price)))
        engine.left -= work * _BLOCK


def _next_best(standing: Standing) -> float:
    """Return what the median process pays for its next best machine."""
    found = []
    for process in range(0, len(standing.at), -(-len(standing.at) // 500)):
        change = standing.shifts(process)
        dearer = change[(change > 0) & (change < NEVER)]
        if dearer.size:
            found.append(int(dearer.min()))
    return float(np.median(found)) if found else 1.0


def _shift(standing: Standing, process: int, drawn: NDArray[np.float64]) -> None:
    """Draw the machine of a process."""
    machine = int((standing.shifts(process) - drawn).argmin())
    if machine != standing.at[process]:
        standing.move(process, machine)


def _trade(standing: Standing, process: int, others: slice, heat: float, noise: NDArray[np.float64]) -> None:
    """Draw with whom a process trades places, or that it stays."""
    change = swaps(standing, process, others) - heat * noise[1:]
    for _ in range(_TRIES):
        other = int(change.argmin())
        if change[other] >= -heat * noise[0] or swap(standing, process, others.start + other):
            return
        change[other] = NEVER
