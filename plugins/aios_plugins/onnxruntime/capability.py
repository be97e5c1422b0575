"""What onnxruntime can run, and what stands in the way here and now."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from aios.records.candidate import Candidate
from aios.records.data import files_of
from aios.records.errors import AiosError, Diagnostic
from aios.records.fleet import STORAGE, DeviceType
from aios.records.model import ModelProfile
from aios.records.plan import Action, Deployment
from aios.spi.executor import Refusal
from aios.spi.keys import public_keys
from aios.spi.sealing import sealing_key
from aios_plugins.onnxruntime.control import identify

__all__ = ["INSTALL", "MODULES", "PROVIDERS", "can", "unreachable", "validate"]

PROVIDERS: dict[str, tuple[str, ...]] = {
    "cpu": ("CPUExecutionProvider",),
    "gpu": ("CUDAExecutionProvider", "CPUExecutionProvider"),
}
"""Kind of device -> execution providers that a service here asks for; the first one must be what computes."""

_PRECISIONS: dict[str, tuple[str, ...]] = {
    "cpu": ("fp32", "int8"),
    "gpu": ("fp32", "fp16", "int8"),
    "npu": ("fp32", "fp16", "int8"),
    "dsp": ("fp16", "int8"),
    "fpga": ("int8",),
}
"""Kind of device -> precisions that onnxruntime's providers for it compute in (CUDA, TensorRT, ROCm; QNN, OpenVINO,
CANN; QNN; Vitis AI). https://onnxruntime.ai/docs/execution-providers/ lists them; there is none for tpu."""

MODULES = ("onnxruntime", "onnx", "numpy", "uvloop", "httptools")
INSTALL = "pip install 'aios-planner[onnxruntime]'"


def can(candidate: Candidate, device: DeviceType, model: ModelProfile) -> Refusal | None:
    """Return the first reason why onnxruntime could not run the candidate on such a device, reachable or not."""
    return next(_obstacles(candidate, device, model), None)


def _obstacles(candidate: Candidate, device: DeviceType, model: ModelProfile) -> Iterator[Refusal]:
    if model.format != "onnx":
        yield Refusal(clause="model format", reason=f"onnxruntime reads ONNX files; {model.name} is {model.format}")
    yield from _precision(candidate, device)
    yield from _quantization(candidate, device, model)
    yield from _tiers(candidate, device)
    if candidate.parallelism != "none":
        yield Refusal(clause="parallelism", reason="onnxruntime runs one replica on one device")
    if model.batch_axis is None and candidate.batch not in (1, model.fixed_batch):
        fixed = f"is fixed at {model.fixed_batch}" if model.fixed_batch else "does not exist"
        yield Refusal(
            clause="batch",
            reason=f"the batch dimension of {model.name} {fixed}, so batches of {candidate.batch} cannot be formed",
            resolvable="export the model with a dynamic batch dimension",
        )
    if device.kind == "cpu" and device.cores is not None and candidate.threads > device.cores:
        yield Refusal(
            clause="threads", reason=f"{candidate.threads} threads, but {device.name} has {device.cores} cores"
        )


def _tiers(candidate: Candidate, device: DeviceType) -> Iterator[Refusal]:
    """Weights are mapped from the artefact's file, so a cpu can leave them on the drive; nothing else can be placed."""
    for part, tier in candidate.tiers.items():
        if part != "weights" or device.kind != "cpu" or tier.split("-")[0] not in STORAGE:
            yield Refusal(
                clause="memory tier",
                reason=f"onnxruntime cannot keep {part.replace('_', ' ')} in {tier}: it maps a cpu's weights from "
                "files, and takes all other memory from the device's own",
            )
            return


def _precision(candidate: Candidate, device: DeviceType) -> Iterator[Refusal]:
    known = _PRECISIONS.get(device.kind)
    if known is None:
        yield Refusal(clause="device kind", reason=f"onnxruntime has no execution provider for a {device.kind}")
    elif candidate.quantization == "weight-only" and device.kind in ("cpu", "gpu"):
        return  # weights are unpacked as they are multiplied with, or when they are loaded; the rest is fp32
    elif device.kind == "cpu" and candidate.precision in ("fp16", "bf16"):
        yield Refusal(
            clause="precision",
            reason=f"{candidate.precision} gains nothing on a CPU: onnxruntime converts to fp32 around every operator",
        )
    elif candidate.precision not in known:
        wanted = f"{candidate.precision} on a {device.kind}"
        reason = f"onnxruntime does not compute in {wanted} (it does in {', '.join(known)})"
        yield Refusal(clause="precision", reason=reason)


def _quantization(candidate: Candidate, device: DeviceType, model: ModelProfile) -> Iterator[Refusal]:
    integer = model.precision in ("int8", "uint8")
    if candidate.quantization == "none":
        if candidate.precision == "int8" and not integer:
            yield Refusal(
                clause="precision",
                reason=f"{model.name} holds {model.precision} weights; it computes in int8 only after quantization",
                resolvable="static or dynamic quantization",
            )
        if candidate.precision != "int8" and integer:
            yield Refusal(clause="precision", reason=f"{model.name} is quantised: it computes in int8 only")
        return
    if candidate.quantization == "dynamic" and device.kind != "cpu":
        yield Refusal(clause="quantization", reason="onnxruntime computes dynamically quantised models on CPUs only")


