"""The probes of this machine's processors (cores, instruction sets, caches, what they can do) and of its memory."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from aios.records.fleet import DeviceType, Fact
from aios.records.units import Dimension, format_quantity
from aios.spi.probe import Discovery, Found
from aios_plugins.cpu.busy import snapshot, why_busy
from aios_plugins.cpu.cpuinfo import CpuInfo, parse_cpuinfo, slug
from aios_plugins.cpu.host import Frequency, Host, read_caches, read_host, read_nominal_frequency
from aios_plugins.cpu.isa import operations_per_cycle
from aios_plugins.cpu.memory import Memory

__all__ = ["Memory", "Probe", "peaks", "type_name"]

_UNITS = {True: "OP/s", False: "FLOP/s"}
# On an idle machine numpy's matrix product reaches a good part of the peak. Less than a tenth of it on a busy machine
# is the share that the others left, not what the processors can do.
_LEAST_CREDIBLE_SHARE = 0.1


class Probe:
    """Finds the processors that this process may use; they are one device, ``cpu0``."""

    name: ClassVar[str] = "cpu"
    api_version: ClassVar[int] = 1

    def __init__(self, root: Path = Path("/")) -> None:
        """``root`` stands before /proc and /sys."""
        self._root = root

    def discover(self, measure: bool) -> Discovery:
        """Return the processors as one device; ``measure`` adds memory bandwidth and the fp32 rate (about a second)."""
        host = read_host(self._root)
        info = _read_cpuinfo(self._root)
        caches = read_caches(frozenset(host.allowed), self._root)
        frequency = _frequency(info, host, self._root)
        bandwidth, rate, busy = _measured(host, caches, self._root) if measure else (None, None, None)
        physical = _physical_cores(info, host)
        memory = host.usable_memory_bytes
        device = DeviceType(
            name=type_name(info, host.cores),
            kind="cpu",
            vendor=info.vendor,
            model=info.name or platform.processor() or None,
            peak_ops_per_s=peaks(info, physical, frequency, rate, busy is not None),
            memory_bytes=_memory_fact(host),
            memory_bandwidth_bytes_per_s=bandwidth,
            cache_bytes={
                name: Fact(value=size, unit="B", source="measured", ref="sysfs") for name, size in caches.items()
            },
            cores=host.cores,
            frequency_hz=frequency and Fact(value=frequency.hz, unit="Hz", source="measured", ref=frequency.how),
            features=info.features,
            identity=_identity(info, host, physical),
        )
        return Discovery(
            devices=(Found(type=device),),
            cores=host.cores,
            memory_bytes=memory,
            seen=(*_seen(device, info, host), *_caution(busy)),
            missing=_missing(device, info, measure),
        )


def type_name(info: CpuInfo, cores: int) -> str:
    """Return a name that is the same for the same processors on every run, such as ``amd-epyc-7763-64-core-128c``.

    It holds vendor, model name and cores. A name that says no model (virtual machines: ``AMD EPYC``) is completed by
    CPUID family and model: ``amd-epyc-f26m2-2c``.
    """
    vendor, name = slug(info.vendor or ""), slug(info.name or "")
    base = name if name.startswith(vendor) else f"{vendor}-{name}"
    base = base.strip("-") or slug(platform.machine()) or "cpu"
    if info.family is not None and not any(letter.isdigit() for letter in base):
        base += f"-f{info.family}m{info.model or 0}"
    return f"{base}-{cores}c"


def peaks(
    info: CpuInfo, cores: float, frequency: Frequency | None, measured: Fact | None, busy: bool = False
) -> dict[str, Fact]:
    """Return precision -> peak rate: the measured fp32 rate, and what follows from it or from the instruction set.

    cores: physical. With a measured fp32 rate the others are it times the ratio of operations per cycle; without,
    every one is cores x frequency x operations per cycle; without a frequency nothing is known. A rate that was
    measured on a ``busy`` machine and is under a tenth of what the instruction set gives is not used.
    """
    per_cycle = operations_per_cycle(info)
    analytic = {} if frequency is None else _analytic(per_cycle, cores, frequency)
    if measured is None:
        return analytic
    if busy and "fp32" in analytic and measured.value < _LEAST_CREDIBLE_SHARE * analytic["fp32"].value:
        why = f"; not the {measured.value / 1e9:.3g} GFLOP/s measured while the machine was busy"
        return {name: fact.model_copy(update={"ref": f"{fact.ref}{why}"}) for name, fact in analytic.items()}
    facts = {"fp32": measured}
    for precision, rate in per_cycle.items():
        if precision != "fp32":
            ratio = rate / per_cycle["fp32"]
            facts[precision] = _derived(precision, measured.value * ratio, f"{ratio:.3g} x the measured fp32 rate")
    return facts


def _analytic(per_cycle: Mapping[str, float], cores: float, frequency: Frequency) -> dict[str, Fact]:
    clock = f"{frequency.hz / 1e9:.3g} GHz ({frequency.how})"
    return {
        precision: _derived(precision, cores * frequency.hz * rate, f"{cores:g} cores x {clock} x {rate:.3g} per cycle")
        for precision, rate in per_cycle.items()
    }


def _derived(precision: str, value: float, ref: str) -> Fact:
    unit = _UNITS[precision.startswith("int")]
    return Fact(value=float(f"{value:.4g}"), unit=unit, source="analytic", ref=f"{ref}, from the instruction set")


def _read_cpuinfo(root: Path) -> CpuInfo:
    try:
        return parse_cpuinfo((root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return CpuInfo(name=platform.processor() or None)


def _frequency(info: CpuInfo, host: Host, root: Path) -> Frequency | None:
    if info.nominal_hz is not None:
        return Frequency(hz=info.nominal_hz, how="from the model name")
    if found := read_nominal_frequency(host.allowed[0], root):
        return found
    if info.current_hz is None:
        return None
    hidden = "; the virtual machine hides the nominal one" if info.hypervisor else ""
    return Frequency(hz=round(info.current_hz, -5), how=f"`cpu MHz` in /proc/cpuinfo{hidden}")


def _physical_cores(info: CpuInfo, host: Host) -> float:
    """Cores that this process may keep busy: hyper-threads share one; a quota below that counts as it is."""
    known: set[object] = {info.cores[processor] for processor in host.allowed if processor in info.cores}
    known = known or {host.siblings[processor] for processor in host.allowed if processor in host.siblings}
    cores = float(len(known) or len(host.allowed))
    return min(cores, host.quota) if host.quota is not None else cores


def _measured(host: Host, caches: dict[str, float], root: Path) -> tuple[Fact | None, Fact, str | None]:
    """Return memory bandwidth, fp32 rate, and the signs, if any, that others were running meanwhile."""
    from aios_plugins.cpu.measure import measure_bandwidth, measure_fp32_rate

    last = max((size for name, size in caches.items() if name in {"l2", "l3", "l4"}), default=0.0)
    before = snapshot(root)
    bandwidth = measure_bandwidth(host.cores, last, host.usable_memory_bytes)
    rate = measure_fp32_rate(host.cores)
    spread = max(found.spread for found in (bandwidth, rate) if found is not None)
    busy = why_busy(before, snapshot(root), host.online, spread)
    return (bandwidth.fact if bandwidth is not None else None), rate.fact, busy


def _caution(busy: str | None) -> tuple[str, ...]:
    if busy is None:
        return ()
    again = "measure again when it is idle, with `aios init --force` or `aios hardware discover`"
    return (f"this machine was busy while it was measured ({busy}): {again}",)


def _memory_fact(host: Host) -> Fact | None:
    if (size := host.usable_memory_bytes) is None:
        return None
    ref = "control group limit" if size == host.memory_limit_bytes else "MemTotal in /proc/meminfo"
    return Fact(value=size, unit="B", source="measured", ref=ref)


def _identity(info: CpuInfo, host: Host, physical: float) -> dict[str, str]:
    known = {
        "vendor": info.vendor,
        "family": None if info.family is None else str(info.family),
        "model": info.model,
        "stepping": info.stepping,
        "name": info.name,
        "board": info.board,
        "physical_cores": f"{physical:g}",
        "numa_nodes": str(sum(bool(node.cpus) for node in host.numa)) if len(host.numa) > 1 else None,
        "machine": platform.machine() or None,
    }
    return {key: value for key, value in known.items() if value}


def _seen(device: DeviceType, info: CpuInfo, host: Host) -> tuple[str, ...]:
    virtual = ", virtual" if info.hypervisor else ""
    sentences = [f"{device.model or 'a processor of unknown model'}{virtual}: {_cores_in_words(host)}"]
    if device.features:
        sentences.append(f"instruction sets: {' '.join(device.features)} (/proc/cpuinfo)")
    if device.cache_bytes:
        sizes = [f"{name} {format_quantity(fact.value, Dimension.BYTES)}" for name, fact in device.cache_bytes.items()]
        sentences.append(f"caches in all: {', '.join(sizes)} (sysfs)")
    for fact, what in (
        (device.memory_bandwidth_bytes_per_s, "memory bandwidth"),
        (device.peak_ops_per_s.get("fp32"), "fp32 rate"),
    ):
        if fact is not None:
            sentences.append(f"{what}: {fact.value / 1e9:.4g} G{fact.unit} ({fact.source}: {fact.ref})")
    return tuple(sentences)


def _cores_in_words(host: Host) -> str:
    words = f"{host.cores} core{'s' if host.cores != 1 else ''} for this process ({host.online} online"
    if len(host.allowed) < host.online:
        words += f", affinity and control group allow {len(host.allowed)}"
    if host.quota is not None:
        words += f", the control group's quota is the time of {host.quota:g}"
    threads = host.threads_per_core
    if threads is not None:
        words += f", {threads} threads per physical core" if threads > 1 else ", each a physical core"
    return words + "; /proc, sysfs)"


def _missing(device: DeviceType, info: CpuInfo, measure: bool) -> tuple[str, ...]:
    absent = {
        "the processor's model": info.name,
        "instruction sets": device.features,
        "cache sizes (no cache folders in /sys/devices/system/cpu)": device.cache_bytes,
        "memory size": device.memory_bytes,
        "clock frequency": device.frequency_hz,
        "peak arithmetic rate": device.peak_ops_per_s,
    }
    sentences = [f"{what} could not be found out" for what, value in absent.items() if not value]
    if measure and device.memory_bandwidth_bytes_per_s is None:
        sentences.append("memory bandwidth was not measured: too little memory for arrays larger than the caches")
    if not measure:
        sentences.append("memory bandwidth was not measured, because no measurement was asked for")
    return tuple(sentences)
