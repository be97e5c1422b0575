"""How fleets are written: the pydantic models of their files, from which the schemas are made."""

from typing import Annotated, Literal

from pydantic import Field

from aios.fleet.writtendevice import BandwidthFact, DeviceForm, Name, Positive, TimeFact, Written
from aios.records.quantity import Bandwidth, Bytes, Time

__all__ = ["DeviceForm", "FleetForm", "LinkForm", "NodeForm", "SlotForm"]


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
