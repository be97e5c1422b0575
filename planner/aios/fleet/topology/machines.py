"""Expands one machine: its devices, how they are connected with each other, and how they reach their host."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.fleet.topology.levels import Placed, Sheet, Site, Tier, Unit, expand, family
from aios.fleet.topology.pcie import completed, is_host, is_pcie, pcie_of, unstated
from aios.records.fabric import Domain, Edge, InterconnectType
from aios.records.fleet import DeviceType, Fact, Link, Node

__all__ = ["Machine", "machine_of"]

_SELF = "\N{MIDDLE DOT}"
"""Stands for the machine's name; no machine can be called so."""

_OUTERMOST = 9
"""Depth of the host among the levels of a machine: outside of all that can be written."""


class Machine(NamedTuple):
    """What every machine of a node is like; vertices and devices without the machine's name.

    reach: bytes/s that one device gets to the host; 0 where unknown
    """

    devices: tuple[str, ...]
    edges: tuple[Edge, ...]
    placed: tuple[Placed, ...]
    reach: float

    def called(self, name: str) -> tuple[tuple[str, ...], list[Edge], list[Placed]]:
        """Return devices, edges and domains of the machine of that name."""
        edges = [edge._replace(a=name + edge.a[1:], b=name + edge.b[1:]) for edge in self.edges]
        placed = [
            item._replace(domain=item.domain._replace(members=tuple(name + it[1:] for it in item.domain.members)))
            for item in self.placed
        ]
        return tuple(name + device[1:] for device in self.devices), edges, placed


class _Card(NamedTuple):
    """A device as it sits in the machine, whole or cut into parts. parts: their ids · type: of the parts if cut."""

    id: str
    type: DeviceType
    parts: tuple[str, ...]

    @property
    def vertex(self) -> str:
        return f"{_SELF}#card{self.id}" if self.parts else f"{_SELF}/{self.id}"

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(f"{_SELF}/{part}" for part in self.parts) or (f"{_SELF}/{self.id}",)


def machine_of(node: Node, types: Mapping[str, DeviceType], links: Sequence[Link], sheet: Sheet) -> Machine:
    """Return what each machine of ``node`` is like. links: between its devices · sheet: receives what is unknown."""
    own = Sheet(sheet.interconnects, unknown=sheet.unknown)
    who = f"node `{node.name}`"
    cards = list(_cards(node, types))
    for topology in node.topology:
        chosen = _members(topology.members, cards)
        host = is_host(topology.name, topology.interconnect)
        units = {
            position: Unit((card.vertex,), card.devices)
            for position, card in enumerate(chosen)
            if host or not card.parts  # what is cut has no peer-to-peer connections, on any maker's cards
        }
        tree = completed(topology, [card.type for card in cards], sheet.interconnects)
        expand(tree, units, len(chosen), Site(_SELF, who, Tier.ISLAND), own)
    _links(node, links, own, who)
    reach = _host(cards, own, who)
    devices = tuple(device for card in cards for device in card.devices)
    return Machine(devices, tuple(own.edges), tuple(own.placed), reach)


def _cards(node: Node, types: Mapping[str, DeviceType]) -> Iterator[_Card]:
    """Yield the devices as they sit in the machine; the parts of one card together, whatever slots they stand in."""
    parts: dict[str, list[str]] = {}
    of: dict[str, DeviceType] = {}
    for slot in node.devices:
        for name in slot.ids:
            card = name.split(".", maxsplit=1)[0]
            parts.setdefault(card, []).append(name)
            of.setdefault(card, types[slot.type])
    for card, names in parts.items():
        yield _Card(card, of[card], () if names == [card] else tuple(names))


def _members(named: Sequence[str], cards: Sequence[_Card]) -> list[_Card]:
    """Return the cards that a topology connects: those named; else all accelerators; else all cpus."""
    by_id = {card.id: card for card in cards}
    if named:
        return [by_id[name.split(".", maxsplit=1)[0]] for name in named]
    return _talkers(cards)


def _links(node: Node, links: Sequence[Link], sheet: Sheet, who: str) -> None:
    """Take up the links that are stated between devices; devices that hang together are a domain."""
    levels: dict[str, list[Edge]] = {}
    for link in links:
        a, b = (f"{_SELF}/{end.rsplit('/', maxsplit=1)[1]}" for end in link.ends)
        level = family(link.interconnect) or "link"
        latency = _latency(link.latency_s, link.interconnect, sheet, who, f"the link {link.ends[0]} - {link.ends[1]}")
        edge = Edge(a, b, link.bandwidth_bytes_per_s.value, latency, link.interconnect, level)
        levels.setdefault(level, []).append(edge)
    order = [f"{_SELF}/{name}" for slot in node.devices for name in slot.ids]
    for level, edges in levels.items():
        sheet.join(edges)
        for group in islands([(edge.a, edge.b) for edge in edges]):
            members = tuple(device for device in order if device in group)
            each = [sum(edge.bandwidth for edge in edges if device in edge[:2]) for device in members]
            tier = Tier.HOST if is_pcie(level) else Tier.ISLAND
            latency = max(edge.latency for edge in edges)
            sheet.placed.append(Placed(tier, 0, Domain(level, members, min(each), latency)))


