"""The ways in which a collective operation can run on given devices, per byte of its size.

A course says what its steps wait for and what they load, without constants of any library; ``collectives`` prices it.
Shares are of the operation's size (see ``collectives.SIZE_MEANS``), n is the number of devices:

- ring: n - 1 steps in which each device passes (1/n) on to the next; all-reduce does it twice. Several rings share.
- tree: up and down two binary trees, each with half of the data; inner members of one are leaves in the other ·
  chained-tree: the same over machines, with a chain through each. Libraries run them for small sizes; where they were
  measured with large ones they were no faster than rings
- hierarchical: reduce-scatter within groups, then the operation across groups on what each member holds, then
  all-gather within groups.
- bucket: in a mesh or torus, rings along each of its dimensions: an equal part of the data starts along each, then goes
  along the next (Sack and Gropp, "Collective algorithms for multiported torus networks", ACM TOPC 2015).
- in-switch: the switch adds up what it reads from all ports and sends the sum to all of them.
- one-shot: every device reads everything of every other · two-shot: reduce-scatter and all-gather without rings.
- pairwise: every device sends to every other at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, TypeVar

from aios.cost.rings import Ring, best_rings, grid_lines, groupings, ring_flows, ring_hops
from aios.cost.routing import Flow, Hop, Network, link_load, pairs_load
from aios.records.fabric import Kernels

__all__ = [
    "ALGORITHMS", "OPERATIONS", "Course", "Operation", "Phase", "Protocol", "Step", "Wire", "courses_of", "transfer",
]  # fmt: skip

Operation = Literal["all-reduce", "all-gather", "reduce-scatter", "all-to-all", "broadcast", "send-recv"]
OPERATIONS: tuple[Operation, ...] = (
    "all-reduce", "all-gather", "reduce-scatter", "all-to-all", "broadcast", "send-recv",
)  # fmt: skip
ALGORITHMS = (
    "ring", "tree", "chained-tree", "hierarchical", "bucket", "in-switch", "one-shot", "two-shot", "pairwise", "chain",
    "send-recv", "point-to-point",
)  # fmt: skip
"""Every algorithm that a course can have."""

Protocol = Literal["quick", "bulk", "in-switch"]


class Step(NamedTuple):
    """A way from a device to the next. kinds: of interconnects on it · latency: s, as the fabric states it."""

    kinds: tuple[str, ...]
    latency: float


class Wire(NamedTuple):
    """The busiest link of one kind.

    kind: of interconnect · seconds: per byte of the operation's size, at the link's full bandwidth · local: the same of
    a device's own part of the data, which loads the link only as far as the library makes it
    """

    kind: str
    seconds: float
    local: float


class Phase(NamedTuple):
    """Transfers that overlap.

    steps: how many of each; not always whole, where ways differ · wires: loaded at once · together: the steps are
    started one after another but do not wait for each other, so that their latency counts once · assumed: one of the
    links that it takes is
    """

    steps: Mapping[Step, float]
    wires: tuple[Wire, ...]
    together: bool = False
    assumed: bool = False


class Course(NamedTuple):
    """One way to run an operation. protocols: those that it can use · words: what it does, for people."""

    algorithm: str
    kernels: Kernels
    phases: tuple[Phase, ...]
    protocols: tuple[Protocol, ...]
    words: str

    def kinds(self) -> tuple[str, ...]:
        """Return every kind of interconnect that it uses, sorted."""
        steps = {kind for phase in self.phases for step in phase.steps for kind in step.kinds}
        return tuple(sorted(steps | {wire.kind for phase in self.phases for wire in phase.wires}))

    @property
    def assumed(self) -> bool:
        """Whether it rests on a link that nobody stated."""
        return any(phase.assumed for phase in self.phases)


_BOTH: tuple[Protocol, ...] = ("quick", "bulk")
Key = TypeVar("Key")
_PASSES: Mapping[Operation, int] = {"all-reduce": 2, "all-gather": 1, "reduce-scatter": 1}


def transfer(network: Network, source: str, target: str) -> Course:
    """Return the course of sending from one device to another."""
    phase = _flowing(network, [Flow(source, target, 1.0)], {(source, target): 1.0})
    return Course("point-to-point", "pairwise", (phase,), _BOTH, f"from {source} to {target}")


def courses_of(network: Network, devices: Sequence[str], operation: Operation) -> Iterator[Course]:
    """Yield every course of an operation on at least two devices. Raises InputError where nothing joins them."""
    if operation == "send-recv":
        yield _shift(network, devices)
    elif operation == "all-to-all":
        yield _pairwise(network, devices)
    else:
        rings = best_rings(network, devices)
        groups = groupings(network, devices)
        if operation == "broadcast":
            yield from _broadcasts(network, devices, rings[0])
            return
        yield _ring(network, rings, _PASSES[operation])
        for grouping in groups:
            yield _hierarchical(network, grouping, _PASSES[operation])
        if lines := grid_lines(network, devices):
            yield _bucket(network, lines, _PASSES[operation])
        if operation == "all-reduce":
            yield _tree(network, "tree", [(device,) for device in rings[0]])
            if len(machines := _machines(rings[0])) > 1:
                yield _tree(network, "chained-tree", machines)
            yield from _in_switch(network, rings[0])
            yield from _direct(network, rings[0])


Load = Mapping[tuple[str, str], float]  # (source, target) of a link -> bytes per byte of the size


def _phase(network: Network, load: Load, steps: Mapping[Step, float], local: float = 0.0) -> Phase:
    """Return the phase that loads links so. local: share of the size."""
    wires: dict[tuple[str, bool], Wire] = {}
    assumed = False
    for (source, target), carried in load.items():
        hop = network.link(source, target)
        assert hop is not None, "a flow follows links"
        assumed = assumed or hop.assumed
        port = source in network.devices or target in network.devices
        wire = Wire(hop.kind, carried / hop.bandwidth, local / hop.bandwidth if port else 0.0)
        known = wires.get((hop.kind, port))
        if known is None or known.seconds + known.local < wire.seconds + wire.local:
            wires[hop.kind, port] = wire
    return Phase(steps, tuple(wires[key] for key in sorted(wires)), assumed=assumed)


def _flowing(
    network: Network, flows: Iterable[Flow], ways: Mapping[tuple[str, str], float], local: float = 0.0
) -> Phase:
    """Return the phase of some flows. ways: (source, target) -> steps that take this way · local: share of the size."""
    return _phase(network, link_load(network, flows), _steps(network, ways), local)


def _steps(network: Network, ways: Mapping[tuple[str, str], float]) -> dict[Step, float]:
    """Return how many steps there are of each kind. ways: (source, target) -> steps that take this way."""
    steps: dict[Step, float] = {}
    for ends, count in ways.items():
        step = _step(network.route(*ends))
        steps[step] = steps.get(step, 0.0) + count
    return steps


def _step(route: Sequence[Hop]) -> Step:
    return Step(tuple(sorted({hop.kind for hop in route})), sum(hop.latency for hop in route))


def _around(network: Network, rings: Sequence[tuple[str, ...]], passes: float, local: bool = True) -> Phase:
    """Return the phase in which rings share the data: every member passes it on n - 1 times, ``passes`` times over."""
    n = len(rings[0])
    ways = dict.fromkeys(pairwise((*rings[0], rings[0][0])), passes * (n - 1) / n)
    return _flowing(network, ring_flows(rings, passes * (n - 1) / n), ways, passes / n if local else 0.0)


def _ring(network: Network, rings: Sequence[tuple[str, ...]], passes: int) -> Course:
    crossing = max(len(route) for route in ring_hops(network, rings[0]))
    many = f"{len(rings)} rings" if len(rings) > 1 else "a ring"
    words = f"{many} of {len(rings[0])} devices, at most {crossing} links from one to the next"
    return Course("ring", "ring", (_around(network, rings, passes),), _BOTH, words)


def _hierarchical(network: Network, groups: Sequence[tuple[str, ...]], passes: int) -> Course:
    """Return the course within groups, across groups, within groups; across, as many rings as a group has members."""
    size, n = len(groups[0]), sum(map(len, groups))
    inner = [best_rings(network, group) for group in groups]
    flows = [flow for rings in inner for flow in ring_flows(rings, passes * (size - 1) / size)]
    ways = dict.fromkeys(pairwise((*inner[0][0], inner[0][0][0])), passes * (size - 1) / size)
    within = _flowing(network, flows, ways, passes / n)
    count = len(groups)
    across = [tuple(group[rank] for group in groups) for rank in range(size)]
    crossing = [flow for ring in across for flow in ring_flows([ring], passes * (count - 1) / count / size)]
    ways = dict.fromkeys(pairwise((*across[0], across[0][0])), passes * (count - 1) / count)
    words = f"rings within {count} groups of {size}, and {size} rings across them"
    return Course("hierarchical", "ring", (within, _flowing(network, crossing, ways)), _BOTH, words)


def _bucket(network: Network, dimensions: Sequence[Sequence[Ring]], passes: int) -> Course:
    """Return the course in which each of as many parts as there are dimensions takes these in an order of its own."""
    sizes = [len(lines[0]) for lines in dimensions]
    count, longest = len(sizes), max(dimensions, key=lambda lines: len(lines[0]))[0]
    steps = _steps(network, dict.fromkeys(pairwise((*longest, longest[0])), passes * (1 - 1 / len(longest))))
    phases: list[Phase] = []
    for turn in range(count):
        flows: list[Flow] = []
        for start in range(count):
            axis = (start + turn) % count
            left = passes / count / math.prod(sizes[(start + before) % count] for before in range(turn))
            for line in dimensions[axis]:
                flows += ring_flows((line, line[::-1]), left * (1 - 1 / sizes[axis]))
        phases.append(_phase(network, link_load(network, flows), steps, passes / math.prod(sizes) / count))
    words = f"rings along {' x '.join(map(str, sizes))} devices, every dimension at once"
    return Course("bucket", "ring", tuple(phases), _BOTH, words)


def _machines(devices: Sequence[str]) -> list[tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for device in devices:
        found.setdefault(device.rpartition("/")[0], []).append(device)
    return [tuple(members) for members in found.values()]


def _tree(network: Network, algorithm: str, groups: Sequence[tuple[str, ...]]) -> Course:
    """Return the course over two binary trees of groups; within a group data goes along a chain."""
    flows: list[Flow] = []
    depth: Mapping[tuple[str, str], float] = {}
    for order in (list(groups), [group[::-1] for group in reversed(groups)]):
        for position, group in enumerate(order):
            chain = list(pairwise(group))
            if position:
                chain.append((order[(position - 1) // 2][0], group[0]))
            flows += [Flow(*ends, 0.5) for pair in chain for ends in (pair, pair[::-1])]
        depth = depth or _down(order)
    words = f"two trees of {len(groups)} {'devices' if algorithm == 'tree' else 'machines'}"
    return Course(algorithm, "ring", (_flowing(network, flows, dict.fromkeys(depth, 2.0)),), ("quick",), words)


def _down(order: Sequence[tuple[str, ...]]) -> Mapping[tuple[str, str], float]:
    """Return the way from the root of a binary tree of groups to its last leaf."""
    ways, position = dict.fromkeys(pairwise(order[-1]), 1.0), len(order) - 1
    while position:
        above = (position - 1) // 2
        ways[order[above][0], order[position][0]] = 1.0
        position = above
    return ways


def _in_switch(network: Network, devices: Sequence[str]) -> Iterator[Course]:
    """Yield the course in which a switch that all devices are plugged into adds up: (n + 1) / n through every port."""
    n = len(devices)
    common = set.intersection(*({hop.target for hop in network.links(device)} for device in devices))
    for switch in sorted(common - network.devices, key=lambda vertex: network.position[vertex]):
        ports = [hop for device in devices if (hop := network.link(device, switch)) is not None]
        slowest = min(ports, key=lambda hop: hop.bandwidth)
        wire = Wire(slowest.kind, (n + 1) / n / slowest.bandwidth, 0.0)
        phase = Phase({_step(ports[:1]): 2.0}, (wire,), assumed=any(hop.assumed for hop in ports))
        yield Course("in-switch", "ring", (phase,), ("in-switch",), f"the switch adds up for {n} devices")


def _direct(network: Network, devices: Sequence[str]) -> Iterator[Course]:
    """Yield the courses of kernels that read their peers' memory: all of it at once, or a part of each and again."""
    n, whole = len(devices), pairs_load(network, devices)
    steps = _steps(network, {(devices[0], other): 1.0 for other in devices[1:]})
    at_once = _phase(network, whole, steps)._replace(together=True)
    yield Course("one-shot", "direct", (at_once,), ("quick",), f"each of {n} devices reads all of the others'")
    parts = _phase(network, _times(whole, 2 / n), steps)._replace(together=True)
    yield Course("two-shot", "direct", (parts,), ("bulk",), f"each of {n} devices reads its part of all, twice")


