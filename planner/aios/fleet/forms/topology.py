"""How connections are written: plain levels (``full``, ``switch``, ``ring``, ``mesh``, ``torus``) and short words for
what is sold."""

from typing import Annotated, Literal

from pydantic import Field

from aios.fleet.forms.device import BandwidthFact, Name, Positive, TimeFact, Written
from aios.records.quantity import Bandwidth, Time

__all__ = ["FleetTopologyForm", "LevelForm", "NodeTopologyForm", "TreeLevelForm", "UplinkForm"]

LevelKind = Literal["full", "switch", "ring", "mesh", "torus", "nvswitch", "nvlink", "hccs", "xgmi", "ici", "pcie"]
NodeKind = Literal[LevelKind, "tree"]
FleetKind = Literal["full", "switch", "ring", "mesh", "torus", "rack-spine", "tree"]
Shape = Annotated[tuple[Positive, ...], Field(max_length=6)]
Levels = Annotated[tuple["TreeLevelForm", ...], Field(max_length=8)]


class UplinkForm(Written):
    """How the groups of one level reach each other, over one switch above them. bandwidth, latency: of one group's
    connection to it, bandwidth in one direction."""

    name: Name | None = None
    interconnect: Name | None = None
    bandwidth: Bandwidth | BandwidthFact | None = None
    latency: Time | TimeFact | None = None


class TreeLevelForm(UplinkForm):
    """One level of switches. group: members per switch; absent: all at one · by: label that says which instead."""

    group: Positive | None = None
    by: str | None = None


class ShapedForm(Written):
    """What every level may say.

    name: of the level and of the domains that it makes · shape: of a mesh or torus, ``[4, 4]`` · interconnect: what
    kind of link, ``nvlink4`` · links: how many of them run side by side between two members, or from one to the switch
    · bandwidth: in one direction, of all that run side by side, or of one member's port of a switch · latency: of one
    link · group: members per group, in order; absent: all in one · by: label whose value says which
    group a machine belongs to · between: how the groups are connected
    """

    name: Name | None = None
    shape: Shape = ()
    interconnect: Name | None = None
    links: Positive | None = None
    bandwidth: Bandwidth | BandwidthFact | None = None
    latency: Time | TimeFact | None = None
    group: Positive | None = None
    by: str | None = None
    between: "LevelForm | None" = None


class LevelForm(ShapedForm):
    """How groups are connected to each other."""

    kind: LevelKind


class NodeTopologyForm(ShapedForm):
    """How the devices of each machine are connected.

    kind: ``full``: a link between every two · ``switch``: each to one switch · ``ring``, ``mesh``, ``torus``: to
    neighbours · ``nvswitch``, ``nvlink``, ``hccs``, ``xgmi``, ``ici``, ``pcie``: one of these with its usual links ·
    ``tree``: switches above switches, see ``levels`` · members: device ids; absent: all but the cpus · host: with
    ``pcie`` and ``group``, what joins the PCIe switches
    """

    kind: NodeKind
    members: tuple[str, ...] = ()
    host: UplinkForm | None = None
    levels: Levels = ()


class FleetTopologyForm(ShapedForm):
    """How the machines of the fleet are connected.

    kind: as of a node's devices; ``rack-spine``: a switch per rack (``group`` or ``by`` says which machines) and one
    above them (``spine``) · over: node names, in order; absent: all
    """

    kind: FleetKind
    over: tuple[Name, ...] = ()
    spine: UplinkForm | None = None
    levels: Levels = ()
