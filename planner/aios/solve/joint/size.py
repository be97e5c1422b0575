"""How large the exact model of a problem would be."""

from __future__ import annotations

from collections.abc import Mapping

from aios.solve.alike import told_apart
from aios.solve.problem import Problem, devices_of
from aios.solve.shapes import Stated

__all__ = ["HUGE", "LARGE", "STAGED", "variables_beside", "variables_of"]

LARGE = 1200
"""Variables from which on intents are chosen for jointly. Of published assignment problems the exact search proved
every one tried of up to 1,000 variables within 4 s, and left one of 2,000 unproved after 15 s."""
STAGED = 400
"""The same, where stages hand data to each other within a time: variables for pairs of machines come on top."""
HUGE = 1_000_000
"""Variables that the exact model has at most: more take more memory than a machine that plans has."""


def variables_of(problem: Problem) -> int:
    """Return about how many variables the exact model of an outlined problem has: options, and places of each shape."""
    parts = sum(max((option.priced.candidate.parts for option in row), default=0) for row in problem.options)
    nodes = {node.name: (node, devices_of(node)) for node in problem.fleet.nodes}
    apart = told_apart(problem.intents, [problem.priced(index) for index in range(len(problem.intents))])
    known: dict[tuple[str, tuple[str, ...], int], int] = {}
    found = 0
    for row in problem.options:
        shapes = set()
        for option in row:
            candidate, demand = option.priced.candidate, option.priced.demand
            key = (candidate.device, candidate.nodes, candidate.devices)
            if key not in known:
                own = [nodes[name] for name in candidate.nodes if name in nodes]
                known[key] = sum(
                    # Of more machines than there can be parts, one stands for all, but where they are told apart.
                    (min(parts, node.count) if node.name in apart or node.count < parts else 1)
                    * (len(devices.get(key[0], ())) // key[2])
                    for node, devices in own
                )
            shapes.add((key, candidate.parts, demand.share, demand.cores, demand.device_memory_bytes))
        found += len(row) + sum(known[key] for key, *_ in shapes if known[key] > 1)
    return found


def variables_beside(problem: Problem, stated: Mapping[str, Stated]) -> int:
    """Return about how many variables one exact model of an outlined problem and of stated demands has.

    Machines on which demands may stand are told apart, as many as there are parts and copies.
    """
    parts = sum(max((option.priced.candidate.parts for option in row), default=0) for row in problem.options)
    parts += sum(item.demand.copies for item in stated.values())
    nodes = {node.name: node for node in problem.fleet.nodes}
    devices = {name: devices_of(node) for name, node in nodes.items()}

    def places(node: str, device: str, wide: int) -> int:
        return min(nodes[node].count, parts) * (len(devices[node].get(device, ())) // wide)

    found = 0
    for row in problem.options:
        shapes = {(o.priced.candidate.device, o.priced.candidate.nodes, o.priced.candidate.devices) for o in row}
        found += len(row) + sum(
            places(node, device, wide) for device, own, wide in shapes for node in own if node in nodes
        )
    for item in stated.values():
        of_machines = sum(min(nodes[site.node].count, parts) for site in item.sites)
        own = of_machines if item.pools else sum(places(site.node, site.device, 1) for site in item.sites)
        found += item.demand.copies + own
    return found
