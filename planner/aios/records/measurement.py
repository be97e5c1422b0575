"""What was measured, under which conditions, and what that says of a promise."""

from collections.abc import Collection, Mapping
from typing import Literal

from pydantic import Field

from aios.records.base import Record, digest_of
from aios.records.candidate import CALIBRATED, Candidate, content_of
from aios.records.intent import USUAL_CONFIDENCE
from aios.records.metrics import find_measure, whole_range
from aios.records.model import MemoryPart
from aios.records.plan import Deployment
from aios.records.sampling import Pairs, fewest_resampled, paired_difference, quantile_interval, wilson

__all__ = [
    "MADE_WITH",
    "PROBABILITIES",
    "RELATIVE",
    "Measured",
    "Measurement",
    "Scope",
    "Subject",
    "Verdict",
    "candidate_of",
    "subject_of",
]

PROBABILITIES: tuple[float, ...] = (*(i / 100 for i in range(100)), 0.995, 0.999, 1.0)
"""The grid on which a measured distribution is kept: its values are quantiles at these probabilities."""


RELATIVE = "relative"
"""The value of a ``service`` that says how much longer a call took than one of a reference network beside it: what
slows a machine down for a while slows both."""

MADE_WITH = "made with"
"""The condition of an accuracy that says how many of the items that were judged the model was calibrated with."""

Scope = Literal["processes", "package", "device", "machine"]
"""What is in the figure of a meter of energy: what processes cause, else all that such a thing draws, idle too."""


class Measured(Record):
    """One measured number.

    value, low, high: in ``unit`` (SI), a 90 % interval · n: samples · meter: what measured it · scope: of energy, what
    is in the figure; None for anything else · counts: of a share, items that are right and that are not; of a
    difference of two shares, how often both were right, only the first, only the second, neither
    """

    value: float
    low: float
    high: float
    unit: str
    n: int
    meter: str
    scope: Scope | None = Field(default=None, exclude_if=lambda scope: scope is None)
    counts: tuple[int, ...] = Field(default=(), exclude_if=lambda counts: not counts)


class Subject(Record):
    """What exactly was measured; equal subjects have comparable measurements.

    kind: ``service`` (the engine alone, calls back to back), ``serving`` (through the served endpoint, open loop),
    ``accuracy``, or ``artefact`` (an attempt to prepare the model that failed) · model, data, calibration: sha256
    digests · device: type name · engine: name and version · threads, batch, tiers: as in Candidate (1, 1 and none
    for the last two) · compression, settings: as in Candidate, settings in the order of their names,
    of files their content alone ·
    training: digest of the data that the compressed network may have learnt from
    """

    kind: Literal["service", "serving", "accuracy", "artefact"]
    model: str
    precision: str
    quantization: str
    calibration: str | None = None
    device: str
    executor: str
    engine: str
    threads: int = 1
    batch: int = 1
    power_mode: str | None = None
    tiers: Mapping[MemoryPart, str] = {}
    data: str | None = None
    compression: str = Field(default="none", exclude_if=lambda name: name == "none")
    settings: Mapping[str, str] = Field(default={}, exclude_if=lambda chosen: not chosen)
    training: str | None = Field(default=None, exclude_if=lambda digest: digest is None)

    @property
    def digest(self) -> str:
        """The name under which its measurement is stored."""
        return digest_of(self.model_dump(mode="json", exclude=None if self.tiers else {"tiers"}))

    @property
    def way(self) -> tuple[object, ...]:
        """What it computes in and how that was reached: equal where the model that is computed is the same."""
        return self.precision, self.quantization, self.compression, tuple(sorted(self.settings.items()))


