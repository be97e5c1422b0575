"""How fleets are written: the pydantic models of their files, from which the schemas are made."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool

from aios.fleet.forms.device import (
    BandwidthFact,
    Called,
    CostFact,
    DeviceForm,
    Name,
    Positive,
    TierForm,
    TimeFact,
    Written,
)
from aios.fleet.forms.topology import FleetTopologyForm, NodeTopologyForm
from aios.records.errors import BadValue
from aios.records.forms import Many
from aios.records.quantity import Bandwidth, Bytes, CarbonIntensity, CostRate, Fraction, Number, Power, Quantity, Time
from aios.records.units import Dimension

__all__ = [
    "MOST_OF_A_TYPE",
    "DeviceForm",
    "FleetForm",
    "GroupCapForm",
    "LinkForm",
    "NodeForm",
    "RegionForm",
    "SlotForm",
    "SpecForm",
    "UsedForm",
    "is_taint",
]

_TAINT = r"^[^\s=:]+(=[^\s:]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$"


def is_taint(text: str) -> bool:
    """Say whether a text is ``key=value:Effect`` or ``key:Effect``."""
    return re.match(_TAINT, text) is not None


def _taint(text: str) -> str:
    if not is_taint(text):
        raise BadValue(
            f"`{text}` is no taint",
            "write `key=value:Effect` or `key:Effect`; effects: `NoSchedule`, `PreferNoSchedule`, `NoExecute`",
        )
    return text


Taint = Annotated[str, AfterValidator(_taint), Field(json_schema_extra={"pattern": _TAINT})]
MOST_OF_A_TYPE = 10_000
"""Most devices of one type on a machine."""
DeviceCount = Annotated[int, Field(strict=True, ge=1, le=MOST_OF_A_TYPE)]
Taken = Annotated[float, Quantity(Dimension.BYTES, zero=True)]


def _hourly(watts: tuple[float, ...]) -> tuple[float, ...]:
    if len(watts) not in (0, 1, HOURS):
        raise BadValue(f"{len(watts)} values of a power cap", f"write one value, or {HOURS}: one per hour of the day")
    return watts


HOURS = 24
"""Values of a series over a day, the first from midnight UTC."""
HourlyPower = Annotated[Many[Power], AfterValidator(_hourly)]


def _of_a_day(prices: tuple[float, ...]) -> tuple[float, ...]:
    if len(prices) != HOURS:
        raise BadValue(f"{len(prices)} values of a price", f"write one value, or {HOURS}: one per hour of the day")
    return prices


HourlyCost = Annotated[tuple[CostRate, ...], AfterValidator(_of_a_day)]


def _no_part(written: object) -> object:
    whole, colon, part = written.partition(":") if isinstance(written, str) else ("", "", "")
    if colon:
        raise BadValue(f"`{written}` is a part of a device", f"write `{{type: {whole}, partitions: [{part}]}}`")
    return written


class SlotForm(Written):
    """Devices of one type on a node. type: a name from the catalogue or from ``spec.devices`` · partitions: the parts
    that each of these devices is cut into, such as ``[3g.40gb, 3g.40gb]``; none: whole
    """

    type: Annotated[Called, BeforeValidator(_no_part)]
    count: DeviceCount = 1
    partitions: Many[Name] = ()


class UsedForm(Written):
    """What of each machine is taken already. cpu: cores · devices: device id -> share, ``{"0": 50 %}``."""

    cpu: Number | None = None
    memory: Taken | None = None
    devices: Mapping[str, Fraction] = {}


class NodeForm(Written):
    """One machine, or ``count`` equal ones.

    hosts: what they are really called, ``gpu[001-387]`` · address: ``local`` for this machine; absent: described only ·
    cpu: cores · memory: DRAM · memory_tiers: further memory · region: where it stands · topology: what connects its
    devices · used: what is taken already · price: rent of one machine, one value or 24, one per hour of the day from
    midnight UTC on · carbon: of its electricity, one value or one per hour, repeating, the first from midnight UTC ·
    jurisdiction: under whose law data there is · power_cap: most that work on one machine may draw, one value or 24
    """

    name: Name
    count: Positive = 1
    hosts: str | None = None
    address: str | None = None
    cpu: Positive | None = None
    memory: Bytes | None = None
    memory_tiers: tuple[TierForm, ...] = ()
    devices: tuple[SlotForm, ...] = ()
    labels: Mapping[str, str] = {}
    taints: tuple[Taint, ...] = ()
    region: str | None = None
    topology: Many[NodeTopologyForm] = ()
    used: UsedForm | None = None
    price: HourlyCost | CostRate | CostFact | None = None
    carbon: Many[CarbonIntensity] = ()
    jurisdiction: Many[str] = ()
    power_cap: HourlyPower = ()


class RegionForm(Written):
    """What holds for every node of a region that does not state it itself. carbon, jurisdiction: as of a node."""

    carbon: Many[CarbonIntensity] = ()
    jurisdiction: Many[str] = ()


class GroupCapForm(Written):
    """Most that work on several machines together may draw.

    by: label (or ``region``) each value of which is a group · where: labels of the machines that are one group, in
    place of ``by`` · cap: of each group, one value or 24, one per hour of the day from midnight UTC on
    """

    by: str | None = None
    where: Mapping[str, str] = {}
    cap: HourlyPower


class LinkForm(Written):
    """A connection between two nodes, by name, or between two devices of one node (``node/0``)."""

    between: tuple[str, str]
    interconnect: Name | None = None
    bandwidth: Bandwidth | BandwidthFact
    latency: Time | TimeFact | None = None


class MetadataForm(Written):
    """What the fleet is called."""

    name: str
    labels: Mapping[str, str] = {}


class SpecForm(Written):
    """The machines, the connections between them, and device types that the catalogue does not have.

    include: further fleet files, files of single device types, or folders of both, from this file's folder on ·
    topology: what connects the machines · disconnected: it is meant that not every machine can reach every other ·
    power_cap: most that all work on all machines may draw, one value or 24, one per hour of the day from midnight UTC
    on · power_caps: the same of some of the machines
    """

    include: Many[str] = ()
    nodes: Annotated[tuple[NodeForm, ...], Field(json_schema_extra={"minItems": 1})] = ()
    devices: tuple[DeviceForm, ...] = ()
    links: tuple[LinkForm, ...] = ()
    topology: Many[FleetTopologyForm] = ()
    regions: Mapping[str, RegionForm] = {}
    disconnected: StrictBool = False
    power_cap: HourlyPower = ()
    power_caps: tuple[GroupCapForm, ...] = ()


class FleetForm(Written):
    """A fleet file."""

    api_version: Annotated[Literal["aios/v1"], Field(alias="apiVersion")]
    kind: Literal["Fleet"]
    metadata: MetadataForm
    spec: SpecForm
