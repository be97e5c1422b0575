"""Choices of what one node holds, bred: good ones are crossed, repaired and kept, which needs no tight bound.

A genetic algorithm for knapsacks of several resources (Chu, Beasley, Journal of Heuristics 4, 1998): a child has each
thing if one of its two parents has it, now and then the other way round; of what it holds too much leaves, the least
worth its price first, and what still fits joins, the most worth first. Here many children are repaired at once, and
what things are worth is a little shuffled for each litter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aios.solve.interrupting import came

__all__ = ["Choice", "breed"]

Marks = NDArray[np.bool_]
"""[thing][choice]: whether a choice has it."""

_KEPT = 100
"""Choices that are kept, as in the paper."""
_LITTER = 64
"""Children at a time."""
_MUTATIONS = 2.0
"""Things of a child that are turned round, on average; as in the paper."""
_SHUFFLED = 0.1
"""Standard deviation of the logarithm of what is multiplied with what things are worth."""


class Choice(NamedTuple):
    """What may be chosen. takes: [thing][resource] · has: by resource · values: by thing · prices: by resource, of one
    unit · likely: by thing, about how likely a good choice has it"""

    takes: Sequence[Sequence[int]]
    has: Sequence[int]
    values: Sequence[int]
    prices: Sequence[float]
    likely: Sequence[float]


def breed(choice: Choice, litters: int) -> Sequence[bool]:
    """Return what the best choice found has, after so many litters; the same every time."""
    herd = _Herd(choice)
    for _ in range(litters):
        if came():
            break
        herd.renew(herd.litter())
    return [bool(mark) for mark in herd.kept[:, 0]]


class _Herd:
    """kept: the best choices so far, best first"""

    def __init__(self, choice: Choice) -> None:
        size = len(choice.values)
        self.takes = np.array(choice.takes, np.int64).reshape(size, len(choice.has))
        self.values = np.array(choice.values, np.int64)
        self.has = np.array(choice.has, np.int64)
        cost = self.takes @ np.maximum(np.array(choice.prices, float), 0.0)
        self.worth = np.log((self.values + 1e-9) / (cost + 1e-9 * max(1.0, float(cost.max()))))
        self.bits = np.random.PCG64(1)
        self.names = self.bits.random_raw(size).astype(np.int64)
        self.kept: Marks = np.empty((size, 0), bool)
        likely = np.clip(np.array(choice.likely), 0.05, 0.95)
        self.renew(self.repaired(self.shares(size, _KEPT) < likely[:, None]))

    def shares(self, *shape: int) -> NDArray[np.float64]:
        """Return numbers from 0 on and below 1, by the bit stream alone, which no release of numpy changes."""
        raw: NDArray[np.uint64] = self.bits.random_raw(int(np.prod(shape)))
        return (raw >> np.uint64(11)).reshape(shape) * np.float64(2.0**-53)

    def litter(self) -> Marks:
        """Return children; the better one of a pair that is drawn is a parent."""
        drawn = (self.shares(4, _LITTER) * self.kept.shape[1]).astype(np.int64)
        mother, father = np.minimum(drawn[0], drawn[1]), np.minimum(drawn[2], drawn[3])
        size = len(self.values)
        luck = self.shares(size, _LITTER) * 2
        children = np.where(luck < 1, self.kept[:, mother], self.kept[:, father])
        return self.repaired(children ^ (luck % 1 < _MUTATIONS / size))

    def repaired(self, chosen: Marks) -> Marks:
        """Take out what is too much, then put in what fits."""
        noise = 2 * self.shares(3, len(self.values)).sum(axis=0) - 3  # about normal
        order = np.argsort(self.worth + _SHUFFLED * noise, kind="stable")
        free = self.has[:, None] - self.takes.T @ chosen
        for thing in order:
            over = (free < 0).any(axis=0)
            if not over.any():
                break
            over &= chosen[thing]
            chosen[thing] ^= over
            free += np.multiply.outer(self.takes[thing], over)
        for thing in order[::-1]:
            takes = self.takes[thing]
            fits = (free >= takes[:, None]).all(axis=0) & ~chosen[thing]
            if fits.any():
                chosen[thing] |= fits
                free -= np.multiply.outer(takes, fits)
        return chosen

    def renew(self, children: Marks) -> None:
        """Keep the best of old and new, each once."""
        every = np.hstack([self.kept, children])
        _, first = np.unique(self.names @ every, return_index=True)
        first = first[np.argsort(-(self.values @ every[:, first]), kind="stable")]
        self.kept = every[:, first[:_KEPT]]
