"""Sends requests at given times, whatever the answers do: ``python -m aios_plugins.onnxruntime.load JOB``.

One thread around epoll and plain sockets: an event loop's timers are too coarse (a millisecond) for latencies that are
counted from the time at which a request should have gone out. It wakes a little early and is then awake on time, with
the request ready. A request takes a free connection or opens one; it never waits for one: when there can be no more
connections, it has failed. Leaves ``times.npy`` (latency, queue, compute by request) and, when asked, the outputs in
the folder.
"""

from __future__ import annotations

import gc
import json
import math
import select
import socket
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from aios_plugins.onnxruntime.system import allow_descriptors, die_with_parent, keep_memory, wake_sharply
from aios_plugins.onnxruntime.tensors import ITEM_BYTES

__all__ = ["main"]

_SPARE = 8
"""Connections opened before the first request."""

_LEAD_S = 0.05
"""Between getting ready and the schedule's zero."""

_READ_BYTES = 1 << 18

_EARLY_S = 150e-6
"""How long before a request is due it stays awake: an idle core takes up to some 100 microseconds to come back."""

_OTHER_FILES = 64
"""Descriptors that are not connections, generously."""


class _Connection:
    """A keep-alive connection. request: number of the one under way, -1 when free."""

    __slots__ = ("deadline", "expected", "head_end", "partly", "received", "request", "rest", "socket")

    def __init__(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        # In progress or refused: both show on the first write.
        self.socket.connect_ex((host, port))
        self.request = -1
        self.rest: list[Any] = []
        self.partly = False
        self.received = bytearray()
        self.expected = -1
        self.head_end = -1
        self.deadline = 0.0


class _Answers:
    """What is kept of each answer."""

    def __init__(self, count: int, keep: bool) -> None:
        self.times = np.full((3, count), np.nan)
        self.times[0] = np.inf
        self.errors: Counter[str] = Counter()
        self.kept: list[list[Any]] = []
        self.bodies: list[bytes] = []
        self._size = 0
        self._keep = keep

    def failed(self, reason: str) -> None:
        """Count a request without an answer."""
        self.errors[reason] += 1

    def add(self, request: int, latency: float, head: bytes, body: bytes) -> None:
        """Take the whole answer to a request."""
        if not head.startswith(b"HTTP/1.1 200"):
            self.failed(_reason(head, body))
            return
        self.times[0, request] = latency
        for row, name in ((1, b"aios-queue-us"), (2, b"aios-compute-us")):
            microseconds = _field(head, name)
            if microseconds >= 0:
                self.times[row, request] = microseconds * 1e-6
        if self._keep:
            size = max(0, _field(head, b"inference-header-content-length"))
            tensors = json.loads(body[:size])["outputs"]
            places, at = [], self._size
            for tensor in tensors:
                places.append([at, tensor["parameters"]["binary_data_size"]])
                at += places[-1][1]
            self.kept.append([request, [tensor["shape"] for tensor in tensors], places])
            self.bodies.append(body[size:])
            self._size = at


def _field(head: bytes, name: bytes) -> int:
    """Return the number in a header of a service of ours, which writes names in lower case; -1 when it is not there."""
    at = head.find(b"\r\n" + name + b":")
    if at < 0:
        return -1
    end = head.find(b"\r\n", at + 2)
    return int(head[at + len(name) + 3 : end if end >= 0 else len(head)])


def _reason(head: bytes, body: bytes) -> str:
    try:
        return f"{head.split(b' ', 2)[1].decode()}: {json.loads(body)['error']}"
    except (ValueError, KeyError, TypeError, IndexError):
        return head.split(b"\r\n", 1)[0].decode(errors="replace")


class _Load:
    """The run. Times are of ``time.perf_counter``."""

    def __init__(self, job: dict[str, Any], most: int) -> None:
        folder = Path(job["folder"])
        self.job = job
        self.most = most
        self.at = np.load(folder / "at.npy").tolist()
        self.item = np.load(folder / "item.npy").tolist()
        self.inputs = [np.load(folder / f"input{i}.npy", mmap_mode="r") for i in range(len(job["inputs"]))]
        self.items = job["fixed"] or 1
        self.rows: list[Any] = [np.asarray(array).reshape(len(array), -1).view(np.uint8) for array in self.inputs]
        self.buffer = bytearray(_READ_BYTES)
        self.head = self._head()
        self.answers = _Answers(len(self.at), job["keep"])
        self.epoll = select.epoll()
        self.by_fd: dict[int, _Connection] = {}
        self.free = [self._connect() for _ in range(_SPARE)]
        self.busy = 0

    def _head(self) -> bytes:
        """Everything before the tensors; the same for every request."""
        tensors, size = [], 0
        for port, array in zip(self.job["inputs"], self.inputs, strict=True):
            shape = [self.items, *array.shape[1:]]
            length = math.prod(shape) * ITEM_BYTES[port["datatype"]]
            size += length
            tensors.append(
                {
                    "name": port["name"],
                    "datatype": port["datatype"],
                    "shape": shape,
                    "parameters": {"binary_data_size": length},
                }
            )
        document = json.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}}).encode()
        return (
            f"POST {self.job['path']} HTTP/1.1\r\nhost: {self.job['host']}\r\n{self.job['headers']}"
            f"inference-header-content-length: {len(document)}\r\ncontent-length: {len(document) + size}\r\n\r\n"
        ).encode() + document

    def _connect(self) -> _Connection:
        made = _Connection(self.job["host"], self.job["port"])
        self.by_fd[made.socket.fileno()] = made
        self.epoll.register(made.socket.fileno(), select.EPOLLIN)
        return made

    def run(self) -> None:
        """Send everything and wait for the last answer or its timeout."""
        self._settle()
        start = time.perf_counter() + _LEAD_S
        sent, count, sweep = 0, len(self.at), start
        pieces = self._pieces(0) if count else []
        while sent < count or self.busy:
            now = time.perf_counter()
            while sent < count and start + self.at[sent] <= now:
                self._send(sent, start + self.at[sent], pieces)
                sent += 1
                pieces = self._pieces(sent) if sent < count else []
            if now >= sweep:
                self._expire(now)
                sweep = now + 0.1
            wake = min(sweep, start + self.at[sent]) if sent < count else sweep
            events = self.epoll.poll(0) or self._sleep(wake - time.perf_counter())
            for fd, event in events:
                self._progress(self.by_fd[fd], event, start)
        for connection in self.by_fd.values():
            connection.socket.close()
        self.epoll.close()

    def _settle(self) -> None:
        """Wait until the spare connections stand."""
        waiting = [connection.socket for connection in self.free]
        until = time.perf_counter() + 1.0
        while waiting and time.perf_counter() < until:
            _, writable, _ = select.select([], waiting, [], 0.1)
            waiting = [item for item in waiting if item not in writable]

    def _sleep(self, seconds: float) -> list[tuple[int, int]]:
        """Wait for an event, but wake early: ``select`` counts in microseconds, epoll in milliseconds."""
        if seconds <= _EARLY_S or not select.select([self.epoll.fileno()], [], [], seconds - _EARLY_S)[0]:
            return []
        return self.epoll.poll(0)

    def _pieces(self, request: int) -> list[Any]:
        """Return what is to be sent, where it lies."""
        item = self.item[request]
        if self.items == 1:
            return [memoryview(self.head), *(memoryview(rows[item]) for rows in self.rows)]
        several = [(item + i) % len(self.inputs[0]) for i in range(self.items)]
        return [memoryview(self.head), *(memoryview(rows[several].reshape(-1)) for rows in self.rows)]

    def _send(self, request: int, intended: float, pieces: list[Any]) -> None:
        if not self.free and len(self.by_fd) >= self.most:
            self.answers.failed(f"not sent: {self.most} requests were under way, and no more connections can be opened")
            return
        try:
            connection = self.free.pop() if self.free else self._connect()
        except OSError as error:
            self.answers.failed(f"not sent: {error.strerror}")
            return
        connection.request = request
        connection.deadline = intended + self.job["timeout_s"]
        connection.rest = pieces
        self.busy += 1
        self._write(connection)

    def _write(self, connection: _Connection) -> None:
        try:
            sent = connection.socket.sendmsg(connection.rest)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            # Not yet connected shows as ENOTCONN or EAGAIN by system; the event that follows tells which it is.
            if isinstance(error, ConnectionError):
                self._lose(connection, f"connection lost: {error.strerror}")
                return
            sent = 0
        rest = connection.rest
        while rest and sent >= len(rest[0]):
            sent -= len(rest.pop(0))
        if rest:
            rest[0] = rest[0][sent:]
        if connection.partly != bool(rest):
            connection.partly = bool(rest)
            more = select.EPOLLOUT if rest else 0
            self.epoll.modify(connection.socket.fileno(), select.EPOLLIN | more)

    def _progress(self, connection: _Connection, event: int, start: float) -> None:
        if event & select.EPOLLOUT and connection.rest:
            self._write(connection)
        if not event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) or connection.socket.fileno() < 0:
            return
        try:
            size = connection.socket.recv_into(self.buffer)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(connection, f"connection lost: {error.strerror}")
            return
        if not size:
            self._lose(connection, "the connection was closed without an answer")
            return
        now = time.perf_counter()
        connection.received += memoryview(self.buffer)[:size]
        self._finish_if_whole(connection, now - start)

    def _finish_if_whole(self, connection: _Connection, now: float) -> None:
        got = connection.received
        if connection.expected < 0:
            connection.head_end = got.find(b"\r\n\r\n")
            if connection.head_end < 0:
                return
            length = _field(bytes(got[: connection.head_end]), b"content-length")
            connection.expected = connection.head_end + 4 + max(0, length)
        if len(got) < connection.expected:
            return
        request = connection.request
        head = bytes(got[: connection.head_end])
        self.answers.add(
            request, now - self.at[request], head, bytes(got[connection.head_end + 4 : connection.expected])
        )
        connection.received = bytearray()
        connection.expected = connection.head_end = connection.request = -1
        self.busy -= 1
        self.free.append(connection)

    def _expire(self, now: float) -> None:
        for connection in list(self.by_fd.values()):
            if connection.request >= 0 and now > connection.deadline:
                self._lose(connection, f"no answer within {self.job['timeout_s']:g} s")

    def _lose(self, connection: _Connection, reason: str) -> None:
        if connection.request >= 0:
            self.answers.failed(reason)
            self.busy -= 1
        elif connection in self.free:
            self.free.remove(connection)
        del self.by_fd[connection.socket.fileno()]
        self.epoll.unregister(connection.socket.fileno())
        connection.socket.close()


def main(arguments: list[str]) -> int:
    """Run the load; returns the exit code."""
    die_with_parent()
    wake_sharply()
    keep_memory()
    most = allow_descriptors() - _OTHER_FILES
    job = json.loads(arguments[0])
    folder = Path(job["folder"])
    try:
        load = _Load(job, most)
        gc.freeze()
        gc.disable()
        load.run()
        np.save(folder / "times.npy", load.answers.times)
        if job["keep"]:
            (folder / "outputs.json").write_text(json.dumps(load.answers.kept))
            (folder / "outputs.bin").write_bytes(b"".join(load.answers.bodies))
        report: dict[str, Any] = {"errors": dict(load.answers.errors)}
    except OSError as error:
        report = {"error": f"{error}"}
    print(json.dumps(report))  # noqa: T201 - stdout is how this process answers
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
