"""Estimates of every candidate that serves a language model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.accuracy import accuracies
from aios.cost.evidence import Evidence, Library
from aios.cost.interval import Interval, Unknown, estimate
from aios.cost.language.answering import PROBABILITIES, Answering, answering
from aios.cost.language.engines import observations_of, with_concurrency
from aios.cost.language.held import MEMORY, held_within
from aios.cost.language.learnt import Correction, served_by, taught
from aios.cost.load import OF_JOBS
from aios.cost.making import Found, priced_of
from aios.cost.power import Drawn, power_of
from aios.cost.power_learnt import POWER, drawn_by
from aios.cost.site import Site, site_of
from aios.records.base import Source
from aios.records.calibration import Calibration
from aios.records.candidate import Candidate, Demand, Estimate, Priced, Residence
from aios.records.fleet import DeviceType, Fleet
from aios.records.intent import Intent, Load
from aios.records.model import MemoryPart, ModelProfile
from aios.records.transformers import KV_CACHE, KV_PRECISION, Holding, holding

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations

__all__ = ["price_language"]

_SPREAD = tuple("mean" if p is None else f"p{round(100 * p)}" for p in PROBABILITIES)
_TIMES = {kind: tuple(f"{kind}.{name}" for name in _SPREAD) for kind in ("latency.ttft", "latency.tpot", "latency")}
_PROCESS_BYTES = 2e9
"""DRAM that the process driving each accelerator takes, with the runtime's libraries and staging buffers."""
_BETWEEN = "what the machines of a replica send each other between their layers is counted as free"


class _Numbers(NamedTuple):
    """Arrays of ``Answering`` as nested lists: indexed by candidate first, then by end, then by mean and percentile.
    drawn: watts of one device at work, where anything was learnt of them · held: factors within which memory lies"""

    times: Mapping[str, list[list[list[float]]]]
    capacity: list[list[float]]
    batch: list[list[float]]
    utilisation: list[float]
    busy: list[float]
    overloaded: list[bool]
    unknown: list[str]
    drawn: tuple[Drawn | None, ...]
    told: Mapping[str, list[tuple[Source, str]]]
    held: list[list[float]] | None = None


class _Setup(NamedTuple):
    """What does not depend on the number of replicas. memory: bytes of one replica, basis: how they came about ·
    accuracy: estimates of accuracy, and by metric why there is none"""

    device: DeviceType
    demand: Demand
    memory: Interval
    basis: str
    residences: tuple[Residence, ...]
    site: Site
    accuracy: tuple[Mapping[str, Estimate], Mapping[str, str]]


def price_language(
    intent: Intent,
    candidates: Sequence[Candidate],
    profiles: Mapping[str, ModelProfile],
    fleet: Fleet,
    evidence: Evidence,
    library: Library,
) -> tuple[Priced, ...]:
    """Return the candidates, in their order, with what each is expected to do under the intent's load, which states
    tokens of prompt and output."""
    if not candidates or intent.load is None:
        return ()
    import numpy as np

    rows = observations_of(candidates, profiles, intent.load, "throughput")
    rate = intent.load.rate_per_s / np.array([float(item.replicas) for item in candidates])
    found = answering(rows, rate, fleet.types, evidence.calibrations)
    numbers = _numbers(found, _drawn(rows, found, fleet.types, evidence.calibrations))
    within = held_within(rows, fleet.types, evidence.calibrations.get(MEMORY))
    if within is not None:
        numbers = numbers._replace(held=within.T.tolist())
    makers = _Setups(intent, profiles, fleet, library)
    return tuple(_priced(intent, item, makers.of(item), numbers, place) for place, item in enumerate(candidates))


def _drawn(
    rows: Observations,
    found: Answering,
    types: Mapping[str, DeviceType],
    calibrations: Mapping[tuple[str, str], Calibration],
) -> tuple[Drawn | None, ...]:
    """Return what devices draw while they answer as many requests together as the load leads to."""
    import numpy as np

    places = rows.number("concurrency")
    together = np.where(found.overloaded, places, np.clip(found.batch[1], 1.0, places))
    served = served_by(rows, taught(calibrations))
    return drawn_by(with_concurrency(served, "power", together), types, calibrations.get(POWER))


