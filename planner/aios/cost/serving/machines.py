"""A device, and what the software on it makes of it, as the physics of serving sees them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.kernels.formats import format_of
from aios.cost.serving.shapes import Machine
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations, Texts

__all__ = ["machine_of", "of_words"]

_PLAIN = ("fp16", "bf16", "tf32", "fp32")
_WITHOUT_BF16 = frozenset({"sm_50", "sm_52", "sm_53", "sm_60", "sm_61", "sm_62", "sm_70", "sm_72", "sm_75"})
"""Graphics processors that compute bfloat16 in 32 bits: their matrix units have it from compute capability 8.0 on (CUDA
C++ Programming Guide, arithmetic instructions)."""
_LINK = 16e9
"""Bytes per second between devices where nobody states a link: half of PCIe 4 x16, shared with the host."""
_OPS_PER_BYTE = 200.0
"""Of bandwidth, where no peak is stated: A100 153, H100 295, RTX 4090 164, Jetson AGX Orin 208 (fp16, data sheets)."""


_PRODUCTS = {"amd": 0.7}
"""Maker -> share of nominal peak that large products reach, relative to those of others: MI300X and MI325X 0.54 to 0.60
of it in bf16, A100, H100, H200, B200 0.78 to 0.87 (maximum achievable FLOPS, github.com/stas00/ml-engineering)."""


_NARROWER = 0.9
"""Share of the nominal rate that products keep when their numbers take half as many bits: power does not halve with
them, and activations are quantised. Maximum achievable FLOPS (github.com/stas00/ml-engineering) in 8 bits over 16: 0.88
on H100, 0.98 on B200 and GB200; with quantising kernels 0.75 of 8 bits and 0.57 of 4 (B200, aiconfigurator). 0.9 was
looked for on published measurements, between these."""
_UNPACKING = 5.3
"""Integer operations for one weight of 4 or 8 bits that is multiplied in 16: shifts, masks, scales. It was looked for
on published measurements of products on A100 (aiconfigurator): those of 4-bit weights are 1.4 times as fast as those of
16-bit ones up to 32 tokens, and as fast at 64."""
_AS_MANY_INTEGERS = frozenset({"sm_60", "sm_61", "sm_70", "sm_72", "sm_75", "sm_80", "sm_120"})
"""Graphics processors with as many integer lanes as those for fp32; others have half as many (CUDA C++ Programming
Guide, throughput of native arithmetic instructions)."""
_HALVINGS = {"fp8": 1.0, "int8": 1.0, "fp4": 2.0, "int4": 2.0}


class _Software(NamedTuple):
    """How software works.

    eager, unfused, score_bytes, unpacks, interpreted, passes: see ``Machine`` · narrow: whether products of 16 bits are
    summed in 16 bits, at half the rate of 8-bit integers, where GeForce cards are otherwise half as fast again ·
    products, stacked: share that tensor cores and stacked memory reach of what they do in usual software · pass_s,
    device_s, sequence_s: of the host per pass (scheduling, sampling), per device of it (handing inputs over), and per
    sequence of it (sampling, detokenising, sending)
    """

    eager: bool = False
    unfused: bool = False
    score_bytes: float = 0.0
    unpacks: bool = False
    interpreted: bool = True
    passes: float = 8.0
    narrow: bool = False
    products: float = 1.0
    stacked: float = 1.0
    pass_s: float = 0.1e-3
    device_s: float = 0.0
    sequence_s: float = 10e-6


_USUAL = _Software()
_EAGER = _Software(eager=True, unfused=True)
_COMPILED = _Software(interpreted=False)
_SOFTWARE = {
    "transformers": _EAGER, "huggingface": _EAGER, "hf": _EAGER, "accelerate": _EAGER,
    "genie": _COMPILED, "qnn": _COMPILED, "qnn_context_binary": _COMPILED, "precompiled_qnn_onnx": _COMPILED,
    "vllm": _Software(passes=1.5, sequence_s=35e-6),
    "vllm-v0": _Software(passes=1.5, pass_s=10e-3, device_s=6e-3, sequence_s=270e-6),
    "llama.cpp": _Software(
        score_bytes=20.0, unpacks=True, interpreted=False, narrow=True, products=0.65, stacked=0.6
    ),
}  # fmt: skip
"""First word of its name -> how it works; all other software is as most engines of servers are.

