"""Typed quantities: ``10 ms``, ``20/s``, ``97 %``, ``5 W``, ``0.5 J``, ``2 GiB`` as SI floats of a known dimension."""

from __future__ import annotations

import difflib
import re
from enum import StrEnum

__all__ = ["Dimension", "UnitError", "examples", "format_quantity", "parse_quantity", "si_unit", "units_of"]


class Dimension(StrEnum):
    """What kind of quantity a value is."""

    TIME = "time"
    RATE = "rate"
    FRACTION = "fraction"
    POWER = "power"
    ENERGY = "energy"
    BYTES = "bytes"
    BANDWIDTH = "bandwidth"
    COMPUTE = "compute rate"
    FREQUENCY = "frequency"
    COST_RATE = "cost rate"
    CARBON_RATE = "carbon rate"
    COUNT = "count"


class UnitError(ValueError):
    """A text is no quantity of the wanted dimension: ``summary`` says what is wrong, ``remedy`` what to write."""

    def __init__(self, summary: str, remedy: str) -> None:
        super().__init__(summary)
        self.summary = summary
        self.remedy = remedy


_PREFIXES = {"n": 1e-9, "u": 1e-6, "µ": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
_DECIMAL = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_PER = {"/s": 1.0, "/sec": 1.0, "/second": 1.0, "/min": 1 / 60, "/minute": 1 / 60, "/h": 1 / 3600, "/hour": 1 / 3600}


def _si(unit: str, prefixes: str) -> dict[str, float]:
    return {("" if prefix == "_" else prefix) + unit: _PREFIXES["" if prefix == "_" else prefix] for prefix in prefixes}


def _byte_units(suffix: str = "") -> dict[str, float]:
    table = {f"B{suffix}": 1.0}
    table |= {f"{prefix}B{suffix}": factor for prefix, factor in (_DECIMAL | _BINARY).items()}
    return table


def _compute_units() -> dict[str, float]:
    names = ("FLOPS", "FLOP/s", "OPS", "OP/s")
    return {prefix + name: _PREFIXES[prefix] for name in names for prefix in ("", "M", "G", "T", "P")}


_UNITS: dict[Dimension, dict[str, float]] = {
    Dimension.TIME: _si("s", "numµ_") | {"sec": 1.0, "min": 60.0, "h": 3600.0, "hours": 3600.0, "d": 86400.0},
    Dimension.RATE: _PER | {f"{n}{per}": f for n in ("req", "requests", "images", "items") for per, f in _PER.items()},
    Dimension.FRACTION: {"%": 0.01, "‰": 0.001},
    Dimension.POWER: _si("W", "um_kM"),
    Dimension.ENERGY: _si("J", "num_kM") | {"Wh": 3600.0, "mWh": 3.6, "kWh": 3.6e6},
    Dimension.BYTES: _byte_units(),
    Dimension.BANDWIDTH: _byte_units("/s"),
    Dimension.COMPUTE: _compute_units(),
    Dimension.FREQUENCY: _si("Hz", "_kMG"),
    Dimension.COST_RATE: {"USD/h": 1.0, "USD/hour": 1.0, "USD/month": 1 / 730.0, "USD/year": 1 / 8760.0},
    Dimension.CARBON_RATE: {"gCO2/h": 1.0, "kgCO2/h": 1e3},
    Dimension.COUNT: {},
}

_SI: dict[Dimension, str] = {
    Dimension.TIME: "s",
    Dimension.RATE: "1/s",
    Dimension.FRACTION: "1",
    Dimension.POWER: "W",
    Dimension.ENERGY: "J",
    Dimension.BYTES: "B",
    Dimension.BANDWIDTH: "B/s",
    Dimension.COMPUTE: "FLOP/s",
    Dimension.FREQUENCY: "Hz",
    Dimension.COST_RATE: "USD/h",
    Dimension.CARBON_RATE: "gCO2/h",
    Dimension.COUNT: "1",
}

_EXAMPLES: dict[Dimension, str] = {
    Dimension.TIME: "10 ms",
    Dimension.RATE: "20/s",
    Dimension.FRACTION: "97 %",
    Dimension.POWER: "5 W",
    Dimension.ENERGY: "0.5 J",
    Dimension.BYTES: "2 GiB",
    Dimension.BANDWIDTH: "25 GB/s",
    Dimension.COMPUTE: "40 TFLOPS",
    Dimension.FREQUENCY: "2.4 GHz",
    Dimension.COST_RATE: "0.5 USD/h",
    Dimension.CARBON_RATE: "40 gCO2/h",
    Dimension.COUNT: "4",
}

# How a value is shown: (from this size on, unit), largest first.
_SHOWN: dict[Dimension, tuple[str, ...]] = {
    Dimension.TIME: ("s", "ms", "us", "ns"),
    Dimension.POWER: ("kW", "W", "mW"),
    Dimension.ENERGY: ("kJ", "J", "mJ", "uJ"),
    Dimension.BYTES: ("TiB", "GiB", "MiB", "KiB", "B"),
    Dimension.BANDWIDTH: ("TB/s", "GB/s", "MB/s", "B/s"),
    Dimension.COMPUTE: ("PFLOP/s", "TFLOP/s", "GFLOP/s", "MFLOP/s"),
    Dimension.FREQUENCY: ("GHz", "MHz", "Hz"),
    Dimension.COST_RATE: ("USD/h",),
    Dimension.CARBON_RATE: ("kgCO2/h", "gCO2/h"),
}

_QUANTITY = re.compile(r"^\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S.*?)?\s*$")


def si_unit(dimension: Dimension) -> str:
    """Return the unit that values of this dimension have inside records, such as ``s``."""
    return _SI[dimension]


def units_of(dimension: Dimension) -> tuple[str, ...]:
    """Return every unit that may be written for this dimension."""
    return tuple(_UNITS[dimension])


def examples(dimension: Dimension) -> str:
    """Return a well-written value of this dimension, for messages."""
    return _EXAMPLES[dimension]


def parse_quantity(value: str | int | float, dimension: Dimension) -> float:
    """Return ``value`` in the SI unit of ``dimension``.

    Raises UnitError when the text is no number with a unit of that dimension. Counts, and fractions between 0 and 1,
    are
    written bare; every other bare number is refused, because it could mean anything.
    """
    example = _EXAMPLES[dimension]
    match = _QUANTITY.match(str(value)) if not isinstance(value, bool) else None
    if match is None:
        raise UnitError(f"{str(value)!r} is not a {dimension}", f"write a number and a unit, such as `{example}`")
    number, unit = float(match[1].replace("_", "")), match[2]
    if number in (float("inf"), float("-inf")):
        raise UnitError(f"{str(value)!r} is too large", f"write a value such as `{example}`")
    if unit is None:
        return _bare(number, str(value).strip(), dimension)
    factor = _UNITS[dimension].get(re.sub(r"\s*/\s*", "/", unit))
    if factor is None:
        raise _wrong_unit(number, unit, dimension)
    return number * factor


def _bare(number: float, text: str, dimension: Dimension) -> float:
    if dimension is Dimension.COUNT or (dimension is Dimension.FRACTION and 0 <= number <= 1):
        return number
    if dimension is Dimension.FRACTION:
        raise UnitError(f"{text} is larger than 1 and has no unit", f"write `{text} %`")
    raise UnitError(f"{text} has no unit", f"write a {dimension}, such as `{example_like(text, dimension)}`")


def example_like(text: str, dimension: Dimension) -> str:
    """Return ``text`` with the unit of the dimension's example, such as ``10 ms`` for ``10``."""
    unit = re.sub(r"^[\d.]+", "", _EXAMPLES[dimension])
    return f"{text}{unit}"


def _wrong_unit(number: float, unit: str, dimension: Dimension) -> UnitError:
    shown = f"{number:g}"
    for other, table in _UNITS.items():
        if other is not dimension and unit in table:
            return UnitError(
                f"{shown} {unit} is a {other}, but a {dimension} is wanted here",
                f"write a {dimension}, such as `{_EXAMPLES[dimension]}`",
            )
    near = difflib.get_close_matches(unit, _UNITS[dimension], n=1, cutoff=0.5)
    near = near or [known for known in _UNITS[dimension] if known.lower() == unit.lower()]
    meant = f"did you mean `{shown} {near[0]}`? " if near else ""
    known = ", ".join(_UNITS[dimension]) or "a bare number"
    return UnitError(f"unknown unit {unit!r} for a {dimension}", f"{meant}known: {known}")


def format_quantity(value: float, dimension: Dimension, digits: int = 3) -> str:
    """Return ``value`` (SI) as people write it: three significant digits and a fitting unit, such as ``12.4 ms``."""
    if dimension is Dimension.FRACTION:
        return f"{_significant(value * 100, digits + 1)} %"
    if dimension is Dimension.RATE:
        return f"{_significant(value, digits)}/s"
    if dimension is Dimension.COUNT:
        return _significant(value, digits + 3)
    shown = _SHOWN[dimension]
    for unit in shown:
        factor = _UNITS[dimension][unit]
        if abs(value) >= factor * 0.9995 or unit == shown[-1]:
            break
    if value == 0:
        unit, factor = _SI[dimension] if _SI[dimension] in shown else shown[-1], 1.0
    return f"{_significant(value / factor, digits)} {unit}"


def _significant(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    if "e" in text:
        text = f"{float(text):.0f}" if abs(value) >= 1 else f"{float(text):g}"
    return text
