"""What a device can do at best, from catalogue facts or from what its name states of cores and clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from aios.records.fleet import DeviceType
from aios.records.model import VALUE_BYTES

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations

__all__ = ["Numeric", "Rates", "numeric", "rates_of"]

_ALIKE: Mapping[str, tuple[tuple[str, float], ...]] = {
    "fp64": (("fp32", 0.5),),
    "fp32": (("tf32", 1.0), ("fp16", 0.25), ("bf16", 0.25), ("int8", 0.125)),
    "tf32": (("fp16", 0.5), ("bf16", 0.5), ("fp32", 1.0)),
    "fp16": (("bf16", 1.0), ("int8", 0.5), ("fp8", 0.5), ("fp32", 1.0)),
    "bf16": (("fp16", 1.0), ("int8", 0.5), ("fp8", 0.5), ("fp32", 1.0)),
    "fp8": (("int8", 1.0), ("fp16", 2.0), ("bf16", 2.0), ("fp32", 1.0)),
    "int8": (("fp8", 1.0), ("fp16", 2.0), ("bf16", 2.0), ("fp32", 1.0)),
    "int4": (("int8", 1.0), ("fp8", 1.0), ("fp16", 2.0), ("bf16", 2.0), ("fp32", 1.0)),
    "fp4": (("fp8", 2.0), ("int8", 2.0), ("fp16", 4.0), ("bf16", 4.0), ("fp32", 1.0)),
}
"""Precision -> others whose stated peak says something of it, the likeliest first, with the usual ratio."""
_TYPICAL: Mapping[str, tuple[float, float]] = {
    "cpu": (5e11, 5e10),
    "gpu": (2e13, 4e11),
    "npu": (1e13, 5e10),
    "tpu": (1e14, 8e11),
    "fpga": (1e13, 1e11),
    "dsp": (1e12, 3e10),
    "other": (5e12, 5e10),
}
"""Kind of device -> fp16 operations and bytes per second of an ordinary one. Where no fact is known; what a device
really does is then learnt, if some of its rows are."""
_OPERATIONS_PER_JOULE = 0.75e12
"""fp16 operations that a graphics processor's whole power pays for: those of a chip of 300 W with a peak of 439 TFLOPS
reach about 200. Twice as many at 8 bits, half as many at 32."""
_PER_CYCLE = 16.0
"""fp32 operations per core and cycle of a processor with two 128-bit or one 256-bit multiply-add unit; with AVX2 or
AVX-512 they are mostly two of 256 or 512 bits."""
_CLOCK = 3e9
"""Cycles per second where nobody states them: a usual processor with all cores at work, if its power pays for it."""
_PER_JOULE = 3e10
"""fp32 operations that a processor's power pays for: 20 to 30 GFLOP/J follow from peaks and powers of recent Xeons."""
_MOBILE_BANDWIDTH = 4.0
"""Bytes per core and cycle of a processor whose memory nobody states; a Cortex-A class board has 2 to 6."""


class Numeric(NamedTuple):
    """How a model computes. peak: precision whose peak counts · weight, value: bytes of a weight and an activation"""

    peak: str
    weight: float
    value: float


class Rates(NamedTuple):
    """Of n rows. peak: operations/s at the row's precision · bandwidth: bytes/s · launch: s per operator, of the kind
    of device · known: 1 where the peak is a stated fact, 0 where it is guessed · bound: operations/s that cannot be
    exceeded, infinite where nobody knows"""

    peak: Floats
    bandwidth: Floats
    launch: Floats
    known: Floats
    bound: Floats


def numeric(precision: str) -> Numeric:
    """Return what a word such as ``fp16``, ``w8a16`` or ``int8 mixed`` means in bytes; unknown words as fp16."""
    if precision in VALUE_BYTES:
        size = VALUE_BYTES[precision]
        return Numeric("int8" if precision == "uint8" else precision, size, size)
    mixed = re.match(r"w(\d+)(?:a(\d+))?", precision)
    if mixed:
        weight, value = int(mixed[1]) / 8, int(mixed[2] or 16) / 8
        return Numeric("int8" if value <= 1 else "fp16", weight, value)
    for known, size in VALUE_BYTES.items():
        if precision.startswith(known):
            return Numeric(known, size, size)
    return Numeric("fp16", 2.0, 2.0)


def rates_of(rows: Observations, types: Mapping[str, DeviceType]) -> Rates:
    """Return the rates of each row's device, per device."""
    import numpy as np

    cores, clock = rows.number("cores"), rows.number("frequency")
    threads = rows.number("threads")
    found = np.empty((5, len(rows)))
    named = np.char.add(np.char.add(rows.types.astype(str), "\x1f"), rows.word("precision").astype(str))
    for name in np.unique(named):
        where = named == name
        kind, precision = str(name).split("\x1f")
        found[:, where] = np.array(_rates(types.get(kind), numeric(precision)))[:, None]
    stated = (found[3] == 0) & np.isfinite(clock)  # a processor that only its name tells of
    used = np.where(np.isnan(threads), np.where(np.isnan(cores), 1.0, cores), threads)
    used = np.where(np.isnan(cores), used, np.minimum(used, cores))
    speed = np.where(stated, used * clock * _PER_CYCLE, 0.0)
    found[0] = np.where(stated, speed, found[0])
    found[1] = np.where(stated, np.sqrt(np.maximum(used, 1.0)) * clock * _MOBILE_BANDWIDTH, found[1])
    return Rates(*found)


def _rates(device: DeviceType | None, number: Numeric) -> tuple[float, float, float, float, float]:
    kind = device.kind if device else "other"
    typical, bandwidth = _TYPICAL[kind]
    launch = 1e-6 if kind == "cpu" else 5e-6
    if device is None:
        return typical, bandwidth, launch, 0.0, float("inf")
    if device.launch_overhead_s:
        launch = device.launch_overhead_s.value
    if device.memory_bandwidth_bytes_per_s:
        bandwidth = device.memory_bandwidth_bytes_per_s.value
    peaks = {name: fact.value for name, fact in device.peak_ops_per_s.items()}
    for name, ratio in ((number.peak, 1.0), *_ALIKE.get(number.peak, ())):
        if name in peaks:
            return _sustained(peaks[name] * ratio, device, number), bandwidth, launch, 1.0, max(peaks.values())
    if device.cores:
        clock = device.frequency_hz.value if device.frequency_hz else _CLOCK
        per_cycle = _PER_CYCLE * (4 if "avx512f" in device.features else 2 if "avx2" in device.features else 1)
        speed = device.cores * clock * per_cycle
        paid = _PER_JOULE * device.tdp_w.value if device.tdp_w else float("inf")
        return 1 / (1 / speed + 1 / paid), bandwidth, launch, 0.5, float("inf")
    return typical, bandwidth, launch, 0.0, float("inf")


def _sustained(peak: float, device: DeviceType, number: Numeric) -> float:
    """Return the operations/s that a device keeps up: what its arithmetic units can and what its power pays for are
    joined like two stages that take turns."""
    if device.kind != "gpu" or device.tdp_w is None:
        return peak
    paid = _OPERATIONS_PER_JOULE * 2 / max(number.value, 0.5) * device.tdp_w.value
    return 1 / (1 / peak + 1 / paid)