def _numbers(found: Answering, drawn: tuple[Drawn | None, ...]) -> _Numbers:
    import numpy as np

    def by_candidate(array: Floats) -> list[list[list[float]]]:
        listed: list[list[list[float]]] = np.moveaxis(array, -1, 0).tolist()
        return listed

    corrections = found.corrections
    told = {"latency.ttft": corrections.first, "latency.tpot": corrections.each, "throughput": corrections.whole}
    return _Numbers(
        times={
            "latency.ttft": by_candidate(found.ttft),
            "latency.tpot": by_candidate(found.tpot),
            "latency": by_candidate(found.latency),
        },
        capacity=found.capacity.T.tolist(),
        batch=found.batch.T.tolist(),
        utilisation=found.utilisation.tolist(),
        busy=found.busy.tolist(),
        overloaded=found.overloaded.tolist(),
        unknown=[str(item) for item in found.unknown],
        drawn=drawn,
        told={name: _told(item) for name, item in told.items()},
    )


def _told(correction: Correction) -> list[tuple[Source, str]]:
    """Return the source of each number that a correction made, and how it came about."""
    known: dict[tuple[str, str], tuple[Source, str]] = {}
    for key in set(zip(correction.level.tolist(), correction.engine.tolist(), strict=True)):
        level, engine = key
        engine = f" of {engine.split()[0]}" if engine.split() else ""
        if level == "calibrated":
            known[key] = ("calibrated", f"physics, corrected by measurements{engine} on this device (calibrated)")
        elif level and not engine:
            known[key] = ("analytic", "physics, as far off as it is where other engines were measured (zero-shot)")
        elif level:
            known[key] = ("analytic", f"physics, corrected by measurements{engine} on other devices (zero-shot)")
        else:
            known[key] = ("analytic", "physics alone, trusted within a factor of 3: no calibration is at hand")
    return [known[key] for key in zip(correction.level.tolist(), correction.engine.tolist(), strict=True)]


class _Setups:
    """Makes set-ups, each once."""

    def __init__(
        self,
        intent: Intent,
        profiles: Mapping[str, ModelProfile],
        fleet: Fleet,
        library: Library,
    ) -> None:
        self._intent, self._profiles, self._fleet = intent, profiles, fleet
        self._library = library
        self._made: dict[tuple[object, ...], _Setup] = {}
        self._sites: dict[tuple[object, ...], Site] = {}
        self._accuracy: dict[tuple[object, ...], tuple[dict[str, Estimate], dict[str, str]]] = {}

    def of(self, candidate: Candidate) -> _Setup:
        """Return the set-up of a candidate."""
        made = (candidate.precision, candidate.quantization, *candidate.settings.items())
        kind = (candidate.model, candidate.device, candidate.executor, *made)
        place = (candidate.device, candidate.nodes)
        key = (*kind, candidate.nodes, candidate.batch, candidate.devices, candidate.machines)
        found = self._made.get(key)
        if found is None:
            profile, device = self._profiles[candidate.model], self._fleet.types[candidate.device]
            if kind not in self._accuracy:
                self._accuracy[kind] = accuracies(self._intent, candidate, profile, device, self._library)
            if place not in self._sites:
                self._sites[place] = site_of(candidate, device, self._fleet)
            found = _setup(self._intent, candidate, profile, device, self._sites[place], self._accuracy[kind])
            self._made[key] = found
        return found


def _setup(
    intent: Intent,
    candidate: Candidate,
    profile: ModelProfile,
    device: DeviceType,
    site: Site,
    accuracy: tuple[Mapping[str, Estimate], Mapping[str, str]],
) -> _Setup:
    load, model = intent.load, profile.transformer
    assert load is not None
    assert model is not None
    context = (load.prompt_tokens or 0) + (load.output_tokens or 0)
    kept = candidate.settings.get(KV_CACHE, KV_PRECISION)
    held = holding(model, candidate.precision, candidate.batch, context, candidate.devices, candidate.machines, kept)
    devices = candidate.devices * candidate.machines
    on_cpu = device.kind == "cpu"
    demand = Demand(
        share=1.0,
        cores=candidate.threads,
        device_memory_bytes=0.0 if on_cpu else held.total,
        node_memory_bytes=held.total if on_cpu else _PROCESS_BYTES * candidate.devices,
    )
    ends = Interval(held.total - held.margin, held.total - held.margin / 2, held.total).times(devices)
    in_kept = f" in {kept}" if kept != KV_PRECISION else ""
    basis = (
        f"on each of {devices} devices: weights {held.weights / 1e9:.3g} GB, keys and values of {candidate.batch} "
        f"sequences of {context} tokens{in_kept} {held.cache / 1e9:.3g} GB, "
        f"activations {held.activations / 1e9:.3g} GB, runtime {held.runtime / 1e9:.3g} GB, "
        "a margin that grows with them"
    )
    return _Setup(device, demand, ends, basis, _residences(held, device, devices), site, accuracy)


