"""The base of every record: frozen, strict about its fields, no infinities, one canonical form."""

import json
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, model_serializer, model_validator

__all__ = ["Record", "Source", "Span", "canonical_json", "digest_of", "trusted"]

AnyRecord = TypeVar("AnyRecord", bound="Record")

Source = Literal["measured", "calibrated", "datasheet", "analytic", "declared", "assumed"]
"""Where a number comes from, most trusted first; every Fact and Estimate names one."""


class Record(BaseModel):
    """Immutable data with a fixed set of fields; SI units, the unit in the field's name."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class Span(Record):
    """Where something was written.

    file: path as the user gave it · line, column: 1-based. In JSON it is the text ``file:line:column``.
    """

    file: str
    line: int
    column: int

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        file, line, column = value.rsplit(":", 2)
        return {"file": file, "line": int(line), "column": int(column)}

    @model_serializer(when_used="json")
    def _as_text(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


def canonical_json(value: Any) -> str:
    """Serialise a record, or JSON-able data holding records, to the one text that its digest is taken over."""
    return json.dumps(value, default=_as_json, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_of(value: Any) -> str:
    """Return ``sha256:<hex>`` of the canonical JSON of ``value`` (``bytes`` are hashed as they are)."""
    import hashlib

    data = value if isinstance(value, bytes) else canonical_json(value).encode()
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


_put = object.__setattr__


def trusted(kind: type[AnyRecord], fields: dict[str, Any], given: set[str]) -> AnyRecord:
    """Make a record from values that are right by construction, without validating: about 2.5 times as fast.

    fields: every field of ``kind``, in order, already of its type; it becomes the record's own · given: the names
    that count as set. Only for the few records that are made a hundred thousand times in one plan.
    """
    record = kind.__new__(kind)
    _put(record, "__dict__", fields)
    _put(record, "__pydantic_fields_set__", given)
    _put(record, "__pydantic_extra__", None)
    _put(record, "__pydantic_private__", None)
    return record


def _as_json(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no canonical form")
