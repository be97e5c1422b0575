"""Written topologies -> records, with everything that does not add up in them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.fleet.devices import fact_of
from aios.fleet.files.places import Place, did_you_mean, known_names
from aios.fleet.forms.topology import FleetTopologyForm, NodeTopologyForm, ShapedForm, UplinkForm
from aios.fleet.making import one_interconnect
from aios.fleet.topology.generators import fewest_links
from aios.records.errors import Diagnostic
from aios.records.fleet import DeviceType, Node, Topology, TopologyKind
from aios.records.units import Dimension

__all__ = ["fleet_topology", "node_topology", "too_many_links"]


class _Level(NamedTuple):
    """One level as it will stand in the record, and where it was written."""

    topology: Topology
    place: Place


class _Members(NamedTuple):
    """What a level connects: things, in order. total: how many · labels: of runs of equal ones, (labels, how many);
    None where things have no labels
    """

    total: int
    labels: Sequence[tuple[Mapping[str, str], int]] | None
    called: str


class _Word(NamedTuple):
    """What a short word stands for."""

    kind: TopologyKind
    name: str
    interconnect: str | None


_WORDS = {
    "full": _Word("full", "full", None),
    "switch": _Word("switch", "switch", None),
    "ring": _Word("ring", "ring", None),
    "mesh": _Word("mesh", "mesh", None),
    "torus": _Word("torus", "torus", None),
    "nvswitch": _Word("switch", "nvlink", "nvlink"),
    "nvlink": _Word("full", "nvlink", "nvlink"),
    "hccs": _Word("full", "hccs", "hccs"),
    "xgmi": _Word("full", "xgmi", "xgmi"),
    "ici": _Word("torus", "ici", "ici"),
    "pcie": _Word("switch", "pcie", "pcie"),
    "rack-spine": _Word("switch", "rack", None),
    "tree": _Word("switch", "leaf", None),
}


def node_topology(form: NodeTopologyForm, at: Place, node: Node, mistakes: list[Diagnostic]) -> Topology | None:
    """Return how a node's devices are connected; None where there are none, or not those that are named.

    Without ``members`` these are all devices but the cpus; the cpus, where there is nothing else. A device that is cut
    into parts is one member.
    """
    known = list(dict.fromkeys(id_.partition(".")[0] for slot in node.devices for id_ in slot.ids))
    wrong = list(_unknown(form.members, known, at / "members", f"node `{node.name}` has no device"))
    mistakes.extend(wrong)
    levels = _levels(form, at, mistakes)
    usual = [id_ for id_ in known if not id_.startswith("cpu")] or known
    members = form.members or tuple(usual)
    if wrong or not members:
        return None
    mistakes.extend(_misfits(levels, _Members(len(members), None, "devices")))
    return _folded(levels, () if list(members) == usual else members)


def too_many_links(topology: Topology, node: Node, types: Mapping[str, DeviceType], at: Place) -> Iterator[Diagnostic]:
    """Yield that a topology takes more links of each of its devices than these have."""
    everyone = {id_.partition(".")[0] for slot in node.devices for id_ in slot.ids}
    over = topology.members or [id_ for id_ in everyone if not id_.startswith("cpu")]
    held = [types[slot.type] for slot in node.devices if {id_.partition(".")[0] for id_ in slot.ids} & set(over)]
    own = one_interconnect(topology.interconnect, held)
    if topology.links is None or own is None or own.links is None:
        return
    neighbours = fewest_links(topology.kind, topology.group or len(over), topology.shape)
    if topology.links * neighbours > own.links:
        each = f"{topology.links} links" + (f" to each of {neighbours} neighbours" if neighbours > 1 else "")
        summary = f"{each} are more than the {own.links} of {own.kind} that {held[0].name} has"
        yield (at / "links").mistake(summary, "`links` counts those between two members, not all of a device")


def fleet_topology(
    form: FleetTopologyForm, at: Place, nodes: Sequence[Node], mistakes: list[Diagnostic]
) -> Topology | None:
    """Return how the machines of ``nodes``, in this order, are connected; None if it names nodes that are not there."""
    by_name = {node.name: node for node in nodes}
    wrong = list(_unknown(form.over, by_name, at / "over", "there is no node"))
    mistakes.extend(wrong)
    levels = _levels(form, at, mistakes)
    if wrong:
        return None
    over = [by_name[name] for name in form.over] or nodes
    labels = [(node.labels, node.count) for node in over]
    mistakes.extend(_misfits(levels, _Members(sum(node.count for node in over), labels, "machines")))
    return _folded(levels, form.over)


def _unknown(
    names: Sequence[str], known: Sequence[str] | Mapping[str, Node], at: Place, words: str
) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name not in known:
            yield (at / index).mistake(f"{words} `{name}`", did_you_mean(name, known) or known_names(known))
        elif name in seen:
            yield (at / index).mistake(f"`{name}` is named twice")
        seen.add(name)


def _levels(form: NodeTopologyForm | FleetTopologyForm, at: Place, mistakes: list[Diagnostic]) -> list[_Level]:
    """Return the levels that a form stands for, innermost first."""
    host = form.host if isinstance(form, NodeTopologyForm) else None
    spine = form.spine if isinstance(form, FleetTopologyForm) else None
    for field, word, given in (("host", "pcie", host), ("spine", "rack-spine", spine), ("levels", "tree", form.levels)):
        if given and form.kind != word:
            mistakes.append((at / field).mistake(f"`{field}` belongs to `kind: {word}`, not to `kind: {form.kind}`"))
    if form.kind == "tree":
        return _tree(form, at, mistakes)
    levels = [_level(form, at)]
    if form.kind == "rack-spine" and not form.group and not form.by:
        remedy = "write `group: 16` (machines per rack, in order) or `by: rack` (a label)"
        mistakes.append((at / "kind").mistake("`rack-spine` does not say which machines share a rack", remedy))
    elif form.between is not None:
        for field, given in (("host", host), ("spine", spine)):
            if given is not None:
                mistakes.append((at / field).mistake(f"`{field}` and `between` both say what is between the groups"))
    elif form.kind == "rack-spine":
        levels.append(_uplink(spine or UplinkForm(), "spine", at / "spine"))
    elif form.kind == "pcie" and (host or form.group):
        levels.append(_uplink(host or UplinkForm(), "host", at / "host"))
    inner: ShapedForm = form
    place = at
    while inner.between is not None:
        inner, place = inner.between, place / "between"
        levels.append(_level(inner, place))
    return levels


def _tree(form: NodeTopologyForm | FleetTopologyForm, at: Place, mistakes: list[Diagnostic]) -> list[_Level]:
    own = [
        field
        for field in ("shape", "interconnect", "links", "bandwidth", "latency", "group", "by", "between")
        if getattr(form, field)
    ]
    if own or not form.levels:
        remedy = "write `levels: [{group: 4, bandwidth: 25 GB/s}, {bandwidth: 50 GB/s}]`, from the leaves up"
        what = f"`{own[0]}` belongs into one of the `levels` of a tree" if own else "a tree needs its `levels`"
        mistakes.append((at / (own[0] if own else "kind")).mistake(what, remedy))
    names = ["leaf", *(f"level-{number}" for number in range(2, len(form.levels))), "root"]
    levels = []
    for index, level in enumerate(form.levels):
        place = at / "levels" / index
        name = names[index] if index + 1 < len(form.levels) else "root"
        found = _uplink(level, name, place)
        levels.append(found._replace(topology=found.topology.model_copy(update={"group": level.group, "by": level.by})))
    return levels or [_level(form, at)]


def _level(form: ShapedForm, at: Place) -> _Level:
    word = _WORDS[str(getattr(form, "kind"))]  # noqa: B009 - every form but this base has it, each with its own words
    topology = Topology(
        name=form.name or word.name,
        kind=word.kind,
        shape=form.shape,
        interconnect=form.interconnect or word.interconnect,
        links=form.links,
        bandwidth_bytes_per_s=fact_of(form.bandwidth, Dimension.BANDWIDTH),
        latency_s=fact_of(form.latency, Dimension.TIME),
        group=form.group,
        by=form.by,
    )
    return _Level(topology, at)


def _uplink(form: UplinkForm, name: str, at: Place) -> _Level:
    topology = Topology(
        name=form.name or name,
        kind="switch",
        interconnect=form.interconnect,
        bandwidth_bytes_per_s=fact_of(form.bandwidth, Dimension.BANDWIDTH),
        latency_s=fact_of(form.latency, Dimension.TIME),
    )
    return _Level(topology, at)


def _folded(levels: Sequence[_Level], members: Sequence[str]) -> Topology:
    outer: Topology | None = None
    for level in reversed(levels):
        outer = level.topology.model_copy(update={"between": outer})
    assert outer is not None
    return outer.model_copy(update={"members": tuple(members)})


def _misfits(levels: Sequence[_Level], members: _Members) -> Iterator[Diagnostic]:
    """Yield what does not add up, level by level: groups, labels, shapes."""
    for index, (topology, place) in enumerate(levels):
        group, by = topology.group, topology.by
        if group is not None and by is not None:
            yield (place / "by").mistake("`group` and `by` both say what a group is", "keep one of the two")
            return
        if by is not None and members.labels is None:
            reason = "labels belong to machines" if index == 0 else "it stands above groups that are counted off"
            yield (place / "by").mistake("`by` cannot be used here", "write `group: 4`, the members per group", reason)
            return
        sizes, groups, wrong = _grouped(topology, members, place)
        yield from wrong
        if wrong:
            return
        yield from _misshapen(topology, sizes, members.called, place)
        if index + 1 < len(levels) and group is None and by is None:
            yield place.mistake(
                f"`{topology.name}` connects all {members.called}, so there is nothing between groups",
                "say what a group is: `group: 8`, members in order" + (", or `by: rack`" if members.labels else ""),
            )
            return
        members = groups


def _grouped(topology: Topology, members: _Members, at: Place) -> tuple[list[int], _Members, list[Diagnostic]]:
    """Return the sizes of a level's groups, the groups as members of the next level, and what is wrong."""
    count, called = members.total, f"groups of `{topology.name}`"
    if topology.by is not None:
        return _labelled(topology.by, members, at, called)
    size = topology.group or count
    if count % size:
        possible = [divisor for divisor in range(1, min(count, 10_000) + 1) if count % divisor == 0]
        near = sorted(possible, key=lambda divisor: abs(divisor - size))[:2]
        remedy = f"such as `group: {near[0]}`; or name the `{'over' if members.labels else 'members'}` that take part"
        wrong = (at / "group").mistake(f"{count} {members.called} cannot be split into groups of {size}", remedy)
        return [], members, [wrong]
    return [size], _Members(count // size, None, called), []


def _labelled(by: str, members: _Members, at: Place, called: str) -> tuple[list[int], _Members, list[Diagnostic]]:
    runs = members.labels or ()
    lacking = sum(count for labels, count in runs if by not in labels)
    if lacking:
        known = sorted({label for labels, _ in runs for label in labels})
        none = lacking == members.total and members.called == "machines"
        what = "no machine has" if none else f"{lacking} of {members.total} {members.called} lack"
        meant = None if by in known else did_you_mean(by, known)
        remedy = meant or f"write `labels: {{{by}: ...}}` for each node"
        return [], members, [(at / "by").mistake(f"{what} the label `{by}`", remedy)]
    sizes: dict[str, int] = {}
    within: dict[str, list[Mapping[str, str]]] = {}
    for labels, count in runs:
        sizes[labels[by]] = sizes.get(labels[by], 0) + count
        within.setdefault(labels[by], []).append(labels)
    # A group has the labels on which all of its members agree.
    agreed = [(dict(set.intersection(*(set(labels.items()) for labels in found))), 1) for found in within.values()]
    return list(sizes.values()), _Members(len(sizes), agreed, called), []


def _misshapen(topology: Topology, sizes: Sequence[int], called: str, at: Place) -> Iterator[Diagnostic]:
    grid = topology.kind in ("mesh", "torus")
    if topology.shape and not grid:
        yield (at / "shape").mistake(f"`{topology.kind}` has no shape", "only `mesh`, `torus` and `ici` have one")
    elif grid and not topology.shape:
        count = sizes[0] if sizes else 0
        side = next((side for side in range(math.isqrt(count), 0, -1) if count % side == 0), 1)
        remedy = f"for {count} {called} such as `shape: [{count // side}, {side}]`" if count else None
        yield at.mistake(f"a {topology.kind} needs its `shape`", remedy)
    elif grid:
        places = math.prod(topology.shape)
        for size in dict.fromkeys(sizes):
            if size != places:
                shown = " x ".join(str(length) for length in topology.shape)
                yield (at / "shape").mistake(
                    f"{shown} has {places} places, but there are {size} {called}",
                    "the product of the shape must be the number of members",
                )
