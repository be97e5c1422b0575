"""Starts, changes, watches and ends services. What stands in a service's runtime folder is the truth about it."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aios.records.base import digest_of
from aios.records.errors import Diagnostic, WorldError
from aios.records.plan import Deployment
from aios.spi.executor import Artefact, Journal, Observation, Outcome
from aios_plugins.onnxruntime.control import ControlError, ask
from aios_plugins.onnxruntime.handing import beside, take, turn_away
from aios_plugins.onnxruntime.launching import START_S, handle_of, listen, spec_of, start, succeed
from aios_plugins.onnxruntime.observing import LOG, observe
from aios_plugins.onnxruntime.spec import DRAIN_S, NEXT_SPEC, SPEC, SUCCESSOR_SPEC, read_spec, write_spec
from aios_plugins.onnxruntime.system import end, find, tail

__all__ = ["create", "delete", "rename"]

_TOKEN = re.compile(r"aios-[0-9a-f]{32}")
"""Processes are ended by it: a state from elsewhere must not name one that others have among their arguments."""

_END_S = DRAIN_S + 4.0
"""Grace before a service is killed: its own time to drain and a little to clear away."""
_LOOKS = 5
"""How often a service may leave a question unanswered, for a second each, before it counts as dead."""


def create(
    address: str,
    deployment: Deployment,
    artefact: Artefact,
    runtime: Path,
    prior: Mapping[str, Any] | None,
    journal: Journal,
    *,
    anew: bool = False,
) -> Outcome:
    """Make ``address`` run ``deployment``: adopt what does already, change what can be changed, else start anew.

    anew: what ``prior`` names is not to be adopted or changed, but succeeded by another service, which serves before
    the old one goes; where the old one does not answer there is nothing to succeed
    """
    running = _running(runtime, prior, journal)
    if running:
        # First of all: an elder that was succeeded may still take some of the connections, those of our looks too.
        _end_others(running["token"], runtime, prior, journal)
    standing = _patiently(address, running) if running else None
    if running and standing and standing.condition in ("healthy", "degraded"):
        replaced = anew and running["token"] == (prior or {}).get("token")
        here = _same_place(running, deployment)
        if here and not replaced and standing.deployment_digest == digest_of(deployment):
            return Outcome(address=address, handle=running, note="it runs already")
        # What opens and checks protected files was given to a service when it was started, and to no running one.
        if here and not replaced and deployment.protection is None and not _is_protected(running):
            return _change(address, deployment, artefact, runtime, running, journal)
        inherited = _inherit(running, deployment)
        if inherited is not None:
            outcome = succeed(address, deployment, artefact, runtime, inherited, journal)
            _retire(running["token"], leaves=not here)
            return outcome
    _clear(runtime, prior, journal)
    kept = deployment.serve.port or (prior or {}).get("port")
    outcome = start(address, deployment, artefact, runtime, kept, journal)
    if running and standing and standing.condition in ("healthy", "degraded"):
        note = f"{outcome.note}; the old one had to end first, and requests were turned away meanwhile"
        return outcome.model_copy(update={"note": note})
    return outcome


def _is_protected(running: Mapping[str, Any]) -> bool:
    return read_spec(Path(running["runtime"]) / SPEC).sealed is not None


def _patiently(address: str, running: Mapping[str, Any]) -> Observation:
    """Observe a service whose process lives; one that is merely slow to answer is not to be taken for dead."""
    for _ in range(_LOOKS - 1):
        seen = observe(address, running)
        if seen.condition != "dead" or not seen.pids:
            return seen
    return observe(address, running)


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
    return handle_of(spec, pids[0], runtime) if pids else None


def _inherit(running: Mapping[str, Any], deployment: Deployment) -> socket.socket | None:
    """Return the socket that a successor of the running service listens on, beside it; None where both cannot."""
    host, kept = deployment.serve.host, deployment.serve.port or running["port"]
    if _same_place(running, deployment):
        return take(running["token"])
    if kept == running["port"]:
        standing = take(running["token"])
        if standing is not None:
            with standing, contextlib.suppress(OSError):
                return beside(standing, host, kept)
        if deployment.serve.port:
            return None
        return listen(host, 0)
    return listen(host, kept)


def _retire(token: str, *, leaves: bool) -> None:
    """Have a service that was succeeded answer what is under way and end. leaves: nobody else has its socket"""
    standing = take(token) if leaves else None
    if standing is not None:
        with standing:
            turn_away(standing)
    for pid in find([token]):
        end(pid, _END_S, signal.SIGQUIT)


def _end_others(token: str, runtime: Path, prior: Mapping[str, Any] | None, journal: Journal) -> None:
    """End what a run that was cut short has left beside the service with ``token``: half a successor, or its elder."""
    for pid in find(other for other in _tokens(runtime, prior, journal) if other != token):
        journal.note("stopping", pid=pid, runtime=str(runtime))
        end(pid, _END_S, signal.SIGQUIT)
    (runtime / SUCCESSOR_SPEC).unlink(missing_ok=True)


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
    spec = spec_of(deployment, artefact, old.port, old.token, old.secret)
    write_spec(runtime / NEXT_SPEC, spec)
    try:
        ask(old.host, old.port, "POST", "/aios/change", old.secret, patience_s=START_S)
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
    renamed = f"; clients call it {spec.model} now" if spec.model != old.model else ""
    note = f"changed in place; no request was turned away{renamed}"
    return Outcome(address=address, handle={**handle, "model": spec.model}, note=note)


def rename(before: Path, runtime: Path, prior: Mapping[str, Any] | None, journal: Journal) -> None:
    """Have what stands in ``before`` stand in ``runtime``, whether it runs or not. What is another's stays.

    A service holds its folder and not the folder's name, so that it need not know.
    """
    try:
        spec = read_spec(before / SPEC)
    except (OSError, ValueError):
        with contextlib.suppress(OSError):
            before.rmdir()  # it was made by asking for it
        return
    own = spec.token in _tokens(runtime, prior, journal) or (prior or {}).get("runtime") == str(before)
    if not own or (runtime / SPEC).exists():
        return
    journal.note("renaming", token=spec.token, runtime=str(runtime))
    try:
        before.rename(runtime)
    except OSError as error:
        raise WorldError(f"cannot rename {before} to {runtime}: {error.strerror}") from error


def _clear(runtime: Path, prior: Mapping[str, Any] | None, journal: Journal) -> None:
    """End everything that runs for the address and remove its folder."""
    for pid in find(_tokens(runtime, prior, journal)):
        journal.note("stopping", pid=pid, runtime=str(runtime))
        end(pid, _END_S)
    for folder in {runtime, *_left_behind(runtime, prior)}:
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise WorldError(f"cannot remove {folder}: {error.strerror}") from error


def _left_behind(runtime: Path, prior: Mapping[str, Any] | None) -> tuple[Path, ...]:
    """Return the folder that a service had before it was renamed, where a run was killed before that was."""
    try:
        folder = Path(str((prior or {})["runtime"]))
        own = folder.parent == runtime.parent and read_spec(folder / SPEC).token == (prior or {})["token"]
    except (OSError, ValueError, KeyError):
        return ()
    return (folder,) if own else ()


def delete(address: str, runtime: Path, prior: Mapping[str, Any] | None, journal: Journal) -> Outcome:
    """End the service and leave nothing of it; it is no error when there is none."""
    _clear(runtime, prior, journal)
    return Outcome(address=address, handle=None, note="gone")
