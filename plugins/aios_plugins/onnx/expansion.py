"""Refuses, before any walk, a graph that its functions and subgraphs blow up beyond all measure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aios.records.errors import Diagnostic, InputError

if TYPE_CHECKING:
    import onnx

__all__ = ["MAX_DEPTH", "MAX_NODES", "refuse_explosion"]

MAX_NODES = 200_000
"""Nodes to walk, calls and branches included: some twenty times the largest exported graphs, and some seconds."""
MAX_DEPTH = 48
"""Nesting of functions and subgraphs; the walk recurses once per level."""


class _Extent(NamedTuple):
    nodes: int
    depth: int


def refuse_explosion(model: onnx.ModelProto, path: Path) -> None:
    """Raise InputError when a function calls itself, or calls multiply to more than MAX_NODES nodes."""
    _Counter(model, path).measure(model.graph.node, 0)


class _Counter:
    """Measures each function once, however often it is called."""

    def __init__(self, model: onnx.ModelProto, path: Path) -> None:
        self._functions = {(item.domain, item.name): item for item in model.functions}
        self._known: dict[tuple[str, str], _Extent] = {}
        self._path = path

    def measure(self, nodes: Iterable[onnx.NodeProto], depth: int) -> _Extent:
        """Return how many nodes there are, calls and branches included, and how deep they are nested."""
        if depth > MAX_DEPTH:
            raise self._refusal(
                f"functions or subgraphs are nested more than {MAX_DEPTH} deep", "a function calls itself"
            )
        total = height = 0
        for node in nodes:
            inner = [self._called(node, depth)]
            for attribute in node.attribute:
                graphs = [*attribute.graphs, attribute.g] if attribute.HasField("g") else attribute.graphs
                inner.extend(self.measure(graph.node, depth + 1) for graph in graphs)
            total += 1 + sum(item.nodes for item in inner)
            height = max(height, *(item.depth for item in inner))
            if total > MAX_NODES:
                raise self._refusal(f"the graph has more than {MAX_NODES} nodes, calls included", "its calls multiply")
        return _Extent(total, height + 1)

    def _called(self, node: onnx.NodeProto, depth: int) -> _Extent:
        name = (node.domain, node.op_type)
        if name not in self._functions:
            return _Extent(0, 0)
        if name not in self._known:
            self._known[name] = self.measure(self._functions[name].node, depth + 1)
        known = self._known[name]
        return known if depth + known.depth <= MAX_DEPTH else self.measure((), depth + known.depth)

    def _refusal(self, what: str, why: str) -> InputError:
        return InputError(
            Diagnostic(
                summary=f"{self._path}: {what}",
                reason=f"{why}, or the file was made to exhaust its reader",
                remedy="export the model again",
            )
        )
