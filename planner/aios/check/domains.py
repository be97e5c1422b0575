"""Failure domains, recounted: how many parts of an intent stand in each."""

from __future__ import annotations

from aios.check.site import Site
from aios.records.fleet import Node

__all__ = ["counted", "domain"]


def domain(machine: str, node: Node, over: str) -> str | None:
    """Return the failure domain of a machine: itself, its region or the value of a label; None where it states none."""
    if over == "node":
        return machine
    if over == "region":
        return node.region
    return node.labels.get(over)


def counted(site: Site, intent: str, over: str) -> dict[str | None, int]:
    """Return failure domain -> parts of an intent there; under None those of which nobody knows the domain."""
    found: dict[str | None, int] = {}
    for placed in site.selection.placement.get(intent, ()):
        node = site.machines.get(placed.node)
        where = None if node is None else domain(placed.node, node, over)
        found[where] = found.get(where, 0) + placed.replicas
    return found
