"""render: what would be handed to the world as files, for repositories of rendered manifests.

A folder that was rendered into has an index of the files that are in it by this, with their digests. Nothing else in
the folder is ever written over or removed, and nothing outside of it is touched. The index names what is about to be
written before it is: whatever ends the work, the next run knows its own files.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from aios.records.errors import Diagnostic, InputError, WorldError
from aios.records.plan import Deployment, Plan

__all__ = ["INDEX", "Difference", "Rendered", "difference", "render", "write"]

INDEX = "manifest.json"
"""The index, in the folder that was rendered into; files lie in folders beside it, one for each executor."""
_VERSION = "1.0"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MOST_BYTES = 16 << 20
"""Of an index: a hundred thousand files."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")


class Rendered(NamedTuple):
    """Files by their path in the folder, sorted. files: path -> text"""

    files: Mapping[str, str]

    def digests(self) -> dict[str, str]:
        """Return path -> digest of the file's content."""
        return {path: _digest(text.encode()) for path, text in self.files.items()}


class Difference(NamedTuple):
    """What keeps a folder from holding what is rendered, by path. new: not there · changed: with other content ·
    stale: left by an earlier run and no longer made · edited: stale too, and changed by somebody since · listing:
    whether the index says something else"""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    stale: tuple[str, ...]
    edited: tuple[str, ...]
    listing: bool

    @property
    def any(self) -> bool:
        """Whether there is a difference."""
        return any(self)


def render(plan: Plan) -> Rendered:
    """Return every file that applying ``plan`` from nothing would hand to the world.

    Raises InputError for a plan that cannot be applied or an executor that is not installed, WorldError for an executor
    that names a file outside of its folder.
    """
    from aios.spi import registry

    if plan.conflict is not None or not plan.is_found:
        raise InputError(Diagnostic(summary="this plan is infeasible: there is nothing to render", command="aios plan"))
    if not plan.at_once:
        summary = "not all of this plan runs at the same time, and rendered files do not say when"
        raise InputError(Diagnostic(summary=summary, remedy="render what stands all the time apart"))
    by_executor: dict[str, list[Deployment]] = {}
    for action in plan.actions:
        if action.after is not None and action.action != "delete":
            by_executor.setdefault(action.after.executor, []).append(action.after)
    executors = registry.load_all("aios.executors")
    missing = sorted(set(by_executor) - set(executors))
    if missing:
        raise InputError(*(_not_installed(name) for name in missing))
    files = {}
    for name, deployments in by_executor.items():
        for path, text in executors[name].render(deployments).items():
            if not _is_inside(path):
                raise WorldError(f"executor {name} renders a file that would lie outside of its folder: {path!r}")
            files[f"{name}/{path}"] = text
    return Rendered(dict(sorted(files.items())))


def difference(rendered: Rendered, folder: Path) -> Difference:
    """Return what differs between a folder and what is rendered.

    Raises InputError for an index that is none, and where a file of somebody else, or a link, is in the way.
    """
    index, digests = _index(folder), rendered.digests()
    found = {path: _found(folder, path) for path in sorted({*digests, *index})}
    foreign = [path for path in digests if found[path] not in (None, digests[path]) and path not in index]
    if foreign:
        raise InputError(*(_in_the_way(folder / path) for path in foreign))
    gone = [path for path in index if path not in digests and found[path] is not None]
    return Difference(
        new=tuple(path for path in digests if found[path] is None),
        changed=tuple(path for path in digests if found[path] not in (None, digests[path])),
        stale=tuple(path for path in gone if found[path] == index[path]),
        edited=tuple(path for path in gone if found[path] != index[path]),
        listing=index != digests or not (folder / INDEX).is_file(),
    )


def write(rendered: Rendered, folder: Path) -> Difference:
    """Make a folder hold what is rendered and return what was done. A stale file that somebody changed is left alone.

    Raises as ``difference``, and WorldError when the disk refuses.
    """
    from aios.state import write_atomically

    found, digests = difference(rendered, folder), rendered.digests()
    if found.any:
        write_atomically(folder / INDEX, _index_text(_index(folder) | digests))
    for path in (*found.new, *found.changed):
        write_atomically(folder / path, rendered.files[path])
    for path in found.stale:
        _remove(folder, path)
    if found.any:
        write_atomically(folder / INDEX, _index_text(digests))
    return found


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _is_inside(path: str) -> bool:
    """Say whether a relative path leads nowhere but down."""
    return bool(path) and not _CONTROL.search(path) and not any(part in ("", ".", "..") for part in path.split("/"))


def _index_text(digests: Mapping[str, str]) -> str:
    document = {"format_version": _VERSION, "files": dict(sorted(digests.items()))}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _index(folder: Path) -> dict[str, str]:
    """Return path -> digest of what an earlier run left. Raises InputError for what is no index of ours."""
    file = folder / INDEX
    try:
        if file.is_symlink():
            raise InputError(_a_link(file))
        if not file.exists():
            return {}
        if file.stat().st_size > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES} bytes")
        document = json.loads(file.read_bytes())
        version, files = str(document["format_version"]), document["files"]
        if version.split(".", maxsplit=1)[0] != _VERSION.split(".", maxsplit=1)[0]:
            raise ValueError(f"it has format {version}, this aios reads {_VERSION} and 1.x")
        for path, digest in files.items():
            if not _is_inside(path) or "/" not in path or not _DIGEST.fullmatch(digest):
                raise ValueError(f"{path!r} is no file of a rendered folder with its digest")
        return dict(files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        remedy = "choose another folder; or restore the index from version control, or remove it and its files"
        summary = f"{file} is not the index of a rendered folder"
        raise InputError(Diagnostic(summary=summary, reason=str(error), remedy=remedy)) from None


def _found(folder: Path, path: str) -> str | None:
    """Return the digest of a file in the folder; None where there is none. Raises InputError for a link on the way."""
    step = folder
    for part in path.split("/"):
        step = step / part
        if step.is_symlink():
            raise InputError(_a_link(step))
    try:
        return _digest(step.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        summary, remedy = f"{step} is in the way of a rendered file", "move it, or choose another folder"
        raise InputError(Diagnostic(summary=summary, reason=error.strerror, remedy=remedy)) from None


def _remove(folder: Path, path: str) -> None:
    """Remove a file, and the folders above it that are empty then."""
    from aios.state.files import disk_trouble

    file = folder / path
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise disk_trouble(error, file, "remove") from error
    for parent in _above(folder, file):
        if any(parent.iterdir()):
            break
        parent.rmdir()


def _above(folder: Path, file: Path) -> Iterable[Path]:
    return (parent for parent in file.parents if parent != folder and parent.is_relative_to(folder))


def _not_installed(name: str) -> Diagnostic:
    return Diagnostic(summary=f"executor {name} is not installed here", command="aios plugins")


def _a_link(path: Path) -> Diagnostic:
    return Diagnostic(
        summary=f"{path} is a symbolic link: what is rendered never follows one",
        remedy="remove the link, or choose another folder",
    )


def _in_the_way(path: Path) -> Diagnostic:
    return Diagnostic(
        summary=f"{path} is there, was not rendered, and would be written over",
        reason=f"{INDEX} of that folder does not name it",
        remedy="move it, or choose another folder",
    )
