"""From a file to a ModelProfile: walks the graph for one item, and for two to see whether it can be batched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aios.records.metrics import find_metric
from aios.records.model import ModelProfile, Operator
from aios.records.networks import PER_CALL
from aios.records.units import UnitError, parse_quantity
from aios.spi.model_reader import ReadModel, model_digest
from aios_plugins.onnx.dimensions import Dimensions, spec_of
from aios_plugins.onnx.expansion import refuse_explosion
from aios_plugins.onnx.loading import Loaded, load
from aios_plugins.onnx.tally import Row, Tally, refuse_absurd_total
from aios_plugins.onnx.tensors import ELEMENT_TYPES, Stored, Tensor
from aios_plugins.onnx.walk import Outcome, Walker

if TYPE_CHECKING:
    import onnx

__all__ = ["read_model"]

MAX_NOTES = 8
PROBE_ITEMS = 13
"""Items in the second walk: no size that a graph would have for another reason, such as two directions or states."""


@dataclass(frozen=True)
class _Batch:
    """axis: 0 or None · fixed: items per call when there is no axis · note: what was seen, if worth saying."""

    axis: int | None
    fixed: int | None = None
    note: str | None = None


def read_model(path: Path, sizes: Mapping[str, int]) -> ReadModel:
    """Read the file at ``path``; see ``Reader.read``."""
    loaded = load(path)
    refuse_explosion(loaded.proto, path)
    graph = loaded.proto.graph
    stored = {item.name for item in graph.initializer} | {item.values.name for item in graph.sparse_initializer}
    inputs = [item for item in graph.input if item.name not in stored]
    names = Dimensions.batch_of(inputs)
    dimensions = Dimensions(sizes, 1, names)
    walker = Walker(loaded.proto, path, dimensions)
    outcome = walker.run()
    refuse_absurd_total(outcome.tally)
    batch = _batch(loaded, inputs, walker, outcome)
    profile = _profile(loaded, inputs, walker, outcome, batch)
    return ReadModel(profile=profile, external=loaded.external)


def _batch(loaded: Loaded, inputs: list[onnx.ValueInfoProto], walker: Walker, outcome: Outcome) -> _Batch:
    """Decide whether calls can be batched: every input's first axis is dynamic, and so is, proved, every output's.

    The proof is a second walk with ``PROBE_ITEMS`` items.
    """
    dimensions = walker.dimensions
    if not dimensions.batch_names:
        size = _fixed_items(inputs, outcome)
        return _Batch(None, 1 if size in walker.stepped else size)
    if not all(dimensions.counts_items(item) for item in inputs):
        return _Batch(
            None, 1, "not every input has a dynamic first axis, so calls cannot be batched: one item per call"
        )
    again = Dimensions(dimensions.given, PROBE_ITEMS, dimensions.batch_names)
    probe = Walker(loaded.proto, loaded.path, again)
    tensors = probe.run().outputs
    if PROBE_ITEMS in probe.stepped:
        return _Batch(None, 1, "its first axis is a sequence that a recurrent operator goes along: one item per call")
    if any(item.shape is not None and _first(item) not in {PROBE_ITEMS, None} for item in tensors):
        return _Batch(None, 1, f"given {PROBE_ITEMS} items it does not answer with {PROBE_ITEMS}: one item per call")
    proved = all(_first(item) == PROBE_ITEMS for item in tensors)
    return _Batch(0, None, None if proved else "that calls can be batched could not be proved from the graph")


def _fixed_items(inputs: list[onnx.ValueInfoProto], outcome: Outcome) -> int:
    """Return the size of a fixed first axis that inputs and outputs share, else 1: a call is one item."""
    shapes = [spec_of(item).shape for item in inputs]
    firsts = {shape[0] for shape in shapes if shape}
    size = next(iter(firsts), 1)
    if len(firsts) != 1 or not isinstance(size, int) or size < 1 or any(len(shape) == 1 for shape in shapes):
        return 1
    return size if all(_first(item) == size for item in outcome.outputs) else 1


def _first(tensor: Tensor) -> int | None:
    """Return the size of the first axis: 0 for a scalar, None if unknown."""
    if tensor.shape is None:
        return None
    return tensor.shape[0] if tensor.shape else 0


def _profile(
    loaded: Loaded, inputs: list[onnx.ValueInfoProto], walker: Walker, outcome: Outcome, batch: _Batch
) -> ModelProfile:
    model, tally, items = loaded.proto, outcome.tally, batch.fixed or 1
    trained = walker.trained.values()
    declared, doubts = _declared(model)
    notes = [*tally.notes, *doubts, *_remarks(tally, batch, items)]
    if len(notes) > MAX_NOTES:
        notes = [*notes[: MAX_NOTES - 1], f"and {len(notes) - MAX_NOTES + 1} more remarks of this kind"]
    return ModelProfile(
        name=loaded.path.stem,
        digest=model_digest(loaded.digest, loaded.external),
        format="onnx",
        file_bytes=loaded.file_bytes,
        inputs=tuple(spec_of(item) for item in inputs),
        outputs=tuple(spec_of(item) for item in model.graph.output),
        precision=_precision(trained, inputs),
        parameters=sum(item.elements for item in trained),
        weight_bytes=float(sum(item.bytes for item in trained)),
        macs=tally.macs / items,
        flops=tally.flops / items,
        activation_bytes=outcome.peak_bytes / items,
        kv_cache_bytes=walker.kept_bytes / items,
        operators=_operators(tally, items),
        work={
            name: amount / (1 if name in PER_CALL else items) for name, amount in sorted(tally.work.items()) if amount
        },
        batch_axis=batch.axis,
        fixed_batch=batch.fixed,
        assumed=dict(sorted(walker.dimensions.assumed.items())),
        unknown_operators=dict(sorted(tally.unknown.items())),
        declared=declared,
        opset=next((item.version for item in model.opset_import if item.domain in {"", "ai.onnx"}), None),
        producer=f"{model.producer_name} {model.producer_version}".strip() or None,
        notes=tuple(notes),
    )


def _remarks(tally: Tally, batch: _Batch, items: int) -> list[str]:
    remarks = [] if batch.note is None else [batch.note]
    if items > 1:
        remarks.append(f"the batch size is fixed at {items}; totals are for one of its items")
    if tally.folded:
        remarks.append(f"{tally.folded} nodes that a runtime computes at load or fuses away are not counted")
    return remarks


def _operators(tally: Tally, items: int) -> tuple[Operator, ...]:
    return tuple(
        Operator(
            kind=row.kind,
            count=count,
            flops=row.flops / items,
            weight_bytes=float(row.weight_bytes),
            input_bytes=row.input_bytes / items,
            output_bytes=row.output_bytes / items,
            quantized=row.quantized,
            form=row.form,
            fused=row.fused,
        )
        for row, count in sorted(tally.rows.items(), key=lambda item: (-item[0].flops * item[1], _order(item[0])))
        if count
    )


def _order(row: Row) -> tuple[object, ...]:
    return (*row[:6], row.form or (), row.fused)


def _precision(trained: Iterable[Stored], inputs: list[onnx.ValueInfoProto]) -> str:
    """Return the precision that most of the weights are stored in; without weights, that of the first input."""
    held: Counter[str] = Counter()
    for item in trained:
        held[ELEMENT_TYPES[item.dtype].precision] += item.elements
    if held:
        return max(sorted(held), key=lambda name: held[name])
    kinds = (ELEMENT_TYPES.get(item.type.tensor_type.elem_type) for item in inputs)
    return next((kind.precision for kind in kinds if kind), "fp32")


def _declared(model: onnx.ModelProto) -> tuple[dict[str, float], list[str]]:
    """Return metric -> value from metadata keys ``aios.<metric>``, and a remark on each that cannot be read."""
    found: dict[str, float] = {}
    doubts = []
    for entry in model.metadata_props:
        if not entry.key.startswith("aios."):
            continue
        name = entry.key.removeprefix("aios.")
        if name == "note":  # for people
            continue
        metric = find_metric(name)
        if metric is None:
            doubts.append(f"metadata {entry.key!r} names no metric")
            continue
        try:
            found[name] = parse_quantity(entry.value, metric.dimension)
        except UnitError as error:
            doubts.append(f"metadata {entry.key!r} is not used: {error.summary}")
    return found, doubts
