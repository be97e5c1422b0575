"""What running takes and costs in each hour, node by node: priced candidates and stated demands as ways of a job.

A job reserves the pessimistic end of its predicted time, or the expected one if its intent says ``risk: expected``. It
is charged while it runs, by the rent of that hour, and emits by the carbon intensity of that hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aios.cost.site import price_on
from aios.records.candidate import Priced
from aios.records.demanded import Demanded, Site
from aios.records.fleet import DeviceType, Fleet, Node
from aios.records.intent import Intent
from aios.records.schedule import Way

__all__ = ["ways_of", "ways_of_demand"]


def ways_of(intent: Intent, options: Sequence[Priced], fleet: Fleet) -> tuple[Way, ...]:
    """Return every option that runs to an end on every node that it may use; all parts of it stand on one node."""
    nodes = {node.name: node for node in fleet.nodes}
    return tuple(
        way for option in options for name in option.candidate.nodes for way in _way(intent, option, nodes[name], fleet)
    )


def _way(intent: Intent, option: Priced, node: Node, fleet: Fleet) -> Iterator[Way]:
    candidate, demand, time = option.candidate, option.demand, option.estimates.get("time")
    if time is None:
        return
    power = option.estimates.get("power")
    watts = None if power is None else power.value
    device = fleet.types[candidate.device]
    yield Way(
        id=candidate.id,
        node=node.name,
        device=candidate.device,
        parts=candidate.parts,
        devices=candidate.devices,
        share=demand.share,
        cores=float(demand.cores),
        memory_bytes=demand.node_memory_bytes,
        device_memory_bytes=demand.device_memory_bytes,
        duration_s=time.value if intent.risk == "expected" else time.high,
        power_w=watts,
        usd_per_h=_rent(device, node, fleet, demand.share * candidate.devices * candidate.parts),
        g_per_h=_emissions(node, watts),
    )


def ways_of_demand(demand: Demanded, sites: Sequence[Site], fleet: Fleet) -> tuple[Way, ...]:
    """Return a way for each place that one copy of a demand may take.

    As nobody knows what a copy does, its devices are taken to draw their rating, and its cores their share of that of
    the machine's processors where it has no device. The rent of a machine with accelerators is theirs.
    """
    nodes = {node.name: node for node in fleet.nodes}
    return tuple(_stated(demand, site, nodes[site.node], fleet) for site in sites)


def _stated(demand: Demanded, site: Site, node: Node, fleet: Fleet) -> Way:
    wanted = demand.accelerators if site.device else None
    if wanted is None:
        watts, rent = _cores_w(demand.cores, node, fleet), _cores_usd(demand.cores, node, fleet)
    else:
        device, taken = fleet.types[site.device], wanted.share * wanted.count
        watts = None if device.tdp_w is None else device.tdp_w.value * taken
        rent = _rent(device, node, fleet, taken)
    return Way(
        id=f"{demand.name}/{site.device or 'cpu'}",
        node=node.name,
        device=site.device or None,
        devices=wanted.count if wanted else 1,
        share=wanted.share if wanted else 1.0,
        cores=demand.cores,
        memory_bytes=demand.memory_bytes,
        duration_s=demand.duration_s,
        power_w=watts,
        usd_per_h=rent,
        g_per_h=_emissions(node, watts),
    )


def _cores_w(cores: float, node: Node, fleet: Fleet) -> float | None:
    """Return the share of its processors' rating that so many cores of a machine are; None where nobody states it."""
    own = [(fleet.types[slot.type], len(slot.ids)) for slot in node.devices if fleet.types[slot.type].kind == "cpu"]
    known = [device.tdp_w.value * many for device, many in own if device.tdp_w is not None]
    if not own or len(known) < len(own) or not node.cores:
        return None
    return sum(known) * cores / node.cores


def _cores_usd(cores: float, node: Node, fleet: Fleet) -> tuple[float, ...]:
    """Return the rent of so many cores in each hour, of a machine that has nothing else to rent."""
    if node.price_usd_per_h is None or not node.cores or any(fleet.types[s.type].kind != "cpu" for s in node.devices):
        return ()
    return tuple(price * cores / node.cores for price in node.hourly_usd_per_h or (node.price_usd_per_h.value,))


def _rent(device: DeviceType, node: Node, fleet: Fleet, devices: float) -> tuple[float, ...]:
    """Return what so many devices cost in each hour; a series where the node's price is one and theirs follows it."""
    fact = price_on(device, node, fleet)
    if fact is None:
        return ()
    if device.price_usd_per_h is not None or not node.hourly_usd_per_h or node.price_usd_per_h is None:
        return (fact.value * devices,)
    mean = node.price_usd_per_h.value
    return tuple(fact.value * devices * (price / mean if mean else 0.0) for price in node.hourly_usd_per_h)


def _emissions(node: Node, watts: float | None) -> tuple[float, ...]:
    return () if watts is None else tuple(watts / 1000.0 * grams for grams in node.carbon_g_per_kwh)
