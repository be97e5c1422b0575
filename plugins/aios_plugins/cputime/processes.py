"""CPU time of processes and their descendants, kept right while processes appear and end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from aios.records.base import Record

__all__ = ["ProcessTree", "parse_stat"]

Key = tuple[int, int]  # process id and start time: a reused id is another process

_LOOKS = 5


class Stat(Record):
    """A process. parent: its id · started: ticks after boot · ticks: CPU time of it and of children it waited for."""

    pid: int
    parent: int
    started: int
    ticks: int


def parse_stat(text: str) -> Stat | None:
    """Read a line of /proc/<pid>/stat (proc(5)); None if it is no such line. The name in it may hold anything."""
    before, _, rest = text.rpartition(")")
    fields, head = rest.split(), before.split(" ", 1)
    if len(fields) < 20 or not head[0].isdigit():
        return None
    try:
        ticks = sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime: fields 14 to 17
        return Stat(pid=int(head[0]), parent=int(fields[1]), started=int(fields[19]), ticks=ticks)
    except ValueError:
        return None


class ProcessTree:
    """The CPU time that some processes and their descendants take from now on.

    A process that is waited for passes its time on to its parent, so the sum over those alive stays right. One that
    ends with nobody in the tree to wait for it counts with what it was last seen with.
    """

    def __init__(self, pids: Sequence[int], proc: Path = Path("/proc")) -> None:
        """Start counting at the present time of ``pids``; ids that do not exist are left out."""
        self._proc = proc
        self._alive: dict[Key, Stat] = {}
        self._lost_ticks = 0
        everything = self._scan()
        self._add_descendants({stat.pid for stat in everything.values() if stat.pid in set(pids)}, everything)
        self._begin_ticks = self._ticks
        self.seen = bool(self._alive)

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds since the beginning, as of the last look."""
        return max(0, self._ticks - self._begin_ticks) / os.sysconf("SC_CLK_TCK")

    def look(self) -> None:
        """Look at the processes once; again while some just ended, because their time is moving to their parents."""
        for _ in range(_LOOKS):
            if not self._look():
                return

    @property
    def _ticks(self) -> int:
        return self._lost_ticks + sum(stat.ticks for stat in self._alive.values())

    def _look(self) -> bool:
        everything = self._scan()
        before = self._alive
        self._alive = {key: everything[key] for key in before if key in everything}
        self._add_descendants({stat.pid for stat in self._alive.values()}, everything)
        living = {stat.pid for stat in self._alive.values()}
        ended = [stat for key, stat in before.items() if key not in self._alive]
        self._lost_ticks += sum(stat.ticks for stat in ended if stat.parent not in living)
        return bool(ended)

    def _add_descendants(self, pids: set[int], everything: dict[Key, Stat]) -> None:
        children: dict[int, list[tuple[Key, Stat]]] = {}
        for key, stat in everything.items():
            children.setdefault(stat.parent, []).append((key, stat))
            if stat.pid in pids:
                self._alive[key] = stat
        waiting = list(pids)
        while waiting:
            for key, stat in children.get(waiting.pop(), []):
                if key not in self._alive:
                    self._alive[key] = stat
                    waiting.append(stat.pid)

    def _scan(self) -> dict[Key, Stat]:
        found: dict[Key, Stat] = {}
        for entry in os.scandir(self._proc):
            if entry.name.isdigit() and (stat := self._read(entry.name)):
                found[stat.pid, stat.started] = stat
        return found

    def _read(self, name: str) -> Stat | None:
        try:
            return parse_stat((self._proc / name / "stat").read_text(encoding="utf-8", errors="replace"))
        except OSError:  # it has ended
            return None
