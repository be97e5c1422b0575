"""Bounds as text that, read back, truly suffice."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from aios.records.metrics import Metric
from aios.records.units import Dimension, format_quantity, parse_quantity

__all__ = ["instead", "rounded_up", "sufficient"]


def sufficient(value: float, of: Metric) -> str:
    """Return ``value`` as people write it, rounded to where a bound at the text holds for it: ``12.4 ms``."""
    return _rounded(value, of.dimension, up=of.relation == "<=")


def instead(needed: int, had: float) -> tuple[str, float]:
    """Return how many bytes are needed instead of those there are, as text and number."""
    text = rounded_up(float(needed), Dimension.BYTES)
    return f"{text} instead of {format_quantity(had, Dimension.BYTES)}", float(needed)


def rounded_up(value: float, dimension: Dimension) -> str:
    """Return ``value`` as people write it, no smaller when read back."""
    return _rounded(value, dimension, up=True)


def _rounded(value: float, dimension: Dimension, up: bool) -> str:
    shown = format_quantity(value, dimension)
    if _suffices(shown, value, dimension, up):
        return shown
    number, unit = _split(shown)
    digits = 4 if dimension is Dimension.FRACTION else 3
    exact = Decimal(repr(value)) / Decimal(repr(parse_quantity(f"1{unit}", dimension)))
    step = Decimal(1).scaleb(max(exact.adjusted(), number.adjusted()) - digits + 1)
    rounded = exact.quantize(step, rounding=ROUND_CEILING if up else ROUND_FLOOR)
    while not _suffices(f"{rounded:f}{unit}", value, dimension, up):
        rounded += step if up else -step
    return f"{rounded.normalize():f}{unit}"


def _split(text: str) -> tuple[Decimal, str]:
    end = max(index for index, character in enumerate(text.partition(" ")[0].partition("/")[0]) if character.isdigit())
    return Decimal(text[: end + 1]), text[end + 1 :]


def _suffices(text: str, value: float, dimension: Dimension, up: bool) -> bool:
    read = parse_quantity(text, dimension)
    return read >= value if up else read <= value