passes were looked for on published measurements of time to the first token at low load: vLLM answers with the pass
that ends a prompt; TensorRT-LLM and SGLang, which prepare passes while others run, take several more. The host's times
of vLLM were looked for on published measurements of time per token as well: its first engine (before version 0.6) left
the device waiting for more than half of the time (blog.vllm.ai, 2024-09-05). llama.cpp calls cuBLAS with
CUBLAS_COMPUTE_16F (ggml-cuda.cu); its two shares were looked for on published measurements: 0.37 to 0.47 of the peak of
A100, RTX 3090, 4090, A40 at 512 tokens, and half of the bandwidth of A100 and H100 in products with one vector. Without
its flash attention each score is written by a product, read and written in 32 bits by the softmax, narrowed to 16, and
read (4 + 4 + 4 + 4 + 2 + 2 bytes); more than ``MMQ_MAX_BATCH_SIZE`` tokens are multiplied with weights that are
unpacked first."""


def machine_of(rows: Observations, devices: Mapping[str, DeviceType]) -> Machine:
    """Return the devices that rows name under their software; numbers that nobody states are NaN."""
    facts = of_words(
        lambda name, precision, software: _facts(devices.get(name), precision, _known(software)),
        rows.types, rows.word("precision"), rows.word("software"),
    )  # fmt: skip
    started = of_words(_started, rows.word("software"))
    return Machine(*facts.T, *started.T)


def _known(software: str) -> _Software:
    return _SOFTWARE.get(software.lower().partition(" ")[0], _USUAL)


def _started(name: str) -> tuple[float, ...]:
    found = _known(name)
    eager = found.eager or "eager" in name.lower().split()
    apart = (found.score_bytes, float(found.unpacks))
    host = (found.pass_s, found.device_s, found.sequence_s)
    return float(eager), float(found.unfused), *apart, float(found.interpreted), found.passes, *host


def _facts(device: DeviceType | None, precision: str, software: _Software) -> tuple[float, ...]:
    """Return the fields of ``Machine`` that are of a device, in their order, NaN if unknown.

    Sixteen bits of which nobody states the kind are those that the device has units for.
    """
    nan = float("nan")
    if device is None:
        return (nan,) * 8
    known = format_of(precision or "bf16")
    peaks = {name: rate.value for name, rate in device.peak_ops_per_s.items()}
    if precision == "bf16" and "fp32" in peaks and not _WITHOUT_BF16.isdisjoint(device.features):
        peaks = {"fp32": peaks["fp32"]}
    wanted = (*(known.computes if known else ()), *_PLAIN, "int8")
    taken = next((name for name in wanted if name in peaks), "")
    peak, half = peaks.get(taken, nan), next((peaks[name] for name in _PLAIN if name in peaks), nan)
    links = [link.bandwidth_bytes_per_s.value for link in device.interconnects]
    bandwidth = device.memory_bandwidth_bytes_per_s.value if device.memory_bandwidth_bytes_per_s else nan
    peak = bandwidth * _OPS_PER_BYTE if math.isnan(peak) else peak
    half = peak if math.isnan(half) else min(half, peak)
    tensor = software.narrow and "int8" in peaks
    peak = max(peak, peaks["int8"] / 2) if tensor else peak
    memory = device.memory_bytes.value if device.memory_bytes else nan
    products = (software.products if tensor else 1.0) * _PRODUCTS.get(device.name.partition("-")[0], 1.0)
    products *= _NARROWER ** _HALVINGS.get(taken, 0.0)
    reading = software.stacked if device.memory_kind == "hbm" else 1.0
    narrower = known is not None and float(known.weight_bytes) < 1.5 and taken in _PLAIN
    unpacking = _unpacking_s(device) if narrower and not software.unpacks else 0.0
    return peak, half, bandwidth, memory, max(links, default=_LINK), products, reading, unpacking


def _unpacking_s(device: DeviceType) -> float:
    """Return the seconds in which a graphics processor unpacks one weight; 0 of others, and where nobody knows."""
    lanes = device.peak_ops_per_s.get("fp32")
    if device.kind != "gpu" or lanes is None:
        return 0.0
    share = 1.0 if _AS_MANY_INTEGERS.intersection(device.features) else 0.5
    return _UNPACKING / (share * lanes.value / 2)


def of_words(function: Callable[..., float | Sequence[float]], *columns: Texts) -> Floats:
    """Return what a function makes of the words of each row, asked once for each combination."""
    import numpy as np

    rows = columns[0].tolist() if len(columns) == 1 else list(zip(*(item.tolist() for item in columns), strict=True))
    place = {words: number for number, words in enumerate(dict.fromkeys(rows))}
    found = [function(words) if len(columns) == 1 else function(*words) for words in place]
    return np.array(found, dtype=float)[[place[words] for words in rows]]
