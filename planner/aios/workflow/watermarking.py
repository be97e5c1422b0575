"""watermark, verify-watermark: an owner's mark into the weights of a model, and found again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from aios.records.errors import Diagnostic, InputError
from aios.spi import registry
from aios.spi.watermark import Mark, Watermark

__all__ = ["find_mark", "mark"]

_SHORTEST_KEY = 16
"""Bytes: 128 bits, which nobody tries through."""


def mark(source: Path, target: Path, owner: str, key: str, strength: float | None) -> Mapping[str, str]:
    """Write ``source`` with the mark of ``owner`` to ``target``, whole or not at all; return what was done.

    key: reference to the owner's secret. Raises InputError for a model that cannot bear a mark, WorldError where
    ``target`` cannot be written.
    """
    from aios.workflow.saving import see_place

    see_place(target)
    watermark, secret = _watermark(source), _secret(key)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.absolute().parent) as folder:
        made = Path(folder) / target.name
        report = watermark.embed(source, made, secret, owner, strength)
        # What stands beside a model goes before it: a model without its data is never seen.
        for path in sorted(Path(folder).iterdir(), key=lambda item: item == made):
            _sync(path)
            path.replace(target.absolute().parent / path.name)
    return report


def find_mark(source: Path, owner: str, key: str, chance: float) -> Mark:
    """Return what is found of the mark of ``owner``. chance: of a false alarm, that is accepted at most."""
    return _watermark(source).find(source, _secret(key), owner, chance)


def _watermark(source: Path) -> Watermark:
    known: list[Watermark] = list(registry.load_all("aios.watermarks").values())
    found = next((item for item in known if source.suffix.lower() in item.suffixes), None)
    if found is None:
        suffixes = ", ".join(sorted({suffix for item in known for suffix in item.suffixes})) or "none"
        raise InputError(
            Diagnostic(summary=f"{source} is no model that can bear a mark", reason=f"formats that can: {suffixes}")
        )
    if not source.is_file():
        raise InputError(Diagnostic(summary=f"there is no model file {source}", remedy="check the path"))
    return found


def _secret(reference: str) -> bytes:
    from aios.spi.secrets import read_secret

    secret = read_secret(reference, "the key of the mark")
    if len(secret) < _SHORTEST_KEY:
        raise InputError(
            Diagnostic(
                summary="the key of the mark is too short",
                reason=f"it has {len(secret)} bytes; whoever guesses it can remove the mark, or claim it",
                remedy=f"use at least {_SHORTEST_KEY} random bytes",
                command="openssl rand -hex 32",
            )
        )
    return secret


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
