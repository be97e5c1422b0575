"""Connection matrices as vendors' tools print them (``nvidia-smi topo -m``, ``npu-smi info -t topo``) as topologies.

A cell says how two devices reach each other: over ``NV4`` (four NVLinks), ``HCCS``, ``XGMI``; or over PCIe, closest
first: ``PIX`` (one switch), ``PXB`` (several switches), ``PHB`` (the host bridge), ``NODE`` (host bridges of one NUMA
node), ``SYS`` (across sockets).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from aios.records.base import Record
from aios.records.fleet import Fact, Topology, TopologyKind

__all__ = ["Matrix", "in_words", "islands", "pcie_lane_bytes_per_s", "pcie_tree", "read_matrix"]

_PCIE = {"PIX": 0, "PXB": 1, "PHB": 2, "NODE": 3, "SYS": 4, "SOC": 4}  # SOC: what old drivers called SYS
_LEVELS = (("pcie", 1), ("numa", 3), ("host", 4))
_FAST = re.compile(r"(NV|HCCS|XGMI)(\d{0,4})")
_NAMES = {"NV": "nvlink", "HCCS": "hccs", "XGMI": "xgmi"}
_MOST_VERTICES = 256  # the largest machines have some sixty GPUs and network cards
_MOST_HEADERS = 64  # lines that could be a matrix's heading and are followed by none, before the text is given up
_LANE_BYTES_PER_S = {1: 0.25e9, 2: 0.5e9, 3: 8e9 / 8 * 128 / 130, 4: 16e9 / 8 * 128 / 130, 5: 32e9 / 8 * 128 / 130}


class Matrix(Record):
    """What a matrix says.

    devices: its rows that are accelerators, in order · cells: row -> column -> how they are connected; also of network
    cards · places: device -> NUMA node, or the processors next to it
    """

    devices: tuple[str, ...]
    cells: Mapping[str, Mapping[str, str]]
    places: Mapping[str, str] = {}

    def words(self, a: str, b: str) -> str:
        """Return what the cell of two devices says; empty where there is none."""
        return self.cells.get(a, {}).get(b) or self.cells.get(b, {}).get(a) or ""

    def renamed(self, names: Mapping[str, str]) -> Matrix:
        """Return the matrix of the devices in ``names``, under the names that it gives them; network cards stay."""
        known = {row: names.get(row, row) for row in self.cells if row in names or row not in self.devices}
        return Matrix(
            devices=tuple(names[device] for device in self.devices if device in names),
            cells={
                name: {known[column]: cell for column, cell in self.cells[row].items() if column in known}
                for row, name in known.items()
            },
            places={names[device]: place for device, place in self.places.items() if device in names},
        )


def pcie_lane_bytes_per_s(generation: int) -> float | None:
    """Return what one lane carries in one direction, after line coding (8b/10b, from generation 3 128b/130b)."""
    return _LANE_BYTES_PER_S.get(generation)


def read_matrix(text: str, device: str) -> Matrix | None:
    """Return the first matrix in ``text`` whose rows are called ``device`` and a number; None where there is none.

    Rows that are cut off or do not fit the header are left out. Never raises.
    """
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    row_name = re.compile(rf"{device}\d{{1,4}}")
    tried = 0
    for number, line in enumerate(lines):
        columns = re.split(r"(?:CPU|NUMA) +Affinity", line)[0].split()
        if columns and row_name.fullmatch(columns[0]) and all(_is_name(column) for column in columns):
            tried += 1
            if tried > _MOST_HEADERS:
                break
            cells, places = _rows(lines[number + 1 : number + 1 + 4 * _MOST_VERTICES], columns[:_MOST_VERTICES])
            devices = tuple(name for name in columns[:_MOST_VERTICES] if row_name.fullmatch(name) and name in cells)
            if devices:
                return Matrix(devices=devices, cells=cells, places={d: places[d] for d in devices if places.get(d)})
    return None


def _is_name(word: str) -> bool:
    return word != "X" and word not in _PCIE and not _FAST.fullmatch(word)


def _rows(lines: Sequence[str], columns: Sequence[str]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    cells: dict[str, dict[str, str]] = {}
    places: dict[str, str] = {}
    for line in lines:
        words = line.split()
        if not words or words[0] not in columns or words[0] in cells or len(words) <= len(columns):
            if cells and not words:
                break
            continue
        cells[words[0]] = dict(zip(columns, words[1:], strict=False))
        rest = [word for word in words[1 + len(columns) :] if word != "N/A"]
        if rest:
            places[words[0]] = rest[1] if len(rest) > 1 else rest[0]
    return cells, places


def islands(
    matrix: Matrix,
    bytes_per_s: float | None = None,
    ref: str | None = None,
    links: int | None = None,
    switched: bool | None = None,
) -> tuple[Topology, ...]:
    """Return what the direct links between devices (NVLink, HCCS, xGMI) make: one topology per island that is alike.

    An island whose links differ in number from pair to pair becomes several: groups of devices with the same number
    between every two. bytes_per_s, ref: of one link in one direction, and where that was read · links: most that a
    device has; every pair of a larger number together can only be reached through a switch · switched: known
    """
    found: list[Topology] = []
    for family, name in _NAMES.items():
        cells = {pair: _FAST.fullmatch(matrix.words(*pair)) for pair in combinations(matrix.devices, 2)}
        joined = {pair: match[2] for pair, match in cells.items() if match and match[1] == family}
        kind = _Family(name, any(joined.values()), bytes_per_s, ref)
        counts = {pair: int(count or 1) for pair, count in joined.items()}
        for island in _components(matrix.devices, joined.__contains__):
            if len(island) > 1:
                found += _island(kind, island, counts, links, switched)
    return tuple(found)


_MOST_LINKS = 18
"""NVLinks of the GPUs that have most of them (Hopper, Blackwell)."""


class _Family(NamedTuple):
    """A family of links. counted: cells say how many of them two devices have · bytes_per_s, ref: of one of them."""

    name: str
    counted: bool
    bytes_per_s: float | None
    ref: str | None

    def level(self, kind: TopologyKind, members: Sequence[str], count: int) -> Topology:
        """Return devices with ``count`` links between every two, or from each to a switch."""
        return Topology(
            name=self.name,
            kind=kind,
            members=tuple(members),
            interconnect=self.name,
            links=count if self.counted else None,
            bandwidth_bytes_per_s=_links_fact(count, self.bytes_per_s, self.ref),
        )


def _island(
    family: _Family,
    members: Sequence[str],
    joined: Mapping[tuple[str, str], int],
    links: int | None,
    switched: bool | None,
) -> Iterator[Topology]:
    counts = {joined.get(pair, 0) for pair in combinations(members, 2)}
    if len(counts) > 1:
        for clique, count in _cliques(members, joined):
            yield family.level("full", clique, count)
        return
    count = counts.pop()
    if switched is None:
        switched = family.name == "nvlink" and count * (len(members) - 1) > (links or _MOST_LINKS)
    yield family.level("switch" if switched else "full", members, count)


def _links_fact(count: int, bytes_per_s: float | None, ref: str | None) -> Fact | None:
    if bytes_per_s is None:
        return None
    how = f"{count} link{'s' if count > 1 else ''} of {bytes_per_s / 1e9:.4g} GB/s"
    return Fact(value=count * bytes_per_s, unit="B/s", source="analytic", ref=f"{how} ({ref})" if ref else how)


def _components(devices: Sequence[str], joined: Callable[[tuple[str, str]], bool]) -> list[list[str]]:
    """Return the devices that reach each other over pairs for which ``joined`` holds, in order."""
    group = {device: [device] for device in devices}
    for a, b in combinations(devices, 2):
        if group[a] is not group[b] and joined((a, b)):
            merged = sorted({*group[a], *group[b]}, key=devices.index)
            for device in merged:
                group[device] = merged
    return list({id(members): members for members in group.values()}.values())


def _cliques(members: Sequence[str], joined: Mapping[tuple[str, str], int]) -> Iterator[tuple[list[str], int]]:
    """Yield groups with the same number of links between every two, so that every link is in exactly one."""
    left: dict[str, dict[str, int]] = {member: {} for member in members}
    for a, b in combinations(members, 2):
        if count := joined.get((a, b)):
            left[a][b] = left[b][a] = count
    for first in members:
        while left[first]:
            second, count = next(iter(left[first].items()))
            clique = [first, second]
            for other, same in left[first].items():
                if same == count and other != second and all(left[one].get(other) == count for one in clique[1:]):
                    clique.append(other)
            for a, b in combinations(clique, 2):
                del left[a][b], left[b][a]
            yield clique, count


def pcie_tree(matrix: Matrix, link: Fact | None = None, interconnect: str | None = "pcie") -> tuple[Topology, ...]:
    """Return how the devices reach each other over PCIe: switches, NUMA nodes, the whole host; nothing for one device.

    Where a cell names a faster way, what both have to the same network card or NUMA node tells. link, interconnect:
    bandwidth of a device's own PCIe link, and what that is called (``pcie4-x16``). Switches and devices of one NUMA
    node meet at its host bridges, and NUMA nodes over what joins processors: each is named so (``pcie4-host-bridge``,
    ``socket-link``). A bridge is taken to be as wide as a device's own link, marked ``assumed``; how wide the link
    between processors is stays open. A level whose groups are of unequal size cannot be nested: its groups stand beside
    the others.
    """
    if len(matrix.devices) < 2:
        return ()
    levels = _levels(matrix)
    nested = [(name, groups) for name, groups in levels if len({len(group) for group in groups}) == 1]
    beside = [(name, group) for name, groups in levels for group in groups if (name, groups) not in nested]
    order = _nested_order([groups for _, groups in nested])
    tree: Topology | None = None
    for depth in range(len(nested) - 1, -1, -1):
        name, groups = nested[depth]
        below = len(nested[depth - 1][1]) if depth else len(order)
        group = below // len(groups) if len(groups) > 1 else None
        kind = _kind(name, [word for word, _ in levels], interconnect)
        width = _wide(link, kind, depth)
        tree = _switch(name, () if depth else order, kind, width, group, tree)
    alone = (_switch(name, group, _kind(name, [name], interconnect), link) for name, group in beside if len(group) > 1)
    return (*alone, *((tree,) if tree else ()))


def _switch(
    name: str,
    members: Sequence[str],
    interconnect: str | None,
    bandwidth: Fact | None,
    group: int | None = None,
    between: Topology | None = None,
) -> Topology:
    return Topology(
        name=name, kind="switch", members=tuple(members), interconnect=interconnect, bandwidth_bytes_per_s=bandwidth,
        group=group, between=between,
    )  # fmt: skip


def _kind(level: str, levels: Sequence[str], interconnect: str | None) -> str | None:
    """Return what the connections of a level are called. interconnect: a device's own."""
    if level == "pcie":
        return interconnect
    if level == "host" and "numa" in levels:
        return "socket-link"
    generation = re.match(r"pcie[\d.]*", interconnect or "pcie")
    return f"{generation[0] if generation else 'pcie'}-host-bridge"


