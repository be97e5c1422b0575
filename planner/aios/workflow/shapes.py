"""Machines that may be bought: read off a device catalogue, or written down as a fleet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from aios.records.errors import BadValue, Diagnostic, InputError, UsageError
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Node
from aios.records.forms import nearest
from aios.records.quantity import Quantity
from aios.records.units import Dimension
from aios.workflow.cataloguing import Known
from aios.workflow.setting import Setting
from aios.workflow.shipped import shipped_catalogue

__all__ = ["MINIMIZED", "LeftOut", "Offer", "Shapes", "Sought", "shapes_of"]

MINIMIZED: Mapping[str, str] = {
    "cost": "USD/h",
    "power": "W",
    "purchase": "USD",
    "machines": "machines",
    "devices": "devices",
}
"""What of a fleet may be made small -> its unit."""

_NUMBERS = (1, 2, 4, 8)
"""How many accelerators a machine of the catalogue may hold, as machines are sold; one processor makes a machine."""
_MOST_DEVICES = 64
"""Accelerators of one machine that can be asked for."""

_PRICE = Quantity(Dimension.COST_RATE, zero=True, most=1e6)
"""Dearest machines are rented for some hundred USD per hour."""


@dataclass(frozen=True)
class Sought:
    """What is asked for.

    source: catalogue folder or fleet file; None for what ships with aios · minimize: one of MINIMIZED · shapes:
    ``TYPE`` or ``TYPE:NUMBER``, of a fleet file names of nodes; empty for all · machines: the most in all · regions: in
    which machines may stand; empty for any · prices: ``TYPE=USD per hour`` of one device · split: pieces that the load
    of each service is cut into
    """

    source: str | None = None
    minimize: str = "cost"
    shapes: tuple[str, ...] = ()
    machines: int = 64
    regions: tuple[str, ...] = ()
    prices: tuple[str, ...] = ()
    split: int = 1


class LeftOut(NamedTuple):
    """A shape, or all of a device type, that cannot be compared, and why."""

    shape: str
    reason: str


class Offer(NamedTuple):
    """One shape. node: one such machine, its count the most that may be bought · figure: what one adds to what is made
    small"""

    node: Node
    figure: float


class Shapes(NamedTuple):
    """Everything on offer, as a fleet that holds the most of each. offers: by its nodes"""

    fleet: Fleet
    offers: tuple[Offer, ...]
    left_out: tuple[LeftOut, ...]
    entries: Mapping[str, DeviceType]


def shapes_of(sought: Sought, setting: Setting) -> Shapes:
    """Return what is on offer. Raises InputError for a source that is not there or offers nothing of a known figure."""
    from aios.fleet import load_catalogue

    if sought.minimize not in MINIMIZED:
        near = nearest(sought.minimize, tuple(MINIMIZED))
        remedy = (f"did you mean {near}? " if near else "") + f"known: {', '.join(MINIMIZED)}"
        raise UsageError(Diagnostic(summary=f"a fleet has no `{sought.minimize}` to minimize", remedy=remedy))
    entries = shipped_catalogue()
    own = load_catalogue(Path(sought.source)) if sought.source is not None else entries
    fleet = _offered(sought, Known(own, {})) if len(own) else _written(sought, setting)
    fleet = _priced(fleet, sought.prices)
    offers: list[Offer] = []
    left_out: list[LeftOut] = []
    for node in fleet.nodes:
        figure = _figure(sought.minimize, node, fleet.types)
        if isinstance(figure, str):
            left_out.append(LeftOut(node.name, figure))
        else:
            offers.append(Offer(node.model_copy(update={"price_usd_per_h": _rent(node, fleet.types)}), figure))
    if not offers:
        raise InputError(_nothing(sought, fleet, left_out))
    # In the order that every fleet has its nodes in.
    whole = with_nodes(fleet, [offer.node for offer in offers])
    figures = {offer.node.name: offer.figure for offer in offers}
    return Shapes(whole, tuple(Offer(node, figures[node.name]) for node in whole.nodes), tuple(left_out), entries)


def with_nodes(fleet: Fleet, nodes: Sequence[Node], types: Mapping[str, DeviceType] | None = None) -> Fleet:
    """Return a fleet of these nodes alone, with what connects them and the types that they hold."""
    from aios.fleet.making import fleet_of

    known = types or fleet.types
    names = {node.name for node in nodes}
    held = {slot.type for node in nodes for slot in node.devices}
    held |= {whole for name in held if (whole := known[name].part_of) is not None}
    links = [link for link in fleet.links if all(end.partition("/")[0] in names for end in link.ends)]
    topology = [item for item in fleet.topology if set(item.members) <= names]
    return fleet_of(
        fleet.name, nodes, {name: known[name] for name in sorted(held)}, links, fleet.origin, topology, fleet.power_caps
    )


def _written(sought: Sought, setting: Setting) -> Fleet:
    """Return the machines of a fleet file: none of them is anybody's yet, so none is named, reached or used."""
    from aios.workflow.reading import read_written

    source = sought.source
    assert source is not None
    if not Path(source).exists():
        raise InputError(
            Diagnostic(
                summary=f"there is no file or folder {source}",
                remedy="name a device catalogue, or a fleet file whose machines may be bought",
            )
        )
    fleet = read_written(Setting(fleet=source, stdin=setting.stdin)).fleet
    assert fleet is not None
    nodes = [
        node.model_copy(
            update={"count": min(node.count, sought.machines), "hosts": None, "address": None, "used": None}
        )
        for node in fleet.nodes
        if (not sought.regions or node.region in sought.regions) and (not sought.shapes or node.name in sought.shapes)
    ]
    _refuse_unknown(sought.shapes, {node.name for node in fleet.nodes}, "shape", source)
    _refuse_unknown(sought.regions, {node.region for node in fleet.nodes if node.region}, "region", source)
    if not nodes:
        raise InputError(Diagnostic(summary=f"no machine of {source} is one of the shapes in one of the regions"))
    return with_nodes(fleet, nodes)


