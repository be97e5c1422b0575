"""The act: pack.

Nodes of a kind are pooled, whole numbers are found near the relaxed ones, and spread over the nodes. Where something
found no place, nodes of that kind are taken one by one from then on: by contents, each of which does fit. Whatever is
still left over goes wherever there is room.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.solve.cpsat import Engine
from aios.solve.packing.again import pack_again
from aios.solve.packing.contents import better_content
from aios.solve.packing.mend import mend
from aios.solve.packing.problem import Content, Packing, Problem, Short, Standing
from aios.solve.packing.relaxed import Known, Lacking, relax
from aios.solve.packing.spread import Bundle, Pool, bundles_of
from aios.solve.packing.units import normal
from aios.solve.packing.whole import Whole, round_off

__all__ = ["pack"]

_ROUNDS = 6
"""Times that pools are looked at anew; each takes the nodes of some kinds one by one that were pooled before."""
_SEARCHES = 40
"""Times that contents are looked for in a round."""
_SEARCHING = 1 / 15
"""Share of the engine's allowance that may be gone when they still are looked for."""
_ROUNDING = 1 / 60
"""Share of the engine's allowance for finding whole numbers once."""


class _Spread(NamedTuple):
    """pools: of every kind of nodes · waiting: kind -> how many found no place · short: nodes whose pool promised too
    much -> the kinds left over"""

    pools: tuple[Pool, ...]
    waiting: Counter[int]
    short: Mapping[int, Sequence[int]]
    value: int
    missing: int


def pack(problem: Problem, engine: Engine) -> Packing | Short:
    """Return the packing of most value that was found, with a bound; else which required demands find no place.

    The engine's allowance limits the work, not the clock, so that the same problem gives the same packing, in whatever
    order and units it is told. Raises ValueError for values too large to be added up exactly.
    """
    own = normal(problem)
    relaxed = relax(own.problem, Known.nothing())
    if isinstance(relaxed, Lacking):
        return own.given(Short(relaxed.kinds, bool(relaxed.kinds)))  # with none the linear programme was not solved
    problem, exact = own.rounded, own.rounded == own.problem
    found, bound = _pooled(problem, relaxed.bound, engine)
    again = pack_again(problem, found.pools, found.waiting, bound, engine)
    lacking = {kind: count for kind, count in again.waiting.items() if count and problem.kinds[kind].required}
    if lacking:
        return own.given(Short(lacking, again.best and exact))
    value = sum(kind.value * (kind.number - again.waiting[index]) for index, kind in enumerate(problem.kinds))
    bound = (value if again.best else again.bound) if exact else relaxed.bound
    return own.given(Packing(tuple(_standing(problem, again.pools)), value, bound))


def _pooled(problem: Problem, bound: int, engine: Engine) -> tuple[_Spread, int]:
    """Return the best packing that pools lead to, which may leave required demands over, and a bound."""
    known, least = Known.nothing(), engine.left - _SEARCHING * engine.limits.deterministic_limit
    relaxed = relax(problem, known)
    best = _spread(problem, known.contents, Whole({}, {}, {}), engine)
    for _ in range(_ROUNDS):
        whole = None if isinstance(relaxed, Lacking) else round_off(problem, known, relaxed, engine, _ROUNDING)
        if whole is None:
            break
        found = _spread(problem, known.contents, whole, engine)
        if (-found.missing, found.value) > (-best.missing, best.value):
            best = found
        if not found.short or (not best.missing and best.value >= bound):
            break
        _learn(problem, known, found)
        bound = _search(problem, known, bound, engine, least)
        relaxed = relax(problem, known)
    return best, bound


def _learn(problem: Problem, known: Known, found: _Spread) -> None:
    """Take note of pools that promised too much: by what room in them is of no use, where only demands without
    devices were left over, else by the contents of their nodes."""
    for nodes, over in found.short.items():
        pool = problem.nodes[nodes]
        if any(problem.kinds[kind].devices for kind in over):
            own = (content for content in found.pools[nodes].contents() if content)
            known.contents[nodes] = list(dict.fromkeys(own))
            continue
        for resource in range(len(pool.has)):
            left = sum(problem.kinds[kind].takes[resource] for kind in over)
            known.spare[nodes, resource] = known.spare.get((nodes, resource), 0) + left


