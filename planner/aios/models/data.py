"""Whether a file of arrays fits a model, read from array headers alone."""

from __future__ import annotations

import ast
import struct
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aios.records.errors import Diagnostic, InputError
from aios.records.model import ModelProfile, TensorSpec

__all__ = ["LABEL", "ArrayHeader", "fits_arrays", "read_headers"]

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
        remedy = "name the .npz file in it; of pictures, write `{images: <folder>}`"
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


def fits_arrays(path: Path, profile: ModelProfile, labels: Collection[str]) -> str | None:
    """Return why a file does not hold an array for every input of the model, and right answers of the kinds that
    ``labels`` names; None where it does. Raises InputError when it cannot be read."""
    return _misfit(read_headers(path), profile, labels)


def _misfit(headers: Mapping[str, ArrayHeader], profile: ModelProfile, labels: Collection[str]) -> str | None:
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
    label = headers.get(LABEL)
    if label is None and labels:
        return f"has no array `{LABEL}`"
    if label is not None:
        whole = label.dtype.startswith(("int", "uint"))
        for kind, fits, form in (
            ("class", whole and len(label.shape) == 1, "one integer per item"),
            ("tokens", whole and len(label.shape) == 2, "as many integers for each item as it has tokens"),
        ):
            if kind in labels and not fits:
                return f"`{LABEL}` must be {form}, but is {label.dtype} of shape {list(label.shape)}"
        items.add(label.shape[0] if label.shape else 0)
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
