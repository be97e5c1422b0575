"""Compiled device trees (``.dtb``, ``/sys/firmware/fdt``) -> Tree; Devicetree Specification 0.4, chapter 5."""

from __future__ import annotations

import struct
from collections.abc import Collection

from aios.records.errors import Diagnostic, InputError
from aios.spi.texts import MOST_TOLD, place
from aios_plugins.devicetree.tree import MAX_DEPTH, Node, Property, Tree

__all__ = ["MAGIC", "read_blob"]

MAGIC = b"\xd0\x0d\xfe\xed"
_BEGIN, _END, _PROPERTY, _NOP, _LAST = 1, 2, 3, 4, 9  # tokens of the structure block
_HEADER = struct.Struct(">10I")
_OLDEST_READABLE = 16  # versions that are compatible with 16 have the layout that is read here
_MOST_NODES = 100_000
"""The largest device trees of Linux have some 3,000 nodes."""


class _Broken(Exception):
    """The blob contradicts itself."""


def read_blob(content: bytes, file: str) -> Tree:
    """Return the tree of a compiled device tree; raises InputError for one that is cut off or contradicts itself."""
    try:
        structure = _Structure(content)
        tree = Tree(root=structure.root(), left_out=[f"{file}: {sentence}" for sentence in structure.left_out])
    except (_Broken, struct.error, IndexError, ValueError) as error:
        raise InputError(
            Diagnostic(
                summary=f"{file} is no sound compiled device tree: {error}",
                where=place(file),
                remedy=f"check it with `dtc -I dtb -O dts {file}`",
            )
        ) from None
    assert tree.root is not None
    tree.overlay = "__fixups__" in tree.root.children or "__overlay__" in {
        name for child in tree.root.children.values() for name in child.children
    }
    symbols = tree.root.children.get("__symbols__")
    for label in symbols.properties if symbols else ():
        node = tree.by_path(symbols.text(label) or "/") if symbols else None
        if node is not None:
            tree.labels[label] = node
    tree.index_phandles()
    return tree


class _Structure:
    """The structure block of a blob. at: offset of the next token · left_out: what stands twice."""

    def __init__(self, content: bytes) -> None:
        if len(content) < _HEADER.size:
            raise _Broken("it is shorter than its header")
        _, size, structure, strings, _, version, oldest, _, strings_size, structure_size = _HEADER.unpack_from(content)
        if size > len(content):
            raise _Broken(f"it should have {size} bytes and has {len(content)}")
        if oldest > _OLDEST_READABLE + 1 or version < _OLDEST_READABLE:
            raise _Broken(f"it has version {version}, compatible with {oldest}; version 17 is read")
        if strings + strings_size > size or structure + (structure_size if version > _OLDEST_READABLE else 0) > size:
            raise _Broken("a block reaches beyond its end")
        self.content = content[:size]
        self.strings = content[strings : strings + strings_size]
        self.at = structure
        self.nodes = 0
        self.left_out: list[str] = []

    def root(self) -> Node:
        """Return the root node with all that is below it; raises _Broken."""
        open_nodes: list[Node] = []
        while True:
            token = self._word()
            if token == _BEGIN:
                node = self._node(open_nodes)
                if len(open_nodes) >= MAX_DEPTH:
                    raise _Broken(f"nodes are nested more than {MAX_DEPTH} levels deep")
                open_nodes.append(node)
            elif token == _END:
                node = open_nodes.pop()
                if not open_nodes:
                    return node
            elif token == _PROPERTY:
                self._property(open_nodes[-1])
            elif token != _NOP:
                raise _Broken("it ends inside a node" if token == _LAST else f"it has an unknown token {token}")

    def _word(self) -> int:
        (number,) = struct.unpack_from(">I", self.content, self.at)
        self.at += 4
        return int(number)

    def _node(self, open_nodes: list[Node]) -> Node:
        end = self.content.index(b"\0", self.at)
        name = self.content[self.at : end].decode("ascii", "replace")
        self.at = (end + 4) & ~3
        self.nodes += 1
        if self.nodes > _MOST_NODES:
            raise _Broken(f"it has more than {_MOST_NODES:,} nodes")
        node = Node(name or "/")
        if open_nodes:
            beside = open_nodes[-1].children
            beside[_free(name, beside)] = node  # of two nodes with one name Linux keeps both, as is done here
        return node

    def _property(self, node: Node) -> None:
        length, offset = self._word(), self._word()
        if self.at + length > len(self.content):
            raise _Broken(f"a property of `{node.name}` reaches beyond its end")
        name = self.strings[offset : self.strings.index(b"\0", offset)].decode("ascii", "replace")
        if name not in node.properties:
            node.properties[name] = Property(name, [self.content[self.at : self.at + length]])
        elif len(self.left_out) < MOST_TOLD:
            self.left_out.append(f"the property `{name}` of `{node.name}` stands twice, and the first one counts")
        self.at = (self.at + length + 3) & ~3


def _free(name: str, taken: Collection[str]) -> str:
    """Return ``name``, with a number behind it where it is taken."""
    number, free = len(taken), name
    while free in taken:
        free, number = f"{name}#{number}", number + 1
    return free
