"""What a device can do at best, from catalogue facts or from what its name states of cores and clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from aios.cost.networks.bounds import held_on_chip, highest, store_of
from aios.cost.networks.processors import core_named, cores_stated, kind_named, spelt
from aios.records.fleet import DeviceType
from aios.records.model import VALUE_BYTES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Observations, Texts

    Mask = npt.NDArray[np.bool_]
    _Columns = tuple[Texts, Texts, Texts, Mask]

__all__ = ["Numeric", "Rates", "coded", "cores_of", "kinds_of", "multiplying_bytes", "numeric", "rates_of"]

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
    "mobile gpu": (5e11, 2e10),
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
_FEW = 4.0
"""Cores of a board whose name tells their kind alone."""
_BYTE_PRODUCTS = ("dotprod", "i8mm", "vnni", "amx_int8")
"""Parts of the names of instruction sets that add up products of bytes in one instruction."""
_LAUNCH_OF_BOARD = 1e-5
"""Seconds per operator on cores that a name tells of, boards and phones mostly: waking a few threads and waiting for
the last of them takes about that long."""
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
    exceeded, infinite where nobody knows · on_chip: bytes of weights that need not come over its link, infinite where
    all stay · link: bytes/s of those that do · held: bytes of weights that stay on the chip from call to call ·
    threads: of a processor, as stated, else all of its cores; 1 of others · alone: s per operation by which one core is
    slower than all that are used"""

    peak: Floats
    bandwidth: Floats
    launch: Floats
    known: Floats
    bound: Floats
    on_chip: Floats
    link: Floats
    held: Floats
    threads: Floats
    alone: Floats


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

    named, places = coded(*_named(rows), rows.word("precision"))
    listed = [_rates_of(_Name(*row[:4]), row[4], types) for row in named]
    found = np.array(listed).reshape(-1, 11).T[:, places]
    peak, bandwidth, launch, known, bound, on_chip, link, held, per_cycle, cores, clock = found
    stated = rows.number("frequency")
    clock = np.where(np.isnan(stated), clock, stated)
    cores = np.where(np.isnan(rows.number("cores")), cores, rows.number("cores"))
    threads = np.where(np.isnan(rows.number("threads")), cores, rows.number("threads"))
    used = _used(threads, cores)
    by_name = np.isfinite(per_cycle) & np.isfinite(clock)
    one = np.where(by_name, clock * per_cycle, peak / cores)
    scaled = by_name | (np.isfinite(threads) & np.isfinite(one))
    peak = np.where(scaled, used * one, peak)
    share = np.where(by_name, np.sqrt(used) * clock * _MOBILE_BANDWIDTH, bandwidth * np.sqrt(used / cores))
    bandwidth = np.where(scaled, share, bandwidth)
    alone = np.where(np.isfinite(threads) & scaled, np.maximum(1 / one - 1 / peak, 0.0), 0.0)
    bound = np.where(np.isnan(cores), bound, bound * np.minimum(used / cores, 1.0))
    threads = np.where(np.isnan(threads), 1.0, threads)
    return Rates(peak, bandwidth, launch, known, bound, on_chip, link, held, threads, alone)


def kinds_of(rows: Observations, types: Mapping[str, DeviceType]) -> Texts:
    """Return the kind of each row's device: that of its type, else what its name tells; empty where it does not.

    What has threads, cores or a clock is a processor.
    """
    import numpy as np

    named, places = coded(*_named(rows))
    return np.array([_kind(_Name(*row), types) for row in named] or [""])[places]


def cores_of(rows: Observations, types: Mapping[str, DeviceType]) -> Texts:
    """Return the kind of core of each row's processor: as the row says, else as its type does; empty where neither."""
    import numpy as np

    pairs, places = coded(rows.types, rows.word("core"))
    found = []
    for name, core in pairs:
        known = types.get(name)
        own = known.architecture if known and known.kind == "cpu" and known.architecture else ""
        found.append(spelt(core) if core else spelt(own) if core_named(own, "") else "")
    return np.array(found or [""])[places]


def multiplying_bytes(rows: Observations, types: Mapping[str, DeviceType]) -> Mask:
    """Say which rows' processors add up products of bytes in one instruction, by their type or by the kind of their
    cores. Others take two or three instructions, so that 8 bits are often slower there than 16 or 32."""
    import numpy as np

    named, places = coded(*_named(rows))
    return np.array([_multiplies_bytes(_Name(*row), types) for row in named] or [False])[places]


def _multiplies_bytes(name: _Name, types: Mapping[str, DeviceType]) -> bool:
    known = types.get(name.type)
    if _kind(name, types) != "cpu":
        return False
    if known is not None:
        return any(part in own for own in known.features for part in _BYTE_PRODUCTS)
    core = core_named(name.core, "" if name.core else name.device)
    return core is not None and core.multiplies_bytes


