"""What connects the devices of a job, as the fleet states it; where it says nothing, as is usual for the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from aios.cost.training.hardware import Hardware, hardware_of
from aios.records.fleet import DeviceType, Fleet, Topology
from aios.records.training import Spot

if TYPE_CHECKING:
    from aios.records.observation import Floats

__all__ = ["hardware_at", "network_rate"]

_MACHINE = 8.0
"""Devices that one fabric joins at most where it ends at the machine; wider domains join machines."""


def hardware_at(fleet: Fleet, device: DeviceType, spot: Spot, precision: str) -> Hardware:
    """Return the facts of the devices of a spot, arrays of length 1.

    A fabric that ends at the machine joins the devices that the job has there; devices of a machine share its port.
    """
    import numpy as np

    found = hardware_of({device.name: device}, np.array([device.name]), [precision])
    domain = found.domain if found.domain[0] > _MACHINE else 0.0 * found.domain + spot.devices
    rate = network_rate(fleet, spot)
    port: Floats = found.port if rate is None else 0.0 * found.port + rate / spot.devices
    return replace(found, domain=domain, port=port)


def network_rate(fleet: Fleet, spot: Spot) -> float | None:
    """Return the bytes per second in one direction between one machine of the spot and the others; None: nobody says.

    Of several networks the quickest is used, of its levels the one that leaves a machine least.
    """
    if spot.machines < 2:
        return None
    rates = [rate for topology in fleet.topology if (rate := _through(topology, spot)) is not None]
    between = [
        link.bandwidth_bytes_per_s.value
        for link in fleet.links
        if all(end in spot.nodes or end.rpartition("-")[0] in spot.nodes for end in link.ends)
    ]
    return max([*rates, *([min(between)] if between else [])], default=None)


def _through(topology: Topology, spot: Spot) -> float | None:
    if topology.members and not set(spot.nodes) <= set(topology.members):
        return None
    rates = list(_levels(topology, spot.machines))
    return min(rates) if rates else None


def _levels(topology: Topology, machines: int) -> Iterator[float]:
    """Yield what each level leaves to a machine: a group's connection to others is shared by its machines."""
    sharing, level = 1, topology
    while True:
        if level.bandwidth_bytes_per_s is not None:
            yield level.bandwidth_bytes_per_s.value / sharing
        if level.group is None or level.between is None or machines <= sharing * level.group:
            return
        sharing, level = sharing * level.group, level.between
