"""The best split along a chain: sets of blocks, each within the next; what is new in one goes to one device.

Where each set holds, with a block, all that it takes from (an ideal of the order), the split is contiguous, and a
dynamic programme over all ideals finds the best one (Tarnawski et al., section 5.1). Where there are too many, those
that are the beginnings of one order stand for them.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from aios.solve.sharding.blocks import Blocks
from aios.solve.sharding.problem import Device

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

__all__ = ["Chain", "Ideals", "Order", "ideals_of", "is_whole", "orders_of", "split"]

_MOST_WORK = 10**10
"""Pairs of ideals, times blocks and nets, up to which all of them are looked at: seconds."""


_MOST_STATES = 2 * 10**6
"""Numbers of devices used of each kind, times sets of the chain, up to which all are looked at: about 50 MB."""


class Steps(NamedTuple):
    """Steps of a chain from one set.

    later: the sets they lead to · loads: of each kind of devices, by later set, of one that holds what is new, in
    seconds, infinite where it cannot
    """

    later: NDArray[numpy.intp]
    loads: Sequence[NDArray[numpy.float64]]


class Order:
    """The beginnings of an order, the shortest first."""

    def __init__(self, blocks: Blocks, order: Sequence[int]) -> None:
        self.blocks = blocks
        self.order = order
        self.count = len(order) + 1

    def new(self, earlier: int, later: int) -> Sequence[int]:
        """Return the blocks of a set that are not of an earlier one."""
        return self.order[earlier:later]

    def steps(self) -> Iterator[Steps]:
        """Yield the steps from every set but the last."""
        import numpy as np

        count, nets = len(self.order), self.blocks.nets
        place = {block: index for index, block in enumerate(self.order)}
        pins = [sorted((place[block] for block in net.blocks), reverse=True) for net in nets]
        nearest = np.array([own[-1] for own in pins], dtype=np.intp)
        first, last = nearest.copy(), np.array([own[0] for own in pins], dtype=np.intp)
        cost = np.array([net.transfer for net in nets])
        at: list[list[int]] = [[] for _ in self.order]
        for net, own in enumerate(pins):
            for pin in own:
                at[pin].append(net)
        blocks = [self.blocks.blocks[block] for block in self.order]
        memory = list(itertools.accumulate((block.memory for block in blocks), initial=0))
        for start in range(count):
            begun = last >= start
            whole = first >= start
            paid = np.bincount(nearest[begun], cost[begun], count) - np.bincount(last[whole], cost[whole], count)
            paid = np.cumsum(paid)[start:]
            loads = []
            for kind, devices in enumerate(self.blocks.devices):
                load = np.cumsum([block.seconds[kind] for block in blocks[start:]])
                load = load + paid if devices.pays else load
                if devices.memory is not None:
                    most = devices.memory + memory[start]
                    load[np.array([there > most for there in memory[start + 1 :]], dtype=bool)] = np.inf
                loads.append(load)
            yield Steps(np.arange(start + 1, count + 1), loads)
            for net in at[start]:
                pins[net].pop()
                nearest[net] = pins[net][-1] if pins[net] else count


class Ideals:
    """All ideals of the order, the smallest first."""

    def __init__(self, blocks: Blocks, ideals: Sequence[int]) -> None:
        self.blocks = blocks
        self.ideals = ideals
        self.count = len(ideals)

    def new(self, earlier: int, later: int) -> Sequence[int]:
        """Return the blocks of a set that are not of an earlier one."""
        mask = self.ideals[later] & ~self.ideals[earlier]
        return [block for block in range(len(self.blocks.blocks)) if mask >> block & 1]

    def steps(self) -> Iterator[Steps]:
        """Yield the steps from every set but the last."""
        import numpy as np

        blocks, nets = self.blocks.blocks, self.blocks.nets
        held = np.array(
            [[bool(ideal >> block & 1) for block in range(len(blocks))] for ideal in self.ideals], dtype=bool
        )
        within = np.zeros((len(blocks), len(nets)))
        for index, net in enumerate(nets):
            within[list(net.blocks), index] = 1
        cost, size = np.array([net.transfer for net in nets]), np.array([len(net.blocks) for net in nets])
        seconds = np.array([block.seconds for block in blocks]).reshape(len(blocks), -1)
        never, finite = np.isinf(seconds), np.where(np.isinf(seconds), 0.0, seconds)
        for start in range(self.count - 1):
            later = start + 1 + np.flatnonzero(~(~held[start + 1 :] & held[start]).any(axis=1))
            new = (held[later] & ~held[start]).astype(float)
            there = new @ within
            paid = ((there > 0) & (there < size)) @ cost
            times = np.where(new @ never > 0, np.inf, new @ finite)
            memory = [sum(blocks[block].memory for block in self.new(start, int(end))) for end in later]
            loads = []
            for kind, devices in enumerate(self.blocks.devices):
                load = times[:, kind] + paid if devices.pays else times[:, kind].copy()
                load[np.array([not self.blocks.fits(kind, own) for own in memory], dtype=bool)] = np.inf
                loads.append(load)
            yield Steps(later, loads)


Chain = Order | Ideals


def orders_of(blocks: Blocks) -> list[Order]:
    """Return orders in which every block follows all that it takes from: layer by layer, and branch by branch from
    either end. Where blocks follow each other in a circle, as nearly so as their numbers say."""
    count = len(blocks.blocks)
    backward = tuple((target, source) for source, target in blocks.follows)
    layers = _ordered(count, blocks.follows, deep=False)
    branches = _ordered(count, blocks.follows, deep=True)
    ends = list(reversed(_ordered(count, backward, deep=True)))
    return [Order(blocks, list(order)) for order in dict.fromkeys(map(tuple, (layers, branches, ends)))]


def _ordered(count: int, follows: Sequence[tuple[int, int]], *, deep: bool) -> list[int]:
    after: list[list[int]] = [[] for _ in range(count)]
    waits = [0] * count
    for source, target in follows:
        after[source].append(target)
        waits[target] += 1
    found: list[int] = []
    ready = [(0, block) for block in range(count) if not waits[block]]
    heapq.heapify(ready)
    left = set(range(count))
    while left:
        _, block = heapq.heappop(ready) if ready else (0, min(left))
        if block not in left:
            continue
        left.remove(block)
        found.append(block)
        for target in after[block]:
            waits[target] -= 1
            if not waits[target]:
                heapq.heappush(ready, (-len(found) if deep else len(found), target))
    return found


def ideals_of(blocks: Blocks) -> Ideals | None:
    """Return all ideals of a graph without circles, or None where there are too many to look at every pair."""
    count = len(blocks.blocks)
    before = [0] * count
    for source, target in blocks.follows:
        before[target] |= 1 << source
    most = math.isqrt(_MOST_WORK // (count * (len(blocks.nets) + 1)))
    found, level = [0], [0]
    while level:
        wider = {
            ideal | 1 << block
            for ideal in level
            for block in range(count)
            if not ideal >> block & 1 and before[block] & ~ideal == 0
        }
        level = sorted(wider)
        found += level
        if len(found) > most:
            return None
    return Ideals(blocks, found)


def is_whole(chain: Chain) -> bool:
    """Say whether a split along a chain may use as many devices of each kind as there are, or as it has blocks."""
    blocks = len(chain.blocks.blocks)
    return all(used >= min(own.number, blocks) for used, own in zip(_used(chain), chain.blocks.devices, strict=True))


def _used(chain: Chain) -> list[int]:
    """Return how many devices of each kind a split may use: fewer of the most numerous where there are too many."""
    used = [min(own.number, len(chain.blocks.blocks)) for own in chain.blocks.devices]
    while max(used) > 1 and math.prod(number + 1 for number in used) * chain.count > _MOST_STATES:
        used[used.index(max(used))] -= 1
    return used


def split(chain: Chain) -> list[Device] | None:
    """Return the device of each block in the split along a chain with the smallest largest load; None if none fits."""
    import numpy as np

    states = list(itertools.product(*(range(number + 1) for number in _used(chain))))
    best = {state: np.full(chain.count, np.inf) for state in states}
    came = {state: np.zeros((chain.count, 2), dtype=np.intp) for state in states}
    best[states[0]][0] = 0.0
    for start, (later, loads) in enumerate(chain.steps()):
        for state in states:
            if best[state][start] == np.inf:
                continue
            for kind, load in enumerate(loads):
                after = (*state[:kind], state[kind] + 1, *state[kind + 1 :])
                if after not in best:
                    continue
                value = np.maximum(best[state][start], load)
                better = value < best[after][later]
                best[after][later[better]] = value[better]
                came[after][later[better]] = (start, kind)
    state = min(states, key=lambda own: (best[own][-1], own))
    if best[state][-1] == np.inf:
        return None
    return _traced(chain, came, state)


def _traced(chain: Chain, came: dict[tuple[int, ...], NDArray[numpy.intp]], state: tuple[int, ...]) -> list[Device]:
    """Return the device of each block, from where each step of the best chain came."""
    placed: list[Device] = [(0, 0)] * len(chain.blocks.blocks)
    end = chain.count - 1
    while end:
        start, kind = (int(value) for value in came[state][end])
        state = (*state[:kind], state[kind] - 1, *state[kind + 1 :])
        for block in chain.new(start, end):
            placed[block] = (kind, state[kind])
        end = start
    return placed
