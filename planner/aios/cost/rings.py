"""In which order a ring should run through devices, and which rings together use a fabric best.

On a mesh or torus with an even side the order is a Hamiltonian cycle (a snake that returns along the first column), so
that every step uses links of its own. Where every device has several links, several rings share the data: one each way
round, one per network card of a machine, or cycles that have no link in common.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise, product

from aios.cost.routing import Flow, Hop, Network, link_load

__all__ = ["Ring", "best_rings", "grid_lines", "groupings", "ring_flows", "ring_hops", "snake"]

_SEARCHED = 16  # devices up to which Hamiltonian cycles are searched for in graphs that are no mesh
_STEPS = 4000  # of that search; it ends with what it has

Ring = tuple[str, ...]


def best_rings(network: Network, devices: Sequence[str]) -> tuple[Ring, ...]:
    """Return the rings through ``devices`` that need least time when each carries an equal part of the data.

    Fewer rings, then the order that comes first, win among equals.
    """
    best: tuple[float, tuple[Ring, ...]] | None = None
    for rings in _candidates(network, devices):
        needed = _needed(network, rings)
        if best is None or needed < best[0] * (1 - 1e-9):
            best = (needed, rings)
    assert best is not None, "the order of the fabric itself is always a candidate"
    return best[1]


def groupings(network: Network, devices: Sequence[str]) -> tuple[tuple[Ring, ...], ...]:
    """Return the ways in which machines and domains cut ``devices`` into equal groups of more than one."""
    ordered = _in_order(network, devices)
    levels: dict[str, dict[str, list[str]]] = {"": {}}
    for device in ordered:
        levels[""].setdefault(device.rpartition("/")[0], []).append(device)
    wanted = set(ordered)
    for number, domain in enumerate(network.fabric.domains):
        members = [device for device in domain.members if device in wanted]
        if len(members) > 1:
            levels.setdefault(domain.name or f"#{number}", {})[str(number)] = members
    found: dict[tuple[Ring, ...], None] = {}
    for groups in levels.values():
        sizes = {len(group) for group in groups.values()}
        once = (
            sum(map(len, groups.values())) == len(ordered) == len({item for group in groups.values() for item in group})
        )
        if len(groups) > 1 and len(sizes) == 1 and min(sizes) > 1 and once:
            found[tuple(tuple(group) for group in groups.values())] = None
    return tuple(found)


def grid_lines(network: Network, devices: Sequence[str]) -> tuple[tuple[Ring, ...], ...]:
    """Return the lines of devices along each dimension of a box in a mesh or torus; none where they are no such box."""
    wanted = set(devices)
    for domain in network.fabric.domains:
        if len(domain.shape) > 1 and wanted <= set(domain.members):
            points = zip(domain.members, product(*map(range, domain.shape)), strict=True)
            at = {device: point for device, point in points if device in wanted}
            sizes = [len(set(axis)) for axis in zip(*at.values(), strict=True)]
            if math.prod(sizes) != len(wanted):
                return ()
            axes = [axis for axis, size in enumerate(sizes) if size > 1]
            return tuple(_lines(at, axis) for axis in axes) if len(axes) > 1 else ()
    return ()


def _lines(at: dict[str, tuple[int, ...]], axis: int) -> tuple[Ring, ...]:
    lines: dict[tuple[int, ...], list[str]] = {}
    for device, point in at.items():
        lines.setdefault((*point[:axis], *point[axis + 1 :]), []).append(device)
    return tuple(tuple(line) for line in lines.values())


def ring_flows(rings: Sequence[Ring], share: float) -> Iterator[Flow]:
    """Yield the flows of rings on which every member sends ``share`` of the data, in equal parts per ring."""
    for ring in rings:
        for source, target in pairwise((*ring, ring[0])):
            yield Flow(source, target, share / len(rings))


def ring_hops(network: Network, ring: Ring) -> Iterator[tuple[Hop, ...]]:
    """Yield the route of every step once around a ring."""
    for source, target in pairwise((*ring, ring[0])):
        yield network.route(source, target)


def _needed(network: Network, rings: Sequence[Ring]) -> float:
    """Return the time (s) per byte that the busiest link takes, at its full bandwidth."""
    load = link_load(network, ring_flows(rings, 1.0))
    return max(bytes_ / _link(network, ends).bandwidth for ends, bytes_ in load.items())


def _link(network: Network, ends: tuple[str, str]) -> Hop:
    hop = network.link(*ends)
    assert hop is not None, ends
    return hop


def _candidates(network: Network, devices: Sequence[str]) -> Iterator[tuple[Ring, ...]]:
    orders = list(dict.fromkeys([_in_order(network, devices), *_snakes(network, devices)]))
    for order in orders:
        yield (order,)
    cycles = _disjoint_cycles(network, orders[0]) if 2 < len(orders[0]) <= _SEARCHED else ()
    for order in [*orders, *cycles[:1]]:
        yield (order,)
        yield (order, order[::-1])
    if len(cycles) > 1:
        yield tuple(ring for cycle in cycles for ring in (cycle, cycle[::-1]))
    for groups in groupings(network, devices):
        turned = range(len(groups[0]))
        yield tuple(tuple(device for group in groups for device in (*group[by:], *group[:by])) for by in turned)


def _in_order(network: Network, devices: Sequence[str]) -> Ring:
    """Return devices in the fabric's order, those of one domain side by side, outer domains first."""
    keys: dict[str, list[int]] = {device: [] for device in devices}
    for number, domain in reversed(list(enumerate(network.fabric.domains))):
        for device in domain.members:
            if device in keys:
                keys[device].append(number)
    unknown = len(network.position)
    return tuple(sorted(keys, key=lambda device: (keys[device], network.position.get(device, unknown))))


