"""Stated demands as intents that are chosen for like others: an option says how many copies stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aios.records.candidate import Candidate, Demand, Priced
from aios.records.demanded import Demanded, Site
from aios.records.intent import Intent
from aios.solve.refusing import refusal_of
from aios.solve.shapes import Stated

__all__ = ["stated_by", "with_copies"]

_NOTHING = Demand(share=0.0, cores=0, device_memory_bytes=0.0, node_memory_bytes=0.0)
"""What a copy takes is read from the demand, in parts of cores and bytes."""


def stated_by(demands: Sequence[Demanded], sites: Mapping[str, Sequence[Site]]) -> dict[str, Stated]:
    """Return demand -> it and where it may stand."""
    return {demand.name: Stated(demand, tuple(sites[demand.name])) for demand in demands}


def with_copies(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    stated: Mapping[str, Stated],
    metrics: Sequence[str],
) -> tuple[list[Intent], dict[str, Sequence[Priced]]]:
    """Return intents and options with those of stated demands. metrics: see ``_copies_of``"""
    everyone = [*intents, *(_as_intent(item.demand) for item in stated.values())]
    return everyone, {**options, **{name: _copies_of(item, metrics) for name, item in stated.items()}}


def _as_intent(demand: Demanded) -> Intent:
    """Return an intent that has nothing but a name, and what it weighs."""
    return Intent(
        name=demand.name,
        task="",
        models=(),
        goal=(),
        required=demand.required,
        priority=demand.priority,
        where=demand.where,
    )


def _copies_of(stated: Stated, metrics: Sequence[str]) -> list[Priced]:
    """Return an option for each number of copies that may stand; where all must, from one on, to say how many could.

    metrics: of which a copy has nothing, as nobody knows what runs in it
    """
    demand = stated.demand
    nodes = tuple(dict.fromkeys(site.node for site in stated.sites))
    refusal = refusal_of(_as_intent(demand), metrics)
    found = [] if demand.required else [refusal]
    for number in range(1, demand.copies + 1):
        candidate = Candidate(
            id=f"{demand.name}/{number}",
            intent=demand.name,
            model="",
            model_digest="",
            device="",
            nodes=nodes,
            executor="",
            precision="",
            replicas=number,
            devices=demand.accelerators.count if demand.accelerators else 1,
        )
        found.append(Priced(candidate=candidate, estimates=refusal.estimates, demand=_NOTHING))
    return found
