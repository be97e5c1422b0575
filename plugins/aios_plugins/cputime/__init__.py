"""The meter for machines without an instrument: CPU time of processes times what the datasheet says a core draws."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from aios.records.fleet import DeviceType
from aios.spi.executor import Refusal
from aios.spi.meter import Reading, Window
from aios_plugins.cputime.processes import ProcessTree

__all__ = ["Meter"]

# How often the processes are looked at, so that one that ends takes at most this much unseen CPU time with it.
_POLL_SECONDS = 0.5


class Meter:
    """Derives energy from CPU time: a busy core draws (tdp - idle) / cores, or tdp / cores where idle is unknown."""

    name: ClassVar[str] = "cputime"
    api_version: ClassVar[int] = 1
    preference: ClassVar[int] = 100

    def __init__(self, poll_seconds: float = _POLL_SECONDS) -> None:
        """``poll_seconds``: how often the processes are looked at."""
        self._poll_seconds = poll_seconds

    def can(self, device: DeviceType) -> Refusal | None:
        """Refuse devices that are no cpu, whose tdp or cores are unknown, and systems without /proc."""
        if device.kind != "cpu":
            return Refusal(clause="cputime measures processors", reason=f"{device.name} is a {device.kind}")
        if not Path("/proc/self/stat").exists():
            return Refusal(clause="cputime needs /proc", reason="this system has no /proc/<pid>/stat")
        for what, value in (("tdp", device.tdp_w), ("cores", device.cores)):
            if not value:
                return Refusal(
                    clause=f"cputime needs the {what} of the device",
                    reason=f"{what} of {device.name} is unknown",
                    resolvable=f"write `{what}:` of {device.name} into the fleet file, under spec.devices",
                )
        return None

    def begin(self, device: DeviceType, pids: Sequence[int]) -> Window:
        """Start counting the CPU time of ``pids`` and their descendants, also those that appear or end meanwhile."""
        return _Window(device, ProcessTree(pids), self._poll_seconds)


class _Window:
    def __init__(self, device: DeviceType, tree: ProcessTree, poll_seconds: float) -> None:
        if device.tdp_w is None or not device.cores:
            raise ValueError(f"cputime cannot measure {device.name}: tdp or cores unknown")
        idle = device.idle_w
        self._watts = (device.tdp_w.value - (idle.value if idle else 0.0)) / device.cores
        self._words = (
            f"CPU time x {'(tdp - idle)' if idle else 'tdp'} / cores = {self._watts:.3g} W per busy core"
            f" (tdp: {device.tdp_w.source})"
        )
        self._tree = tree
        self._start = time.perf_counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, args=(poll_seconds,), daemon=True)
        self._thread.start()

    def end(self) -> Reading:
        self._stop.set()
        self._thread.join()
        self._tree.look()
        return Reading(
            energy_j=self._tree.cpu_seconds * self._watts if self._tree.seen else None,
            seconds=time.perf_counter() - self._start,
            meter=self._words,
            scope="processes",
            derived=True,
        )

    def _poll(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            self._tree.look()
