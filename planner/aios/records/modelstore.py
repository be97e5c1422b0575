"""What the model store knows: names, their versions, and what branches and tags stand at.

A reference is ``NAME``, the version that the name's branch ``main`` stands at, or ``NAME@AT``. ``AT`` is a version
(``v3``, or ``3``), a branch, a tag, or a digest (``sha256:`` and at least eight digits). In intents it stands after
``store://``, which neither a path nor the name of a published model begins with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from pydantic import Field

from aios.records.base import Record
from aios.records.errors import BadValue
from aios.records.transform import Provenance

__all__ = [
    "MAIN",
    "SCHEME",
    "SHOWN_DIGITS",
    "Blob",
    "Entry",
    "How",
    "Move",
    "Pointer",
    "Reference",
    "User",
    "Version",
    "check_label",
    "check_name",
    "parse_reference",
]

SCHEME = "store://"
MAIN = "main"
"""The branch that is meant where none is named."""

SHOWN_DIGITS = len("sha256:") + 8
"""Characters of a digest that tell versions apart for people, and the fewest that a reference may give."""

_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_NAME = re.compile(_WORD)
_NUMBER = re.compile(r"v?([1-9][0-9]{0,8})")
_DIGEST = re.compile(r"sha256:[0-9a-f]{8,64}")

How = Literal["add", "tag", "branch", "rollback", "remove"]


class Blob(Record):
    """A file as it lies in the store. sha256: of its bytes, hexadecimal"""

    sha256: str
    bytes: int


class Version(Record):
    """One version of a model; it never changes.

    number: 1, 2, ... in the order of adding; none is given twice · digest: of the model, as in plans and profiles ·
    main: the file among ``files`` that is the model, the others are read by it · files: path in its folder -> as it
    lies in the store · parents: references to versions of which it was made or which it follows · branch: to which it
    was added · key_id: of the key that its files are encrypted with, ``main`` among them; None for plain ones ·
    author: user name · at: ISO time, UTC · provenance: how it was made, the source's own file first; empty
    where nobody said
    """

    number: int
    digest: str
    main: str
    files: Mapping[str, Blob]
    parents: tuple[str, ...] = ()
    branch: str
    key_id: str | None = Field(default=None, exclude_if=lambda key: key is None)
    message: str = ""
    author: str
    at: str
    meta: Mapping[str, str] = {}
    provenance: tuple[Provenance, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all of its files."""
        return sum(blob.bytes for blob in self.files.values())

    @property
    def told(self) -> str:
        """How people are told which one it is: ``v3 (sha256:602e16c5)``."""
        return f"v{self.number} ({self.digest[:SHOWN_DIGITS]})"


class Pointer(Record):
    """What a branch or a tag stands at. at: number of a version · before: where it stood earlier, the last one last"""

    at: int
    before: tuple[int, ...] = ()


class Move(Record):
    """A branch or tag that was moved. before, after: numbers of versions, None where there was or is none"""

    label: str
    how: How
    before: int | None
    after: int | None
    by: str
    at: str


class Entry(Record):
    """A name, and all that is known under it: one file of the store.

    format: of this record · next: number of the next version · moves: of branches and tags, oldest first
    """

    format: Literal[1] = 1
    name: str
    next: int = 1
    versions: tuple[Version, ...] = ()
    branches: Mapping[str, Pointer] = {}
    tags: Mapping[str, Pointer] = {}
    moves: tuple[Move, ...] = ()


class User(Record):
    """A state whose plans use models of the store. state: what ``--state`` takes · digests: of all that they used"""

    state: str
    host: str
    digests: tuple[str, ...] = ()


class Reference(NamedTuple):
    """Which version is meant. at: number, branch, tag or digest, as written; None for what the name stands at"""

    name: str
    at: str | None = None

    @property
    def number(self) -> int | None:
        """The version's number, where it is one."""
        found = _NUMBER.fullmatch(self.at or "")
        return int(found[1]) if found else None

    @property
    def is_digest(self) -> bool:
        """Whether a digest, or how one begins, says which it is."""
        return bool(_DIGEST.fullmatch(self.at or ""))

    def __str__(self) -> str:
        return self.name if self.at is None else f"{self.name}@{self.at}"


def parse_reference(text: str) -> Reference:
    """Return the reference that ``text`` writes, with or without ``store://``. Raises BadValue."""
    name, at_sign, at = text.removeprefix(SCHEME).partition("@")
    check_name(name)
    reference = Reference(name, at if at_sign else None)
    if at_sign and not (reference.is_digest or _NAME.fullmatch(at)):
        raise BadValue(
            f"`{at[:80]}` is neither a version, a branch, a tag nor a digest",
            "write NAME@v3, NAME@BRANCH, NAME@TAG or NAME@sha256: with at least 8 digits",
        )
    return reference


def check_name(name: str) -> str:
    """Return ``name`` if a model of the store may be called so. Raises BadValue."""
    if not _NAME.fullmatch(name):
        raise BadValue(
            f"`{name[:80]}` is no name of a model in a store",
            "use up to 100 letters, digits, `.`, `_` and `-`, a letter or digit first",
        )
    return name


def check_label(label: str) -> str:
    """Return ``label`` if a branch or a tag may be called so. Raises BadValue."""
    if not _NAME.fullmatch(label):
        raise BadValue(
            f"`{label[:80]}` is no name of a branch or tag",
            "use up to 100 letters, digits, `.`, `_` and `-`, a letter or digit first",
        )
    if _NUMBER.fullmatch(label):
        raise BadValue(f"`{label}` is what versions are called", "choose another name for the branch or tag")
    return label
