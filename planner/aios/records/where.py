"""Where a workload may stand, how its replicas spread, and beside whom: the rules, and who is kept out by them."""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import Field

from aios.records.base import Record, Span
from aios.records.fleet import DeviceType, Node

__all__ = [
    "KEEPING_OUT",
    "NODE",
    "REGION",
    "Barred",
    "Companion",
    "PlacementRules",
    "Spread",
    "Survive",
    "Where",
    "barred",
    "barred_node",
    "barred_type",
    "domain_of",
    "place_of",
]

KEEPING_OUT = ("NoSchedule", "NoExecute")
"""Effects of taints that keep new work away; ``PreferNoSchedule`` does not.
https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/"""

NODE, REGION = "node", "region"
"""Failure domains that are no labels: one machine, and the region that a node states."""


class Where(Record):
    """Where a workload may stand; what is empty leaves the choice open.

    labels: key -> values of which a node has one · regions: of the node · vendors: of its devices · residency:
    jurisdictions, of which the node is in one · tolerate: taints that keep it away from no node, ``key``,
    ``key=value``, or either with its effect, ``key=value:NoSchedule``
    """

    labels: Mapping[str, tuple[str, ...]] = {}
    regions: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()
    residency: tuple[str, ...] = ()
    tolerate: tuple[str, ...] = ()

    @property
    def wanted(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What is asked of a node or its devices, and the words any of which will do: ``("labels.zone", ("a",))``."""
        plain = (("regions", self.regions), ("vendors", self.vendors), ("residency", self.residency))
        labels = ((f"labels.{key}", values) for key, values in self.labels.items())
        return (*labels, *((field, allowed) for field, allowed in plain if allowed))


class Spread(Record):
    """At most so many of an intent's replicas in one failure domain.

    over: ``node``, ``region`` or a label, whose values are the domains · most: replicas · share: of all replicas
    """

    over: str
    most: int | None = None
    share: float | None = None

    def text(self, name: str) -> str:
        """Say it of an intent."""
        some = f"{self.most} replica{'' if self.most == 1 else 's'}"
        return f"{name} has at most {some if self.share is None else _percent(self.share)} in one {self.over}"


class Companion(Record):
    """Another intent, and what the two share or do not share: one machine, one region or one value of a label."""

    intent: str
    by: str = NODE

    def together(self, name: str) -> str:
        """Say of an intent that it stands together with this one."""
        return f"{name} stands on no {self.by} without {self.intent}"

    def apart(self, name: str) -> str:
        """Say of an intent that it stands apart from this one."""
        who = f"replicas of {name}" if self.intent == name else f"{name} and {self.intent}"
        return f"{who} share no {self.by}"


class Survive(Record):
    """The load is still sustained after any so many failure domains are lost. of: as in ``Spread.over``"""

    losses: int
    of: str = NODE

    def text(self, name: str) -> str:
        """Say it of an intent."""
        what = f"any {self.of} is" if self.losses == 1 else f"any {self.losses} x {self.of} are"
        return f"{name} sustains its load after {what} lost"


class PlacementRules(Record):
    """Where and how the replicas of an intent may stand.

    together: each replica stands where one of that intent does · apart: no replica stands where one of that intent
    does; where it is the intent itself, no two of its own
    """

    where: Where = Field(default_factory=Where)
    spread: tuple[Spread, ...] = ()
    together: tuple[Companion, ...] = ()
    apart: tuple[Companion, ...] = ()
    survive: Survive | None = None

    @property
    def domains(self) -> tuple[str, ...]:
        """What the rules tell machines apart by, each once, in order."""
        found = [*(item.over for item in self.spread), *(item.by for item in (*self.together, *self.apart))]
        return tuple(dict.fromkeys([*found, self.survive.of] if self.survive else found))

    def texts(self, name: str) -> tuple[str, ...]:
        """Say every rule of an intent, in the order of the fields."""
        return (
            *(f"{name} stands where {what} is {' or '.join(allowed)}" for what, allowed in self.where.wanted),
            *(item.text(name) for item in self.spread),
            *(item.together(name) for item in self.together),
            *(item.apart(name) for item in self.apart),
            *((self.survive.text(name),) if self.survive else ()),
        )


class Barred(NamedTuple):
    """A rule that keeps a workload out, the fact behind it, and what would let it in."""

    clause: str
    reason: str
    remedy: str


def barred(rules: PlacementRules, node: Node) -> Barred | None:
    """Return why no replica may stand on a node; None where it may."""
    return barred_node(rules.where, node) or _without_domain(rules, node)


def barred_node(where: Where, node: Node) -> Barred | None:
    """Return why work that may stand ``where`` may not stand on a node, its taints included; None where it may."""
    return _elsewhere(where, node) or _tainted(where, node)


def _elsewhere(where: Where, node: Node) -> Barred | None:
    for key, values in where.labels.items():
        has = node.labels.get(key)
        if has not in values:
            clause = f"where.labels.{key}: {', '.join(values)}"
            return Barred(clause, f"node {node.name} {_states(key, has)}", f"allow it in `where.labels.{key}`")
    if where.regions and node.region not in where.regions:
        stands = f"is in region {node.region}" if node.region else "states no region"
        clause = f"where.regions: {', '.join(where.regions)}"
        return Barred(clause, f"node {node.name} {stands}", "allow it in `where.regions`")
    if where.residency and not set(where.residency).intersection(node.jurisdiction):
        lies = f"is under the law of {', '.join(node.jurisdiction)}" if node.jurisdiction else "states no jurisdiction"
        remedy = (
            "allow it in `where.residency`" if node.jurisdiction else "state `jurisdiction` of the node or its region"
        )
        return Barred(f"where.residency: {', '.join(where.residency)}", f"node {node.name} {lies}", remedy)
    return None


def _tainted(where: Where, node: Node) -> Barred | None:
    for taint in node.taints:
        if taint.rpartition(":")[2] in KEEPING_OUT and not _tolerated(taint, where.tolerate):
            reason = f"node {node.name} has the taint `{taint}`: nothing new may be placed there"
            return Barred("taint", reason, "take the taint away when the node is fit")
    return None


def _without_domain(rules: PlacementRules, node: Node) -> Barred | None:
    for over in rules.domains:
        if domain_of(node, over) is None:
            reason = f"node {node.name} states no {_called(over)}, so that nobody knows what it would be lost with"
            return Barred(f"a known {over}", reason, "state it in the fleet file")
    return None


def barred_type(where: Where, device: DeviceType) -> Barred | None:
    """Return why no replica may stand on a type of device; None where it may."""
    if not where.vendors or (device.vendor or "").casefold() in {vendor.casefold() for vendor in where.vendors}:
        return None
    made = f"{device.name} is made by {device.vendor}" if device.vendor else f"nobody states who makes {device.name}"
    return Barred(f"where.vendors: {', '.join(where.vendors)}", made, "allow it in `where.vendors`")


def domain_of(node: Node, over: str) -> str | None:
    """Return which failure domain all machines of a node are in; None where the node does not say.

    Of ``node`` each machine is one of its own, so that what is returned, the name of the node, stands for several.
    """
    if over == NODE:
        return node.name
    return node.region if over == REGION else node.labels.get(over)


def place_of(spans: Mapping[str, Span], default: Span, field: str, index: int = 0, key: str = "") -> Span:
    """Return where an item of a field of ``spec`` is written, alone or in a list; spans: of the intent."""
    found = (spans.get(f"spec.{field}{number}{inner}") for number in (f"[{index}]", "") for inner in (f".{key}", ""))
    return next((span for span in found if span is not None), default)


def _percent(share: float) -> str:
    return f"{100 * share:.4g} % of its replicas"


def _called(over: str) -> str:
    return over if over == REGION else f"label `{over}`"


def _states(key: str, has: str | None) -> str:
    return f"has no label `{key}`" if has is None else f"has {key}={has}"


def _tolerated(taint: str, tolerate: tuple[str, ...]) -> bool:
    whole, _, effect = taint.rpartition(":")
    ways = {whole, whole.partition("=")[0]}
    return not (ways | {f"{way}:{effect}" for way in ways}).isdisjoint(tolerate)
