"""What a node, a device type or a connection says, as labels and values: what two of them can be compared by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from aios.fleet.facts import fact_text, facts_of, numbered
from aios.records.fleet import DeviceType, Fact, Link, MemoryTier, Node, PowerCap, Topology
from aios.records.units import Dimension, format_quantity

__all__ = ["Said", "said_of_cap", "said_of_link", "said_of_node", "said_of_topology", "said_of_type"]


class Said(NamedTuple):
    """A value. text: for people · exactly: differs wherever the value does."""

    text: str
    exactly: object


_Pairs = Iterator[tuple[str, Said]]


def said_of_node(node: Node) -> Mapping[str, Said]:
    """Return everything that a node says but its name, how many it is and what its machines are called."""
    plain = (("address", node.address), ("cores", node.cores), ("region", node.region))
    pairs = chain(
        _plain(plain),
        _number("memory", node.memory_bytes, Dimension.BYTES),
        _fact("price", None if node.hourly_usd_per_h else node.price_usd_per_h),
        _series("price", node.hourly_usd_per_h, Dimension.COST_RATE),
        ((f"devices {slot.type}", Said(str(len(slot.ids)), slot.ids)) for slot in node.devices),
        ((f"label {key}", Said(value, value)) for key, value in node.labels.items()),
        ((f"taint {taint}", Said("set", taint)) for taint in node.taints),
        chain.from_iterable(_tier(tier) for tier in node.memory_tiers),
        _series("carbon", node.carbon_g_per_kwh, Dimension.CARBON_INTENSITY),
        _listed("jurisdiction", node.jurisdiction),
        _series("power cap", node.power_cap_w, Dimension.POWER),
        _used(node),
        chain.from_iterable(
            ((f"topology {item.name}{number}, {label}", said) for label, said in said_of_topology(item).items())
            for number, item in _numbered(node.topology)
        ),
    )
    return dict(pairs)


def said_of_type(device: DeviceType) -> Mapping[str, Said]:
    """Return everything that a device type says but its name."""
    plain = (
        ("kind", device.kind),
        ("maker", device.vendor),
        ("model", device.model),
        ("architecture", device.architecture),
        ("kind of memory", device.memory_kind),
        ("cores", device.cores),
        ("powers are of", device.power_of),
        ("part of", device.part_of),
    )
    return dict(
        chain(
            _plain(plain),
            _listed("features", device.features),
            chain.from_iterable(_fact(label, fact) for label, fact in facts_of(device).items()),
            _plain((f"links of {kind}", item.links) for kind, item in numbered(device.interconnects)),
            ((f"most {item.name}", Said(str(item.most), item.most)) for item in device.partitions),
            ((f"kind of {item.name}", Said(item.kind, item.kind)) for item in device.memory_tiers),
            ((f"identity {key}", Said(value, value)) for key, value in device.identity.items()),
        )
    )


def said_of_link(link: Link) -> Mapping[str, Said]:
    """Return what a link says but its ends."""
    return dict(
        chain(
            _plain((("interconnect", link.interconnect),)),
            _fact("bandwidth", link.bandwidth_bytes_per_s),
            _fact("latency", link.latency_s),
        )
    )


def said_of_cap(cap: PowerCap) -> Mapping[str, Said]:
    """Return what a power cap on several machines says but whose it is."""
    return dict(_series("power", cap.cap_w, Dimension.POWER))


def said_of_topology(topology: Topology) -> Mapping[str, Said]:
    """Return what a topology says but its name, outer levels with their names before."""
    plain = (
        ("kind", topology.kind),
        ("shape", " x ".join(map(str, topology.shape)) or None),
        ("interconnect", topology.interconnect),
        ("links side by side", topology.links),
        ("members of a group", topology.group),
        ("groups by label", topology.by),
    )
    own = chain(
        _plain(plain),
        _listed("members", topology.members),
        _fact("bandwidth", topology.bandwidth_bytes_per_s),
        _fact("latency", topology.latency_s),
    )
    outer = topology.between
    if outer is None:
        return dict(own)
    above = ((f"between groups, {label}", said) for label, said in said_of_topology(outer).items())
    return dict(chain(own, [("between groups, name", Said(outer.name, outer.name))], above))


def _plain(pairs: Iterable[tuple[str, str | int | None]]) -> _Pairs:
    for label, value in pairs:
        if value is not None:
            yield label, Said(str(value), value)


def _listed(label: str, texts: tuple[str, ...]) -> _Pairs:
    if texts:
        yield label, Said(", ".join(texts), texts)


def _number(label: str, value: float | None, dimension: Dimension) -> _Pairs:
    if value is not None:
        yield label, Said(format_quantity(value, dimension), value)


def _fact(label: str, fact: Fact | None) -> _Pairs:
    """Yield a fact's value, and apart from it who states it where: either may change alone."""
    if fact is None:
        return
    yield label, Said(fact_text(fact), (fact.value, fact.unit))
    origin = ", ".join(text for text in (fact.trust or fact.source, fact.ref, fact.as_of) if text)
    yield f"source of {label}", Said(origin, (fact.source, fact.trust, fact.ref, fact.as_of))


def _tier(tier: MemoryTier) -> _Pairs:
    yield f"memory tier {tier.name}", Said(tier.kind, tier.kind)
    facts = ((" size", tier.bytes), (" read", tier.read_bytes_per_s), (" write", tier.write_bytes_per_s))
    for what, fact in (*facts, (" latency", tier.latency_s)):
        yield from _fact(f"memory tier {tier.name}{what}", fact)


def _series(label: str, values: tuple[float, ...], dimension: Dimension) -> _Pairs:
    if values:
        mean = format_quantity(sum(values) / len(values), dimension)
        yield label, Said(mean if len(values) == 1 else f"{len(values)} hourly values, {mean} on average", values)


def _used(node: Node) -> _Pairs:
    if node.used is None:
        return
    yield "cores taken", Said(f"{node.used.cores:g}", node.used.cores)
    yield from _number("memory taken", node.used.memory_bytes, Dimension.BYTES)
    for id_, share in node.used.devices.items():
        yield f"share of device {id_} taken", Said(format_quantity(share, Dimension.FRACTION), share)


def _numbered(topologies: tuple[Topology, ...]) -> Iterator[tuple[str, Topology]]:
    """Yield each topology with a mark that tells it from earlier ones of its name."""
    seen: dict[str, int] = {}
    for topology in topologies:
        seen[topology.name] = seen.get(topology.name, 0) + 1
        yield "" if seen[topology.name] == 1 else f" ({seen[topology.name]})", topology