def _pairwise(network: Network, devices: Sequence[str]) -> Course:
    n = len(devices)
    load = _times(pairs_load(network, devices), 1 / n)
    phase = _phase(network, load, _times(_pair_steps(network, devices), 1 / n), 1 / n)
    words = f"each of {n} devices sends to every other at once"
    return Course("pairwise", "pairwise", (phase._replace(together=True),), _BOTH, words)


def _times(counts: Mapping[Key, float], by: float) -> dict[Key, float]:
    return {key: count * by for key, count in counts.items()}


def _pair_steps(network: Network, devices: Sequence[str]) -> Mapping[Step, float]:
    """Return how many ordered pairs of devices have each way between them."""
    steps = dict[Step, float]()
    longer: dict[tuple[Step, str], tuple[str, ...]] = {}
    for source in devices:
        for last, reached in network.routes(source, devices):
            to, wanted = {source: Step((), 0.0)}, set(reached)
            for vertex, hop in last.items():
                before = to[hop.source]
                if (kinds := longer.get((before, hop.kind))) is None:
                    kinds = longer[before, hop.kind] = tuple(sorted({*before.kinds, hop.kind}))
                step = to[vertex] = Step(kinds, before.latency + hop.latency)
                if vertex in wanted:
                    steps[step] = steps.get(step, 0.0) + 1.0
    return steps


