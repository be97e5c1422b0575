"""What connects the devices of a job, as the fleet states it; where it says nothing, as is usual for the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from aios.cost.training.hardware import Hardware, hardware_of
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceType, Fleet, Node, Topology
from aios.records.training import Spot
from aios.records.units import Dimension, format_quantity

if TYPE_CHECKING:
    from aios.records.observation import Floats

__all__ = ["assumed_network", "hardware_at", "machine_rate", "network_rate"]

_MACHINE = 8.0
"""Devices that one fabric joins at most where it ends at the machine; wider domains join machines."""


def hardware_at(fleet: Fleet, device: DeviceType, spot: Spot, precision: str) -> Hardware:
    """Return the facts of the devices of a spot, arrays of length 1.

    A fabric that ends at the machine joins the devices that the job has there; devices of a machine share its port.
    What a node says of the connections of its devices comes before what its device type has.
    Raises InputError for machines that the fleet says are not connected.
    """
    import numpy as np

    found = hardware_of({device.name: device}, np.array([device.name]), [precision])
    domain = found.domain if found.domain[0] > _MACHINE else 0.0 * found.domain + spot.devices
    rate = network_rate(fleet, spot)
    port: Floats = found.port if rate is None else 0.0 * found.port + rate / spot.devices
    within = machine_rate(fleet, spot)
    link: Floats = found.link if within is None else 0.0 * found.link + within
    return replace(found, domain=domain, port=port, link=link)


def assumed_network(fleet: Fleet, device: DeviceType, spot: Spot) -> str | None:
    """Say what is assumed to connect the machines of a spot; None where there is one, or the fleet states what does.

    Raises InputError as ``hardware_at`` does.
    """
    if spot.machines < 2 or network_rate(fleet, spot) is not None:
        return None
    found = hardware_at(fleet, device, spot, "bf16")
    domain, link, port = (float(column[0]) for column in (found.domain, found.link, found.port))
    rate = f"{format_quantity(port, Dimension.BANDWIDTH)} for each device in one direction"
    if domain > _MACHINE:
        joined = f"a fabric of {format_quantity(link, Dimension.BANDWIDTH)} that joins {domain:g} devices"
        rate = joined if spot.total <= domain else f"{joined}, and {rate} beyond it"
    are = "are" if " beyond " in rate else "is"
    unstated = f"no bandwidth between its {spot.machines} machines is stated"
    return f"{unstated}: {rate} {are} assumed; `topology` of the fleet says it"


def machine_rate(fleet: Fleet, spot: Spot) -> float | None:
    """Return the bytes per second in one direction between devices of one machine of the spot; None: nobody says.

    Of several fabrics of a node the quickest that joins so many devices is used, of several nodes the slowest.
    """
    rates = [_within(node, spot.devices) for node in fleet.nodes if node.name in spot.nodes]
    known = [rate for rate in rates if rate is not None]
    return min(known) if known and spot.devices > 1 else None


def _within(node: Node, devices: int) -> float | None:
    joining = [item for item in node.topology if not item.members or len(item.members) >= devices]
    return max((min(levels) for item in joining if (levels := list(_levels(item, devices)))), default=None)


def network_rate(fleet: Fleet, spot: Spot) -> float | None:
    """Return the bytes per second in one direction between one machine of the spot and the others; None: nobody says.

    Of several networks the quickest is used, of its levels the one that leaves a machine least. Raises InputError where
    the fleet states what connects machines, and nothing connects these.
    """
    links = [link for link in fleet.links if not any("/" in end for end in link.ends)]
    if spot.machines < 2 or not (links or fleet.topology):
        return None
    joining = [item for item in fleet.topology if not item.members or set(spot.nodes) <= set(item.members)]
    rates = [min(levels) for item in joining if (levels := list(_levels(item, spot.machines)))]
    own = {name for node in fleet.nodes if node.name in spot.nodes for name in (node.name, *node.instances())}
    between = [link.bandwidth_bytes_per_s.value for link in links if own.issuperset(link.ends)]
    if not joining and not between:
        names = ", ".join(spot.nodes)
        raise InputError(
            Diagnostic(summary=f"nothing connects the machines of {names}", remedy="state what does, below `topology`")
        )
    return max([*rates, *([min(between)] if between else [])], default=None)


def _levels(topology: Topology, members: int) -> Iterator[float]:
    """Yield what each level leaves to one of so many members: a group's connection to others is shared by its own."""
    sharing, level = 1, topology
    while True:
        if level.bandwidth_bytes_per_s is not None:
            yield level.bandwidth_bytes_per_s.value / sharing
        if level.group is None or level.between is None or members <= sharing * level.group:
            return
        sharing, level = sharing * level.group, level.between