def _refuse_unknown(names: Sequence[str], known: set[str], what: str, source: str) -> None:
    problems = []
    for name in names:
        if name not in known:
            near = nearest(name, sorted(known))
            listed = ", ".join(f"`{item}`" for item in sorted(known)[:8]) or "none"
            remedy = (f"did you mean `{near}`? " if near else "") + f"{source} has {listed}"
            problems.append(Diagnostic(summary=f"{source} has no {what} `{name}`", remedy=remedy))
    if problems:
        raise InputError(*problems)


def _offered(sought: Sought, known: Known) -> Fleet:
    """Return machines of each size that devices of a catalogue are sold in."""
    from aios.fleet.making import fleet_of

    if sought.regions:
        raise UsageError(
            Diagnostic(
                summary="device types stand in no region",
                remedy="name a fleet file with --from, whose machines say their `region`",
            )
        )
    if sought.shapes:
        asked = [_named(text, known) for text in sought.shapes]
    else:
        asked = [(device, _numbers(device)) for device in known.devices()]
    nodes = {
        node.name: node
        for device, numbers in asked
        for node in (_machine(device, number, sought.machines) for number in numbers)
    }
    types = {device.name: device for device, _ in asked}
    return fleet_of("sized", nodes.values(), types, [], sought.source or "the catalogue of aios")


def _named(text: str, known: Known) -> tuple[DeviceType, Sequence[int]]:
    """Return the device type and how many of them a machine holds, of ``nvidia-l4`` or ``nvidia-l4:8``."""
    name, colon, written = text.rpartition(":")
    if not colon or not (written.isascii() and written.isdigit()):
        name, written = text, ""
    (device,) = known.named([name])
    if not written:
        return device, _numbers(device)
    most = _MOST_DEVICES
    if not 1 <= int(written) <= most:
        raise InputError(
            Diagnostic(summary=f"`{text}` asks for {written} devices on a machine", remedy=f"ask for 1 to {most}")
        )
    return device, [int(written)]


def _numbers(device: DeviceType) -> Sequence[int]:
    return _NUMBERS[:1] if device.kind == "cpu" else _NUMBERS


def _machine(device: DeviceType, number: int, most: int) -> Node:
    cpu = device.kind == "cpu"
    return Node(
        name=f"{device.name}-x{number}",
        count=most,
        cores=None if not cpu or device.cores is None else device.cores * number,
        devices=(DeviceSlot(type=device.name, ids=tuple(f"{'cpu' if cpu else ''}{k}" for k in range(number))),),
    )


