"""Files that settings of transforms name, with the content that they have now: what is made of them depends on that."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from aios.records.candidate import with_content
from aios.records.errors import Diagnostic, InputError
from aios.records.intent import Intent
from aios.workflow.transforming import declared

__all__ = ["with_file_digests"]


def with_file_digests(intents: Sequence[Intent]) -> tuple[Intent, ...]:
    """Return the intents with the content of each file that a setting of a transform names.

    Raises InputError with every file that cannot be read.
    """
    problems: list[Diagnostic] = []
    found = tuple(_with_digests(intent, problems) if intent.transforms else intent for intent in intents)
    if problems:
        raise InputError(*problems)
    return found


def _with_digests(intent: Intent, problems: list[Diagnostic]) -> Intent:
    known, transforms = declared(), {}
    for name, settings in intent.transforms.items():
        own = dict(settings)
        for label, values in settings.items():
            if known[name].parameters[label].file:
                where = intent.spans.get(f"spec.transforms.{name}.{label}") or intent.where
                told = []
                for value in values:
                    try:
                        told.append(with_content(value, _sha256(value)) if value else value)
                    except OSError as error:
                        summary = f"{value}, the {label} of {name}, cannot be read"
                        remedy = "name the file as it is seen from the working directory"
                        reason = error.strerror
                        problems.append(Diagnostic(summary=summary, where=where, reason=reason, remedy=remedy))
                own[label] = tuple(told)
        transforms[name] = own
    return intent.model_copy(update={"transforms": transforms})


def _sha256(path: str) -> str:
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
