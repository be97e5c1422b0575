"""By how much what was learnt from measurements corrects the physics of serving, with intervals.

A candidate does not say which engine serves it: it is taken to be the one that was measured most on its device, the
same for all its metrics. Only what was measured of that engine on that device calibrates a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.learning import predict
from aios.cost.level import level_of
from aios.cost.serving_predictor import PREDICTOR
from aios.records.calibration import DEVICE_STRATUM, Calibration
from aios.records.fleet import DeviceType
from aios.records.observation import Level, Observations

if TYPE_CHECKING:
    from aios.cost.learning.design import Design
    from aios.records.observation import Floats, Texts

    Measured = Mapping[tuple[str, str, str], int]

__all__ = ["UNLEARNT", "Correction", "Taught", "correction", "served_by", "taught"]

UNLEARNT = 3.0
"""Factor either way within which the physics alone is trusted, where no calibration is at hand."""

_OTHER_WORK = ("disagg", "prefill", "decode", "batch", "single")
"""Words in the names of engines that were not measured as a service: prefill and decoding on engines of their own, one
phase alone, offline batches, one request at a time."""


class Taught(NamedTuple):
    """What was learnt of the metrics that plans are made with, None where nothing was. whole: throughput · each, first:
    time per token and to the first token"""

    whole: Calibration | None
    each: Calibration | None
    first: Calibration | None


class Correction(NamedTuple):
    """Factors on a time, of n rows: the ends of a 90 % interval around the value. level: for each row what was seen,
    empty where nothing was · engine: that each row was taken to run on, empty where none was measured"""

    low: Floats
    value: Floats
    high: Floats
    level: Texts
    engine: Texts

    def ends(self) -> tuple[Floats, Floats, Floats]:
        """Return low, value and high."""
        return self.low, self.value, self.high


def taught(calibrations: Mapping[tuple[str, str], Calibration]) -> Taught:
    """Return what calibrations of the predictor ``serving`` teach; a median stands in for a mean."""

    def first_of(*metrics: str) -> Calibration | None:
        known = (calibrations.get((PREDICTOR.name, metric)) for metric in metrics)
        return next((item for item in known if item is not None and item.version == PREDICTOR.version), None)

    return Taught(
        whole=first_of("throughput"),
        each=first_of("latency.tpot.mean", "latency.tpot.p50"),
        first=first_of("latency.ttft.mean", "latency.ttft.p50"),
    )


def served_by(rows: Observations, known: Taught) -> Observations:
    """Return the rows with the software that was measured most on their device, else on any, over all metrics; what a
    candidate does not say is taken to be that."""
    import numpy as np

    measured = [_measured(learnt) for learnt in known if learnt is not None]
    names, places = np.unique(rows.types, return_inverse=True)
    chosen = np.array([_software(measured, str(name)) for name in names], dtype=str)[places]
    return replace(rows, words={**rows.words, "software": chosen})


def correction(rows: Observations, devices: Mapping[str, DeviceType], learnt: Calibration | None) -> Correction:
    """Return how much longer than physics says the times of these rows are expected to be; of a throughput, those of
    one token. rows: with the software that serves them · learnt: of the rows' metric"""
    import numpy as np

    n = len(rows)
    if learnt is None:
        ones, nothing = np.ones(n), np.full(n, "")
        return Correction(ones / UNLEARNT, ones, ones * UNLEARNT, nothing, nothing)
    design = PREDICTOR.design(rows, devices)
    measured = _measured(learnt)
    pairs = list(zip(design.keys["device"].tolist(), rows.word("software").tolist(), strict=True))
    engines = {pair: _engine(measured, *pair) for pair in set(pairs)}
    ways = [(pair[0], engines[pair], bits) for pair, bits in zip(pairs, design.keys["bits"].tolist(), strict=True)]
    engine = np.array([way[1] for way in ways], dtype=str)
    levels = {way: _level(learnt, measured, way) for way in set(ways)}
    level = np.array([levels[way] for way in ways], dtype=str)
    # What was measured of other engines on a device is no measurement of this one there.
    device = np.where(level == "calibrated", design.keys["device"], "")
    design = replace(design, keys={**design.keys, "engine": engine, "stratum": engine, "device": device})
    ends = np.zeros((3, n))
    for name in set(levels.values()):
        mask = level == name
        ends[:, mask] = _ends(design.take(mask), learnt, name)
    low, value, high = np.exp(ends)
    return Correction(low, value, high, level, engine)


