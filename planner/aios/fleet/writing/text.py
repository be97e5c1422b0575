"""Fleet -> the YAML that ``aios init`` saves and that reads back as the same fleet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from aios.fleet.files.connected import apart
from aios.fleet.making import Card, cards_of
from aios.fleet.writing.devicetext import device_lines, mapping_lines, tier_text
from aios.fleet.writing.scalars import fact, flow, listed, optional_fact, quantity, quoted
from aios.records.fleet import DeviceType, Fleet, Link, Node, PowerCap, Topology, Used
from aios.records.units import Dimension

__all__ = ["fleet_text"]

_HEADER = """\
# A fact says where it comes from: measured here, datasheet, analytic (follows from other facts), assumed or declared.
# What is left out is unknown: nothing that depends on it is predicted. Add what you know, such as `tdp: 65 W`.
"""


def fleet_text(fleet: Fleet, catalogue: Mapping[str, DeviceType] | None = None) -> str:
    """Return the fleet as a file. Reading it back gives the same nodes, types, links, topology and digest.

    catalogue: types that are the same in it are left out; the file is then read back with this catalogue
    """
    regions = _regions(fleet.nodes)
    lines = [
        *_HEADER.splitlines(),
        "apiVersion: aios/v1",
        "kind: Fleet",
        f"metadata: {{name: {quoted(fleet.name)}}}",
        "spec:",
        "  nodes:",
        *(line for node in fleet.nodes for line in _node(node, fleet.types, regions)),
    ]
    if regions:
        lines.append("  regions:")
        lines += [f"    {quoted(name)}: {{carbon: {_carbon(values)}}}" for name, values in regions.items()]
    described = [device for device in fleet.types.values() if not _is_known(device, catalogue or {})]
    if described:
        lines.append("  devices:")
        lines += [line for device in described for line in device_lines(device, "    ")]
    if fleet.links:
        lines.append("  links:")
        lines += [f"    - {_link(link)}" for link in fleet.links]
    lines += _topologies(fleet.topology, "  ", "over")
    lines += _power_caps(fleet.power_caps)
    if apart(fleet.nodes, fleet.links, fleet.topology) is not None:
        lines.append("  disconnected: true")
    return "\n".join(lines) + "\n"


def _is_known(device: DeviceType, catalogue: Mapping[str, DeviceType]) -> bool:
    """Return whether a type need not be described: it follows from another one, or stands in the catalogue."""
    return device.part_of is not None or (device.name in catalogue and catalogue[device.name] == device)


def _regions(nodes: Sequence[Node]) -> Mapping[str, Sequence[float]]:
    """Return the carbon intensity of each region in which all nodes state one and the same."""
    found: dict[str, set[tuple[float, ...]]] = {}
    for node in nodes:
        if node.region is not None:
            found.setdefault(node.region, set()).add(node.carbon_g_per_kwh)
    return {name: next(iter(same)) for name, same in sorted(found.items()) if len(same) == 1 and same != {()}}


def _carbon(values: Sequence[float]) -> str:
    return _series(values, Dimension.CARBON_INTENSITY)


def _series(values: Sequence[float], dimension: Dimension) -> str:
    written = [quantity(value, dimension) for value in values]
    return written[0] if len(written) == 1 else f"[{', '.join(written)}]"


def _power_caps(caps: Sequence[PowerCap]) -> Iterator[str]:
    """Yield the caps on several machines together, that on all of them first."""
    yield from (
        f"  power_cap: {_series(cap.cap_w, Dimension.POWER)}" for cap in caps if cap.by is None and not cap.labels
    )
    groups = [cap for cap in caps if cap.by is not None or cap.labels]
    if groups:
        yield "  power_caps:"
    for cap in groups:
        labels = flow((quoted(key), quoted(value)) for key, value in cap.labels.items()) if cap.labels else None
        by = None if cap.by is None else quoted(cap.by)
        yield f"    - {flow((('by', by), ('where', labels), ('cap', _series(cap.cap_w, Dimension.POWER))))}"


def _node(node: Node, types: Mapping[str, DeviceType], regions: Mapping[str, Sequence[float]]) -> Iterator[str]:
    indent = "      "
    yield f"    - name: {quoted(node.name)}"
    if node.count != 1:
        yield f"{indent}count: {node.count}"
    for key, text in (("hosts", node.hosts), ("address", node.address)):
        if text is not None:
            yield f"{indent}{key}: {quoted(text)}"
    if node.cores is not None:
        yield f"{indent}cpu: {node.cores}"
    if node.memory_bytes is not None:
        yield f"{indent}memory: {quantity(node.memory_bytes, Dimension.BYTES)}"
    if node.memory_tiers:
        yield f"{indent}memory_tiers:"
        yield from (f"{indent}  - {tier_text(tier)}" for tier in node.memory_tiers)
    if node.devices:
        yield f"{indent}devices:"
        yield from (f"{indent}  - {slot}" for slot in _slots(cards_of(node.devices, types)))
    yield from mapping_lines("labels", node.labels, indent)
    if node.taints:
        yield f"{indent}taints: {listed(node.taints)}"
    if node.region is not None:
        yield f"{indent}region: {quoted(node.region)}"
    yield from _topologies(node.topology, indent, "members")
    if node.used is not None:
        yield f"{indent}used: {_used(node.used)}"
    yield from _supplied(node, regions, indent)


def _supplied(node: Node, regions: Mapping[str, Sequence[float]], indent: str) -> Iterator[str]:
    """Yield what a machine costs, what electricity it has, and under whose law it stands."""
    if node.hourly_usd_per_h:
        yield f"{indent}price: {_series(node.hourly_usd_per_h, Dimension.COST_RATE)}"
    elif node.price_usd_per_h is not None:
        yield f"{indent}price: {fact(node.price_usd_per_h, Dimension.COST_RATE)}"
    if node.carbon_g_per_kwh and node.region not in regions:
        yield f"{indent}carbon: {_carbon(node.carbon_g_per_kwh)}"
    if node.jurisdiction:
        yield f"{indent}jurisdiction: {listed(node.jurisdiction)}"
    if node.power_cap_w:
        yield f"{indent}power_cap: {_series(node.power_cap_w, Dimension.POWER)}"


def _slots(cards: Iterable[Card]) -> Iterator[str]:
    """Yield devices as they are written, in the order of their ids: equal ones that follow each other together."""
    for (_, type_, parts), found in groupby(cards, key=lambda card: (card.cpu, card.type, card.parts)):
        count = sum(1 for _ in found)
        yield flow((("type", quoted(type_)), ("count", str(count)), ("partitions", listed(parts) if parts else None)))


def _used(used: Used) -> str:
    devices = flow((f'"{id_}"', _share(share)) for id_, share in used.devices.items()) if used.devices else None
    return flow(
        (
            ("cpu", f"{used.cores!r}".removesuffix(".0") if used.cores else None),
            ("memory", quantity(used.memory_bytes, Dimension.BYTES) if used.memory_bytes else None),
            ("devices", devices),
        )
    )


def _share(share: float) -> str:
    return quantity(share, Dimension.FRACTION)


def _link(link: Link) -> str:
    return flow(
        (
            ("between", listed(link.ends)),
            ("interconnect", None if link.interconnect is None else quoted(link.interconnect)),
            ("bandwidth", fact(link.bandwidth_bytes_per_s, Dimension.BANDWIDTH)),
            ("latency", optional_fact(link.latency_s, Dimension.TIME)),
        )
    )


def _topologies(topologies: Sequence[Topology], indent: str, members: str) -> Iterator[str]:
    if topologies:
        yield f"{indent}topology:"
        yield from (f"{indent}  - {_topology(topology, members)}" for topology in topologies)


def _topology(topology: Topology, members: str) -> str:
    shape = f"[{', '.join(str(length) for length in topology.shape)}]" if topology.shape else None
    return flow(
        (
            ("kind", topology.kind),
            ("name", quoted(topology.name)),
            (members, listed(topology.members) if topology.members else None),
            ("shape", shape),
            ("interconnect", None if topology.interconnect is None else quoted(topology.interconnect)),
            ("links", None if topology.links is None else str(topology.links)),
            ("bandwidth", optional_fact(topology.bandwidth_bytes_per_s, Dimension.BANDWIDTH)),
            ("latency", optional_fact(topology.latency_s, Dimension.TIME)),
            ("group", None if topology.group is None else str(topology.group)),
            ("by", None if topology.by is None else quoted(topology.by)),
            ("between", None if topology.between is None else _topology(topology.between, members)),
        )
    )
