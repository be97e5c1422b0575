"""The front process's end of one worker: its process, its socket, the memory they share."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from aios_plugins.onnxruntime.arena import MESSAGE_BYTES, Arena, align, pack, unpack
from aios_plugins.onnxruntime.spec import Spec
from aios_plugins.onnxruntime.system import module_command, spawn

if TYPE_CHECKING:
    from aios_plugins.onnxruntime.pool import Call

__all__ = ["Replica", "ReplicaError"]


class ReplicaError(Exception):
    """A worker does not come up."""


class Replica:
    """One worker process. pid: 0 before it is started · arena: where the outputs of its last answer lie."""

    def __init__(self, spec: asyncio.Future[Spec]) -> None:
        """spec: of what it is to load, once that is ready"""
        self._spec = spec
        self.pid = 0
        self._born = time.monotonic()
        self._died: float | None = None
        memory = os.memfd_create("aios-arena")
        self.arena = Arena(memory)
        self._socket, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self._message = bytearray(MESSAGE_BYTES)
        self._batch: list[Call] = []
        self._given_ns = 0
        self._listening = False
        self._answered: Callable[[Replica, dict[str, Any]], None]
        self._gone: Callable[[Replica], None]

    @property
    def lived_s(self) -> float:
        """Seconds between its start and its end."""
        return (self._died or time.monotonic()) - self._born

    @property
    def busy_s(self) -> float:
        """Seconds since it was given the batch in hand; none when it has none."""
        return (time.perf_counter_ns() - self._given_ns) / 1e9 if self._batch else 0.0

    async def start(self) -> dict[str, Any]:
        """Start the worker and return what it says of the model once it can compute; raises ReplicaError."""
        loop = asyncio.get_running_loop()
        command = module_command("worker", "3", "4")
        descriptors = {3: self._theirs.fileno(), 4: self.arena.fd}
        self.pid = spawn(command, log=None, descriptors=descriptors, apart=False, environment=os.environ)
        self._theirs.close()
        self._born = time.monotonic()
        try:
            # Shielded: others wait for it too.
            spec = await asyncio.shield(self._spec)
            await loop.sock_sendall(self._socket, pack(spec.as_json()))
            answer = await loop.sock_recv(self._socket, MESSAGE_BYTES)
        except OSError as error:
            raise ReplicaError(f"the worker ended at once: {error}") from error
        if not answer:
            raise ReplicaError("the worker ended before it was ready; the log may say why")
        reply: dict[str, Any] = unpack(answer)
        if "error" in reply:
            raise ReplicaError(reply["error"])
        description: dict[str, Any] = reply["ready"]
        return description

    def listen(self, answered: Callable[[Replica, dict[str, Any]], None], died: Callable[[Replica], None]) -> None:
        """Call back with each answer, and once when the worker is gone."""
        self._answered, self._gone = answered, died
        self._listening = True
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self.look)

    def look(self) -> None:
        """Take what the worker has sent, if anything."""
        if not self._listening:
            return
        try:
            size = self._socket.recv_into(self._message)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if size:
            reply = unpack(self._message)
            self.arena.follow(reply.get("size", 0))
            self._answered(self, reply)
        else:
            self._hush()
            self._died = time.monotonic()
            self._gone(self)

    def _hush(self) -> None:
        if self._listening:
            self._listening = False
            asyncio.get_running_loop().remove_reader(self._socket.fileno())

    def give(
        self,
        batch: list[Call],
        now_ns: int,
        columns: Sequence[tuple[list[int], list[bytes | memoryview]]],
        items: int,
        limit: int,
    ) -> None:
        """Hand a batch over. columns: per input, the joined shape and the pieces; raises OSError when that fails."""
        places, end = [], 0
        for shape, pieces in columns:
            size = sum(map(len, pieces))
            self.arena.reserve(end + size)
            self.arena.write(end, pieces)
            places.append([end, shape])
            end = align(end + size)
        message = {"size": self.arena.size, "inputs": places, "items": items, "limit": limit, "joined": len(batch) > 1}
        self._socket.send(pack(message))
        self._batch, self._given_ns = batch, now_ns

    def take_batch(self) -> tuple[list[Call], int]:
        """Return, and forget, the batch in hand and when it was given."""
        batch, self._batch = self._batch, []
        return batch, self._given_ns

    async def stop(self) -> None:
        """End the worker, whatever it does, and return when nothing of it is left."""
        self._hush()
        self._theirs.close()
        self._socket.close()
        if self.arena.fd >= 0:
            os.close(self.arena.fd)
            self.arena.fd = -1
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                await asyncio.to_thread(os.waitpid, self.pid, 0)