class Measurement(Record):
    """A measurement in the profile store.

    values: name -> number. ``service`` (engine alone, calls back to back): ``time`` (per batch, s), ``throughput``
    (items/s), RELATIVE (per batch, in calls of a reference network on as many threads, by turns with it),
    ``memory`` (peak of one replica, B), ``cpu_time`` (per item, s), ``energy`` (per item, J) where a meter can.
    ``serving`` (one replica behind its endpoint, Poisson load well below capacity): ``latency.p50``..., ``capacity``
    (requests/s at
    saturation), ``cpu_time`` (of all processes of the service, per request, s), ``energy`` (per request, J).
    ``accuracy``: ``accuracy.<measure>``, with a distribution of what it would be for items drawn anew where it is a
    mean. ``artefact``: none; ``failed`` of its conditions says why ·
    distributions: name -> quantiles at PROBABILITIES (s). ``service``: ``time``. ``serving``: ``compute`` (in the
    worker, as served) and
    ``overhead`` (latency minus queueing minus compute), ``lone`` (latency minus queueing: what slows a machine down for
    a moment slows both parts, so their sum is kept too) ·
    conditions: rate, duration, load average, steal, temperature... in words and units
    """

    subject: Subject
    values: Mapping[str, Measured]
    distributions: Mapping[str, tuple[float, ...]] = {}
    conditions: Mapping[str, str] = {}
    as_of: str

    def interval(self, name: str, confidence: float) -> tuple[float, float]:
        """Return the interval of a value at another confidence than 90 %, where what is kept of it says so."""
        value = self.values[name]
        if confidence == USUAL_CONFIDENCE:
            return value.low, value.high
        if len(value.counts) == 2:
            return wilson(value.counts[0], value.n, confidence)
        if len(value.counts) == 4:
            return paired_difference(Pairs(*value.counts), confidence)
        if name in self.distributions and value.n < fewest_resampled(confidence):
            return whole_range(name)
        if name in self.distributions:
            return quantile_interval(self.distributions[name], PROBABILITIES, confidence)
        return value.low, value.high

    def lacks(self, names: Collection[str]) -> bool:
        """Say whether it was made before one of these measures of accuracy was asked for."""
        return any(find_measure(name) is not None and name not in self.values for name in names)


class Verdict(Record):
    """What a measurement says of a claim.

    predicted, low, high: SI · measured: None when unmeasured · verdict: ``noted`` for a prediction that nobody required
    """

    address: str
    metric: str
    clause: str | None
    bound: float | None
    predicted: float | None
    low: float | None
    high: float | None
    measured: Measured | None
    verdict: Literal["held", "broken", "unmeasured", "noted"]
    reason: str


def candidate_of(subject: Subject, model: str, intent: str = "") -> Candidate:
    """Return the candidate that would be measured as ``subject``, on no node. model, intent: their names"""
    return Candidate(
        id="",
        intent=intent,
        model=model,
        model_digest=subject.model,
        device=subject.device,
        nodes=(),
        executor=subject.executor,
        precision=subject.precision,
        quantization=subject.quantization,
        batch=subject.batch,
        threads=subject.threads,
        power_mode=subject.power_mode,
        compression=subject.compression,
        settings=subject.settings,
        tiers=subject.tiers,
    )


def subject_of(
    kind: Literal["service", "serving", "accuracy", "artefact"],
    candidate: Candidate | Deployment,
    *,
    engine: str,
    calibration: str | None = None,
    data: str | None = None,
    training: str | None = None,
) -> Subject:
    """Return the subject under which a measurement of ``candidate`` is kept.

    Only what influences the figure is in it: accuracy does not depend on threads or batch; replicas are never part
    of it,
    because one replica is measured; calibration data matters to what reads ranges from it alone.
    """
    made = kind in ("accuracy", "artefact")
    return Subject(
        kind=kind,
        model=candidate.model_digest,
        precision=candidate.precision,
        quantization=candidate.quantization,
        calibration=calibration if candidate.quantization in CALIBRATED else None,
        device=candidate.device,
        executor=candidate.executor,
        engine=engine,
        threads=1 if made else candidate.threads,
        batch=1 if made else candidate.batch,
        power_mode=None if made else candidate.power_mode,
        tiers={} if made else candidate.tiers,
        data=data if kind == "accuracy" else None,
        compression=candidate.compression,
        settings={name: content_of(value) for name, value in sorted(candidate.settings.items())},
        training=training if candidate.compression != "none" else None,
    )
