"""How much of a datasheet's peak real networks reach: documented ranges, optimistic, expected and pessimistic.

They are priors per device kind, not fits to single results, and the width says so. Sources: utilisation published with
MLPerf inference and FlagPerf results (ResNet-50 fp16 with TensorRT on an A100: 17 % of peak; convolutional networks
rarely above half); GEMM-bound fp32 on CPUs with oneDNN or MLAS reaches 0.3 to 0.9 of peak; 8-bit kernels stay further
below theirs, as memory and requantisation weigh more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aios.records.fleet import DeviceType

__all__ = [
    "BANDWIDTH",
    "CACHE_SPEEDUP",
    "SINGLE_CORE_BANDWIDTH",
    "THREAD_LOSS",
    "Range",
    "compute_efficiency",
    "launch_s",
]


class Range(NamedTuple):
    """A factor at its best, as expected, and at its worst; indexed 0, 1, 2 like the three times it leads to."""

    best: float
    expected: float
    worst: float


_COMPUTE: Mapping[str, Mapping[str, Range]] = {
    "cpu": {"float": Range(0.9, 0.6, 0.3), "half": Range(0.7, 0.4, 0.15), "int8": Range(0.8, 0.4, 0.15)},
    "gpu": {"float": Range(0.6, 0.35, 0.15), "half": Range(0.45, 0.2, 0.06), "int8": Range(0.4, 0.17, 0.05)},
    "other": {"float": Range(0.5, 0.25, 0.08), "half": Range(0.5, 0.25, 0.08), "int8": Range(0.5, 0.22, 0.06)},
}

_LAUNCH_S: Mapping[str, Range] = {
    "cpu": Range(0.5e-6, 2e-6, 6e-6),
    "gpu": Range(2e-6, 6e-6, 15e-6),
    "other": Range(1e-6, 5e-6, 20e-6),
}
"""Seconds per operator where the device states none: dispatch by a graph runtime; a kernel launch and its gap."""

BANDWIDTH = Range(0.9, 0.7, 0.45)
"""Share of the stated memory bandwidth that streaming operators reach (STREAM against datasheet: 0.7 to 0.9)."""

SINGLE_CORE_BANDWIDTH = Range(0.5, 0.25, 0.12)
"""Share of a cpu's bandwidth that one core can draw, if that is more than its even share; a few cores saturate it."""

CACHE_SPEEDUP = Range(8.0, 4.0, 2.0)
"""Bandwidth of the last-level cache over that of memory, all cores together."""

THREAD_LOSS = Range(0.02, 0.06, 0.15)
"""Each further thread costs this share of one thread's work (fork, join, imbalance):

speed-up t / (1 + loss (t - 1)).
"""


def compute_efficiency(device: DeviceType, precision: str) -> Range:
    """Return the share of the peak that convolutions and matrix products reach."""
    table = _COMPUTE.get(device.kind, _COMPUTE["other"])
    if precision in ("fp16", "bf16"):
        return table["half"]
    return table["int8" if precision in ("int8", "uint8", "int4", "fp8", "fp4") else "float"]


def launch_s(device: DeviceType) -> Range:
    """Return the overhead of starting one operator, in seconds: the device's own figure or the prior of its kind."""
    if device.launch_overhead_s is not None:
        return Range(*(device.launch_overhead_s.value,) * 3)
    return _LAUNCH_S.get(device.kind, _LAUNCH_S["other"])
