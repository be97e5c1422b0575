"""The model store on disk: names with their versions, and the files that these are.

``<root>/names/<name>.json`` is all that is known under a name, replaced in one step; ``<root>/objects`` holds the
files, content-addressed by the model's digest, whoever has named them (an `ArtefactStore`: built aside, put on disk and
renamed into place). A version is written after its files are there, and files are removed only while the store's lock
is held, no version needs them and nobody uses them (`aios.state.leases`): whenever a command is killed, the store is
whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from aios.records.base import Span, digest_of
from aios.records.errors import ConflictError, Diagnostic, InputError, WorldError
from aios.records.forms import nearest
from aios.records.modelstore import Blob, Entry, Reference, User, Version
from aios.spi.sealing import Key
from aios.spi.vault import SUFFIX
from aios.state.artefacts import ArtefactStore
from aios.state.contents import contents_of
from aios.state.files import disk_trouble, read_bytes, write_atomically
from aios.state.leases import Lease, one_at_a_time, shared
from aios.state.modelcopies import copied, digests_of_sealed, sealed_copy
from aios.state.modelrefs import find

__all__ = ["Loaded", "ModelStore", "Object", "Progress", "Stored", "objects_in", "recipe_of"]

_PATIENCE_S = 60.0
"""How long a change waits for others: one takes milliseconds, and even tidying up only renames while it is alone."""

Progress = Callable[[int, int], None]
"""Takes the bytes that are done, and how many there are."""


class Stored(NamedTuple):
    """Files that were put into the store. main: the model among them · lease: they stay while it is held"""

    main: str
    files: Mapping[str, Blob]
    lease: Lease


class Loaded(NamedTuple):
    """A version whose files were just found to be those that it says. path: of the model · lease: as in Stored"""

    version: Version
    path: Path
    lease: Lease


class Object(NamedTuple):
    """Files in the store. digest: of the model, None where that cannot be read · path: their folder · bytes: of all"""

    digest: str | None
    path: Path
    bytes: int


def recipe_of(digest: str, key_id: str | None = None) -> dict[str, str]:
    """Return under what the files of a model are kept. key_id: of the key that they are encrypted with"""
    return {"stored": "model", "model": digest, **({"encryption": key_id} if key_id else {})}


class ModelStore:
    """A model store under ``root``, which is made when something is put into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = root / "objects"
        self._names = root / "names"
        self._users = root / "users"

    def names(self) -> list[str]:
        """Return every name, in alphabetical order."""
        return sorted(path.stem for path in self._names.glob("[!.]*.json"))

    def entry(self, name: str) -> Entry:
        """Return what is known under a name. Raises InputError for an unknown one, ConflictError for a damaged one."""
        found = self._read(name)
        if found is not None:
            return found
        near, known = nearest(name, self.names()), self.names()
        meant = f"did you mean {near}? " if near else ""
        raise InputError(
            Diagnostic(
                summary=f"the model store {self.root} has no model {name}",
                remedy=f"{meant}there is: {', '.join(known[:10])}" if known else "it holds none yet: add one",
                command="aios model list" if known else f"aios model add FILE --name {name}",
            )
        )

    def find(self, reference: Reference) -> Version:
        """Return the version that is meant. Raises InputError with what was meant perhaps."""
        return find(self.entry(reference.name), reference)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Be the only one who changes the store. Raises ConflictError when others do so for a minute."""
        with one_at_a_time(self.root / "lock", _PATIENCE_S):
            yield

    def entry_or_new(self, name: str) -> Entry:
        """Return what is known under a name, nothing if need be."""
        return self._read(name) or Entry(name=name)

    def save(self, entry: Entry) -> None:
        """Write what is known under a name, in one step; only while `changing`."""
        text = json.dumps(entry.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        write_atomically(self._path(entry.name), text)

    def forget(self, name: str) -> None:
        """Remove a name with all of its versions; only while `changing`."""
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise disk_trouble(error, path, "remove") from error

    def put(
        self, source: Path, external: Sequence[str], digest: str, progress: Progress, key: Key | None = None
    ) -> Stored:
        """Copy a model and the files beside it that it reads into the store, unless it is there; return where it is.

        digest: of the model, as it was read just now · key: to encrypt them with. Raises InputError where the files
        change meanwhile, WorldError.
        """
        main = f"model{source.suffix.lower()}"
        while main in external:
            main = f"_{main}"
        given = {main: source} | {name: source.parent / name for name in external}
        total = sum(path.stat().st_size for path in given.values())

        def build(folder: Path) -> None:
            done, digests = 0, {}
            for name, path in given.items():

                def tell(now: int, before: int = done) -> None:
                    progress(before + now, total)

                if key is None:
                    digests[name] = copied(path, folder / name, tell)
                else:
                    digests[name] = sealed_copy(path, folder, name, key, digest, tell)
                done += path.stat().st_size
            if _digest_of_model(digests, main) != digest:
                raise InputError(Diagnostic(summary=f"{source} was changed while it was read", remedy="add it again"))

        while True:
            made = ArtefactStore(self.objects).fetch(recipe_of(digest, key and key.id), build)
            folder = Path(made.path)
            lease = shared(folder.parent)
            if lease is not None:
                break  # else it was removed right after it was found
        files = _blobs(folder)
        plain = {name: f"sha256:{blob.sha256}" for name, blob in files.items()}
        found = digests_of_sealed(folder, key, digest) if key else plain
        if set(found) != set(given) or _digest_of_model(found, main) != digest:
            raise WorldError(
                Diagnostic(
                    summary=f"{folder} does not hold the model that {folder.parent / 'manifest.json'} says",
                    remedy="see who may write there, remove that folder, then add the file again",
                    command=f"rm -r -- {folder.parent}",
                )
            )
        return Stored(main if key is None else main + SUFFIX, files, lease)

    def folder(self, version: Version) -> Path:
        """Return where the files of a version are, relative to where we are if the store is."""
        name = digest_of(recipe_of(version.digest, version.key_id)).removeprefix("sha256:")
        return self.objects / name / "files"

    def load(self, reference: Reference) -> Loaded:
        """Return the version that is meant with its files, which stay while the lease is held; every byte was compared.

        Raises InputError for an unknown one, WorldError where the files are not those that the version says.
        """
        version = self.find(reference)
        folder = self.folder(version)
        lease = shared(folder.parent)
        named = Reference(reference.name, f"v{version.number}")
        if lease is None:
            raise _lost(named, folder, "there is no such folder")
        try:
            self.check(named, version)
        except BaseException:
            lease.close()
            raise
        return Loaded(version, folder / version.main, lease)

    def check(self, named: Reference, version: Version) -> None:
        """Raise WorldError unless the files of a version are those that it says. named: how people call it"""
        folder = self.folder(version)
        try:
            found = _blobs(folder)
        except FileNotFoundError:
            raise _lost(named, folder, "there is no such folder") from None
        except OSError as error:
            raise disk_trouble(error, folder, "read") from error
        for name in sorted({*version.files, *found}):
            expected, there = version.files.get(name), found.get(name)
            if there is None:
                raise _lost(named, folder / name, "there is no such file")
            if expected is None:
                raise _lost(named, folder / name, "nobody stored a file of that name")
            if there != expected:
                reason = f"expected sha256:{expected.sha256} ({expected.bytes:,} bytes)"
                raise _lost(named, folder / name, f"{reason}, found sha256:{there.sha256} ({there.bytes:,} bytes)")

    def used_by(self, state: str, digests: Sequence[str]) -> None:
        """Note that plans of a state use models, so that whoever tidies up this store looks there too.

        state: what ``--state`` takes; a file's path is kept absolute
        """
        user = User(state=state if "://" in state else str(Path(state).absolute()), host=os.uname().nodename)
        path = self._users / f"{digest_of(user).removeprefix('sha256:')[:16]}.json"
        known = self._user(path)
        if known is not None and set(digests) <= set(known.digests):
            return
        with self.changing():
            known = self._user(path) or user
            noted = known.model_copy(update={"digests": tuple(sorted({*known.digests, *digests}))})
            write_atomically(path, noted.model_dump_json() + "\n")

    def users(self) -> list[User]:
        """Return whose plans used models of this store."""
        return [user for path in sorted(self._users.glob("[!.]*.json")) if (user := self._user(path))]

    def _user(self, path: Path) -> User | None:
        data = read_bytes(path)
        try:
            return User.model_validate_json(data) if data is not None else None
        except ValidationError:
            raise _damaged(path, "it should say which state uses models") from None

    def contents(self) -> Iterator[Object]:
        """Yield all files that the store holds, model by model."""
        yield from objects_in(self.objects)

    def _path(self, name: str) -> Path:
        return self._names / f"{name}.json"

    def _read(self, name: str) -> Entry | None:
        path = self._path(name)
        data = read_bytes(path)
        if data is None:
            return None
        try:
            entry = Entry.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise _damaged(path, f"{place}: {first['msg']}" if place else first["msg"]) from None
        if entry.name != name:
            raise _damaged(path, f"it is what is known of {entry.name}")
        return entry


def objects_in(root: Path) -> Iterator[Object]:
    """Yield what a folder of artefacts holds. digest: of the model that each was made from"""
    for folder in sorted(root.glob("[!.]*")):
        try:
            recipe = json.loads(read_bytes(folder / "manifest.json") or b"{}").get("recipe", {})
            size = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
        except FileNotFoundError:
            continue
        except (ValueError, AttributeError):
            recipe, size = {}, 0
        digest = (recipe.get("model") or recipe.get("source")) if isinstance(recipe, dict) else None
        yield Object(digest if isinstance(digest, str) else None, folder, size)


def _blobs(folder: Path) -> dict[str, Blob]:
    return {name: Blob.model_validate(facts) for name, facts in contents_of(folder).items()}


def _digest_of_model(files: Mapping[str, str], main: str) -> str:
    """Return the digest of the model that files are. files: name -> digest, ``main`` among them"""
    from aios.spi.model_reader import model_digest

    return model_digest(files[main], {name: digest for name, digest in files.items() if name != main})


def _lost(named: Reference, path: Path, reason: str) -> WorldError:
    return WorldError(
        Diagnostic(
            summary=f"{named} is not loaded: {path} is not what was stored",
            reason=reason,
            remedy="see who may write there, then add the same file again, which puts it right",
            command=f"aios model add FILE --name {named.name}",
        )
    )


def _damaged(path: Path, reason: str) -> ConflictError:
    return ConflictError(
        Diagnostic(
            summary=f"{path} does not say what a model store keeps",
            where=Span(file=str(path), line=1, column=1),
            reason=reason,
            remedy="put it back from a copy; a newer aios may have written it",
        )
    )
