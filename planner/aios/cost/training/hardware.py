"""Facts of devices as arrays, and what is assumed of the network between machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Floats, Texts

__all__ = ["Hardware", "arithmetic", "hardware_of", "peak_of"]

_HOST = ("pcie", "c2c", "usb", "ethernet")
"""Interconnects that lead to a host or to the world, not to the next device."""

_PORT_SHARE = 0.8
"""Of its host link, what the network port beside a device carries: 200 Gbit/s behind PCIe 4, 400 Gbit/s behind PCIe 5
(DGX A100 and DGX H100 data sheets: one port for each device)."""

_PORT = 25e9
"""Bytes per second of a port where nothing is known of the host link: 200 Gbit/s."""

_DRAWN, _CAP_EXPONENT = 0.8, 0.6
"""Share of the nominal power that training draws without a limit, and clock against power below it: between the cube
root (voltage in step with the clock) and 1."""

_DOMAINS: tuple[tuple[str, float], ...] = (("gb200", 72.0), ("gb300", 72.0), ("tpu", 256.0), ("910c", 384.0))
"""Devices that one switched or wrapped fabric joins, by a part of the type's name: GB200 NVL72, a TPU pod of the
smaller kind, CloudMatrix 384; 8 for every other device, as in a DGX or HGX machine."""

_PRODUCTS_PER_OPERATION = 16.0
"""Operations in products for one outside of them at least, as on A100 (312 to 19.5 TFLOPS): where data sheets state
none for fp32, or that of products."""
_USUAL_PER_EXPONENTIAL = 16.0
_USUAL_REACHED = 0.8
"""Share of the dense peak that large matrix products are taken to reach (``steptime``): the quickest reach 0.80 of it
on H100, 0.87 on A100, but 0.51 on MI300X (ml-engineering, maximum achievable matmul FLOPS)."""
_DIFFER = 1.05
"""Two devices of one type under the same products (there, on silicon lottery: 5 % and more on a node of eight)."""
_PER_EXPONENTIAL: tuple[tuple[str, float], ...] = (("sm_70", 8.0), ("sm_80", 8.0), ("sm_103", 8.0))
"""fp32 operations in the time of one exponential: 128 lanes beside 16 special function units in a multiprocessor, 64 in
those of V100 and A100, twice the units in those of Blackwell Ultra (CUDA C++ Programming Guide, throughput of native
arithmetic instructions; NVIDIA, "Making softmax more efficient with NVIDIA Blackwell Ultra")."""

_WIDER: Mapping[str, tuple[str, ...]] = {
    "fp16": ("bf16",), "bf16": ("fp16", "fp32"), "tf32": ("fp32",), "fp8": ("bf16", "fp16"), "fp4": ("fp8", "bf16"),
    "int8": ("fp16",), "fp32": (),
}  # fmt: skip

_WORDS: tuple[tuple[str, str], ...] = (
    ("fp4", "fp4"), ("float4", "fp4"), ("fp8", "fp8"), ("float8", "fp8"), ("bf16", "bf16"), ("bfloat16", "bf16"),
    ("fp16", "fp16"), ("float16", "fp16"), ("half", "fp16"), ("amp", "fp16"), ("mixed", "fp16"), ("tf32", "tf32"),
    ("int8", "int8"), ("fp32", "fp32"), ("float32", "fp32"), ("single", "fp32"),
)  # fmt: skip


@dataclass(frozen=True)
class Hardware:
    """Arrays of length n; SI.

    peak, wide_peak: operations per second in the precision of products, and of attention (16 bits at least), as much
    less than the dense peaks as the quickest products were measured to fall short of what is usual · ceiling: of
    products, what was measured of the quickest and some more, else the dense peak ·
    exponentials: per second · bandwidth: of memory · link, port: bytes per second in one direction to devices of the
    same domain and to others · domain: devices that ``link`` joins · memory: bytes
    """

    peak: Floats
    wide_peak: Floats
    ceiling: Floats
    exponentials: Floats
    bandwidth: Floats
    link: Floats
    port: Floats
    domain: Floats
    memory: Floats


def arithmetic(written: str) -> str:
    """Return the precision that a table's word for it computes in; ``bf16`` where it says none."""
    lowered = written.lower()
    return next((found for part, found in _WORDS if part in lowered), "bf16")