def _snakes(network: Network, devices: Sequence[str]) -> Iterator[Ring]:
    """Yield the Hamiltonian cycles of meshes that the devices could be, as far as their links really exist."""
    ordered = tuple(sorted(set(devices), key=lambda device: network.position.get(device, len(network.position))))
    shapes = [domain.shape for domain in network.fabric.domains if domain.shape and domain.members == ordered]
    shapes += [(rows, len(ordered) // rows) for rows in range(2, len(ordered) // 2 + 1) if len(ordered) % rows == 0]
    for shape in shapes:
        ring = tuple(ordered[position] for position in snake(shape))
        if all(network.link(*ends) for ends in pairwise((*ring, ring[0])) if ends[0] != ends[1]):
            yield ring


def snake(shape: Sequence[int]) -> list[int]:
    """Return positions of a mesh, last dimension fastest, in the order of a cycle; of odd by odd, of a path."""
    *leading, columns = shape
    rows = _serpentine(leading)
    if len(rows) == 1 or columns == 1:
        return [row * columns + column for row in rows for column in range(columns)]
    if len(rows) % 2:
        order = [[row * columns + column for row in rows] for column in range(columns)]  # columns take the rows' part
    else:
        order = [[row * columns + column for column in range(columns)] for row in rows]
    if len(order) % 2:
        return [item for number, line in enumerate(order) for item in (line if number % 2 == 0 else line[::-1])]
    around = [item for number, line in enumerate(order) for item in (line[1:] if number % 2 == 0 else line[:0:-1])]
    return around + [line[0] for line in reversed(order)]


def _serpentine(shape: Sequence[int]) -> list[int]:
    """Return the positions of a mesh so that neighbours in the list are neighbours in the mesh."""
    order = [0]
    for size in shape:
        order = [
            position * size + (step if number % 2 == 0 else size - 1 - step)
            for number, position in enumerate(order)
            for step in range(size)
        ]
    return order


def _disjoint_cycles(network: Network, devices: Ring) -> tuple[Ring, ...]:
    """Return Hamiltonian cycles over direct links of the devices that have no link in common, as many as are found."""
    wanted = set(devices)
    free = {device: [hop.target for hop in network.links(device) if hop.target in wanted] for device in devices}
    cycles: list[Ring] = []
    while (cycle := _cycle(free, devices[0])) is not None:
        cycles.append(cycle)
        for source, target in pairwise((*cycle, cycle[0])):
            free[source].remove(target)
            free[target].remove(source)
    return tuple(cycles)


def _cycle(free: dict[str, list[str]], start: str) -> Ring | None:
    """Return a Hamiltonian cycle, trying next the neighbour with the fewest ways on (Warnsdorff's rule)."""
    path, visited, steps = [start], {start}, 0

    def ways(vertex: str) -> int:
        return sum(1 for other in free[vertex] if other not in visited)

    waiting = [sorted((v for v in free[start]), key=ways, reverse=True)]
    while waiting and steps < _STEPS:
        steps += 1
        if not waiting[-1]:
            waiting.pop()
            visited.discard(path.pop())
            continue
        vertex = waiting[-1].pop()
        path.append(vertex)
        visited.add(vertex)
        if len(path) == len(free):
            if start in free[vertex]:
                return tuple(path)
            visited.discard(path.pop())
            continue
        waiting.append(sorted((v for v in free[vertex] if v not in visited), key=ways, reverse=True))
    return None
