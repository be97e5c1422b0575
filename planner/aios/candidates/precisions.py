"""In which precisions a model can compute on a device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aios.candidates.offering import Precision, offered
from aios.candidates.rejections import Rejections
from aios.records.candidate import CALIBRATED
from aios.records.fleet import DeviceType
from aios.records.intent import Intent
from aios.records.model import ModelProfile
from aios.records.transform import Declaration

__all__ = ["Precision", "precisions_of", "ranges_known", "runs_on"]

_FIXED_FUNCTION = frozenset({"npu", "tpu", "fpga", "dsp"})
"""Device kinds that compute in the precisions their datasheet names and in no other."""

_HALF = ("fp16", "bf16")


def precisions_of(
    intent: Intent, profile: ModelProfile, declared: Mapping[str, Declaration], rejections: Rejections
) -> Iterator[Precision]:
    """Yield what can be computed of the file, wherever it runs: as stored, and what installed transforms make of it.

    A half-precision model is named ``fp16``; ``runs_on`` turns it into ``bf16`` where the device prefers that.
    """
    if all(profile.precision not in item.needs.stored for item in declared.values() if item.stage != "executor"):
        rejections.add(
            f"{profile.name} in another precision",
            f"a file in {profile.precision} keeps its precision",
            f"{profile.name} is stored in {profile.precision}; only fp32 weights are converted or quantised",
            resolvable="give the fp32 file of the model",
        )
    found = [Precision(profile.precision, "none"), *offered(intent, profile, declared, rejections)]
    yield from (precision for precision in found if _allowed(precision, rejections))


def _allowed(precision: Precision, rejections: Rejections) -> bool:
    return (
        rejections.allows("precision", precision.name, precision.name)
        and rejections.allows("quantization", precision.quantization, str(precision))
        and rejections.allows("compression", precision.compression, str(precision))
    )


def ranges_known(intent: Intent, device: DeviceType, precision: Precision, rejections: Rejections) -> bool:
    """Say whether an accuracy can be promised of a precision: of static quantisation not without data to read ranges
    from, but on devices of fixed function, whose makers publish networks that they have quantised and measured.

    Ranges of a few pictures cost YOLO11 half of its precision in TensorRT's int8 (Ultralytics, guide to NVIDIA Jetson).
    """
    floor = next((item.metric for item in intent.bounds if item.metric.startswith("accuracy.")), None)
    if (
        precision.quantization not in CALIBRATED
        or floor is None
        or intent.data.calibrate
        or device.kind in _FIXED_FUNCTION
    ):
        return True
    rejections.add(
        f"{precision} on {device.name}",
        "a required accuracy needs calibration data",
        f"nobody can say what is left of {floor} where the ranges of activations come from unknown data",
        resolvable="set data.calibrate",
    )
    return False


def runs_on(device: DeviceType, precision: Precision, stored: str, rejections: Rejections) -> Precision | None:
    """Return the precision as ``device`` computes it, or None (with a rejection) if it cannot or gains nothing."""
    what = f"{precision} on {device.name}"
    peaks = device.peak_ops_per_s
    stated = ", ".join(sorted(peaks)) or "none"
    if precision.kinds and device.kind not in precision.kinds:
        reason = f"it gains nothing on a {device.kind}, only on {', '.join(precision.kinds)}"
        rejections.add(what, "a device that gains from it", reason)
        return None
    if precision.name == "fp16" and precision.quantization == "none" and stored != "fp16":
        return _half(device, precision, rejections)
    if device.kind in _FIXED_FUNCTION:
        if peaks and precision.name not in peaks:
            clause = f"{device.name} computes in {stated} only"
            rejections.add(what, clause, f"no peak for {precision.name} is stated (stated: {stated})")
            return None
        if precision.quantization == "dynamic":
            reason = (
                f"a {device.kind} runs a graph whose ranges are fixed before; dynamic quantisation finds them per call"
            )
            rejections.add(what, "static ranges only", reason, resolvable="set data.calibrate for static quantisation")
            return None
    if set(peaks) <= {"int8", "int4"} and peaks and precision.name != "int8":
        rejections.add(what, f"{device.name} computes in {stated} only", f"only peaks for {stated} are stated")
        return None
    return precision


def _half(device: DeviceType, precision: Precision, rejections: Rejections) -> Precision | None:
    """Half precision from fp32 weights: where the device states a faster fp16 or bf16, or is a gpu or npu."""
    peaks = device.peak_ops_per_s
    full = peaks["fp32"].value if "fp32" in peaks else 0.0
    faster = [name for name in _HALF if name in peaks and peaks[name].value > full]
    if faster:
        return precision._replace(name=faster[0])
    unstated = not any(name in peaks for name in _HALF)
    if device.kind == "gpu" or (device.kind == "npu" and not (peaks and unstated)):
        return precision
    figures = ", ".join(f"{name} {fact.value:.3g} operations/s" for name, fact in sorted(peaks.items())) or "no peak"
    rejections.add(
        f"{precision} on {device.name}",
        "half precision must gain",
        f"{device.name} states no fp16 or bf16 peak above its fp32 peak ({figures})",
        resolvable=f"state peak_ops_per_s.fp16 of {device.name} if it has one" if unstated else None,
    )
    return None
