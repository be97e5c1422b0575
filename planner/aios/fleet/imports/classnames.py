"""Names for classes of equal machines: what they hold, ``t4-2x-96c``, in the same words whatever their order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from itertools import count, product
from string import ascii_lowercase

from aios.fleet.imports.recognising import safe_name
from aios.records.fleet import Node

__all__ = ["class_names"]

_GIB = 2**30
_MOST_KINDS = 3
"""Kinds of devices that a name lists; more would not be read."""


def class_names(nodes: Sequence[Node], catalogue: Container[str]) -> list[str]:
    """Return a name for each node, no two alike: its machine's, or for a class of several what they hold.

    nodes: under the names of their first machines · catalogue: names of types that begin with their maker's
    """
    free = _Free()
    names: dict[int, str] = {}
    for index, node in enumerate(nodes):
        if node.count == 1:
            names[index] = free(safe_name(node.name, "machine"))
    free.taken |= {re.sub(r"-[0-9]+$", "", name) for name in free.taken}
    classes = [index for index in range(len(nodes)) if index not in names]
    rough = {index: _contents(nodes[index], catalogue) for index in classes}
    alike = Counter(rough.values())
    finer = {index: name if alike[name] == 1 else f"{name}{_memory(nodes[index])}" for index, name in rough.items()}
    for index in classes:
        names[index] = free(finer[index])
    return [names[index] for index in range(len(nodes))]


def _contents(node: Node, catalogue: Container[str]) -> str:
    """Return what a machine holds: its accelerators, or else that it is a plain computer, and its cores."""
    counts: Counter[str] = Counter()
    for slot in node.devices:
        if not slot.ids[0].startswith("cpu"):
            counts[_short(slot.type, catalogue)] += len(slot.ids)
    held = [f"{name}-{number}x" for name, number in sorted(counts.items())]
    if len(held) > _MOST_KINDS:
        held = ["mixed"]
    cores = [] if node.cores is None else [f"{node.cores}c"]
    return safe_name("-".join((held or ["cpu"]) + cores), "machine")


def _short(type_: str, catalogue: Container[str]) -> str:
    whole = type_.partition(":")[0]
    return type_.partition("-")[2] if whole in catalogue and "-" in whole else type_


def _memory(node: Node) -> str:
    return "" if node.memory_bytes is None else f"-{round(node.memory_bytes / _GIB)}g"


class _Free:
    """Gives names that are free. taken: those that are not"""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self._endings: dict[str, Iterator[str]] = {}  # name -> what was not yet tried behind it

    def __call__(self, name: str) -> str:
        """Return ``name``, with a letter if it is taken: with a number it could be one of a class's machines."""
        chosen = name
        while chosen in self.taken:
            ending = next(self._endings.setdefault(name, _letters()))
            chosen = f"{name}-{ending}"
        self.taken.add(chosen)
        return chosen


def _letters() -> Iterator[str]:
    """Yield ``a`` to ``z``, ``aa``, ``ab`` and so on."""
    return ("".join(letters) for length in count(1) for letters in product(ascii_lowercase, repeat=length))
