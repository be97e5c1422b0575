"""How much can be admitted at most where services and stated demands share a fleet: a linear programme of both.

Machines of a node are pooled, and copies and replicas may be parts: every real plan is one of its solutions. Its bound
follows from its prices by weak duality, so that it holds however well the engine did.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from aios.records.candidate import Priced
from aios.records.demanded import Demanded, Site
from aios.records.fleet import Fleet, Node
from aios.records.intent import Intent
from aios.solve.lp import LinearProgram, Term

__all__ = ["most_admitted"]

_MOST = 60_000
"""Ways for services to stand up to which they are in the programme; without them the bound holds as well."""

_Takes = tuple[float, float, str, float]
"""Cores, bytes of DRAM, device type, shares of devices."""


class _Way(NamedTuple):
    node: str
    takes: _Takes


def most_admitted(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    demands: Sequence[Demanded],
    sites: Mapping[str, Sequence[Site]],
    fleet: Fleet,
    worth: tuple[Callable[[Intent], float], Callable[[Demanded], float]],
) -> float | None:
    """Return what all that is admitted is worth at most; None where the programme has no solution.

    worth: of an intent that runs, and of a copy
    """
    programme, rows = LinearProgram(), _Rows(fleet)
    wanted: dict[tuple[object, ...], tuple[Demanded, int]] = {}
    for demand in demands:
        key = (
            demand.cores,
            demand.memory_bytes,
            demand.accelerators,
            id(sites[demand.name]),
            demand.required,
            worth[1](demand),
        )
        wanted[key] = (demand, wanted.get(key, (demand, 0))[1] + demand.copies)
    for demand, copies in wanted.values():
        there = _ways_of(demand, sites[demand.name], fleet)
        own = [rows.add(programme, way, copies, worth[1](demand)) for way in there]
        programme.row([(variable, 1.0) for variable in own], low=copies if demand.required else -math.inf, high=copies)
    ways = {intent.name: _ways(options[intent.name], fleet) for intent in intents}
    for intent in intents if sum(map(len, ways.values())) <= _MOST else ():
        own = [rows.add(programme, way, 1, worth[0](intent)) for way in ways[intent.name]]
        programme.row([(variable, 1.0) for variable in own], low=1.0 if intent.required else -math.inf, high=1.0)
    rows.close(programme)
    solution = programme.maximize()
    return None if solution is None else solution.bound


class _Rows:
    """What every node has, and what is taken of it."""

    def __init__(self, fleet: Fleet) -> None:
        self.nodes = {node.name: node for node in fleet.nodes}
        self.terms: dict[tuple[str, str], list[Term]] = defaultdict(list)

    def add(self, programme: LinearProgram, way: _Way, most: int, worth: float) -> int:
        """Add a way to stand, and return its variable."""
        variable = programme.variable(float(most), worth)
        cores, memory, device, shares = way.takes
        for what, amount in (("cores", cores), ("memory", memory), (f"/{device}", shares)):
            if amount:
                self.terms[way.node, what].append((variable, amount))
        return variable

    def close(self, programme: LinearProgram) -> None:
        """Keep all that is taken within what is free, as shares of it."""
        for (name, what), terms in self.terms.items():
            free = _free(self.nodes[name], what)
            if free is not None:
                programme.row([(v, amount / (free or 1.0)) for v, amount in terms], high=1.0 if free else 0.0)


def _free(node: Node, what: str) -> float | None:
    """Return what is free on all machines of a node; None where nobody knows."""
    if what == "cores":
        one = node.free_cores
    elif what == "memory":
        one = node.free_memory_bytes
    else:
        ids = (id_ for slot in node.devices if f"/{slot.type}" == what for id_ in slot.ids)
        one = math.fsum(node.free_share(id_) for id_ in ids)
    return None if one is None else one * node.count


def _ways_of(demand: Demanded, sites: Sequence[Site], fleet: Fleet) -> list[_Way]:
    """Return where a copy fits on a machine that is empty."""
    nodes = {node.name: node for node in fleet.nodes}
    wanted = demand.accelerators
    shares = wanted.count * wanted.share if wanted else 0.0
    ways = (_Way(site.node, (demand.cores, demand.memory_bytes, site.device, shares)) for site in sites)
    return [way for way in ways if _fits(nodes[way.node], way.takes)]


def _ways(options: Sequence[Priced], fleet: Fleet) -> set[_Way]:
    nodes = {node.name for node in fleet.nodes}
    found = set()
    for priced in options:
        candidate, demand = priced.candidate, priced.demand
        takes = (
            float(demand.cores * candidate.parts),
            demand.node_memory_bytes * candidate.parts,
            candidate.device,
            demand.share * candidate.devices * candidate.parts,
        )
        found |= {_Way(node, takes) for node in candidate.nodes if node in nodes}
    return found


def _fits(node: Node, takes: _Takes) -> bool:
    needs = zip(("cores", "memory", f"/{takes[2]}"), (takes[0], takes[1], takes[3]), strict=True)
    free = ((_free(node, what), amount) for what, amount in needs if amount)
    return all(one is None or amount <= one / node.count * (1 + 1e-9) + 1e-6 for one, amount in free)
