"""Where everything stands in a picture of a fabric: a box for each domain, devices inside, switches above or below."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aios.cli.domaintree import Branch, nested
from aios.records.fabric import Domain, Fabric

__all__ = ["Box", "Layout", "laid_out"]

_STEP = 1.0  # between neighbouring devices
_PAD = 0.45  # between a box and what is in it
_LABEL = 0.6  # height of a box's label, below what is in it: lines to the outside leave above
_SWITCH = 1.15  # between devices and their switch
_WIDEST = 60.0  # boxes side by side before a new row begins
_MACHINE = (2.6, 1.5)  # a machine that is one point
_MACHINES_WIDE = 12.0  # such machines side by side before a new row begins
_IN_A_ROW = 8  # devices


class Box(NamedTuple):
    """A domain's box. x, y: lower left corner."""

    domain: Domain
    x: float
    y: float
    width: float
    height: float


class Layout(NamedTuple):
    """A picture of ``width`` x ``height``; the distance between neighbouring devices is one.

    points: middle of each device and switch · boxes: outer ones first
    """

    width: float
    height: float
    points: Mapping[str, tuple[float, float]]
    boxes: tuple[Box, ...]

    def moved(self, x: float, y: float) -> Layout:
        """Return the same, elsewhere."""
        points = {vertex: (at[0] + x, at[1] + y) for vertex, at in self.points.items()}
        return self._replace(points=points, boxes=tuple(box._replace(x=box.x + x, y=box.y + y) for box in self.boxes))


def laid_out(fabric: Fabric, single: bool) -> Layout:
    """Return a layout of a fabric. single: draw every machine as one point, called as its host."""
    roots = nested(fabric)
    switches = _switches(fabric, single)
    rising = {end for edge in fabric.edges if "/" not in edge.a and "/" not in edge.b for end in edge[:2]}
    drawn = [_domain(root, fabric, switches, rising, single) for root in roots]
    return _rows(drawn)


def _switches(fabric: Fabric, single: bool) -> dict[int, list[str]]:
    """Return which switches stand in the box of which domain (by its number in the fabric).

    A switch belongs to the closest domain that its connections make and whose devices are below it.
    """
    unplaced = {end for edge in fabric.edges for end in edge[:2] if "/" not in end}
    joined: dict[str, list[tuple[str, str]]] = {}
    for edge in fabric.edges:
        joined.setdefault(edge.level, []).append((edge.a, edge.b))
    of: dict[int, list[str]] = {}
    members: list[set[str]] = []
    held = Counter(device.split("/", maxsplit=1)[0] for device in fabric.devices)
    for index, domain in enumerate(fabric.domains):
        members.append(set(domain.members))
        machines = {device.split("/", maxsplit=1)[0] for device in domain.members}
        below = members[index] | {f"{machine}#host" for machine in machines if len(machines) > 1}
        below |= {vertex for other, own in of.items() if members[other] <= members[index] for vertex in own}
        of[index] = []
        pairs = [pair for a, b in joined.get(domain.name, ()) for pair in ((a, b), (b, a))]
        while new := {a for a, b in pairs if b in below and a in unplaced and _beside(a, machines)}:
            of[index] += sorted(new)
            unplaced -= new
            below |= new
        host = f"{min(machines)}#host"
        if len(machines) == 1 and host in unplaced and len(domain.members) == held[min(machines)]:
            of[index].append(host)  # nobody states how the devices reach it
            unplaced.remove(host)
    return {index: [it for it in own if not single or it.startswith("#")] for index, own in of.items()}


def _beside(vertex: str, machines: set[str]) -> bool:
    """Return whether a switch may belong to a domain of these machines: one inside a machine only to that machine's."""
    machine = vertex.split("#", maxsplit=1)[0]
    return not machine or machines == {machine}