def _ends(design: Design, learnt: Calibration, level: Level) -> Floats:
    """Return low, value and high of the logarithm of the factor.

    Residuals of a device are of all engines and kinds of work on it, those of an engine of all devices: both hold for
    the engine on the device, and the narrower says more. To know a device cannot make a number less sure than it is
    where the device was never seen, as quantiles of few rows would.
    """
    import numpy as np

    found = predict(design, learnt, level)
    low, high = found.low - found.value, found.high - found.value
    if level == "calibrated":
        around = _around(design, learnt, level)
        if around is not None:
            narrower = around[1] - around[0] < high - low
            low, high = np.where(narrower, around, (low, high))
        around = _around(design, learnt, "zero-shot")
        if around is not None:
            low, high = np.maximum(low, around[0]), np.minimum(high, around[1])
    ends = np.array([low, np.zeros_like(low), high]) + found.value
    return np.maximum(ends, design.least) - design.base


def _around(design: Design, learnt: Calibration, level: Level) -> Floats | None:
    """Return how far below and above its value a number lies by residuals of its engine on all devices, else of all
    engines; None where none are known."""
    import numpy as np

    if not any(item.level == level and not item.stratum.startswith(DEVICE_STRATUM) for item in learnt.residuals):
        return None
    nothing = np.zeros(len(design.base))
    bare = replace(
        design,
        base=nothing,
        least=nothing - np.inf,
        parts={},
        keys={**design.keys, "device": np.full(len(nothing), "")},
    )
    found = predict(bare, learnt.model_copy(update={"mixes": (), "stages": ()}), level)
    return np.array([found.low, found.high])


def _measured(learnt: Calibration) -> Measured:
    """Return device, empty for all of them together, engine, and bits of weights (empty: of any) that were measured ->
    rows."""
    found: Counter[tuple[str, str, str]] = Counter()
    for stage in (*learnt.mixes, *learnt.stages):
        if "engine" not in stage.keys or set(stage.keys) - {"engine", "device", "bits"}:
            continue
        for effect in stage.effects:
            group = dict(zip(stage.keys, effect.group, strict=True))
            if not any(word in group["engine"] for word in _OTHER_WORK):
                found[group.get("device", ""), group["engine"], group.get("bits", "")] += effect.rows
    return found


def _software(known: Sequence[Measured], device: str) -> str:
    """Return the software with most rows of all metrics on the device, else on all of them; names decide between
    equals."""
    here: Counter[str] = Counter()
    anywhere: Counter[str] = Counter()
    for measured in known:
        for (of, engine, _), rows in measured.items():
            if of in (device, ""):
                (here if of else anywhere)[engine.partition(" ")[0]] += rows
    counts = here or anywhere
    return max(counts, key=lambda name: (counts[name], name), default="")


def _engine(measured: Measured, device: str, software: str) -> str:
    """Return the engine of a software with most rows, on this device before others; of one that was not measured that
    of another line of the same software (``vllm`` for ``vllm-v0``). Empty where none was measured."""
    together: Counter[tuple[str, str]] = Counter()
    for (of, engine, _), rows in measured.items():
        together[of, engine] += rows
    ranked = {
        (name == software, of == device, rows, engine)
        for (of, engine), rows in together.items()
        if of in (device, "") and (name := engine.partition(" ")[0]).partition("-")[0] == software.partition("-")[0]
    }
    return max(ranked, default=(False, False, 0, ""))[-1]


def _level(learnt: Calibration, measured: Measured, way: tuple[str, str, str]) -> Level:
    """Return calibrated where this engine was measured on the device with such weights, else zero-shot. way: device,
    engine, bits"""
    device, engine, _ = way
    if not measured:
        return level_of(learnt, device)
    return "calibrated" if {way, (device, engine, "")} & measured.keys() else "zero-shot"
