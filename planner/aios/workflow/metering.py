"""Choosing the meter for a device, and reading it around a piece of work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from aios.records.fleet import DeviceType
from aios.spi.meter import Meter, Reading

__all__ = ["RESIDENT_METER", "best_meter", "dynamic_energy", "metered", "ready_and_run_s", "resident_bytes"]

RESIDENT_METER = "proportional set size of all its processes"

T = TypeVar("T")


def best_meter(device: DeviceType) -> tuple[Meter | None, str]:
    """Return the most trusted meter that can measure on ``device`` here, and in words why none or why not a better
    one."""
    from aios.spi import registry

    refusals: list[str] = []
    meters: dict[str, Any] = registry.load_all("aios.meters")
    for meter in sorted(meters.values(), key=lambda item: item.preference):
        refusal = meter.can(device)
        if refusal is None:
            return meter, "; ".join(refusals)
        refusals.append(f"{meter.name}: {refusal.reason}")
    return None, "; ".join(refusals)


def metered(
    meter: Meter | None, device: DeviceType | None, pids: Sequence[int], work: Callable[[], T]
) -> tuple[T, Reading | None]:
    """Run ``work`` and return its result with what the processes drew meanwhile."""
    if meter is None or device is None:
        return work(), None
    window = meter.begin(device, pids)
    result = work()
    return result, window.end()


def dynamic_energy(reading: Reading, device: DeviceType) -> float | None:
    """Return the energy (J) of ``reading`` that the work caused: without the idle power of what the meter sees.

    A meter of processes sees none. None when the meter failed; where idle power is unknown it cannot be taken out.
    """
    if reading.energy_j is None:
        return None
    if reading.scope == "processes" or device.idle_w is None:
        return reading.energy_j
    return max(0.0, reading.energy_j - device.idle_w.value * reading.seconds)


def resident_bytes(pids: Sequence[int], mapped: bool = False) -> float | None:
    """Return the memory of processes, each shared page counted once (proportional set size); None if not told.

    mapped: leave out pages of files, for weights that live on a drive: the kernel keeps as many as it likes of them.
    """
    parts = ("Pss_Anon:", "Pss_Shmem:") if mapped else ("Pss:",)
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            return None
        total += sum(int(line.split()[1]) for line in lines if line.startswith(parts))
    return total * 1024.0


def ready_and_run_s(pids: Sequence[int]) -> tuple[float, float]:
    """Return the seconds that threads of processes were ready to run while others ran, and those that they ran
    (``schedstat``); zeros where the kernel does not tell."""
    waited = ran = 0
    for pid in pids:
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                running, waiting, *_ = path.read_text().split()
            except (OSError, ValueError):  # the thread ended, or nothing is counted
                continue
            ran, waited = ran + int(running), waited + int(waiting)
    return waited / 1e9, ran / 1e9
