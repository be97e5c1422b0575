"""The text of a state: what backends keep, with a checksum over its content."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from aios.records.base import canonical_json, digest_of
from aios.records.errors import ConflictError, Diagnostic
from aios.records.state import STATE_VERSION, Resources, State

__all__ = ["Damaged", "decode", "encode", "moved", "unreadable"]

_KIND = "aios-state"


class Damaged(Exception):
    """Why some bytes are no state that this aios can read. newer: written by a later version, hence not damaged."""

    def __init__(self, why: str, newer: bool = False) -> None:
        super().__init__(why)
        self.newer = newer


def encode(state: State) -> str:
    """Return the text of ``state``: JSON with a line for each resource, and a checksum over its canonical form."""
    held = state.resources if isinstance(state.resources, Resources) else Resources(state.resources)
    empty = canonical_json(state.model_copy(update={"resources": {}}))
    before, after = empty.split(_NOTHING, 1)
    rows = ",\n".join(f"{canonical_json(address)}:{held.text(address)}" for address in held)
    content = f"{before}{_OPENING}\n{rows}\n{_CLOSING}{after}"
    head = json.dumps({"kind": _KIND, "version": state.version, "checksum": _checksum(content)})
    return f'{head[:-1]}, "state":\n{content}\n}}\n'


def decode(data: bytes) -> State:
    """Return the state in ``data``. Raises Damaged."""
    return _as_written(data) or _parsed(data)


_NOTHING, _OPENING, _CLOSING = '"resources":{}', '"resources":{', "}"


def _checksum(content: str) -> str:
    """Return the digest of a state's canonical JSON, with line breaks (of which that has none) put in between."""
    return digest_of(content.replace("\n", "").encode())


def _as_written(data: bytes) -> State | None:
    """Return the state in a text that `encode` made, its resources unread; None where it is not as it was made.

    The checksum says that what is unread is what was written.
    """
    try:
        head, content = data.decode().split("\n", 1)
        if not content.endswith("\n}\n"):
            return None
        content = content[:-3]
        envelope = json.loads(head + "null}")
        if (envelope["kind"], envelope["version"], envelope["checksum"]) != (_KIND, STATE_VERSION, _checksum(content)):
            return None
        before, *rows, after = content.split("\n")
        state = State.model_validate_json(before + after)
    except (ValueError, KeyError, TypeError):
        return None
    texts = {}
    for row in rows:
        if row:
            address, end = _DECODER.raw_decode(row)
            texts[address] = row[end + 1 :].removesuffix(",")
    return state.model_copy(update={"resources": Resources({}, texts)})


_DECODER = json.JSONDecoder()


def _parsed(data: bytes) -> State:
    """Return the state in any JSON of it, read whole. Raises Damaged."""
    try:
        envelope: Any = json.loads(data)
    except ValueError as error:
        raise Damaged(f"it is no JSON ({error})") from None
    except RecursionError:
        raise Damaged("it is nested too deeply") from None
    if not isinstance(envelope, dict) or envelope.get("kind") != _KIND:
        raise Damaged(f"it is no {_KIND} document")
    version = envelope.get("version")
    if type(version) is not int or version < 1:
        raise Damaged(f"its version is {version!r}")
    if version > STATE_VERSION:
        raise Damaged(f"was written by a newer aios (state version {version})", newer=True)
    content = envelope.get("state")
    try:
        if digest_of(content) != envelope.get("checksum"):
            raise Damaged("its checksum does not match its content")
        state = State.model_validate(content)
    except UnicodeEncodeError as error:
        raise Damaged(f"it is no text ({error.reason})") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise Damaged(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if state.version != version:
        raise Damaged(f"it states version {version} outside and {state.version} inside")
    return state.model_copy(update={"version": STATE_VERSION})


def unreadable(what: str, damage: Damaged) -> ConflictError:
    """Return the error of a state that cannot be read. what: the place, in words"""
    if not damage.newer:
        return ConflictError(Diagnostic(summary=f"{what} is damaged: {damage}", reason="it was left as it is"))
    return ConflictError(
        Diagnostic(
            summary=f"{what} {damage}",
            reason=f"this aios reads state version {STATE_VERSION}; rewriting a newer one would lose what it knows",
            remedy="use the aios that wrote it, or a later one",
        )
    )


def moved(what: str, lineage: str, serial: int, wanted: State) -> ConflictError:
    """Return the error of a save that does not follow what is kept. what: the place, in words · lineage, serial: of
    what is kept"""
    return ConflictError(
        Diagnostic(
            summary=f"{what} is not the one that was read",
            reason=f"it is serial {serial} of lineage {lineage}; "
            f"serial {wanted.serial} of lineage {wanted.lineage} was to follow",
            remedy="somebody else applied in between: plan again",
            command="aios plan",
        )
    )