def validate(action: Action) -> Sequence[Diagnostic]:
    """Return everything that keeps the action from being carried out on this machine."""
    wanted = action.after
    if wanted is None or action.action == "delete":
        return _engine() if action.action != "delete" else []
    found = [*unreachable(wanted), *_engine()]
    if not found:
        found += [*_here(wanted), *_files(wanted), *_keys(wanted), *_port(action, wanted)]
    return found


def unreachable(wanted: Deployment) -> list[Diagnostic]:
    """Return a diagnostic for each node of the deployment's placement that is not this machine."""
    return list(_places(wanted))


def _places(wanted: Deployment) -> Iterator[Diagnostic]:
    for node in sorted({placement.node for placement in wanted.placement}):
        address = wanted.addresses.get(node)
        if address is None:
            yield Diagnostic(
                summary=f"node `{node}`, where {wanted.intent} is placed, is only described",
                reason="it has no address, so nothing can be started on it",
                remedy="give it an address, or plan with a fleet that can be reached",
                command="aios init",
            )
        elif address != "local":
            yield Diagnostic(
                summary=f"node `{node}` has the address {address!r}, which the onnxruntime executor cannot reach",
                reason="it starts services on this machine only",
                remedy="run aios on that machine with `address: local`",
            )


def _engine() -> list[Diagnostic]:
    missing = [name for name in MODULES if find_spec(name) is None]
    if not missing:
        return []
    return [
        Diagnostic(
            summary=f"the onnxruntime executor needs {', '.join(missing)}, not installed here",
            remedy="install what it needs",
            command=INSTALL,
        )
    ]


def _here(wanted: Deployment) -> Iterator[Diagnostic]:
    cores = len(os.sched_getaffinity(0))
    if wanted.threads > cores:
        yield Diagnostic(
            summary=f"{wanted.intent} wants {wanted.threads} threads per replica, but this machine has {cores} cores",
            remedy="plan for this machine",
            command="aios init",
        )
    if wanted.power_mode is not None:
        yield Diagnostic(
            summary=f"{wanted.intent} wants the power mode {wanted.power_mode!r}, which this executor cannot set",
            remedy="set it with the vendor's tool and leave the mode out of the fleet file",
        )
    providers = PROVIDERS.get(wanted.device_kind)
    if providers is None:
        yield Diagnostic(
            summary=f"{wanted.intent} is placed on a {wanted.device_kind}, which can be planned for but not served on",
            remedy="place it on a cpu or gpu",
        )
    elif wanted.device_kind != "cpu":
        import onnxruntime as ort

        if providers[0] not in ort.get_available_providers():
            yield Diagnostic(
                summary=f"the installed onnxruntime has no {providers[0]}, which {wanted.intent} needs",
                remedy="install the build of onnxruntime for this device",
                command="pip install onnxruntime-gpu",
            )


def _files(wanted: Deployment) -> Iterator[Diagnostic]:
    data = wanted.calibrate if wanted.quantization == "static" else ()
    for path in (wanted.model_path, *(path for item in data for path in files_of(item))):
        if not Path(path).exists():
            yield Diagnostic(summary=f"{path}, which {wanted.intent} needs, is not there")
    if wanted.quantization == "static" and not wanted.calibrate:
        yield Diagnostic(
            summary=f"{wanted.intent} is statically quantised but has no calibration data",
            remedy="name it in the intent under data.calibrate",
        )


def _keys(wanted: Deployment) -> Iterator[Diagnostic]:
    """Yield what keeps the keys of a protected deployment from being used, before anything is started with them."""
    protection = wanted.protection
    if protection is None:
        return
    try:
        if protection.encrypted and protection.key is not None:
            sealing_key(protection.key)
        if protection.signed and protection.verify_key is not None:
            public_keys(Path(protection.verify_key).read_bytes(), protection.verify_key)
    except AiosError as error:
        yield from error.diagnostics
    except OSError as error:
        summary = f"{protection.verify_key}, the public keys that {wanted.intent} trusts, cannot be read"
        yield Diagnostic(summary=summary, reason=error.strerror, remedy="name the file of the public key that signed")


def _port(action: Action, wanted: Deployment) -> Iterator[Diagnostic]:
    port = wanted.serve.port
    before = action.before
    if port is None or (before is not None and before.serve == wanted.serve):
        return
    trouble = bind_trouble(wanted.serve.host, port)
    if trouble is None or (trouble == errno.EADDRINUSE and identify(wanted.serve.host, port) == action.address):
        return
    if trouble == errno.EADDRINUSE:
        yield Diagnostic(
            summary=f"port {port} on {wanted.serve.host} is in use by another program",
            remedy=f"stop that program or choose another port in {wanted.intent}'s `serve`",
            command=f"ss -ltnp 'sport = :{port}'",
        )
    else:
        yield Diagnostic(
            summary=f"this machine cannot listen on {wanted.serve.host}:{port}: {os.strerror(trouble)}",
            remedy="choose another host or port in `serve`",
        )


def bind_trouble(host: str, port: int) -> int | None:
    """Return the errno with which listening on host and port fails, or None when it works."""
    try:
        with socket.create_server((host, port), reuse_port=False):
            return None
    except OSError as error:
        return error.errno or errno.EADDRNOTAVAIL
