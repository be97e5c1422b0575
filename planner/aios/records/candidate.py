"""One way in which an intent could run, what it is expected to do, and why others were left out."""

from collections.abc import Mapping
from typing import Literal, Protocol

from pydantic import Field

from aios.records.base import Record, Source
from aios.records.fleet import MemoryKind
from aios.records.model import MemoryPart
from aios.records.protection import ProtectionName

__all__ = [
    "CALIBRATED",
    "DISTURBED",
    "Candidate",
    "Demand",
    "Estimate",
    "Period",
    "Priced",
    "Quantization",
    "Rejection",
    "Residence",
    "content_of",
    "label_of",
    "with_content",
]

Quantization = Literal["none", "dynamic", "static", "mixed", "weight-only"]

CALIBRATED = frozenset({"static", "mixed"})
"""Ways to quantise that read ranges of activations from calibration data."""


class Candidate(Record):
    """One way to run an intent; everything but the node it is placed on.

    id: readable and unique in a plan, ``intent/model/device/PRECISION/b1/t2/r1[/mode]``, the precision as
    ``int8[-quantization][+compression][+name=value]`` (``device@executor`` where more than one executor takes part) ·
    device: type name ·
    nodes: names of the fleet's nodes that hold such a device and may be used · precision: that it computes in ·
    quantization: how int8 is reached from a float model (``none`` if the file is used as it is) ·
    batch: largest batch that a replica forms · threads: CPU threads per replica (0 on devices that are no cpu) ·
    replicas: copies that share the load · power_mode: None for the device's only or full mode ·
    tiers: part -> memory tier that it lives in; what is not named lives in the device's own memory ·
    devices: that a replica takes on a machine, next to each other and all of each where they are several · machines:
    that a replica spans · degrees: dimension (``tensor``, ``pipeline``, ``data``, ``expert``, ``context``) -> over how
    many devices; their product is devices x machines, but for ``expert``, which lies across ``data`` and ``context`` ·
    settings: further decisions by name, ``micro_batch``, ``chunks`` (virtual pipeline stages), ``recompute``,
    ``sharding``; and those parameters of its transforms (``records.transform``) that are not their defaults ·
    compression: name of the transform that changes its network before (``prune``, ``distill``), or ``none`` ·
    protection: what is kept of its files, as the intent requires
    """

    id: str
    intent: str
    model: str
    model_digest: str
    device: str
    nodes: tuple[str, ...]
    executor: str
    precision: str
    quantization: Quantization = "none"
    compression: str = "none"
    batch: int = 1
    threads: int = 0
    replicas: int = 1
    parallelism: str = "none"
    power_mode: str | None = None
    tiers: Mapping[MemoryPart, str] = {}
    devices: int = 1
    machines: int = 1
    degrees: Mapping[str, int] = {}
    settings: Mapping[str, str] = {}
    protection: tuple[ProtectionName, ...] = Field(default=(), exclude_if=lambda names: not names)

    @property
    def way(self) -> tuple[object, ...]:
        """What it computes in and how that was reached; see ``aios.records.measurement.Subject.way``."""
        settings = sorted((name, content_of(value)) for name, value in self.settings.items())
        return self.precision, self.quantization, self.compression, tuple(settings)

    @property
    def rank(self) -> tuple[int, str]:
        """What equally good candidates are ordered by, the best one first: how much is no default, then ids."""
        chosen = sum(name not in _OF_TRAINING for name in self.settings)
        return chosen + (self.compression != "none"), self.id

    @property
    def parts(self) -> int:
        """How many parts are placed: one for each machine of each replica."""
        return self.replicas * self.machines


class Computed(Protocol):
    """Anything that says what it computes in, and how that was reached; fields as in Candidate."""

    @property
    def precision(self) -> str: ...

    @property
    def quantization(self) -> str: ...

    @property
    def compression(self) -> str: ...

    @property
    def settings(self) -> Mapping[str, str]: ...


_OF_TRAINING = frozenset({"micro_batch", "chunks", "recompute", "sharding"})
"""Settings that say how a step of training is split, and nothing of what the model is."""


_CONTENT = "#sha256:"
_DIGITS = 16
"""Digits of a digest that tell files apart: of ten million files, two share them with a chance of one in 400,000."""


def with_content(path: str, sha256: str) -> str:
    """Return a setting that names a file, with the digest of what the file holds, in hexadecimal digits."""
    return f"{path}{_CONTENT}{sha256[:_DIGITS]}"


def content_of(setting: str) -> str:
    """Return what the value of a setting comes to, whatever it is called: of a file with its digest, that alone."""
    return setting.rpartition("#")[2] if _CONTENT in setting else setting


