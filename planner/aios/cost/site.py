"""What it costs to be somewhere: price and carbon intensity of the nodes that a candidate may stand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.cost.interval import Interval, estimate
from aios.cost.power import Power
from aios.records.base import Source
from aios.records.candidate import Candidate, Estimate
from aios.records.fleet import DeviceType, Fact, Fleet, Node

__all__ = ["Site", "price_on", "site_of"]


class Site(NamedTuple):
    """price: USD/h of one whole device · carbon: gCO2/kWh of the electricity; both over all nodes that a candidate may
    stand on, None if one of them does not state it · unknown: metric -> why it cannot be said"""

    price: Interval | None
    price_source: Source
    carbon: Interval | None
    unknown: Mapping[str, str]

    def cost_of(self, share: float) -> Estimate:
        """Return the cost of ``share`` devices; it must have a price."""
        assert self.price is not None
        return estimate("cost", self.price.times(share), self.price_source, "price x share")

    def drawing(self, power: Power, energy: Interval, how: str) -> dict[str, Estimate]:
        """Return the estimates of power, energy and, where the carbon intensity is stated, emissions.

        energy: in joules, per request or of a whole job · how: it follows from power
        """
        found = {
            "power": estimate("power", power.watts, power.source, power.basis),
            "energy": estimate("energy", energy, power.source, f"{how}; {power.basis}"),
        }
        return found if self.carbon is None else {**found, "carbon": self.carbon_of(power)}

    def without_power(self, reason: str) -> dict[str, str]:
        """Return why metrics that follow from power are unknown where that is; a carbon intensity that nobody states
        is a reason of its own."""
        names = ("power", "energy") if self.carbon is None else ("power", "energy", "carbon")
        return dict.fromkeys(names, reason)

    def carbon_of(self, power: Power) -> Estimate:
        """Return the emissions while drawing ``power``; it must have a carbon intensity."""
        assert self.carbon is not None
        ends = Interval(*(watts / 1000 * grams for watts, grams in zip(power.watts, self.carbon, strict=True)))
        return estimate("carbon", ends, power.source, "power x carbon intensity of the electricity")


def site_of(candidate: Candidate, device: DeviceType, fleet: Fleet) -> Site:
    """Return price and carbon intensity where ``candidate`` may stand.

    A device's own price comes first; else its node's, shared evenly by the node's accelerators (by its cpus where it
    has none), a part of a card as it has a share of its rates. Over a day the intensity is its mean, between its least
    and its largest hour. Where nodes differ, the dearest counts: replicas may stand on any.
    """
    nodes = [node for node in fleet.nodes if node.name in candidate.nodes]
    unknown: dict[str, str] = {}
    prices = [price_on(device, node, fleet) for node in nodes]
    known = [fact for fact in prices if fact is not None]
    if len(known) < len(nodes) or not nodes:
        unknown["cost"] = _why_no_price(device, nodes)
    carbon = None
    if nodes and all(node.carbon_g_per_kwh for node in nodes):
        means = [sum(node.carbon_g_per_kwh) / len(node.carbon_g_per_kwh) for node in nodes]
        hours = [hour for node in nodes for hour in node.carbon_g_per_kwh]
        carbon = Interval(min(hours), max(means), max(hours))
    else:
        unknown["carbon"] = "the carbon intensity of the electricity is not stated (`carbon` of a node or its region)"
    values = sorted(fact.value for fact in known)
    price = None if "cost" in unknown else Interval(values[0], values[-1], values[-1])
    return Site(price, known[0].source if known else "declared", carbon, unknown)


def _why_no_price(device: DeviceType, nodes: Sequence[Node]) -> str:
    if device.kind == "cpu" and any(node.price_usd_per_h for node in nodes):
        return f"the price of a node with accelerators is theirs; no price of {device.name} is stated"
    if device.part_of is not None and any(node.price_usd_per_h for node in nodes):
        return f"what share of {device.part_of} a {device.name} is, and so of its price, is not stated"
    return f"no price of {device.name} or of its node is stated"


def price_on(device: DeviceType, node: Node, fleet: Fleet) -> Fact | None:
    """Return the rent of one whole device on a node, in USD/h, its mean over a day; None where nobody states it."""
    if device.price_usd_per_h is not None or node.price_usd_per_h is None:
        return device.price_usd_per_h
    cards: dict[bool, set[str]] = {True: set(), False: set()}  # cpus and all other devices; parts are of one card
    for slot in node.devices:
        cards[fleet.types[slot.type].kind == "cpu"].update(id_.partition(".")[0] for id_ in slot.ids)
    share = _share_of_card(device, fleet)
    if share is None or (cards[False] and device.kind == "cpu"):
        return None
    whole = node.price_usd_per_h
    return whole.model_copy(update={"value": whole.value * share / len(cards[False] or cards[True])})


def _share_of_card(device: DeviceType, fleet: Fleet) -> float | None:
    """Return what share of a card's rates a part has, 1 for what is no part; None if nobody says."""
    if device.part_of is None:
        return 1.0
    card = fleet.types.get(device.part_of)
    name = device.name.removeprefix(f"{device.part_of}:")
    parts = [part for part in card.partitions if part.name == name] if card else []
    return parts[0].compute_share.value if parts else None