def _wide(link: Fact | None, kind: str | None, depth: int) -> Fact | None:
    """Return how wide a connection of a level is. link: a device's own · depth: of the level."""
    if depth == 0 or link is None:
        return link
    if kind == "socket-link":
        return None
    return Fact(value=link.value, unit="B/s", source="assumed", ref="as fast as a device's own PCIe link")


def _levels(matrix: Matrix) -> list[tuple[str, list[list[str]]]]:
    """Return the levels, innermost first: name, groups of devices. The last one has one group.

    Switches that join nothing are left out, and NUMA nodes where there is only one.
    """
    ranks = _ranks(matrix)
    levels: list[tuple[str, list[list[str]]]] = []
    for name, most in _LEVELS:
        close = {pair for pair, rank in ranks.items() if rank <= most}
        groups = _components(matrix.devices, close.__contains__)
        if name == "pcie" and len(groups) == len(matrix.devices):
            continue
        levels.append((name, groups))
        if len(groups) == 1:
            break
    name, groups = levels.pop()
    return [*levels, ("host" if name == "numa" else name, groups)]


def _nested_order(levels: Sequence[list[list[str]]]) -> tuple[str, ...]:
    """Return the devices such that those of every group stand beside each other. levels: innermost first."""
    inner = levels[0]
    for groups in levels[1:]:
        where = {device: number for number, group in enumerate(groups) for device in group}
        inner = [group for number in range(len(groups)) for group in inner if where[group[0]] == number]
    return tuple(device for group in inner for device in group)


