"""The written form of an intent as JSON Schema, for editors; kept in ``schemas/intent.schema.json``."""

from __future__ import annotations

import json
from typing import Any

from aios.intents.written import IntentForm
from aios.records.document import schema_text

__all__ = ["intent_schema", "intent_schema_text"]


def intent_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of documents of kind Intent."""
    schema: dict[str, Any] = json.loads(intent_schema_text())
    return schema


def intent_schema_text() -> str:
    """Return the text of ``schemas/intent.schema.json``."""
    return schema_text(IntentForm, "aios intent", "aios/v1/intent.schema.json")
