"""The last look at a fleet file that an import made: aios must be able to read it."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping, Sequence

from aios.fleet.files.compile import compile_fleet
from aios.fleet.imports.assemble import Assembled
from aios.fleet.writing.text import fleet_text
from aios.records.document import Document, parse
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceType, Node

__all__ = ["checked_text"]

_MADE = "the fleet that was made of it"


def checked_text(assembled: Assembled, catalogue: Mapping[str, DeviceType]) -> str:
    """Return the fleet file, after reading it as any other.

    Raises InputError with everything that a fleet file may not say, each mistake at the machine that it is one of.
    """
    fleet = assembled.fleet
    text = fleet_text(fleet, catalogue)
    documents: Sequence[Document] = ()
    try:
        documents = parse(text.encode(), _MADE)
        compile_fleet(documents, catalogue, _MADE)
    except InputError as error:
        starts = [_start(documents[0], index) for index in range(len(fleet.nodes))] if documents else []
        raise InputError(*(_told(item, fleet.nodes, starts, fleet.origin) for item in error.diagnostics)) from None
    return text


def _start(document: Document, index: int) -> int:
    return document.span(("spec", "nodes", index)).line


def _told(mistake: Diagnostic, nodes: Sequence[Node], starts: Sequence[int], origin: str) -> Diagnostic:
    """Return a mistake of the file that was made as one of the description. starts: the lines that nodes begin on"""
    index = bisect(starts, mistake.where.line) - 1 if mistake.where else -1
    node = nodes[index] if index >= 0 else None
    whose = f"machine `{node.name}` of {origin}" if node else origin
    update = {"summary": f"{whose}: {mistake.summary}", "where": node.where if node else None}
    return mistake.model_copy(update=update)
