"""What a folder's disk reads and writes one after the other, past the page cache."""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["Rates", "measure_disk"]

_BLOCK_BYTES = 4 * 2**20
_MOST_BLOCKS = 32  # 128 MiB
_SECONDS = 0.2  # of writing and of reading, each
_LEAST_FREE_BYTES = 2 * 2**30  # a scratch file must not be what fills somebody's disk


class Rates(NamedTuple):
    """Bytes/s. how: the conditions, in words."""

    read: float
    write: float
    how: str


def measure_disk(folder: Path, free_bytes: float | None) -> tuple[Rates | None, str | None]:
    """Return what reading and writing a scratch file in ``folder`` gave, or why it was not done. Never raises.

    The file has no name from the start: nothing is left of it, whatever happens.
    """
    if free_bytes is not None and free_bytes < _LEAST_FREE_BYTES:
        return None, f"{folder} has less than {_LEAST_FREE_BYTES // 2**30} GiB free"
    file = -1
    try:
        file, name = tempfile.mkstemp(prefix=".aios-disk-", dir=folder)
        Path(name).unlink()
        return _rates(file), None
    except (OSError, AttributeError, ImportError) as error:  # not writable, no direct access, not on this system
        return None, f"{folder} cannot be written or read past the page cache ({error})"
    finally:
        with suppress(OSError):
            os.close(file)


def _rates(file: int) -> Rates:
    import fcntl

    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_DIRECT)
    with mmap.mmap(-1, _BLOCK_BYTES) as block:  # direct access needs memory at a page's beginning
        block.write(os.urandom(_BLOCK_BYTES))  # what cannot be compressed
        begun = time.perf_counter()
        blocks = _repeat(lambda index: os.pwritev(file, [block], index * _BLOCK_BYTES), _MOST_BLOCKS)
        os.fsync(file)
        write = blocks * _BLOCK_BYTES / (time.perf_counter() - begun)
        begun = time.perf_counter()
        passes = _repeat(lambda index: os.preadv(file, [block], index % blocks * _BLOCK_BYTES), 100 * _MOST_BLOCKS)
        read = passes * _BLOCK_BYTES / (time.perf_counter() - begun)
    how = (
        f"O_DIRECT, one thread, blocks of {_BLOCK_BYTES // 2**20} MiB, {blocks * _BLOCK_BYTES // 2**20} MiB "
        "just written; caches of the disk and of a hypervisor may have helped"
    )
    return Rates(float(f"{read:.3g}"), float(f"{write:.3g}"), how)


def _repeat(step: Callable[[int], int], most: int) -> int:
    """Do ``step`` with 0, 1, 2... for a while, at most ``most`` times; return how often."""
    until, done = time.perf_counter() + _SECONDS, 0
    while done < most and (done == 0 or time.perf_counter() < until):
        if step(done) != _BLOCK_BYTES:
            raise OSError("a block was cut short")
        done += 1
    return done
