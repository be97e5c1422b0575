"""Packing a few nodes again: all that stands on them and all that waits, exactly, so that more may stand there.

Where there are few nodes all are packed at once, which proves the packing best. Otherwise those are taken that have
something free, a few at a time beside others that may exchange with them, until that gains nothing any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aios.solve.cpsat import Engine, Model
from aios.solve.packing.core import core_content
from aios.solve.packing.nodes import Node, add_node, told
from aios.solve.packing.problem import WHOLE, Content, Problem, held
from aios.solve.packing.spread import Pool

__all__ = ["Packed", "pack_again"]

_FEW = 20
_SMALL = 600
"""Nodes, and nodes times kinds, up to which all nodes are packed at once: more that are alike cannot be told apart."""
_ALL = 1 / 6
"""Share of the engine's allowance for all nodes at once."""
_ENOUGH = 1 / 20
"""Share of it for all times that a few are packed."""
_WORK = 1 / 1200
"""Share of the engine's allowance for a few nodes once."""
_TOGETHER = 6
"""Nodes that are packed at a time."""
_PATIENCE = 3
"""Times that each node with something free is tried in vain, beside others each time."""
_NEAR = 1e-5
"""How near to the bound a value is, as a share of it, for the nodes to be left as they are: no search is worth that."""
_GOLDEN = 0.618034
"""Steps of this share of a circle come close to every point of it, and to none soon again."""

Single = tuple[int, int]
"""Index of the nodes, and which of them."""


class Packed(NamedTuple):
    """pools: of every kind of nodes · waiting: kind -> how many stand nowhere · best: whether nothing better exists ·
    bound: no packing of all required demands is worth more"""

    pools: Sequence[Pool]
    waiting: Counter[int]
    best: bool
    bound: int


class _Gain(NamedTuple):
    """gain: in worth · proved: whether no more could be gained there · bound: of the value of all that may stand there,
    None where there is none"""

    gain: int
    proved: bool
    bound: int | None = None


def pack_again(problem: Problem, pools: Sequence[Pool], waiting: Counter[int], bound: int, engine: Engine) -> Packed:
    """Return a packing at least as good. bound: no packing is worth more"""
    every = [(pool.kind, node) for pool in pools for node in range(len(pool.stands))]
    if len(every) == 1 and not any(kind.devices for kind in problem.kinds):
        _fill_alone(problem, pools[every[0][0]], waiting, engine)
    if len(every) <= _FEW and len(every) * len(problem.kinds) <= _SMALL:
        last = _again(problem, pools, waiting, waiting, every, engine, _ALL)
        return Packed(pools, waiting, last.proved, bound if last.bound is None else min(bound, last.bound))
    stop = engine.left - _ENOUGH * engine.limits.deterministic_limit
    better = _better(problem)
    failed, step, targets = 0, 0, _targets(problem, pools, waiting)
    while targets and failed < _PATIENCE * len(targets) and engine.left > stop:
        if _is_best(problem, waiting, bound, _NEAR):
            break
        chosen = _beside(targets, every, step)
        useful = _useful(problem, waiting, chosen, better)
        gain = _again(problem, pools, waiting, useful, chosen, engine, _WORK)
        step += 1
        failed += 1
        if gain.gain:
            failed, targets = 0, _targets(problem, pools, waiting)
    return Packed(pools, waiting, _is_best(problem, waiting, bound), bound)


def _fill_alone(problem: Problem, pool: Pool, waiting: Counter[int], engine: Engine) -> None:
    """Let the only node hold something worth more, if something is found."""
    old, new = pool.content(0), core_content(problem, pool.kind, engine)
    if new is None:
        return
    change = held(new)
    change.subtract(held(old))
    stock = held(old) + waiting
    if sum(_worth(problem, stock, kind) * count for kind, count in change.items()) > 0:
        pool.refill(0, new)
        waiting.subtract(change)


def _is_best(problem: Problem, waiting: Counter[int], bound: int, near: float = 0.0) -> bool:
    if any(count and problem.kinds[kind].required for kind, count in waiting.items()):
        return False
    value = sum(kind.value * (kind.number - waiting[index]) for index, kind in enumerate(problem.kinds))
    return value >= bound * (1 - near)


def _better(problem: Problem) -> list[list[int]]:
    """Return, of each kind, the others that may stand instead wherever it may, take no more and are worth no less."""
    found: list[list[int]] = []
    for kind, demand in enumerate(problem.kinds):
        own = []
        for other, instead in enumerate(problem.kinds):
            alike = instead[1:3] == demand[1:3] and instead.required == demand.required
            if (
                other == kind
                or not alike
                or instead.value < demand.value
                or not set(demand.places) <= set(instead.places)
            ):
                continue
            if all(map(int.__le__, instead.takes, demand.takes)) and (other < kind or instead.takes != demand.takes):
                own.append(other)
        found.append(own)
    return found


