"""What is true of a service now: whether it lives and answers, what it counted, what of it is not as it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aios.spi.executor import Counted, Observation, Stranger
from aios_plugins.onnxruntime.control import ControlError, ask, bracketed
from aios_plugins.onnxruntime.spec import READY_MARK, SPEC, Spec, read_spec, verified
from aios_plugins.onnxruntime.system import alive, commands, folders, listener, tail

__all__ = ["LOG", "counted", "observe", "strangers"]

LOG = "service.log"
_NEEDED = {"pid", "started", "host", "port", "token", "runtime"}


def observe(address: str, handle: Mapping[str, Any] | None) -> Observation:
    """Say what is true of a service now."""
    if not handle or not handle.keys() >= _NEEDED:
        return Observation(address=address, condition="absent", detail="nothing was made")
    runtime = Path(handle["runtime"])
    if not alive(handle["pid"], handle["started"] or -1, handle["token"]):
        return _gone(address, handle, runtime)
    endpoint = f"http://{bracketed(handle['host'])}:{handle['port']}"
    differences: tuple[str, ...] = ()
    try:
        spec = read_spec(runtime / SPEC)
        differences = _differences(spec, handle, runtime / SPEC)
        status = ask(handle["host"], handle["port"], "GET", "/aios/status", spec.secret)
    except (OSError, ValueError, ControlError) as error:
        started = (runtime / READY_MARK).exists()
        return Observation(
            address=address,
            condition="dead" if started else "starting",
            detail=f"process {handle['pid']} lives but does not answer: {error}" if started else "it is starting",
            endpoint=endpoint,
            pids=(handle["pid"],),
            differences=differences,
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
            "differences": differences,
            "restarts": status.get("restarts", 0),
            "recent": _counted(status["recent"], status["recent"]["now"]) if "recent" in status else None,
        }
    )


def _gone(address: str, handle: Mapping[str, Any], runtime: Path) -> Observation:
    """Say what is left of a service whose process is gone, and who has its port now."""
    taken = listener(handle["port"])
    if not (runtime / SPEC).exists():
        return Observation(address=address, condition="absent", detail="nothing is there", taken_by=taken)
    said = tail(runtime / LOG, 1)
    detail = f"process {handle['pid']} is gone" + (f"; its last words: {said}" if said else "")
    return Observation(address=address, condition="dead", detail=detail, taken_by=taken)


def _differences(spec: Spec, handle: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """Return how what the service was told differs from what it was made with.

    Files are read only when something happened to them after the spec was written: the kernel dates every change.
    """
    found = []
    for name in ("token", "host", "port"):
        if getattr(spec, name) != handle[name]:
            found.append(f"{path} says another {name} than the service was started with")
    told = path.stat().st_ctime_ns
    files = [Path(spec.folder) / name for name in spec.files]
    if any(not file.is_file() or file.stat().st_ctime_ns > told for file in files):
        try:
            with verified(spec):
                pass
        except ValueError as error:
            found.append(str(error))
    return tuple(found)


def counted(handle: Mapping[str, Any]) -> Sequence[Counted]:
    """Return what the service counted in each minute of the last day, oldest first; nothing where it is silent."""
    try:
        secret = read_spec(Path(handle["runtime"]) / SPEC).secret
        told = ask(handle["host"], handle["port"], "GET", "/aios/counted", secret)
        return [_counted(stretch, told["now"]) for stretch in told["stretches"]]
    except (OSError, ValueError, KeyError, ControlError):
        return ()


def _counted(stretch: Mapping[str, Any], now: float) -> Counted:
    return Counted(
        began_s=max(0.0, now - stretch["began"]),
        ended_s=max(0.0, now - stretch["ended"]),
        requests=stretch["requests"],
        failed=stretch["failed"],
        batches=stretch["batches"],
        queue_s=stretch["queue_us"] / 1e6,
        compute_s=stretch["compute_us"] / 1e6,
        latency=stretch["latency"],
        delay=stretch["delay"],
    )


def strangers(folder: Path, handles: Sequence[Mapping[str, Any]]) -> Sequence[Stranger]:
    """Return services that run from below ``folder`` and that none of the handles names."""
    known = {handle.get("token") for handle in handles}
    found = []
    for pid, arguments in commands("aios_plugins.onnxruntime.serve"):
        if not known.isdisjoint(arguments):
            continue
        own = [place for place in folders(pid, arguments) if place.is_relative_to(folder.absolute())]
        if not own:
            continue
        place = next((place for place in own if (place / SPEC).exists()), own[0])
        what = f"process {pid} serves from {place}"
        try:
            spec = read_spec(place / SPEC)
            what += f" on port {spec.port}" if spec.token in arguments else ", where another service stands now"
            address = spec.model
        except (OSError, ValueError):
            address = None
        found.append(Stranger(what=what, remedy=f"kill {pid}", address=address))
    return found
