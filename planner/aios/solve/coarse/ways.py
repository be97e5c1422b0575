"""Ways between kinds of machines: no better, or no worse, than any between one machine of each."""

from __future__ import annotations

import math

from aios.records.fleet import Fleet
from aios.records.joins import Join, Joins

__all__ = ["Ways"]


class Ways(Joins):
    """The ways of ``joins`` by the names of nodes. safe: no way between two machines is worse, else none is better"""

    def __init__(self, joins: Joins, fleet: Fleet, *, safe: bool) -> None:
        self._joins = joins
        self._safe = safe
        self._nodes = {node.name: node for node in fleet.nodes}
        self._between: dict[tuple[str, str], Join | None] = {}
        self._known: dict[str, list[str]] = {}

    def between(self, source: str, target: str) -> Join | None:
        """Return the way between two nodes; of a node that stands for several machines also between two of these."""
        key = (source, target)
        if key not in self._between:
            self._between[key] = self._found(*key)
        return self._between[key]

    def _found(self, source: str, target: str) -> Join | None:
        ways = [
            self._joins.between(here, there)
            for here in self._machines(source)
            for there in self._machines(target)
            if source != target or here != there
        ]
        if source == target and (not self._safe or self._nodes[source].count == 1):
            return Join(math.inf, 0.0)
        known = [way for way in ways if way is not None]
        if not known or (self._safe and len(known) < len(ways)):
            return None
        widest, quickest = (min, max) if self._safe else (max, min)
        return Join(widest(way.bandwidth for way in known), quickest(way.latency for way in known))

    def _machines(self, node: str) -> list[str]:
        """Return machines that stand for all of a node: two of those that are joined alike."""
        if node not in self._known:
            self._known[node] = self._joins.unlike(self._nodes[node].instances())
        return self._known[node]
