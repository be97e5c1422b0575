"""Which options of an intent may be scheduled at all."""

from __future__ import annotations

from collections.abc import Sequence

from aios.records.candidate import Priced
from aios.records.intent import Intent
from aios.solve.clauses.requirement import keep

__all__ = ["keeping"]


def keeping(intent: Intent, options: Sequence[Priced]) -> list[Priced]:
    """Return the options that keep every requirement of their intent."""
    for requirement in intent.require:
        kept = keep(options, intent, requirement)
        options = [option for option, keeps in zip(options, kept, strict=True) if keeps]
    return list(options)
