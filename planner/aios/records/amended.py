"""Documents of which some values were written elsewhere: on a command line, one option each.

Every value keeps its place: of one that was put in, that is the option. So all that is said of a document, a conflict
included, points at what its reader can change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aios.records.base import Span
from aios.records.document import API_VERSION, Document, parse
from aios.records.errors import Diagnostic, InputError
from aios.records.yamltree import Node, Source

__all__ = ["Misfit", "Written", "amended", "new_document", "nothing", "written"]

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Written:
    """A value as it stands in an option. where: such as ``--set 2`` · text: the whole option · value: plain data"""

    where: str
    text: str
    value: Any
    _node: Node = field(repr=False, compare=False)

    def having(self, fields: Mapping[str, str]) -> Written:
        """Return this mapping with the fields that it does not state itself."""
        new = {name: _tree(text, -1) for name, text in fields.items()}
        return self._with({**new, **self._node.children})

    def _with(self, children: dict[str, Node]) -> Written:
        own = self._node
        keys = {name: own.keys.get(name, (own.line, own.column)) for name in children}
        data = {name: child.value for name, child in children.items()}
        return Written(self.where, self.text, data, Node(data, own.line, own.column, keys, children, [], own.size))


class Misfit(Exception):
    """A path leads where nothing can stand. depth: how many of its steps fit"""

    def __init__(self, depth: int) -> None:
        super().__init__(depth)
        self.depth = depth


def written(text: str, begins: int, where: str) -> Written:
    """Return the YAML value in ``text`` from the column ``begins`` on, 0-based.

    Raises InputError for what is no YAML value, with the place in ``text``.
    """
    lead = "v: "
    try:
        found = parse((lead + text[begins:]).encode("utf-8", "surrogateescape"), where)
    except InputError as error:
        raise InputError(*(_shifted(item, text, begins - len(lead)) for item in error.diagnostics)) from None
    if len(found) != 1 or len(found[0].data) != 1:
        source = Source.of(where, text)
        raise InputError(source.diagnostic("one value is wanted here", 0, begins, remedy="write it on one line"))
    node = found[0]._root.children["v"]
    return Written(where, text, node.value, _moved(node, -1, begins - len(lead)))


def nothing(text: str, where: str) -> Written:
    """Return the empty mapping, as if written in an option."""
    return Written(where, text, {}, _tree({}, -1))


def _shifted(item: Diagnostic, text: str, by: int) -> Diagnostic:
    if item.where is None:
        return item
    where = Span(file=item.where.file, line=1, column=max(item.where.column + by, 1))
    return item.model_copy(update={"where": where, "line_text": text})


def _moved(node: Node, line: int, right: int) -> Node:
    """Return a value with another line, and so many columns further to the right."""
    return Node(
        node.value,
        line,
        max(node.column + right, 0),
        {name: (line, max(column + right, 0)) for name, (_, column) in node.keys.items()},
        {name: _moved(child, line, right) for name, child in node.children.items()},
        [_moved(item, line, right) for item in node.items],
        node.size,
    )


@dataclass(frozen=True)
class _Amended(Document):
    """A document with values of other origin: their line is negative, -1 for the first of ``_origins``.

    _gone: path of a field that was taken away -> where that is written
    """

    _origins: tuple[Source, ...] = field(default=(), repr=False, compare=False)
    _gone: Mapping[Path, tuple[int, int]] = field(default_factory=dict, repr=False, compare=False)

    def place(self, path: Sequence[str | int], key: bool = False) -> tuple[int, int]:
        ways = (tuple(path[:steps]) for steps in range(1, len(path) + 1))
        gone = next((way for way in ways if way in self._gone), None)
        return super().place(path, key) if gone is None else self._gone[gone]

    def diagnostic(
        self,
        path: Sequence[str | int],
        summary: str,
        *,
        key: bool = False,
        reason: str | None = None,
        remedy: str | None = None,
    ) -> Diagnostic:
        line, column = self.place(path, key)
        if line >= 0:
            return super().diagnostic(path, summary, key=key, reason=reason, remedy=remedy)
        return self._origins[-line - 1].diagnostic(summary, 0, column, reason=reason, remedy=remedy)

    def _span(self, place: tuple[int, int]) -> Span:
        if place[0] >= 0:
            return super()._span(place)
        return Span(file=self._origins[-place[0] - 1].file, line=1, column=place[1] + 1)


def amended(document: Document, path: Path, value: Written, columns: Sequence[int]) -> Document:
    """Return the document with ``value`` at ``path``, or without what stands there where the value is None.

    Mappings on the way that are not there are made; a list takes one further item. columns: of the last steps of the
    path in the option, 0-based. Raises Misfit where the path leads through a single value, into a list by name or past
    its end, and where what is to be taken away is not there.
    """
    origins, earlier = (document._origins, document._gone) if isinstance(document, _Amended) else ((), {})
    line = -len(origins) - 1
    places = [(line, column) for column in ([columns[0]] * len(path) + list(columns))[len(columns) :]] if path else []
    new = None if value.value is None else _moved(value._node, line, 0)
    root = _put(document._root, path, new, places, 0)
    data: dict[str, Any] = root.value
    names = [name if isinstance(name, str) else None for name in (data.get("apiVersion"), data.get("kind"))]
    own = (*origins, Source.of(value.where, value.text))
    gone = {way: place for way, place in earlier.items() if way[: len(path)] != path and path[: len(way)] != way}
    if new is None and isinstance(path[-1], str):
        gone[path] = places[-1]
    return _Amended(document.file, data, names[0], names[1], root, document._source, own, gone)


def new_document(kind: str, metadata: Mapping[str, str], value: Written) -> Document:
    """Return a document that stands in no file but as if in an option, with an empty ``spec``."""
    data = {"apiVersion": API_VERSION, "kind": kind, "metadata": dict(metadata), "spec": {}}
    return Document(value.where, data, API_VERSION, kind, _tree(data, 0), Source.of(value.where, value.text))


def _tree(value: Any, line: int) -> Node:
    """Return plain mappings and texts as a value that stands at the beginning of a line."""
    children = {key: _tree(item, line) for key, item in value.items()} if isinstance(value, dict) else {}
    return Node(value, line, 0, dict.fromkeys(children, (line, 0)), children, [])


def _put(node: Node, path: Path, new: Node | None, places: Sequence[tuple[int, int]], depth: int) -> Node:
    """Return the value with ``new`` at the rest of the path. places: of each step, for keys that are made."""
    if depth == len(path):
        assert new is not None  # what is taken away, is taken out of what holds it
        return new
    step, gone = path[depth], new is None and depth == len(path) - 1
    if isinstance(step, int) != isinstance(node.value, list) or not isinstance(node.value, dict | list):
        raise Misfit(depth)
    empty = Node([] if depth + 1 < len(path) and isinstance(path[depth + 1], int) else {}, *places[depth], {}, {}, [])
    if isinstance(step, int):
        if step > len(node.items) - gone:
            raise Misfit(depth)
        own = node.items[step] if step < len(node.items) else empty
        between = [] if gone else [_put(own, path, new, places, depth + 1)]
        items = [*node.items[:step], *between, *node.items[step + 1 :]]
        begins = (node.line, node.column) if items else places[depth]
        return Node([item.value for item in items], *begins, {}, {}, items, node.size)
    children = dict(node.children)
    if gone:
        if step not in children:
            raise Misfit(depth)
        del children[step]
    else:
        held = children.get(step)
        children[step] = _put(empty if held is None or held.value is None else held, path, new, places, depth + 1)
    keys = {name: node.keys.get(name, places[depth]) for name in children}
    data = {name: child.value for name, child in children.items()}
    return Node(data, node.line, node.column, keys, children, [], node.size)
