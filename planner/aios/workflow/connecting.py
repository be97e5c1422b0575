"""hardware topology: how the machines that somebody asks about are connected, and their best-connected devices."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios import catalogue
from aios.records.errors import Diagnostic, InputError
from aios.records.fabric import Fabric, InterconnectType
from aios.records.fleet import Fleet, Node
from aios.workflow.reading import fleet_of
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.fleet.topology.sets import DeviceSet

__all__ = ["MOST_SHOWN", "MOST_SOUGHT", "Connected", "connected", "read_interconnects"]

MOST_SHOWN = 64
"""Machines that are shown one by one; of more, one of each node is."""

MOST_SOUGHT = 4_096
"""Devices among which a best-connected set is looked for; a search takes a second, in large meshes and tori ten."""


@dataclass(frozen=True)
class Connected:
    """A fleet and the connections of some of its machines.

    machines: that were expanded, name -> node · all: how many machines there are
    """

    fleet: Fleet
    fabric: Fabric
    machines: Mapping[str, Node]
    all: int

    def graphml(self) -> str:
        """Return the connections as a GraphML file."""
        from aios.fleet.topology.graph import graphml

        return graphml(self.fabric)

    def free(self, named: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the devices that sets may take: those named; else all accelerators that nothing uses.

        named: devices (``t4-0/1``), machines, or ids where only one machine is looked at. Raises InputError.
        """
        if not named:
            return tuple(name for machine in self.machines for name in self.accelerators(machine, unused=True))
        found: list[str] = []
        wrong: list[Diagnostic] = []
        known = set(self.fabric.devices)
        for name in named:
            machine, slash, id_ = name.partition("/")
            full = f"{next(iter(self.machines))}/{name}" if len(self.machines) == 1 else name
            full = f"{_machine(self.fleet, machine)}/{id_}" if slash else full
            if (whole := _machine(self.fleet, name)) in self.machines:
                found += self.accelerators(whole)
            elif full in known:
                found.append(full)
            else:
                wrong.append(_no_device(name, self.fabric.devices))
        if wrong:
            raise InputError(*wrong)
        return tuple(dict.fromkeys(found))

    def accelerators(self, machine: str, unused: bool = False) -> tuple[str, ...]:
        """Return the devices of a machine that are no cpus; the cpus of one that has no other."""
        from aios.fleet.topology.representatives import accelerators

        node = self.machines[machine]
        ids = accelerators(node, self.fleet)
        return tuple(f"{machine}/{it}" for it in ids if not unused or node.free_share(it) == 1.0)

    def best_sets(self, size: int, free: Collection[str], most: int = 3) -> tuple[DeviceSet, ...]:
        """Return the best-connected sets of free devices. Raises InputError where there is none, with the reason."""
        from aios.fleet.topology.sets import best_sets, largest_set

        found = best_sets(self.fabric, size, set(free), most)
        if not found:
            raise InputError(_none(size, len(set(free)), largest_set(self.fabric, set(free))))
        return found

    def described(self, devices: Sequence[str]) -> DeviceSet:
        """Return how given devices are connected, in the given order; without a level where nothing holds them all."""
        from aios.fleet.topology.sets import DeviceSet, best_sets

        found = best_sets(self.fabric, len(devices), set(devices))
        unknown = DeviceSet(tuple(devices), "", None, None, None, ())
        return found[0]._replace(devices=tuple(devices)) if found else unknown


def connected(setting: Setting, machine: str | None, size: int | None, free: Sequence[str]) -> Connected:
    """Read the fleet and expand what is asked about.

    machine: the only one to look at, by the name of it or of its node · size: of the sets that are looked for, None if
    none are · free: devices or machines that these may take. Raises InputError.
    """
    from aios.fleet.topology.fabric import fabric_of, machine_named

    fleet = fleet_of(setting)
    names = _machines(fleet, machine, size, free)
    nodes = {node.name: node for node in fleet.nodes}
    inside = {"topology": (), "links": tuple(link for link in fleet.links if "/" in link.ends[0])}
    looked_at = fleet if machine is None else fleet.model_copy(update=inside)
    fabric = fabric_of(looked_at, read_interconnects(), names)
    found = {name: machine_named(nodes, name) for name in names}
    machines = {name: at[0] for name, at in found.items() if at}
    return Connected(fleet, fabric, machines, sum(node.count for node in fleet.nodes))


def read_interconnects() -> Mapping[str, InterconnectType]:
    """Return the kinds of interconnects that ship with aios."""
    from aios.fleet.interconnects import load_interconnects

    return load_interconnects(catalogue.root() / "hardware" / "interconnects.yaml")


def _machines(fleet: Fleet, machine: str | None, size: int | None, free: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the machines to expand."""
    from aios.fleet.topology.representatives import representatives

    if machine is not None:
        return (_machine(fleet, machine),)
    named = dict.fromkeys(name.split("/", maxsplit=1)[0] for name in free)
    if named and not (len(fleet.nodes) == 1 and fleet.nodes[0].count == 1):
        return tuple(_machine(fleet, name) for name in named)
    if size is not None:
        if size > MOST_SOUGHT:
            raise InputError(f"sets of {size:,} devices are not looked for (at most {MOST_SOUGHT:,})")
        return representatives(fleet, size, MOST_SOUGHT)
    if sum(node.count for node in fleet.nodes) <= MOST_SHOWN:
        return tuple(name for node in fleet.nodes for name in node.instances())
    return tuple(node.name if node.count == 1 else f"{node.name}-0" for node in fleet.nodes)


def _machine(fleet: Fleet, name: str) -> str:
    """Return the machine that is meant: by its own name, its node's (the first), or what it is really called."""
    from aios.records.hosts import expand

    for node in fleet.nodes:
        if node.name == name and node.count > 1:
            return f"{name}-0"
        if node.hosts and (name == node.hosts or name in (hosts := expand(node.hosts))):
            return node.name if node.count == 1 else f"{node.name}-{hosts.index(name)}"
    return name


def _no_device(name: str, devices: Sequence[str]) -> Diagnostic:
    import difflib

    near = difflib.get_close_matches(name, devices, n=3, cutoff=0.5)
    example = devices[0] if devices else "t4-0/1"
    meant = f"did you mean {', '.join(f'`{item}`' for item in near)}? " if near else ""
    return Diagnostic(
        summary=f"there is no device `{name}` among those that are looked at",
        remedy=f"{meant}devices are written machine/id, such as `{example}`",
    )


def _none(size: int, free: int, largest: int) -> Diagnostic:
    if free < size:
        return Diagnostic(summary=f"there are no {size} free devices, only {free}", remedy="ask for a smaller set")
    return Diagnostic(
        summary=f"no {size} of the {free} free devices are connected",
        reason=f"the largest number of free devices that hang together is {largest}",
        remedy="ask for a smaller set, or state in the fleet file (`links` or `topology`) what joins the machines",
    )
