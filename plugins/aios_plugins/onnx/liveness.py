"""How much memory activations take at most: every tensor lives from its making to its last use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from aios_plugins.onnx.costs import VIEWS

if TYPE_CHECKING:
    import onnx

__all__ = ["Liveness", "names_read"]


class Liveness:
    """The bytes alive while a graph's nodes run in order.

    Views share the memory of what they show. Nothing else is shared: a runtime that computes in place needs less.
    """

    def __init__(self, nodes: Sequence[onnx.NodeProto], outputs: Iterable[str], absorbed: frozenset[int]) -> None:
        self._root: dict[str, str] = {}
        self._last: dict[str, int] = {}
        for index, node in enumerate(nodes):
            for name in names_read(node):
                self._last[self._owner(name)] = index
            if (node.op_type in VIEWS or index in absorbed) and node.input and node.output:
                self._root[node.output[0]] = self._owner(node.input[0])
        for name in outputs:
            self._last[self._owner(name)] = len(nodes)
        self._dying: defaultdict[int, list[str]] = defaultdict(list)
        for name, index in self._last.items():
            self._dying[index].append(name)
        self._alive: dict[str, int] = {}
        self._total = 0
        self.peak = 0

    def _owner(self, name: str) -> str:
        return self._root.get(name, name)

    def make(self, name: str, size: int) -> None:
        """Say that a tensor of ``size`` bytes now exists."""
        if name not in self._root and name not in self._alive:
            self._alive[name] = size
            self._total += size

    def finish(self, index: int, within: int = 0) -> None:
        """Say that node ``index`` is done, and used ``within`` bytes of its own while it ran."""
        self.peak = max(self.peak, self._total + within)
        for name in self._dying.pop(index, ()):
            self._total -= self._alive.pop(name, 0)


def names_read(node: onnx.NodeProto) -> Iterator[str]:
    """Yield every name that a node reads, also inside its subgraphs."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        graphs = [*attribute.graphs, attribute.g] if attribute.HasField("g") else attribute.graphs
        for graph in graphs:
            for inner in graph.node:
                yield from names_read(inner)
            yield from (item.name for item in graph.output)
