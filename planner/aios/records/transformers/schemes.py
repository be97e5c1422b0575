"""How many bits a weight takes under each way of storing models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["SCHEMES", "Scheme", "scheme_of"]


class Scheme(NamedTuple):
    """Bits per weight, scales included. blocks: matrices of attention and feed-forwards · experts: routed ones ·
    embedding, head: of the vocabulary. Norms, routers and vision towers are always kept at 16 bits (32 where blocks
    are)."""

    blocks: float
    experts: float
    embedding: float
    head: float

    @property
    def small(self) -> float:
        """Bits of what no scheme quantises."""
        return max(16.0, min(self.blocks, 32.0))


def _even(bits: float) -> Scheme:
    return Scheme(bits, bits, bits, bits)


def _linear(bits: float) -> Scheme:
    """Every linear layer of the blocks; embedding and head stay at 16 bits, as GPTQ, AWQ and fp8 checkpoints do."""
    return Scheme(bits, bits, 16.0, 16.0)


def _gguf(average: float, embedding: float, head: float) -> Scheme:
    """A llama.cpp type, from its average over Llama-3.1-8B (published in llama.cpp's tools/quantize/README.md), of
    whose 8.030 thousand million weights embedding and head have 0.525 each."""
    blocks = (8.030 * average - 0.525 * (embedding + head)) / (8.030 - 2 * 0.525)
    return Scheme(blocks, blocks, embedding, head)


SCHEMES: Mapping[str, Scheme] = {
    "fp64": _even(64.0),
    "fp32": _even(32.0),
    "bf16": _even(16.0),
    "fp16": _even(16.0),
    # One scale per tensor, row or 128 x 128 block: nothing that counts.
    "fp8": _linear(8.0),
    "int8": _linear(8.0),
    # A 16-bit scale and a 4-bit zero for each group of 128.
    "int4": _linear(4.0 + 20 / 128),
    "int3": _linear(3.0 + 19 / 128),
    "int2": _linear(2.0 + 18 / 128),
    # One 8-bit scale per 16 (nvfp4) or 32 (mxfp4) values; published mxfp4 models have it in their experts alone.
    "nvfp4": _linear(4.5),
    "mxfp4": Scheme(16.0, 4.25, 16.0, 16.0),
    "nf4": _linear(4.127),  # QLoRA's doubly quantised scales (arXiv 2305.14314, section 3)
    "iq1_s": _gguf(2.0042, 2.625, 5.5),
    "iq1_m": _gguf(2.1460, 2.625, 5.5),
    "iq2_xxs": _gguf(2.3824, 2.625, 5.5),
    "iq2_xs": _gguf(2.5882, 2.625, 5.5),
    "iq2_s": _gguf(2.7403, 3.4375, 5.5),
    "iq2_m": _gguf(2.9294, 3.4375, 5.5),
    "iq3_xxs": _gguf(3.2548, 3.4375, 5.5),
    "iq3_xs": _gguf(3.4977, 3.4375, 6.5625),
    "iq3_s": _gguf(3.6606, 3.4375, 6.5625),
    "iq3_m": _gguf(3.7628, 3.4375, 6.5625),
    "iq4_xs": _gguf(4.4597, 4.25, 6.5625),
    "iq4_nl": _gguf(4.6818, 4.5, 6.5625),
    "q2_k_s": _gguf(2.9697, 2.625, 6.5625),
    "q2_k": _gguf(3.1593, 2.625, 6.5625),
    "q3_k_s": _gguf(3.6429, 3.4375, 6.5625),
    "q3_k_m": _gguf(3.9960, 3.4375, 6.5625),
    "q3_k_l": _gguf(4.2979, 3.4375, 6.5625),
    "q4_0": Scheme(4.5, 4.5, 4.5, 6.5625),
    "q4_1": Scheme(5.0, 5.0, 5.0, 6.5625),
    "q4_k_s": _gguf(4.6672, 4.5, 6.5625),
    "q4_k_m": _gguf(4.8944, 4.5, 6.5625),
    "q5_0": Scheme(5.5, 5.5, 5.5, 6.5625),
    "q5_1": Scheme(6.0, 6.0, 6.0, 6.5625),
    "q5_k_s": _gguf(5.5704, 5.5, 6.5625),
    "q5_k_m": _gguf(5.7036, 5.5, 6.5625),
    "q6_k": _even(6.5625),
    "q8_0": _even(8.5),
}
"""Name -> bits per weight. Block formats of llama.cpp: ggml's own sizes (a q4_0 block has 32 weights in 18 bytes)."""

_OTHER_NAMES: Mapping[str, str] = {
    "float64": "fp64",
    "float32": "fp32",
    "f32": "fp32",
    "tf32": "fp32",
    "float16": "fp16",
    "f16": "fp16",
    "half": "fp16",
    "bfloat16": "bf16",
    "f64": "fp64",
    "float": "fp32",
    "float8": "fp8",
    "f8": "fp8",
    "sq": "int8",
    "smoothquant": "int8",
    "bitsandbytes_8bit": "int8",
    "awq": "int4",
    "gptq": "int4",
    "fp4": "nvfp4",
    "q2_k_m": "q2_k",
    "q3_k": "q3_k_m",
    "q4_k": "q4_k_m",
    "q5_k": "q5_k_m",
    "q6_k_m": "q6_k",
    "bitsandbytes": "nf4",
    "bnb": "nf4",
}

_BLOCK_FORMAT = re.compile("nvfp4|mxfp4")
_WORD = re.compile("mxfp8|bf(?:loat)?16|(?:fp|float|f)(?:64|32|16|8)|(?:u?int|w)[2348](?![0-9])|float$|nf4|fp4")
"""Precisions inside longer words (``w8a16_mixed_int16``, ``fp8,bf16``), of which the first counts."""


def scheme_of(precision: str) -> Scheme | None:
    """Return how weights of this precision are stored; None for a word nobody knows.

    A plain number (``4.65``) is that many bits per weight throughout; llama.cpp writes ``Q4_K - Medium`` too.
    """
    name = re.sub(r"[\s\-]+", "_", precision.strip().lower())
    name = re.sub("_(s)mall$|_(m)edium$|_(l)arge$", lambda found: f"_{found.group()[1]}", name)
    found = SCHEMES.get(_OTHER_NAMES.get(name, name))
    if found is not None:
        return found
    if re.fullmatch(r"\d{1,2}(\.\d{1,6})?", name) and 0 < float(name) <= 64:
        return _even(float(name))
    word = _BLOCK_FORMAT.search(name) or _WORD.search(name)
    if word is None:
        return None
    text = re.sub("^(w|uint)(?=[2348])", "int", re.sub("^mxfp8$", "fp8", word.group()))
    return SCHEMES.get(_OTHER_NAMES.get(text, text))
