"""Where copies of a stated demand may stand: nodes and device types that their author and the nodes' taints allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.records.base import canonical_json
from aios.records.candidate import Rejection
from aios.records.demanded import Demanded, Site
from aios.records.fleet import Fleet
from aios.records.forms import nearest
from aios.records.where import Where, barred_node, barred_type

__all__ = ["Sited", "sites_of"]


class Sited(NamedTuple):
    """sites: name of the demand -> where its copies may stand · rejections: why some have nowhere to stand at all"""

    sites: Mapping[str, tuple[Site, ...]]
    rejections: tuple[Rejection, ...]


def sites_of(demands: Sequence[Demanded], fleet: Fleet) -> Sited:
    """Return where each demand may stand, by what it allows alone: whether there is room is for the choice to say.

    Demands that allow the same share one tuple, so that ten thousand of them cost little more than one.
    """
    sites: dict[str, tuple[Site, ...]] = {}
    known: dict[object, tuple[Site, ...]] = {}
    rejections: list[Rejection] = []
    for demand in demands:
        wanted = demand.accelerators
        where = canonical_json(demand.allowed) if demand.allowed != Where() else None
        allowed = (wanted and wanted.types, demand.pin, demand.exclude, where)
        if allowed not in known:
            known[allowed] = tuple(_sites(demand, fleet))
            if not known[allowed]:
                rejections.append(_nowhere(demand, fleet))
        sites[demand.name] = known[allowed]
    return Sited(sites, tuple(rejections))


def _sites(demand: Demanded, fleet: Fleet) -> Iterator[Site]:
    for node in fleet.nodes:
        named = _allows(demand.pin.node, demand.exclude.node, node.name)
        if not named or barred_node(demand.allowed, node) is not None:
            continue
        if demand.accelerators is None:
            yield Site(node.name)
            continue
        for name in sorted({slot.type for slot in node.devices}):
            if _takes(demand, fleet, name):
                yield Site(node.name, name)


def _takes(demand: Demanded, fleet: Fleet, name: str) -> bool:
    """Say whether a demand takes devices of a type: one that it names, or else any accelerator."""
    types = demand.accelerators.types if demand.accelerators else ()
    right = name in types if types else fleet.types[name].kind != "cpu"
    made = barred_type(demand.allowed, fleet.types[name]) is None
    return right and made and _allows(demand.pin.device, demand.exclude.device, name)


def _allows(pinned: Sequence[str], excluded: Sequence[str], name: str) -> bool:
    return (not pinned or name in pinned) and name not in excluded


def _nowhere(demand: Demanded, fleet: Fleet) -> Rejection:
    """Say what keeps a demand off every node."""
    there = {slot.type for node in fleet.nodes for slot in node.devices}
    for words, known, what in (
        (demand.accelerators.types if demand.accelerators else (), there, "device type"),
        (demand.pin.device, there, "device type"),
        (demand.pin.node, {node.name for node in fleet.nodes}, "node"),
    ):
        missing = [word for word in words if word not in known]
        if missing and len(missing) == len(words):
            near = nearest(missing[0], sorted(known))
            listed = ", ".join(f"`{word}`" for word in missing)
            return Rejection(
                what=f"{demand.name} on every node",
                clause=f"{what} {listed}",
                reason=f"the fleet has no {what} {listed}",
                by="candidates",
                resolvable=f"did you mean `{near}`?" if near else f"name a {what} of the fleet",
            )
    barred = [found for node in fleet.nodes if (found := barred_node(demand.allowed, node)) is not None]
    barred += (found for name in sorted(there) if (found := barred_type(demand.allowed, fleet.types[name])) is not None)
    return Rejection(
        what=f"{demand.name} on every node",
        clause=barred[0].clause if barred else "pins, exclusions and types",
        reason="no node is left" + (f": {barred[0].reason}" if barred else ""),
        by="candidates",
        resolvable=barred[0].remedy if barred else "loosen one of them",
    )
