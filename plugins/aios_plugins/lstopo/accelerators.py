"""The PCI devices of a machine that compute, and how they are connected."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from aios.records.fleet import DeviceKind, DeviceType, Fact, Topology
from aios.spi.matrix import Matrix, islands, pcie_tree
from aios.spi.probe import Found
from aios_plugins.lstopo.objects import Distances, Object

__all__ = ["MOST_CONNECTED", "Accelerator", "connections", "devices_of", "find_accelerators"]

# PCI classes (PCI Code and ID Assignment Specification): display controllers that are no screens, co-processors,
# processing accelerators.
_COMPUTING = {"0302": "gpu", "0b40": "other", "1200": "other"}
_SCREEN = "0300"
_MAKERS_OF_GPUS = {"10de": "NVIDIA", "1002": "AMD", "8086": "Intel"}
# What server boards draw their console with, by a maker of GPUs: ATI Rage XL, RN50, ES1000.
_SERVER_SCREENS = {"1002:4752", "1002:5969", "1002:515e"}
_COMPUTING_SUBTYPES = {"CUDA", "OpenCL", "LevelZero", "NVML", "RSMI", "VectorEngine"}
_BACKENDS = re.compile(r"(cuda|opencl|ze|nvml|rsmi|ve|mic)\d")
_MEMORY = ("CUDAGlobalMemorySize", "OpenCLGlobalMemorySize", "RSMIVRAMSize", "LevelZeroHBMSize", "MICMemorySize")
MOST_CONNECTED = 256
"""Devices of one machine whose connections are looked at; the largest have some sixty."""
_FABRICS = {"NVLinkBandwidth": ("NV", "nvlink"), "XGMIBandwidth": ("XGMI", "xgmi")}


class Accelerator(NamedTuple):
    """A device. card: the PCI device, or what stands for it · parts: what operating system and drivers make of it."""

    card: Object
    parts: tuple[Object, ...]
    type: DeviceType


def find_accelerators(machine: Object) -> tuple[list[Accelerator], list[str]]:
    """Return the devices of a machine that compute, in order, and one sentence for each that is not taken for one."""
    found: list[Accelerator] = []
    left_out: list[str] = []
    for card in machine.below():
        parts = tuple(part for part in card.children if part.type == "OSDev")
        if card.type == "OSDev" and card.above[-1].type != "PCIDev" and _computes(card):
            found.append(Accelerator(card, (card,), _type(card, (card,))))
        if card.type != "PCIDev":
            continue
        class_, vendor = _class(card), _ids(card).partition(":")[0]
        name = _name(card, parts)
        drawing = class_ == _SCREEN and vendor in _MAKERS_OF_GPUS and _ids(card) not in _SERVER_SCREENS
        if class_ in _COMPUTING or drawing or any(map(_computes, parts)):
            found.append(Accelerator(card, parts, _type(card, parts)))
        elif class_ == _SCREEN:
            left_out.append(f"{name} on line {card.line} is taken for a screen, not for a device that computes")
    return found, left_out


def _computes(part: Object) -> bool:
    """Say whether a driver for computing has found the device (hwloc 2: class 5; hwloc 3: bit 3)."""
    if part.type != "OSDev":
        return False
    return (
        part.attributes.get("osdev_type") == "5"
        or part.subtype in _COMPUTING_SUBTYPES
        or bool(_BACKENDS.match(part.attributes.get("name", "")))
    )


def _class(card: Object) -> str:
    return card.attributes.get("pci_type", "")[:4]


def _ids(card: Object) -> str:
    found = re.search(r"\[([0-9a-f]{4}:[0-9a-f]{4})\]", card.attributes.get("pci_type", ""))
    return found[1] if found else ""


def _name(card: Object, parts: Sequence[Object]) -> str:
    """Return what a device is called: by its driver, else in the list of PCI devices, else by its numbers."""
    for part in parts:
        for key in ("GPUModel", "VectorModel", "MICSKU", "CoProcType"):
            if part.infos.get(key):
                return part.infos[key].strip()
    return card.infos.get("PCIDevice") or card.attributes.get("name") or f"PCI device {_ids(card)}"


def _type(card: Object, parts: Sequence[Object]) -> DeviceType:
    name = _name(card, parts)
    vendor = next((part.infos["GPUVendor"] for part in parts if part.infos.get("GPUVendor")), None)
    vendor = vendor or card.infos.get("PCIVendor") or _MAKERS_OF_GPUS.get(_ids(card).partition(":")[0])
    memory = next((size for part in parts if (size := part.kibibytes(*_MEMORY))), None)
    identity = {"name": name, "vendor": vendor or "", "pci": _ids(card)}
    return DeviceType(
        name=re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:64] or "device",
        kind=_kind(card, parts),
        vendor=vendor,
        model=name,
        memory_bytes=None if memory is None else Fact(value=memory, unit="B", source="declared", ref="hwloc"),
        identity={key: text for key, text in identity.items() if text},
    )


def _kind(card: Object, parts: Sequence[Object]) -> DeviceKind:
    subtypes = {part.subtype for part in parts}
    stated = {part.infos.get("OpenCLDeviceType", "") for part in parts}
    graphics = {"CUDA", "NVML", "RSMI"} & subtypes or "GPU" in stated or any(p.infos.get("GPUModel") for p in parts)
    return "gpu" if graphics or _class(card).startswith("03") else "other"


def devices_of(accelerators: Sequence[Accelerator]) -> tuple[list[Found], list[str]]:
    """Return devices of one type together, and the id that each accelerator gets by that."""
    numbers: dict[str, list[int]] = {}
    for number, item in enumerate(accelerators):
        numbers.setdefault(item.type.model_dump_json(), []).append(number)
    ids = [""] * len(accelerators)
    for place, number in enumerate(number for alike in numbers.values() for number in alike):
        ids[number] = str(place)
    return [Found(type=accelerators[alike[0]].type, count=len(alike)) for alike in numbers.values()], ids


def connections(
    accelerators: Sequence[Accelerator], ids: Sequence[str], distances: Sequence[Distances]
) -> tuple[Topology, ...]:
    """Return how the accelerators are connected: over links of their own where hwloc found such, and over PCIe."""
    if len(accelerators) > MOST_CONNECTED:
        return ()
    cells: dict[str, dict[str, str]] = {device: {} for device in ids}
    for (one, a), (other, b) in combinations(zip(accelerators, ids, strict=True), 2):
        cells[a][b] = _distance(one.card, other.card)
    speeds = {speed for item in accelerators if (speed := item.card.number("pci_link_speed"))}
    link = None
    if len(speeds) == 1 and all(item.card.number("pci_link_speed") for item in accelerators):
        link = Fact(value=speeds.pop() * 1e9, unit="B/s", source="declared", ref="hwloc, PCI link as it was running")
    matrix = Matrix(devices=tuple(ids), cells=cells)
    return (*_fabrics(accelerators, ids, distances), *pcie_tree(matrix, link, "pcie" if link else None))


def _distance(one: Object, other: Object) -> str:
    """Return how far two devices are apart over PCIe, in the words of ``aios.spi.matrix``."""
    shared = [a for a, b in zip(one.above, other.above, strict=False) if a is b]
    bridges = [found for found in shared if found.type == "Bridge"]
    if any(found.attributes.get("bridge_type", "").startswith("1") for found in bridges):
        return "PXB"
    if bridges:
        return "PHB"
    nodes = {found.attributes.get("nodeset") for found in shared if found.type != "Machine"}
    return "NODE" if nodes - {None} else "SYS"


def _fabrics(
    accelerators: Sequence[Accelerator], ids: Sequence[str], distances: Sequence[Distances]
) -> Iterator[Topology]:
    owners = {
        part.attributes.get("gp_index", ""): device
        for item, device in zip(accelerators, ids, strict=True)
        for part in (item.card, *item.parts)
    }
    for matrix in distances:
        if matrix.name in _FABRICS:
            word, name = _FABRICS[matrix.name]
            known = {(a, b): value for (a, b), value in matrix.values.items() if a in owners and a != b}
            direct = {(owners[a], owners[b]): value for (a, b), value in known.items() if b in owners}
            if direct:
                yield from _direct(ids, direct, word, matrix.name)
            elif known:
                yield _switched(ids, owners, known, name, matrix.name)


def _direct(ids: Sequence[str], links: dict[tuple[str, str], float], word: str, said: str) -> Iterator[Topology]:
    """Yield the groups of devices with links between every two. links: in MB/s, one direction."""
    ranks = {value: rank for rank, value in enumerate(sorted(set(links.values())), start=1)}
    cells: dict[str, dict[str, str]] = {device: {} for device in ids}
    for (a, b), value in links.items():
        cells[a][b] = f"{word}{ranks[value]}"
    for level in islands(Matrix(devices=tuple(ids), cells=cells), switched=False):
        first, second = level.members[:2]
        rate = links.get((first, second)) or links[second, first]
        yield level.model_copy(update={"bandwidth_bytes_per_s": _rate(rate, said), "links": None})


def _switched(
    ids: Sequence[str], owners: dict[str, str], links: dict[tuple[str, str], float], name: str, said: str
) -> Topology:
    """Return the switch that every device with links to switches is at, with all that one device has of them."""
    totals: dict[str, float] = {}
    for (a, _), value in links.items():
        totals[owners[a]] = totals.get(owners[a], 0.0) + value
    equal = len(set(totals.values())) == 1
    return Topology(
        name=name,
        kind="switch",
        members=tuple(device for device in ids if device in totals),
        interconnect=name,
        bandwidth_bytes_per_s=_rate(next(iter(totals.values())), said) if equal else None,
    )


def _rate(megabytes_per_s: float, said: str) -> Fact:
    return Fact(value=megabytes_per_s * 1e6, unit="B/s", source="declared", ref=f"hwloc, {said}")
