"""Opens a model file: refuses what is no model, is damaged, or reaches for files that are not its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from aios.records.errors import Diagnostic, InputError
from aios_plugins.onnx.tensors import ELEMENT_TYPES

if TYPE_CHECKING:
    import onnx

__all__ = ["Loaded", "Region", "hash_file", "load", "region_of"]

PROTOBUF_LIMIT = 2**31 - 1
"""A protobuf message cannot be larger; weights beyond it are stored as external data."""
EXPORT_AGAIN = "export the model again, or fetch it again from where it came"

_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "it is a Git LFS pointer, not the file it points to: run `git lfs pull`"),
    (b"PK\x03\x04", "it is a zip archive: a PyTorch checkpoint, a Keras file or a packed model"),
    (b"\x1f\x8b", "it is gzip-compressed: unpack it first"),
    (b"\x89HDF", "it is an HDF5 file, as Keras writes"),
    (b"\x80\x02", "it is a Python pickle, as PyTorch writes"),
    (b"<!DOCTYPE", "it is an HTML page: the download was answered with a web page"),
    (b"<html", "it is an HTML page: the download was answered with a web page"),
)


@dataclass(frozen=True)
class Region:
    """Where an external tensor lies. path: resolved file · location: as the model writes it · length: bytes."""

    path: Path
    location: str
    offset: int
    length: int


@dataclass(frozen=True)
class Loaded:
    """A parsed model. digest: sha256 of the file · external: location -> sha256 of each file beside it."""

    proto: onnx.ModelProto
    path: Path
    digest: str
    file_bytes: int
    external: dict[str, str] = field(default_factory=dict)


def load(path: Path) -> Loaded:
    """Parse the file, without its external data, and check every tensor against the bytes that hold it.

    Raises InputError, with all that is wrong with the tensors, for anything that is no sound model.
    """
    import onnx
    from google.protobuf.message import DecodeError

    data = _contents(path)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, UnicodeDecodeError) as error:
        raise _not_a_model(path, data, "its bytes are damaged, cut off, nested too deeply, or no protobuf") from error
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise _not_a_model(path, data, "it holds no graph")
    _refuse_broken_text(model, path)
    external = _check_tensors(model, path)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return Loaded(model, path, digest, len(data), {name: hash_file(file) for name, file in sorted(external.items())})


def hash_file(path: Path) -> str:
    """Return ``sha256:<hex>`` of a file's content."""
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def _contents(path: Path) -> bytes:
    try:
        if not path.is_file():
            reason = "it is a folder or a device" if path.exists() else "there is no such file"
            raise InputError(Diagnostic(summary=f"{path} cannot be read as a model", reason=reason))
        size = path.stat().st_size
        if size > PROTOBUF_LIMIT:
            raise InputError(
                Diagnostic(
                    summary=f"{path} is {size / 2**30:.1f} GiB; an ONNX file cannot be larger than 2 GiB",
                    reason="it is one protobuf message, and those end there",
                    remedy="save the weights beside it: `onnx.save(model, path, save_as_external_data=True)`",
                )
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputError(Diagnostic(summary=f"{path} cannot be read", reason=error.strerror or str(error))) from error
    if not data:
        raise InputError(Diagnostic(summary=f"{path} is empty", remedy=EXPORT_AGAIN))
    return data


def _not_a_model(path: Path, data: bytes, reason: str) -> InputError:
    for magic, words in _FOREIGN:
        if data.startswith(magic):
            reason = words
    return InputError(Diagnostic(summary=f"{path} is not an ONNX model", reason=reason, remedy=EXPORT_AGAIN))


def _check_tensors(model: onnx.ModelProto, path: Path) -> dict[str, Path]:
    """Return location -> file of all external data; raise InputError with every tensor that does not fit its bytes."""
    wrong: list[Diagnostic] = []
    external: dict[str, Path] = {}
    for tensor in _all_tensors(model):
        try:
            if tensor.data_location == tensor.EXTERNAL:
                region = region_of(tensor, path)
                external[region.location] = region.path
            else:
                _check_inline(tensor, path)
        except InputError as error:
            wrong.extend(error.diagnostics)
    if wrong:
        unique = list({item.summary: item for item in wrong}.values())
        raise InputError(*unique[:20])
    return external


def _parts(model: onnx.ModelProto) -> Iterator[onnx.GraphProto | onnx.FunctionProto | onnx.NodeProto]:
    """Yield every graph, function and node, subgraphs included; without recursion, however deep they are."""
    yield from model.functions
    graphs = [model.graph]
    nodes = [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield graph
            nodes.extend(graph.node)
            continue
        node = nodes.pop()
        yield node
        for attribute in node.attribute:
            graphs.extend([*attribute.graphs, attribute.g] if attribute.HasField("g") else attribute.graphs)


def _all_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    import onnx

    for part in _parts(model):
        if isinstance(part, onnx.GraphProto):
            yield from part.initializer
            yield from (sparse.values for sparse in part.sparse_initializer)
        elif isinstance(part, onnx.NodeProto):
            for attribute in part.attribute:
                yield from attribute.tensors
                if attribute.HasField("t"):
                    yield attribute.t
                if attribute.HasField("sparse_tensor"):
                    yield attribute.sparse_tensor.values


def _refuse_broken_text(model: onnx.ModelProto, path: Path) -> None:
    """Raise InputError when a name is no UTF-8: protobuf hands such text over as bytes, where text is expected."""
    import onnx

    texts: list[str | bytes] = [model.producer_name, model.producer_version]
    texts += [item.domain for item in model.opset_import]
    texts += [text for item in model.metadata_props for text in (item.key, item.value)]
    for part in _parts(model):
        if isinstance(part, onnx.NodeProto):
            texts += [part.op_type, part.domain, part.name, *part.input, *part.output]
            texts += [text for item in part.attribute for text in (item.name, item.ref_attr_name)]
        elif isinstance(part, onnx.FunctionProto):
            texts += [part.name, part.domain, *part.input, *part.output, *(item.domain for item in part.opset_import)]
            texts += [text for item in part.attribute_proto for text in (item.name, item.ref_attr_name)]
        else:
            values = (*part.input, *part.output, *part.value_info)
            texts += [item.name for item in values]
            texts += [dim.dim_param for item in values for dim in item.type.tensor_type.shape.dim]
    for tensor in _all_tensors(model):
        texts += [tensor.name, *(text for item in tensor.external_data for text in (item.key, item.value))]
    broken = next((text for text in texts if isinstance(text, bytes)), None)
    if broken is not None:
        raise InputError(
            Diagnostic(
                summary=f"{path} is damaged: a name in it is not text: {broken[:40]!r}",
                reason="names in an ONNX model are UTF-8",
                remedy=EXPORT_AGAIN,
            )
        )


def _expected_bytes(tensor: onnx.TensorProto, path: Path) -> int:
    elements = 1
    for size in tensor.dims:
        if size < 0:
            raise _bad_tensor(tensor, path, f"has a negative dimension: {list(tensor.dims)}")
        elements *= size
    kind = ELEMENT_TYPES.get(tensor.data_type)
    if kind is None:
        raise _bad_tensor(tensor, path, f"has element type {tensor.data_type}, which ONNX does not define")
    return -(-elements * kind.bits // 8)


def _bad_tensor(tensor: onnx.TensorProto, path: Path, words: str, reason: str | None = None) -> InputError:
    name = tensor.name or "(unnamed)"
    return InputError(Diagnostic(summary=f"{path}: tensor {name!r} {words}", reason=reason, remedy=EXPORT_AGAIN))


def _check_inline(tensor: onnx.TensorProto, path: Path) -> None:
    expected = _expected_bytes(tensor, path)
    if tensor.data_type == tensor.STRING:
        return
    if tensor.HasField("raw_data"):
        held = len(tensor.raw_data)
        if held != expected:
            raise _bad_tensor(tensor, path, f"declares {list(tensor.dims)}, {expected} bytes, but holds {held} bytes")
        return
    bits = ELEMENT_TYPES[tensor.data_type].bits
    fields = (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data, tensor.uint64_data)
    held = max(len(values) for values in fields)
    # Complex numbers take two entries each; below 8 bits an int32 entry holds one byte.
    wanted = expected * 8 // bits * (2 if tensor.data_type in {14, 15} else 1) if bits >= 8 else expected
    if held != wanted and not (bits < 8 and held == expected * 8 // bits):
        raise _bad_tensor(tensor, path, f"declares {list(tensor.dims)}, {wanted} numbers, but holds {held}")


def region_of(tensor: onnx.TensorProto, path: Path) -> Region:
    """Return where an external tensor lies; raises InputError unless that is inside a file beside the model."""
    entries = {item.key: item.value for item in tensor.external_data}
    location = entries.get("location", "")
    file = _beside(tensor, location, path)
    expected = _expected_bytes(tensor, path)
    offset = _number(tensor, entries.get("offset", "0"), "offset", path)
    length = _number(tensor, entries.get("length", str(expected)), "length", path)
    size = file.stat().st_size
    if offset + length > size:
        raise _bad_tensor(
            tensor, path, f"lies at {offset}..{offset + length} of {location}, which has {size} bytes", "it was cut off"
        )
    if length != expected:
        raise _bad_tensor(tensor, path, f"declares {list(tensor.dims)}, {expected} bytes, but its data has {length}")
    return Region(file, location, offset, length)


def _number(tensor: onnx.TensorProto, text: str, field_name: str, path: Path) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise _bad_tensor(tensor, path, f"has the external-data {field_name} {text[:40]!r}, which is no byte count")
    return int(text)


def _beside(tensor: onnx.TensorProto, location: str, path: Path) -> Path:
    """Return the external file; refuses every location that leads out of the model's folder."""
    written = (PurePosixPath(location), PureWindowsPath(location))
    outside = not location or "\0" in location or any(item.is_absolute() or ".." in item.parts for item in written)
    outside = outside or bool(written[1].drive)
    folder = path.parent.resolve()
    file = folder / location if not outside else folder
    try:
        real = file.resolve()
        if outside or not real.is_relative_to(folder):
            raise InputError(
                Diagnostic(
                    summary=f"{path}: tensor {tensor.name!r} reads {location!r}, which is outside the model's folder",
                    reason="a model may only read files that lie beside it; this one could read any file of yours",
                    remedy="do not trust this file, or copy its data beside it and save it again",
                )
            )
        if not real.is_file():
            raise InputError(
                Diagnostic(
                    summary=f"{path}: the weights file {location!r} is missing",
                    reason=f"tensor {tensor.name!r} and maybe others are stored there",
                    remedy=f"put {PurePosixPath(location).name} beside the model, into {folder / location}",
                )
            )
    except (OSError, RuntimeError, ValueError) as error:
        words = f"reads {location[:80]!r}, which is no usable path"
        raise _bad_tensor(tensor, path, words, str(error)[:200]) from error
    return real
