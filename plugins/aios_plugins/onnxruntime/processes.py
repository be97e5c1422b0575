"""What the processes of a service take: processor time, memory, and the energy of the machine's processors."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path

from aios_plugins.rapl import Packages

__all__ = ["Processes"]

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Processes:
    """Reads what this process and its replicas have taken since they started. started_s: Unix time"""

    def __init__(self) -> None:
        self.started_s = time.time_ns() / 1e9
        self.why_no_energy = ""
        self._packages: Packages | None = None
        obstacle = Packages.obstacle()
        if obstacle is None:
            self._packages = Packages()
        else:
            self.why_no_energy = obstacle.reason

    def energy_j(self) -> float | None:
        """Return what the processors drew since the start; to be called before their counters wrap twice."""
        if self._packages is None:
            return None
        self._packages.add()
        if self._packages.failed:
            self.why_no_energy = "the energy counters can no longer be read"
            return None
        return self._packages.joules

    def cpu_seconds(self, pids: Sequence[int]) -> float:
        """Return the processor time of this process, of replicas that ended, and of those that live (``pids``)."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        live = sum(map(_cpu_seconds, pids))
        return time.process_time() + ended.ru_utime + ended.ru_stime + live

    def resident_bytes(self, pids: Sequence[int]) -> int:
        """Return the anonymous pages of all: no page of a file, and none that several share."""
        return sum(map(_anonymous_bytes, [os.getpid(), *pids]))


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) * _TICK_S  # proc(5): utime and stime, counted from the name's end


def _anonymous_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_bytes().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(b"RssAnon:"))