def _priced(fleet: Fleet, prices: Sequence[str]) -> Fleet:
    """Return the fleet with the prices that were given for device types. Raises InputError, UsageError."""
    if not prices:
        return fleet
    types = dict(fleet.types)
    problems = []
    for text in prices:
        name, equals, written = text.partition("=")
        if not equals or name not in types:
            near = nearest(name, sorted(types))
            summary = f"`--price {text}` " + ("names no device type that is on offer" if equals else "states no price")
            remedy = f"did you mean `{near}={written or '0.80'}`?" if near else "write `--price TYPE=0.80`"
            problems.append(Diagnostic(summary=summary, remedy=remedy))
            continue
        try:
            value = _PRICE.read(written if "/" in written else f"{written} USD/h")
        except BadValue as error:
            problems.append(Diagnostic(summary=f"--price {name}: {error.summary}", remedy=error.remedy))
            continue
        price = Fact(value=value, unit="USD/h", source="declared", ref="--price")
        types[name] = types[name].model_copy(update={"price_usd_per_h": price})
    if problems:
        raise InputError(*problems)
    return fleet.model_copy(update={"types": types})


def _rent(node: Node, types: Mapping[str, DeviceType]) -> Fact | None:
    """Return what a machine is rented for: its own price, or that of its devices together."""
    if node.price_usd_per_h is not None:
        return node.price_usd_per_h
    facts = [(types[slot.type], types[slot.type].price_usd_per_h, len(slot.ids)) for slot in node.devices]
    priced = [(device, fact, number) for device, fact, number in facts if fact is not None]
    lacking = [device for device, fact, _ in facts if fact is None]
    if not priced or any(device.kind != "cpu" for device in lacking):
        return None
    if len(priced) == 1 and priced[0][2] == 1:
        return priced[0][1]
    told = " + ".join(f"{number} x {fact.value:g} USD/h of {device.name}" for device, fact, number in priced)
    value = float(f"{sum(fact.value * number for _, fact, number in priced):.12g}")
    return Fact(value=value, unit="USD/h", source=priced[0][1].source, trust="derived", ref=told)


def _figure(minimize: str, node: Node, types: Mapping[str, DeviceType]) -> float | str:
    """Return what one machine adds to what is made small; why nobody knows it where that is so."""
    number = sum(len(slot.ids) for slot in node.devices)
    if minimize == "machines":
        return 1.0
    if minimize == "devices":
        return float(number)
    if minimize == "cost":
        rent = _rent(node, types)
        return "no price per hour is stated" if rent is None else rent.value
    of_each = {slot.type: _of_device(minimize, types[slot.type]) for slot in node.devices}
    lacking = [name for name, value in of_each.items() if value is None]
    if lacking:
        what = "idle power nor TDP is" if minimize == "power" else "price to buy one is"
        return f"{'neither' if minimize == 'power' else 'no'} {what} stated of {', '.join(lacking)}"
    values = ((of_each[slot.type] or 0.0) * len(slot.ids) for slot in node.devices)
    return float(f"{sum(values):.12g}")


def _of_device(minimize: str, device: DeviceType) -> float | None:
    if minimize == "purchase":
        return None if device.price_usd is None else device.price_usd.value
    return idle_w(device)


def idle_w(device: DeviceType) -> float | None:
    """Return what a device that nothing runs on is expected to draw; None where nobody states what would tell."""
    from aios.cost.power import resting_w

    if device.idle_w is not None:
        return device.idle_w.value
    return None if device.tdp_w is None else resting_w(device)


def _nothing(sought: Sought, fleet: Fleet, left_out: Sequence[LeftOut]) -> Diagnostic:
    types = sorted({slot.type for node in fleet.nodes for slot in node.devices})
    shown = ", ".join(types[:6]) + (f" and {len(types) - 6} more" if len(types) > 6 else "")
    if sought.minimize != "cost":
        return Diagnostic(summary=f"nobody states the {sought.minimize} of any shape", reason=left_out[0].reason)
    return Diagnostic(
        summary="no shape has a price per hour",
        reason=f"nobody states one of {shown}",
        remedy=f"state it, such as `--price {types[0]}=0.80`, or name a fleet file whose machines have a `price`",
    )
