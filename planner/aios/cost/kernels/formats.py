"""Number formats of matrix products: what is computed in, and how many bytes a value takes with its scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.kernels.grouping import distinct

if TYPE_CHECKING:
    from aios.cost.kernels.work import Numbers
    from aios.records.observation import Texts

__all__ = ["FORMATS", "Format", "format_of", "format_rows"]


class Format(NamedTuple):
    """Of a matrix product of activations and weights, each number one or an array, one per row.

    computes: precisions of the arithmetic, the first that a device has a peak for is used · weight_bytes,
    activation_bytes: per value, scales included · output_bytes: per value of the result · quantised: 1 where
    activations arrive in 16 bits and are quantised by kernels of their own, else 0
    """

    computes: tuple[str, ...]
    weight_bytes: Numbers
    activation_bytes: Numbers
    output_bytes: Numbers = 2.0
    quantised: Numbers = 0


_HALF = ("bf16", "fp16", "tf32", "fp32")
_EIGHT = ("fp8", "int8", *_HALF)
_FOUR = ("fp4", *_EIGHT)
# Scales: 4 bytes for 128 x 128 weights and 128 activations (DeepSeek-V3, arXiv 2412.19437, section 3.3.2); 1 byte for
# 16 values of NVFP4 and 32 of the MX formats (OCP Microscaling Formats 1.0); 2 bytes for 128 four-bit weights (AWQ).
FORMATS: dict[str, Format] = {
    "fp64": Format(("fp64",), 8.0, 8.0, 8.0),
    "fp32": Format(("fp32",), 4.0, 4.0, 4.0),
    "tf32": Format(("tf32", "fp32"), 4.0, 4.0, 4.0),
    "bf16": Format(_HALF, 2.0, 2.0),
    "fp16": Format(("fp16", *_HALF), 2.0, 2.0),
    "fp8": Format(_EIGHT, 1.0, 1.0, quantised=1),
    "fp8_block": Format(_EIGHT, 1.0 + 4 / 128**2, 1.0 + 4 / 128, quantised=1),
    "int8": Format(("int8", *_HALF), 1.0, 1.0, quantised=1),
    "nvfp4": Format(_FOUR, 0.5 + 1 / 16, 0.5 + 1 / 16, quantised=1),
    "mxfp4": Format(_FOUR, 0.5 + 1 / 32, 0.5 + 1 / 32, quantised=1),
    "w8a16": Format(_HALF, 1.0, 2.0),
    "w4a16": Format(_HALF, 0.5 + 2 / 128, 2.0),
    "w4a16_mxfp4": Format(_HALF, 0.5 + 1 / 32, 2.0),
    "w4a8": Format(_EIGHT, 0.5 + 2 / 128, 1.0, quantised=1),
    "w4a8_mxfp4_mxfp8": Format(_EIGHT, 0.5 + 1 / 32, 1.0 + 1 / 32, quantised=1),
}
"""Precision -> format. ``w4a16``: four-bit weights, sixteen-bit arithmetic."""

_SAME = {
    "float64": "fp64", "float32": "fp32", "bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float8": "fp8",
    "fp8_e4m3": "fp8", "fp8_static": "fp8", "fp8_ootb": "fp8", "fp4": "nvfp4", "sq": "int8", "w8a8": "int8",
    "int8_wo": "w8a16", "int4_wo": "w4a16", "int4": "w4a16", "awq": "w4a16", "gptq": "w4a16", "w4afp8": "w4a8",
}  # fmt: skip


def format_of(precision: str) -> Format | None:
    """Return the format of a precision, also by the names that libraries give it; None for an unknown one."""
    name = precision.lower()
    return FORMATS.get(_SAME.get(name, name))


def format_rows(precisions: Texts | Sequence[str]) -> Format:
    """Return the formats of rows, one precision each; NaN where it is unknown."""
    import numpy as np

    unique, places = distinct(precisions)
    lacking = (np.nan,) * 4
    known = np.array([found[1:] if (found := format_of(name)) else lacking for name in unique], dtype=float)
    return Format((), *known.reshape(len(unique), 4)[places].T)
