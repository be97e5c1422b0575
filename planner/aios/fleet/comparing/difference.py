"""How two fleets differ: machines, device types, connections, each change as a record and as a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from aios.fleet.comparing.telling import Said, said_of_cap, said_of_link, said_of_node, said_of_topology, said_of_type
from aios.records.base import Record, canonical_json
from aios.records.errors import BadValue
from aios.records.fleet import Fleet, Link, Node, PowerCap, Topology
from aios.records.hosts import expand, fold, natural_order

__all__ = ["Change", "difference"]

_UNSTATED = "unstated"
_NOTHING = {"devices ": "0", "taint ": "not set"}
"""What stands where one side has no value, by how the label begins."""

What = Literal["added", "removed", "changed", "renamed", "split", "merged"]


class Change(Record):
    """One thing that changed.

    subject: such as ``node t4`` · field: what of it, None for all · before, after: as people write it, None where there
    is nothing · text: the whole of it as a sentence
    """

    what: What
    subject: str
    field: str | None = None
    before: str | None = None
    after: str | None = None
    text: str


def difference(old: Fleet, new: Fleet) -> tuple[Change, ...]:
    """Return what changed from ``old`` to ``new``; nothing if both describe the same, in whatever order and files."""
    if old.digest == new.digest:
        return ()
    return (
        *_nodes(old.nodes, new.nodes),
        *_things("device type", _types(old), _types(new)),
        *_things("link", _links(old.links), _links(new.links)),
        *_things("topology", _topologies(old.topology), _topologies(new.topology)),
        *_things("power cap", _power_caps(old.power_caps), _power_caps(new.power_caps)),
    )


def _types(fleet: Fleet) -> Mapping[str, Mapping[str, Said]]:
    return {name: said_of_type(device) for name, device in fleet.types.items()}


def _links(links: Sequence[Link]) -> Mapping[str, Mapping[str, Said]]:
    return dict(_distinct((" - ".join(link.ends), said_of_link(link)) for link in links))


def _topologies(topologies: Sequence[Topology]) -> Mapping[str, Mapping[str, Said]]:
    return dict(_distinct((item.name, said_of_topology(item)) for item in topologies))


def _power_caps(caps: Sequence[PowerCap]) -> Mapping[str, Mapping[str, Said]]:
    return dict(_distinct((cap.whose, said_of_cap(cap)) for cap in caps))


def _distinct(pairs: Iterable[tuple[str, Mapping[str, Said]]]) -> Iterator[tuple[str, Mapping[str, Said]]]:
    """Yield the pairs; the second of one name as ``name (2)``."""
    seen: dict[str, int] = {}
    for name, said in pairs:
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name} ({seen[name]})"), said


def _things(
    kind: str, old: Mapping[str, Mapping[str, Said]], new: Mapping[str, Mapping[str, Said]]
) -> Iterator[Change]:
    for name in sorted({*old, *new}, key=natural_order):
        subject = f"{kind} {name}"
        if name not in new:
            yield Change(what="removed", subject=subject, text=f"{subject}: removed")
        elif name not in old:
            yield Change(what="added", subject=subject, text=f"{subject}: added")
        else:
            yield from _fields(subject, old[name], new[name])


def _fields(subject: str, old: Mapping[str, Said], new: Mapping[str, Said]) -> Iterator[Change]:
    for label in dict.fromkeys((*old, *new)):
        before, after = old.get(label), new.get(label)
        changed = (before and before.exactly) != (after and after.exactly)
        value = label.removeprefix("source of ")
        if not changed or (value != label and (old.get(value) is None or new.get(value) is None)):
            continue  # where a fact comes from goes without saying when the fact itself came or went
        alike = before is not None and after is not None and before.text == after.text
        texts = [_shown(said, exactly=alike) for said in (before, after)]
        yield _changed(subject, label, *texts)


def _shown(said: Said | None, *, exactly: bool) -> str | None:
    if said is None:
        return None
    if not exactly:
        return said.text
    return " ".join(map(str, said.exactly)) if isinstance(said.exactly, tuple) else str(said.exactly)


def _changed(subject: str, label: str, before: str | None, after: str | None) -> Change:
    nothing = next((word for start, word in _NOTHING.items() if label.startswith(start)), _UNSTATED)
    text = f"{subject}: {label} {before or nothing} -> {after or nothing}"
    return Change(what="changed", subject=subject, field=label, before=before, after=after, text=text)


def _nodes(old: Sequence[Node], new: Sequence[Node]) -> Iterator[Change]:
    before, after = {node.name: node for node in old}, {node.name: node for node in new}
    for left, right in _regrouped(before, after):
        yield _regrouping(left, right)
        yield from _hosts(_called(left, right), left, right)
        for node in left:
            del before[node.name]
        for node in right:
            del after[node.name]
    for name in sorted({*before, *after}, key=natural_order):
        yield from _node(before.get(name), after.get(name))


def _regrouped(old: Mapping[str, Node], new: Mapping[str, Node]) -> list[tuple[list[Node], list[Node]]]:
    """Return equal machines that only go by other names or in other groups: one to one, one to many, many to one."""
    groups: dict[str, tuple[list[Node], list[Node]]] = {}
    for side, nodes in enumerate((old, new)):
        for node in nodes.values():
            groups.setdefault(_content(node), ([], []))[side].append(node)
    return [
        (left, right)
        for left, right in groups.values()
        if 1 in (len(left), len(right))
        and sum(node.count for node in left) == sum(node.count for node in right)
        and [node.name for node in left] != [node.name for node in right]
    ]


def _content(node: Node) -> str:
    return canonical_json(node.model_dump(mode="json", exclude={"name", "count", "hosts", "where"}))


def _regrouping(left: Sequence[Node], right: Sequence[Node]) -> Change:
    subject = _called(left, right)
    if len(left) == len(right):
        text = f"{subject}: now called {right[0].name}"
        return Change(what="renamed", subject=subject, before=left[0].name, after=right[0].name, text=text)
    whole, parts = (left[0], right) if len(left) == 1 else (right[0], left)
    listed = " + ".join(f"{node.name} ({node.count})" for node in parts)
    said = f"{whole.name} ({whole.count})"
    if len(left) == 1:
        return Change(what="split", subject=subject, before=said, after=listed, text=f"node {said}: now {listed}")
    return Change(what="merged", subject=subject, before=listed, after=said, text=f"nodes {listed}: now {said}")


def _called(left: Sequence[Node], right: Sequence[Node]) -> str:
    node = (left if len(left) == 1 else right)[0]
    return f"node class {node.name}" if node.count > 1 else f"node {node.name}"


def _node(old: Node | None, new: Node | None) -> Iterator[Change]:
    if old is None or new is None:
        node, what = (old, "removed") if new is None else (new, "added")
        assert node is not None
        subject = _called([node], [node])
        said = said_of_node(node)
        held = ", ".join(f"{said_.text} x {label[8:]}" for label, said_ in said.items() if label.startswith("devices "))
        of = "" if node.count == 1 else f", {node.count} machines"
        text = f"{subject}: {what}{of}{f', each with {held}' if held and of else f' with {held}' if held else ''}"
        yield Change(what="removed" if new is None else "added", subject=subject, text=text)
        return
    subject = _called([old if old.count > 1 else new], [])
    if old.count != new.count:
        text = f"{subject}: {old.count} -> {new.count} machines"
        counts = {"before": str(old.count), "after": str(new.count)}
        yield Change(what="changed", subject=subject, field="machines", **counts, text=text)
    yield from _hosts(subject, [old], [new])
    yield from _fields(subject, said_of_node(old), said_of_node(new))


def _hosts(subject: str, old: Sequence[Node], new: Sequence[Node]) -> Iterator[Change]:
    """Yield which real machines came and went; where nobody says what they are called, nothing."""
    before, after = (_listed(nodes) for nodes in (old, new))
    if set(before) == set(after):
        if len(old) == len(new) == 1 and old[0].hosts != new[0].hosts:
            what = "spelling of hosts" if before == after else "order of hosts"
            yield _changed(subject, what, old[0].hosts, new[0].hosts)
        return
    gone, come = (fold(sorted(one, key=natural_order)) for one in (set(before) - set(after), set(after) - set(before)))
    told = [f"without {gone}"] * bool(gone) + [f"with {come}"] * bool(come)
    yield Change(
        what="changed",
        subject=subject,
        field="hosts",
        before=gone or None,
        after=come or None,
        text=f"{subject}: now {' and '.join(told)}",
    )


def _listed(nodes: Sequence[Node]) -> tuple[str, ...]:
    try:
        return tuple(name for node in nodes if node.hosts for name in expand(node.hosts))
    except BadValue:
        return tuple(node.hosts for node in nodes if node.hosts)
