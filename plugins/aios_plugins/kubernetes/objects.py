"""Text of ``kubectl get -o json|yaml`` -> its objects, one by one, each with the place where it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from aios.records.document import Document, parse
from aios.records.errors import Diagnostic, InputError
from aios.records.yamltree import MAX_BYTES as MOST_YAML
from aios.spi.texts import MOST_TOLD, Mistakes, place, text_of

__all__ = ["MOST_JSON", "Item", "Listing", "read_listing"]

MOST_JSON = 96 * 2**20
"""Largest JSON that is read: a node takes about 15 kB as kubectl prints it, so this is some 6,000 nodes."""
_BULKY = frozenset({"managedFields", "images", "volumesInUse", "volumesAttached", "last-applied-configuration"})
"""Fields that fill most of the text and say nothing about what there is to run on."""
_BLANK = re.compile(r"[ \t\n\r]*")
_LISTS = ("List", "NodeList", "PodList")
_JSON_REMEDY = "save it as JSON, which is read piece by piece"
_JSON_COMMAND = "kubectl get nodes,pods -A -o json > cluster.json"


@dataclass(frozen=True, slots=True)
class Item:
    """A Node or a Pod.

    line: where it begins, from 1 · start, end: of JSON, where it stands in the text · document, path: of YAML, likewise
    """

    data: dict[str, Any]
    line: int
    start: int = 0
    end: int = 0
    document: Document | None = None
    path: tuple[str | int, ...] = ()


class Listing:
    """The objects of one file. others: how often each further kind occurs."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.mistakes = Mistakes(file, text)
        self.others: dict[str, int] = {}
        self.nodes: list[Item] = []
        self.pods: list[Item] = []
        self._text = text
        self._wrong = 0

    def wrong(self, item: Item, path: Sequence[str | int], summary: str, remedy: str | None = None) -> None:
        """Note a mistake at ``path`` of an item."""
        self._wrong += 1
        at = self._place(item, path) if self._wrong <= MOST_TOLD else (item.line, 1)  # looking it up takes long
        self.mistakes.add(summary, *at, remedy=remedy)

    def take(self, item: Item) -> None:
        """File an object by its kind."""
        kind = item.data.get("kind")
        if kind == "Node":
            self.nodes.append(item)
        elif kind == "Pod":
            self.pods.append(item)
        elif isinstance(kind, str):
            self.others[kind[:60]] = self.others.get(kind[:60], 0) + 1
        else:
            remedy = "give what `kubectl get nodes -o json` prints"
            self.wrong(item, (), "this object does not say what it is: it has no `kind`", remedy)

    def _place(self, item: Item, path: Sequence[str | int]) -> tuple[int, int]:
        if item.document is not None:
            line, column = item.document.place((*item.path, *path))
            return line + 1, column + 1
        at = item.start
        for step in path:
            found = self._text.find(f'"{step}"', at, item.end) if isinstance(step, str) else -1
            at = found if found >= 0 else at
        return self._text.count("\n", 0, at) + 1, at - self._text.rfind("\n", 0, at)


def read_listing(file: str, content: bytes) -> Listing:
    """Return the Nodes and Pods of a file; raises InputError for what is too large, or neither JSON nor YAML."""
    if content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        text = text_of(content, file, MOST_JSON)
        listing = Listing(file, text)
        for item in _json_items(listing, text):
            listing.take(item)
        return listing
    if len(content) > MOST_YAML:
        raise InputError(
            Diagnostic(
                summary=f"{file} has {len(content) / 2**20:.1f} MiB of YAML; at most {MOST_YAML // 2**20} MiB are read",
                where=place(file),
                remedy=_JSON_REMEDY,
                command=_JSON_COMMAND,
            )
        )
    listing = Listing(file, text_of(content, file))
    for document in parse(content, file):
        for item in _yaml_items(document):
            listing.take(item)
    return listing


def _yaml_items(document: Document) -> Iterator[Item]:
    def item(data: Any, path: tuple[str | int, ...]) -> Item:
        line = document.place(path)[0] + 1
        return Item(data if isinstance(data, dict) else {}, line, document=document, path=path)

    listed = document.data.get("items")
    if document.kind in _LISTS or (document.kind is None and isinstance(listed, list)):
        for index, data in enumerate(listed if isinstance(listed, list) else ()):
            yield item(_of_list(data, document.kind), ("items", index))
    else:
        yield item(document.data, ())


