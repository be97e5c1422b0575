"""A listening socket handed from a running service to the one that succeeds it: no connection is refused or lost.

Both hold the same socket for a while, so that what waits to be accepted outlives the one that goes. A service offers
its socket under its token, in Linux's abstract namespace of Unix sockets; the kernel says who asks (unix(7)).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
import time
from collections.abc import Iterator

__all__ = ["beside", "offered", "take", "turn_away"]

_PATIENCE_S = 2.0
_CREDENTIALS = struct.Struct("iII")
"""``struct ucred``: pid, uid, gid."""
_SO_ATTACH_FILTER = 26
_DROP_SYN = b"".join(
    struct.pack("HBBI", *step)
    for step in (
        (0x30, 0, 0, 13),  # load the byte of TCP's flags
        (0x45, 0, 1, 0x02),  # where SYN is set, go on with the next line, else skip it
        (0x06, 0, 0, 0),  # drop
        (0x06, 0, 0, 0xFFFFFFFF),  # take
    )
)
"""A classic BPF program: of what comes to a listening socket it drops the first packet of each new connection."""
_SETTLE_S = 0.2
"""How long connections that have begun may take to be accepted: a round trip between continents, and a busy machine."""


@contextlib.contextmanager
def offered(token: str, listening: socket.socket) -> Iterator[None]:
    """Give ``listening`` to whoever of the same user asks, as long as the context lasts.

    Where there are no such sockets nobody can ask: the service can then only be replaced by ending it first.
    """
    import asyncio  # of services alone: planning imports this module too, and asyncio takes 20 ms

    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as counter:
        with contextlib.suppress(OSError):
            counter.bind(f"\0{token}")
            counter.listen(4)
            counter.setblocking(False)
            loop.add_reader(counter.fileno(), _give, counter, listening)
        try:
            yield
        finally:
            loop.remove_reader(counter.fileno())


def _give(counter: socket.socket, listening: socket.socket) -> None:
    with contextlib.suppress(OSError):
        asker, _ = counter.accept()
        with asker:
            if _user_of(asker) == os.geteuid():
                socket.send_fds(asker, [b"1"], [listening.fileno()])


def take(token: str) -> socket.socket | None:
    """Return the socket that the service with ``token`` listens on, None when it gives none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_PATIENCE_S)
        try:
            asking.connect(f"\0{token}")
            if _user_of(asking) != os.geteuid():
                return None
            _said, descriptors, _flags, _address = socket.recv_fds(asking, 1, 1, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            return None
    return socket.socket(fileno=descriptors[0]) if descriptors else None


def _user_of(peer: socket.socket) -> int:
    user: int = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[1]
    return user


def beside(standing: socket.socket, host: str, port: int) -> socket.socket:
    """Return a socket that listens on the same port as ``standing`` but on another host. Raises OSError.

    Listening on 0.0.0.0 and on 127.0.0.1 at once needs SO_REUSEPORT on both; it is taken away again, so that nobody
    else can join them.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    standing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        made = socket.create_server((host, port), family=family, backlog=2048, reuse_port=True)
    finally:
        standing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
    return made


def turn_away(listening: socket.socket) -> None:
    """Let no new connection begin on a socket that is about to be closed for good, and wait until all that have begun
    are accepted: the kernel resets those that wait to be accepted when the last holder closes it.

    Clients repeat what is dropped after a second: they then reach whoever else listens there, or are refused.
    """
    program = ctypes.create_string_buffer(_DROP_SYN, len(_DROP_SYN))
    described = struct.pack("HL", len(_DROP_SYN) // 8, ctypes.addressof(program))
    with contextlib.suppress(OSError):
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
        time.sleep(_SETTLE_S)
