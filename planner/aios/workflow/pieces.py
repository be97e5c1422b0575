"""Pieces of a service: its load cut into equal ones, of which each group of replicas serves some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from aios.records.intent import Intent, Requirement
from aios.records.metrics import metric
from aios.records.units import format_quantity
from aios.workflow.reading import Given

__all__ = ["ADDED_UP", "Group", "cut", "grouped", "serves"]

ADDED_UP = ("power", "cost", "memory", "carbon", "throughput")
"""Metrics whose values for the groups of a service add up to the service's: each group gets its share of a bound."""


class Group(NamedTuple):
    """Replicas that serve a share of a service. name: in the plan · share: of its requests, 1 for all of them."""

    name: str
    intent: str
    share: float


def serves(intent: Intent) -> bool:
    """Say whether an intent has a load that can be cut."""
    return intent.load is not None and intent.train is None


def cut(intent: Intent, share: float, name: str | None = None) -> Intent:
    """Return the intent with a share of its load and of what bounds the sum over its groups."""
    if share >= 1 or intent.load is None:
        return intent
    load = intent.load.times(share).model_copy(update={"split": None})
    require = tuple(_cut_bound(item, share) if item.metric in ADDED_UP else item for item in intent.require)
    return intent.model_copy(update={"name": name or intent.name, "load": load, "require": require})


def _cut_bound(item: Requirement, share: float) -> Requirement:
    of, bound = metric(item.metric), item.bound * share
    text = f"{item.metric} {of.relation} {format_quantity(bound, of.dimension)}"
    return item.model_copy(update={"bound": bound, "text": text})


def grouped(given: Given, shares: Mapping[str, Sequence[float]]) -> tuple[Given, tuple[Group, ...]]:
    """Return what is given with one intent for each group of a service, and the groups.

    shares: intent name -> share of each of its groups; one group alone keeps the intent as it is
    """
    intents: list[Intent] = []
    groups: list[Group] = []
    origin: dict[str, str] = {}
    for intent in given.intents:
        own = sorted(shares.get(intent.name, (1.0,)), reverse=True)
        for number, share in enumerate(own, start=1):
            name = intent.name if len(own) == 1 else f"{intent.name}-{number}"
            intents.append(cut(intent, share, name))
            origin[name] = intent.name
            groups.append(Group(name, intent.name, share))
    if len(intents) == len(given.intents):
        return given, tuple(groups)
    found = replace(
        given,
        intents=tuple(intents),
        profiles={name: given.profiles[whole] for name, whole in origin.items()},
        calibration={name: given.calibration[whole] for name, whole in origin.items()},
        evaluation={name: given.evaluation[whole] for name, whole in origin.items()},
        training={name: given.training[whole] for name, whole in origin.items()},
    )
    return found, tuple(groups)
