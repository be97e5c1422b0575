"""Parameters of a transform, out of their text."""

from __future__ import annotations

from collections.abc import Mapping

from aios.records.errors import Diagnostic, InputError

__all__ = ["number", "share"]


def number(settings: Mapping[str, str], name: str) -> float:
    """Return a parameter that is a number; InputError for any other text."""
    try:
        return float(settings[name])
    except ValueError as error:
        raise InputError(Diagnostic(summary=f"{name}: {settings[name]!r} is no number")) from error


def share(settings: Mapping[str, str], name: str) -> float:
    """Return a parameter that is a share of a whole, above 0 and at most 1, also written in percent."""
    text = settings[name].strip()
    value = number({name: text.removesuffix("%")}, name) / (100 if text.endswith("%") else 1)
    if not 0 < value <= 1:
        raise InputError(Diagnostic(summary=f"{name}: {text} is no share of a whole", remedy="write 0.5 or 50 %"))
    return value
