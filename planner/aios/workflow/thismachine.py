"""calibrate --this-machine: sample networks are measured here, and what they teach of this machine is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from aios.records.errors import AiosError, Diagnostic, InputError
from aios.records.fleet import DeviceType
from aios.records.model import ModelProfile
from aios.records.plan import Deployment
from aios.spi.executor import Executor, Sampling, Tensors
from aios.workflow.corrections import Corrected, correct
from aios.workflow.setting import Setting, silent

__all__ = ["Machine", "calibrate_machine"]

_SAMPLES = 240
"""Files: chains of operators, and some networks. A run measures as many as its budget allows, in their order."""

_PRECISIONS = (("fp32", "none"), ("int8", "static"), ("int8", "dynamic"))
_PRODUCTS = ("MatMul", "Gemm")
"""What dynamic quantisation changes, where it is with weights."""
_BATCHES = (1, 4)
_MOST_MACS = 1e9
"""Of a batch: a call of more takes so long that few would be measured."""
_ITEMS = 8


class Machine(NamedTuple):
    """What calibrating did. measured: sample networks' settings, now · left: samples in a precision that the budget
    left open · failed: sample in a precision -> why it could not be measured"""

    measured: int
    left: int
    failed: dict[str, str]
    corrections: tuple[Corrected, ...]
    seconds: float


class _Sample(NamedTuple):
    """A sample network in a precision: its settings are measured side by side."""

    path: Path
    precision: str
    quantization: str


def calibrate_machine(setting: Setting, budget_s: float, each_s: float, seed: int) -> Machine:
    """Measure sample networks for ``budget_s`` seconds, each setting for ``each_s``, then learn from all that was ever
    measured here. What is measured is stored at once, so that an interrupted run goes on where it stopped.

    Raises InputError where no executor here has samples, or there is too little to learn from.
    """
    from aios import catalogue
    from aios.spi import registry
    from aios.workflow.calibrations import load_calibrations
    from aios.workflow.reading import fleet_of

    started = time.perf_counter()
    fleet = fleet_of(setting)
    measured, left, failed = 0, 0, {}
    if budget_s > 0:
        executors = registry.load_all("aios.executors")
        executor: Any = next((item for item in executors.values() if isinstance(item, Sampling)), None)
        cpu = next((item for item in fleet.types.values() if item.kind == "cpu" and item.cores), None)
        if executor is None or cpu is None:
            raise InputError(Diagnostic(summary="no executor here has networks to measure a processor with"))
        for sample, done, why in _measured(setting, executor, cpu, each_s, seed, budget_s):
            measured += done
            if why == _LEFT:
                left += 1
            elif why is not None:
                failed[f"{sample.path.stem} {sample.precision} {sample.quantization}"] = why
    known = load_calibrations([catalogue.root() / "calibrations", setting.profiles / "calibrations"], setting.warn)
    corrections = correct(setting.profiles, setting.model_cache, fleet.types, known, setting.tell)
    if not corrections:
        summary = "too few times were measured here to learn from"
        remedy = "measure more, with a larger budget or `aios profile` of more models"
        raise InputError(Diagnostic(summary=summary, remedy=remedy, command="aios calibrate --this-machine"))
    return Machine(measured, left, failed, corrections, time.perf_counter() - started)


_LEFT = "left"


def _measured(
    setting: Setting, executor: Executor, device: DeviceType, each_s: float, seed: int, budget_s: float
) -> Iterator[tuple[_Sample, int, str | None]]:
    """Measure samples in order until the time is over; yield each with the settings that were measured, and None or
    why they were not."""
    from aios.models import profile_models
    from aios.records.base import Span
    from aios.records.intent import ModelChoice
    from aios.spi import registry
    from aios.state import ProfileStore, make_folder
    from aios.workflow.keeping import artefacts_of, locked

    assert isinstance(executor, Sampling), "asked for before"
    # That ranges are read from few items matters to answers, and nobody asks those of the samples.
    store, profiles = artefacts_of(replace(setting, warn=silent)), ProfileStore(setting.profiles)
    known = [item.subject for item in profiles.load().values()]
    readers = registry.load_all("aios.model_readers")
    folder = make_folder(setting.home / "samples")
    with locked(setting.home / "bench" / "profile.lock", setting, "aios calibrate"):
        setting.tell("writing sample networks")
        paths = executor.samples(folder, _SAMPLES, seed)
        end = time.perf_counter() + budget_s
        for sample in _in_precisions(paths):
            if time.perf_counter() > end:
                yield sample, 0, _LEFT
                continue
            choice = ModelChoice(
                name=sample.path.stem, path=str(sample.path), where=Span(file=str(sample.path), line=1, column=1)
            )
            profile = profile_models((choice,), readers, setting.model_cache)[sample.path.stem]
            if not _changes(sample, profile):
                continue
            data = _data(sample, profile)
            wanted = [
                deployment
                for deployment in _deployments(sample, profile, device, executor, data[0])
                if not any(_is_of(item, deployment) for item in known)
            ]
            if not wanted:
                continue
            setting.tell(f"measuring {sample.path.stem} {sample.precision}-{sample.quantization}")
            try:
                made = [(deployment, executor.prepare(deployment, store)) for deployment in wanted]
                for found in executor.measure_by_turns(made, data[1], each_s * len(made)):
                    profiles.save(found)
            except AiosError as error:
                yield sample, 0, str(error)
                continue
            yield sample, len(made), None


def _in_precisions(paths: Sequence[Path]) -> Iterator[_Sample]:
    """Yield all samples, each in all precisions, so that whenever the time is over what was measured is balanced."""
    for path in paths:
        for precision, quantization in _PRECISIONS:
            yield _Sample(path, precision, quantization)


def _changes(sample: _Sample, profile: ModelProfile) -> bool:
    """Say whether the sample has operators that are another kernel in its precision."""
    products = [item.kind for item in profile.operators if item.form is not None]
    if sample.quantization == "dynamic":
        return any(kind in _PRODUCTS for kind in products)
    return sample.quantization == "none" or bool(products)


def _data(sample: _Sample, profile: ModelProfile) -> tuple[Path, Tensors]:
    """Return inputs of random numbers, and the file that static quantisation reads them from."""
    import numpy as np

    path = sample.path.with_suffix(".npz")
    shape = [size if isinstance(size, int) else _ITEMS for size in profile.inputs[0].shape]
    values: Any = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    if not path.exists():
        arrays: dict[str, Any] = {profile.inputs[0].name: values}
        np.savez(path, **arrays)
    return path, {profile.inputs[0].name: values}


def _deployments(
    sample: _Sample, profile: ModelProfile, device: DeviceType, executor: Executor, data: Path
) -> Iterator[Deployment]:
    """Yield the settings that a sample is measured in: with few threads and many, alone and in batches.

    A machine's threads and its batches are told apart only where both are measured with each other.
    """
    from aios.records.base import digest_of

    static, cores = sample.quantization == "static", device.cores or 1
    for threads, batch in product(sorted({1, max(cores // 2, 1), cores}), _BATCHES):
        if batch > 1 and profile.macs * batch > _MOST_MACS:
            continue
        yield Deployment(
            intent=sample.path.stem,
            task="sample",
            model=profile.name,
            model_path=str(sample.path),
            model_digest=profile.digest,
            precision=sample.precision,
            quantization=sample.quantization,
            calibrate=(str(data),) if static else (),
            calibrate_digest=digest_of(data.read_bytes()) if static else None,
            device=device.name,
            device_kind=device.kind,
            batch=batch,
            max_delay_s=0.0,
            threads=threads,
            replicas=1,
            executor=executor.name,
            placement=(),
            addresses={},
        )


def _is_of(subject: object, deployment: Deployment) -> bool:
    """Say whether a subject is a time of this deployment, whatever engine it was measured with."""
    names = ("model", "precision", "quantization", "device", "executor", "threads", "batch")
    wanted = (deployment.model_digest, *(getattr(deployment, name) for name in names[1:]))
    return getattr(subject, "kind", "") == "service" and tuple(getattr(subject, name) for name in names) == wanted
