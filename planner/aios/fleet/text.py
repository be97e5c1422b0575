"""Fleet -> the YAML that ``aios init`` saves and that reads back as the same fleet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aios.records.fleet import DeviceType, Fact, Fleet, Node
from aios.records.units import Dimension, format_exactly

__all__ = ["fleet_text"]

_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_NOT_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}  # YAML 1.1 parsers read these as constants

_HEADER = """\
# A fact says where it comes from: measured here, datasheet, analytic (follows from other facts), assumed or declared.
# What is left out is unknown: nothing that depends on it is predicted. Add what you know, such as `tdp: 65 W`.
"""


def fleet_text(fleet: Fleet) -> str:
    """Return the fleet as a file. Reading it back gives the same nodes, types, links and digest."""
    lines = [
        *_HEADER.splitlines(),
        "apiVersion: aios/v1",
        "kind: Fleet",
        f"metadata: {{name: {_quoted(fleet.name)}}}",
        "spec:",
        "  nodes:",
        *(line for node in fleet.nodes for line in _node(node)),
    ]
    if fleet.types:
        lines.append("  devices:")
        lines += [line for device in fleet.types.values() for line in _device(device)]
    if fleet.links:
        lines.append("  links:")
    for link in fleet.links:
        fields = [f"between: [{', '.join(_quoted(end) for end in link.ends)}]"]
        fields.append(f"bandwidth: {_fact(link.bandwidth_bytes_per_s, Dimension.BANDWIDTH)}")
        if link.latency_s is not None:
            fields.append(f"latency: {_fact(link.latency_s, Dimension.TIME)}")
        lines.append(f"    - {{{', '.join(fields)}}}")
    return "\n".join(lines) + "\n"


def _node(node: Node) -> Iterator[str]:
    yield f"    - name: {_quoted(node.name)}"
    if node.count != 1:
        yield f"      count: {node.count}"
    if node.address is not None:
        yield f"      address: {_quoted(node.address)}"
    if node.cores is not None:
        yield f"      cpu: {node.cores}"
    if node.memory_bytes is not None:
        yield f"      memory: {_quantity(node.memory_bytes, Dimension.BYTES)}"
    if node.devices:
        yield "      devices:"
    for slot in node.devices:
        yield f"        - {{type: {_quoted(slot.type)}, count: {len(slot.ids)}}}"
    yield from _mapping("labels", node.labels, "      ")
    if node.region is not None:
        yield f"      region: {_quoted(node.region)}"


def _device(device: DeviceType) -> Iterator[str]:
    indent = "      "
    yield f"    - name: {_quoted(device.name)}"
    yield f"{indent}kind: {device.kind}"
    for key, text in (("vendor", device.vendor), ("model", device.model)):
        if text is not None:
            yield f"{indent}{key}: {_quoted(text)}"
    if device.cores is not None:
        yield f"{indent}cores: {device.cores}"
    if device.features:
        yield f"{indent}features: [{', '.join(_quoted(feature) for feature in device.features)}]"
    yield from _facts("peak", device.peak_ops_per_s, Dimension.COMPUTE, indent)
    yield from _facts("cache", device.cache_bytes, Dimension.BYTES, indent)
    for key, fact, dimension in _single_facts(device):
        if fact is not None:
            yield f"{indent}{key}: {_fact(fact, dimension)}"
    if device.power_modes:
        yield f"{indent}power_modes:"
    for mode in device.power_modes:
        yield f"{indent}  - name: {_quoted(mode.name)}"
        yield f"{indent}    cap: {_fact(mode.cap_w, Dimension.POWER)}"
        if mode.peak_scale is not None:
            yield f"{indent}    peak_scale: {_fact(mode.peak_scale, Dimension.FRACTION)}"
    yield from _mapping("identity", device.identity, indent)
    unknown = [key for key, fact, _ in _single_facts(device) if fact is None]
    if unknown:
        yield f"{indent}# unknown: {', '.join(unknown)}"


def _single_facts(device: DeviceType) -> tuple[tuple[str, Fact | None, Dimension], ...]:
    return (
        ("memory", device.memory_bytes, Dimension.BYTES),
        ("bandwidth", device.memory_bandwidth_bytes_per_s, Dimension.BANDWIDTH),
        ("frequency", device.frequency_hz, Dimension.FREQUENCY),
        ("tdp", device.tdp_w, Dimension.POWER),
        ("idle", device.idle_w, Dimension.POWER),
        ("launch_overhead", device.launch_overhead_s, Dimension.TIME),
        ("price", device.price_usd_per_h, Dimension.COST_RATE),
    )


def _facts(key: str, facts: Mapping[str, Fact], dimension: Dimension, indent: str) -> Iterator[str]:
    if facts:
        yield f"{indent}{key}:"
    for name, fact in facts.items():
        yield f"{indent}  {_quoted(name)}: {_fact(fact, dimension)}"


def _mapping(key: str, pairs: Mapping[str, str], indent: str) -> Iterator[str]:
    if pairs:
        yield f"{indent}{key}:"
    for name, text in pairs.items():
        yield f"{indent}  {_quoted(name)}: {_quoted(text)}"


def _fact(fact: Fact, dimension: Dimension) -> str:
    value = _quantity(fact.value, dimension, integer=fact.unit == "OP/s")
    if fact.source == "declared" and fact.ref is None and fact.as_of is None:
        return value
    fields = [f"value: {value}", f"source: {fact.source}"]
    if fact.ref is not None:
        fields.append(f"ref: {_quoted(fact.ref)}")
    if fact.as_of is not None:
        fields.append(f'as_of: "{fact.as_of}"')
    return f"{{{', '.join(fields)}}}"


def _quantity(value: float, dimension: Dimension, integer: bool = False) -> str:
    text = format_exactly(value, dimension)
    return text.replace("FLOP/s", "OP/s") if integer else text


def _quoted(text: str) -> str:
    """Return ``text`` as a YAML scalar: bare where it can be nothing but text, else in double quotes."""
    if _BARE.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return '"' + "".join(_escaped(letter) for letter in text) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
