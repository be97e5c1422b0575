"""Quantities as Kubernetes writes them: ``15890m``, ``131889424Ki``, ``64Gi``, ``1.5``, ``67108864k``, ``1e3``.

Source: Kubernetes API, ``resource.Quantity``: a decimal number with a decimal suffix (n u m k M G T P E), a binary one
(Ki Mi Gi Ti Pi Ei) or an exponent.
"""

from __future__ import annotations

import re
from typing import Any

from aios.records.errors import BadValue

__all__ = ["quantity"]

_QUANTITY = re.compile(
    r"([+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40}))([A-Za-z]*|[eE][+-]?[0-9]{1,2})", re.ASCII
)
_SUFFIXES: dict[str, float] = {"": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_SUFFIXES |= {"P": 1e15, "E": 1e18}
_SUFFIXES |= {f"{prefix}i": 1024.0 ** (index + 1) for index, prefix in enumerate("KMGTPE")}
_MEANT = {"K": "k", "Mb": "M", "MB": "M", "GB": "G", "Gb": "G", "GiB": "Gi", "MiB": "Mi", "KiB": "Ki", "ki": "Ki"}
_MEANT |= {"TB": "T", "TiB": "Ti", "kB": "k", "KB": "k", "gi": "Gi", "mi": "Mi", "g": "G"}


def quantity(value: Any) -> float:
    """Return a quantity as a number; raises BadValue for what is none, and for what is negative."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadValue("this is no quantity", "write a number with a suffix, such as `64Gi`")
    text = str(value).strip()
    found = _QUANTITY.fullmatch(text)
    shown = text if len(text) <= 40 else f"{text[:37]}..."
    if found is None:
        raise BadValue(f"`{shown}` is no quantity", "write a number with a suffix, such as `64Gi`")
    number, suffix = float(found[1]), found[2]
    if suffix not in _SUFFIXES and not re.fullmatch(r"[eE][+-]?[0-9]+", suffix):
        meant = f"did you mean `{found[1]}{_MEANT[suffix]}`? " if suffix in _MEANT else ""
        raise BadValue(f"`{shown}` has a suffix that Kubernetes does not know", f"{meant}known: {', '.join(_known())}")
    if number < 0:
        raise BadValue(f"`{shown}` is negative", "write zero or more")
    return float(f"{found[1]}{suffix}") if suffix not in _SUFFIXES else _exactly(number * _SUFFIXES[suffix])


def _known() -> list[str]:
    return [suffix for suffix in _SUFFIXES if suffix]


def _exactly(number: float) -> float:
    """Return a number without the last digits that a factor such as 1/1000 is not exact in."""
    return float(f"{number:.15g}") if abs(number) < 1e15 else number