def _search(problem: Problem, known: Known, bound: int, engine: Engine, least: float) -> int:
    """Add contents that are worth having until there are none, or for long enough; return a bound at least as good.

    least: of the engine's allowance that must be left for this.
    The bound is Lagrange's: the relaxation's, and of every node what the best content may be worth above its price.
    """
    contents = known.contents
    may: dict[int, list[int]] = {nodes: [] for nodes in contents}
    for kind, demand in enumerate(problem.kinds):
        for nodes in {nodes for nodes, _ in demand.places} & may.keys():
            may[nodes].append(kind)
    for _ in range(_SEARCHES if contents else 0):
        if engine.left < least:
            break
        relaxed = relax(problem, known, loosest=False)
        if isinstance(relaxed, Lacking):
            break
        found = {nodes: better_content(problem, nodes, kinds, relaxed, engine) for nodes, kinds in may.items()}
        if not known.spare:
            over = sum(problem.nodes[nodes].number * own.over for nodes, own in found.items())
            bound = min(bound, math.floor(relaxed.bound + over)) if over < math.inf else bound
        new = {nodes: own.content for nodes, own in found.items() if own.content not in (None, *contents[nodes])}
        for nodes, content in new.items():
            contents[nodes].append(content or ())
        if not new:
            break
    return bound


def _spread(problem: Problem, contents: Mapping[int, Sequence[Content]], whole: Whole, engine: Engine) -> _Spread:
    """Put everything onto nodes; what a pool cannot hold goes wherever there is room."""
    pools, left = [], list[tuple[int, Bundle]]()
    for nodes in range(len(problem.nodes)):
        pool = Pool(problem, nodes)
        if nodes in contents:
            _put_contents(pool, contents[nodes], whole.contents[nodes])
        else:
            numbers = {(kind, place[1]): count for (kind, place), count in whole.stands.items() if place[0] == nodes}
            over = pool.spread(bundles_of(pool, numbers, whole.patterns))
            left += [(nodes, bundle) for bundle in mend(pool, over, engine)]
        pools.append(pool)
    short: dict[int, list[int]] = {}
    for (nodes, kind), count in sorted(Counter((n, kind) for n, bundle in left for kind in bundle.kinds).items()):
        if waiting := _elsewhere(problem, pools, kind, count):
            short.setdefault(nodes, []).extend([kind] * waiting)
    stands = Counter(kind for pool in pools for bundles in pool.stands for bundle in bundles for kind in bundle.kinds)
    waits = Counter({kind: demand.number - stands[kind] for kind, demand in enumerate(problem.kinds)})
    value = sum(problem.kinds[kind].value * count for kind, count in stands.items())
    missing = sum(count for kind, count in waits.items() if problem.kinds[kind].required)
    return _Spread(tuple(pools), waits, short, value, missing)


def _put_contents(pool: Pool, contents: Sequence[Content], numbers: Sequence[int]) -> None:
    node = 0
    for content, number in zip(contents, numbers, strict=True):
        for _ in range(number):
            pool.refill(node, content)
            node += 1


def _elsewhere(problem: Problem, pools: Sequence[Pool], kind: int, waiting: int) -> int:
    """Let demands that found no place stand on any nodes; return how many find none there either."""
    demand = problem.kinds[kind]
    for nodes, group in demand.places:
        if demand.is_shared:
            waiting = pools[nodes].join(kind, group, waiting)
        waiting = len(pools[nodes].fill([Bundle(group, demand.devices, demand.takes, (kind,))] * waiting))
        if not waiting:
            return 0
    return waiting


def _standing(problem: Problem, pools: Sequence[Pool]) -> Iterator[Standing]:
    """Number the devices that everything takes."""
    for pool in pools:
        for instance, bundles in enumerate(pool.stands):
            first = [0] * len(problem.nodes[pool.kind].groups)
            for bundle in bundles:
                devices: tuple[int, ...] = ()
                if bundle.devices:
                    devices = tuple(range(first[bundle.group], first[bundle.group] + bundle.devices))
                    first[bundle.group] += bundle.devices
                for kind in bundle.kinds:
                    yield Standing(kind, pool.kind, instance, bundle.group, devices)
