"""How right a candidate's answers are: measured, declared, or a prior with an honest interval.

The prior of quantisation is what a calibration has learnt from public tables (``accuracy_predictor``), if one is given.
Without one it is coarser, of the same tables of convolutional and transformer networks (Intel Neural Compressor, NNCF,
AIMET, Krishnamoorthi 2018): the median loss in 8 bits is below one point, the 95th percentile about three. On a cpu
without VNNI or AMX, 8-bit products are added up in 16 bits and may saturate, so the range is wider. Half precision
changes next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aios.cost.accuracy_predictor import PREDICTOR, saturates
from aios.cost.bounding import bounded
from aios.cost.effects import decisions_of, losses
from aios.cost.evidence import Library
from aios.cost.interval import Interval, estimate, interval_of
from aios.records.base import Source
from aios.records.calibration import Calibration
from aios.records.candidate import Candidate, Estimate
from aios.records.fleet import DeviceType
from aios.records.intent import Intent
from aios.records.measurement import MADE_WITH
from aios.records.metrics import Measure, find_measure, metric
from aios.records.model import VALUE_BYTES, ModelProfile
from aios.records.observation import Observations
from aios.records.units import Dimension

__all__ = ["accuracies", "accuracy_notes"]

_LOSS: Mapping[str, Interval] = {
    "saturating": Interval(-0.002, 0.01, 0.05),
    "weight-only": Interval(-0.002, 0.012, 0.05),
    "bf16": Interval(-0.001, 0.001, 0.005),
}
"""Accuracy lost against the file's own precision, as fractions, where no transform says so."""

_HALF = ("fp16", "bf16")

_ELSEWHERE, _ELSEWHERE_QUANTISED = 0.002, 0.01
"""How far the same numbers may come out on another device or engine: rounding only, or other 8-bit kernels."""


def accuracies(
    intent: Intent,
    candidate: Candidate,
    profile: ModelProfile,
    device: DeviceType,
    library: Library,
) -> tuple[dict[str, Estimate], dict[str, str]]:
    """Return estimates of every accuracy metric that is known or asked for, and why others are unknown."""
    asked = set(intent.judged_by)
    declared = _declared(intent, candidate, profile)
    measured = library.find("accuracy", candidate)
    found: dict[str, Estimate] = {}
    if measured is not None:
        for name, value in measured.values.items():
            if name not in asked and _beside(name):
                continue
            low, high = measured.interval(name, intent.confidence)
            both = interval_of(value.model_copy(update={"low": low, "high": high}))
            made = estimate(name, both, "measured", f"measured with {value.meter}, n = {value.n}")
            found[name] = made.model_copy(update={"items": value.n})
    same = library.accuracies(candidate)
    stored = library.accuracies(_as_stored(candidate, profile))
    unknown: dict[str, str] = {}
    metrics = asked | set(declared) | {name for item in (*same, *stored) for name in item.values if not _beside(name)}
    for name in sorted(metrics - set(found)):
        number = _elsewhere(name, candidate, library)
        if number is None:
            number = _from_stored(name, candidate, profile, device, intent.task, declared, library)
            number = bounded(name, number, candidate, profile, library)
        if number is None:
            unknown[name] = "neither declared, nor measured on data.evaluate"
        else:
            found[name] = number
    return found, unknown


def _beside(name: str) -> bool:
    """Say whether it is a comparison with the stored model: those are measured beside others, and promised to nobody
    who does not ask for them."""
    known = find_measure(name)
    return known is not None and known[0].stored


def accuracy_notes(candidate: Candidate, library: Library) -> tuple[str, ...]:
    """Return what a reader of the candidate's measured accuracy would not expect."""
    measured = library.find("accuracy", candidate)
    told = None if measured is None else measured.conditions.get(MADE_WITH)
    if told is None:
        return ()
    return (f"the accuracy was measured on data that the model was made with ({told}): others may be answered worse",)


def _declared(intent: Intent, candidate: Candidate, profile: ModelProfile) -> dict[str, float]:
    """Return what author and file declare of the stored precision; the intent has the last word."""
    choice = next((choice for choice in intent.models if choice.name == candidate.model), None)
    both = {**profile.declared, **(choice.declared if choice else {})}
    return {name: value for name, value in both.items() if name.startswith("accuracy.")}


def _elsewhere(name: str, candidate: Candidate, library: Library) -> Estimate | None:
    """Return what the same model in the same precision reached on another device or engine."""
    for item in library.accuracies(candidate):
        if name in item.values:
            error = _ELSEWHERE if candidate.quantization == "none" else _ELSEWHERE_QUANTISED
            number = _clamped(name, interval_of(item.values[name]).plus(Interval(-error, 0.0, error)))
            return estimate(name, number, "calibrated", f"measured on {item.subject.device} with {item.subject.engine}")
    return None


