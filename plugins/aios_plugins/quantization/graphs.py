"""Reads the model that is to be changed and writes what was made of it."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.records.errors import Diagnostic, InputError

if TYPE_CHECKING:
    import onnx

    from aios.spi.transform import Work

__all__ = [
    "as_read",
    "constants",
    "drop_unread",
    "graphs_of",
    "narrow_weights",
    "nothing_to_change",
    "preprocessed",
    "quiet",
    "save",
    "session",
    "versions_of",
]

_ONE_FILE_BYTES = 1 << 30
"""Larger models keep their weights in a file beside the graph: one file holds at most 2 GiB."""

_PER_CHANNEL_OPSET = 13

_EIGHT_BIT_PRODUCTS = ("vnni", "amx", "i8mm", "asimddp")
"""Features of CPUs that add up products of 8-bit numbers in 32 bits."""


def versions_of(*names: str) -> dict[str, str]:
    """Return library -> version, without importing any; one that is not installed is left out."""
    found = {}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def narrow_weights(work: Work) -> bool:
    """Tell whether weights keep to 7 bits: products of 8 bits overflow the 16-bit sums of CPUs without better."""
    return not any(word in work.facts.get("isa", "") for word in _EIGHT_BIT_PRODUCTS)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what onnxruntime's quantiser prints and logs from the output of this process."""
    import io

    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(level)


def preprocessed(work: Work) -> Path:
    """Return the model as the quantisers want it, a file in ``scratch``: constants folded, shapes inferred."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready, large = work.scratch / "preprocessed.onnx", _is_large(work.source)
    source = work.source if large else _in_new_opset(work.source, work.scratch)
    with quiet():
        quant_pre_process(str(source), str(ready), skip_symbolic_shape=True, save_as_external_data=large)
    model = onnx.load(str(ready), load_external_data=False)
    # The quantiser transposes some constants and then takes the shape that was stated for a mistake.
    names = {item.name for item in model.graph.initializer}
    kept = [item for item in model.graph.value_info if item.name not in names]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"  # nodes are chosen by name
    _flatten_biases(model, ready.parent)
    onnx.save(model, str(ready))
    return ready


def _flatten_biases(model: onnx.ModelProto, folder: Path) -> None:
    """Write biases of Gemm as one number for each output: the quantiser takes [1, outputs] and [1] for a mistake."""
    import numpy as np
    from onnx import numpy_helper

    held = constants(model)
    for node in model.graph.node:
        if node.op_type != "Gemm" or len(node.input) < 3 or not {*node.input[1:3]} <= {*held}:
            continue
        weight, bias = (held[name] for name in node.input[1:3])
        by_rows = any(item.name == "transB" and item.i for item in node.attribute)
        outputs = weight.dims[0 if by_rows else 1]
        if list(bias.dims) == [outputs] or math.prod(bias.dims) not in (1, outputs) or math.prod(bias.dims[:-1]) != 1:
            continue
        values = numpy_helper.to_array(bias, str(folder)).reshape(-1)
        node.input[2] = f"{node.name}_flat_bias"
        flat = np.ascontiguousarray(np.broadcast_to(values, outputs))
        model.graph.initializer.append(numpy_helper.from_array(flat, node.input[2]))
    drop_unread(model)


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield a graph and those that its nodes hold (branches of If, bodies of Loop and Scan)."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from graphs_of(inner)


def drop_unread(model: onnx.ModelProto) -> None:
    """Take out the constants that neither a node, in whatever graph of the model, nor an output reads."""
    read = {port.name for graph in graphs_of(model.graph) for port in graph.output}
    read |= {name for graph in graphs_of(model.graph) for node in graph.node for name in node.input}
    kept = [item for item in model.graph.initializer if item.name in read]
    if len(kept) < len(model.graph.initializer):
        del model.graph.initializer[:]
        model.graph.initializer.extend(kept)


def as_read(source: Path) -> onnx.ModelProto:
    """Return the model as it is, in an opset that casts bfloat16 and takes a scale for each channel."""
    import onnx
    from onnx import version_converter

    model = onnx.load(str(source))
    if _is_new(model):
        return model
    newer: onnx.ModelProto = version_converter.convert_version(model, _PER_CHANNEL_OPSET)
    return newer


def _is_new(model: onnx.ModelProto) -> bool:
    return all(item.version >= _PER_CHANNEL_OPSET for item in model.opset_import if item.domain in ("", "ai.onnx"))


def _in_new_opset(source: Path, scratch: Path) -> Path:
    """Return the model's file in an opset whose DequantizeLinear takes a scale for each channel."""
    import onnx

    if _is_new(onnx.load(str(source), load_external_data=False)):
        return source
    newer = scratch / "newer.onnx"
    onnx.save(as_read(source), str(newer))
    return newer


def _is_large(source: Path) -> bool:
    import onnx
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    tensors = onnx.load(str(source), load_external_data=False).graph.initializer
    beside = {ExternalDataInfo(item).location for item in tensors if uses_external_data(item)}
    return sum((source.parent / name).stat().st_size for name in beside) + source.stat().st_size > _ONE_FILE_BYTES


def save(model: onnx.ModelProto, folder: Path) -> None:
    """Write the model as ``model.onnx``, its weights beside it where one file would not hold them."""
    import onnx

    large = model.ByteSize() > _ONE_FILE_BYTES
    onnx.save(model, str(folder / "model.onnx"), save_as_external_data=large, location="weights.bin" if large else None)


def session(model: Path | onnx.ModelProto, threads: int) -> Any:
    """Return an onnxruntime session of the model on this CPU, with every optimisation of its graph."""
    import onnxruntime as ort

    made = ort.SessionOptions()
    made.intra_op_num_threads = threads
    made.inter_op_num_threads = 1
    made.log_severity_level = 3
    made.add_session_config_entry("session.intra_op.allow_spinning", "0")
    given = str(model) if isinstance(model, Path) else model.SerializeToString()
    return ort.InferenceSession(given, made, providers=["CPUExecutionProvider"])


def constants(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Return name -> constant of the graph."""
    return {item.name: item for item in model.graph.initializer}


def nothing_to_change(transform: str, reason: str, remedy: str) -> InputError:
    """Return the refusal of a model in which the transform finds nothing that it changes."""
    return InputError(Diagnostic(summary=f"{transform} changes nothing in this model", reason=reason, remedy=remedy))
