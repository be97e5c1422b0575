"""Puts the parts of a node's machines onto single ones by the packing engine, where filling left some over."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from aios.solve.cpsat import Engine
from aios.solve.joint.fill import Filled, Lot, Spot
from aios.solve.joint.stock import Stock
from aios.solve.limits import Limits
from aios.solve.packing import Kind, Nodes, Problem, Short, pack
from aios.solve.packing.problem import WHOLE

__all__ = ["packed"]

_WORK = 0.3
"""The packing engine's allowance, in deterministic seconds: what it finds at once is nearly all that it ever finds."""


def packed(stock: Stock, lots: Sequence[Lot]) -> Filled | None:
    """Return where everything stands, or what is left over; None where the packing engine cannot tell devices apart.

    It knows one number of a device. A part counts as the largest share that it takes of any of its resources.
    """
    if any(len(set(of_each)) > 1 for own in stock.devices.values() for of_each in own.has.values()):
        return None
    types, names = sorted(stock.devices), sorted(stock.has)
    groups = tuple(len(stock.devices[name].ids) for name in types)
    nodes = Nodes(tuple(stock.has[name] for name in names), groups, stock.node.count)
    kinds = tuple(_kind(stock, lot, names, types.index(lot.device)) for lot in lots)
    answer = pack(Problem((nodes,), kinds), Engine(Limits(deterministic_limit=_WORK)))
    if isinstance(answer, Short):
        left: Counter[int] = Counter()
        for kind, number in answer.kinds.items():
            left[lots[kind].intent] += number
        return Filled({}, dict(left))
    stands: Counter[tuple[int, Spot]] = Counter()
    for standing in answer.standing:
        lot = lots[standing.kind]
        stands[lot.intent, Spot(standing.instance, lot.device, standing.devices[0])] += 1
    return Filled(dict(stands), {}) if _fits(stock, lots, stands) else None


def _kind(stock: Stock, lot: Lot, names: Sequence[str], group: int) -> Kind:
    takes = tuple(lot.machine.get(name, 0) for name in names)
    if lot.wide > 1:
        return Kind(takes, lot.wide, WHOLE, ((0, group),), lot.number, 1, True)
    own = stock.devices[lot.device].has
    # Shares are rounded down, so that three thirds fill a device; ``_fits`` adds them up exactly.
    share = max(
        amount * WHOLE // own[name][0] if name == "share" else -(-amount * WHOLE // own[name][0])
        for name, amount in {"share": 1, **lot.each}.items()
    )
    return Kind(takes, 1, min(max(share, 1), WHOLE), ((0, group),), lot.number, 1, True)


def _fits(stock: Stock, lots: Sequence[Lot], stands: Counter[tuple[int, Spot]]) -> bool:
    """Say whether no device holds more than it has, in exact units."""
    of = {lot.intent: lot for lot in lots}
    used: dict[tuple[int, str, int, str], int] = defaultdict(int)
    for (intent, spot), number in stands.items():
        for name, amount in of[intent].each.items():
            for place in range(spot.first, spot.first + of[intent].wide):
                used[spot.machine, spot.device, place, name] += amount * number
    return all(amount <= stock.devices[device].has[name][place] for (_, device, place, name), amount in used.items())
