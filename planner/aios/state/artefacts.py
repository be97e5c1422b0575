"""The content-addressed store of prepared artefacts (`aios.spi.executor.Store`).

``<root>/<hex of the recipe's digest>/files/`` holds an artefact, ``manifest.json`` beside it says what belongs to it.
It is built in ``<root>/.building/``, put on disk and renamed into place, so that a half-built one is never visible.
A builder holds the kernel's lock on its folder: a folder that nobody holds was left by a killed build.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from aios.records.base import digest_of
from aios.records.errors import AiosError, Diagnostic, WorldError
from aios.records.plan import Deployment
from aios.spi.executor import Artefact, Source
from aios.spi.sealing import source_of
from aios.state.contents import contents_of, digest_of_contents, is_own_folder, read_plainly
from aios.state.files import disk_trouble, make_folder, sync_folder
from aios.state.leases import Lease, shared

__all__ = ["ArtefactStore", "Making"]

_MANIFEST = "manifest.json"
_FILES = "files"


class Making(Protocol):
    """Makes the model that a deployment computes and keeps it in a store."""

    def source(self, deployment: Deployment, facts: Mapping[str, str], store: ArtefactStore) -> Source:
        """See ``aios.spi.executor.Store.model``."""


class ArtefactStore:
    """Keeps artefacts under ``root`` and the runtime folders of services under ``runtime_root``."""

    def __init__(self, root: Path, runtime_root: Path | None = None, making: Making | None = None) -> None:
        """``runtime_root``: ``run`` beside ``root`` unless given · making: of models; None where none are asked for"""
        self.root = root.absolute()
        self.runtime_root = (runtime_root or root.parent / "run").absolute()
        self._making = making
        self._leases: dict[str, Lease] = {}

    def model(self, deployment: Deployment, facts: Mapping[str, str]) -> Source:
        """Return the deployment's own model file, or what its transforms made of that, made if need be and verified."""
        if self._making is None:
            return source_of(deployment)
        return self._making.source(deployment, facts, self)

    def fetch(self, recipe: Mapping[str, str], build: Callable[[Path], None]) -> Artefact:
        """Return the artefact of ``recipe``, verified; ``build(folder)`` fills an empty folder when there is none yet.

        A stored one whose content is damaged is built anew. Of several builders at once the first wins, the others
        discard theirs. Raises WorldError when building fails (disk full...): nothing is left of it then.
        """
        key = digest_of(dict(recipe))
        final = self.root / key.removeprefix("sha256:")
        found = self._found(final, key, recipe)
        if found is not None:
            return found
        with self._building(final) as folder:
            content = folder / _FILES
            content.mkdir()
            _fill(build, content)
            _write_manifest(folder, key, recipe)
            self._publish(folder, final, key, recipe)
        found = self._found(final, key, recipe)
        if found is None:
            raise WorldError(f"the artefact {final} was changed by somebody else while it was being stored")
        return found

    def _found(self, final: Path, key: str, recipe: Mapping[str, str]) -> Artefact | None:
        """Return the stored artefact if it is intact; it then stays for as long as this store is used."""
        lease = shared(final)
        found = _intact(final, key, recipe) if lease else None
        if found is not None and lease is not None:
            self._leases[key] = lease
            with suppress(OSError):
                os.utime(final)  # when it was last used
        return found

    def verify(self, artefact: Artefact) -> None:
        """Raise WorldError unless the folder's content still has the artefact's digest."""
        path = Path(artefact.path)
        try:
            found = digest_of_contents(contents_of(path))
        except OSError as error:
            raise disk_trouble(error, path, "read the artefact") from error
        if found != artefact.digest:
            raise WorldError(
                Diagnostic(
                    summary=f"the artefact {path} is damaged",
                    reason=f"its content has digest {found}, not {artefact.digest}",
                    remedy="run the same command again: it is built anew",
                )
            )

    def runtime(self, address: str) -> Path:
        """Return the folder for what a running service keeps: sockets, logs, pid files. It exists and outlives runs."""
        name = quote(address, safe="")
        path = self.runtime_root / (name if not name.startswith(".") else f"%2E{name[1:]}")
        return _own_folder(path, "what a service keeps must be in its own folder")

    @contextmanager
    def _building(self, final: Path) -> Iterator[Path]:
        """Make and hold an empty folder to build in; it is gone afterwards, whatever happens."""
        area = _own_folder(self.root / ".building", "what is left of killed builds is removed from there")
        try:
            _remove_abandoned(area)
            folder, descriptor = _new_held_folder(area, final.name[:16])
        except OSError as error:
            raise disk_trouble(error, area, "build an artefact in") from error
        try:
            yield folder
        except OSError as error:
            raise disk_trouble(error, final, "build the artefact") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)

    def _publish(self, folder: Path, final: Path, key: str, recipe: Mapping[str, str]) -> None:
        try:
            folder.rename(final)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
                raise
            if _intact(final, key, recipe) is not None:
                return  # another builder was faster; ours goes
            damaged = folder.with_name(folder.name + ".damaged")
            final.rename(damaged)
            folder.rename(final)
            _remove(damaged)
        sync_folder(self.root)