class _Name(NamedTuple):
    """What names a device. type: of the catalogue · core: kind of its cores · device: the table's word · counted:
    whether threads, cores or a clock are stated"""

    type: str
    core: str
    device: str
    counted: bool


def _named(rows: Observations) -> _Columns:
    """Return the columns of what names each row's device, in the order of ``_Name``."""
    import numpy as np

    counted = np.logical_or.reduce([np.isfinite(rows.number(role)) for role in ("threads", "cores", "frequency")])
    return rows.types, rows.word("core"), rows.word("device"), counted


def _kind(name: _Name, types: Mapping[str, DeviceType]) -> str:
    known = types.get(name.type)
    return known.kind if known else "cpu" if name.counted else kind_named(name.core, name.device)


def coded(*columns: npt.NDArray[Any]) -> tuple[list[Any], npt.NDArray[np.int64]]:
    """Return the different rows of these columns, as tuples in the order that they come in, and which each row is."""
    import numpy as np

    numbers: dict[Any, int] = {}
    rows = zip(*(column.tolist() for column in columns), strict=True)
    places = np.fromiter((numbers.setdefault(row, len(numbers)) for row in rows), np.int64, len(columns[0]))
    return list(numbers), places


def _used(threads: Floats, cores: Floats) -> Floats:
    """Return how many cores work: threads beyond those that a name states run on smaller ones, or share one."""
    import numpy as np

    cores = np.where(np.isnan(cores), threads, cores)
    with np.errstate(invalid="ignore"):
        used: Floats = np.minimum(threads, cores) + 0.5 * np.maximum(threads - cores, 0.0)
    return np.where(np.isnan(used), 1.0, used)


def _rates_of(name: _Name, precision: str, types: Mapping[str, DeviceType]) -> tuple[float, ...]:
    """Return peak, bandwidth, launch, known, bound, bytes on the chip, link, bytes held there; of processors operations
    per cycle of a core, cores and clock."""
    nan = float("nan")
    number, known, kind = numeric(precision), types.get(name.type), _kind(name, types)
    own = (*_rates(known, number, kind), *_limits(known, number))
    if kind != "cpu":
        return (*own, nan, nan, nan)
    cores = float(known.cores) if known and known.cores else nan
    core = core_named(name.core, "" if name.core else name.device) if own[3] < 1 else None
    if core:
        own = (own[0], own[1], _LAUNCH_OF_BOARD, *own[3:])
        return (*own, core.at(number.peak), cores if known else cores_stated(name.device) or _FEW, core.clock)
    return (*own, nan if known else _PER_CYCLE, cores, nan)


def _limits(device: DeviceType | None, number: Numeric) -> tuple[float, float, float, float]:
    if device is None:
        return (*(float("inf"),) * 3, 0.0)
    return (highest(device, number.value), *store_of(device), held_on_chip(device))


def _rates(device: DeviceType | None, number: Numeric, kind: str) -> tuple[float, float, float, float]:
    typical, bandwidth = _TYPICAL[kind or "other"]
    launch = 1e-6 if kind == "cpu" else 5e-6
    if device is None:
        return typical, bandwidth, launch, 0.0
    if device.launch_overhead_s:
        launch = device.launch_overhead_s.value
    if device.memory_bandwidth_bytes_per_s:
        bandwidth = device.memory_bandwidth_bytes_per_s.value
    peaks = {name: fact.value for name, fact in device.peak_ops_per_s.items()}
    for name, ratio in ((number.peak, 1.0), *_ALIKE.get(number.peak, ())):
        if name in peaks:
            return _sustained(peaks[name] * ratio, device, number), bandwidth, launch, 1.0
    if device.cores:
        clock = device.frequency_hz.value if device.frequency_hz else _CLOCK
        per_cycle = _PER_CYCLE * (4 if "avx512f" in device.features else 2 if "avx2" in device.features else 1)
        speed = device.cores * clock * per_cycle
        paid = _PER_JOULE * device.tdp_w.value if device.tdp_w else float("inf")
        return 1 / (1 / speed + 1 / paid), bandwidth, launch, 0.5
    return typical, bandwidth, launch, 0.0


def _sustained(peak: float, device: DeviceType, number: Numeric) -> float:
    """Return the operations/s that a device keeps up: what its arithmetic units can and what its power pays for are
    joined like two stages that take turns."""
    if device.kind != "gpu" or device.tdp_w is None:
        return peak
    paid = _OPERATIONS_PER_JOULE * 2 / max(number.value, 0.5) * device.tdp_w.value
    return 1 / (1 / peak + 1 / paid)
