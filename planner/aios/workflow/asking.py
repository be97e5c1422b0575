"""Reads a family of candidates as people ask for it: ``device=nvidia-l4,precision=int8``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from aios.records.candidate import Priced, Quantization
from aios.records.errors import Diagnostic, InputError
from aios.records.forms import nearest
from aios.records.intent import Intent
from aios.records.model import VALUE_BYTES
from aios.workflow.leftout import Family, Known
from aios.workflow.reading import Given
from aios.workflow.shipped import shipped_catalogue

__all__ = ["known_names", "read_family"]

_NUMBERS = ("batch", "threads", "replicas", "devices", "machines")
_DEGREES = ("tensor", "pipeline", "data", "expert", "context")
_LEAST = {"threads": 0}
_LARGEST = 10**9
_EXAMPLE = "device=nvidia-l4,precision=int8"
_MOST_NAMES = 20
"""Names that a message lists."""


def known_names(given: Given, intent: Intent, options: Sequence[Priced]) -> Known:
    """Return every name that a field of a candidate of this intent may have here."""
    candidates = [option.candidate for option in options]
    modes = (mode.name for device in given.fleet.types.values() for mode in device.power_modes)
    found: dict[str, frozenset[str]] = {
        "model": frozenset(model.name for model in intent.models),
        "device": frozenset(given.fleet.types),
        "node": frozenset(node.name for node in given.fleet.nodes),
        "precision": frozenset([*VALUE_BYTES, "int16"]),
        "quantization": frozenset(get_args(Quantization)),
        "executor": frozenset(given.executors),
        "power_mode": frozenset([*modes, *(item.power_mode for item in candidates if item.power_mode)]),
        "compression": frozenset(["none", *(item.compression for item in candidates)]),
        "parallelism": frozenset(["none", *(item.parallelism for item in candidates)]),
    }
    for item in candidates:
        for field, value in (*item.settings.items(), *item.tiers.items()):
            found[field] = found.get(field, frozenset()) | {value}
    return found


def read_family(text: str, known: Known) -> Family:
    """Return what is asked for. Raises InputError with everything that is wrong with it.

    A device that the catalogue has and the fleet has not is no mistake.
    """
    family: dict[str, str | int] = {}
    mistakes: list[Diagnostic] = []
    fields = [*known, *_NUMBERS, *_DEGREES]
    for part in text.split(","):
        field, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not field or not value:
            summary = f"`{part.strip()[:80]}` says no `field=value`"
            mistakes.append(Diagnostic(summary=summary, remedy=f"write pairs such as `{_EXAMPLE}`"))
        elif field not in fields:
            mistakes.append(_unknown(f"no candidate has a field `{field[:80]}`", field, fields))
        elif field in family:
            mistakes.append(Diagnostic(summary=f"`{field}` is asked for twice", remedy="ask for one value of each"))
        elif field in known:
            family[field] = value
            mistakes += _wrong_name(field, value, known[field])
        else:
            mistakes += _wrong_number(field, value)
            family[field] = int(value) if value.isdecimal() else 0
    if mistakes:
        raise InputError(*mistakes)
    return family


def _wrong_name(field: str, value: str, names: frozenset[str]) -> list[Diagnostic]:
    if value in names:
        return []
    if field == "device":
        listed = shipped_catalogue()
        if value in listed:
            return []
        near = nearest(value, sorted(names)) or nearest(value, [*listed])
        summary = f"there is no device `{value[:80]}` in the fleet or the catalogue"
        return [_unknown(summary, near or value, sorted(names), near)]
    return [_unknown(f"there is no {field} `{value[:80]}` here", value, sorted(names))]


def _wrong_number(field: str, value: str) -> list[Diagnostic]:
    least = _LEAST.get(field, 1)
    if value.isascii() and value.isdecimal() and len(value) < 20 and least <= int(value) <= _LARGEST:
        return []
    summary = f"`{field}` is a whole number from {least} on, not `{value[:80]}`"
    return [Diagnostic(summary=summary, remedy=f"write one such as `{field}={max(least, 2)}`")]


def _unknown(summary: str, written: str, names: Sequence[str], near: str | None = None) -> Diagnostic:
    near = near or nearest(written, names)
    left = f", and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    listed = ", ".join(f"`{name}`" for name in names[:_MOST_NAMES]) + left if names else "none"
    return Diagnostic(summary=summary, remedy=f"did you mean `{near}`? known: {listed}" if near else f"known: {listed}")
