"""Who holds a lock: a process on a host, for a purpose."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from aios.records.base import Record

__all__ = ["Owner", "user_name"]


class Owner(Record):
    """Who holds a lock.

    id: by which it can be released from outside, "" where an earlier aios wrote none · process_started: clock ticks
    since boot, None where unknown · since: ISO time, UTC
    """

    id: str = ""
    user: str
    host: str
    pid: int
    process_started: int | None
    purpose: str
    since: str

    @classmethod
    def here(cls, purpose: str, since: str, id: str = "") -> Owner:
        """Return this process as an owner."""
        pid = os.getpid()
        return cls(
            id=id,
            user=user_name(),
            host=os.uname().nodename,
            pid=pid,
            process_started=_process_started(pid),
            purpose=purpose,
            since=since,
        )

    def __str__(self) -> str:
        named = f", lock {self.id}" if self.id else ""
        return f"{self.user} on {self.host}, process {self.pid}, for `{self.purpose}`, since {self.since}{named}"

    def age_s(self, now: str) -> float | None:
        """Return the seconds since it began, at ``now`` (ISO time, UTC): never less than 0, as clocks may differ; None
        where either says no time."""
        try:
            return max(0.0, (datetime.fromisoformat(now) - datetime.fromisoformat(self.since)).total_seconds())
        except (ValueError, TypeError):
            return None

    def alive(self) -> bool | None:
        """Say whether that very process still runs; None when it is on another host, where nobody can tell."""
        if self.host != os.uname().nodename:
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return self.process_started is None or _process_started(self.pid) == self.process_started


def user_name() -> str:
    """Return the name of the user that this process runs as, or the number where there is no name."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _process_started(pid: int) -> int | None:
    """Return the process's start time, clock ticks since boot (field 22 of /proc/<pid>/stat, see proc(5)).

    None for a process that has ended and only waits to be reaped (state Z), and where there is no /proc.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else int(fields[19])
    except (OSError, ValueError, IndexError):
        return None
