"""What a network learns from: arrays out of the intent's files, checked before minutes are spent on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.records.errors import Diagnostic, InputError
from aios_plugins.compression.network import Network

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Items", "read_items"]

LEAST = 8
"""Items below which nothing can be learnt; a hundred times as many are usual."""


@dataclass(frozen=True)
class Items:
    """arrays: input -> [items, ...] in the input's type · labels: [items], or None where the files hold none"""

    arrays: dict[str, NDArray[Any]]
    labels: NDArray[Any] | None

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))


def read_items(network: Network, files: Sequence[Path]) -> Items:
    """Return the items of all files, in their order. Raises InputError that names the file and the array."""
    import numpy as np
    from onnx import helper

    if not files:
        raise InputError(
            Diagnostic(
                summary="training needs data to learn from, and the intent names none",
                remedy="name arrays or pictures with their labels in `data.train`",
            )
        )
    parts: dict[str, list[NDArray[Any]]] = {}
    for path in files:
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        except Exception as error:
            raise _refused(path, "is no archive of arrays", str(error)) from error
        for item in network.model.graph.input:
            kind = helper.tensor_dtype_to_np_dtype(item.type.tensor_type.elem_type)
            parts.setdefault(item.name, []).append(_checked(path, item.name, arrays, network, kind))
        if "label" in arrays:
            parts.setdefault("label", []).append(arrays["label"])
        if len({len(array[-1]) for array in parts.values()}) > 1 or ("label" in arrays) != ("label" in parts):
            raise _refused(path, "does not hold as many labels as items", "items and labels belong together, in order")
    joined = {name: np.concatenate(found) for name, found in parts.items()}
    labels = joined.pop("label", None)
    if min(map(len, joined.values())) < LEAST:
        raise _refused(files[0], f"holds fewer than {LEAST} items", "nothing can be learnt from so few")
    return Items(joined, labels)


def _checked(path: Path, name: str, arrays: dict[str, NDArray[Any]], network: Network, kind: Any) -> NDArray[Any]:
    import numpy as np

    if name not in arrays:
        raise _refused(path, f"holds no array {name}", f"the model's input is called so; it holds {', '.join(arrays)}")
    array, wanted = arrays[name], network.shapes.get(name, ())
    alike = array.ndim == len(wanted) and all(
        size in (None, own) for size, own in zip(wanted[1:], array.shape[1:], strict=True)
    )
    if not alike:
        raise _refused(path, f"holds {name} {list(array.shape)}", f"the model takes {list(wanted)}, items first")
    if not np.can_cast(array.dtype, kind, "same_kind"):
        raise _refused(path, f"holds {name} as {array.dtype}", f"the model takes {kind}")
    if np.issubdtype(array.dtype, np.floating):
        good = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if not good.all():
            first = int(np.argmin(good))
            raise _refused(path, f"holds numbers that are none in {name}, first at item {first}", "NaN or infinity")
    return array.astype(kind, copy=False)


def _refused(path: Path, what: str, reason: str) -> InputError:
    return InputError(Diagnostic(summary=f"{path} {what}", reason=reason, remedy="mend the data to learn from"))
