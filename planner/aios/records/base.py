"""The base of every record: frozen, strict about its fields, no infinities, one canonical form."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Record", "Source", "Span", "canonical_json", "digest_of"]

Source = Literal["measured", "calibrated", "datasheet", "analytic", "declared", "assumed"]
"""Where a number comes from, most trusted first; every Fact and Estimate names one."""


class Record(BaseModel):
    """Immutable data with a fixed set of fields; SI units, the unit in the field's name."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class Span(Record):
    """Where something was written.

    file: path as the user gave it · line, column: 1-based
    """

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


def canonical_json(value: Any) -> str:
    """Serialise a record, or JSON-able data holding records, to the one text that its digest is taken over."""
    return json.dumps(value, default=_as_json, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_of(value: Any) -> str:
    """Return ``sha256:<hex>`` of the canonical JSON of ``value`` (``bytes`` are hashed as they are)."""
    data = value if isinstance(value, bytes) else canonical_json(value).encode()
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _as_json(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no canonical form")