def _ranks(matrix: Matrix) -> dict[tuple[str, str], int]:
    """Return pair -> how far apart on PCIe, 0 to 4: what the cell says, else the closest way that others tell."""
    others = [row for row in matrix.cells if row not in matrix.devices]
    ranks = {}
    for a, b in combinations(matrix.devices, 2):
        told = _PCIE.get(matrix.words(a, b))
        if told is None:
            by_card = [max(_PCIE.get(matrix.words(a, n), 4), _PCIE.get(matrix.words(b, n), 4)) for n in others]
            same_place = a in matrix.places and matrix.places[a] == matrix.places.get(b)
            told = min([*by_card, 3 if same_place else 4])
        ranks[a, b] = told
    return ranks


def in_words(topology: Topology) -> str:
    """Return a topology of these kinds as a sentence, such as ``nvlink: devices 0, 1; every two at 100 GB/s``."""
    rate = topology.bandwidth_bytes_per_s
    speed = f" at {rate.value / 1e9:.4g} GB/s ({rate.ref or rate.source})" if rate else ", bandwidth not told"
    levels, outer = [], topology.between
    while outer:
        levels.append(outer.name)
        outer = outer.between
    apart = "each apart" if topology.group == 1 else f"in groups of {topology.group}"
    groups = f" {apart}, joined by {', '.join(levels)}" if topology.group and levels else ""
    how = "every two" if topology.kind == "full" else "each to one switch"
    if topology.links is not None:
        how += f" over {topology.links} link{'s' if topology.links > 1 else ''}"
    return f"{topology.name}: devices {', '.join(topology.members)}{groups}; {how}{speed}"