def _own_folder(path: Path, reason: str) -> Path:
    """Return ``path`` after making it. Raises WorldError for a link: what is done in it would be done elsewhere.

    reason: why that matters
    """
    if path.is_symlink():
        raise WorldError(
            Diagnostic(
                summary=f"{path} is a link to {os.fsencode(path.readlink()).decode(errors='replace')}, not a folder",
                reason=reason,
                remedy="see who made it, and remove the link",
                command=shlex.join(["rm", "--", str(path)]),
            )
        )
    return make_folder(path)


def _remove(path: Path) -> None:
    """Remove a folder with all that is in it, or what stands in its place; links are never followed."""
    with suppress(OSError):
        path.unlink()
        return
    shutil.rmtree(path, ignore_errors=True)


def _fill(build: Callable[[Path], None], content: Path) -> None:
    """Run ``build``; whatever it fails with reaches people as a WorldError, unless it already speaks to them."""
    try:
        build(content)
    except (AiosError, OSError):
        raise
    except Exception as error:
        raise WorldError(f"building an artefact failed: {type(error).__name__}: {error}") from error


def _write_manifest(folder: Path, key: str, recipe: Mapping[str, str]) -> None:
    """Put the files and their manifest on disk."""
    contents = contents_of(folder / _FILES, sync=True)
    manifest = {"key": key, "recipe": dict(recipe), "files": contents, "digest": digest_of_contents(contents)}
    path = folder / _MANIFEST
    path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
    sync_folder(folder)


def _intact(final: Path, key: str, recipe: Mapping[str, str]) -> Artefact | None:
    """Return the stored artefact if it is there and its files are what its manifest says."""
    try:
        if not is_own_folder(final):
            return None
        manifest = json.loads(read_plainly(final / _MANIFEST))
        contents = contents_of(final / _FILES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError, WorldError):
        return None
    except OSError as error:
        raise disk_trouble(error, final, "read the artefact") from error
    if not isinstance(manifest, dict) or manifest.get("key") != key or manifest.get("files") != contents:
        return None
    return Artefact(key=key, path=str(final / _FILES), digest=digest_of_contents(contents), recipe=dict(recipe))


def _new_held_folder(area: Path, stem: str) -> tuple[Path, int]:
    """Return a new folder in ``area`` and the descriptor through which we hold it."""
    for attempt in count():
        folder = area / f"{stem}-{os.getpid()}-{attempt}"
        with suppress(FileExistsError, FileNotFoundError):
            folder.mkdir()
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(descriptor), folder.stat()):
                    return folder, descriptor
            except BlockingIOError:
                pass  # somebody who tidies up took it for abandoned before it was held
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
    raise AssertionError("unreachable: count() does not end")


def _remove_abandoned(area: Path) -> None:
    """Remove the folders in ``area`` that no living builder holds."""
    for folder in area.iterdir():
        with suppress(BlockingIOError, FileNotFoundError, NotADirectoryError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
