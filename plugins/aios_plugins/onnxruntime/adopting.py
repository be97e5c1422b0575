"""Services that run and that nobody looks after: found, proved to be what they say, taken over as they run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from aios.records.base import digest_of
from aios.records.errors import Diagnostic, InputError
from aios.records.plan import Deployment
from aios.spi.executor import Found, Hint
from aios_plugins.onnxruntime.control import ControlError, ask, bracketed
from aios_plugins.onnxruntime.launching import handle_of
from aios_plugins.onnxruntime.spec import SPEC, Spec, read_spec
from aios_plugins.onnxruntime.system import commands, folders

__all__ = ["find", "is_same", "take_over"]

_MODULE = "aios_plugins.onnxruntime.serve"


def find(hint: Hint, runtime: Path) -> Found:
    """Return the running service that ``hint`` leads to, else the one in ``runtime``.

    It is proved by what only that service can know: its process bears the token of the spec in its folder, it answers
    to the secret there, and what it says that it runs is the digest of the deployment described there. Raises
    InputError where there is none, or that cannot be proved.
    """
    folder, pid, spec = _of_endpoint(hint.endpoint) if hint.endpoint else _of_folder(hint, runtime)
    where = f"http://{bracketed(spec.host)}:{spec.port}"
    try:
        status = ask(spec.host, spec.port, "GET", "/aios/status", spec.secret)
    except OSError as error:
        raise _unproved(f"the service of {folder} does not answer at {where}", str(error)) from None
    except ControlError as error:
        reason = f"it does not know the secret in {folder}: {error}"
        raise _unproved(f"what answers at {where} is not the service of {folder}", reason) from None
    if pid not in status.get("pids", ()):
        reason = f"it says that its processes are {status.get('pids')}, and the one with its token is {pid}"
        raise _unproved(f"what answers at {where} is not the service of {folder}", reason)
    deployment = _described(spec, folder)
    if not status.get("deployment") == spec.deployment == digest_of(deployment):
        reason = f"it runs {str(status.get('deployment'))[:19]}, and its folder describes {digest_of(deployment)[:19]}"
        raise _unproved(f"the service at {where} does not run what {folder} describes", reason)
    ready, wanted = status.get("ready"), status.get("replicas")
    proof = f"process {pid} has its token, answers to its secret at {where}, and runs what it describes"
    return Found(
        handle=handle_of(spec, pid, folder),
        deployment=deployment,
        folder=str(folder),
        note=f"{proof}; {ready} of {wanted} replicas answer",
    )


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two handles lead to the same service."""
    return bool(one.get("token")) and one.get("token") == other.get("token")


def take_over(address: str, found: Found, runtime: Path) -> Mapping[str, Any]:
    """Have the folder of a running service stand where that of ``address`` belongs; the service need not know.

    Raises InputError where something stands there, or the folder cannot get there.
    """
    folder = Path(found.folder)
    if folder.resolve() == runtime.resolve():
        return found.handle
    if (runtime / SPEC).exists():
        raise InputError(
            Diagnostic(
                summary=f"{runtime}, where the files of {address} belong, holds those of another service",
                remedy="take over or end that one first",
                command="aios drift",
            )
        )
    try:
        folder.rename(runtime)
    except OSError as error:
        raise InputError(
            Diagnostic(
                summary=f"the files of the service cannot be brought from {folder} to {runtime}",
                reason=error.strerror,
                remedy="keep the state in the same file system, and let this user write to both folders",
            )
        ) from None
    return {**found.handle, "runtime": str(runtime)}


def _of_folder(hint: Hint, runtime: Path) -> tuple[Path, int, Spec]:
    """Return folder, process and spec of the service in the folder that is named, or in the address's own."""
    named = hint.folder or (hint.handle or {}).get("runtime")
    folder = Path(str(named)).absolute() if named else runtime
    try:
        spec = read_spec(folder / SPEC)
    except (OSError, ValueError) as error:
        raise _unproved(f"{folder} is not the folder of a service: it holds no readable {SPEC}", str(error)) from None
    if hint.handle is not None and hint.handle.get("token") != spec.token:
        raise _unproved(f"the handle is not that of the service in {folder}", "its token is another")
    running = next((item for item in commands(_MODULE) if spec.token in item[1]), None)
    if running is None:
        raise InputError(
            Diagnostic(
                summary=f"the service of {folder} does not run: there is nothing to take over",
                reason=f"no process of yours has its token {spec.token}",
                remedy="plan and apply its intent: that starts it anew",
                command="aios plan PATH",
            )
        )
    pid, arguments = running
    if folder.resolve() not in {place.resolve() for place in folders(pid, arguments)}:
        raise _unproved(f"{folder} is not the folder of process {pid}, whose token it bears", "it serves from another")
    return folder, pid, spec


def _of_endpoint(endpoint: str) -> tuple[Path, int, Spec]:
    """Return folder, process and spec of the service of this user that answers at an address."""
    try:
        port = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}").port
    except ValueError:
        port = None
    if port is None:
        raise InputError(Diagnostic(summary=f"`{endpoint[:80]}` names no port", remedy="write http://127.0.0.1:8000"))
    for pid, arguments in commands(_MODULE):
        for folder in folders(pid, arguments):
            try:
                spec = read_spec(folder / SPEC)
            except (OSError, ValueError):
                continue
            if spec.port == port and spec.token in arguments:
                return folder, pid, spec
    raise InputError(
        Diagnostic(
            summary=f"no service of aios answers at {endpoint[:80]}",
            reason=f"no process of this user on this machine serves port {port} with files that aios wrote",
            remedy="name the folder of its files with --folder; what another program made cannot be taken over",
            command=f"ss -ltnp 'sport = :{port}'",
        )
    )


def _described(spec: Spec, folder: Path) -> Deployment:
    try:
        return Deployment.model_validate(spec.described)
    except ValidationError:
        reason = "its files do not describe its deployment: an earlier aios started it"
        raise _unproved(f"what the service of {folder} runs cannot be proved", reason) from None


def _unproved(summary: str, reason: str) -> InputError:
    remedy = "nothing was changed; if it is to go, end it by hand, and apply its intent"
    return InputError(Diagnostic(summary=summary, reason=reason, remedy=remedy))
