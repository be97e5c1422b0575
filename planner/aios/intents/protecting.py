"""What an intent requires of the files that its service loads, and the keys by which that is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, Strict

from aios.records.base import Record
from aios.records.document import Document
from aios.records.errors import BadValue, Diagnostic
from aios.records.protection import Protection

__all__ = ["RequiresForm", "SecurityForm", "protection_of", "wrong_protection"]

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+")


def _reference(text: str) -> str:
    if _REFERENCE.fullmatch(text):
        return text
    remedy = "write `env:NAME` or `file:PATH`; keys stand in no intent, plan or state"
    raise BadValue("this is no reference to a key", remedy)


def _path(text: str) -> str:
    if text.strip():
        return text
    raise BadValue("a path is wanted here, not an empty text", "write a path such as `./keys/models.pub`")


Reference: TypeAlias = Annotated[str, AfterValidator(_reference)]
Yes: TypeAlias = Annotated[bool, Strict()]


class RequiresForm(Record):
    """What must be true of the model's files before they are loaded."""

    encrypted: Yes = Field(False, description="They lie on disk encrypted and are plain in memory alone.")
    signed: Yes = Field(False, description="Somebody whose key is trusted signed what they are.")
    attested: Yes = Field(False, description="And the programs that load them: library, plugin, interpreter.")


class SecurityForm(Record):
    """The keys by which what is required is kept: where they stand, never they themselves."""

    key: Reference | None = Field(
        None, description="Where the key stands that files are encrypted with.", examples=["env:MODEL_KEY"]
    )
    verify_key: Annotated[str, AfterValidator(_path)] | None = Field(
        None, description="File of the public keys of which one must have signed.", examples=["./keys/models.pub"]
    )


def protection_of(requires: RequiresForm, security: SecurityForm, path: Callable[[str], str]) -> Protection | None:
    """Return what is required, None where nothing is. path: makes one of the intent's file one of a record"""
    if requires == RequiresForm():
        return None
    key = security.key
    if key is not None and key.startswith("file:"):
        key = f"file:{path(key.removeprefix('file:'))}"
    return Protection(
        encrypted=requires.encrypted,
        signed=requires.signed or requires.attested,
        attested=requires.attested,
        key=key if requires.encrypted else None,
        verify_key=path(security.verify_key) if security.verify_key else None,
    )


def wrong_protection(document: Document, requires: RequiresForm, security: SecurityForm) -> Iterator[Diagnostic]:
    """Yield what is required and has no key, and keys that nothing requires."""
    signed = "attested" if requires.attested else "signed"
    for name, wanted, field, given, example in (
        ("encrypted", requires.encrypted, "key", security.key, "env:MODEL_KEY"),
        (signed, requires.signed or requires.attested, "verify_key", security.verify_key, "./keys/models.pub"),
    ):
        if wanted and given is None:
            summary = f"`{name}` is required, and `security` names no `{field}`"
            remedy = f"write `security: {{{field}: {example}}}` beside `requires`"
            yield document.diagnostic(("spec", "requires", name), summary, remedy=remedy)
        elif given is not None and not wanted:
            summary = f"`{field}` is given, and nothing that it is for is required"
            remedy = f"write `requires: {{{name}: true}}`, or leave it out"
            yield document.diagnostic(("spec", "security", field), summary, remedy=remedy)
