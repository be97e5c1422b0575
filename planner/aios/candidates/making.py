"""Candidates made from values that are right by construction: an enumeration makes a hundred thousand of them."""

from __future__ import annotations

from aios.records.base import trusted
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceType
from aios.records.intent import Intent
from aios.records.model import ModelProfile

__all__ = ["candidate_of"]

_GIVEN = set(Candidate.model_fields)
_DEFAULTS = {name: field.default for name, field in Candidate.model_fields.items()}


def candidate_of(intent: Intent, profile: ModelProfile, device: DeviceType, executor: str, **own: object) -> Candidate:
    """Return a candidate without validating it. own: its further fields; those with a default may be left out."""
    shared = {
        "intent": intent.name,
        "model": profile.name,
        "model_digest": profile.digest,
        "device": device.name,
        "executor": executor,
        "protection": intent.protection.names if intent.protection else (),
    }
    return trusted(Candidate, {**_DEFAULTS, **shared, **own}, _GIVEN)
