"""Decisions on stated demands: where their copies stand. What runs in them is not for a plan to say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from aios.records.demanded import Demanded
from aios.records.fleet import Fleet
from aios.records.plan import Decision
from aios.records.selection import Placement

__all__ = ["decisions_on"]


def decisions_on(
    demands: Sequence[Demanded], placement: Mapping[str, tuple[Placement, ...]], fleet: Fleet
) -> Iterator[Decision]:
    """Yield a decision per demand; ``replicas`` counts the copies that stand, ``devices`` what each takes."""
    types = {}
    for node in fleet.nodes:
        own = {id_: slot.type for slot in node.devices for id_ in slot.ids}
        types.update(dict.fromkeys(node.instances(), own))
    for demand in demands:
        parts = placement[demand.name]
        wanted = demand.accelerators
        used = {types[part.node][part.devices[0]] for part in parts if part.devices}
        yield Decision(
            intent=demand.name,
            candidate=demand.name,
            model="",
            device=", ".join(sorted(used)),
            precision="",
            quantization="none",
            compression="none",
            batch=1,
            threads=0,
            replicas=sum(part.replicas for part in parts),
            parallelism="none",
            devices=wanted.count if wanted else 0,
            power_mode=None,
            executor="",
            placement=parts,
            estimates={},
        )
