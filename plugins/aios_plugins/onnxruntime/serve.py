"""The front process of a service: HTTP on one side, replicas on the other.

``python -m aios_plugins.onnxruntime.serve SPEC_FILE TOKEN`` with the listening socket as descriptor 3. SIGTERM: no new
connections, what was accepted is answered, then the end. SIGQUIT: the same, and who keeps a connection open is told to
connect anew before it is closed. Commands come over HTTP under ``/aios/`` and need the secret that stands in the spec
file.

With ``successor`` as a third argument, another service stands already. This one accepts nobody before it is the one
that runs: over descriptor 4 it says that it is ready, and when that ends it serves if the spec in the folder is its
own by then, and says so; if not, whoever started it is gone or wants it no more, and it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import secrets
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Coroutine
from functools import cache
from pathlib import Path
from typing import Any

import uvloop

from aios.spi.counting import TRIAL_HEADER
from aios_plugins.onnxruntime import handing
from aios_plugins.onnxruntime.counting import Counting
from aios_plugins.onnxruntime.httpd import Exchange, Server
from aios_plugins.onnxruntime.pool import Answer, Pool, Refused
from aios_plugins.onnxruntime.protocol import HEADER_LENGTH, Asked, Codec
from aios_plugins.onnxruntime.replica import ReplicaError
from aios_plugins.onnxruntime.spec import DRAIN_S, NEXT_SPEC, READY_MARK, SPEC, Spec, read_spec, write_spec
from aios_plugins.onnxruntime.system import allow_descriptors, keep_memory

__all__ = ["Service", "main"]

_LISTENING_FD = 3
_STARTER_FD = 4
_TRIAL = TRIAL_HEADER.encode()


class Service:
    """The application behind the HTTP server."""

    def __init__(self, folder: Path, spec: Spec, opening: Callable[[], Spec] | None = None) -> None:
        """opening: makes ready what is loaded, see `Pool`"""
        self.folder = folder
        self.spec = spec
        self.counting = Counting()
        self.tally = self.counting.tally
        self.pool = Pool(spec, self.tally, opening)
        self.started = False
        self._codec = Codec(spec.model, [], [])
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._infer_paths = _infer_paths(spec)

    def __call__(self, exchange: Exchange) -> None:
        """Answer one request, at once or when its turn has come."""
        try:
            path = exchange.path.rstrip("/")
            if path in self._infer_paths and exchange.method == "POST":
                self._infer(exchange)
            elif path.startswith("/aios/"):
                self._command(exchange, path)
            elif path == "/metrics":
                self._metrics(exchange)
            else:
                exchange.answer(200, json.dumps(self._other(path, exchange.method)).encode())
        except Refused as error:
            self._refuse(exchange, error)

    def _refuse(self, exchange: Exchange, error: Refused) -> None:
        exchange.refuse(error.status, str(error))

    def _infer(self, exchange: Exchange) -> None:
        self.tally.under_way += 1
        try:
            self._queue(exchange)
        except Refused as error:
            self._turn_away(exchange, error)
        except Exception:
            self._count(exchange, "failed")
            raise

    def _turn_away(self, exchange: Exchange, error: Refused) -> None:
        """Refuse a request for inference, and count it."""
        outcome = "invalid" if error.status < 500 else "overloaded" if error.status == 503 else "failed"
        self._refuse(exchange, error)
        self._count(exchange, outcome)

    def _count(self, exchange: Exchange, outcome: str) -> None:
        self.tally.answered("trial" if _TRIAL in exchange.headers else outcome, exchange.read_ns)

    def _queue(self, exchange: Exchange) -> None:
        if exchange.headers.get(b"content-encoding", b"identity") != b"identity":
            raise Refused(415, "compressed requests are not offered")
        # An update may come in between: the pool that the request was read for is the one that answers it.
        pool = self.pool
        codec = self._codec_of(pool)
        asked, content = codec.parse(exchange.body, _number(exchange.headers.get(HEADER_LENGTH)))
        if pool.batchable and len({shape[0] for shape in asked.shapes}) > 1:
            raise Refused(400, "the inputs differ in their number of items")

        def reply(outcome: Answer | Refused) -> None:
            try:
                if isinstance(outcome, Refused):
                    raise outcome
                exchange.answer(200, *_shown(codec, asked, outcome))
                self._count(exchange, "ok")
            except Refused as error:
                self._turn_away(exchange, error)
            except Exception:  # noqa: BLE001 - whatever it is, it must not end the service
                traceback.print_exc()
                self._turn_away(exchange, Refused(500, "the service made a mistake; its log says which"))

        call = pool.call(content, asked.shapes, reply)

        def gone() -> None:
            call.drop()
            self._count(exchange, "abandoned")

        exchange.gone = gone

    def _codec_of(self, pool: Pool) -> Codec:
        if not pool.outputs:
            raise Refused(503, "the model is being loaded")
        if self._codec.inputs is not pool.inputs:
            self._codec = Codec(self.spec.model, pool.inputs, pool.outputs)
        return self._codec

    def _other(self, path: str, method: str) -> dict[str, Any]:
        if path in self._infer_paths:
            raise Refused(405, f"{path} takes POST, not {method}")
        if path.startswith("/v2/models/"):
            self._below_model(path)
        if method not in ("GET", "HEAD"):
            raise Refused(405 if path == "/v2" or path.startswith("/v2/") else 404, f"{path} does not take {method}")
        if path == "/v2":
            return {"name": "aios", "version": _version(), "extensions": ["binary_tensor_data"]}
        if path == "/aios":
            return {"model": self.spec.model}
        if path == "/v2/health/live":
            return {"live": True}
        if path == "/v2/health/ready":
            return self._if_ready({"ready": True})
        return self._about_model(path)

    def _if_ready(self, answer: dict[str, Any]) -> dict[str, Any]:
        if not self.pool.ready:
            raise Refused(503, "no replica of the model is up")
        return answer

    def _below_model(self, path: str) -> list[str]:
        """Return what a path names below the model, or its version; raises Refused when it is another model's."""
        name = self.spec.model
        parts = path.removeprefix("/v2/models/").split("/")
        if parts[0] != name:
            raise Refused(404, f"there is no model {parts[0]!r}; this service has {name!r}")
        if parts[1:2] == ["versions"] and len(parts) > 2:
            if parts[2] != "1":
                raise Refused(404, f"model {name!r} has no version {parts[2]!r}; it has version 1")
            return parts[3:]
        return parts[1:]

    def _about_model(self, path: str) -> dict[str, Any]:
        name = self.spec.model
        if not path.startswith("/v2/models/"):
            raise Refused(404, f"there is nothing at {path!r}")
        below = self._below_model(path)
        if not below:
            return self._if_ready(self._metadata())
        if below == ["ready"]:
            return self._if_ready({"name": name, "ready": True})
        if below == ["stats"]:
            return {"name": name, "version": "1", **self.tally.statistics()}
        raise Refused(404, f"model {name!r} has no {'/'.join(below)!r}")

    def _metadata(self) -> dict[str, Any]:
        return {
            "name": self.spec.model,
            "versions": ["1"],
            "platform": "onnxruntime_onnx",
            "inputs": [port.metadata() for port in self.pool.inputs],
            "outputs": [port.metadata() for port in self.pool.outputs],
        }

    def _command(self, exchange: Exchange, path: str) -> None:
        if not secrets.compare_digest(exchange.headers.get(b"aios-secret", b""), self.spec.secret.encode()):
            raise Refused(403, "this needs the secret of the service")
        command = (exchange.method, path)
        if command == ("GET", "/aios/status"):
            exchange.answer(200, json.dumps(self._status()).encode())
        elif command == ("GET", "/aios/counted"):
            exchange.answer(200, self.tally.remembered())
        elif command == ("POST", "/aios/change"):
            self._keep(self._answer_change(exchange))
        else:
            raise Refused(404, f"there is nothing at {path!r}")

    def _status(self) -> dict[str, Any]:
        return {
            "started": self.started,
            "deployment": self.spec.deployment,
            "replicas": self.spec.replicas,
            "ready": self.pool.ready - self.pool.stuck,
            "pids": [os.getpid(), *self.pool.pids],
            "restarts": self.tally.restarts,
            "recent": self.tally.recent(),
        }

    def _metrics(self, exchange: Exchange) -> None:
        if exchange.method not in ("GET", "HEAD"):
            raise Refused(405, f"/metrics takes GET, not {exchange.method}")
        text, kind = self.counting.exposition(self.pool, _version(), exchange.headers.get(b"accept", b""))
        exchange.answer(200, text, b"content-type: %b\r\n" % kind)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_change(self, exchange: Exchange) -> None:
        try:
            exchange.answer(200, json.dumps(await self._change()).encode())
        except Refused as error:
            self._refuse(exchange, error)

    async def _change(self) -> dict[str, Any]:
        """Run the next spec:

        new replicas first, then the switch; the old ones end when they have nothing left to do.
        """
        async with self._changing:
            try:
                spec = read_spec(self.folder / NEXT_SPEC)
            except (OSError, ValueError) as error:
                raise Refused(409, f"there is no next spec: {error}") from None
            fresh = Pool(spec, self.tally)
            try:
                await fresh.start()
            except ReplicaError as error:
                raise Refused(500, f"the new replicas do not start, the old ones go on: {error}") from None
            write_spec(self.folder / SPEC, spec)
            old, self.pool, self.spec = self.pool, fresh, spec
            self._infer_paths = _infer_paths(spec)
            self.tally.close_minute()  # what is counted from now on was promised by the new plan
            self._keep(old.drain(DRAIN_S))
            return {"deployment": spec.deployment}

    async def start(self) -> None:
        """Start the replicas and leave the mark; raises ReplicaError."""
        await self.pool.start()
        self.started = True
        self.counting.begin()
        (self.folder / READY_MARK).touch()
        # What was loaded so far stays: the collector need not walk it while requests wait.
        gc.freeze()
        print(f"ready: {self.pool.ready} replicas", flush=True)  # noqa: T201 - stdout is the service's log

    async def stop(self) -> None:
        """Answer what is under way and end the replicas."""
        self.counting.end()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.pool.drain(DRAIN_S)