def _latency(stated: Fact | None, interconnect: str | None, sheet: Sheet, who: str, what: str) -> float:
    kind: InterconnectType | None = sheet.interconnects.get(interconnect or "")
    fact = stated or (kind and kind.latency_s)
    if not fact:
        sheet.unknown[f"{who}: nobody states the latency of {what}; it counts as 0"] = None
    return fact.value if fact else 0.0


def _host(cards: Sequence[_Card], sheet: Sheet, who: str) -> float:
    """Join to the host what no stated topology joins to it; return what the slowest accelerator (else cpu) gets.

    An accelerator reaches its host by the PCIe connection that its type states; a cpu at the rate of its memory, which
    everything passes that it sends. What nobody states stays unjoined and is noted on the sheet.
    """
    host = f"{_SELF}#host"
    stated = _stated_host(cards, sheet)
    level = stated.domain.name if stated else "host"
    joined = _around(host, sheet.edges)
    rates: dict[str, float] = {}
    loose = _loose(cards, joined, sheet)
    if loose:
        between = "times between them reach from what one switch gives to what two processors let through"
        sheet.unknown[f"{who}: nobody states what PCIe joins its {loose} cards by; {between}"] = None
    for card in cards:
        way = None if card.vertex in joined else _way(card, host, level, sheet, who)
        if way and loose and is_pcie(way.interconnect):
            way = way._replace(interconnect=unstated(str(way.interconnect), sheet.interconnects), assumed=True)
        sheet.join([way] if way else [])
        rates[card.id] = way.bandwidth if way else stated.domain.bandwidth or 0.0 if stated else 0.0
        way = way or next((edge for edge in sheet.edges if card.vertex in edge[:2]), None)
        if way and card.parts:
            sheet.join([way._replace(a=part, b=card.vertex, latency=0.0, level=level) for part in card.devices])
    reach = min((rates[card.id] for card in _talkers(cards) if rates[card.id]), default=0.0)
    devices = tuple(device for card in cards for device in card.devices)
    if stated:
        sheet.placed.remove(stated)
        sheet.placed.append(stated._replace(domain=stated.domain._replace(members=devices)))
    elif devices:
        latency = max((edge.latency for edge in sheet.edges if host in edge[:2]), default=None)
        sheet.placed.append(Placed(Tier.HOST, _OUTERMOST, Domain(level, devices, reach or None, latency)))
    return reach


def _loose(cards: Sequence[_Card], joined: Collection[str], sheet: Sheet) -> int:
    """Return how many accelerators reach each other by PCIe that nobody describes; 0 where links of their own do."""
    found = [card for card in cards if card.type.kind != "cpu" and card.vertex not in joined and pcie_of(card.type)]
    everyone = {device for card in found for device in card.devices}
    islanded = any(item.tier == Tier.ISLAND and everyone <= set(item.domain.members) for item in sheet.placed)
    return 0 if islanded or len(found) < 2 else len(found)


def _stated_host(cards: Sequence[_Card], sheet: Sheet) -> Placed | None:
    """Return the domain in which a stated topology joins every accelerator by way of the host, if one does."""
    all_of_them = {device for card in _talkers(cards) for device in card.devices}
    found = [item for item in sheet.placed if item.tier == Tier.HOST and all_of_them <= set(item.domain.members)]
    return found[-1] if found else None


def _talkers(cards: Sequence[_Card]) -> list[_Card]:
    """Return the accelerators; the cpus where there is none."""
    return [card for card in cards if card.type.kind != "cpu"] or list(cards)


def _way(card: _Card, host: str, level: str, sheet: Sheet, who: str) -> Edge | None:
    """Return the connection of a card to its host, if its type says what that is."""
    device = card.type
    if device.kind == "cpu":
        fact = device.memory_bandwidth_bytes_per_s
        if fact is None:
            sheet.unknown[f"{who}: nobody states the memory bandwidth of `{device.name}`, by which it sends"] = None
        return Edge(card.vertex, host, fact.value, 0.0, None, level) if fact else None
    pcie = pcie_of(device)
    if pcie is None:
        sheet.unknown[f"{who}: how `{device.name}` reaches its host is not known; its type states no PCIe"] = None
        return None
    latency = _latency(None, pcie.kind, sheet, who, f"`{pcie.kind}`")
    return Edge(card.vertex, host, pcie.bandwidth_bytes_per_s.value, latency, pcie.kind, level)


def _around(vertex: str, edges: Sequence[Edge]) -> set[str]:
    """Return what hangs together with ``vertex`` by way of PCIe connections and switches."""
    near = [(edge.a, edge.b) for edge in edges if is_host(edge.level, edge.interconnect)]
    return next((group for group in islands(near) if vertex in group), {vertex})


def islands(pairs: Sequence[tuple[str, str]]) -> list[set[str]]:
    """Return the sets of vertices that hang together, in order of their first mention."""
    of: dict[str, set[str]] = {}
    for a, b in pairs:
        first, second = of.setdefault(a, {a}), of.setdefault(b, {b})
        if first is not second:
            large, small = (first, second) if len(first) >= len(second) else (second, first)
            large |= small
            of.update(dict.fromkeys(small, large))
    return list({id(group): group for group in of.values()}.values())
