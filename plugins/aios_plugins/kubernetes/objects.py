"""Text of ``kubectl get -o json|yaml`` -> its objects, one by one, each with the place where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aios.records.document import Document, parse
from aios.records.errors import Diagnostic, InputError
from aios.records.yamltree import MAX_BYTES as MOST_YAML
from aios.spi.jsontext import JsonText
from aios.spi.texts import MOST_BYTES, MOST_TOLD, Mistakes, place, text_of

__all__ = ["Item", "Listing", "read_listing"]

_BULKY = frozenset({"managedFields", "images", "volumesInUse", "volumesAttached", "last-applied-configuration"})
"""Fields that fill most of the text and say nothing about what there is to run on."""
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
        text = text_of(content, file, MOST_BYTES)
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
    reader = JsonText(text, listing.mistakes, keep=_wanted, remedy="save the output of kubectl again, as it is")
    while reader.mark():
        for data, start, end in _objects(reader):
            yield Item(data if isinstance(data, dict) else {}, reader.line(start), start, end)


def _objects(reader: JsonText) -> Iterator[tuple[Any, int, int]]:
    """Yield the objects of the next value, each with where it begins and ends."""
    if reader.mark() == "[":
        yield from _array(reader)
    elif reader.mark() == "{":
        yield from _object(reader)
    else:
        raise reader.wrong("a JSON object is wanted here", reader.at)


def _array(reader: JsonText) -> Iterator[tuple[Any, int, int]]:
    for start in reader.items():
        yield reader.value(), start, reader.at


def _object(reader: JsonText) -> Iterator[tuple[Any, int, int]]:
    """Yield the objects of a list, or the object itself if it has no ``items``."""
    begun, rest = reader.at, {}
    listed: list[tuple[Any, int, int]] | None = None
    for key, _ in reader.members():
        if key == "items" and reader.mark() == "[":
            listed = list(_array(reader))
        else:
            rest[key] = reader.value()
    kind = rest.get("kind")
    if listed is not None:
        of_kind = kind if isinstance(kind, str) else None
        yield from ((_of_list(data, of_kind), start, end) for data, start, end in listed)
    elif kind not in _LISTS:
        yield {key: value for key, value in rest.items() if _wanted(key)}, begun, reader.at


def _wanted(key: str) -> bool:
    return key not in _BULKY and not key.endswith("/last-applied-configuration")
