"""What the front process and one worker share: memory for tensors, and the form of their messages.

A message over the worker's socket says what lies where; only one batch is in the arena at a time.
"""

from __future__ import annotations

import marshal
import mmap
import os
from collections.abc import Sequence

__all__ = ["ALIGNMENT", "MESSAGE_BYTES", "Arena", "align", "pack", "unpack"]

ALIGNMENT = 64
"""Bytes; a cache line and the widest vector register, so that tensors can be read where they lie."""

MESSAGE_BYTES = 1 << 17
"""Largest message: a spec, or the places of the tensors of one batch."""

_START_BYTES = 1 << 20

# Both ends are the same interpreter, which is all that marshal asks for; JSON takes ten times as long.
pack = marshal.dumps
unpack = marshal.loads


def align(offset: int) -> int:
    """Return the next multiple of ALIGNMENT."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


class Arena:
    """One end of the shared memory ``fd``; either end may make it larger."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.size = os.fstat(fd).st_size or _START_BYTES
        os.ftruncate(fd, self.size)
        self.memory = mmap.mmap(fd, self.size)

    def follow(self, size: int) -> None:
        """Map ``size`` bytes when the other end made the memory larger."""
        if size > self.size:
            self.size = size
            # The old mapping goes when the last array that looks at it does.
            self.memory = mmap.mmap(self.fd, size)

    def reserve(self, size: int) -> None:
        """Make room for ``size`` bytes; raises OSError when there is no memory."""
        if size > self.size:
            os.ftruncate(self.fd, size)
            self.follow(size)

    def write(self, offset: int, pieces: Sequence[bytes | memoryview]) -> None:
        """Copy ``pieces`` one after the other to ``offset``."""
        for piece in pieces:
            end = offset + len(piece)
            self.memory[offset:end] = piece
            offset = end

    def read(self, offset: int, size: int) -> bytes:
        """Return a copy of ``size`` bytes at ``offset``."""
        return self.memory[offset : offset + size]