@cache
def _version() -> str:
    from importlib.metadata import version

    return version("aios-planner")


def _shown(codec: Codec, asked: Asked, answer: Answer) -> tuple[bytes, bytes]:
    """Return body and headers of an answer."""
    content, head_bytes = codec.encode(asked, answer)
    if head_bytes is None:
        kind = b"content-type: application/json\r\n"
    else:
        kind = b"content-type: application/octet-stream\r\n%b: %d\r\n" % (HEADER_LENGTH, head_bytes)
    return content, b"%baios-queue-us: %d\r\naios-compute-us: %d\r\n" % (kind, answer.queue_us, answer.compute_us)


def _number(value: bytes | None) -> int | None:
    if value is not None and not value.isdigit():
        raise Refused(400, "Inference-Header-Content-Length is not a number")
    return None if value is None else int(value)


class _Asked:
    """What signals have asked for. gently: whether connections may end by themselves"""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.gently = False
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        loop.add_signal_handler(signal.SIGQUIT, self._retire)

    def _retire(self) -> None:
        self.gently = True
        self.stop.set()


async def _serve(
    folder: Path,
    spec: Spec,
    listening: socket.socket,
    starter: socket.socket | None,
    opening: Callable[[], Spec] | None,
) -> int:
    service, asked, server = Service(folder, spec, opening), _Asked(), None
    if starter is None:
        server = Server(service)
        await server.start(listening)
    starting, stopping = asyncio.ensure_future(service.start()), asyncio.ensure_future(asked.stop.wait())
    # Two turns of the loop set the workers off; what follows takes its time beside theirs.
    for _ in range(2):
        await asyncio.sleep(0)
    import numpy as np  # noqa: F401 - loaded now and not within the first request in JSON

    from aios_plugins.onnxruntime import exposition  # noqa: F401 - likewise, and not when it is first scraped

    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    code = 0
    if not starting.done():
        starting.cancel()
    try:
        await starting
        if starter is not None and await _takes_over(folder, spec, starter, stopping):
            server = Server(service)
            await server.start(listening)
            with contextlib.suppress(OSError), starter:
                starter.send(b"1")
        if server is not None:
            with handing.offered(spec.token, listening):
                await stopping
    except ReplicaError as error:
        print(f"error: {error}", flush=True)  # noqa: T201 - stdout is the service's log
        code = 1
    except asyncio.CancelledError:
        code = 1
    if server is not None:
        await server.stop(DRAIN_S, gently=asked.gently)
    await service.stop()
    return code


