"""Walks a model's graph in order: follows shapes, adds up costs, finds the weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios_plugins.onnx import control
from aios_plugins.onnx.constants import constant_node, stored_tensor
from aios_plugins.onnx.costs import VIEWS, arithmetic
from aios_plugins.onnx.dimensions import Dimensions
from aios_plugins.onnx.folding import fold
from aios_plugins.onnx.fusing import Fusing
from aios_plugins.onnx.inference import attributes_of, infer
from aios_plugins.onnx.liveness import Liveness
from aios_plugins.onnx.ordering import label_of, refuse_misuse
from aios_plugins.onnx.roles import IntegerRegions, is_integer_operator, trained_in
from aios_plugins.onnx.tally import Row, Tally, refuse_absurd_tensor
from aios_plugins.onnx.tensors import EIGHT_BIT, Stored, Tensor, bytes_of, elements_of, total_bytes
from aios_plugins.onnx.work import form_of, work_of

if TYPE_CHECKING:
    import onnx

__all__ = ["Body", "Outcome", "Scope", "Walker"]

READS_WHAT_IT_WRITES = frozenset({"Gather", "GatherElements", "GatherND", "Slice"})
NOT_REPEATABLE = frozenset(
    ["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"]
)
RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
UINT8 = 2


@dataclass
class Scope:
    """Names that are visible in a graph. opsets: domain -> version · prefix: where in the model this graph is."""

    opsets: Mapping[str, int]
    prefix: tuple[str, ...] = ()
    parent: Scope | None = None
    tensors: dict[str, Tensor] = field(default_factory=dict)
    attributes: Mapping[str, onnx.AttributeProto] | None = None

    def find(self, name: str) -> Tensor | None:
        """Return the tensor of this name here or further out."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.tensors:
                return scope.tensors[name]
            scope = scope.parent
        return None

    def inner(self, step: str) -> Scope:
        """Return a scope for a subgraph."""
        return Scope(self.opsets, (*self.prefix, step), self, attributes=self.attributes)


@dataclass(frozen=True)
class Body:
    """What a graph and a function have in common. hints: name -> what the file says of inner tensors."""

    nodes: Sequence[onnx.NodeProto]
    outputs: Sequence[str]
    initializers: Sequence[onnx.TensorProto] = ()
    sparse: Sequence[onnx.SparseTensorProto] = ()
    hints: Mapping[str, onnx.ValueInfoProto] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: onnx.GraphProto) -> Body:
        """Return a graph's body."""
        return cls(
            list(graph.node),
            [item.name for item in graph.output],
            graph.initializer,
            graph.sparse_initializer,
            {item.name: item for item in (*graph.value_info, *graph.output)},
        )


@dataclass(frozen=True)
class Outcome:
    """A walked graph. outputs: in order · peak_bytes: largest sum of activations alive at once."""

    tally: Tally
    outputs: tuple[Tensor, ...]
    peak_bytes: int


