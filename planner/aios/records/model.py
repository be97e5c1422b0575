"""What a model asks of hardware, read from its file once."""

from collections.abc import Mapping
from typing import Literal

from aios.records.base import Record
from aios.records.transformer import Transformer

__all__ = ["VALUE_BYTES", "MemoryPart", "ModelProfile", "Operator", "TensorSpec"]

MemoryPart = Literal["weights", "kv_cache", "activations"]
"""What of a model takes memory. kv_cache: what it keeps between calls (keys and values of attention)."""

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
    quantized: it computes in 8-bit integers (QLinear*, MatMulInteger, or between QuantizeLinear and DequantizeLinear) ·
    form: of a convolution, or product with weights, (channels in, channels out, positions of its kernel, groups); None
    of others, and where it is not known · fused: runtimes compute it with the convolution or product before it
    """

    kind: str
    count: int
    flops: float
    weight_bytes: float
    input_bytes: float
    output_bytes: float
    quantized: bool = False
    form: tuple[int, int, int, int] | None = None
    fused: bool = False


class ModelProfile(Record):
    """A model as the planner sees it. All totals are per item (batch 1).

    digest: sha256 over the file and its external data · format: reader that read it · precision: of the weights as
    stored
    (``fp32``, ``fp16``, ``int8``...) · parameters: trained numbers, wherever they are stored · weight_bytes: their
    size ·
    macs: multiply-accumulates of convolutions and matrix products · flops: all arithmetic · activation_bytes: largest
    sum of activations alive at once, kv_cache_bytes of it: what it takes in that it gave out before, keys and values of
    attention (0 where it keeps nothing) · batch_axis: None if the batch size is fixed; fixed_batch says at what ·
    assumed: dynamic dimension -> size used for the totals · unknown_operators: type -> count, their cost is not in
    the totals · work: amounts of ``networks.WORK``, those that it lacks are 0; empty where nobody counted them ·
    declared: metric -> value found in the file's own metadata (keys ``aios.<metric>``) · transformer: the structure of
    a language model that was read from its configuration, whose operators follow from it · notes: what a reader should
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
    kv_cache_bytes: float = 0.0
    operators: tuple[Operator, ...]
    batch_axis: int | None
    fixed_batch: int | None = None
    assumed: Mapping[str, int] = {}
    unknown_operators: Mapping[str, int] = {}
    work: Mapping[str, float] = {}
    declared: Mapping[str, float] = {}
    opset: int | None = None
    producer: str | None = None
    transformer: Transformer | None = None
    notes: tuple[str, ...] = ()

    def weight_bytes_at(self, precision: str) -> float:
        """Return the size of the weights in another precision; the stored size where either precision is unknown."""
        stored, wanted = VALUE_BYTES.get(self.precision), VALUE_BYTES.get(precision)
        return self.weight_bytes * wanted / stored if stored and wanted else self.weight_bytes

    def part_bytes(self, precision: str, quantization: str, items: int) -> dict[MemoryPart, float]:
        """Return part -> bytes of one replica that computes ``items`` at once; a part that it lacks is absent.

        Dynamic quantisation keeps weights in ``precision`` and everything else in fp32.
        """
        scale = 1.0
        if quantization != "dynamic":
            stored, wanted = VALUE_BYTES.get(self.precision), VALUE_BYTES.get(precision)
            scale = wanted / stored if stored and wanted else 1.0
        kept = self.kv_cache_bytes * items * scale
        moving = max(0.0, self.activation_bytes - self.kv_cache_bytes) * items * scale
        sizes: dict[MemoryPart, float] = {"weights": self.weight_bytes_at(precision)}
        return sizes | ({"kv_cache": kept} if kept else {}) | {"activations": moving}
