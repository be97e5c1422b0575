"""If, Loop and Scan: which branch counts, and how often a body runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from aios_plugins.onnx.ordering import label_of
from aios_plugins.onnx.tally import Tally
from aios_plugins.onnx.tensors import Tensor

if TYPE_CHECKING:
    import onnx

    from aios_plugins.onnx.walk import Outcome, Scope, Walker

__all__ = ["KINDS", "walk"]

KINDS = frozenset({"If", "Loop", "Scan"})


def walk(walker: Walker, node: onnx.NodeProto, inputs: Sequence[Tensor | None], scope: Scope) -> Outcome | None:
    """Walk the subgraphs of a control-flow node; None if it has none."""
    graphs = {item.name: item.g for item in node.attribute if item.HasField("g")}
    label = label_of(node)
    if node.op_type == "If" and {"then_branch", "else_branch"} <= graphs.keys():
        return _branch(walker, graphs, inputs, scope, label)
    if node.op_type == "Loop" and "body" in graphs and len(inputs) >= 2:
        return _loop(walker, graphs["body"], inputs, scope, label)
    if node.op_type == "Scan" and "body" in graphs:
        return _scan(walker, node, graphs["body"], inputs, scope, label)
    return None


def _enter(walker: Walker, graph: onnx.GraphProto, inputs: Sequence[Tensor], scope: Scope, step: str) -> Outcome:
    from aios_plugins.onnx.walk import Body

    inner = scope.inner(step)
    for item, tensor in zip(graph.input, inputs, strict=False):
        inner.tensors[item.name] = tensor
    for item in graph.input[len(inputs) :]:
        inner.tensors[item.name] = Tensor(item.type.tensor_type.elem_type)
    return walker.graph(Body.of(graph), inner)


def _branch(
    walker: Walker, graphs: dict[str, onnx.GraphProto], inputs: Sequence[Tensor | None], scope: Scope, label: str
) -> Outcome:
    """Take the branch that a known condition names, else the costlier one; weights of both are found."""
    taken = {
        name: _enter(walker, graphs[name], (), scope, f"{label}.{name}") for name in ("then_branch", "else_branch")
    }
    condition = inputs[0].value if inputs and inputs[0] is not None else None
    if condition is not None and condition.size == 1:
        return taken["then_branch" if bool(condition.reshape(-1)[0]) else "else_branch"]
    name, chosen = max(taken.items(), key=lambda item: (item[1].tally.flops, sum(item[1].tally.rows.values())))
    chosen.tally.note(f"If {label!r}: which branch runs depends on the input; the costlier, {name}, is counted")
    outputs = tuple(replace(item, value=None, constant=False) for item in chosen.outputs)
    return replace(chosen, outputs=outputs, peak_bytes=max(item.peak_bytes for item in taken.values()))


def _loop(walker: Walker, body: onnx.GraphProto, inputs: Sequence[Tensor | None], scope: Scope, label: str) -> Outcome:
    """Run the body as often as the trip count says, once if that is not known."""
    limit = inputs[0].value if inputs[0] is not None else None
    trips = max(int(limit.reshape(-1)[0]), 0) if limit is not None and limit.size == 1 else None
    carried = [_varying(item) for item in inputs[2:]]
    outcome = _enter(walker, body, [Tensor(7, ()), Tensor(9, ()), *carried], scope, label)
    tally = _repeated(outcome.tally, 1 if trips is None else trips)
    if trips is None:
        tally.note(f"Loop {label!r}: how often it runs is not known; its body is counted once")
    states, collected = outcome.outputs[1 : 1 + len(carried)], outcome.outputs[1 + len(carried) :]
    stacked = [_stacked(item, 0, 1 if trips is None else trips) for item in collected]
    return replace(outcome, tally=tally, outputs=(*(_varying(item) for item in states), *stacked))


def _scan(
    walker: Walker,
    node: onnx.NodeProto,
    body: onnx.GraphProto,
    inputs: Sequence[Tensor | None],
    scope: Scope,
    label: str,
) -> Outcome | None:
    """Run the body once per slice of the scanned inputs (opset 9 and later)."""
    integers = {item.name: list(item.ints) or [item.i] for item in node.attribute}
    scanned = integers.get("num_scan_inputs", [0])[0]
    states = len(inputs) - scanned
    if scope.opsets.get("", 1) < 9 or not 0 < scanned <= len(inputs):
        return None
    axes = integers.get("scan_input_axes", [0] * scanned)
    slices, lengths = [], []
    for tensor, axis in zip(inputs[states:], axes, strict=False):
        shape = tensor.shape if tensor is not None else None
        if tensor is None or shape is None or not -len(shape) <= axis < len(shape):
            slices.append(Tensor(tensor.dtype if tensor else 0))
            continue
        place = axis % len(shape)
        lengths.append(shape[place])
        walker.stepped.update(length for length in shape[place : place + 1] if length is not None and place == 0)
        slices.append(Tensor(tensor.dtype, shape[:place] + shape[place + 1 :]))
    trips = next((length for length in lengths if length is not None), None)
    outcome = _enter(walker, body, [*(_varying(item) for item in inputs[:states]), *slices], scope, label)
    tally = _repeated(outcome.tally, 1 if trips is None else trips)
    if trips is None:
        tally.note(f"Scan {label!r}: the length of its sequence is not known; its body is counted once")
    out_axes = integers.get("scan_output_axes", [])
    stacked = [
        _stacked(item, out_axes[i] if i < len(out_axes) else 0, trips)
        for i, item in enumerate(outcome.outputs[states:])
    ]
    return replace(outcome, tally=tally, outputs=(*(_varying(item) for item in outcome.outputs[:states]), *stacked))


def _varying(tensor: Tensor | None) -> Tensor:
    return Tensor() if tensor is None else Tensor(tensor.dtype, tensor.shape, other=tensor.other)


def _repeated(tally: Tally, times: int) -> Tally:
    total = Tally()
    total.include(tally, times)
    return total


def _stacked(tensor: Tensor, axis: int, length: int | None) -> Tensor:
    if tensor.shape is None:
        return Tensor(tensor.dtype)
    place = axis % (len(tensor.shape) + 1)
    return Tensor(tensor.dtype, (*tensor.shape[:place], length, *tensor.shape[place:]))