class Walker:
    """One walk over a model.

    trained: every trained tensor met, by its key, so that shared ones count once · stepped: lengths of the axes that
    recurrent operators go along, step by step: such an axis counts no items · kept_bytes: keys and values that it takes
    in and gave out before (``past...`` inputs and ``present...`` outputs, as exporters of language models call them)
    """

    def __init__(self, model: onnx.ModelProto, path: Path, dimensions: Dimensions) -> None:
        self.model = model
        self.path = path
        self.dimensions = dimensions
        self.trained: dict[tuple[str, ...], Stored] = {}
        self.stepped: set[int] = set()
        self.kept_bytes = 0
        self._functions = {(item.domain, item.name): item for item in model.functions}

    def run(self) -> Outcome:
        """Walk the whole model; raises InputError when its graph is no sound graph."""
        graph = self.model.graph
        opsets = {("" if item.domain == "ai.onnx" else item.domain): item.version for item in self.model.opset_import}
        scope = Scope(opsets)
        stored = {item.name for item in graph.initializer} | {item.values.name for item in graph.sparse_initializer}
        inputs = [item for item in graph.input if item.name not in stored]
        for item in inputs:
            scope.tensors[item.name] = self._input(item)
        if any(item.name.startswith("present") for item in graph.output):
            kept = (scope.tensors[item.name] for item in inputs if item.name.startswith("past"))
            self.kept_bytes = sum(bytes_of(tensor) or 0 for tensor in kept)
        return self.graph(Body.of(graph), scope, live_inputs=[item.name for item in inputs])

    def _input(self, item: onnx.ValueInfoProto) -> Tensor:
        if not item.type.HasField("tensor_type"):
            return Tensor(other=item.type)
        tensor = Tensor(item.type.tensor_type.elem_type, self.dimensions.shape_of(item))
        refuse_absurd_tensor(item.name, tensor)
        return tensor

    def graph(self, body: Body, scope: Scope, live_inputs: Iterable[str] = ()) -> Outcome:
        """Walk one graph, subgraph or function body whose inputs are already in ``scope``."""
        for proto in body.initializers:
            scope.tensors[proto.name] = stored_tensor(proto, (*scope.prefix, proto.name), self.path)
        for sparse in body.sparse:
            values = stored_tensor(sparse.values, (*scope.prefix, sparse.values.name), self.path)
            scope.tensors[sparse.values.name] = replace(values, shape=tuple(sparse.dims), value=None)
        refuse_misuse(body.nodes, scope.find, self.path)
        fixed = [proto.name for proto in body.initializers]
        fixed += [name for node in body.nodes if node.op_type == "Constant" for name in node.output]
        regions = IntegerRegions.of(body.nodes, body.outputs, fixed)
        live = Liveness(body.nodes, body.outputs, regions.absorbed)
        for name in live_inputs:
            live.make(name, bytes_of(scope.tensors[name]) or 0)
        step = _Step(self, body, scope, regions, Tally())
        for index, node in enumerate(body.nodes):
            within = step.take(index, node)
            for name in node.output:
                made = scope.tensors.get(name)
                if made is not None and not made.constant:
                    narrow = UINT8 if index in regions.computing and step.is_narrow(name) else 0
                    live.make(name, bytes_of(made, narrow) or 0)
            live.finish(index, within)
        outputs = tuple(scope.find(name) or Tensor() for name in body.outputs)
        return Outcome(step.tally, outputs, live.peak)

    def call(self, node: onnx.NodeProto, inputs: Sequence[Tensor | None], scope: Scope) -> Outcome | None:
        """Walk the local function that a node calls; None if it calls none."""
        function = self._functions.get((node.domain, node.op_type))
        if function is None:
            return None
        opsets = {("" if item.domain == "ai.onnx" else item.domain): item.version for item in function.opset_import}
        given = {item.name: item for item in (*function.attribute_proto, *node.attribute)}
        inner = Scope(opsets or scope.opsets, ("function", node.domain, node.op_type), None, {}, given)
        for name, tensor in zip(function.input, inputs, strict=False):
            inner.tensors[name] = tensor or Tensor()
        for name in function.input[len(inputs) :]:
            inner.tensors[name] = Tensor()
        return self.graph(Body(list(function.node), list(function.output)), inner)


