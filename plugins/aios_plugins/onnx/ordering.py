"""Refuses graphs whose nodes are out of order, in a circle, or use tensors that nobody makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aios.records.errors import Diagnostic, InputError
from aios_plugins.onnx.tensors import Tensor

if TYPE_CHECKING:
    import onnx

__all__ = ["label_of", "refuse_misuse"]


def label_of(node: onnx.NodeProto) -> str:
    """Return what to call a node in a message: its name, else what it makes, else its kind."""
    return str(node.name or next((name for name in node.output if name), node.op_type))


def refuse_misuse(nodes: Sequence[onnx.NodeProto], find: Callable[[str], Tensor | None], path: Path) -> None:
    """Raise InputError unless every node reads only what exists before it and every tensor is made once."""
    made: set[str] = set()
    for node in nodes:
        for name in node.input:
            if name and name not in made and find(name) is None:
                raise InputError(_unmade(name, node, nodes, path))
        for name in node.output:
            if name and name in made:
                raise InputError(
                    Diagnostic(
                        summary=f"{path}: two nodes make the tensor {name!r}",
                        reason="a name in an ONNX graph stands for one tensor",
                        remedy="export the model again",
                    )
                )
            made.add(name)


def _unmade(name: str, node: onnx.NodeProto, nodes: Sequence[onnx.NodeProto], path: Path) -> Diagnostic:
    label = label_of(node)
    if not any(name in other.output for other in nodes):
        return Diagnostic(
            summary=f"{path}: node {label!r} ({node.op_type}) reads {name!r}, which nothing makes",
            reason="it is no input, no initializer and no output of another node",
            remedy="export the model again",
        )
    if _is_circular(nodes):
        return Diagnostic(
            summary=f"{path}: the graph runs in a circle through {name!r}, at node {label!r} ({node.op_type})",
            reason="no order exists in which its nodes could be computed",
            remedy="export the model again",
        )
    return Diagnostic(
        summary=f"{path}: node {label!r} ({node.op_type}) reads {name!r} before it is made",
        reason="ONNX wants nodes in an order in which they can be computed",
        remedy="sort the graph, for example with onnx-graphsurgeon: `graph.toposort()`",
    )


def _is_circular(nodes: Sequence[onnx.NodeProto]) -> bool:
    """Take away, again and again, nodes whose inputs are all there; what is left runs in a circle (Kahn)."""
    producers = {name: i for i, node in enumerate(nodes) for name in node.output if name}
    waiting = [{producers[name] for name in node.input if name in producers} for node in nodes]
    readers: dict[int, list[int]] = {}
    for index, needed in enumerate(waiting):
        for producer in needed:
            readers.setdefault(producer, []).append(index)
    ready = [index for index, needed in enumerate(waiting) if not needed]
    done = 0
    while ready:
        done += 1
        index = ready.pop()
        for reader in readers.get(index, ()):
            waiting[reader].discard(index)
            if not waiting[reader]:
                ready.append(reader)
    return done < len(nodes)
