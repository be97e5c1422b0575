"""A machine's NVIDIA GPUs one by one: what holds now, and what joins them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from aios.records.base import Record
from aios.records.fleet import Fact, Topology
from aios.spi.matrix import Matrix, islands, pcie_lane_bytes_per_s, pcie_tree
from aios_plugins.nvidia.nvml import Gpu, ask, handles, read_gpu, scaled, text

__all__ = ["Card", "Link", "in_order", "pcie_link", "read_cards", "topologies"]

_BIG_ENOUGH_TO_USE = 0.02  # a driver takes up to about a percent of the memory for itself
_LEAST_OF_A_PROCESS = 0.01  # its context alone takes half a GiB, less than that of the largest GPUs


class Link(Record):
    """An NVLink that is up. peer: bus id of the GPU at its other end · switched: an NVSwitch is there instead ·
    bytes_per_s: in one direction"""

    peer: str | None = None
    switched: bool = False
    bytes_per_s: float | None = None


class Card(Record):
    """One GPU.

    gpu: what it is · architecture: as nvidia-smi names it · bus: PCI bus id · limit_w: power limit that holds now ·
    memory_used_bytes, utilisation (0 to 1), processes (how many compute): now · near: bus id of another GPU -> ``PIX``,
    ``PXB``, ``PHB``, ``NODE`` or ``SYS`` · links: NVLinks that are up; None where nobody looked
    """

    gpu: Gpu
    architecture: str | None = None
    bus: str | None = None
    limit_w: float | None = None
    memory_used_bytes: float | None = None
    utilisation: float | None = None
    processes: int | None = None
    near: Mapping[str, str] = {}
    links: tuple[Link, ...] | None = None

    @property
    def used(self) -> float:
        """Share of the memory that is taken; at least a little where a process computes; a driver's own is no use.

        How busy the GPU was in the moment of the question holds nothing back for anybody, and is no use either.
        """
        total = self.gpu.memory_bytes
        share = round((self.memory_used_bytes or 0.0) / total, 2) if total else 0.0
        if self.processes:
            return min(1.0, max(share, _LEAST_OF_A_PROCESS))
        return min(1.0, share) if share >= _BIG_ENOUGH_TO_USE else 0.0


def read_cards(pynvml: Any) -> list[Card]:
    """Return the GPUs that answer, with what NVML says of each and of the ways between them."""
    found = handles(pynvml)
    buses = [_bus(ask(pynvml, pynvml.nvmlDeviceGetPciInfo, handle)) for handle in found]
    return [_read_card(pynvml, handle, found, buses) for handle in found]


def _read_card(pynvml: Any, handle: Any, everyone: Sequence[Any], buses: Sequence[str | None]) -> Card:
    memory = ask(pynvml, pynvml.nvmlDeviceGetMemoryInfo, handle)
    load = ask(pynvml, pynvml.nvmlDeviceGetUtilizationRates, handle)
    running = ask(pynvml, pynvml.nvmlDeviceGetComputeRunningProcesses, handle)
    near = {
        bus: words
        for other, bus in zip(everyone, buses, strict=True)
        if bus and other is not handle
        if (words := _distances(pynvml).get(ask(pynvml, pynvml.nvmlDeviceGetTopologyCommonAncestor, handle, other)))
    }
    return Card(
        gpu=read_gpu(pynvml, handle),
        bus=buses[everyone.index(handle)],
        limit_w=scaled(ask(pynvml, pynvml.nvmlDeviceGetPowerManagementLimit, handle), 1e-3),
        memory_used_bytes=None if memory is None else float(memory.used),
        utilisation=None if load is None else load.gpu / 100,
        processes=None if running is None else len(running),
        near=near,
        links=tuple(_links(pynvml, handle)),
    )


def _distances(pynvml: Any) -> dict[int, str]:
    """Return NVML's topology levels in the words of ``nvidia-smi topo -m``."""
    return {
        pynvml.NVML_TOPOLOGY_INTERNAL: "PIX",
        pynvml.NVML_TOPOLOGY_SINGLE: "PIX",
        pynvml.NVML_TOPOLOGY_MULTIPLE: "PXB",
        pynvml.NVML_TOPOLOGY_HOSTBRIDGE: "PHB",
        pynvml.NVML_TOPOLOGY_NODE: "NODE",
        pynvml.NVML_TOPOLOGY_SYSTEM: "SYS",
    }


