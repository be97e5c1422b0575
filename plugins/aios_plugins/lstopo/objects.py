"""hwloc's XML as objects, the same for its versions 1, 2 and 3."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from aios.records.errors import Diagnostic, InputError
from aios.spi.texts import Element, place, xml_of

__all__ = ["Distances", "Object", "Topology", "is_memory", "read_topology"]

_MAX_BYTES = 12 * 2**20
"""A machine of 4,096 threads has about 4 MiB."""
_CACHE = re.compile(r"L([1-5])(i?)Cache")
_OLD_NAMES = {"Socket": "Package", "HostBridge": "Bridge"}


@dataclass(slots=True)
class Object:
    """A part of a machine. type: as hwloc 2 names it; caches are ``L1d``, ``L1i``, ``L2``... · above: what it is in."""

    type: str
    attributes: Mapping[str, str]
    infos: Mapping[str, str]
    above: tuple[Object, ...]
    line: int
    children: list[Object] = field(default_factory=list)

    @property
    def subtype(self) -> str:
        """What kind of its type it is, such as ``HBM``; empty where nothing is said."""
        return self.attributes.get("subtype") or self.infos.get("Type", "")

    def number(self, name: str) -> float | None:
        """Return an attribute that is a number, zero or more."""
        return _number(self.attributes.get(name))

    def kibibytes(self, *names: str) -> float | None:
        """Return the first of these infos in bytes; hwloc 2 writes them in KiB, hwloc 3 with the unit."""
        for name in names:
            found = _number(self.infos.get(name, "").removesuffix("KiB"))
            if found:
                return found * 1024
        return None

    def below(self) -> Iterator[Object]:
        """Yield everything in it, in order."""
        pending = list(reversed(self.children))
        while pending:
            found = pending.pop()
            yield found
            pending += reversed(found.children)


@dataclass(slots=True)
class Distances:
    """A matrix between objects. objects: their ``gp_index`` · values: (from, to) -> value, zeros left out."""

    name: str
    objects: tuple[str, ...]
    values: Mapping[tuple[str, str], float]


@dataclass(slots=True)
class Topology:
    """What one file holds. machines: in order · attributes: name -> ``gp_index`` of a target -> best value."""

    machines: list[Object]
    distances: list[Distances] = field(default_factory=list)
    attributes: dict[str, dict[str, float]] = field(default_factory=dict)


def read_topology(content: bytes, file: str) -> Topology:
    """Return what a file of hwloc's holds; raises InputError for any other file."""
    root = xml_of(content, file, _MAX_BYTES)
    tops = [_object(child, ()) for child in root.children if child.tag == "object"]
    machines = [found for top in tops for found in (top, *top.below()) if found.type == "Machine"] or tops
    if root.tag != "topology" or not machines:
        what = f"its root is <{root.tag}>" if root.tag != "topology" else "there is no machine in it"
        raise InputError(
            Diagnostic(
                summary=f"{file} is no topology of hwloc: {what}",
                where=place(file, root.line),
                remedy="write one with lstopo on the machine",
                command=f"lstopo --of xml > {file}",
            )
        )
    found = Topology(machines)
    for element in root.children:
        if element.tag in ("distances2", "distances2hetero"):
            found.distances.append(_distances(element))
        elif element.tag == "memattr":
            best: dict[str, float] = {}
            for value in element.children:
                target, number = value.attributes.get("target_obj_gp_index", ""), _number(value.attributes.get("value"))
                if number is not None:
                    best[target] = max(best.get(target, 0.0), number)
            found.attributes[element.attributes.get("name", "")] = best
    return found


def is_memory(found: Object) -> bool:
    """Say whether memory of the machine hangs here: at a NUMA node, or, in version 1, at a machine without any."""
    return found.number("local_memory") not in (None, 0.0)


def _object(root: Element, above: tuple[Object, ...]) -> Object:
    """Return the object of an element with all that is below it."""
    top = _shallow(root, above)
    pending = [(top, root)]
    while pending:
        made, element = pending.pop()
        for child in element.children:
            if child.tag == "object":
                inner = _shallow(child, (*made.above, made))
                made.children.append(inner)
                pending.append((inner, child))
    return top


def _shallow(element: Element, above: tuple[Object, ...]) -> Object:
    kind = element.attributes.get("type", "")
    kind = _OLD_NAMES.get(kind, kind)
    if kind == "Cache":
        kind = f"L{element.attributes.get('depth', '')}" + {"1": "d", "2": "i"}.get(
            element.attributes.get("cache_type", ""), ""
        )
    elif found := _CACHE.fullmatch(kind):
        data = element.attributes.get("cache_type") == "1"
        kind = f"L{found[1]}{found[2] or ('d' if data else '')}"
    infos = {
        child.attributes.get("name", ""): child.attributes.get("value", "")
        for child in element.children
        if child.tag == "info"
    }
    return Object(kind, element.attributes, infos, above, element.line)


def _distances(element: Element) -> Distances:
    words: dict[str, list[str]] = {}
    for child in element.children:
        words.setdefault(child.tag, []).extend(child.text.split())
    objects = tuple(word.rpartition(":")[2] for word in words.get("indexes", ()))
    numbers = [_number(word) or 0.0 for word in words.get("u64values", ())]
    size = len(objects)
    values = {
        (objects[at // size], objects[at % size]): number for at, number in enumerate(numbers[: size * size]) if number
    }
    return Distances(element.attributes.get("name", ""), objects, values)


def _number(text: str | None) -> float | None:
    """Return a number as hwloc writes them; None for anything else."""
    return float(text) if text and re.fullmatch(r"\d{1,20}(\.\d{1,20})?", text) else None