@dataclass
class _Step:
    """The walk inside one graph."""

    walker: Walker
    body: Body
    scope: Scope
    regions: IntegerRegions
    tally: Tally

    def __post_init__(self) -> None:
        absorbed = (self.body.nodes[i] for i in self.regions.absorbed)
        self._fusing = Fusing(self.body.nodes, self.body.outputs)
        self._narrow = {node.input[0] for node in absorbed if node.op_type == "QuantizeLinear"}

    def is_narrow(self, name: str) -> bool:
        """Whether a fused operator writes this tensor as 8-bit integers."""
        return name in self._narrow

    def take(self, index: int, node: onnx.NodeProto) -> int:
        """Walk one node; returns the bytes it needs inside."""
        node = _with_attributes(node, self.scope.attributes)
        if node.op_type == "Constant" and node.domain in {"", "ai.onnx"}:
            key = (*self.scope.prefix, *node.output[:1])
            self._bind(node, [constant_node(node, key, self.walker.path)])
            return 0
        inputs = [self.scope.find(name) if name else None for name in node.input]
        outcome = self.walker.call(node, inputs, self.scope)
        if outcome is None and node.op_type in control.KINDS and node.domain in {"", "ai.onnx"}:
            outcome = control.walk(self.walker, node, inputs, self.scope)
        if outcome is None:
            self._operator(index, node, inputs)
            return 0
        self._bind(node, outcome.outputs)
        self.tally.include(outcome.tally)
        return outcome.peak_bytes

    def _operator(self, index: int, node: onnx.NodeProto, inputs: list[Tensor | None]) -> None:
        kind, attributes = node.op_type, attributes_of(node)
        outputs, failure = infer(node, inputs, self.scope.opsets, self.walker.model.ir_version)
        for name, tensor in zip(node.output, outputs, strict=True):
            refuse_absurd_tensor(name, tensor)
        constant = kind not in NOT_REPEATABLE and all(item is None or item.constant for item in inputs)
        constant = constant and bool(outputs) and outputs[0].shape is not None
        if len(outputs) == 1:
            value = fold(kind, attributes, inputs, elements_of(outputs[0]))
            outputs[0] = _following(kind, inputs, replace(outputs[0], value=value), constant)
            if kind == "ConstantOfShape" and constant and outputs[0].dtype:
                made = Stored((*self.scope.prefix, *node.output), outputs[0].dtype, elements_of(outputs[0]) or 0, True)
                outputs[0] = replace(outputs[0], stored=(made,))
        elif constant:
            outputs = [_following(kind, inputs, item, constant) for item in outputs]
        outputs = [self._hinted(name, item) for name, item in zip(node.output, outputs, strict=True)]
        self._bind(node, outputs)
        if constant or index in self.regions.absorbed:
            self.tally.folded += 1
            return
        fixed = [name for name, item in zip(node.input, inputs, strict=True) if item is None or item.constant]
        fused = self._fusing.take(node, fixed)
        self._count(index, node, attributes, inputs, outputs, failure, fused=fused)

    def _count(
        self,
        index: int,
        node: onnx.NodeProto,
        attributes: Mapping[str, Any],
        inputs: list[Tensor | None],
        outputs: list[Tensor],
        failure: str | None,
        *,
        fused: bool,
    ) -> None:
        kind = node.op_type
        if kind in RECURRENT and not attributes.get("layout", 0):
            self.walker.stepped.update(item.dims[0] for item in inputs[:1] if item is not None and item.dims)
        for stored in trained_in(kind, inputs):
            self.walker.trained.setdefault(stored.key, stored)
        try:
            cost = arithmetic(kind, attributes, inputs, outputs) if _is_costed_domain(node.domain) else None
            known = bool(outputs) and (outputs[0].dims is not None or outputs[0].other is not None)
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, ZeroDivisionError):
            cost, known = None, False
        if cost is None or not known:
            name = f"{node.domain}.{kind}" if node.domain and node.domain != "ai.onnx" else kind
            self.tally.unknown[name] += 1
            if failure:
                self.tally.note(f"the shape of {kind} {label_of(node)!r} is unknown: {failure}")
            elif cost is not None or not known:
                self.tally.note(f"some {name} operators have shapes that are not known before running")
            return
        row = self._row(index, node, cost[1], inputs, outputs)
        form = form_of(kind, attributes, inputs, outputs)
        self.tally.count(row._replace(form=form, fused=fused), cost[0])
        self.tally.work.update(work_of(kind, attributes, inputs, outputs, cost[0]))

    def _row(
        self,
        index: int,
        node: onnx.NodeProto,
        flops: int,
        inputs: list[Tensor | None],
        outputs: list[Tensor],
    ) -> Row:
        kind = node.op_type
        fused = index in self.regions.computing and any(item and item.carried in EIGHT_BIT for item in inputs)
        quantized = fused or is_integer_operator(kind)
        if kind in VIEWS:
            return Row(kind, flops, 0, 0, 0, quantized)
        given = [item for item in inputs if item is not None]
        written = sum(
            bytes_of(item, UINT8 if fused and self.is_narrow(label) else 0) or 0
            for label, item in zip(node.output, outputs, strict=True)
            if label
        )
        if kind in READS_WHAT_IT_WRITES and given:
            first, rest = given[0], given[1:]
            size = bytes_of(outputs[0], first.carried if first.constant else 0) or 0
            read = min(total_bytes([first], packed=True), size)
            weight = (read if first.constant else 0) + total_bytes((i for i in rest if i.constant), packed=True)
            moved = (0 if first.constant else read) + total_bytes(i for i in rest if not i.constant)
            return Row(kind, flops, weight, moved, written, quantized)
        weight = total_bytes((item for item in given if item.constant), packed=True)
        moved = total_bytes((item for item in given if not item.constant), packed=fused)
        return Row(kind, flops, weight, moved, written, quantized)

    def _hinted(self, name: str, tensor: Tensor) -> Tensor:
        """Return the tensor with what the file says of it, where inference found nothing."""
        hint = self.body.hints.get(name)
        if hint is None or tensor.dims is not None or tensor.other is not None or not hint.type.HasField("tensor_type"):
            return tensor
        shape = self.walker.dimensions.shape_hint(hint)
        known = replace(tensor, dtype=tensor.dtype or hint.type.tensor_type.elem_type, shape=shape or tensor.shape)
        refuse_absurd_tensor(name, known)
        return known

    def _bind(self, node: onnx.NodeProto, outputs: Sequence[Tensor]) -> None:
        for name, tensor in zip(node.output, outputs, strict=False):
            if name:
                self.scope.tensors[name] = tensor
        for name in node.output[len(outputs) :]:
            self.scope.tensors[name] = Tensor()


