"""What a walk adds up, in integers that cannot overflow, and when a total is absurd."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from aios.records.errors import Diagnostic, InputError
from aios_plugins.onnx.tensors import Tensor, bytes_of

__all__ = ["ABSURD_BYTES", "ABSURD_FLOPS", "Row", "Tally", "refuse_absurd_tensor", "refuse_absurd_total"]

ABSURD_BYTES = 2**50
"""A tensor of one pebibyte: no machine holds it, so whoever declares it is wrong or hostile."""
ABSURD_FLOPS = 10**21
"""Operations per item: a quarter of an hour on the largest computer there is."""


class Row(NamedTuple):
    """One operator's figures: operations, bytes of constants, bytes read, bytes written; ``records.model.Operator``
    says what the others are."""

    kind: str
    flops: int
    weight_bytes: int
    input_bytes: int
    output_bytes: int
    quantized: bool
    form: tuple[int, int, int, int] | None = None
    fused: bool = False


@dataclass
class Tally:
    """Sums over a graph.

    rows: figures -> how many operators have them · unknown: operator -> count of those without a cost · notes: each
    once, in order · folded: nodes that a runtime computes once, when it loads the model, or fuses away · work: amounts
    of ``aios.records.networks.WORK``
    """

    rows: Counter[Row] = field(default_factory=Counter)
    macs: int = 0
    flops: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    notes: dict[str, None] = field(default_factory=dict)
    folded: int = 0
    work: Counter[str] = field(default_factory=Counter)

    def include(self, other: Tally, times: int = 1) -> None:
        """Add another tally, ``times`` over."""
        for row, count in other.rows.items():
            self.rows[row] += count * times
        self.macs += other.macs * times
        self.flops += other.flops * times
        for name, amount in other.work.items():
            self.work[name] += amount * times
        self.unknown.update(other.unknown)
        self.notes.update(other.notes)
        self.folded += other.folded

    def count(self, row: Row, macs: int) -> None:
        """Add one operator."""
        self.rows[row] += 1
        self.macs += macs
        self.flops += row.flops

    def note(self, text: str) -> None:
        """Remember a sentence for the reader, once."""
        self.notes.setdefault(text)


def refuse_absurd_tensor(name: str, tensor: Tensor) -> None:
    """Raise InputError for a tensor that no machine could hold."""
    size = bytes_of(tensor)
    if size is not None and size > ABSURD_BYTES:
        shape = " x ".join(str(item) for item in tensor.shape or ())
        raise InputError(
            Diagnostic(
                summary=f"tensor {name!r} would have the shape {shape[:200]}, which is more than a pebibyte",
                reason="the model declares absurd sizes, or a size given for a dynamic dimension is far too large",
                remedy="check the model's declared shapes and the sizes given",
            )
        )


def refuse_absurd_total(tally: Tally) -> None:
    """Raise InputError when the operations of one item are beyond any computer."""
    if tally.flops > ABSURD_FLOPS or any(count > 2**53 for count in tally.rows.values()):
        raise InputError(
            Diagnostic(
                summary=f"one run of the model would take {_power_of_ten(tally.flops)} operations",
                reason="its shapes or the trip counts of its loops are absurd",
                remedy="check the model's declared shapes and the sizes given",
            )
        )


def _power_of_ten(number: int) -> str:
    return f"about 10^{max(0, round(number.bit_length() * 0.30103))}"
