"""How device types are written: the pydantic models of their files, from which the schemas are made.

A fact is written as a bare quantity (``tdp: 70 W``; then the ``provenance`` of its device type holds, or its source is
``declared``) or with its own (``tdp: {value: 70 W, trust: datasheet, ref: ..., as_of: 2018-09}``).
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from aios.records.base import Source
from aios.records.errors import BadValue
from aios.records.fleet import DeviceKind, MemoryKind, Powered, Trust
from aios.records.quantity import Bandwidth, Bytes, Compute, CostRate, Fraction, Frequency, Power, Price, Time

__all__ = [
    "MOST",
    "BandwidthFact",
    "BytesFact",
    "Called",
    "CostFact",
    "DeviceForm",
    "MatchForm",
    "Name",
    "Positive",
    "PowerModeForm",
    "Precision",
    "Sourced",
    "TierForm",
    "TimeFact",
    "Written",
]

Precision = Literal["fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "fp4", "int32", "int16", "int8", "int4"]
"""What a peak rate may be given for. Dense rates: figures that count on structured sparsity are not peaks here."""

_NAME = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$"
_DATE = r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$"


def _name(text: str) -> str:
    if not re.match(_NAME, text) or text.endswith("\n"):
        letters = "letters, digits, `.`, `_` and `-`, a letter or digit first and last, 128 of them at most"
        raise BadValue(f"{text[:60]!r} is no name", f"write {letters}")
    return text


def _called(text: str) -> str:
    """Return what people may call a device type; names that none has are told later, with those that were meant."""
    if not text.isprintable() or not 0 < len(text.strip()) == len(text) <= 128:
        raise BadValue(f"{text[:60]!r} is no name of a device type", "write a name of `aios hardware list`")
    return text


def _date(text: str) -> str:
    if not re.match(_DATE, text) or text.endswith("\n"):
        raise BadValue(f"{text[:60]!r} is no date", 'write "2024", "2024-03" or "2024-03-31"')
    return text


Name = Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": _NAME})]
Called = Annotated[str, AfterValidator(_called), Field(json_schema_extra={"pattern": _NAME})]
Date = Annotated[str, AfterValidator(_date), Field(json_schema_extra={"pattern": _DATE})]
MOST = 10**6
"""Most of anything that is counted: cores, links, machines that are equal."""
Positive = Annotated[int, Field(strict=True, ge=1, le=MOST)]


class Written(BaseModel):
    """What people write: unknown fields are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Provenance(Written):
    """Where facts come from.

    trust: who states a published fact · source: what kind of number it is; follows from ``trust`` where that is given ·
    ref: where it was read · as_of: the date of that reference
    """

    trust: Trust | None = None
    source: Source | None = None
    ref: str | None = None
    as_of: Date | None = None


class Sourced(Provenance):
    """A fact with its provenance; what is left out of it is as the device type's own ``provenance`` says."""


class PowerFact(Sourced):
    """A power with its provenance."""

    value: Power


class BytesFact(Sourced):
    """A size with its provenance."""

    value: Bytes


class BandwidthFact(Sourced):
    """A bandwidth with its provenance."""

    value: Bandwidth


class ComputeFact(Sourced):
    """A rate of operations with its provenance."""

    value: Compute


class FrequencyFact(Sourced):
    """A frequency with its provenance."""

    value: Frequency


class TimeFact(Sourced):
    """A time with its provenance."""

    value: Time


class FractionFact(Sourced):
    """A share with its provenance."""

    value: Fraction


class CostFact(Sourced):
    """A rent with its provenance."""

    value: CostRate


class PriceFact(Sourced):
    """A price with its provenance."""

    value: Price


class PowerModeForm(Written):
    """A setting that trades speed for power. peak_scale: peak rate relative to the full mode."""

    name: Name
    cap: Power | PowerFact
    peak_scale: Fraction | FractionFact | None = None


class TierForm(Written):
    """Memory that data may live in. name: its kind where it is left out · read, write: sequential bandwidth."""

    kind: MemoryKind
    name: Name | None = None
    capacity: Bytes | BytesFact
    read: Bandwidth | BandwidthFact | None = None
    write: Bandwidth | BandwidthFact | None = None
    latency: Time | TimeFact | None = None


class InterconnectForm(Written):
    """What a device is connected by. kind: ``nvlink4``, ``pcie5-x16``... · bandwidth: in one direction, of all links
    together
    """

    kind: Name
    links: Positive | None = None
    bandwidth: Bandwidth | BandwidthFact


class PartitionForm(Written):
    """A part that the hardware can cut off (MIG, vNPU). compute, bandwidth: share of the whole · most: per device."""

    name: Name
    compute: Fraction | FractionFact
    memory: Bytes | BytesFact
    bandwidth: Fraction | FractionFact | None = None
    most: Positive


class PowerCapForm(Written):
    """The range in which a power limit may be set."""

    low: Power | PowerFact | None = None
    high: Power | PowerFact | None = None


class PerCoreForm(Written):
    """Processors whose own part is not in the catalogue, of which this one says what a core draws.

    vendor, family: as discovery reads them · models: first and last CPUID model
    """

    vendor: str
    family: int
    models: tuple[int, int]


class MatchForm(Written):
    """How hardware is recognised that was discovered or that other people describe.

    name: names that it gives itself or that tools give it; case, punctuation and the maker's name do not matter ·
    per_core: processors of the same generation
    """

    name: tuple[str, ...] = ()
    per_core: PerCoreForm | None = None


class DeviceForm(Written):
    """A kind of device. Only ``name`` and ``kind`` are needed; a fact that is absent is unknown and never guessed.

    from: a type of the catalogue whose facts this one takes over where it says nothing itself · provenance: of every
    fact below that states none itself · peak: dense rate by precision · peak_sparse: rates that count on structured
    sparsity · peak_reached: what the quickest of large matrix products was measured at · memory, bandwidth,
    memory_kind: the device's own; for a cpu, the node's DRAM · memory_tiers: further
    memory of its own · cores: of a cpu · power_of: what its powers are of, its module or the whole board, where they
    are not of it alone · price: rent of one · price_to_buy: of one · identity, match: how the hardware
    names itself and is recognised
    """

    name: Name
    kind: DeviceKind
    base: Annotated[Called | None, Field(alias="from")] = None
    vendor: str | None = None
    model: str | None = None
    architecture: str | None = None
    provenance: Provenance | None = None
    peak: dict[Precision, Compute | ComputeFact] = {}
    peak_sparse: dict[Precision, Compute | ComputeFact] = {}
    peak_reached: dict[Precision, Compute | ComputeFact] = {}
    memory: Bytes | BytesFact | None = None
    bandwidth: Bandwidth | BandwidthFact | None = None
    memory_kind: MemoryKind | None = None
    memory_tiers: tuple[TierForm, ...] = ()
    cache: dict[str, Bytes | BytesFact] = {}
    interconnects: tuple[InterconnectForm, ...] = ()
    cores: Positive | None = None
    frequency: Frequency | FrequencyFact | None = None
    features: tuple[str, ...] = ()
    tdp: Power | PowerFact | None = None
    idle: Power | PowerFact | None = None
    power_of: Powered | None = None
    power_cap: PowerCapForm | None = None
    launch_overhead: Time | TimeFact | None = None
    power_modes: tuple[PowerModeForm, ...] = ()
    partitions: tuple[PartitionForm, ...] = ()
    price: CostRate | CostFact | None = None
    price_to_buy: Price | PriceFact | None = None
    identity: dict[str, str] = {}
    match: MatchForm | None = None
