"""How fleets and device types are written: the pydantic models of their files, from which the schemas are made.

A fact is written as a bare quantity (``tdp: 70 W``, then its source is ``declared``) or with its provenance
(``tdp: {value: 70 W, source: datasheet, ref: ..., as_of: 2018-09}``).
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from aios.records.base import Source
from aios.records.fleet import DeviceKind
from aios.records.quantity import Bandwidth, Bytes, Compute, CostRate, Fraction, Frequency, Power, Time

__all__ = [
    "DeviceForm",
    "FleetForm",
    "LinkForm",
    "MatchForm",
    "NodeForm",
    "PowerModeForm",
    "Precision",
    "SlotForm",
    "Sourced",
]

Precision = Literal["fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "fp4", "int32", "int16", "int8", "int4"]
"""What a peak rate may be given for. Dense rates: figures that count on structured sparsity are not peaks here."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$")]
Date = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$")]
Positive = Annotated[int, Field(strict=True, ge=1, le=10**6)]


class Written(BaseModel):
    """What people write: unknown fields are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Sourced(Written):
    """A fact with its provenance: how far to trust it, where it was read, and the date of that source."""

    source: Source = "declared"
    ref: str | None = None
    as_of: Date | None = None


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
    """A price with its provenance."""

    value: CostRate


class PowerModeForm(Written):
    """A setting that trades speed for power. peak_scale: peak rate relative to the full mode."""

    name: Name
    cap: Power | PowerFact
    peak_scale: Fraction | FractionFact | None = None


class PerCoreForm(Written):
    """Processors whose own part is not in the catalogue, of which this one says what a core draws.

    vendor, family: as discovery reads them · models: first and last CPUID model
    """

    vendor: str
    family: int
    models: tuple[int, int]


class MatchForm(Written):
    """How discovered hardware is recognised.

    name: names that the hardware gives itself, exactly · per_core: processors of the same generation
    """

    name: tuple[str, ...] = ()
    per_core: PerCoreForm | None = None


class DeviceForm(Written):
    """A kind of device. Only ``name`` and ``kind`` are needed; a fact that is absent is unknown and never guessed.

    from: a type of the catalogue whose facts this one takes over where it says nothing itself · peak: dense rate by
    precision · memory, bandwidth: the device's own; for a cpu, the node's DRAM · cores: of a cpu · price: per device ·
    identity, match: how the hardware names itself and is recognised
    """

    name: Name
    kind: DeviceKind
    base: Annotated[Name | None, Field(alias="from")] = None
    vendor: str | None = None
    model: str | None = None
    peak: dict[Precision, Compute | ComputeFact] = {}
    memory: Bytes | BytesFact | None = None
    bandwidth: Bandwidth | BandwidthFact | None = None
    cache: dict[str, Bytes | BytesFact] = {}
    cores: Positive | None = None
    frequency: Frequency | FrequencyFact | None = None
    features: tuple[str, ...] = ()
    tdp: Power | PowerFact | None = None
    idle: Power | PowerFact | None = None
    launch_overhead: Time | TimeFact | None = None
    power_modes: tuple[PowerModeForm, ...] = ()
    price: CostRate | CostFact | None = None
    identity: dict[str, str] = {}
    match: MatchForm | None = None


class SlotForm(Written):
    """Devices of one type on a node. type: a name from the catalogue or from ``spec.devices``."""

    type: Name
    count: Positive = 1


class TopologyForm(Written):
    """How the devices of a node are connected. kind: such as ``nvswitch``, ``nvlink`` or ``pcie``."""

    kind: str


class NodeForm(Written):
    """One machine, or ``count`` equal ones.

    address: ``local`` for this machine; absent: described only · cpu: cores · memory: DRAM · region: for carbon and
    price
    """

    name: Name
    count: Positive = 1
    address: str | None = None
    cpu: Positive | None = None
    memory: Bytes | None = None
    devices: tuple[SlotForm, ...] = ()
    labels: dict[str, str] = {}
    region: str | None = None
    topology: TopologyForm | None = None


class LinkForm(Written):
    """A connection between two nodes, by name."""

    between: tuple[str, str]
    bandwidth: Bandwidth | BandwidthFact
    latency: Time | TimeFact | None = None


class MetadataForm(Written):
    """What the fleet is called."""

    name: str
    labels: dict[str, str] = {}


class SpecForm(Written):
    """The machines, the connections between them, and device types that the catalogue does not have."""

    nodes: Annotated[tuple[NodeForm, ...], Field(json_schema_extra={"minItems": 1})]
    devices: tuple[DeviceForm, ...] = ()
    links: tuple[LinkForm, ...] = ()


class FleetForm(Written):
    """A fleet file."""

    api_version: Annotated[Literal["aios/v1"], Field(alias="apiVersion")]
    kind: Literal["Fleet"]
    metadata: MetadataForm
    spec: SpecForm