def _domain(
    branch: Branch, fabric: Fabric, switches: Mapping[int, Sequence[str]], rising: set[str], single: bool
) -> Layout:
    domain = branch.domain
    machines = {device.split("/", maxsplit=1)[0] for device in domain.members}
    own = list(switches.get(branch.number, ()))
    if single and len(machines) == 1:
        width, height = _MACHINE
        return Layout(width, height, {f"{machines.pop()}#host": (width / 2, height / 2)}, ())
    parts = [_domain(item, fabric, switches, rising, single) for item in branch.inside]
    inner = {device for item in branch.inside for device in item.domain.members}
    loose = [device for device in domain.members if device not in inner]
    if loose and not single:
        parts.append(_devices(loose, domain, fabric))
    points_only = single and not any(part.boxes for part in parts)
    content = _rows(parts, _MACHINES_WIDE if points_only else _WIDEST)
    below = bool(own) and not branch.inside and not rising.intersection(own)
    width = max(content.width, 1.6 * len(own)) + 2 * _PAD
    height = _LABEL + content.height + (_SWITCH if own else 0.0) + _PAD
    base = content.moved((width - content.width) / 2, _LABEL + (_SWITCH if below else 0.0))
    y = _LABEL + (0.4 if below else content.height + _SWITCH - 0.4)
    points = {**base.points, **{it: (width * (at + 1) / (len(own) + 1), y) for at, it in enumerate(own)}}
    return Layout(width, height, points, (Box(domain, 0.0, 0.0, width, height), *base.boxes))


def _devices(devices: Sequence[str], domain: Domain, fabric: Fabric) -> Layout:
    """Return devices on the grid that they form, on a circle where they have links to each other, else in rows."""
    members = set(devices)
    direct = any(edge.a in members and edge.b in members for edge in fabric.edges)
    if len(domain.shape) > 1 and len(devices) == len(domain.members):
        columns = domain.shape[-1]
        places = [(number % columns, -(number // columns)) for number in range(len(devices))]
        return _shifted(devices, [(x * _STEP * 1.3, y * _STEP * 1.3) for x, y in places])
    if direct and len(devices) > 2:
        radius = max(1.0, len(devices) * _STEP * 1.1 / (2 * math.pi))
        angles = [math.pi / 2 - 2 * math.pi * number / len(devices) for number in range(len(devices))]
        return _shifted(devices, [(radius * math.cos(angle), radius * math.sin(angle)) for angle in angles])
    step = _STEP * (1.3 if direct else 1.0)
    return _shifted(
        devices, [(number % _IN_A_ROW * step, -(number // _IN_A_ROW) * _STEP) for number in range(len(devices))]
    )


def _shifted(devices: Sequence[str], at: Sequence[tuple[float, float]]) -> Layout:
    left, low = min(x for x, _ in at), min(y for _, y in at)
    right, high = max(x for x, _ in at), max(y for _, y in at)
    half = _STEP / 2
    points = {device: (x - left + half, y - low + half) for device, (x, y) in zip(devices, at, strict=True)}
    return Layout(right - left + _STEP, high - low + _STEP, points, ())


def _rows(parts: Iterable[Layout], widest: float = _WIDEST) -> Layout:
    """Return layouts side by side, in as many rows as keep the picture from growing too wide."""
    rows: list[list[Layout]] = [[]]
    for part in parts:
        if rows[-1] and sum(item.width + _PAD for item in rows[-1]) + part.width > widest:
            rows.append([])
        rows[-1].append(part)
    width = max((sum(item.width + _PAD for item in row) - _PAD for row in rows if row), default=0.0)
    points: dict[str, tuple[float, float]] = {}
    boxes: list[Box] = []
    y = 0.0
    for row in reversed(rows):
        x = (width - sum(item.width + _PAD for item in row) + _PAD) / 2
        tallest = max((item.height for item in row), default=0.0)
        for item in row:
            there = item.moved(x, y + (tallest - item.height) / 2)
            points.update(there.points)
            boxes += there.boxes
            x += item.width + _PAD
        y += tallest + _PAD
    return Layout(width, max(0.0, y - _PAD), points, tuple(boxes))
