"""The domains of a fabric as an indented tree; what is alike stands there once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aios.cli.words import Ink, counted, harmless, table
from aios.records.fabric import Domain, Fabric
from aios.records.fleet import Node
from aios.records.hosts import fold
from aios.records.units import Dimension, format_quantity

__all__ = ["Branch", "nested", "short_ids", "tree"]


class Branch(NamedTuple):
    """A domain and those inside of it. number: of the domain in its fabric."""

    number: int
    domain: Domain
    inside: tuple[Branch, ...]


def nested(fabric: Fabric) -> tuple[Branch, ...]:
    """Return the domains that nothing is around, with what is inside; each stands in the smallest one around it."""
    inside: dict[int, list[int]] = {}
    within: dict[str, list[int]] = {}
    members = [frozenset(domain.members) for domain in fabric.domains]
    for index, domain in enumerate(fabric.domains):
        for device in domain.members:
            within.setdefault(device, []).append(index)
    roots: list[int] = []
    for index, domain in enumerate(fabric.domains):
        around = [
            other
            for other in within[domain.members[0]]
            if members[index] <= members[other] and (len(members[other]), other) > (len(members[index]), index)
        ]
        parent = min(around, key=lambda other: (len(members[other]), other), default=None)
        roots += [index] if parent is None else []
        if parent is not None:
            inside.setdefault(parent, []).append(index)

    def branch(index: int) -> Branch:
        order = sorted(inside.get(index, ()), key=lambda it: fabric.devices.index(fabric.domains[it].members[0]))
        return Branch(index, fabric.domains[index], tuple(branch(it) for it in order))

    return tuple(branch(index) for index in roots)


def tree(fabric: Fabric, machines: Mapping[str, Node], ink: Ink) -> str:
    """Return the tree as a table: level, what each device gets there, latency of a connection, devices."""
    rows: list[list[str]] = []
    _branches(nested(fabric), machines, None, rows, None)
    return table(["CONNECTED BY", "EACH DEVICE GETS", "LATENCY", "DEVICES"], rows, ink) if rows else "no devices"


def _branches(
    branches: Iterable[Branch],
    machines: Mapping[str, Node],
    indent: str | None,
    rows: list[list[str]],
    machine: str | None,
) -> None:
    """Add the rows of branches that stand side by side. indent: None for roots · machine: that all of them belong to,
    if it is one.
    """
    alike: dict[object, list[Branch]] = {}
    for branch in branches:
        alike.setdefault(_likeness(branch, machines), []).append(branch)
    groups = list(alike.values())
    for number, group in enumerate(groups):
        first, last = group[0], number == len(groups) - 1
        own = _machine(first.domain)
        lead, under = ("└─ ", "   ") if last else ("├─ ", "│  ")
        before, after = ("", "") if indent is None else (indent + lead, indent + under)
        name = harmless(first.domain.name)
        if own is not None and own != machine:
            node = machines[own]
            name += f" of {own}" if len(group) == 1 else f" of each {node.name}"
        count = f"{len(group)} × " if len(group) > 1 else ""
        rows.append([
            before + count + name,
            _quantity(first.domain.bandwidth, Dimension.BANDWIDTH),
            _quantity(first.domain.latency, Dimension.TIME),
            harmless(_devices(group, own)),
        ])  # fmt: skip
        _branches(first.inside, machines, after, rows, own)


def _likeness(branch: Branch, machines: Mapping[str, Node]) -> object:
    """Return what is equal for branches that differ in nothing but the names of their machines."""
    domain = branch.domain
    own = _machine(domain)
    members: object = len(domain.members)
    if own is not None:
        members = (machines[own].name, tuple(device.split("/", maxsplit=1)[1] for device in domain.members))
    inside = tuple(sorted(repr(_likeness(it, machines)) for it in branch.inside))
    return (domain.name, domain.bandwidth, domain.latency, members, inside)


def _machine(domain: Domain) -> str | None:
    """Return the machine that all members belong to, if it is one."""
    names = {device.split("/", maxsplit=1)[0] for device in domain.members}
    return names.pop() if len(names) == 1 else None


def _devices(group: Sequence[Branch], machine: str | None) -> str:
    domain = group[0].domain
    shape = f", {' x '.join(map(str, domain.shape))}" if domain.shape else ""
    if machine is not None:
        return short_ids(device.split("/", maxsplit=1)[1] for device in domain.members) + shape
    machines = len({device.split("/", maxsplit=1)[0] for device in domain.members})
    each = " each" if len(group) > 1 else ""
    return f"{len(domain.members):,} in {counted(machines, 'machine')}{each}{shape}"


def short_ids(ids: Iterable[str]) -> str:
    """Return device ids with runs folded: ``0-5,8-9``; those of parts as a host list, ``[0-1].0``."""
    text = fold(ids)
    return text if "." in text else text.replace("[", "").replace("]", "")


def _quantity(value: float | None, dimension: Dimension) -> str:
    return "?" if value is None or (dimension is Dimension.TIME and value == 0) else format_quantity(value, dimension)
