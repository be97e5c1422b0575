"""Power caps and budgets that something could break: the others are left out before anything is posed.

A cap makes options differ by what they draw, and keeps a problem from being chosen for jointly. One above what all that
may stand there could ever draw decides nothing; the checker, which sees the fleet as it is, adds it up all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from aios.records.candidate import Priced
from aios.records.fleet import Fleet, Node
from aios.records.intent import Intent
from aios.records.objective import Budget
from aios.records.where import domain_of
from aios.solve.clauses.budget import concerns
from aios.solve.contenders import keeping
from aios.solve.layout import devices_of
from aios.solve.shapes import is_capped, watts_of

__all__ = ["binding"]

Options = Mapping[str, Sequence[Priced]]


def binding(
    intents: Sequence[Intent], options: Options, fleet: Fleet, budgets: Sequence[Budget]
) -> tuple[Fleet, tuple[Budget, ...]]:
    """Return the fleet with the caps, and the budgets, that some plan could break."""
    if not (budgets or is_capped(fleet)):
        return fleet, tuple(budgets)
    rows = [keeping(intent, options.get(intent.name, ())) for intent in intents]
    kept = tuple(budget for budget in budgets if not _spent(budget, intents, rows) <= budget.bound)
    return _capped(fleet, rows) if is_capped(fleet) else fleet, kept


def _spent(budget: Budget, intents: Sequence[Intent], rows: Sequence[Sequence[Priced]]) -> float:
    """Return the most that all intents could take; endless where nobody knows."""

    def taken(priced: Priced) -> float:
        found = priced.estimates.get(budget.metric)
        return math.inf if found is None else found.high

    return _most((row for intent, row in zip(intents, rows, strict=True) if concerns(budget, intent)), taken)


def _most(rows: Iterable[Sequence[Priced]], of: Callable[[Priced], float]) -> float:
    return sum(max(map(of, row), default=0.0) for row in rows)


def _capped(fleet: Fleet, rows: Sequence[Sequence[Priced]]) -> Fleet:
    draws = _Draws(rows)
    nodes = tuple(
        node.model_copy(update={"power_cap_w": ()})
        if node.power_cap_w and draws.machine(node) <= min(node.power_cap_w)
        else node
        for node in fleet.nodes
    )
    caps = []
    for cap in fleet.power_caps:
        groups: dict[str | None, list[Node]] = {}
        for node in fleet.nodes:
            if cap.by is not None and (value := domain_of(node, cap.by)) is not None:
                groups.setdefault(value, []).append(node)
            elif cap.by is None and cap.labels.items() <= node.labels.items():
                groups.setdefault(None, []).append(node)
        if not all(draws.together(members) <= min(cap.cap_w) for members in groups.values()):
            caps.append(cap)
    return fleet.model_copy(update={"nodes": nodes, "power_caps": tuple(caps)})


class _Draws:
    """The most that machines could draw: every intent as it draws most, and every device as what draws most by the
    share of it that it takes; endless where nobody knows."""

    def __init__(self, rows: Sequence[Sequence[Priced]]) -> None:
        self.rows = rows
        self._by_node: list[dict[str, float]] = []
        self._rates: dict[tuple[str, str], float] = {}
        self._of_device: dict[str, float] = {}
        for row in rows:
            own: dict[str, float] = {}
            for priced in row:
                self._add(priced, own)
            self._by_node.append(own)

    def _add(self, priced: Priced, own: dict[str, float]) -> None:
        candidate, demand = priced.candidate, priced.demand
        watts = watts_of(priced)
        each = math.inf if watts is None else watts
        taken = demand.share * candidate.devices
        rate = each / taken if taken > 0 else math.inf if each else 0.0
        for name in candidate.nodes:
            own[name] = max(own.get(name, 0.0), each * candidate.parts)
            key = (name, candidate.device)
            self._rates[key] = max(self._rates.get(key, 0.0), rate)

    def machine(self, node: Node) -> float:
        """Return what one machine of a node draws at most."""
        devices = sum(self._rates.get((node.name, name), 0.0) * len(ids) for name, ids in devices_of(node).items())
        return min(devices, sum(own.get(node.name, 0.0) for own in self._by_node))

    def together(self, nodes: Sequence[Node]) -> float:
        """Return what all machines of some nodes draw at most together."""
        names = {node.name for node in nodes}
        every = sum(max((watts for name, watts in own.items() if name in names), default=0.0) for own in self._by_node)
        return min(every, sum(node.count * self.machine(node) for node in nodes))
