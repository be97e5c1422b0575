"""Starts, changes, watches and ends services. What stands in a service's runtime folder is the truth about it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aios.records.base import digest_of
from aios.records.errors import Diagnostic, WorldError
from aios.records.plan import Deployment
from aios.spi.executor import Artefact, Journal, Observation, Outcome
from aios_plugins.onnxruntime.artefacts import is_optimized, manifest
from aios_plugins.onnxruntime.capability import PROVIDERS
from aios_plugins.onnxruntime.control import ControlError, ask, reachable_host
from aios_plugins.onnxruntime.spec import DRAIN_S, NEXT_SPEC, READY_MARK, SPEC, Spec, read_spec, write_spec
from aios_plugins.onnxruntime.system import alive, end, find, module_command, spawn, started_at, tail

__all__ = ["create", "delete", "observe"]

LOG = "service.log"

_START_S = 120.0
"""How long a service may take to be ready: interpreters start, digests are checked, models load, on a busy machine."""

_TOKEN = re.compile(r"aios-[0-9a-f]{32}")
"""Processes are ended by it: a state from elsewhere must not name one that others have among their arguments."""

_POLL_S = 0.02
_END_S = DRAIN_S + 4.0
"""Grace before a service is killed: its own time to drain and a little to clear away."""


def create(
    address: str,
    deployment: Deployment,
    artefact: Artefact,
    runtime: Path,
    prior: Mapping[str, Any] | None,
    journal: Journal,
) -> Outcome:
    """Make ``address`` run ``deployment``: adopt what does already, change what can be changed, else start anew."""
    digest = digest_of(deployment)
    running = _running(runtime, prior, journal)
    standing = observe(address, running) if running else None
    if running and standing and standing.condition in ("healthy", "degraded"):
        if standing.deployment_digest == digest and _same_place(running, deployment):
            return Outcome(address=address, handle=running, note="it runs already")
        if _same_place(running, deployment):
            return _change(address, deployment, artefact, runtime, running, journal)
    _clear(runtime, prior, journal)
    kept = deployment.serve.port or (prior or {}).get("port")
    return _start(address, deployment, artefact, runtime, kept, journal)


def _same_place(handle: Mapping[str, Any], deployment: Deployment) -> bool:
    serve = deployment.serve
    return handle["host"] == serve.host and serve.port in (None, handle["port"])


def _tokens(runtime: Path, prior: Mapping[str, Any] | None, journal: Journal) -> list[str]:
    """Return the tokens of everything that may run for this address: as handed over, as noted, as found on disk."""
    tokens = [str(note["token"]) for note in journal.notes() if note.get("token")]
    if prior and prior.get("token"):
        tokens.append(str(prior["token"]))
    with contextlib.suppress(OSError, ValueError):
        tokens.append(read_spec(runtime / SPEC).token)
    return sorted({token for token in tokens if _TOKEN.fullmatch(token)})


def _running(runtime: Path, prior: Mapping[str, Any] | None, journal: Journal) -> dict[str, Any] | None:
    """Return the handle of the service that stands, from its own spec, if one does."""
    try:
        spec = read_spec(runtime / SPEC)
    except (OSError, ValueError):
        return None
    if spec.token not in _tokens(runtime, prior, journal):
        return None
    pids = find([spec.token])
    return _handle(spec, pids[0], runtime) if pids else None


def _handle(spec: Spec, pid: int, runtime: Path) -> dict[str, Any]:
    return {
        "pid": pid,
        "started": started_at(pid),
        "host": spec.host,
        "port": spec.port,
        "model": spec.model,
        "token": spec.token,
        "runtime": str(runtime),
    }


def _spec(deployment: Deployment, artefact: Artefact, port: int, token: str, secret: str) -> Spec:
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
    )


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


def _listen(deployment: Deployment, kept: int | None) -> socket.socket:
    """Take the wanted port; a port that was only kept from earlier is given up when somebody else has it now."""
    if kept and deployment.serve.port is None:
        try:
            return listen(deployment.serve.host, kept)
        except WorldError:
            return listen(deployment.serve.host, 0)
    return listen(deployment.serve.host, kept or 0)


def _start(
    address: str, deployment: Deployment, artefact: Artefact, runtime: Path, kept: int | None, journal: Journal
) -> Outcome:
    token = f"aios-{secrets.token_hex(16)}"
    with _listen(deployment, kept) as listening:
        port = listening.getsockname()[1]
        runtime.mkdir(parents=True, exist_ok=True, mode=0o700)
        spec = _spec(deployment, artefact, port, token, secrets.token_hex(16))
        # On disk before the process exists: whoever comes after a crash finds it by the token.
        journal.note("starting", token=token, runtime=str(runtime), port=port)
        write_spec(runtime / SPEC, spec)
        command, sockets = module_command("serve", str(runtime / SPEC), token), {3: listening.fileno()}
        try:
            pid = spawn(command, log=runtime / LOG, descriptors=sockets, apart=True, environment=os.environ)
            handle = _handle(spec, pid, runtime)
            listening.close()
            _await_ready(address, spec, handle, runtime)
        except BaseException:
            # By its token: an interrupt may come after the process exists and before its pid is known here.
            for left in find([token]):
                end(left, 1.0)
            raise
    journal.note("started", token=token, pid=pid, port=port)
    where = f"http://{_bracketed(spec.host)}:{port}"
    count = f"{spec.replicas} replica{'s' if spec.replicas > 1 else ''}"
    return Outcome(address=address, handle=handle, note=f"{count} at {where}")


def _bracketed(host: str) -> str:
    host = reachable_host(host)
    return f"[{host}]" if ":" in host else host


def _await_ready(address: str, spec: Spec, handle: Mapping[str, Any], runtime: Path) -> None:
    until = time.monotonic() + _START_S
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
            raise _not_up(address, f"it was not ready after {_START_S:g} s", runtime)
        time.sleep(_POLL_S)


def _not_up(address: str, what: str, runtime: Path) -> WorldError:
    return WorldError(
        Diagnostic(
            summary=f"the service {address} did not come up: {what}",
            reason=tail(runtime / LOG) or "it wrote nothing to its log",
            remedy=f"see {runtime / LOG}",
        )
    )


def _change(
    address: str,
    deployment: Deployment,
    artefact: Artefact,
    runtime: Path,
    handle: dict[str, Any],
    journal: Journal,
) -> Outcome:
    old = read_spec(runtime / SPEC)
    journal.note("changing", token=old.token, runtime=str(runtime), port=old.port)
    spec = _spec(deployment, artefact, old.port, old.token, old.secret)
    write_spec(runtime / NEXT_SPEC, spec)
    try:
        ask(old.host, old.port, "POST", "/aios/change", old.secret, patience_s=_START_S)
    except (OSError, ControlError) as error:
        raise WorldError(
            Diagnostic(
                summary=f"the service {address} did not take the change: {error}",
                reason=tail(runtime / LOG) or None,
                remedy=f"see {runtime / LOG}; what ran before goes on",
            )
        ) from error
    (runtime / NEXT_SPEC).unlink(missing_ok=True)
    journal.note("changed", token=old.token, port=old.port)
    return Outcome(address=address, handle=handle, note="changed in place; no request was turned away")


def _clear(runtime: Path, prior: Mapping[str, Any] | None, journal: Journal) -> None:
    """End everything that runs for the address and remove its folder."""
    for pid in find(_tokens(runtime, prior, journal)):
        journal.note("stopping", pid=pid, runtime=str(runtime))
        end(pid, _END_S)
    try:
        shutil.rmtree(runtime)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise WorldError(f"cannot remove {runtime}: {error.strerror}") from error


def delete(address: str, runtime: Path, prior: Mapping[str, Any] | None, journal: Journal) -> Outcome:
    """End the service and leave nothing of it; it is no error when there is none."""
    _clear(runtime, prior, journal)
    return Outcome(address=address, handle=None, note="gone")


def observe(address: str, handle: Mapping[str, Any] | None) -> Observation:
    """Say what is true of a service now."""
    if not handle or not {"pid", "started", "host", "port", "token", "runtime"} <= handle.keys():
        return Observation(address=address, condition="absent", detail="nothing was made")
    runtime = Path(handle["runtime"])
    if not alive(handle["pid"], handle["started"] or -1, handle["token"]):
        if not (runtime / SPEC).exists():
            return Observation(address=address, condition="absent", detail="nothing is there")
        said = tail(runtime / LOG, 1)
        detail = f"process {handle['pid']} is gone" + (f"; its last words: {said}" if said else "")
        return Observation(address=address, condition="dead", detail=detail)
    endpoint = f"http://{_bracketed(handle['host'])}:{handle['port']}"
    try:
        status = ask(handle["host"], handle["port"], "GET", "/aios/status", read_spec(runtime / SPEC).secret)
    except (OSError, ValueError, ControlError) as error:
        started = (runtime / READY_MARK).exists()
        return Observation(
            address=address,
            condition="dead" if started else "starting",
            detail=f"process {handle['pid']} lives but does not answer: {error}" if started else "it is starting",
            endpoint=endpoint,
            pids=(handle["pid"],),
        )
    ready, wanted = int(status["ready"]), int(status["replicas"])
    condition = "starting" if not status["started"] else "healthy" if ready == wanted else "degraded"
    return Observation.model_validate(
        {
            "address": address,
            "condition": condition,
            "detail": f"{ready} of {wanted} replicas answer",
            "endpoint": endpoint,
            "deployment_digest": status["deployment"],
            "replicas_ready": ready,
            "pids": tuple(status["pids"]),
        }
    )
