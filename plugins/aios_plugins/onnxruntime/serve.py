"""The front process of a service: HTTP on one side, replicas on the other.

``python -m aios_plugins.onnxruntime.serve SPEC_FILE TOKEN`` with the listening socket as descriptor 3. SIGTERM: no new
connections, what was accepted is answered, then the end. Commands come over HTTP under ``/aios/`` and need the secret
that stands in the spec file.
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
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop

from aios_plugins.onnxruntime.pool import Pool, Refused
from aios_plugins.onnxruntime.protocol import HEADER_LENGTH, encode, parse
from aios_plugins.onnxruntime.replica import ReplicaError
from aios_plugins.onnxruntime.spec import DRAIN_S, NEXT_SPEC, READY_MARK, SPEC, Spec, read_spec, write_spec
from aios_plugins.onnxruntime.system import allow_descriptors

__all__ = ["Service", "main"]

_BODY_LIMIT = 64 << 20
"""Largest request body in bytes; a batch of photographs fits, an endless stream does not."""

_LISTENING_FD = 3


class Service:
    """The ASGI application."""

    def __init__(self, folder: Path, spec: Spec) -> None:
        self.folder = folder
        self.spec = spec
        self.pool = Pool(spec, self._counted)
        self.started = False
        self._changing = asyncio.Lock()
        self._draining: set[asyncio.Task[None]] = set()
        self._statistics = {"requests": 0, "batches": 0, "failed": 0, "queue_us": 0, "compute_us": 0}
        self._infer_paths = {f"/v2/models/{spec.model}/infer", f"/v2/models/{spec.model}/versions/1/infer"}

    def _counted(self, requests: int, queue_us: int, compute_us: int) -> None:
        for name, amount in zip(self._statistics, (requests, 1, 0, queue_us, compute_us), strict=True):
            self._statistics[name] += amount

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        try:
            if scope["path"] in self._infer_paths and scope["method"] == "POST":
                status, headers, body = await self._infer(scope, receive)
            else:
                status, headers, body = 200, [], json.dumps(await self._other(scope)).encode()
        except Refused as error:
            self._statistics["failed"] += 1
            status, headers, body = error.status, [], json.dumps({"error": str(error)}).encode()
        if not headers:
            headers = [(b"content-type", b"application/json")]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _infer(self, scope: Any, receive: Any) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        json_bytes = None
        for name, value in scope["headers"]:
            if name == HEADER_LENGTH:
                json_bytes = _number(value)
            elif name == b"content-encoding" and value != b"identity":
                raise Refused(415, "compressed requests are not offered")
        body = await _body(scope, receive)
        # An update may come in between: the pool that the request was read for is the one that answers it.
        pool = self.pool
        request = parse(body, json_bytes, pool.inputs, pool.outputs)
        if pool.batchable and len({shape[0] for shape in request.shapes}) > 1:
            raise Refused(400, "the inputs differ in their number of items")
        answer = await pool.call(request.inputs, request.shapes)
        content, head_bytes = encode(request, answer, self.spec.model, pool.outputs)
        headers = [
            (b"content-type", b"application/json" if head_bytes is None else b"application/octet-stream"),
            (b"aios-queue-us", str(answer.queue_us).encode()),
            (b"aios-compute-us", str(answer.compute_us).encode()),
        ]
        if head_bytes is not None:
            headers.append((HEADER_LENGTH, str(head_bytes).encode()))
        return 200, headers, content

    async def _other(self, scope: Any) -> dict[str, Any]:
        path, method = scope["path"].rstrip("/"), scope["method"]
        if path.startswith("/aios/"):
            return await self._command(scope, path, method)
        if path in self._infer_paths:
            raise Refused(405, f"{path} takes POST, not {method}")
        if path.startswith("/v2/models/"):
            self._below_model(path)
        if method not in ("GET", "HEAD"):
            raise Refused(405 if path == "/v2" or path.startswith("/v2/") else 404, f"{path} does not take {method}")
        if path == "/v2":
            return {"name": "aios", "version": version("aios-planner"), "extensions": ["binary_tensor_data"]}
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
            return {"name": name, "version": "1", **self._statistics}
        raise Refused(404, f"model {name!r} has no {'/'.join(below)!r}")

    def _metadata(self) -> dict[str, Any]:
        return {
            "name": self.spec.model,
            "versions": ["1"],
            "platform": "onnxruntime_onnx",
            "inputs": [port.metadata() for port in self.pool.inputs],
            "outputs": [port.metadata() for port in self.pool.outputs],
        }

    async def _command(self, scope: Any, path: str, method: str) -> dict[str, Any]:
        given = next((value for name, value in scope["headers"] if name == b"aios-secret"), b"")
        if not secrets.compare_digest(given, self.spec.secret.encode()):
            raise Refused(403, "this needs the secret of the service")
        if (method, path) == ("GET", "/aios/status"):
            return {
                "started": self.started,
                "deployment": self.spec.deployment,
                "replicas": self.spec.replicas,
                "ready": self.pool.ready,
                "pids": [os.getpid(), *self.pool.pids],
            }
        if (method, path) == ("POST", "/aios/change"):
            return await self._change()
        raise Refused(404, f"there is nothing at {path!r}")

    async def _change(self) -> dict[str, Any]:
        """Run the next spec:

        new replicas first, then the switch; the old ones end when they have nothing left to do.
        """
        async with self._changing:
            try:
                spec = read_spec(self.folder / NEXT_SPEC)
            except (OSError, ValueError) as error:
                raise Refused(409, f"there is no next spec: {error}") from None
            fresh = Pool(spec, self._counted)
            try:
                await fresh.start()
            except ReplicaError as error:
                raise Refused(500, f"the new replicas do not start, the old ones go on: {error}") from None
            write_spec(self.folder / SPEC, spec)
            old, self.pool, self.spec = self.pool, fresh, spec
            task = asyncio.ensure_future(old.drain(DRAIN_S))
            self._draining.add(task)
            task.add_done_callback(self._draining.discard)
            return {"deployment": spec.deployment}

    async def start(self) -> None:
        """Start the replicas and leave the mark; raises ReplicaError."""
        await self.pool.start()
        self.started = True
        (self.folder / READY_MARK).touch()
        # What was loaded so far stays: the collector need not walk it while requests wait.
        gc.freeze()
        print(f"ready: {self.pool.ready} replicas", flush=True)  # noqa: T201 - stdout is the service's log

    async def stop(self) -> None:
        """Answer what is under way and end the replicas."""
        if self._draining:
            await asyncio.wait(self._draining)
        await self.pool.drain(DRAIN_S)


def _number(value: bytes) -> int:
    if not value.isdigit():
        raise Refused(400, "Inference-Header-Content-Length is not a number")
    return int(value)


async def _body(scope: Any, receive: Any) -> bytes:
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > _BODY_LIMIT:
            raise Refused(413, f"the body is larger than {_BODY_LIMIT} bytes")
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "the connection ended before the body did")
        piece = message.get("body", b"")
        size += len(piece)
        if size > _BODY_LIMIT:
            raise Refused(413, f"the body is larger than {_BODY_LIMIT} bytes")
        pieces.append(piece)
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _serve(folder: Path, spec: Spec, listening: socket.socket) -> int:
    service = Service(folder, spec)
    starting = asyncio.ensure_future(service.start())
    # The replicas are started before the rest is loaded: both take about as long, and go side by side.
    await asyncio.sleep(0)
    server = _server(service)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    await asyncio.wait((starting, serving), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
    code = 0
    try:
        await starting
    except ReplicaError as error:
        print(f"error: {error}", flush=True)  # noqa: T201 - stdout is the service's log
        server.should_exit = True
        code = 1
    except asyncio.CancelledError:
        code = 1
    await serving
    await service.stop()
    return code


def _server(application: Service) -> Any:
    """Return the HTTP server; importing it, and numpy for requests in JSON, takes some tenths of a second."""
    import numpy as np  # noqa: F401 - loaded now and not within the first request
    import uvicorn

    class Server(uvicorn.Server):
        """Leaves signals to ``_serve``, which has replicas to end after the last answer."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server(
        uvicorn.Config(
            application,
            loop="uvloop",
            http="httptools",
            ws="none",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=300,
            timeout_graceful_shutdown=int(DRAIN_S),
        )
    )


def main(arguments: list[str]) -> int:
    """Serve until told to stop; returns the exit code."""
    allow_descriptors()
    path = Path(arguments[0])
    os.chdir("/")
    with socket.socket(fileno=_LISTENING_FD) as listening:
        return uvloop.run(_serve(path.parent, read_spec(path), listening))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