def _residences(held: Holding, device: DeviceType, devices: int) -> tuple[Residence, ...]:
    rate = device.memory_bandwidth_bytes_per_s
    kind = device.memory_kind or ("dram" if device.kind == "cpu" else None)
    parts: dict[MemoryPart, float] = {
        "weights": held.weights,
        "kv_cache": held.cache,
        "activations": held.activations,
    }
    return tuple(
        Residence(
            part=part,
            tier=kind or "own memory",
            kind=kind,
            bytes=size * devices,
            read_bytes_per_s=rate.value if rate else None,
            seconds=size / rate.value if rate else None,
            source=rate.source if rate else None,
        )
        for part, size in parts.items()
    )


def _priced(intent: Intent, candidate: Candidate, setup: _Setup, numbers: _Numbers, place: int) -> Priced:
    estimates: dict[str, Estimate] = {}
    unknown = {**setup.accuracy[1], **setup.site.unknown, **OF_JOBS}
    why = numbers.unknown[place]
    if why:
        unknown |= dict.fromkeys((*_all_times(), "throughput", "power", "energy", "carbon"), why)
    else:
        load = intent.load
        assert load is not None
        for found, lacking in (
            _times(load, candidate, numbers, place),
            _power(load, candidate, setup, numbers, place),
        ):
            estimates |= found
            unknown |= lacking
    memory, basis = setup.memory, setup.basis
    if numbers.held is not None:
        memory = _within(memory, numbers.held[place], setup.device, candidate.devices * candidate.machines)
        basis += "; as far off as where it was measured on other devices (zero-shot)"
    estimates["memory"] = estimate("memory", memory.times(candidate.replicas), "analytic", basis)
    if setup.site.price is not None:
        estimates["cost"] = setup.site.cost_of(candidate.replicas * candidate.devices * candidate.machines)
    estimates |= setup.accuracy[0]
    notes = () if candidate.machines < 2 else (_BETWEEN,)
    return priced_of(candidate, estimates, setup.demand, unknown, setup.residences, notes)


def _within(memory: Interval, factors: list[float], device: DeviceType, devices: int) -> Interval:
    """Return the counted memory within ``factors``, at most what the devices have."""
    there = device.memory_bytes.value * devices if device.memory_bytes else math.inf
    low, high = (memory.value * factor for factor in factors)
    return Interval(min(low, memory.low), memory.value, max(min(high, there), memory.high))


def _all_times() -> tuple[str, ...]:
    return tuple(name for names in _TIMES.values() for name in names)


def _times(load: Load, candidate: Candidate, numbers: _Numbers, place: int) -> Found:
    """Return throughput, and times unless the replicas cannot keep up."""
    low, value, high = (each * candidate.replicas for each in numbers.capacity[place])
    source, how = numbers.told["throughput"][place]
    plural = "s" if candidate.replicas > 1 else ""
    basis = f"{candidate.replicas} replica{plural} of up to {candidate.batch} sequences, always busy; {how}"
    estimates = {"throughput": estimate("throughput", Interval(low, value, high), source, basis)}
    if numbers.overloaded[place]:
        much = "as much as" if value > load.rate_per_s else "more than"
        reason = (
            f"{load.rate_per_s:.4g} requests/s are {much} {candidate.replicas} replica{plural} can sustain "
            f"({value:.4g}/s): the queue grows without end"
        )
        return estimates, dict.fromkeys(_all_times(), reason)
    state = f"{numbers.batch[place][1]:.3g} sequences together, {numbers.utilisation[place]:.0%} utilisation; "
    for kind, names in _TIMES.items():
        source, how = numbers.told["latency.tpot" if kind == "latency" else kind][place]
        best, middle, worst = numbers.times[kind][place]
        for name, *ends in zip(names, best, middle, worst, strict=True):
            estimates[name] = estimate(name, Interval(*ends), source, state + how)
    return estimates, {}


def _power(load: Load, candidate: Candidate, setup: _Setup, numbers: _Numbers, place: int) -> Found:
    """Return power of all devices, energy per request and carbon; a replica works while any request is there."""
    served = load.rate_per_s
    worked = Interval(1.0, 1.0, 1.0)
    if numbers.overloaded[place]:
        served = numbers.capacity[place][1] * candidate.replicas
    else:
        worked = Interval(*(1 - math.exp(-many) for many in numbers.batch[place]))
    rate = Interval(served, served, served)
    devices = candidate.replicas * candidate.devices * candidate.machines
    source = numbers.told["latency.tpot"][place][0]
    busy, drawn = numbers.busy[place], numbers.drawn[place]
    power = power_of(candidate, setup.device, devices, rate, worked, None, source, busy, drawn)
    if isinstance(power, Unknown):
        return {}, setup.site.without_power(power.reason)
    energy = Interval(*(watts / served for watts in power.watts))
    return setup.site.drawing(power, energy, "power / requests served"), {}
