"""A device tree in memory, the same whether it was read from source or from a compiled blob."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["MAX_DEPTH", "Node", "Property", "Ref", "Tree", "Value", "Word"]

MAX_DEPTH = 64
"""Deepest nesting of nodes; the device trees of Linux stay below twelve."""


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word in a value: a name such as ``FP16``, or a macro that nothing here can resolve."""

    text: str


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to a node: ``&label``, or a path."""

    target: str


Value = str | int | float | bytes | Word | Ref
"""Text, a cell, bytes (of a blob: the whole property), a word, a reference."""


@dataclass(slots=True)
class Property:
    """A property of a node.

    values, places: in order, and where each stands (line and column, from 1) · comments: those beside it, nearest first
    """

    name: str
    values: list[Value] = field(default_factory=list)
    line: int = 0
    column: int = 0
    places: list[tuple[int, int]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    def strings(self) -> tuple[str, ...]:
        """Return the texts of the value; of a blob, the texts that its bytes hold."""
        found: list[str] = []
        for value in self.values:
            if isinstance(value, str):
                found.append(value)
            elif isinstance(value, bytes):
                found += value.rstrip(b"\0").decode("utf-8", "replace").split("\0")
        return tuple(text for text in found if text)

    def cells(self) -> tuple[int | Ref | None, ...]:
        """Return the 32-bit cells of the value; None for what only a preprocessor could resolve."""
        found: list[int | Ref | None] = []
        for value in self.values:
            if isinstance(value, bytes):
                found += [int.from_bytes(value[at : at + 4], "big") for at in range(0, len(value) - 3, 4)]
            elif isinstance(value, int):
                found.append(value if value >= 0 else value & 0xFFFFFFFF)  # as it is compiled
            elif isinstance(value, Ref):
                found.append(value)
            elif isinstance(value, Word | float):
                found.append(None)
        return tuple(found)

    def typed(self) -> Property:
        """Return it with the bytes of a blob as what they most likely are: texts first, cells behind them."""
        if len(self.values) != 1 or not isinstance(raw := self.values[0], bytes):
            return self
        values: list[Value] = []
        while (end := raw.find(b"\0")) > 0 and raw[:end].isascii() and raw[:end].decode().isprintable():
            values.append(raw[:end].decode())
            raw = raw[end + 1 :]
        if len(raw) % 4:
            return self
        values += [int.from_bytes(raw[at : at + 4], "big") for at in range(0, len(raw), 4)]
        return Property(self.name, values, self.line, self.column)


@dataclass(slots=True)
class Node:
    """A node. name: with its unit address, ``cpu@0`` · line, column, file: of its name, from 1; 0 in a blob."""

    name: str
    line: int = 0
    column: int = 0
    file: str = ""
    labels: list[str] = field(default_factory=list)
    properties: dict[str, Property] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The name without its unit address."""
        return self.name.partition("@")[0]

    def strings(self, name: str) -> tuple[str, ...]:
        """Return the texts of a property; none where it is absent."""
        found = self.properties.get(name)
        return found.strings() if found else ()

    def text(self, name: str) -> str | None:
        """Return the first text of a property."""
        return next(iter(self.strings(name)), None)

    def cells(self, name: str) -> tuple[int | Ref | None, ...]:
        """Return the cells of a property; none where it is absent."""
        found = self.properties.get(name)
        return found.cells() if found else ()

    def number(self, name: str) -> int | None:
        """Return a property as one number: of one cell, or of two, the high one first."""
        cells = self.cells(name)
        if not 1 <= len(cells) <= 2 or not all(isinstance(cell, int) for cell in cells):
            return None
        return joined([cell for cell in cells if isinstance(cell, int)])

    def enabled(self) -> bool:
        """Say whether its ``status`` lets an operating system use it."""
        return self.text("status") in (None, "okay", "ok")


@dataclass(slots=True)
class Tree:
    """What one file holds.

    root: the node ``/``, where there is one · loose: nodes that stand at the top by themselves · labels, phandles: ways
    to name a node · left_out: one sentence for each thing that could not be used
    """

    root: Node | None = None
    loose: list[Node] = field(default_factory=list)
    labels: dict[str, Node] = field(default_factory=dict)
    phandles: dict[int, Node] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    overlay: bool = False

    def walk(self) -> Iterator[tuple[Node, tuple[Node, ...]]]:
        """Yield every node that is enabled, with those above it, from the root on."""
        pending: list[tuple[Node, tuple[Node, ...]]] = [(node, ()) for node in reversed(self.loose)]
        if self.root is not None:
            pending.append((self.root, ()))
        while pending:
            node, above = pending.pop()
            if node.enabled():
                yield node, above
                pending += [(child, (*above, node)) for child in reversed(node.children.values())]

    def target(self, cell: int | Ref | None) -> Node | None:
        """Return the node that a cell of a property names, by phandle, label or path."""
        if isinstance(cell, int):
            return self.phandles.get(cell)
        if cell is None:
            return None
        return self.by_path(cell.target) if cell.target.startswith("/") else self.labels.get(cell.target)

    def by_path(self, path: str) -> Node | None:
        """Return the node at a path from the root."""
        node = self.root
        for name in path.strip("/").split("/"):
            node = node.children.get(name) if node is not None and name else node
        return node

    def index_phandles(self) -> None:
        """Note the nodes' phandles; to be called once the tree is complete."""
        pending = [*self.loose, *([self.root] if self.root is not None else [])]
        while pending:
            node = pending.pop()
            pending += node.children.values()
            for name in ("phandle", "linux,phandle"):
                number = node.number(name)
                if number is not None:
                    self.phandles.setdefault(number, node)


def joined(cells: list[int]) -> int:
    """Return the number that cells are, the highest first."""
    number = 0
    for cell in cells:
        number = number << 32 | cell
    return number
