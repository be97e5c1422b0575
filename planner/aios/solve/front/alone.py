"""The front of one intent: options are compared with each other, and each is tried on the fleet."""

from __future__ import annotations

from collections.abc import Sequence
from operator import le
from typing import NamedTuple

from aios.records.candidate import Demand, Priced
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.selection import Placement
from aios.solve.cpsat import Engine
from aios.solve.front.axes import whole_costs
from aios.solve.front.regions import Vector
from aios.solve.limits import Limits
from aios.solve.placing import place
from aios.solve.problem import pose, size_of

__all__ = ["Alone", "alone", "spread"]

_Where = tuple[str, tuple[str, ...], int, tuple[str, ...]]
"""Device type, nodes, devices of a part, memory tiers: what is alike in options that are compared by what they take."""

_Takes = tuple[float, ...]
"""Parts; then share, cores, device memory, node memory and bytes of each tier that one takes."""


class Alone(NamedTuple):
    """Options of an intent that come to the same, the smallest first."""

    costs: Vector
    options: tuple[Priced, ...]


def alone(intent: Intent, options: Sequence[Priced], names: Sequence[str], fleet: Fleet, limits: Limits) -> list[Alone]:
    """Return the non-dominated options among those that fit the fleet, from the best in the first metric to the worst.

    options: those that keep the requirements; all have every metric.
    """
    import numpy as np

    costs = list(zip(*(whole_costs([options], name)[0] for name in names), strict=True))
    order = sorted(range(len(options)), key=lambda k: (costs[k], size_of(options[k])))
    room = _Room(intent, options, fleet, limits)
    found: dict[Vector, list[Priced]] = {}
    rest = np.empty((0, len(names) - 1), dtype=np.int64)
    for k in order:
        # In this order an option can be dominated only by an earlier one, which is no worse in the first metric.
        if costs[k] not in found and (rest <= costs[k][1:]).all(axis=1).any():
            continue
        if room.fits(options[k]):
            found.setdefault(costs[k], []).append(options[k])
            rest = np.vstack([rest[(rest < costs[k][1:]).any(axis=1)], costs[k][1:]])
    return [Alone(key, tuple(same)) for key, same in found.items()]


def spread(vectors: Sequence[Vector], most: int) -> list[int]:
    """Return which of the vectors to show where all are too many: the best of each axis, then always the one farthest
    from those shown, each axis scaled to the same width."""
    if len(vectors) <= most:
        return list(range(len(vectors)))
    columns = list(zip(*vectors, strict=True))
    widths = [max(column) - min(column) or 1 for column in columns]
    shown = list(dict.fromkeys(column.index(min(column)) for column in columns))[:most]
    apart = [min(_distance(vector, vectors[k], widths) for k in shown) for vector in vectors]
    while len(shown) < most:
        farthest = apart.index(max(apart))
        shown.append(farthest)
        apart = [
            min(old, _distance(vector, vectors[farthest], widths)) for old, vector in zip(apart, vectors, strict=True)
        ]
    return sorted(shown)


def _distance(one: Vector, other: Vector, widths: Sequence[int]) -> float:
    return sum(((a - b) / width) ** 2 for a, b, width in zip(one, other, widths, strict=True))


class _Room:
    """Where options of an intent can stand when nothing else is planned; what takes the same is tried once.

    Of options for the same devices, what takes as much as something that did not fit, or more, is not tried; and if one
    that takes as much as the largest of them in every respect fits, none is.
    """

    def __init__(self, intent: Intent, options: Sequence[Priced], fleet: Fleet, limits: Limits) -> None:
        self._intent, self._fleet, self._limits = intent, fleet, limits
        self._fits: dict[tuple[_Where, _Takes], bool] = {}
        self._misfits: dict[_Where, list[_Takes]] = {}
        self._roomy: dict[_Where, bool] = {}
        self._largest: dict[_Where, _Takes] = {}
        for option in options:
            where, takes = _where(option), _takes(option)
            self._largest[where] = tuple(map(max, takes, self._largest.get(where, takes)))

    def fits(self, option: Priced) -> bool:
        """Say whether an option's parts can stand somewhere."""
        where, takes = _where(option), _takes(option)
        if where not in self._roomy:
            self._roomy[where] = self.placement(_taking(option, self._largest[where])) is not None
        if self._roomy[where]:
            return True
        if (where, takes) not in self._fits:
            smaller = self._misfits.setdefault(where, [])
            tried = not any(all(map(le, other, takes)) for other in smaller)
            self._fits[where, takes] = tried and self.placement(option) is not None
            if tried and not self._fits[where, takes]:
                smaller.append(takes)
        return self._fits[where, takes]

    def placement(self, option: Priced) -> tuple[Placement, ...] | None:
        """Return where an option's parts stand, or None if it does not fit."""
        problem = pose([self._intent], {self._intent.name: [option]}, self._fleet)
        found = place(problem, {0: 0}, Engine(self._limits))
        return None if found is None else found[self._intent.name]


def _where(option: Priced) -> _Where:
    candidate = option.candidate
    return (candidate.device, candidate.nodes, candidate.devices, tuple(sorted(option.demand.tier_bytes)))


def _takes(option: Priced) -> _Takes:
    demand = option.demand
    tiers = (size for _, size in sorted(demand.tier_bytes.items()))
    own = (demand.share, demand.cores, demand.device_memory_bytes, demand.node_memory_bytes)
    return (option.candidate.parts, *own, *tiers)


def _taking(option: Priced, takes: _Takes) -> Priced:
    """Return an option for the same devices that takes something else."""
    parts, share, cores, device_memory, node_memory, *tiers = takes
    demand = Demand(
        share=share,
        cores=int(cores),
        device_memory_bytes=device_memory,
        node_memory_bytes=node_memory,
        tier_bytes=dict(zip(sorted(option.demand.tier_bytes), tiers, strict=True)),
    )
    candidate = option.candidate.model_copy(update={"replicas": int(parts), "machines": 1})
    return option.model_copy(update={"candidate": candidate, "demand": demand})
