"""Reads the numbers of a device description, each with the unit that stands beside it."""

from __future__ import annotations

import difflib
import re

from aios.records.errors import BadValue
from aios.records.fleet import Fact
from aios.records.units import (
    Dimension,
    called,
    examples,
    format_quantity,
    parse_quantity,
    si_unit,
    units_of,
)
from aios_plugins.devicetree.tree import Property, Word

__all__ = ["PRECISIONS", "known_precision", "quantities", "rate_fact", "unit_beside", "unknown_precision"]

PRECISIONS = ("fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "fp4", "int32", "int16", "int8", "int4")
_ALIASES = {
    **dict.fromkeys(("double", "float64", "f64"), "fp64"),
    **dict.fromkeys(("single", "float32", "float", "f32"), "fp32"),
    **dict.fromkeys(("half", "float16", "f16"), "fp16"),
    **dict.fromkeys(("bfloat16", "bfp16"), "bf16"),
    **dict.fromkeys(("float8", "e4m3", "e5m2", "fp8e4m3", "fp8e5m2"), "fp8"),
    **dict.fromkeys(("float4", "e2m1", "nvfp4", "mxfp4"), "fp4"),
    **{f"i{bits}": f"int{bits}" for bits in (4, 8, 16, 32)},
    **{f"s{bits}": f"int{bits}" for bits in (4, 8, 16, 32)},
}
# Beyond these no device comes; such a figure has the wrong unit. A fleet file refuses the same figures, but here the
# line can be named. A whole wafer claims 1.25e17 op/s and draws 23 kW; no HBM comes near 1e14 B/s.
_LARGEST = {
    Dimension.COMPUTE: 2e17,
    Dimension.BANDWIDTH: 1e14,
    Dimension.BYTES: 2.0**50,
    Dimension.POWER: 1e5,
    Dimension.FREQUENCY: 2e10,
    Dimension.TIME: 10.0,
}
_UNIT_WORD = re.compile(r"[A-Za-zµ]+(?:/[A-Za-z]+)?")


def known_precision(written: str) -> str | None:
    """Return the precision that a name means; None for an unknown one."""
    name = _ALIASES.get(_plain(written), _plain(written))
    return name if name in PRECISIONS else None


def unknown_precision(written: str, *, near: bool) -> BadValue:
    """Return what is wrong with a name that means no precision; ``near``: with the known name that is most like it."""
    like = difflib.get_close_matches(_plain(written), PRECISIONS, n=1, cutoff=0.5) if near else []
    meant = f"did you mean `{like[0].upper()}`? " if like else ""
    return BadValue(f"unknown precision `{written}`", f"{meant}known: {', '.join(PRECISIONS).upper()}")


def _plain(written: str) -> str:
    return re.sub(r"[\s_-]", "", written[:40]).lower()


def unit_beside(made: Property, dimension: Dimension) -> str | None:
    """Return the unit that the comments beside a property state, nearest first; None where they state none.

    Raises BadValue for a comment that is a unit of something else altogether, such as ``GB`` for a bandwidth.
    """
    for comment in made.comments:
        words: list[str] = [found[0] for found in _UNIT_WORD.finditer(comment)]
        for word in words:
            unit = _as_unit(word, dimension)
            if unit is not None:
                return unit
        if len(words) == 1:
            _refuse_other(made.name, words[0], dimension)
    return None


def _as_unit(word: str, dimension: Dimension) -> str | None:
    known = units_of(dimension)
    if dimension is Dimension.BANDWIDTH:
        word = re.sub(r"Bps$", "B/s", word)
    elif dimension in (Dimension.COMPUTE, Dimension.FREQUENCY):  # no two of these units differ in case alone
        word = {unit.lower(): unit for unit in known}.get(word.lower(), word)
    return word if word in known else None


def _refuse_other(name: str, word: str, dimension: Dimension) -> None:
    for other in Dimension:
        if other is not dimension and word in units_of(other):
            raise BadValue(
                f"the comment gives {called(other)} ({word}), but `{name}` is {called(dimension)}",
                f"write its unit, such as `// {examples(dimension).partition(' ')[2]}`",
            )
    if dimension is Dimension.BANDWIDTH and re.fullmatch(r"[kKMGT]i?b(ps|/s)", word):
        bits = re.sub(r"b(ps|/s)$", "", word)
        raise BadValue(f"`{word}` may mean bits or bytes", f"write `// {bits}B/s` or `// {bits}bit/s`")


def quantities(made: Property, dimension: Dimension, default: str | None) -> list[tuple[float, str]]:
    """Return the numbers of a property in SI, each with its unit as it was read.

    The unit stands with the number (``"1.2 TB/s"``), in a comment beside it, or is ``default``. Raises BadValue for
    what is no number, has no unit, is not more than zero, or larger than any device.
    """
    unit = unit_beside(made, dimension) or default
    found: list[tuple[float, str]] = []
    for value in made.values:
        if isinstance(value, str):
            number = parse_quantity(value, dimension)
            own = value.strip().lstrip("+-0123456789._eE").strip() or (unit or "")
        elif isinstance(value, int | float) and unit is not None:
            number, own = parse_quantity(f"{value!r} {unit}", dimension), unit
        elif isinstance(value, int | float):
            remedy = f"write it beside the value: `{made.name} = <{value}>; // {examples(dimension).partition(' ')[2]}`"
            raise BadValue(f"`{made.name}` has no unit", remedy)
        else:
            shown = value.text if isinstance(value, Word) else made.name
            raise BadValue(f"`{shown}` is no number", f"write `{made.name} = <1>;`")
        if number <= 0:
            shown = value if isinstance(value, str) else f"{value} {own}"
            raise BadValue(f"`{made.name}` must be more than zero, not {shown}")
        if number > _LARGEST[dimension]:
            raise BadValue(
                f"`{made.name}` of {format_quantity(number, dimension)} is more than any device has",
                f"check its unit, which was read as `{own}`",
            )
        found.append((number, own))
    if not found:
        raise BadValue(f"`{made.name}` has no value", f"write `{made.name} = <1>;`")
    return found


def rate_fact(precision: str, value: float, ref: str) -> Fact:
    """Return a peak rate; operations of integers are not floating point."""
    unit = "OP/s" if precision.startswith("int") else si_unit(Dimension.COMPUTE)
    return Fact(value=value, unit=unit, source="declared", ref=ref)
