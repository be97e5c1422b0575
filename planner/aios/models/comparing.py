"""How two models differ: what their profiles say, and their constants one by one."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from aios.records.model import ModelProfile, TensorSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Fact", "TensorChange", "WeightChanges", "compare_profiles", "compare_weights"]


class Fact(NamedTuple):
    """One figure or property of both models, as plain values."""

    what: str
    before: float | str | None
    after: float | str | None


class TensorChange(NamedTuple):
    """A constant that both models have, with other values, or that only one has.

    shape_before, shape_after: with the type, ``float32[10, 84]``; None where it is not there · norm: Euclidean, of the
    values before · change: Euclidean norm of the difference; None where shapes differ · largest: of all differences,
    absolute · share: of the values that differ
    """

    name: str
    shape_before: str | None
    shape_after: str | None
    norm: float | None = None
    change: float | None = None
    largest: float | None = None
    share: float | None = None

    @property
    def relative(self) -> float | None:
        """The norm of the difference as a share of the norm before; None where there is no such number."""
        return self.change / self.norm if self.change is not None and self.norm else None


class WeightChanges(NamedTuple):
    """same: how many constants are equal · renamed: how many of these under another name · changed: largest relative
    change first · gone, new: in the order of the file"""

    same: int
    renamed: int
    changed: tuple[TensorChange, ...]
    gone: tuple[TensorChange, ...]
    new: tuple[TensorChange, ...]


def compare_profiles(before: ModelProfile, after: ModelProfile) -> tuple[tuple[Fact, ...], tuple[Fact, ...]]:
    """Return figures of both models, equal ones too, and the types of operators whose number differs."""
    figures = [
        Fact("file", before.file_bytes, after.file_bytes),
        Fact("parameters", before.parameters, after.parameters),
        Fact("weights", before.weight_bytes, after.weight_bytes),
        Fact("activations", before.activation_bytes, after.activation_bytes),
        Fact("compute", before.flops, after.flops),
        Fact("precision", before.precision, after.precision),
        Fact("opset", before.opset, after.opset),
        Fact("inputs", _tensors(before.inputs), _tensors(after.inputs)),
        Fact("outputs", _tensors(before.outputs), _tensors(after.outputs)),
    ]
    old, new = _kinds(before), _kinds(after)
    operators = [Fact(kind, old[kind], new[kind]) for kind in sorted({*old, *new}) if old[kind] != new[kind]]
    return tuple(figures), tuple(operators)


def compare_weights(
    before: Iterable[tuple[str, NDArray[Any]]], after: Iterable[tuple[str, NDArray[Any]]]
) -> WeightChanges:
    """Return what differs between the constants of two models.

    The first are held in memory, the others come one by one. A constant that only one model has is the same where
    the other has equal values under another name.
    """
    old = dict(before)
    same, changed, unmatched = 0, [], []
    for name, values in after:
        known = old.pop(name, None)
        if known is None:
            unmatched.append((_content(values), TensorChange(name, None, _shape(values))))
            continue
        change = _change(name, known, values)
        if change is None:
            same += 1
        else:
            changed.append(change)
    lost = Counter(_content(values) for values in old.values())
    new = []
    for content, item in unmatched:
        if lost[content] > 0:
            lost[content] -= 1
            same += 1
        else:
            new.append(item)
    renamed = len(unmatched) - len(new)
    gone = []
    for name, values in old.items():
        content = _content(values)
        if lost[content] > 0:
            lost[content] -= 1
            gone.append(TensorChange(name, _shape(values), None))
    changed.sort(key=lambda item: -(item.relative if item.relative is not None else float("inf")))
    return WeightChanges(same, renamed, tuple(changed), tuple(gone), tuple(new))


def _change(name: str, before: NDArray[Any], after: NDArray[Any]) -> TensorChange | None:
    import numpy as np

    if before.shape != after.shape:
        return TensorChange(name, _shape(before), _shape(after))
    if before.dtype == after.dtype and before.tobytes() == after.tobytes():
        return None
    wide = np.complex128 if np.iscomplexobj(before) or np.iscomplexobj(after) else np.float64
    old, new = before.astype(wide), after.astype(wide)
    gap = np.abs(new - old)
    if not np.isfinite(gap).all():  # a figure that is not finite says nothing of the others
        gap = gap[np.isfinite(gap)]
    return TensorChange(
        name,
        _shape(before),
        _shape(after),
        norm=float(np.linalg.norm(np.nan_to_num(old))),
        change=float(np.linalg.norm(gap)),
        largest=float(gap.max(initial=0.0)),
        share=float(np.count_nonzero(old != new) / max(old.size, 1)),
    )


def _content(values: NDArray[Any]) -> bytes:
    return hashlib.sha256(_shape(values).encode() + values.tobytes()).digest()


def _shape(values: NDArray[Any]) -> str:
    return f"{values.dtype}[{', '.join(map(str, values.shape))}]"


def _tensors(found: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{item.name} {item.dtype}[{', '.join(map(str, item.shape))}]" for item in found)


def _kinds(profile: ModelProfile) -> Counter[str]:
    found: Counter[str] = Counter()
    for item in profile.operators:
        found[item.kind] += item.count
    return found