def _useful(
    problem: Problem, waiting: Counter[int], chosen: Sequence[Single], better: Sequence[Sequence[int]]
) -> Counter[int]:
    """Return of what waits what may stand on some nodes, without that of which enough is better."""
    here = {nodes for nodes, _ in chosen}
    kinds = problem.kinds
    may = {kind for kind, count in waiting.items() if count and any(nodes in here for nodes, _ in kinds[kind].places)}
    room = sum(max((*problem.nodes[nodes].groups, 1)) for nodes, _ in chosen)
    enough = {kind: room * (WHOLE // kinds[kind].share if kinds[kind].is_shared else 1) for kind in may}
    return Counter(
        {
            kind: waiting[kind]
            for kind in sorted(may)
            if sum(waiting[other] for other in better[kind] if other in may) < enough[kind]
            and (kinds[kind].value or kinds[kind].required)
        }
    )


def _beside(targets: Sequence[Single], every: Sequence[Single], step: int) -> list[Single]:
    """Return nodes to pack together: one with something free, in turn, some more of those, and some others."""
    turn, place = divmod(step, len(targets))
    chosen = [targets[place]]
    chosen += (targets[(place + hop * (turn + 1)) % len(targets)] for hop in range(1, _TOGETHER // 2))
    same = [single for single in every if single[0] == targets[place][0]]
    for hop in range(_TOGETHER):
        among = same if hop % 2 == 0 else every
        chosen.append(among[int(len(among) * ((_GOLDEN * (step * _TOGETHER + hop)) % 1.0))])
    return list(dict.fromkeys(chosen))[:_TOGETHER]


def _targets(problem: Problem, pools: Sequence[Pool], waiting: Counter[int]) -> list[Single]:
    """Return the nodes where something that waits may stand and that have something free, most free first."""
    wanted = {nodes for kind, count in waiting.items() if count for nodes, _ in problem.kinds[kind].places}
    missing = any(count and problem.kinds[kind].required for kind, count in waiting.items())
    rated = []
    for pool in pools:
        for node in range(len(pool.stands)) if pool.kind in wanted else ():
            free = _free_devices(problem, pool, node)
            if free or missing or not any(pool.problem.nodes[pool.kind].groups):
                rated.append((-free, -pool.room(node), (pool.kind, node)))
    return [single for _, _, single in sorted(rated)[:_MOST_TARGETS]]


_MOST_TARGETS = 60


def _free_devices(problem: Problem, pool: Pool, node: int) -> float:
    """Return how many devices of a node are free, shares of those that are shared included."""
    free = float(sum(pool.devices[node]))
    for bundle in pool.stands[node]:
        if bundle.devices == 1:
            room = problem.nodes[pool.kind].room(bundle.group)
            free += max(0, room - sum(problem.kinds[kind].share for kind in bundle.kinds)) / WHOLE
    return free


def _again(
    problem: Problem,
    pools: Sequence[Pool],
    waiting: Counter[int],
    useful: Counter[int],
    chosen: Sequence[Single],
    engine: Engine,
    share: float,
) -> _Gain:
    """Pack some nodes again, and return what that gained.

    useful: of what waits, what may stand there
    """
    old = [pools[nodes].content(node) for nodes, node in chosen]
    standing = sum((held(content) for content in old), Counter[int]())
    stock = standing + useful
    model = Model()
    nodes = [add_node(problem, model, kind, stock) for kind, _ in chosen]
    worth = {kind: _worth(problem, stock, kind) for kind in stock}
    for kind, number in stock.items():
        model.linear([(v, 1) for node in nodes for (own, _), v in node.numbers.items() if own == kind], high=number)
    model.minimize([(v, -worth[kind]) for node in nodes for (kind, _), v in node.numbers.items()])
    model.hint(_hint(problem, nodes, old))
    answer = engine.solve(model, share, numbers=True)
    proved = answer.status == "optimal"
    if not answer.values or answer.bound is None:
        return _Gain(0, False)
    bound = -answer.bound - sum((worth[kind] - problem.kinds[kind].value) * stock[kind] for kind in stock)
    new = [told(problem, node, answer.values) for node in nodes]
    now = sum((held(content) for content in new), Counter[int]())
    gain = sum(worth[kind] * (now[kind] - standing[kind]) for kind in stock)
    if gain <= 0:
        return _Gain(0, proved, bound)
    for (pool, node), content in zip(chosen, new, strict=True):
        pools[pool].refill(node, content)
    waiting.update(standing)
    waiting.subtract(now)
    return _Gain(gain, proved, bound)


def _worth(problem: Problem, stock: Counter[int], kind: int) -> int:
    """Return what a demand counts: a required one more than all that need not stand."""
    demand = problem.kinds[kind]
    if not demand.required:
        return demand.value
    others = sum(problem.kinds[other].value * count for other, count in stock.items())
    return demand.value + others + 1


def _hint(problem: Problem, nodes: Sequence[Node], old: Sequence[Content]) -> list[int]:
    values: dict[int, int] = {}
    for node, content in zip(nodes, old, strict=True):
        values |= dict(_hints(problem, node, content))
    return [values[variable] for variable in sorted(values)]


def _hints(problem: Problem, node: Node, content: Content) -> Iterator[tuple[int, int]]:
    numbers = Counter((kind, group) for group, own in content for kind in own)
    yield from ((variable, numbers[key]) for key, variable in node.numbers.items())
    for group, devices in node.shared.items():
        shared = [own for place, own in content if place == group and problem.kinds[own[0]].is_shared]
        for device, own in zip(devices, [*shared, *[()] * len(devices)], strict=False):
            sizes = Counter(problem.kinds[kind].share for kind in own)
            yield device.used, int(bool(own))
            yield from ((variable, sizes[size]) for size, variable in device.shares.items())
