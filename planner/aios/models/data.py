"""Which data file fits a model, read from array headers alone; and the arrays themselves when they are wanted."""

from __future__ import annotations

import ast
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aios.records.base import Span
from aios.records.errors import Diagnostic, InputError
from aios.records.model import ModelProfile, TensorSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LABEL", "ArrayHeader", "fitting_file", "load_arrays", "read_headers"]

LABEL = "label"
"""Name of the array that holds the right answers, one class index per item."""

_SAFE_CASTS = {
    "float32": {"float32", "float16", "int8", "uint8", "int16", "uint16", "bool"},
    "float16": {"float16", "int8", "uint8", "bool"},
    "float64": {"float64", "float32", "float16", "int8", "uint8", "int16", "uint16", "int32", "uint32", "bool"},
    "int64": {"int64", "int32", "uint32", "int16", "uint16", "int8", "uint8", "bool"},
    "int32": {"int32", "int16", "uint16", "int8", "uint8", "bool"},
}
"""Model input type -> stored types whose every value it can hold (numpy.can_cast(..., "safe"))."""


class ArrayHeader(NamedTuple):
    """Type and shape of a stored array, without its values."""

    dtype: str
    shape: tuple[int, ...]


def read_headers(path: Path) -> Mapping[str, ArrayHeader]:
    """Return name -> header of the arrays in an ``.npz`` file. Raises InputError if it is none, or holds objects."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            return {name.removesuffix(".npy"): _header(archive, name) for name in names}
    except FileNotFoundError:
        raise InputError(_missing(path)) from None
    except IsADirectoryError:
        remedy = "name the .npz file in it"
        raise InputError(Diagnostic(summary=f"{path} is a folder, not a data file", remedy=remedy)) from None
    except (OSError, zipfile.BadZipFile, ValueError, SyntaxError, struct.error, KeyError) as error:
        raise InputError(
            Diagnostic(
                summary=f"{path} cannot be read as .npz data",
                reason=str(error),
                remedy="write it with numpy.savez_compressed(path, <input name>=array, label=array)",
            )
        ) from None


def _missing(path: Path) -> Diagnostic:
    import difflib

    beside = sorted(item.name for item in path.parent.glob("*.npz")) if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1)
    if near:
        remedy = f"did you mean {path.parent / near[0]}?"
    else:
        remedy = "check the path" + ("" if path.parent.is_dir() else f": there is no folder {path.parent}")
    return Diagnostic(summary=f"there is no data file {path}", remedy=remedy)


def _header(archive: zipfile.ZipFile, name: str) -> ArrayHeader:
    """Read the header of one member (the .npy format, versions 1 to 3)."""
    with archive.open(name) as member:
        magic = member.read(8)
        if magic[:6] != b"\x93NUMPY":
            raise ValueError(f"{name} is no numpy array")
        wide = magic[6] >= 2
        (length,) = struct.unpack("<I" if wide else "<H", member.read(4 if wide else 2))
        if length > 65_536:
            raise ValueError(f"{name} has a header of {length} bytes")
        fields = ast.literal_eval(member.read(length).decode("utf-8" if magic[6] == 3 else "latin1"))
    return ArrayHeader(dtype=_dtype_name(fields["descr"], name), shape=tuple(fields["shape"]))


def _dtype_name(descr: Any, name: str) -> str:
    kinds = {"f": "float", "i": "int", "u": "uint", "b": "bool"}
    if not isinstance(descr, str) or descr[1:2] not in kinds:
        raise ValueError(f"{name} holds values of type {descr!r}, which are not numbers")
    return "bool" if descr[1] == "b" else f"{kinds[descr[1]]}{8 * int(descr[2:])}"


def fitting_file(
    paths: Sequence[str], profile: ModelProfile, *, labelled: bool, where: Span | None = None
) -> tuple[str, Mapping[str, ArrayHeader]]:
    """Return the first of ``paths`` that has an array for every input of the model (and labels, if ``labelled``).

    Raises InputError that says, for each file, why it does not fit.
    """
    reasons = []
    for path in paths:
        try:
            headers = read_headers(Path(path))
        except InputError as error:
            raise InputError(*(item.model_copy(update={"where": where}) for item in error.diagnostics)) from None
        misfit = _misfit(headers, profile, labelled)
        if misfit is None:
            return path, headers
        reasons.append(f"{path}: {misfit}")
    raise InputError(
        Diagnostic(
            summary=f"no data file fits model {profile.name}",
            where=where,
            reason="; ".join(reasons) or "no file is given",
            remedy="store one array per model input, named as the input, items along the first axis"
            + (f", and class indices named `{LABEL}`" if labelled else ""),
            command=f"aios model inspect {profile.name}.onnx",
        )
    )


def _misfit(headers: Mapping[str, ArrayHeader], profile: ModelProfile, labelled: bool) -> str | None:
    items = set()
    for tensor in profile.inputs:
        header = headers.get(tensor.name)
        if header is None:
            return f"has no array `{tensor.name}` (it has {', '.join(sorted(headers)) or 'none'})"
        if header.dtype not in _SAFE_CASTS.get(tensor.dtype, {tensor.dtype}):
            return f"`{tensor.name}` holds {header.dtype}, the model takes {tensor.dtype}"
        if not _shape_fits(header.shape, tensor, profile.batch_axis):
            return f"`{tensor.name}` has shape {list(header.shape)}, the model takes {list(tensor.shape)}"
        items.add(header.shape[0])
    if labelled:
        label = headers.get(LABEL)
        if label is None:
            return f"has no array `{LABEL}`"
        if len(label.shape) != 1 or not label.dtype.startswith(("int", "uint")):
            return f"`{LABEL}` must be one integer per item, but is {label.dtype} of shape {list(label.shape)}"
        items.add(label.shape[0])
    if len(items) > 1:
        return f"its arrays have different numbers of items ({', '.join(map(str, sorted(items)))})"
    return "has no items" if items == {0} else None


def _shape_fits(shape: tuple[int, ...], tensor: TensorSpec, batch_axis: int | None) -> bool:
    if len(shape) != len(tensor.shape) or not shape:
        return False
    pairs = list(zip(shape, tensor.shape, strict=True))
    # A fixed batch is met by taking so many items at a time; every other fixed dimension must be equal.
    del pairs[batch_axis or 0]
    return all(not isinstance(wanted, int) or have == wanted for have, wanted in pairs)


def load_arrays(path: str, profile: ModelProfile) -> tuple[dict[str, NDArray[Any]], NDArray[Any] | None]:
    """Return the model's inputs, cast to its types, and the labels if there are any.

    The file must fit (fitting_file).
    """
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        inputs = {spec.name: archive[spec.name].astype(spec.dtype, copy=False) for spec in profile.inputs}
        labels = archive[LABEL] if LABEL in archive.files else None
    return inputs, labels
