"""The record that lies beside every result: each step from the source on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from aios.records.errors import WorldError
from aios.records.transform import Provenance

__all__ = ["FILE", "read_chain", "write_chain"]

FILE = "provenance.json"


def read_chain(folder: Path) -> tuple[Provenance, ...]:
    """Return the steps that led to the model in a folder, its source first; none where it was not made so."""
    try:
        found = json.loads((folder / FILE).read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise WorldError(f"{folder / FILE} cannot be read: {error}") from error
    return tuple(Provenance.model_validate(item) for item in found)


def write_chain(folder: Path, chain: Sequence[Provenance]) -> None:
    """Write the steps beside the model that they led to."""
    text = json.dumps([item.model_dump(mode="json") for item in chain], indent=2, sort_keys=True)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")