def _links(pynvml: Any, handle: Any) -> list[Link]:
    links = []
    for number in range(pynvml.NVML_NVLINK_MAX_LINKS):
        if not ask(pynvml, pynvml.nvmlDeviceGetNvLinkState, handle, number):
            continue
        kind = ask(pynvml, pynvml.nvmlDeviceGetNvLinkRemoteDeviceType, handle, number)
        peer = ask(pynvml, pynvml.nvmlDeviceGetNvLinkRemotePciInfo, handle, number)
        switched = kind == pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH
        speed = _link_speed(pynvml, handle, number)
        links.append(Link(peer=None if switched else _bus(peer), switched=switched, bytes_per_s=speed))
    return links


def _link_speed(pynvml: Any, handle: Any, number: int) -> float | None:
    """Return a link's rate in bytes/s. NVML counts in Mbyte/s, in a field per link or in one for all of them."""
    fields = [(pynvml.NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON, 0)]
    if number < 6:
        fields.append((pynvml.NVML_FI_DEV_NVLINK_SPEED_MBPS_L0 + number, 0))
    for value in ask(pynvml, pynvml.nvmlDeviceGetFieldValues, handle, fields) or ():
        if value.nvmlReturn == pynvml.NVML_SUCCESS and value.value.uiVal:
            return float(value.value.uiVal) * 1e6
    return None


def _bus(pci: Any) -> str | None:
    """Return a PCI bus id as every driver version writes it: ``0000:01:00.0``, in lower case."""
    written = text(getattr(pci, "busId", None))
    return re.sub(r"^0000(?=\d{4}:)", "", written.lower()) if written else None


def in_order(cards: Sequence[Card]) -> list[Card]:
    """Return the cards in the order of the ids that they get: those of one type stand together."""
    kinds = list(dict.fromkeys(card.gpu.model_copy(update={"uuid": None}) for card in cards))
    return sorted(cards, key=lambda card: kinds.index(card.gpu.model_copy(update={"uuid": None})))


def topologies(cards: Sequence[Card]) -> tuple[Topology, ...]:
    """Return what joins the cards, by the ids that they get; cards that are cut into parts are left out.

    MIG instances reach each other over no NVLink.
    """
    named = {str(number): card for number, card in enumerate(in_order(cards)) if not card.gpu.mig}
    joined = {name: card for name, card in named.items() if card.bus}
    by_bus = {card.bus: name for name, card in joined.items()}
    cells: dict[str, dict[str, str]] = {name: {} for name in named}
    far: dict[str, dict[str, str]] = {name: {} for name in named}
    for a, b in combinations(joined, 2):
        count = _links_between(joined[a], joined[b])
        words = joined[a].near.get(str(joined[b].bus))
        if count:
            cells[a][b] = f"NV{count}"
        if words and str(joined[b].bus) in by_bus:
            far[a][b] = words
    links = [link for card in named.values() for link in card.links or ()]
    speeds = {link.bytes_per_s for link in links}
    speed = min((speed for speed in speeds if speed), default=None)
    switched = any(link.switched for link in links) or None
    told = bool(joined) and any(far.values())
    width, name = pcie_link([card.gpu.pcie for card in named.values()])
    return (
        *islands(Matrix(devices=tuple(named), cells=cells), speed, "NVML", switched=switched),
        *(pcie_tree(Matrix(devices=tuple(named), cells=far), width, name or "pcie") if told else ()),
    )


def _links_between(a: Card, b: Card) -> int:
    """Return how many NVLinks two cards have to each other, or both to the switches."""
    direct = sum(link.peer is not None and link.peer == b.bus for link in a.links or ())
    switches = [sum(link.switched for link in card.links or ()) for card in (a, b)]
    return direct or min(switches)


def pcie_link(written: Sequence[str | None]) -> tuple[Fact | None, str | None]:
    """Return bandwidth and name of the narrowest PCIe link of some cards (each ``4 x16``); None if one is unknown."""
    links = []
    for words in written:
        match = re.fullmatch(r"(\d) x(\d{1,2})", words or "")
        lane = pcie_lane_bytes_per_s(int(match[1])) if match else None
        if match is None or lane is None:
            return None, None
        links.append((lane * int(match[2]), match[1], match[2]))
    if not links:
        return None, None
    rate, generation, lanes = min(links)
    ref = f"PCIe {generation}.0 x{lanes}, after line coding"
    return Fact(value=float(f"{rate:.4g}"), unit="B/s", source="analytic", ref=ref), f"pcie{generation}-x{lanes}"
