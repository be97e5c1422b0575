"""The names of all machines of a fleet, without spelling out those of nodes that stand for many."""

from __future__ import annotations

from aios.records.fleet import Node

__all__ = ["MachineNames"]


class MachineNames:
    """Which machines there are: ``name`` for a node of one, ``name-0``, ``name-1``... for a node of several."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._lowest: dict[str, int] = {}  # of nodes of one that are called `name-3`: name -> smallest number

    def add(self, node: Node) -> str | None:
        """Take up a node; return a name that it shares with an earlier one, in which case it is not taken up."""
        clash = self._clash(node)
        if clash is None:
            self._counts[node.name] = node.count
            name, number = _split(node.name)
            if node.count == 1 and number is not None:
                self._lowest[name] = min(number, self._lowest.get(name, number))
        return clash

    def node_of(self, machine: str) -> str | None:
        """Return the node that a machine belongs to; a node's own name stands for all of its machines."""
        if machine in self._counts:
            return machine
        name, number = _split(machine)
        return name if number is not None and 1 < self._counts.get(name, 1) > number else None

    def _clash(self, node: Node) -> str | None:
        if node.name in self._counts:
            several = node.count > 1 and self._counts[node.name] > 1
            return f"{node.name}-0" if several else node.name
        if node.count == 1:
            return node.name if self.node_of(node.name) else None
        # No other node of several can have a machine `name-3`, only a node of one that is called so.
        lowest = self._lowest.get(node.name)
        return f"{node.name}-{lowest}" if lowest is not None and lowest < node.count else None


def _split(machine: str) -> tuple[str, int | None]:
    """Return ``a-b-12`` as ``a-b`` and 12; None where it does not end in a number as machines are numbered."""
    name, _, digits = machine.rpartition("-")
    plain = digits.isascii() and digits.isdigit() and len(digits) <= 7 and (digits == "0" or digits[0] != "0")
    return name, int(digits) if plain else None
