"""Candidates that train a transformer, with what each is expected to take: time, energy, memory, money.

A job's time is its steps, one after the other; loading data, saving checkpoints and failures are not in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from aios.cost.evidence import Evidence
from aios.cost.interval import Interval, Unknown, estimate
from aios.cost.making import Found, priced_of
from aios.cost.power import power_of
from aios.cost.site import Site, site_of
from aios.cost.training.steps import UNLEARNT, Steps, spot_of, steps_of
from aios.cost.training.surroundings import assumed_network
from aios.records.base import Source
from aios.records.candidate import Candidate, Demand, Estimate, Priced
from aios.records.fleet import DeviceType, Fleet
from aios.records.intent import Intent, Training
from aios.records.metrics import metric_names
from aios.records.model import ModelProfile

__all__ = ["HELD", "PARTS", "price_training"]

_PROCESS_BYTES = 4e9
"""DRAM of a machine per device: the process that drives it, and batches that are being loaded."""

HELD: Mapping[str, str] = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "edge": "embedding",
    "gathered": "gathered shards",
    "activations": "activations",
    "logits": "logits",
    "runtime": "runtime",
    "margin": "margin",
}
"""Part of what a device holds -> what people call it."""
PARTS: Mapping[str, str] = {
    "compute": "forward and backward",
    "recompute": "forward again",
    "tensor": "tensor-parallel communication",
    "context": "context-parallel communication",
    "expert": "expert-parallel communication",
    "pipeline": "transfers between stages",
    "data": "data-parallel communication",
    "bubble": "pipeline bubble",
    "optimizer": "optimizer",
}
"""Part of a step -> what people call it."""


def price_training(
    intent: Intent,
    candidates: Sequence[Candidate],
    profiles: Mapping[str, ModelProfile],
    fleet: Fleet,
    evidence: Evidence,
) -> tuple[Priced, ...]:
    """Return the candidates, in their order, with what each is expected to take.

    Raises KeyError for a candidate whose model has no profile, which is the caller's mistake.
    """
    if intent.train is None:
        return ()
    found: dict[str, Priced] = {}
    sites: dict[tuple[str, tuple[str, ...]], Site] = {}
    notes: dict[tuple[object, ...], tuple[str, ...]] = {}
    for name in sorted({item.model for item in candidates}):
        model = profiles[name].transformer
        own = [item for item in candidates if item.model == name]
        if model is None:
            continue
        steps = steps_of(model, intent.train, own, fleet, evidence.calibrations)
        for row, item in enumerate(own):
            key = (item.device, item.nodes)
            if key not in sites:
                sites[key] = site_of(item, fleet.types[item.device], fleet)
            noted = (item.device, item.precision, item.model, spot_of(item))
            if noted not in notes:
                notes[noted] = tuple(_notes(item, fleet))
            found[item.id] = _priced(intent, intent.train, item, steps, row, fleet, sites[key], notes[noted])
    return tuple(found[item.id] for item in candidates)


def _priced(
    intent: Intent,
    train: Training,
    candidate: Candidate,
    steps: Steps,
    row: int,
    fleet: Fleet,
    site: Site,
    notes: tuple[str, ...],
) -> Priced:
    step = Interval(*(float(end[row]) for end in (steps.low, steps.value, steps.high)))
    source, how = _told(str(steps.level[row]))
    parts, held = steps.parts_s(row), steps.held_by(row)
    many = math.ceil(train.tokens / (train.batch * train.sequence))
    time = step.times(many)
    rate = Interval(train.batch / step.high, train.batch / step.value, train.batch / step.low)
    devices = candidate.devices * candidate.machines
    going = ", ".join(
        f"{PARTS[name]} {part / step.value:.1%}" for name, part in parts.items() if part >= 0.001 * step.value
    )
    estimates = {
        "time": estimate(
            "time", time, source, f"{many:,} steps of {step.value:.4g} s: {going}; {how}{_eight(candidate)}"
        ),
        "throughput": estimate("throughput", rate, source, f"{train.batch} sequences in a step of {step.value:.4g} s"),
        "memory": _memory(held, float(steps.held.off[row]), devices),
    }
    device, busy = fleet.types[candidate.device], steps.spent(row).intensity
    drawing, lacking = _power(candidate, device, site, time, busy, source)
    estimates |= drawing
    unknown = {**site.unknown, **lacking}
    if site.price is not None:
        hourly = site.price.times(devices)
        estimates["cost"] = estimate("cost", hourly, site.price_source, f"price x {devices} devices")
        paid = Interval(*(usd * seconds / 3600 for usd, seconds in zip(hourly, time, strict=True)))
        estimates["expense"] = estimate("expense", paid, source, f"{hourly.value:.4g} USD/h x time of the job")
    else:
        unknown["expense"] = unknown["cost"]
    wanted = (*metric_names(), *(item.metric for item in intent.require), *(item.metric for item in intent.goal))
    reason = "a training job answers no requests, and what it learns is not predicted"
    unknown = {name: reason for name in wanted if name not in estimates} | unknown
    demand = Demand(
        share=1.0,
        cores=0,
        device_memory_bytes=float(steps.held.most[row]),
        node_memory_bytes=_PROCESS_BYTES * candidate.devices,
    )
    return priced_of(candidate, estimates, demand, unknown, notes=notes)


def _notes(candidate: Candidate, fleet: Fleet) -> Iterator[str]:
    """Yield what nobody judges of a job, and what is assumed of its network."""
    if candidate.precision == "fp8":
        yield (
            f"how well {candidate.model} learns with products in fp8 is not judged; "
            "`pin: {precision: bf16}` rules it out"
        )
    network = assumed_network(fleet, fleet.types[candidate.device], spot_of(candidate))
    if network is not None:
        yield network


def _eight(candidate: Candidate) -> str:
    """Return what has to be said of products in 8 bits."""
    if candidate.precision != "fp8":
        return ""
    return "; whether it learns as well with products in 8 bits is not predicted"


def _told(level: str) -> tuple[Source, str]:
    """Return the source of a step's time, and how it came about."""
    if level == "calibrated":
        return "calibrated", "physics, corrected by measured steps on this device (calibrated)"
    if level:
        return "analytic", "physics, as far off as on devices that were held back (zero-shot)"
    ends = f"{UNLEARNT[0]:g} to {UNLEARNT[2]:g}"
    return "analytic", f"physics alone, taken to be right within {ends}: no calibration is at hand"


def _memory(held: Mapping[str, float], off: float, devices: int) -> Estimate:
    total = sum(held.values())
    listed = ", ".join(f"{HELD[name]} {size / 1e9:.3g} GB" for name, size in held.items() if size >= 5e6)
    ends = Interval(total - off, total, total + off).times(devices)
    return estimate("memory", ends, "analytic", f"on each of {devices} devices: {listed}")


def _power(candidate: Candidate, device: DeviceType, site: Site, time: Interval, busy: float, source: Source) -> Found:
    """Return power of all devices, energy of the whole job and carbon; devices are at work as long as the job runs.

    time: of the job, in seconds · busy: intensity of a device in a step · source: of the time
    """
    always = Interval(1.0, 1.0, 1.0)
    devices = candidate.devices * candidate.machines
    power = power_of(candidate, device, devices, always, always, None, source, busy)
    if isinstance(power, Unknown):
        return {}, site.without_power(power.reason)
    energy = Interval(*(watts * seconds for watts, seconds in zip(power.watts, time, strict=True)))
    return site.drawing(power, energy, "power x time of the whole job"), {}
