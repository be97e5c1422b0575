"""Who listens on a port of this machine: what the kernel tells in /proc (proc(5), net/tcp)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["Listener", "listener_of"]

_PROC = Path("/proc")
_LISTENING = "0A"
"""State of a socket that listens, as the kernel writes it (TCP_LISTEN of include/net/tcp_states.h)."""


class Listener(NamedTuple):
    """Somebody who listens. pid: None where this user may not see whose socket it is"""

    pid: int | None


def listener_of(port: int) -> Listener | None:
    """Return who listens on a TCP port, None when nobody does or the kernel does not tell."""
    marks = {f"socket:[{inode}]" for inode in _inodes(port)}
    if not marks:
        return None
    for process in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    if str(descriptor.readlink()) in marks:
                        return Listener(int(process.name))
    return Listener(None)


def _inodes(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            # local address, remote address, state, ..., inode
            rows = (line.split() for line in (_PROC / "net" / table).read_text().splitlines()[1:])
            found |= {row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port}
    return found
