"""Nodes, types and connections -> Fleet, in the one form that equal fleets share, with its digest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from aios.fleet.ordering import by_name, caps_in_order, order_counts, topology_in_order, type_in_order, used_of
from aios.fleet.partitions import slots_of
from aios.records.base import digest_of
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Interconnect, Link, Node, PowerCap, Topology
from aios.records.hosts import natural_order
from aios.records.units import Dimension, format_quantity

__all__ = ["Card", "cards_of", "fleet_of", "one_interconnect"]


class Card(NamedTuple):
    """A device in its place. number: among the node's cpus, or among its other devices · parts: that it is cut into"""

    cpu: bool
    number: int
    type: str
    parts: tuple[str, ...] = ()


def fleet_of(
    name: str,
    nodes: Iterable[Node],
    types: Mapping[str, DeviceType],
    links: Iterable[Link],
    origin: str,
    topology: Iterable[Topology] = (),
    power_caps: Iterable[PowerCap] = (),
) -> Fleet:
    """Return a fleet with its digest, in the one form that does not depend on the order in which it was described.

    Nodes, types and links come sorted by name, machines that end in numbers in the order of these, and so does whatever
    a node or a type has several of. A node has one slot per device type; where nothing refers to single devices, they
    are numbered in the order of their types' names. A topology without a bandwidth takes it from the one interconnect
    of that kind that its devices have (see ``_fill``).
    """
    links = tuple(sorted(map(_ordered_ends, links), key=lambda link: (link.ends, link.model_dump_json())))
    linked = {end.partition("/")[0] for link in links for end in link.ends if "/" in end}
    ordered = sorted(nodes, key=lambda node: (natural_order(node.name), node.name))
    in_order = {name: type_in_order(types[name]) for name in sorted(types)}
    canonical = tuple(_canonical(node, in_order, node.name in linked) for node in ordered)
    topologies = by_name(map(topology_in_order, topology))
    caps = caps_in_order(power_caps)
    # What is not stated does not count, so that a field which records gain later changes no digest.
    # A series of hourly values, which many nodes may share, counts by its digest: taken once, not with each of them.
    shared = {id(node.carbon_g_per_kwh): node.carbon_g_per_kwh for node in canonical}
    series = {identity: digest_of(list(values)) for identity, values in shared.items()}
    left_out = {"where", "carbon_g_per_kwh"}
    content = {
        "nodes": [node.model_dump(mode="json", exclude=left_out, exclude_defaults=True) for node in canonical],
        "carbon": [series[id(node.carbon_g_per_kwh)] for node in canonical],
        "types": [device.model_dump(mode="json", exclude_defaults=True) for device in in_order.values()],
        "links": [link.model_dump(mode="json", exclude_defaults=True) for link in links],
        "topology": [item.model_dump(mode="json", exclude_defaults=True) for item in topologies],
    }
    if caps:
        content["power_caps"] = [cap.model_dump(mode="json", exclude={"where"}, exclude_defaults=True) for cap in caps]
    return Fleet(
        name=name,
        nodes=canonical,
        types=in_order,
        links=links,
        topology=topologies,
        power_caps=caps,
        digest=digest_of(content),
        origin=origin,
    )


def cards_of(slots: Sequence[DeviceSlot], types: Mapping[str, DeviceType]) -> list[Card]:
    """Return the devices of a node, cpus first, in the order of their ids, each with the parts that it is cut into."""
    found: dict[tuple[bool, int], tuple[str, dict[int, str]]] = {}
    for slot in slots:
        whole = types[slot.type].part_of
        for id_ in slot.ids:
            number, _, part = id_.removeprefix("cpu").partition(".")
            cpu = id_.startswith("cpu")
            parts = found.setdefault((not cpu, int(number)), (whole or slot.type, {}))[1]
            if part:
                parts[int(part)] = slot.type.removeprefix(f"{whole}:")
    return [
        Card(not other, number, type_, tuple(parts[k] for k in sorted(parts)))
        for (other, number), (type_, parts) in sorted(found.items())
    ]


def _canonical(node: Node, types: Mapping[str, DeviceType], linked: bool) -> Node:
    """Return the node in the form that ``fleet_of`` describes. linked: a link names one of its devices."""
    used = used_of(node.used)
    single = linked or node.address is not None or (used is not None and bool(used.devices))
    devices = node.devices
    if len(devices) > 1:
        cards = cards_of(devices, types)
        everyone = {f"{card.number}" for card in cards if not card.cpu}
        if not single and all(_over_everyone(topology, everyone) for topology in node.topology):
            cards = _renumbered(cards)
        devices = tuple(_slots(cards))
    update: dict[str, object] = {
        "devices": devices,
        "used": used,
        "taints": tuple(sorted(set(node.taints))),
        "jurisdiction": tuple(sorted(set(node.jurisdiction))),
        "memory_tiers": by_name(node.memory_tiers),
    }
    if node.topology:
        named = (_over_all(topology_in_order(topology), devices) for topology in node.topology)
        update["topology"] = by_name(_filled(named, devices, types))
    changed = {field: value for field, value in update.items() if value != getattr(node, field)}
    return node.model_copy(update=changed) if changed else node