def _shift(network: Network, devices: Sequence[str]) -> Course:
    """Return the course in which every device sends to the next in the given order, and the last to the first."""
    pairs = list(pairwise((*devices, devices[0])))
    phase = _flowing(network, (Flow(*ends, 1.0) for ends in pairs), {})
    slowest = max((_step(network.route(*ends)) for ends in pairs), key=lambda step: (step.latency, step.kinds))
    words = f"each of {len(devices)} devices sends to the next"
    return Course("send-recv", "pairwise", (phase._replace(steps={slowest: 1.0}),), _BOTH, words)


def _broadcasts(network: Network, devices: Sequence[str], ring: tuple[str, ...]) -> Iterator[Course]:
    """Yield the courses from the first of the given devices to all others: a pipelined chain, a binary tree."""
    start = ring.index(devices[0])
    chain = (*ring[start:], *ring[:start])
    pairs = list(pairwise(chain))
    phase = _flowing(network, (Flow(*ends, 1.0) for ends in pairs), dict.fromkeys(pairs, 1.0))
    yield Course("chain", "ring", (phase,), _BOTH, f"a chain of {len(chain)} devices")
    branches = [(chain[(position - 1) // 2], chain[position]) for position in range(1, len(chain))]
    ways = _down([(device,) for device in chain])
    tree = _flowing(network, (Flow(*ends, 1.0) for ends in branches), ways)
    yield Course("tree", "ring", (tree,), _BOTH, f"a binary tree of {len(chain)} devices")