def _following(kind: str, inputs: Sequence[Tensor | None], output: Tensor, constant: bool) -> Tensor:
    """Return a computed tensor with what it takes over from its inputs: weights and the type they are stored in."""
    first = inputs[0] if inputs else None
    carried = 0
    if first is not None and (kind == "DequantizeLinear" or (kind == "Cast" and constant)):
        carried = first.carried or first.dtype
    elif first is not None and constant and elements_of(first) == elements_of(output):
        carried = first.carried
    if not constant:
        return replace(output, carried=carried)
    sources = inputs[:1] if kind == "DequantizeLinear" else inputs
    stored = dict.fromkeys(
        item
        for place, tensor in enumerate(sources)
        if tensor is not None
        for item in tensor.stored
        if place == 0 or item.elements > 1
    )
    return replace(output, constant=True, stored=tuple(stored), carried=carried)


def _is_costed_domain(domain: str) -> bool:
    return domain in {"", "ai.onnx", "com.microsoft"}


def _with_attributes(node: onnx.NodeProto, given: Mapping[str, onnx.AttributeProto] | None) -> onnx.NodeProto:
    """Return a function's node with the caller's attributes put in."""
    if not given or not any(item.ref_attr_name for item in node.attribute):
        return node
    filled = type(node)()
    filled.CopyFrom(node)
    del filled.attribute[:]
    for item in node.attribute:
        source = given.get(item.ref_attr_name) if item.ref_attr_name else item
        if source is not None:
            filled.attribute.add().CopyFrom(source)
            filled.attribute[-1].name = item.name
    return filled
