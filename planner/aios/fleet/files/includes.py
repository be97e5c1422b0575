"""What a fleet file includes: other fleet files, files of device types, folders of both; each read once."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from aios.fleet.files.places import Place
from aios.fleet.files.salvaging import salvaged
from aios.fleet.forms.fleet import DeviceForm, FleetForm
from aios.fleet.kinds import is_device
from aios.records.document import Document, check
from aios.records.errors import Diagnostic, InputError

__all__ = ["FileReader", "Part", "parts_of"]

_DEEPEST = 16
"""Longest chain of includes: far beyond what people write, short of where folders that contain themselves end."""


class FileReader(Protocol):
    """Reads the files that others include."""

    def same(self, file: str) -> str:
        """Return the one name of a file that may be written in many ways."""
        ...

    def read(self, path: str) -> Sequence[tuple[str, Sequence[Document]]]:
        """Return a file, or every YAML file of a folder, with its documents. Raises InputError."""
        ...


class Part(NamedTuple):
    """A fleet document, or one that holds a device type. given: it was named itself, not included by another."""

    place: Place
    form: FleetForm | DeviceForm
    given: bool


def parts_of(documents: Sequence[Document], reader: FileReader | None, mistakes: list[Diagnostic]) -> list[Part]:
    """Return the fleets and device types of ``documents`` and of all that they include.

    reader: None where files cannot be included · mistakes: receives what is wrong: forms, files that are not there,
    includes that lead back to themselves
    """
    by_file: dict[str, list[Document]] = {}
    for document in documents:
        by_file.setdefault(_same(document.file, reader), []).append(document)
    gathering = _Gathering(reader, mistakes, frozenset(by_file))
    for same, found in by_file.items():
        gathering.file(same, found, ())
    return gathering.parts


def _same(file: str, reader: FileReader | None) -> str:
    return file if reader is None else reader.same(file)


@dataclass
class _Gathering:
    """What has been read so far. given: files that were named themselves · seen: all files, by their one name."""

    reader: FileReader | None
    mistakes: list[Diagnostic]
    given: frozenset[str]
    parts: list[Part] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def file(self, same: str, documents: Sequence[Document], chain: tuple[str, ...]) -> None:
        """Take a file up, unless it has been. chain: the files by way of which it was reached."""
        if same not in self.seen:
            self.seen.add(same)
            for document in documents:
                self._take(document, chain, same in self.given)

    def _take(self, document: Document, chain: tuple[str, ...], given: bool) -> None:
        place = Place(document)
        device = is_device(document) or (not given and "apiVersion" not in document.data)
        if not device and document.kind != "Fleet":
            return
        try:
            form = check(document, DeviceForm) if device else check(document, FleetForm)
        except InputError as error:
            self.mistakes += error.diagnostics
            if device:
                return
            form = salvaged(document)
        self.parts.append(Part(place, form, given))
        if isinstance(form, FleetForm):
            for index, path in enumerate(form.spec.include):
                at = (place / "spec" / "include").item(index)
                try:
                    self._include(path, (*chain, document.file))
                except InputError as error:
                    self.mistakes += [_placed(item, at) for item in error.diagnostics]

    def _include(self, path: str, chain: tuple[str, ...]) -> None:
        if self.reader is None:
            raise InputError(Diagnostic(summary="no files can be included here"))
        if len(chain) > _DEEPEST:
            raise InputError(Diagnostic(summary=f"includes lead more than {_DEEPEST} files deep", reason=_shown(chain)))
        including = chain[-1]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(including), path))
        above = {self.reader.same(file): file for file in chain}
        found = self.reader.read(path)
        for file, documents in found:
            same = self.reader.same(file)
            if same == self.reader.same(including) and len(found) > 1:
                continue  # a folder that the including file stands in
            if same in above:
                raise InputError(
                    Diagnostic(
                        summary=f"`{file}` includes itself",
                        reason=_shown((*chain[list(above).index(same) :], file)),
                        remedy="take one of these includes out",
                    )
                )
            self.file(same, documents, chain)
        if not any(_fits(document) for _, documents in found for document in documents):
            raise InputError(Diagnostic(summary=f"`{path}` holds neither a fleet nor a device type"))


def _fits(document: Document) -> bool:
    return document.kind == "Fleet" or "apiVersion" not in document.data


def _placed(item: Diagnostic, at: Place) -> Diagnostic:
    return item if item.where else at.mistake(item.summary, item.remedy, item.reason)


def _shown(chain: Sequence[str]) -> str:
    return " -> ".join(chain)
