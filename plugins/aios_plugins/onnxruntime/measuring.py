"""Figures of the engine alone, and its plain outputs."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.records.errors import InputError, WorldError
from aios.records.measurement import PROBABILITIES, RELATIVE, Measured, Measurement, subject_of
from aios.records.plan import Deployment
from aios.spi.executor import Artefact, Tensors
from aios_plugins.onnxruntime.artefacts import engine, graph_of, is_optimized, manifest, sealed_of
from aios_plugins.onnxruntime.capability import PROVIDERS
from aios_plugins.onnxruntime.matching import matching
from aios_plugins.onnxruntime.reference import write_reference
from aios_plugins.onnxruntime.session import open_model
from aios_plugins.onnxruntime.spec import Spec
from aios_plugins.onnxruntime.steadiness import Lost, Series, Traces, lost_between, of_series
from aios_plugins.onnxruntime.system import how_it_ended, module_command

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fitting", "infer", "measure", "measure_by_turns", "output_of"]

_INFER_BATCH = 32


def local_spec(deployment: Deployment, artefact: Artefact) -> Spec:
    """Return the spec of one replica without a service around it; raises InputError for a device that is not here."""
    providers = PROVIDERS.get(deployment.device_kind)
    if providers is None:
        raise InputError(f"onnxruntime cannot compute on a {deployment.device_kind} of this machine")
    return Spec(
        model=deployment.served_as,
        folder=str(Path(artefact.path).absolute()),
        files=manifest(artefact),
        providers=list(providers),
        optimized=is_optimized(deployment),
        threads=max(deployment.threads, 1),
        batch=deployment.batch,
        replicas=1,
        host="",
        port=0,
        deployment="",
        token="",
        secret="",
        sealed=sealed_of(deployment, artefact),
        graph=graph_of(deployment),
    )


def infer(deployment: Deployment, artefact: Artefact, inputs: Tensors) -> dict[str, NDArray[Any]]:
    """Return the outputs for all items. Raises InputError for data that does not fit, WorldError when it fails.

    A dynamically quantised model scales its activations over the whole batch, so its answers depend on the company that
    an item has: it computes item by item.
    """
    import numpy as np

    try:
        model = open_model(local_spec(deployment, artefact))
        values = fitting(model.inputs, inputs)
        size = 1 if deployment.quantization == "dynamic" else _INFER_BATCH
        if not model.batchable:
            size = model.inputs[0].shape[0] or 1
        count = len(values[0])
        if count % size and not model.batchable:
            raise InputError(f"{count} items do not divide into the fixed batch of {size}")
        rows = [model.run([value[at : at + size] for value in values]) for at in range(0, count, size)]
    except (ValueError, RuntimeError) as error:
        raise WorldError(f"{deployment.model} does not compute: {error}") from error
    except Exception as error:
        if type(error).__module__.startswith("onnxruntime"):
            raise WorldError(f"{deployment.model} does not compute: {error}") from error
        raise
    columns = zip(*rows, strict=True)
    return {port.name: np.concatenate(column) for port, column in zip(model.outputs, columns, strict=True)}


def fitting(ports: Sequence[Any], inputs: Tensors) -> list[NDArray[Any]]:
    """Return the arrays for the inputs, in their order; raises InputError, naming both, when the data does not fit."""
    found = matching(ports, dict(inputs))
    if found is None:
        wanted = ", ".join(f"{port.name} {port.datatype}{port.metadata()['shape']}" for port in ports)
        given = ", ".join(f"{name} {array.dtype}{list(array.shape)}" for name, array in inputs.items())
        raise InputError(f"the data ({given or 'none'}) does not fit the model's inputs ({wanted})")
    return [found[port.name] for port in ports]


def measure(deployment: Deployment, artefact: Artefact, inputs: Tensors, budget_s: float) -> Measurement:
    """Measure calls back to back for ``budget_s`` seconds in a child process.

    Raises InputError for data that does not fit the model, WorldError when it fails.
    """
    (found,) = measure_by_turns([(deployment, artefact)], inputs, budget_s)
    return found


def measure_by_turns(
    settings: Sequence[tuple[Deployment, Artefact]], inputs: Tensors, budget_s: float
) -> Sequence[Measurement]:
    """Measure settings for ``budget_s`` seconds in all, a few calls of each by turns, in one child process.

    Its memory is all theirs, so that of one setting is measured alone. Raises InputError for data that does not fit a
    model, WorldError when it fails.
    """
    before = Traces.read()
    reports = _run(settings, inputs, budget_s)
    after = Traces.read()
    ran_s = sum(sum(report["durations_s"]) for report in reports)
    lost = lost_between(before, after, sum(report["waited_s"] for report in reports), ran_s)
    return [
        _measurement(deployment, report, lost, alone=len(settings) == 1)
        for (deployment, _), report in zip(settings, reports, strict=True)
    ]


def _measurement(deployment: Deployment, report: Mapping[str, Any], lost: Lost, *, alone: bool) -> Measurement:
    durations: list[float] = report["durations_s"]
    time = of_series(durations, lost.share, lost.disturbed)
    return Measurement(
        subject=subject_of(
            "service",
            deployment,
            engine=engine(),
            calibration=deployment.calibrate_digest,
            training=deployment.train_digest,
        ),
        values=_values(report, time, _memory(deployment, report) if alone else {}),
        distributions={"time": _quantiles(durations)},
        conditions={
            "duration": f"{sum(durations):.3g} s",
            "load average": f"{os.getloadavg()[0]:.2f}",
            **lost.conditions,
            "cores": str(len(os.sched_getaffinity(0))),
            **({"disturbed": "; ".join(time.disturbed)} if time.disturbed else {}),
        },
        as_of=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _values(report: Mapping[str, Any], time: Series, memory: Mapping[str, Measured]) -> dict[str, Measured]:
    """Return what calls took, in the order that people read."""
    n, items = len(report["durations_s"]), report["items"]
    meter = f"clock of the process, {n} calls back to back"
    cpu = report["cpu_s"] / (n * items)
    found = {
        "time": Measured(value=time.value, low=time.low, high=time.high, unit="s", n=n, meter=meter),
        "throughput": Measured(
            value=items / time.value, low=items / time.high, high=items / time.low, unit="1/s", n=n, meter=meter
        ),
        **memory,
        "cpu_time": Measured(
            value=cpu,
            low=cpu * time.low / time.value,
            high=cpu * time.high / time.value,
            unit="s",
            n=n,
            meter="CPU time of the process",
        ),
    }
    if report["ratios"]:
        ratio, turns = of_series(report["ratios"]), len(report["ratios"])
        words = f"times of a reference network beside it, {turns} by turns"
        found[RELATIVE] = Measured(
            value=ratio.value, low=ratio.low, high=ratio.high, unit="1", n=turns, meter=words
        )  # fmt: skip
    return found


def _memory(deployment: Deployment, report: Mapping[str, Any]) -> dict[str, Measured]:
    # Weights that live on a drive are pages of a file: the kernel keeps as many of them as it likes.
    counted = "RssAnon" if deployment.tiers else "VmHWM"
    peak = float(report["memory"][counted])
    return {"memory": Measured(value=peak, low=peak, high=peak, unit="B", n=1, meter=f"{counted} of the process")}


def _run(
    settings: Sequence[tuple[Deployment, Artefact]], inputs: Tensors, budget_s: float
) -> Sequence[Mapping[str, Any]]:
    import numpy as np

    specs = [local_spec(deployment, artefact) for deployment, artefact in settings]
    most = max(deployment.batch for deployment, _ in settings)
    with tempfile.TemporaryDirectory(prefix="aios-measure-") as folder:
        # Only names and order of the inputs are needed here, and the session gives them without computing.
        values = fitting(_ports(specs[0]), inputs)
        paths = []
        for index, value in enumerate(values):
            paths.append(str(Path(folder) / f"{index}.npy"))
            np.save(paths[-1], np.ascontiguousarray(value[: 32 * max(most, 1)]))
        reference = Path(folder) / "reference.onnx"
        here = all(deployment.device_kind == "cpu" for deployment, _ in settings)
        if here:
            write_reference(reference)
        job = {
            "specs": [spec.as_json() for spec in specs],
            "inputs": paths,
            "budget_s": budget_s,
            "reference": str(reference) if here else None,
        }
        said = output_of(module_command("bench", json.dumps(job)))
    if "error" in said:
        raise WorldError(f"{settings[0][0].model} cannot be measured: {said['error']}")
    reports: Sequence[Mapping[str, Any]] = said["settings"]
    return reports


def _ports(spec: Spec) -> Sequence[Any]:
    try:
        return open_model(spec).inputs
    except Exception as error:
        raise WorldError(f"the prepared model does not open: {error}") from error


def output_of(command: Sequence[str]) -> dict[str, Any]:
    """Run one of our modules and return its last line, JSON; the child never outlives an interrupt."""
    with subprocess.Popen(
        list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/"
    ) as process:
        try:
            said, complaint = process.communicate()
        except BaseException:
            process.kill()
            raise
    try:
        document: dict[str, Any] = json.loads(said.decode().strip().rpartition("\n")[2])
    except ValueError:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        said_last = f"; the last it said: {last}" if last else ""
        raise WorldError(f"a child process {how_it_ended(process.returncode)}{said_last}") from None
    return document


def _quantiles(durations: Sequence[float]) -> tuple[float, ...]:
    import numpy as np

    return tuple(float(value) for value in np.quantile(np.asarray(durations), PROBABILITIES))
