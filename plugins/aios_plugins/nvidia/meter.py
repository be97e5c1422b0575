"""Measures the energy of NVIDIA GPUs with their own counters."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from aios.records.fleet import DeviceType
from aios.spi.executor import Refusal
from aios.spi.meter import Reading, Window
from aios_plugins.nvidia.nvml import NvmlAbsent, ask, handles, opened, read_gpu
from aios_plugins.nvidia.probe import type_name

__all__ = ["Meter", "PowerIntegral", "descends"]

# NVML refreshes its power figure every 20 to 100 ms, depending on the GPU.
_SAMPLE_SECONDS = 0.05


class Meter:
    """Measures whole GPUs: the total energy counter (Volta and newer), else power sampled and integrated."""

    name: ClassVar[str] = "nvml"
    api_version: ClassVar[int] = 1
    preference: ClassVar[int] = 10

    def can(self, device: DeviceType) -> Refusal | None:
        """Refuse devices that are no NVIDIA GPU, that NVML does not show here, or that tell no power."""
        clause = "nvml measures NVIDIA GPUs of this machine"
        if device.kind != "gpu" or (device.vendor or "").upper() != "NVIDIA":
            return Refusal(
                clause=clause, reason=f"{device.name} is a {device.vendor or ''} {device.kind}".replace("  ", " ")
            )
        try:
            with opened() as pynvml:
                found = _of_type(pynvml, device)
                if not found:
                    return Refusal(clause=clause, reason=f"NVML shows no {device.name} here")
                if all(_power_w(pynvml, handle) is None for handle in found):
                    return Refusal(clause=clause, reason=f"this {device.name} tells neither energy nor power")
        except NvmlAbsent as absent:
            return Refusal(clause=clause, reason=str(absent))
        return None

    def begin(self, device: DeviceType, pids: Sequence[int]) -> Window:
        """Start measuring the GPUs of this type; those that ``pids`` use count, or all if none is told."""
        return _Window(device, frozenset(pids))


class PowerIntegral:
    """Joules from power samples by the trapezoidal rule; ``add`` takes seconds and watts, in order of time."""

    def __init__(self) -> None:
        """Start with no sample."""
        self.joules = 0.0
        self.samples = 0
        self._last: tuple[float, float] | None = None

    def add(self, seconds: float, watts: float | None) -> None:
        """Take a sample; one without an answer is bridged by its neighbours."""
        if watts is None:
            return
        if self._last is not None:
            self.joules += (seconds - self._last[0]) * (watts + self._last[1]) / 2
        self._last = (seconds, watts)
        self.samples += 1


class _Window:
    def __init__(self, device: DeviceType, pids: frozenset[int]) -> None:
        self._pids = pids
        self._start = time.perf_counter()
        self._nvml = opened()
        self._pynvml = self._nvml.__enter__()
        self._gpus = [_Gpu(self._pynvml, handle) for handle in _of_type(self._pynvml, device)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def end(self) -> Reading:
        used = [gpu for gpu in self._gpus if any(descends(pid, self._pids) for pid in gpu.processes())]
        counted = used or self._gpus
        self._stop.set()
        self._thread.join()
        energies = [gpu.joules() for gpu in counted]
        self._nvml.__exit__(None, None, None)
        which = "on which the processes run" if used else "of this type (the driver does not tell which run them)"
        known = [energy for energy in energies if energy is not None]
        return Reading(
            energy_j=sum(known) if known and len(known) == len(energies) else None,
            seconds=time.perf_counter() - self._start,
            meter=f"NVML {counted[0].how if counted else 'energy'} of {len(counted)} GPU(s) {which}",
            scope="device",
            derived=False,
        )

    def _sample(self) -> None:
        sampled = [gpu for gpu in self._gpus if gpu.needs_samples]
        while sampled and not self._stop.is_set():
            for gpu in sampled:
                gpu.sample()
            self._stop.wait(_SAMPLE_SECONDS)


class _Gpu:
    """One GPU in a window: its counter at the beginning, or the integral of its power."""

    def __init__(self, pynvml: Any, handle: Any) -> None:
        self._pynvml = pynvml
        self._handle = handle
        self._begin_mj: int | None = self._ask(pynvml.nvmlDeviceGetTotalEnergyConsumption)
        self._integral = PowerIntegral()
        self.needs_samples = self._begin_mj is None
        self.how = "sampled power" if self.needs_samples else "total energy counter"

    def sample(self) -> None:
        self._integral.add(time.perf_counter(), _power_w(self._pynvml, self._handle))

    def joules(self) -> float | None:
        if self.needs_samples:
            self.sample()
            return self._integral.joules if self._integral.samples > 1 else None
        now = self._ask(self._pynvml.nvmlDeviceGetTotalEnergyConsumption)
        return None if now is None or self._begin_mj is None else (now - self._begin_mj) * 1e-3

    def processes(self) -> frozenset[int]:
        running = self._ask(self._pynvml.nvmlDeviceGetComputeRunningProcesses) or ()
        return frozenset(process.pid for process in running)

    def _ask(self, question: Callable[..., Any]) -> Any:
        return ask(self._pynvml, question, self._handle)


def descends(pid: int, ancestors: frozenset[int]) -> bool:
    """Say whether ``pid`` is one of ``ancestors`` or descends from one, as far as /proc tells."""
    while pid > 0:
        if pid in ancestors:
            return True
        try:
            # proc(5): the parent is the second field after the name, which stands in parentheses.
            pid = int(
                Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
            )
        except (OSError, ValueError, IndexError):
            return False
    return False


def _of_type(pynvml: Any, device: DeviceType) -> list[Any]:
    wanted = {device.name, type_name(device.identity.get("name", device.name))}
    return [handle for handle in handles(pynvml) if type_name(read_gpu(pynvml, handle).name) in wanted]


def _power_w(pynvml: Any, handle: Any) -> float | None:
    milliwatts = ask(pynvml, pynvml.nvmlDeviceGetPowerUsage, handle)
    return None if milliwatts is None else milliwatts * 1e-3
