"""Which intents say and use what they said and used at a revision: those are left as they stand.

By content, never by the time of files: an intent is unchanged when its document and every file that it names are. What
is shared by all (fleet, objective, calibrations) must be unchanged too, else everything is planned; and so is whatever
cannot be told.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from aios.records.data import files_of
from aios.records.demanded import Demanded
from aios.records.document import Document, parse
from aios.records.errors import InputError
from aios.records.intent import Intent
from aios.records.state import State
from aios.workflow.keeping import load_state
from aios.workflow.parts import is_split
from aios.workflow.planning import Considered, consider
from aios.workflow.reading import Given, gather
from aios.workflow.replanning import Wished, replanning
from aios.workflow.revisions import Revision, open_revision
from aios.workflow.setting import Setting

__all__ = ["Since", "changed_since"]

_YAML = (".yaml", ".yml")
_KEPT = (".json", *_YAML)
"""Files beside measurements that are read: these, and calibrations."""
_NAMED = 5
"""Intents that a remark names."""


class Since(NamedTuple):
    """What planning starts from. considered: all intents, priced · wished: with those to be left frozen · remarks: what
    is left and what is not, and why, a line each"""

    considered: Considered
    wished: Wished
    remarks: tuple[str, ...]


def changed_since(setting: Setting, revision: str, wished: Wished) -> Since:
    """Return the intents of ``setting``, those frozen that did not change since ``revision`` and still stand.

    Raises InputError for what was given and for a revision that is not known, WorldError where git cannot be run.
    """
    there = open_revision(revision, _home(setting))
    read: dict[str, tuple[Document, ...]] = {}

    def noted(documents: tuple[Document, ...]) -> tuple[Document, ...]:
        read.update({documents[0].file: documents} if documents else {})
        return setting.edit(documents)

    given = gather(replace(setting, edit=noted))
    considered = consider(given, setting.tell)
    items: list[Intent | Demanded] = [*given.intents, *given.demands]
    names = [item.name for item in items]
    comparing = _Comparing(there, given, read)
    shared = comparing.shared()
    if shared:
        return Since(considered, wished, (f"everything is planned: {shared}",))
    why = {item.name: comparing.changed(item) for item in items}
    same = [name for name in names if why[name] is None]
    stay = _staying(considered, load_state(setting), wished, same)
    frozen = tuple(dict.fromkeys((*wished.freeze, *stay)))
    remarks = [f"{_intents(stay)} unchanged since {revision}: left as {_they(stay)}"] if stay else []
    others = [name for name in same if name not in set(stay)]
    if others:
        all_the_same = "and planned all the same, as nothing stands that could stay"
        remarks.append(f"{_intents(others)} unchanged since {revision} {all_the_same}: {_listed(others)}")
    changed = [f"{name} ({why[name]})" for name in names if why[name] is not None]
    if changed:
        remarks.append(f"{_intents(changed)} planned: {_listed(changed)}")
    return Since(considered, wished._replace(freeze=frozen), tuple(remarks))


def _home(setting: Setting) -> Path:
    """Return the folder whose repository is meant: that of the first path."""
    first = next((Path(path) for path in setting.paths if path != "-"), Path())
    folder = first if first.is_dir() else first.parent
    return folder if folder.is_dir() else Path()


def _intents(names: Sequence[str]) -> str:
    return f"{len(names):,} intent{'' if len(names) == 1 else 's'}"


def _they(names: Sequence[str]) -> str:
    return "it stands" if len(names) == 1 else "they stand"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")


def _staying(considered: Considered, state: State, wished: Wished, names: Sequence[str]) -> list[str]:
    """Return those of ``names`` that stand as something that they may still run as, all of it where it stood."""
    whole = {intent.name for intent in considered.given.intents if not is_split(intent)}
    stated = {demand.name for demand in considered.given.demands}
    found = replanning(considered, state, wished)
    stay = []
    for name in names:
        standing, footing = found.moving.standing.get(name), found.current.footings.get(name)
        if standing is None or footing is None or standing.placement != footing.placement:
            continue
        if name in stated or (name in whole and standing.option is not None):
            stay.append(name)
    return stay


class _Comparing:
    """Files as they are, and as they were. read: every YAML file that was read -> its documents"""

    def __init__(self, there: Revision, given: Given, read: dict[str, tuple[Document, ...]]) -> None:
        self.there = there
        self.given = given
        self.read = read
        self._parsed: dict[str, tuple[Document, ...]] = {}
        self._moved: dict[str, str] | None = None
        self._measured: dict[str, str] = {}
        named = [choice.path for intent in given.intents for choice in intent.models if not choice.card]
        named += [path for intent in given.intents for path in _named(intent)]
        files = {there.inside(path) for path in (*read, *named) if Path(path).is_file()}
        there.now([place for place in files if place])  # all at once: git is asked only once

    def shared(self) -> str | None:
        """Return what changed that all intents depend on; None where nothing did."""
        if not any(_shared(documents, "Fleet") for documents in self.read.values()):
            return "the fleet is this machine, which no file describes"
        for file, documents in self.read.items():
            if not self._same(file) and _others(documents) != _others(self._earlier(file)):
                return f"{file} changed since {self.there.name}"
        return self._left_behind() or self._measurements()

    def changed(self, item: Intent | Demanded) -> str | None:
        """Return what of an intent changed, or cannot be told; None where nothing did."""
        file = item.where.file
        place = self._place(file)
        if place is None:
            return f"{file} is in no file of the repository"
        origin = place if place in self.there.blobs else self._before_moving(place)
        if origin is None:
            return "new"
        if not self._same(file, origin):
            name = item.pipeline.name if isinstance(item, Intent) and item.pipeline else item.name
            said = _document(self.read.get(file, ()), name)
            if said is None or said != _document(self._earlier(file), name):
                return f"{file} says something else"
        if isinstance(item, Demanded):
            return None
        folders = os.path.dirname(place), os.path.dirname(origin)  # noqa: PTH120 - places in Git, no paths on disk
        return self._files(item, folders) or self._measured_of(item)

    def _files(self, intent: Intent, folders: tuple[str, str]) -> str | None:
        """Return which file that an intent names changed. folders: of the intent's file, now and then"""
        for choice in intent.models:
            if choice.card:
                continue
            if choice.stored:
                return f"{choice.path} names what a model store holds, of which Git does not tell"
            path = Path(choice.path)
            alone = path.is_file() and self.given.profiles[intent.name][choice.name].digest == _sha256(path)
            found = self._file(choice.path, folders) if alone else self._folder(path if path.is_dir() else path.parent)
            if found:
                return found
        for data in _named(intent):
            found = self._folder(Path(data)) if Path(data).is_dir() else self._file(data, folders)
            if found:
                return found
        return None

    def _file(self, path: str, folders: tuple[str, str]) -> str | None:
        place = self._place(path)
        if place is None:
            return f"{path} is no plain file of the repository"
        then = place
        if folders[0] != folders[1] and not Path(path).is_absolute():
            then = os.path.normpath(os.path.join(folders[1], os.path.relpath(place, folders[0] or ".")))  # noqa: PTH118 - places in Git, no paths on disk
        if then not in self.there.blobs:
            return f"{path} is not in {self.there.name}"
        return None if self.there.now([place]).get(place) == self.there.blobs[then] else f"{path} changed"

    def _folder(self, folder: Path) -> str | None:
        """Return what changed of a model that is several files: anything in their folder."""
        place = self.there.inside(folder)
        if place is None:
            return f"{folder} is no folder of the repository"
        return f"{folder} changed" if self._differing(place, folder) else None

    def _differing(self, place: str, folder: Path) -> list[str]:
        """Return the places in and below a folder whose content differs."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() or path.is_symlink()]
        here = [self.there.inside(path) or "" for path in files]  # "": reached by a link
        now = self.there.now([file for file in here if file])
        then = {file: self.there.blobs[file] for file in self.there.below(place)}
        return sorted(file for file in {*here, *then} if file not in here or not file or now[file] != then.get(file))

    def _place(self, file: str) -> str | None:
        """Return where a file that is there lies in the repository; None for standard input, folders and links."""
        return self.there.inside(file) if Path(file).is_file() else None

    def _same(self, file: str, origin: str | None = None) -> bool:
        """Say whether a file holds what it held, at ``origin`` if that is another place."""
        place = self._place(file)
        return place is not None and self.there.now([place]).get(place) == self.there.blobs.get(origin or place, "")

    def _earlier(self, file: str) -> tuple[Document, ...]:
        """Return the documents that a file held; none where it was not there or cannot be read."""
        place = self.there.inside(file)
        if place is None or place not in self.there.blobs:
            return ()
        if place not in self._parsed:
            try:
                self._parsed[place] = parse(self.there.content(place), file)
            except InputError:
                self._parsed[place] = ()
        return self._parsed[place]

    def _before_moving(self, place: str) -> str | None:
        """Return where a file that is new at ``place`` was, with the same content, and is no more."""
        if self._moved is None:
            top = self.there.top
            gone = (old for old in self.there.blobs if old.endswith(_YAML) and not (top / old).exists())
            self._moved = {self.there.blobs[old]: old for old in gone}
        return self._moved.get(self.there.now([place]).get(place, ""))

    def _left_behind(self) -> str | None:
        """Return a file that described the fleet, or the goals of all, and is read no more."""
        now = {self.there.inside(file) for file in self.read}
        folders = [Path(path) for path in self.given.setting.paths if path != "-"]
        listed = {self.there.inside(path) or "" if path.is_dir() else "" for path in folders} - {""}
        beside = {self.there.inside(path if path.is_dir() else path.parent) or "" for path in (*folders, Path())}
        for place in self.there.blobs:
            folder, _, name = place.rpartition("/")
            if place in now or not name.endswith(_YAML):
                continue
            was_read = (folder or ".") in listed or (name == "fleet.yaml" and (folder or ".") in beside)
            if was_read and _others(self._earlier(str(self.there.top / place))):
                return f"{place} described the fleet or the goals of all at {self.there.name}"
        return None

    def _measurements(self) -> str | None:
        """Note the models whose measurements changed; return what of them concerns all intents."""
        folder = self.given.setting.profiles
        place = self.there.inside(folder)
        if place is None:
            return f"{folder} is no folder of the repository" if folder.exists() else None
        for file in self._differing(place, folder):
            if not file:
                return f"{folder} holds a link"
            if not file.endswith(_KEPT):
                continue
            for content in self._contents(file):
                model = _measured_model(content)
                if model is None:
                    return f"{file} changed since {self.there.name}"
                self._measured[model] = file
        return None

    def _contents(self, place: str) -> Iterator[bytes]:
        path = self.there.top / place
        if path.is_file():
            yield path.read_bytes()
        if place in self.there.blobs:
            yield self.there.content(place)

    def _measured_of(self, intent: Intent) -> str | None:
        digests = (profile.digest for profile in self.given.profiles[intent.name].values())
        found = next((self._measured[digest] for digest in digests if digest in self._measured), None)
        return f"{found} changed" if found else None


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def _shared(documents: Sequence[Document], kind: str) -> bool:
    return any(document.kind == kind for document in documents)


def _others(documents: Sequence[Document]) -> list[object]:
    """Return what documents say of the fleet and the goals of all; policies are asked of every plan anew."""
    return [document.data for document in documents if document.kind not in ("Intent", "Policy")]


def _document(documents: Sequence[Document], name: str) -> object:
    intents = (item.data for item in documents if item.kind == "Intent")
    return next((data for data in intents if (data.get("metadata") or {}).get("name") == name), None)


def _measured_model(content: bytes) -> str | None:
    """Return the digest of the model that a measurement is of; None for what is no measurement."""
    try:
        return str(json.loads(content)["subject"]["model"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _named(intent: Intent) -> list[str]:
    """Return the files and folders of data that an intent names."""
    return [
        path
        for role in ("evaluate", "calibrate", "train")
        for data in getattr(intent.data, role)
        for path in files_of(data)
    ]