def peak_of(device: DeviceType, precision: str) -> float:
    """Return operations per second in a precision, else in the next wider one that is known; NaN without any."""
    for name in (precision, *_WIDER.get(precision, ()), "fp32"):
        if name in device.peak_ops_per_s:
            return device.peak_ops_per_s[name].value
    return float("nan")


def hardware_of(
    devices: Mapping[str, DeviceType], types: Texts, precisions: Sequence[str], caps: Floats | None = None
) -> Hardware:
    """Return the facts of each row's device; NaN where a type or a fact is unknown.

    caps: power limits (W), NaN for none: rates of arithmetic fall below what training draws
    """
    import numpy as np

    cache: dict[tuple[str, str], tuple[float, ...]] = {}
    rows = []
    for name, precision in zip(types.tolist(), precisions, strict=True):
        if (name, precision) not in cache:
            cache[name, precision] = _facts(devices.get(name), precision)
        rows.append(cache[name, precision])
    columns = np.array(rows, dtype=float).reshape(-1, len(fields(Hardware))).T
    found = Hardware(*columns)
    if caps is None or np.isnan(caps).all():
        return found
    nominal = np.array([_nominal_w(devices.get(name)) for name in types.tolist()])
    slower = np.nan_to_num(np.clip(caps / (_DRAWN * nominal), 0.01, 1.0), nan=1.0) ** _CAP_EXPONENT
    rates = {name: getattr(found, name) * slower for name in ("peak", "wide_peak", "ceiling", "exponentials")}
    return replace(found, **rates)


def _nominal_w(device: DeviceType | None) -> float:
    return device.tdp_w.value if device is not None and device.tdp_w is not None else float("nan")


def _facts(device: DeviceType | None, precision: str) -> tuple[float, ...]:
    """Return the fields of ``Hardware``, in their order, of one device."""
    unknown = float("nan")
    if device is None:
        return (unknown,) * len(fields(Hardware))
    wide = precision if precision in ("fp32", "tf32", "fp16", "bf16") else "bf16"
    own = [link for link in device.interconnects if not any(word in link.kind for word in _HOST)]
    host = [link.bandwidth_bytes_per_s.value for link in device.interconnects if "pcie" in link.kind]
    port = min(_PORT_SHARE * max(host), 2 * _PORT) if host else (2 * _PORT if own else _PORT)
    link = max((link.bandwidth_bytes_per_s.value for link in own), default=port)
    domain = next((size for part, size in _DOMAINS if part in device.name), 8.0)
    memory = device.memory_bytes.value if device.memory_bytes else unknown
    rate = device.memory_bandwidth_bytes_per_s
    peak, ceiling = _usable(device, precision)
    return (
        peak, _usable(device, wide)[0], ceiling, _exponentials(device, wide), rate.value if rate else unknown,
        link, port, domain, memory,
    )  # fmt: skip


def _usable(device: DeviceType, precision: str) -> tuple[float, float]:
    """Return the peak that usual shares are of, and what no product runs above; a precision that nobody measured falls
    as far short as another one did."""
    dense = peak_of(device, precision)
    shares = {
        name: fact.value / device.peak_ops_per_s[name].value
        for name, fact in device.reached_ops_per_s.items()
        if name in device.peak_ops_per_s
    }
    if not shares:
        return dense, dense
    reached = shares.get(precision, min(shares.values()))
    return dense * min(1.0, reached / _USUAL_REACHED), dense * min(1.0, reached * _DIFFER)


def _exponentials(device: DeviceType, wide: str) -> float:
    """Return exponentials per second: special function units go in step with fp32 lanes."""
    lanes = peak_of(device, wide) / _PRODUCTS_PER_OPERATION
    found = device.peak_ops_per_s.get("fp32")
    if found is not None:
        lanes = min(lanes, found.value)
    return lanes / next((each for part, each in _PER_EXPONENTIAL if part in device.features), _USUAL_PER_EXPONENTIAL)