def _of_list(data: Any, list_kind: str | None) -> Any:
    """Return an object of a list; in a NodeList it need not say again that it is a Node."""
    if isinstance(data, dict) and "kind" not in data and list_kind in ("NodeList", "PodList"):
        return {**data, "kind": list_kind.removesuffix("List")}
    return data


def _json_items(listing: Listing, text: str) -> Iterator[Item]:
    """Yield the objects of one or several JSON values: objects, arrays of them, lists with ``items``.

    Each object of a list is decoded on its own, without what is bulky: no more than one is in memory as a whole.
    """
    reader = _Reader(listing, text)
    while reader.at < len(text):
        for data, start, end in reader.objects():
            yield Item(data if isinstance(data, dict) else {}, reader.line(start), start, end)


_Span: TypeAlias = tuple[Any, int, int]
"""A value, where it begins and where it ends."""


class _Reader:
    """Goes through JSON text from front to back."""

    def __init__(self, listing: Listing, text: str) -> None:
        self._listing = listing
        self._text = text
        self._decoder = json.JSONDecoder(object_pairs_hook=_without_bulk, parse_constant=_no_constant)
        self._counted = (0, 1)  # a position, and its line
        self.at = 0
        self._skip()

    def line(self, at: int) -> int:
        """Return the line of a position that is not before the last one asked for."""
        before, line = self._counted
        self._counted = (at, line + self._text.count("\n", before, at))
        return self._counted[1]

    def objects(self) -> Iterator[_Span]:
        """Yield the objects of the next value."""
        if self._next() == "[":
            yield from self._array()
        elif self._next() == "{":
            yield from self._object()
        else:
            raise self._wrong("a JSON object is wanted here", self.at)

    def _array(self) -> Iterator[_Span]:
        self._pass("[")
        while self._next() != "]":
            start = self.at
            yield self._value(), start, self.at
            if self._next() == ",":
                self._pass(",")
                if self._next() == "]":
                    raise self._wrong("a value is missing after the comma", self.at)
            elif self._next() != "]":
                raise self._wrong("a comma or `]` is missing", self.at)
        self._pass("]")

    def _object(self) -> Iterator[_Span]:
        """Yield the objects of a list, or the object itself if it has no ``items``."""
        start, rest, held = self.at, {}, False
        listed: list[_Span] = []
        self._pass("{")
        while self._next() != "}":
            key = self._value() if self._next() == '"' else None
            if key is None or self._next() != ":":
                raise self._wrong("a key in quotes and a colon are wanted here", self.at)
            self._pass(":")
            if key == "items" and self._next() == "[":
                held = True
                listed += self._array()
            else:
                rest[key] = self._value()
            if self._next() == ",":
                self._pass(",")
            elif self._next() != "}":
                raise self._wrong("a comma or `}` is missing", self.at)
        self._pass("}")
        kind = rest.get("kind")
        if held:
            of_kind = kind if isinstance(kind, str) else None
            yield from ((_of_list(data, of_kind), *span) for data, *span in listed)
        elif kind not in _LISTS:
            yield _without_bulk(list(rest.items())), start, self.at

    def _value(self) -> Any:
        try:
            value, self.at = self._decoder.raw_decode(self._text, self.at)
        except json.JSONDecodeError as error:
            raise self._wrong(f"this is no well-formed JSON: {error.msg}", error.pos) from None
        except RecursionError:
            raise self._wrong("this is nested too deep to be read", self.at) from None
        except ValueError as error:  # a number of thousands of digits, NaN
            raise self._wrong(f"this cannot be read: {error}", self.at) from None
        self._skip()
        return value

    def _next(self) -> str:
        return self._text[self.at : self.at + 1]

    def _pass(self, mark: str) -> None:
        self.at += len(mark)
        self._skip()

    def _skip(self) -> None:
        found = _BLANK.match(self._text, self.at)
        self.at = found.end() if found else self.at

    def _wrong(self, summary: str, at: int) -> InputError:
        text = self._text
        cut = at >= len(text)
        self._listing.mistakes.add(
            summary,
            text.count("\n", 0, at) + 1,
            at - text.rfind("\n", 0, at),
            reason="the text ends here" if cut else None,
            remedy="save the output of kubectl again, as it is",
        )
        return InputError(*self._listing.mistakes.told())


def _without_bulk(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if key not in _BULKY and not key.endswith("/last-applied-configuration")}


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number that JSON knows")
