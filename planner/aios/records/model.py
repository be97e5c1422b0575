"""What a model asks of hardware, read from its file once."""

from collections.abc import Mapping

from aios.records.base import Record

__all__ = ["VALUE_BYTES", "ModelProfile", "Operator", "TensorSpec"]

VALUE_BYTES: Mapping[str, float] = {
    "fp64": 8.0,
    "fp32": 4.0,
    "tf32": 4.0,
    "fp16": 2.0,
    "bf16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "uint8": 1.0,
    "fp4": 0.5,
    "int4": 0.5,
}
"""Precision -> bytes that one number takes."""


class TensorSpec(Record):
    """An input or output. shape: an int, or the name of a dynamic dimension (``batch``), or ``?`` if it has none."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class Operator(Record):
    """Cost of equal operators of a graph, per item (batch 1), dynamic dimensions at the profile's ``assumed`` sizes.

    kind: operator type (``Conv``) · count: how many of exactly these figures · flops: multiply and add counted as two ·
    weight_bytes: constants read · input_bytes, output_bytes: activations moved, at the file's own precision ·
    quantized: it computes in 8-bit integers (QLinear*, MatMulInteger, or between QuantizeLinear and DequantizeLinear)
    """

    kind: str
    count: int
    flops: float
    weight_bytes: float
    input_bytes: float
    output_bytes: float
    quantized: bool = False


class ModelProfile(Record):
    """A model as the planner sees it. All totals are per item (batch 1).

    digest: sha256 over the file and its external data · format: reader that read it · precision: of the weights as
    stored
    (``fp32``, ``fp16``, ``int8``...) · parameters: trained numbers, wherever they are stored · weight_bytes: their
    size ·
    macs: multiply-accumulates of convolutions and matrix products · flops: all arithmetic · activation_bytes: largest
    sum of activations alive at once · batch_axis: None if the batch size is fixed; fixed_batch says at what ·
    assumed: dynamic dimension -> size used for the totals · unknown_operators: type -> count, their cost is not in
    the totals ·
    declared: metric -> value found in the file's own metadata (keys ``aios.<metric>``) · notes: what a reader should
    know
    """

    name: str
    digest: str
    format: str
    file_bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    precision: str
    parameters: int
    weight_bytes: float
    macs: float
    flops: float
    activation_bytes: float
    operators: tuple[Operator, ...]
    batch_axis: int | None
    fixed_batch: int | None = None
    assumed: Mapping[str, int] = {}
    unknown_operators: Mapping[str, int] = {}
    declared: Mapping[str, float] = {}
    opset: int | None = None
    producer: str | None = None
    notes: tuple[str, ...] = ()

    def weight_bytes_at(self, precision: str) -> float:
        """Return the size of the weights in another precision; the stored size where either precision is unknown."""
        stored, wanted = VALUE_BYTES.get(self.precision), VALUE_BYTES.get(precision)
        return self.weight_bytes * wanted / stored if stored and wanted else self.weight_bytes
