"""What a Git repository holds at a revision, by content: read through the `git` that is installed, changing nothing."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from aios.records.errors import Diagnostic, InputError, WorldError

__all__ = ["Revision", "open_revision"]

_BLOB = b"blob"
_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
"""Set by Git for its hooks, relative to where it runs them: they would say that a folder below is no repository."""


class Revision:
    """The files of one commit. name: as the user wrote it · top: folder of the working tree · blobs: path below the
    top, with slashes -> id of the file's content; links and submodules have none"""

    def __init__(self, name: str, top: Path, blobs: Mapping[str, str]) -> None:
        self.name = name
        self.top = top
        self.blobs = blobs
        self._top = top.resolve()
        self._resolved: dict[Path, Path] = {}
        self._now: dict[str, str] = {}

    def inside(self, file: str | Path) -> str | None:
        """Return where a file lies below the top; None outside of it, and where a link below the top leads to it."""
        path = Path(os.path.abspath(file))  # noqa: PTH100 - resolve() would follow links, which is what is looked for
        for above in reversed((path, *path.parents)):
            if above not in self._resolved:
                self._resolved[above] = above.resolve()
            if self._resolved[above] == self._top:
                parts = path.relative_to(above).parts
                steps = (above.joinpath(*parts[: depth + 1]) for depth in range(len(parts)))
                return None if any(step.is_symlink() for step in steps) else path.relative_to(above).as_posix()
        return None

    def now(self, places: Sequence[str]) -> Mapping[str, str]:
        """Return place -> id that the content of the file there has now, as Git would keep it."""
        wanted = [place for place in dict.fromkeys(places) if place not in self._now and "\n" not in place]
        if wanted:
            names = "".join(f"{place}\n" for place in wanted).encode(errors="surrogateescape")
            done = _git(self.top, ["hash-object", "--stdin-paths"], names)
            if done.returncode:  # such as a filter that is asked for and not installed
                done = _git(self.top, ["hash-object", "--no-filters", "--stdin-paths"], names)
            if done.returncode:
                raise _failed("read the files of", self.top, done)
            self._now.update(zip(wanted, done.stdout.decode().split(), strict=True))
        return self._now

    def content(self, place: str) -> bytes:
        """Return what a file held."""
        done = _git(self.top, ["cat-file", "blob", self.blobs[place]])
        if done.returncode:
            raise _failed(f"read {place} at {self.name} from", self.top, done)
        return done.stdout

    def below(self, folder: str) -> list[str]:
        """Return the files of a folder and of those below it; ``.`` is the top."""
        head = "" if folder == "." else f"{folder}/"
        return [place for place in self.blobs if place.startswith(head)]


def open_revision(name: str, folder: Path) -> Revision:
    """Return what revision ``name`` holds of the repository that ``folder`` is in.

    Raises InputError outside of a repository and for a revision that is not known there, WorldError without git.
    """
    if not name.strip() or name.startswith("-") or any(ord(mark) < 32 for mark in name):
        remedy = "write a branch, a tag or a commit: main, v1.2, HEAD~1"
        raise InputError(Diagnostic(summary=f"`{name}` names no revision", remedy=remedy))
    done = _git(folder, ["rev-parse", "--show-toplevel"])
    if done.returncode:
        raise _no_repository(folder, done)
    top = Path(os.fsdecode(done.stdout.removesuffix(b"\n")))
    found = _git(top, ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"])
    if found.returncode:
        raise _unknown(name, top)
    listed = _git(top, ["ls-tree", "-r", "-z", "--full-tree", found.stdout.decode().strip()])
    if listed.returncode:
        raise _failed(f"list the files of {name} in", top, listed)
    blobs = {}
    for line in listed.stdout.split(b"\0"):
        facts, _, place = line.partition(b"\t")
        if place:
            mode, kind, blob = facts.split()
            if kind == _BLOB and mode != b"120000":
                blobs[os.fsdecode(place)] = blob.decode()
    return Revision(name, top, blobs)


def _git(folder: Path, arguments: Sequence[str], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    asked = ["git", "-C", str(folder), "-c", "core.fsmonitor=false", *arguments]
    around = {name: text for name, text in os.environ.items() if name not in _OF_A_HOOK}
    quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        return subprocess.run(asked, input=stdin, capture_output=True, check=False, env=around | quiet)
    except FileNotFoundError:
        remedy = "install git, or leave --changed-since out"
        raise WorldError(
            Diagnostic(summary="--changed-since asks git, which is not installed", remedy=remedy)
        ) from None
    except OSError as error:
        raise WorldError(Diagnostic(summary="git cannot be run", reason=error.strerror)) from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    return "; ".join(lines[:3]).removeprefix("fatal: ") or f"git ended with {done.returncode}"


def _failed(what: str, top: Path, done: subprocess.CompletedProcess[bytes]) -> WorldError:
    return WorldError(Diagnostic(summary=f"git cannot {what} {top}", reason=_said(done)))


def _no_repository(folder: Path, done: subprocess.CompletedProcess[bytes]) -> InputError:
    said = _said(done)
    if "dubious ownership" in said:
        command = shlex.join(["git", "config", "--global", "--add", "safe.directory", str(folder.resolve())])
        what = f"git does not trust {folder}, which belongs to another user"
        return InputError(Diagnostic(summary=what, reason=said, remedy="say that it may", command=command))
    return InputError(
        Diagnostic(
            summary=f"--changed-since: {folder} is in no working tree of a Git repository",
            reason=said,
            remedy="run it inside of one, or leave the option out",
        )
    )


def _unknown(name: str, top: Path) -> InputError:
    summary = f"{top} knows no revision `{name}`"
    remote = _git(top, ["rev-parse", "--verify", "--quiet", "--end-of-options", f"origin/{name}^{{commit}}"])
    if not remote.returncode:
        return InputError(Diagnostic(summary=summary, remedy=f"did you mean `origin/{name}`?"))
    if _git(top, ["rev-parse", "--is-shallow-repository"]).stdout.strip() == b"true":
        command = shlex.join(["git", "fetch", "--depth=1", "origin", name])
        why = "this clone is shallow: it holds a part of the history"
        return InputError(Diagnostic(summary=summary, reason=why, remedy="fetch it", command=command))
    return InputError(Diagnostic(summary=summary, remedy="`git branch -a` and `git tag` list what it knows"))
