"""calibrate --this-machine: sample networks are measured here, and what they teach of this machine is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
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
_ITEMS = 8


class Machine(NamedTuple):
    """What calibrating did. measured: sample networks' settings, now · left: settings that the budget left open ·
    failed: setting -> why it could not be measured"""

    measured: int
    left: int
    failed: dict[str, str]
    corrections: tuple[Corrected, ...]
    seconds: float


class _Sample(NamedTuple):
    """A setting of a sample network."""

    path: Path
    precision: str
    quantization: str
    threads: int
    batch: int


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
        for sample, why in _measured(setting, executor, cpu, each_s, seed, started + budget_s):
            if why is None:
                measured += 1
            elif why == _LEFT:
                left += 1
            else:
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
    setting: Setting, executor: Executor, device: DeviceType, each_s: float, seed: int, end: float
) -> Iterator[tuple[_Sample, str | None]]:
    """Measure settings in order until the time is over; yield each with None, or why it was not measured."""
    from aios.models import profile_models
    from aios.records.base import Span
    from aios.records.intent import ModelChoice
    from aios.spi import registry
    from aios.state import ProfileStore, make_folder
    from aios.workflow.keeping import artefacts_of, locked

    assert isinstance(executor, Sampling), "asked for before"
    # That ranges are read from few items matters to answers, and nobody asks those of the samples.
    store, profiles = artefacts_of(replace(setting, warn=silent)), ProfileStore(setting.profiles)
    known = {item.subject for item in profiles.load().values()}
    readers = registry.load_all("aios.model_readers")
    folder = make_folder(setting.home / "samples")
    with locked(setting.home / "bench" / "profile.lock", setting, "aios calibrate"):
        setting.tell("writing sample networks")
        paths = executor.samples(folder, _SAMPLES, seed)
        for sample in _settings(paths, device.cores or 1):
            if time.perf_counter() > end:
                yield sample, _LEFT
                continue
            choice = ModelChoice(
                name=sample.path.stem, path=str(sample.path), where=Span(file=str(sample.path), line=1, column=1)
            )
            profile = profile_models((choice,), readers, setting.model_cache)[sample.path.stem]
            if sample.quantization == "dynamic" and not any(item.kind in _PRODUCTS for item in profile.operators):
                continue  # it would change nothing
            data = _data(sample, profile)
            deployment = _deployment(sample, profile, device, executor, data[0])
            if any(_is_of(item, deployment) for item in known):
                continue
            setting.tell(f"measuring {sample.path.stem} {sample.precision}-{sample.quantization}")
            try:
                found = executor.measure(deployment, executor.prepare(deployment, store), data[1], each_s)
            except AiosError as error:
                yield sample, str(error)
                continue
            profiles.save(found)
            yield sample, None


def _settings(paths: Sequence[Path], cores: int) -> Iterator[_Sample]:
    """Yield settings of all samples, so that whenever the time is over what was measured is balanced: each network in
    each precision once, with few threads or many, alone or in batches by turns."""
    threads = sorted({1, max(cores // 2, 1), cores})
    for turn in range(2):
        for number, path in enumerate(paths):
            for place, (precision, quantization) in enumerate(_PRECISIONS):
                at = number + place + turn
                batch = (1, 4, 2, 8)[(number // len(threads) + place + 2 * turn) % 4]
                yield _Sample(path, precision, quantization, threads[at % len(threads)], batch)


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


def _deployment(
    sample: _Sample, profile: ModelProfile, device: DeviceType, executor: Executor, data: Path
) -> Deployment:
    from aios.records.base import digest_of

    static = sample.quantization == "static"
    return Deployment(
        intent=sample.path.stem,
        task="sample",
        model=profile.name,
        model_path=str(sample.path),
        model_digest=profile.digest,
        precision=sample.precision,
        quantization="static" if static else "dynamic" if sample.quantization == "dynamic" else "none",
        calibrate=(str(data),) if static else (),
        calibrate_digest=digest_of(data.read_bytes()) if static else None,
        device=device.name,
        device_kind=device.kind,
        batch=sample.batch,
        max_delay_s=0.0,
        threads=sample.threads,
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