async def _takes_over(folder: Path, spec: Spec, starter: socket.socket, stopping: asyncio.Future[Any]) -> bool:
    """Say that this service is ready; return, when the starter has hung up, whether it is now the one that runs."""
    starter.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(starter, b"1")
    hung_up = asyncio.ensure_future(loop.sock_recv(starter, 1))
    await asyncio.wait((hung_up, stopping), return_when=asyncio.FIRST_COMPLETED)
    hung_up.cancel()
    return not stopping.done() and read_spec(folder / SPEC).token == spec.token


def _infer_paths(spec: Spec) -> set[str]:
    return {f"/v2/models/{spec.model}/infer", f"/v2/models/{spec.model}/versions/1/infer"}


def _held(folder: Path) -> Path:
    """Return the folder by a descriptor that stays open, so that it may be renamed while the service runs."""
    return Path(f"/proc/self/fd/{os.open(folder, os.O_RDONLY | os.O_DIRECTORY)}")


def main(arguments: list[str]) -> int:
    """Serve until told to stop; returns the exit code."""
    allow_descriptors()
    keep_memory()
    path = Path(arguments[0])
    os.chdir("/")
    starter = socket.socket(fileno=_STARTER_FD) if arguments[2:] == ["successor"] else None
    with socket.socket(fileno=_LISTENING_FD) as listening:
        folder, spec = _held(path.parent), read_spec(path)
        opening = None
        if spec.sealed or spec.attested:
            from aios_plugins.onnxruntime.opening import opening_of

            opening = opening_of(spec, folder)
        return uvloop.run(_serve(folder, spec, listening, starter, opening))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