def label_of(item: Computed, between: str = "-") -> str:
    """Return what it computes in and how that was reached: ``int8-static+prune+keep=0.5``. between: the first two"""
    quantized = "" if item.quantization == "none" else f"{between}{item.quantization}"
    compressed = "" if item.compression == "none" else f"+{item.compression}"
    chosen = (f"+{name}={content_of(value)}" for name, value in item.settings.items() if name not in _OF_TRAINING)
    return f"{item.precision}{quantized}{compressed}{''.join(chosen)}"


class Rejection(Record):
    """A family of candidates that was left out.

    what: the family, ``digits-l int8-static`` · clause: the rule (``quantization needs calibration data``) ·
    reason: the fact behind it, with the figure · by: room or plugin that said so · resolvable: what would lift it,
    if anything
    """

    what: str
    clause: str
    reason: str
    by: str
    resolvable: str | None = None


DISTURBED = "; not at rest while it was measured: "
"""Stands in the basis of an estimate before what disturbed the measurement that it rests on."""


class Estimate(Record):
    """A predicted number.

    value, low, high: in ``unit`` (SI), a 90 % interval; of an accuracy that was measured, at the intent's confidence ·
    basis: how it came about, in words · items: that it was measured on, of an accuracy
    """

    metric: str
    value: float
    low: float
    high: float
    unit: str
    source: Source
    basis: str
    items: int | None = Field(default=None, exclude_if=lambda items: items is None)

    @property
    def disturbed(self) -> str | None:
        """What disturbed the measurement that it rests on, in words; None where nothing did."""
        return self.basis.partition(DISTURBED)[2].partition("; overloaded")[0] or None


class Demand(Record):
    """What one replica takes, or, if it spans several machines, one machine's part of it.

    share: of each of its devices (for a cpu, threads / cores) · cores: CPU cores of the node · device_memory_bytes: on
    each accelerator · node_memory_bytes: DRAM of the node · tier_bytes: memory tier of the node -> bytes
    """

    share: float
    cores: int
    device_memory_bytes: float
    node_memory_bytes: float
    tier_bytes: Mapping[str, float] = {}


class Residence(Record):
    """Where a part of a model lives, for one replica.

    tier: name of the memory · kind: what kind of memory it is, None if nobody says · bytes: that live there ·
    read_bytes_per_s: at which the device reads them, None if unknown · seconds: that reading them once takes ·
    source: of that rate
    """

    part: MemoryPart
    tier: str
    kind: MemoryKind | None = None
    bytes: float
    read_bytes_per_s: float | None = None
    seconds: float | None = None
    source: Source | None = None


class Period(Record):
    """The hours of a day in which requests come at one rate, and what serves them.

    hours: of the day, 0 the first after midnight UTC · replicas: that run then, of all that the candidate has ·
    estimates: of these hours alone
    """

    hours: tuple[int, ...]
    rate_per_s: float
    replicas: int
    estimates: Mapping[str, Estimate]


class Priced(Record):
    """A candidate with what it is expected to do. A metric that cannot be predicted is absent; ``unknown`` says why.

    unknown: metric -> why there is no estimate and what would give one · residences: where its parts live · notes: what
    its estimates leave out or assume that its reader would not expect, in words · periods: of a load that changes over
    the day, by rate, the lowest first; its estimates are then of the whole day · pieces: of a load that is split, that
    it serves
    """

    candidate: Candidate
    estimates: Mapping[str, Estimate]
    demand: Demand
    unknown: Mapping[str, str] = {}
    residences: tuple[Residence, ...] = ()
    notes: tuple[str, ...] = ()
    periods: tuple[Period, ...] = Field(default=(), exclude_if=lambda periods: not periods)
    pieces: int = Field(default=0, exclude_if=lambda pieces: not pieces)

    def drawn_by_part(self) -> float | None:
        """Return what one part draws in watts, an equal share of the whole; of a load that changes over the day, at the
        rate at which that is most. None where nobody knows."""
        parts = [(period.estimates, period.replicas * self.candidate.machines) for period in self.periods]
        told = [(own.get("power"), count) for own, count in parts or [(self.estimates, self.candidate.parts)]]
        known = [power.value / count for power, count in told if power is not None]
        return max(known) if len(known) == len(told) else None

    def overloaded_by(self, rate_per_s: float) -> bool:
        """Say whether a load is more than it is expected to sustain, so that its latencies have no end."""
        throughput = self.estimates.get("throughput")
        return throughput is not None and throughput.value <= rate_per_s