def _from_stored(
    name: str,
    candidate: Candidate,
    profile: ModelProfile,
    device: DeviceType,
    task: str,
    declared: Mapping[str, float],
    library: Library,
) -> Estimate | None:
    """Return the accuracy of the file's own precision, less the prior loss of the candidate's."""
    prior = _prior(candidate, profile, device, task, library)
    known = find_measure(name)
    if known is not None and known[0].stored:
        return _against_stored(name, known[0], prior)
    stored = library.accuracies(_as_stored(candidate, profile))
    base = next((item.values[name] for item in stored if name in item.values), None)
    if base is not None:
        start, origin = interval_of(base), f"{profile.precision} accuracy measured"
    elif name in declared:
        start, origin = Interval(*(declared[name],) * 3), f"declared for {profile.precision}"
    else:
        return None
    if prior is None:
        return estimate(name, start, "declared", origin)
    if known is not None and not known[0].shares:
        return None  # what is usual is known of shares alone
    loss = prior.loss.times(start.value) if prior.relative else prior.loss
    number = _clamped(name, Interval(start.low - loss.high, start.value - loss.value, start.high - loss.low))
    quantized = "" if candidate.quantization == "none" else f"{candidate.quantization} "
    compressed = "" if candidate.compression == "none" else f" after {candidate.compression}"
    engine = decisions_of(candidate, library.transforms)
    decided = "".join(f" with {item.name} {candidate.settings[item.setting]}" for item in engine)
    label = f"{quantized}{candidate.precision}{compressed}{decided}"
    basis = f"{origin}, less the usual loss of {label} ({loss.value * 100:.2g}, at most {loss.high * 100:.2g} points)"
    return estimate(name, number, prior.source, basis)


def _against_stored(name: str, measure: Measure, prior: _Prior | None) -> Estimate | None:
    """Return what a comparison with the stored model gives: nothing is lost where it computes as that does, else what
    is usual of right answers; of other comparisons nothing is known before they are measured."""
    if prior is None:
        same = 0.0 if measure.better == "lower" else 1.0
        return estimate(name, Interval(same, same, same), "analytic", "it computes as the file is stored")
    if measure.labels != "class":
        return None
    return estimate(name, prior.loss, prior.source, "the usual loss")  # of a share: at most of all answers


class _Prior(NamedTuple):
    """Accuracy that is usually lost. relative: as a share of the accuracy, else in points of a fraction"""

    loss: Interval
    relative: bool
    source: Source


def _prior(
    candidate: Candidate, profile: ModelProfile, device: DeviceType, task: str, library: Library
) -> _Prior | None:
    """Return the usual loss, or None if the candidate computes as the file is stored."""
    own = _prior_of_model(candidate, profile, device, task, library)
    spans = [item.effect.accuracy_loss for item in decisions_of(candidate, library.transforms)]
    engine = [span for span in spans if span is not None]
    if not engine:
        return own
    lost = own.loss if own else Interval(0.0, 0.0, 0.0)
    for span in engine:
        lost = lost.plus(Interval(span.low, span.value, span.high))
    return _Prior(lost, own is not None and own.relative, "assumed")


def _prior_of_model(
    candidate: Candidate, profile: ModelProfile, device: DeviceType, task: str, library: Library
) -> _Prior | None:
    """Return the usual loss of the model alone, whatever its executor decides."""
    if candidate.compression != "none":
        return _Prior(_declared_loss(candidate, library), False, "assumed")
    if candidate.quantization == "none" and candidate.precision == profile.precision:
        return None
    if candidate.quantization == "none" or candidate.precision in _HALF:  # tables tell of integers alone
        return _Prior(_declared_loss(candidate, library), False, "assumed")
    learnt = library.calibrations.get((PREDICTOR.name, "accuracy_change"))
    if learnt is not None and learnt.version == PREDICTOR.version and learnt.stages:
        change = _learnt_change(candidate, profile, device, task, learnt)
        return _Prior(Interval(-change.high, -change.value, -change.low), True, "calibrated")
    wide = saturates(device) and candidate.precision == "int8"
    return _Prior(_LOSS["saturating"] if wide else _declared_loss(candidate, library), False, "assumed")


def _declared_loss(candidate: Candidate, library: Library) -> Interval:
    """Return the sum of what the candidate's transforms declare to lose; of what none declares, the widest prior."""
    found = [span for _, span, _ in losses(candidate, library.transforms)]
    if not found:
        wide = "bf16" if candidate.quantization == "none" else "saturating"
        return _LOSS.get(candidate.quantization, _LOSS[wide])
    return Interval(*(sum(getattr(span, end) for span in found) for end in ("low", "value", "high")))


def _as_stored(candidate: Candidate, profile: ModelProfile) -> Candidate:
    """Return the candidate that computes the file as it is."""
    plain = {"precision": profile.precision, "quantization": "none", "compression": "none", "settings": {}}
    return candidate.model_copy(update=plain)


def _learnt_change(
    candidate: Candidate, profile: ModelProfile, device: DeviceType, task: str, learnt: Calibration
) -> Interval:
    """Return the share by which quantising changes accuracy, of a model that no table holds."""
    import numpy as np

    from aios.cost.learning import predict

    words = {
        "model": profile.name,
        "task": task,
        "precision": candidate.precision,
        "transform": "fp8" if candidate.precision == "fp8" else f"{candidate.quantization}-{candidate.precision}",
    }
    row = Observations(
        table="",
        predictor=PREDICTOR.name,
        metric="accuracy_change",
        unit="1",
        words={role: np.array([word]) for role, word in words.items()},
        numbers={"bits_per_weight": np.array([8 * VALUE_BYTES[candidate.precision]])},
        types=np.array([device.name]),
        families=np.array([""]),
        lines=np.zeros(1, dtype=np.int64),
        values=np.full(1, np.nan),
    )
    found = predict(PREDICTOR.design(row, {device.name: device}), learnt, "zero-shot")
    return Interval(float(found.low[0]), float(found.value[0]), float(found.high[0]))


def _clamped(name: str, number: Interval) -> Interval:
    """Return the interval within what a metric may be: shares are no smaller than 0, differences of them than -1."""
    what = metric(name)
    if what.most is None:
        return number
    least = -1.0 if what.better == "lower" or what.dimension is not Dimension.FRACTION else 0.0
    return Interval(*(min(what.most, max(least, value)) for value in number))
