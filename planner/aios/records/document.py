"""Documents as users write them: YAML in, plain data and the place of every value out.

``parse`` reads a file into Documents, ``check`` turns one into a pydantic model or says everything that is wrong with
it, ``schema_text`` gives editors the same rules as JSON Schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aios.records.base import Span, trusted
from aios.records.checking import check, dotted, first_of
from aios.records.errors import Diagnostic, InputError
from aios.records.forms import nearest
from aios.records.scalars import place_within
from aios.records.yamltree import MAX_BYTES, Node, Source, compose

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["API_VERSION", "Document", "check", "dotted", "kind_mistake", "parse", "schema_text"]

API_VERSION = "aios/v1"
"""The ``apiVersion`` of every document that this aios understands."""

# What YAML does not allow in a text at all: control characters, other than tab and line breaks.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")


_BINARY = "this looks like a binary file; name a YAML file"


@dataclass(frozen=True)
class Document:
    """One YAML document.

    file: path as the user gave it · data: plain Python, a mapping at the top; keys are text ·
    api_version, kind: its two leading fields, None where absent or no text
    """

    file: str
    data: dict[str, Any]
    api_version: str | None
    kind: str | None
    _root: Node = field(repr=False, compare=False)
    _source: Source = field(repr=False, compare=False)

    def span(self, path: Sequence[str | int], key: bool = False) -> Span:
        """Return where the value at ``path`` stands, or its key; for what is absent, the key of the nearest parent."""
        return self._span(self.place(path, key))

    def place(self, path: Sequence[str | int], key: bool = False) -> tuple[int, int]:
        """Return ``span`` as line and column, 0-based."""
        node, place = self._root, (self._root.line, self._root.column)
        for step in path:
            found = _child(node, step)
            if found is None:
                return place
            node, place = found
        return place if key else (node.line, node.column)

    def diagnostic(
        self,
        path: Sequence[str | int],
        summary: str,
        *,
        key: bool = False,
        reason: str | None = None,
        remedy: str | None = None,
    ) -> Diagnostic:
        """Return a diagnostic at ``path`` (see ``span``) with the text of that line."""
        return self._source.diagnostic(summary, *self.place(path, key), reason=reason, remedy=remedy)

    def diagnostic_within(
        self,
        path: Sequence[str | int],
        at: tuple[int, int],
        summary: str,
        *,
        reason: str | None = None,
        remedy: str | None = None,
    ) -> Diagnostic:
        """Return a diagnostic at a line and column (0-based) of the text that stands at ``path``."""
        text = self._value(path)
        place = place_within(self._source.lines, self.place(path), text, at) if text else self.place(path)
        return self._source.diagnostic(summary, *place, reason=reason, remedy=remedy)

    def _value(self, path: Sequence[str | int]) -> str:
        node: Node | None = self._root
        for step in path:
            found = None if node is None else _child(node, step)
            node = None if found is None else found[0]
        return node.value if node is not None and isinstance(node.value, str) else ""

    def part(self, path: Sequence[str | int], kind: str, name: str) -> Document:
        """Return the mapping at ``path`` as the ``spec`` of a document of its own, with every place as it is here."""
        node: Node = self._root
        for step in path:
            found = _child(node, step)
            assert found is not None, "a part is taken of what is there"
            node = found[0]
        data = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": node.value}
        heads = {key: Node(data[key], node.line, node.column, {}, {}, []) for key in ("apiVersion", "kind")}
        named = Node(name, node.line, node.column, {}, {}, [])
        begin = (node.line, node.column)
        heads["metadata"] = Node(data["metadata"], *begin, {"name": begin}, {"name": named}, [])
        children = heads | {"spec": node}
        root = Node(data, *begin, dict.fromkeys(children, begin), children, [], node.size)
        return Document(self.file, data, API_VERSION, kind, root, self._source)

    def leaves(self) -> dict[str, Span]:
        """Return the place of every value that is no mapping or list, by dotted path: ``spec.model[0].path``."""
        return {dotted(path): self._span((node.line, node.column)) for path, node in _leaves(self._root, ())}

    def empty(self) -> list[tuple[str | int, ...]]:
        """Return the paths at which a key or a list item has no value."""
        if not _hollow(self.data):
            return []
        return [path for path, node in _leaves(self._root, ()) if node.value is None]

    def _span(self, place: tuple[int, int]) -> Span:
        return trusted(Span, {"file": self.file, "line": place[0] + 1, "column": place[1] + 1}, _GIVEN)


_GIVEN = set(Span.model_fields)


def _hollow(value: Any) -> bool:
    """Say whether there is no value somewhere in plain data."""
    if isinstance(value, dict):
        return any(map(_hollow, value.values()))
    return value is None or (isinstance(value, list) and any(map(_hollow, value)))


def _leaves(node: Node, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    if not isinstance(node.value, dict | list):
        yield path, node
    for key, child in node.children.items():
        yield from _leaves(child, (*path, key))
    for index, item in enumerate(node.items):
        yield from _leaves(item, (*path, index))


def _child(node: Node, step: str | int) -> tuple[Node, tuple[int, int]] | None:
    if isinstance(step, int):
        if not 0 <= step < len(node.items):
            return None
        item = node.items[step]
        return item, (item.line, item.column)
    child = node.children.get(step)
    return None if child is None else (child, node.keys[step])


def parse(text: bytes, file: str) -> tuple[Document, ...]:
    """Return the documents of a YAML file that hold anything, in order.

    Raises InputError, with the place of everything that is wrong: not UTF-8, too large, broken YAML, doubled keys,
    tags, aliases that grow without bound, a document that is no mapping, no document at all.
    """
    if len(text) > MAX_BYTES:
        raise InputError(
            Diagnostic(
                summary=f"{file} has {len(text) / 2**20:.1f} MiB; at most {MAX_BYTES // 2**20} MiB are read",
                where=Span(file=file, line=1, column=1),
                remedy="split it into several files; equal nodes need only one entry with `count:`",
            )
        )
    decoded = _decode(text, file)
    source = Source.of(file, decoded)
    _refuse_unprintable(source, decoded)
    roots, mistakes = compose(source, decoded)
    filled = [root for root in roots if root.value is not None]
    if not mistakes:
        mistakes = [_no_mapping(source, root) for root in filled if not isinstance(root.value, dict)]
    if not filled and not mistakes:
        remedy = f"a document begins with `apiVersion: {API_VERSION}` and `kind: ...`"
        where = Span(file=file, line=1, column=1)
        mistakes.append(Diagnostic(summary=f"{file} is empty", where=where, remedy=remedy))
    if mistakes:
        raise InputError(*first_of(mistakes))
    return tuple(
        Document(file, root.value, _text(root.value, "apiVersion"), _text(root.value, "kind"), root, source)
        for root in filled
    )


def _decode(text: bytes, file: str) -> str:
    try:
        return text.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = text[: error.start].decode("utf-8")
        source = Source.of(file, before)
        wide = text[:2] in (b"\xff\xfe", b"\xfe\xff")
        last = source.lines[-1]
        raise InputError(
            Diagnostic(
                summary=f"{file} is not UTF-8 text: byte 0x{text[error.start]:02x} at position {error.start}",
                where=Span(file=file, line=len(source.lines), column=len(last) + 1),
                line_text=(last + "\ufffd") if len(last) < 200 else None,
                reason="it was saved as UTF-16" if wide else None,
                remedy="save the file as UTF-8" if wide or b"\0" not in text else _BINARY,
            )
        ) from None


def _refuse_unprintable(source: Source, text: str) -> None:
    if not _UNPRINTABLE.search(text):
        return
    found = [(line, match) for line, text in enumerate(source.lines) for match in [_UNPRINTABLE.search(text)] if match]
    if found:
        raise InputError(
            *(
                Diagnostic(
                    summary=f"the control character U+{ord(match[0]):04X} is not allowed",
                    where=Span(file=source.file, line=line + 1, column=match.start() + 1),
                    remedy="delete it" if ord(match[0]) else _BINARY,
                )
                for line, match in found[:5]
            )
        )


def _no_mapping(source: Source, root: Node) -> Diagnostic:
    what = "a list" if isinstance(root.value, list) else "a single value"
    return source.diagnostic(
        f"a document is a mapping of fields, but this is {what}",
        root.line,
        root.column,
        remedy=f"begin it with `apiVersion: {API_VERSION}` and `kind: ...`; several documents are separated by `---`",
    )


def _text(data: dict[str, Any], key: str) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) else None


def kind_mistake(document: Document, kinds: Sequence[str]) -> Diagnostic | None:
    """Return what is wrong with a document's ``apiVersion`` or ``kind``; None if it is one of ``kinds``."""
    for key, value, known in (("apiVersion", document.api_version, (API_VERSION,)), ("kind", document.kind, kinds)):
        if value in known:
            continue
        shown = ", ".join(f"`{name}`" for name in known)
        if key not in document.data:
            return document.diagnostic((), f"`{key}` is missing", remedy=f"add `{key}: {known[0]}`; known: {shown}")
        near = nearest(str(value), known)
        meant = f"did you mean `{near}`? " if near else ""
        return document.diagnostic((key,), f"unknown {key} `{document.data[key]}`", remedy=f"{meant}known: {shown}")
    return None


def schema_text(model: type[BaseModel], title: str, identifier: str) -> str:
    """Return the JSON Schema (draft 2020-12) of a written form, as it is kept in ``schemas/``; the same on every run.

    identifier: its ``$id``, such as ``aios/v1/intent.schema.json``
    """
    schema = _tidy(model.model_json_schema(by_alias=True, mode="validation"))
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": identifier, "title": title}
    body = {key: value for key, value in schema.items() if key != "title"}
    return json.dumps(head | body, indent=2, ensure_ascii=False) + "\n"


def _tidy(schema: Any) -> Any:
    """Return a schema without made-up titles, whose optional fields may be left out but not be empty, as ``check``."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _tidy(value) for key, value in schema.items() if (key, value) != ("default", None)}
    if isinstance(kept.get("properties"), dict):
        titled = kept["properties"].items()
        kept["properties"] = {name: {k: v for k, v in field.items() if k != "title"} for name, field in titled}
    if isinstance(kept.get("anyOf"), list):
        choices = [choice for choice in kept["anyOf"] if choice != {"type": "null"}]
        kept = {key: value for key, value in kept.items() if key != "anyOf"}
        kept = (choices[0] | kept) if len(choices) == 1 else {"anyOf": choices, **kept}
    return kept
