"""Starts the processes of a service: where none runs, or beside the one that is to be succeeded."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aios.records.base import digest_of
from aios.records.errors import Diagnostic, WorldError
from aios.records.plan import Deployment
from aios.spi.executor import Artefact, Journal, Outcome
from aios_plugins.onnxruntime.artefacts import graph_of, is_optimized, manifest, sealed_of
from aios_plugins.onnxruntime.attested import attested_of
from aios_plugins.onnxruntime.capability import PROVIDERS
from aios_plugins.onnxruntime.control import ControlError, ask, bracketed
from aios_plugins.onnxruntime.observing import LOG
from aios_plugins.onnxruntime.spec import SPEC, SUCCESSOR_SPEC, Spec, read_spec, write_spec
from aios_plugins.onnxruntime.system import end, find, module_command, spawn, started_at, tail

__all__ = ["START_S", "handle_of", "listen", "spec_of", "start", "succeed"]

START_S = 120.0
"""How long a service may take to be ready: interpreters start, digests are checked, models load, on a busy machine."""

_POLL_S = 0.02


def start(
    address: str, deployment: Deployment, artefact: Artefact, runtime: Path, kept: int | None, journal: Journal
) -> Outcome:
    """Start a service where none runs. kept: port that it had before, if any

    Raises WorldError when it does not come up.
    """
    token = f"aios-{secrets.token_hex(16)}"
    with _listen(deployment, kept) as listening:
        port = listening.getsockname()[1]
        runtime.mkdir(parents=True, exist_ok=True, mode=0o700)
        spec = spec_of(deployment, artefact, port, token, secrets.token_hex(16))
        # On disk before the process exists: whoever comes after a crash finds it by the token.
        journal.note("starting", token=token, runtime=str(runtime), port=port)
        write_spec(runtime / SPEC, spec)
        command, sockets = module_command("serve", str(runtime / SPEC), token), {3: listening.fileno()}
        try:
            pid = spawn(command, log=runtime / LOG, descriptors=sockets, apart=True, environment=os.environ)
            handle = handle_of(spec, pid, runtime)
            listening.close()
            _await_ready(address, spec, handle, runtime)
        except BaseException:
            # By its token: an interrupt may come after the process exists and before its pid is known here.
            for left in find([token]):
                end(left, 1.0)
            raise
    journal.note("started", token=token, pid=pid, port=port)
    where = f"http://{bracketed(spec.host)}:{port}"
    count = f"{spec.replicas} replica{'s' if spec.replicas > 1 else ''}"
    return Outcome(address=address, handle=handle, note=f"{count} at {where}")


def _listen(deployment: Deployment, kept: int | None) -> socket.socket:
    """Take the wanted port; a port that was only kept from earlier is given up when somebody else has it now."""
    if kept and deployment.serve.port is None:
        try:
            return listen(deployment.serve.host, kept)
        except WorldError:
            return listen(deployment.serve.host, 0)
    return listen(deployment.serve.host, kept or 0)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raises WorldError, with what to do, when that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise WorldError(
            Diagnostic(
                summary=f"cannot listen on {host}:{port}: {error.strerror or error}",
                remedy="stop the program that uses the port, or choose another in `serve`",
                command=f"ss -ltnp 'sport = :{port}'",
            )
        ) from error


def _await_ready(address: str, spec: Spec, handle: Mapping[str, Any], runtime: Path) -> None:
    until = time.monotonic() + START_S
    while True:
        # Its arguments are not asked for: the kernel shows them a moment after the process exists.
        if started_at(handle["pid"]) is None:
            raise _not_up(address, "it ended while starting", runtime)
        try:
            status = ask(spec.host, spec.port, "GET", "/aios/status", spec.secret)
            if status["started"] and status["ready"] == spec.replicas:
                return
        except (OSError, ControlError):
            pass
        if time.monotonic() > until:
            raise _not_up(address, f"it was not ready after {START_S:g} s", runtime)
        time.sleep(_POLL_S)


def succeed(
    address: str,
    deployment: Deployment,
    artefact: Artefact,
    runtime: Path,
    listening: socket.socket,
    journal: Journal,
) -> Outcome:
    """Start another service beside the running one and have it take over once it is ready.

    The step that counts is the spec's change of name. Until then the new service accepts nobody, and ends by itself
    when this process does; from then on it is the one that stands, and what is left to do is to end the old one.
    """
    token = f"aios-{secrets.token_hex(16)}"
    with listening:
        port = listening.getsockname()[1]
        spec = spec_of(deployment, artefact, port, token, secrets.token_hex(16))
        journal.note("succeeding", token=token, runtime=str(runtime), port=port)
        write_spec(runtime / SUCCESSOR_SPEC, spec)
        ours, theirs = socket.socketpair()
        with ours:
            command = module_command("serve", str(runtime / SUCCESSOR_SPEC), token, "successor")
            sockets = {3: listening.fileno(), 4: theirs.fileno()}
            try:
                with theirs:
                    pid = spawn(command, log=runtime / LOG, descriptors=sockets, apart=True, environment=os.environ)
                handle = handle_of(spec, pid, runtime)
                _await_word(address, ours, runtime)
                old = read_spec(runtime / SPEC)
                (runtime / SUCCESSOR_SPEC).replace(runtime / SPEC)
            except BaseException:
                for left in find([token]):
                    end(left, 1.0)
                (runtime / SUCCESSOR_SPEC).unlink(missing_ok=True)
                raise
            ours.shutdown(socket.SHUT_WR)
            try:
                _await_word(address, ours, runtime)
            except WorldError:
                write_spec(runtime / SPEC, old)
                raise
    journal.note("succeeded", token=token, pid=pid, port=port)
    count = f"{spec.replicas} replica{'s' if spec.replicas > 1 else ''}"
    where = f"http://{bracketed(spec.host)}:{port}"
    return Outcome(address=address, handle=handle, note=f"{count} at {where}, up before the old one went")


def _await_word(address: str, starter: socket.socket, runtime: Path) -> None:
    """Wait until a successor says that it is ready, or that it serves. Raises WorldError when it ends instead."""
    until = time.monotonic() + START_S
    starter.settimeout(10 * _POLL_S)
    while time.monotonic() < until:
        with contextlib.suppress(TimeoutError):
            try:
                if starter.recv(1):
                    return
            except ConnectionError:
                pass
            raise _not_up(address, "it ended while starting; what ran before goes on", runtime)
    raise _not_up(address, f"it was not ready after {START_S:g} s; what ran before goes on", runtime)


def _not_up(address: str, what: str, runtime: Path) -> WorldError:
    return WorldError(
        Diagnostic(
            summary=f"the service {address} did not come up: {what}",
            reason=tail(runtime / LOG) or "it wrote nothing to its log",
            remedy=f"see {runtime / LOG}",
        )
    )


def spec_of(deployment: Deployment, artefact: Artefact, port: int, token: str, secret: str) -> Spec:
    """Return what a service is told to run. token, secret: its own, see `Spec`."""
    return Spec(
        model=deployment.served_as,
        folder=str(Path(artefact.path).absolute()),
        files=manifest(artefact),
        providers=list(PROVIDERS[deployment.device_kind]),
        optimized=is_optimized(deployment),
        threads=max(deployment.threads, 1),
        batch=deployment.batch,
        replicas=deployment.replicas,
        host=deployment.serve.host,
        port=port,
        deployment=digest_of(deployment),
        token=token,
        secret=secret,
        described=deployment.model_dump(mode="json"),
        sealed=sealed_of(deployment, artefact),
        attested=attested_of(deployment, artefact),
        graph=graph_of(deployment),
    )


def handle_of(spec: Spec, pid: int, runtime: Path) -> dict[str, Any]:
    """Return what finds the service again."""
    return {
        "pid": pid,
        "started": started_at(pid),
        "host": spec.host,
        "port": spec.port,
        "model": spec.model,
        "token": spec.token,
        "runtime": str(runtime),
    }
