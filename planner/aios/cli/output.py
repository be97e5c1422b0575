"""How a result leaves: words, one JSON document, or both."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aios.cli.words import Ink, shown
from aios.records.base import Record
from aios.records.metrics import find_metric, is_endless
from aios.records.units import Dimension, format_quantity

__all__ = ["as_json", "emit", "metric_text", "save_text"]


def as_json(value: Any) -> str:
    """Return ``value`` (records, mappings, sequences) as indented JSON text."""
    return jsonlib.dumps(value, default=_plain, indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    return list(value)


def emit(words: str, document: Any, *, json: bool, json_into: Path | None = None) -> None:
    """Print ``words``, made harmless, or with ``json`` ``document``, to the letter (text is taken as it is); also write
    it to ``json_into``."""
    text = ""
    if json or json_into is not None:
        text = document if isinstance(document, str) else as_json(document)
    if json_into is not None:
        save_text(json_into, text)
    sys.stdout.write(text if json else shown(words.rstrip("\n"), Ink(sys.stdout)) + "\n")


def save_text(path: Path, text: str) -> None:
    """Write a file that the user asked for, whole or not at all. Raises WorldError."""
    from aios.workflow.saving import save

    save(path, text)


def metric_text(name: str, value: float) -> str:
    """Return a value of a metric as people read it, ``12.4 ms``; of a latency without end, ``overloaded``."""
    if is_endless(name, value):
        return "overloaded" if name.startswith("latency.") else "unbounded"
    found = find_metric(name)
    return format_quantity(value, found.dimension if found else Dimension.COUNT)
