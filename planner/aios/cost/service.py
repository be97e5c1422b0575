"""What one replica does with one request: time it is occupied, latency of a lone request, and where that is known from.

Measured values of exactly this candidate come first. Where only another configuration of the same model, device and
executor was measured, the roofline is scaled by measured / predicted of the nearest one (``calibrated``). Otherwise a
calibration of the device says what was learnt of it from other models (``calibrated``), and without one the roofline
stands alone (``analytic``). Whichever it is, what was not measured is kept in order: a batch takes no longer than its
halves one after the other, and less precision no longer than more. What serving adds (network, parsing, dispatch) is
measured, borrowed from a sister configuration, or assumed to be 0.2 to 1.5 ms per request: a stated assumption, not a
measurement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from aios.cost.borrowing import borrowed_energy, borrowed_memory
from aios.cost.correcting.knowing import corrected_call
from aios.cost.distribution import JITTER, Quantiles, mean_of, scaled, scv_of, sum_of
from aios.cost.effects import change_of, signature
from aios.cost.evidence import Library
from aios.cost.interval import Interval, Unknown, interval_of
from aios.cost.measured import (
    ASSUMED_OCCUPANCY,
    ASSUMED_OVERHEAD,
    added_by,
    distance,
    either,
    meter,
    occupancy,
    relative_ends,
)
from aios.cost.network_time import LearntTime, NetworkTimes
from aios.cost.ordering import narrower, no_less, no_more, wider
from aios.cost.queueing import Replica, Tail
from aios.cost.roofline import basis_of, worked
from aios.cost.spent import Spent
from aios.cost.tiers import TierRate
from aios.records.base import Source
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceType
from aios.records.measurement import Measured, Measurement
from aios.records.model import MemoryPart, ModelProfile

__all__ = ["Service", "Workbench"]

SAME_PRECISION, OTHER_PRECISION = 0.25, 0.5
"""Relative error of a roofline scaled by a measurement of the same model and device: other threads or batch only, or
another precision too."""


Tiers: TypeAlias = Mapping[MemoryPart, TierRate]
"""Part of a model -> rate at which the device reads what does not live in its own memory."""

_JITTER_SCV = scv_of(JITTER)


class Service(NamedTuple):
    """One replica of a candidate.

    replicas: how long it is occupied, at the low, expected and high end · mean_s, tail: latency of a lone request ·
    relative: both ends of that, relative to its value · energy_j: per request, None if nothing like it was metered ·
    memory_bytes: of one replica, None if not measured · busy: how near its rating a device comes while it works,
    None if nobody knows what it does · learnt: whether the time of a full call is what calibrations say
    """

    replicas: tuple[Replica, Replica, Replica]
    mean_s: float
    tail: Tail
    relative: tuple[float, float]
    source: Source
    basis: str
    energy_j: Measured | None
    memory_bytes: Measured | None
    busy: float | None
    learnt: bool = False


class _Compute(NamedTuple):
    """Time of a call of some batch size. shape: quantiles relative to the mean · learnt: as of ``Service`` · own:
    whether the device was measured in this very precision · correction: digest of the one that it is from"""

    time: Interval
    shape: Quantiles
    source: Source
    basis: str
    learnt: bool = False
    own: bool = False
    correction: str | None = None


class Workbench:
    """Works out services; equal parts of candidates are worked out once."""

    def __init__(self, library: Library, learnt: NetworkTimes) -> None:
        self._library, self._learnt_times = library, learnt
        self._sums: dict[tuple[int, int], tuple[Quantiles, Quantiles, Quantiles]] = {}
        self._shapes: dict[tuple[int, int], tuple[Quantiles, Quantiles]] = {}
        self._assumed = scaled(JITTER, ASSUMED_OVERHEAD.value)
        self._rooflines: dict[tuple[object, ...], tuple[Interval, Spent | None] | Unknown] = {}
        self._times: dict[tuple[object, ...], LearntTime | None] = {}
        self._computed: dict[tuple[object, ...], _Compute | Unknown] = {}
        self._ordered: dict[tuple[object, ...], _Compute | Unknown] = {}

    def service_of(
        self, candidate: Candidate, profile: ModelProfile, device: DeviceType, tiers: Tiers
    ) -> Service | Unknown:
        """Return what a replica of ``candidate`` does, or why that is unknown. tiers: as of ``roofline``."""
        lib = self._library
        measured, serving = lib.find("service", candidate), lib.find("serving", candidate)
        full = self._compute(candidate, profile, device, tiers, candidate.batch)
        single = self._compute(candidate, profile, device, tiers, 1) if candidate.batch > 1 else full
        if isinstance(full, Unknown):
            return full
        if isinstance(single, Unknown):
            return single
        overhead, added, overhead_basis = self._overhead(candidate, full, serving)
        shapes = serving.distributions if serving is not None else {}
        served = shapes.get("compute")
        base = shapes.get("lone") or (self._sum(served, overhead) if served else self._spread(single, overhead))
        source, basis = _trust(full, single, serving, overhead_basis)
        occupied = full.time.plus(added.times(candidate.batch))
        if serving is not None and "capacity" in serving.values:
            capacity = interval_of(serving.values["capacity"])
            occupied = Interval(*(candidate.batch / rate for rate in reversed(capacity)))
        alone = occupied if candidate.batch == 1 else single.time.plus(added)
        scv = scv_of(served or single.shape) if (served or single.shape) is not JITTER else _JITTER_SCV
        low, value, high = (
            Replica(one, max(one, all_), candidate.batch, scv) for one, all_ in zip(alone, occupied, strict=True)
        )
        return Service(
            replicas=(low, value, high),
            mean_s=mean_of(base),
            tail=Tail(base),
            relative=relative_ends(single.time, None if overhead is self._assumed else overhead, serving),
            source=source,
            basis=basis,
            energy_j=either("energy", serving, measured) or self._borrowed(candidate, device, full.time),
            memory_bytes=either("memory", serving) or borrowed_memory(candidate, lib) or either("memory", measured),
            busy=self._busy(candidate, profile, device, tiers),
            learnt=full.learnt,
        )

    def _borrowed(self, candidate: Candidate, device: DeviceType, time: Interval) -> Measured | None:
        return borrowed_energy(candidate, time, self._library) if device.kind == "cpu" else None

    def _busy(self, candidate: Candidate, profile: ModelProfile, device: DeviceType, tiers: Tiers) -> float | None:
        """Return the intensity of a full call, the same for all that differ in caps or modes alone."""
        plain = candidate.model_copy(update={"power_mode": None}) if candidate.power_mode else candidate
        plain = change_of(plain, profile, self._library.transforms).base
        found = self._worked(plain, profile, device, tiers, candidate.batch)
        return None if isinstance(found, Unknown) or found[1] is None else found[1].intensity

    def _compute(
        self, candidate: Candidate, profile: ModelProfile, device: DeviceType, tiers: Tiers, batch: int
    ) -> _Compute | Unknown:
        """Return the time of a call; of a network that a transform changed, unless that was measured, the time without
        it by the factor that is declared, or that was measured of a sister."""
        change = change_of(candidate, profile, self._library.transforms)
        if change.base is candidate:
            return self._plain(candidate, profile, device, tiers, batch)
        measured = self._measured(candidate, batch)
        if measured is not None:
            return measured
        plain = self._plain(change.base, profile, device, tiers, batch)
        if isinstance(plain, Unknown):
            return plain
        predicted = self._roofline(change.base, profile, device, tiers, batch)
        if not isinstance(predicted, Unknown):
            kin = self._calibrated(candidate, profile, device, tiers, batch, predicted)
            if kin is not None:
                return kin
        time = plain.time
        if change.narrow is not None:
            least = self._plain(change.narrow, profile, device, tiers, batch)
            if not isinstance(least, Unknown) and least.time.value < time.value:
                value = least.time.value + change.wide * (time.value - least.time.value)
                time = Interval(least.time.low, value, max(time.high, least.time.high))
        low, value, high = (seconds * factor for seconds, factor in zip(time, change.time, strict=True))
        basis = f"{plain.basis}; {change.basis}"
        source: Source = "assumed" if change.basis else plain.source
        return _Compute(Interval(low, value, high), JITTER, source, basis, learnt=plain.learnt)

    def _plain(
        self, candidate: Candidate, profile: ModelProfile, device: DeviceType, tiers: Tiers, batch: int
    ) -> _Compute | Unknown:
        """Return the time of a call of what no transform changed but in precision, in order with others: an engine may
        always split a batch, and less precision takes no longer. What was measured stands as it is; of precisions that
        were not measured the narrower follows, unless it alone was."""
        key = (_key(candidate, tiers), batch)
        if key not in self._ordered:
            self._ordered[key] = self._in_order(candidate, profile, device, tiers, batch)
        return self._ordered[key]

    def _in_order(
        self, candidate: Candidate, profile: ModelProfile, device: DeviceType, tiers: Tiers, batch: int
    ) -> _Compute | Unknown:
        found = self._unordered(candidate, profile, device, tiers, batch)
        if isinstance(found, Unknown) or found.source == "measured":
            return found
        time, basis = found.time, found.basis
        if not found.own:
            for other in narrower(profile, device, candidate):
                if not self._may_be_own(other, profile, device):
                    continue
                its = self._unordered(other, profile, device, tiers, batch)
                if not isinstance(its, Unknown) and its.own and its.time.value > time.value:
                    time, basis = no_less(time, its.time.value), f"{basis}; no faster than {other.precision}"
            for other in wider(profile, device, candidate):
                its = self._compute(other, profile, device, tiers, batch)
                if not isinstance(its, Unknown) and its.time.value < time.value:
                    time, basis = no_more(time, its.time), f"{basis}; no slower than {other.precision}"
        half = self._compute(candidate, profile, device, tiers, batch // 2) if batch % 2 == 0 else None
        if half is not None and not isinstance(half, Unknown):
            if 2 * half.time.value < time.value:
                basis = f"{half.basis}, twice for a batch of {batch}"
            time = no_more(time, half.time.times(2))
        return found._replace(time=time, basis=basis)

    def _may_be_own(self, candidate: Candidate, profile: ModelProfile, device: DeviceType) -> bool:
        """Say whether the device can have been measured in this very precision."""
        return bool(self._library.kin("service", candidate)) or self._learnt_times.knows(candidate, profile, device)

    def _unordered(
        self, candidate: Candidate, profile: ModelProfile, device: DeviceType, tiers: Tiers, batch: int
    ) -> _Compute | Unknown:
        key = (_key(candidate, tiers), batch)
        if key not in self._computed:
            self._computed[key] = self._known(candidate, profile, device, tiers, batch)
        return self._computed[key]

    def _measured(self, candidate: Candidate, batch: int) -> _Compute | None:
        found = self._library.find("service", candidate, batch)
        if found is None or "time" not in found.values:
            return None
        time = interval_of(found.values["time"])
        shape = found.distributions.get("time")
        relative = scaled(shape, 1 / mean_of(shape)) if shape and mean_of(shape) > 0 else JITTER
        basis = f"time of batch {batch} measured with {meter(found, 'time')}"
        return _Compute(time, relative, "measured", basis, own=True)

    def _known(
        self, candidate: Candidate, profile: ModelProfile, device: DeviceType, tiers: Tiers, batch: int
    ) -> _Compute | Unknown:
        found = self._measured(candidate, batch) or self._corrected(candidate, profile, device, tiers, batch)
        if found is not None:
            return found
        predicted = self._roofline(candidate, profile, device, tiers, batch)
        if not isinstance(predicted, Unknown):
            scaled_one = self._calibrated(candidate, profile, device, tiers, batch, predicted)
            if scaled_one is not None:
                return scaled_one
        learnt = self._learnt(candidate, profile, device, tiers, batch)
        if learnt is not None:
            return _Compute(learnt.time, JITTER, learnt.source, learnt.basis, learnt=True, own=learnt.own)
        if isinstance(predicted, Unknown):
            return predicted
        return _Compute(predicted, JITTER, "analytic", basis_of(profile, device, candidate, tiers))

    def _corrected(
        self, candidate: Candidate, profile: ModelProfile, device: DeviceType, tiers: Tiers, batch: int
    ) -> _Compute | None:
        """Return what times that were measured on this machine teach, where that was found to be better."""
        if tiers or candidate.power_mode or self._library.correction(candidate) is None:
            return None

        def roofline_s(other: Candidate, items: int) -> float | None:
            time = self._roofline(other, profile, device, {}, items)
            return None if isinstance(time, Unknown) else time.value

        found = corrected_call(self._library, candidate, profile, batch, roofline_s)
        return found and _Compute(found.time, JITTER, "calibrated", found.basis, own=found.own, correction=found.name)

    def call_of(self, candidate: Candidate, profile: ModelProfile, device: DeviceType) -> _Compute | Unknown:
        """Return the time of a call of the candidate's batch, out of the device's own memory."""
        return self._compute(candidate, profile, device, {}, candidate.batch)

    def _learnt(
        self, candidate: Candidate, profile: ModelProfile, device: DeviceType, tiers: Tiers, batch: int
    ) -> LearntTime | None:
        """Return what calibrations say; candidates that differ in what they do not depend on share it."""
        key = (candidate.model, device.name, candidate.executor, candidate.precision, candidate.quantization,
               candidate.threads, batch, candidate.power_mode, tuple(tiers.items()))  # fmt: skip
        if key not in self._times:
            self._times[key] = self._learnt_times.of(candidate, profile, device, batch, tiers)
        return self._times[key]

    def _roofline(
        self, candidate: Candidate, profile: ModelProfile, device: DeviceType, tiers: Tiers, batch: int
    ) -> Interval | Unknown:
        found = self._worked(candidate, profile, device, tiers, batch)
        return found if isinstance(found, Unknown) else found[0]

    def _worked(
        self, candidate: Candidate, profile: ModelProfile, device: DeviceType, tiers: Tiers, batch: int
    ) -> tuple[Interval, Spent | None] | Unknown:
        key = (candidate.model, device.name, candidate.precision, candidate.quantization, candidate.threads, batch,
               candidate.power_mode, tuple(tiers.items()), candidate.replicas if tiers else 0)  # fmt: skip
        if key not in self._rooflines:
            self._rooflines[key] = worked(profile, device, candidate, batch, tiers)
        return self._rooflines[key]

    def _calibrated(
        self,
        candidate: Candidate,
        profile: ModelProfile,
        device: DeviceType,
        tiers: Tiers,
        batch: int,
        predicted: Interval,
    ) -> _Compute | None:
        """Return the roofline scaled by measured / predicted of the nearest measured sister, or None without one."""
        alike = signature(candidate, self._library.transforms)
        kin = [
            item
            for item in self._library.kin("service", candidate)
            if "time" in item.values and signature(item.subject, self._library.transforms) == alike
        ]
        if not kin:
            return None
        nearest = min(kin, key=lambda item: distance(item, candidate, batch))
        subject = nearest.subject
        sister = candidate.model_copy(
            update={
                "precision": subject.precision,
                "quantization": subject.quantization,
                "compression": subject.compression,
                "settings": subject.settings,
                "threads": subject.threads,
                "power_mode": subject.power_mode,
                "tiers": subject.tiers,
            }
        )
        its_tiers = {part: tiers[part] for part, name in subject.tiers.items() if candidate.tiers.get(part) == name}
        if len(its_tiers) < len(subject.tiers):  # measured out of a memory whose rate nobody stated here
            return None
        sister = change_of(sister, profile, self._library.transforms).base
        reference = self._roofline(sister, profile, device, its_tiers, subject.batch)
        if isinstance(reference, Unknown) or reference.value <= 0:
            return None
        value = predicted.value * nearest.values["time"].value / reference.value
        same = (subject.precision, subject.quantization) == (candidate.precision, candidate.quantization)
        error = SAME_PRECISION if same else OTHER_PRECISION
        basis = (
            f"roofline scaled by the measurement of {subject.precision} with {subject.threads} threads and batch "
            f"{subject.batch}"
        )
        time = Interval(value / (1 + error), value, value * (1 + error))
        return _Compute(time, JITTER, "calibrated", basis, own=same)

    def _overhead(
        self, candidate: Candidate, full: _Compute, serving: Measurement | None
    ) -> tuple[Quantiles, Interval, str]:
        """Return the latency that serving adds, the occupancy that it adds per request, and where both are from."""
        if serving is not None and "overhead" in serving.distributions:
            return serving.distributions["overhead"], occupancy(serving, full.time), "serving measured"
        kin = [item for item in self._library.kin("serving", candidate) if "overhead" in item.distributions]
        if kin:
            nearest = min(kin, key=lambda item: distance(item, candidate, candidate.batch))
            added = added_by(nearest, self._library.kin("service", candidate))
            return nearest.distributions["overhead"], added, "serving overhead taken from a sister configuration"
        low, _, high = ASSUMED_OVERHEAD.times(1e3)
        return self._assumed, ASSUMED_OCCUPANCY, f"serving overhead assumed, {low:.2g} to {high:.2g} ms"

    def _spread(self, single: _Compute, overhead: Quantiles) -> Quantiles:
        """Return the latency of a lone request from the compute time of its own distribution.

        Where only the assumed spread is known, sums are shared between times within 1 % of each other and scaled.
        """
        mean_s, added_s = single.time.value, mean_of(overhead)
        if single.shape is not JITTER or added_s <= 0 or mean_s <= 0:
            return self._sum(scaled(single.shape, mean_s), overhead)
        step = round(50 * math.log(mean_s / added_s))
        key = (step, id(overhead))
        if key not in self._shapes:
            shape = sum_of(scaled(JITTER, math.exp(step / 50) * added_s), overhead)
            self._shapes[key] = (scaled(shape, 1 / mean_of(shape)), overhead)
        return scaled(self._shapes[key][0], mean_s + added_s)

    def _sum(self, compute: Quantiles, overhead: Quantiles) -> Quantiles:
        key = (id(compute), id(overhead))
        if key not in self._sums:
            # The operands are kept beside the sum, so that their ids stay theirs.
            self._sums[key] = (sum_of(compute, overhead), compute, overhead)
        return self._sums[key][0]


def _key(candidate: Candidate, tiers: Tiers) -> tuple[object, ...]:
    """Return what the time of a candidate's calls depends on, but for their size."""
    return (candidate.model, candidate.device, candidate.executor, candidate.way,
            candidate.threads, candidate.power_mode, *tiers.items(), candidate.replicas if tiers else 0)  # fmt: skip


def _trust(full: _Compute, single: _Compute, serving: Measurement | None, overhead: str) -> tuple[Source, str]:
    """Return the weakest source of the parts, and all of them in words."""
    parts: Sequence[Source] = (full.source, single.source, "measured" if serving is not None else "calibrated")
    source = max(parts, key=("measured", "calibrated", "analytic", "assumed").index)
    basis = full.basis if full.basis == single.basis else f"{full.basis}, batch 1: {single.basis}"
    return source, f"{basis}; {overhead}"
