"""A selection laid out on the fleet: which replicas stand on which device of which machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from aios.records.candidate import Demand, Priced
from aios.records.fleet import Fleet, Node
from aios.records.intent import Intent
from aios.records.selection import Clause, LedgerRow, Selection

__all__ = ["Site", "Standing", "capacity_row"]


class Standing(NamedTuple):
    """Parts of one intent on one device. machine: instance name · device: type name · id: of the device.

    beside: the parts stand on several devices, and this is not the first: what they take of the machine counts there
    """

    machine: str
    device: str
    id: str
    share: float
    replicas: int
    demand: Demand
    beside: bool


class Site:
    """What the clauses look at. machines: instance name -> its node · standings: in the selection's order."""

    def __init__(self, intents: Sequence[Intent], selection: Selection, fleet: Fleet) -> None:
        self.intents = intents
        self.selection = selection
        self.fleet = fleet
        self.machines = {name: node for node in fleet.nodes for name in node.instances()}
        self.standings = [
            Standing(part.node, priced.candidate.device, device, part.share, part.replicas, priced.demand, place > 0)
            for name, priced in selection.chosen.items()
            for part in selection.placement.get(name, ())
            for place, device in enumerate(part.devices)
        ]
        self._on: dict[str, list[Standing]] = {}
        for standing in self.standings:
            self._on.setdefault(standing.machine, []).append(standing)

    def on(self, machine: str) -> Sequence[Standing]:
        """Return what stands on a machine."""
        return self._on.get(machine, ())

    def chosen(self, intent: Intent) -> Priced | None:
        """Return what an intent runs as."""
        return self.selection.chosen.get(intent.name)

    def used_machines(self) -> list[tuple[str, Node]]:
        """Return the existing machines on which something stands, in fleet order."""
        return [(name, node) for name, node in self.machines.items() if name in self._on]

    def used_devices(self) -> list[tuple[str, Node, str, str]]:
        """Return the devices on which something stands: machine, its node, type, id."""
        keys = dict.fromkeys((s.machine, s.device, s.id) for s in self.standings if s.machine in self.machines)
        return [(machine, self.machines[machine], device, id_) for machine, device, id_ in sorted(keys)]

    def taken(self, amount: Callable[[Standing], float], machine: str, device: tuple[str, str] | None = None) -> float:
        """Add up an amount over the replicas on a machine, or on one device (type, id) of it."""
        return sum(
            amount(standing) * standing.replicas
            for standing in self.on(machine)
            if (not standing.beside if device is None else device == (standing.device, standing.id))
        )


def capacity_row(node: Node, what: str, text: str, used: float, capacity: float | None) -> LedgerRow:
    """Compare what is used with a capacity; one that nobody knows is shown and cannot be broken."""
    clause = Clause(id=f"capacity/{what}", intent=None, text=text, where=node.where)
    if capacity is None:
        return LedgerRow(clause=clause, value=used, slack=None, holds=True)
    return LedgerRow(clause=clause, value=used, slack=capacity - used, holds=used <= capacity)
