"""What joins the levels of a machine's PCIe tree, where nobody says: cards, switches, host bridges, processors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aios.records.fabric import InterconnectType
from aios.records.fleet import DeviceType, Fact, Interconnect, Topology

__all__ = ["BRIDGE", "SOCKET", "completed", "is_host", "is_pcie", "pcie_of", "unstated"]

BRIDGE = "pcie-host-bridge"
"""The way through a processor's host bridges; of PCIe 4.0 it is called ``pcie4-host-bridge``."""

SOCKET = "socket-link"
"""What joins processors, where nobody says of which make they are."""

_OF_MAKER = {"intel": ("upi", 3), "amd": ("xgmi-socket", 4)}
"""Maker of a processor -> what joins two of them, and how many of these links servers usually have."""

_SOCKETS = (SOCKET, *(kind for kind, _ in _OF_MAKER.values()))


def is_pcie(name: str | None) -> bool:
    """Return whether a level or an interconnect of that name is PCIe."""
    return bool(name and re.match(r"pcie[\d.]*(-|$)", name))


def is_host(name: str, interconnect: str | None) -> bool:
    """Return whether a level of a machine is a part of the way to its host."""
    return name == "host" or is_pcie(name) or is_pcie(interconnect) or interconnect in _SOCKETS


def pcie_of(device: DeviceType) -> Interconnect | None:
    """Return the PCIe connection that a type states."""
    return next((item for item in device.interconnects if is_pcie(item.kind)), None)


def unstated(kind: str, interconnects: Mapping[str, InterconnectType]) -> str:
    """Return the kind that stands for cards with PCIe of ``kind`` of which nobody says what is between them."""
    name = f"pcie{_generation(kind)}-unstated"
    return name if name in interconnects else kind


def completed(
    topology: Topology, types: Sequence[DeviceType], interconnects: Mapping[str, InterconnectType]
) -> Topology:
    """Return the topology of a machine with what its levels are made of, where nobody says.

    Above PCIe switches are host bridges, each connection as wide as a card's own, and above these is what joins the
    machine's processors. What is taken so is marked ``assumed``. types: of all devices of the machine
    """
    levels: list[Topology] = []
    level: Topology | None = topology
    while level is not None:
        below = levels[-1].interconnect if levels else None
        levels.append(_completed(level, below, types, interconnects))
        level = level.between
    outer: Topology | None = None
    for level in reversed(levels):
        outer = level.model_copy(update={"between": outer})
    assert outer is not None
    return outer


def _completed(
    level: Topology, below: str | None, types: Sequence[DeviceType], interconnects: Mapping[str, InterconnectType]
) -> Topology:
    kind = level.interconnect
    if kind is None and is_pcie(below):
        kind = SOCKET if str(below).endswith("-host-bridge") else BRIDGE
    cards = [item for device in types if device.kind != "cpu" and (item := pcie_of(device))]
    if kind == BRIDGE:
        lanes = [below or "", *(item.kind for item in cards)]
        kind = next((name for it in lanes if (name := f"pcie{_generation(it)}-host-bridge") in interconnects), kind)
    if kind == SOCKET and len(makers := {_maker(device) for device in types if device.kind == "cpu"}) == 1:
        kind = _OF_MAKER.get(makers.pop(), (kind, 1))[0]
    update: dict[str, object] = {"interconnect": kind}
    if level.bandwidth_bytes_per_s is None and kind is not None:
        update["bandwidth_bytes_per_s"] = _width(level, kind, cards, interconnects)
    return level.model_copy(update=update)


def _width(
    level: Topology, kind: str, cards: Sequence[Interconnect], interconnects: Mapping[str, InterconnectType]
) -> Fact | None:
    """Return how wide a connection of a kind is taken to be; None where that follows from what is stated."""
    if kind.endswith("-host-bridge") and cards:
        value = min(item.bandwidth_bytes_per_s.value for item in cards)
        return Fact(value=value, unit="B/s", source="assumed", ref="as wide as a card's own PCIe")
    known = interconnects[kind].bandwidth_bytes_per_s if kind in interconnects else None
    if kind not in _SOCKETS or level.links is not None or known is None:
        return None
    links = dict(_OF_MAKER.values()).get(kind, 1)
    return Fact(value=links * known.value, unit="B/s", source="assumed", ref=f"{links} x {kind}, as servers have them")


def _generation(kind: str) -> str:
    found = re.match(r"pcie(\d)", kind)
    return found[1] if found else ""


def _maker(device: DeviceType) -> str:
    words = f"{device.vendor or ''} {device.model or ''} {device.name}".lower()
    return next((maker for maker in _OF_MAKER if maker in words), "")