def _over_everyone(topology: Topology, everyone: Set[str]) -> bool:
    """Say whether a topology treats all accelerators alike, so that it does not matter which is which."""
    return not order_counts(topology) and set(topology.members) in (set(), everyone)


def _over_all(topology: Topology, devices: Sequence[DeviceSlot]) -> Topology:
    """Return the topology without its members, if these are all that it would connect without them, in order."""
    if not topology.members:
        return topology
    ids = {id_.partition(".")[0] for slot in devices for id_ in slot.ids}
    usual = [id_ for id_ in ids if not id_.startswith("cpu")] or list(ids)
    everyone = tuple(sorted(usual, key=natural_order))
    return topology.model_copy(update={"members": ()}) if topology.members == everyone else topology


def _renumbered(cards: Sequence[Card]) -> list[Card]:
    alike = (card._replace(parts=tuple(sorted(card.parts))) for card in cards)
    ordered = sorted(alike, key=lambda card: (not card.cpu, card.type, card.parts, card.number))
    first = sum(card.cpu for card in ordered)
    return [card._replace(number=index if card.cpu else index - first) for index, card in enumerate(ordered)]


def _slots(cards: Iterable[Card]) -> Iterator[DeviceSlot]:
    """Yield one slot per type, cpus first, then by name."""
    ids: dict[tuple[bool, str], list[str]] = {}
    for card in cards:
        if card.parts:
            for slot in slots_of(card.type, [card.number], card.parts):
                ids.setdefault((True, slot.type), []).extend(slot.ids)
        else:
            id_ = f"cpu{card.number}" if card.cpu else str(card.number)
            ids.setdefault((not card.cpu, card.type), []).append(id_)
    for (_, type_), found in sorted(ids.items()):
        yield DeviceSlot(type=type_, ids=tuple(found))


def _ordered_ends(link: Link) -> Link:
    first, second = sorted(link.ends)
    return link if link.ends == (first, second) else link.model_copy(update={"ends": (first, second)})


def _filled(
    topologies: Iterable[Topology], devices: Sequence[DeviceSlot], types: Mapping[str, DeviceType]
) -> Iterator[Topology]:
    cards = {f"cpu{card.number}" if card.cpu else f"{card.number}": card for card in cards_of(devices, types)}
    usual = [id_ for id_, card in cards.items() if not card.cpu] or list(cards)
    for topology in topologies:
        members = [cards[id_] for id_ in topology.members or usual if id_ in cards]
        held = [types[name] for name in sorted({card.type for card in members}) if name in types]
        yield _fill(topology, len(members), held)


def _fill(topology: Topology, members: int, devices: Sequence[DeviceType]) -> Topology:
    """Return the topology with the bandwidth that the connected devices' own interconnect has.

    Only where all of them have exactly one of the named kind and the same. devices: the types of the members
    """
    found = one_interconnect(topology.interconnect, devices)
    if found is None:
        return topology
    update: dict[str, object] = {"interconnect": found.kind}
    if topology.bandwidth_bytes_per_s is None:
        update["bandwidth_bytes_per_s"] = _per_link(topology, found, topology.group or members)
    return topology.model_copy(update=update)


def one_interconnect(kind: str | None, devices: Sequence[DeviceType]) -> Interconnect | None:
    """Return the interconnect that a kind names (``nvlink`` names ``nvlink4``) and all devices have alike, if any."""
    if kind is None or not devices:
        return None
    fitting = re.compile(rf"{re.escape(kind)}(?=\d|-x\d|$)")
    found = [[item for item in device.interconnects if fitting.match(item.kind)] for device in devices]
    first = found[0]
    return first[0] if len(first) == 1 and all(other == first for other in found) else None


def _per_link(topology: Topology, interconnect: Interconnect, members: int) -> Fact | None:
    """Return the bandwidth between two neighbours, or of a member's port at a switch: a part of all links together.

    Where it is said how many links run side by side, these are that many of the device's links, whose number must be
    known. Else all links are divided: full: by its peers · ring: by its two neighbours · mesh, torus: by its
    links, where their number is stated, else by the neighbours of an inner member · switch: not at all
    """
    fact, side_by_side = interconnect.bandwidth_bytes_per_s, topology.links or 1
    if topology.kind == "switch" and (topology.links is None or interconnect.links is None):
        return fact
    if topology.links is not None:
        links = interconnect.links or 0
    elif topology.kind == "full":
        links = members - 1
    elif topology.kind == "ring":
        links = min(2, members - 1)
    else:
        links = interconnect.links or sum(min(2, length - 1) for length in topology.shape)
    if links < side_by_side:
        return None
    if links == side_by_side:
        return fact
    whole = format_quantity(fact.value, Dimension.BANDWIDTH)
    of = f"{side_by_side} of {links}" if topology.links else f"{links}"
    ref = f"{whole} of {interconnect.kind} over {of} links" + (f" ({fact.ref})" if fact.ref else "")
    value = float(f"{fact.value * side_by_side / links:.12g}")
    return Fact(value=value, unit=fact.unit, source="analytic", trust="derived", ref=ref, as_of=fact.as_of)
