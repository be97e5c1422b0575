"""Typed quantities: ``10 ms``, ``20/s``, ``97 %``, ``5 W``, ``0.5 J``, ``2 GiB`` as SI floats of a known dimension.

Factors are ratios of whole numbers and the product is rounded once: ``12.4 ms`` is exactly the float ``0.0124``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from aios.records.errors import BadValue

__all__ = [
    "Dimension",
    "UnitError",
    "called",
    "examples",
    "format_exactly",
    "format_quantity",
    "parse_quantity",
    "pattern_of",
    "si_unit",
    "units_of",
]


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
    CARBON_INTENSITY = "carbon intensity"
    PRICE = "price"
    COUNT = "count"


class UnitError(BadValue):
    """A text is no quantity of the wanted dimension."""

    remedy: str


_Ratio = tuple[int, int]  # factor to the SI unit: numerator, denominator

_DECIMAL: dict[str, _Ratio] = {
    "n": (1, 10**9), "u": (1, 10**6), "µ": (1, 10**6), "μ": (1, 10**6), "m": (1, 1000), "": (1, 1),
    "k": (1000, 1), "K": (1000, 1), "M": (10**6, 1), "G": (10**9, 1), "T": (10**12, 1), "P": (10**15, 1),
    "E": (10**18, 1),
}  # fmt: skip
_BINARY: dict[str, _Ratio] = {
    "Ki": (2**10, 1), "Mi": (2**20, 1), "Gi": (2**30, 1), "Ti": (2**40, 1), "Pi": (2**50, 1),
    "Ei": (2**60, 1),
}  # fmt: skip


def _with(prefixes: str, unit: str, divisor: int = 1) -> dict[str, _Ratio]:
    """Return ``unit`` with each of the decimal prefixes (``_``: none), as a ``divisor``-th of the SI unit."""
    chosen = [prefix.strip("_") for prefix in prefixes]
    return {prefix + unit: (_DECIMAL[prefix][0], _DECIMAL[prefix][1] * divisor) for prefix in chosen}


def _bytes(suffix: str) -> dict[str, _Ratio]:
    return _with("_kKMGTPE", f"B{suffix}") | {f"{prefix}B{suffix}": factor for prefix, factor in _BINARY.items()}


def _all(factor: _Ratio, *names: str) -> dict[str, _Ratio]:
    return dict.fromkeys(names, factor)


_UNITS: dict[Dimension, dict[str, _Ratio]] = {
    Dimension.TIME: _with("_munµμ", "s")
    | _all((1, 1), "sec", "second", "seconds")
    | _all((1, 1000), "millisecond", "milliseconds")
    | _all((1, 10**6), "microsecond", "microseconds")
    | _all((60, 1), "min", "minute", "minutes")
    | _all((3600, 1), "h", "hour", "hours")
    | _all((86400, 1), "d", "day", "days")
    | _all((604800, 1), "week", "weeks"),
    Dimension.RATE: _all((1, 1), "/s", "/sec", "/second", "rps", "qps")
    | _all((1, 60), "/min", "/minute")
    | _all((1, 3600), "/h", "/hour")
    | _all((1, 86400), "/d", "/day"),
    Dimension.FRACTION: _all((1, 100), "%", "percent") | _all((1, 1000), "‰"),
    Dimension.POWER: _with("_munkMG", "W") | _all((1, 1), "watt", "watts"),
    Dimension.ENERGY: _with("_munkMG", "J")
    | _all((1, 1), "joule", "joules")
    | {
        "Wh": (3600, 1),
        "mWh": (18, 5),
        "kWh": (3_600_000, 1),
        "MWh": (3_600_000_000, 1),
        "GWh": (3_600_000_000_000, 1),
    },
    Dimension.BYTES: _bytes("") | _all((1, 1), "byte", "bytes"),
    Dimension.BANDWIDTH: _bytes("/s") | _with("_kMGTP", "bit/s", 8) | _with("kMGTP", "bps", 8),
    Dimension.COMPUTE: _with("_MGTPE", "FLOP/s")
    | _with("_MGTPE", "FLOPS")
    | _with("_MGTPE", "OP/s")
    | _with("_MGTPE", "OPS"),
    Dimension.FREQUENCY: _with("_kMG", "Hz"),
    Dimension.COST_RATE: _all((1, 1), "USD/h", "USD/hour")
    | {"kUSD/h": (1000, 1), "USD/day": (1, 24), "USD/month": (1, 730), "USD/year": (1, 8760)},
    Dimension.CARBON_RATE: {
        "gCO2/h": (1, 1),
        "gCO2e/h": (1, 1),
        "kgCO2/h": (1000, 1),
        "kgCO2e/h": (1000, 1),
        "tCO2/h": (10**6, 1),
        "tCO2e/h": (10**6, 1),
    },
    Dimension.CARBON_INTENSITY: _all((1, 1), "gCO2/kWh", "gCO2e/kWh", "gCO2eq/kWh", "g/kWh", "kgCO2/MWh"),
    Dimension.PRICE: {"USD": (1, 1), "kUSD": (1000, 1), "MUSD": (10**6, 1)},
    Dimension.COUNT: {},
}

_LARGE = {"k": 3, "K": 3, "M": 6, "G": 9, "B": 9, "bn": 9, "billion": 9, "million": 6, "T": 12, "trillion": 12}
"""Powers of ten that people write beside counts, such as ``100B`` tokens."""
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")

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
    Dimension.CARBON_INTENSITY: "gCO2/kWh",
    Dimension.PRICE: "USD",
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
    Dimension.CARBON_INTENSITY: "380 gCO2/kWh",
    Dimension.PRICE: "2500 USD",
    Dimension.COUNT: "4",
}

# The units that a value is shown in, largest first; messages name these and not every spelling.
_SHOWN: dict[Dimension, tuple[str, ...]] = {
    Dimension.TIME: ("d", "h", "s", "ms", "us", "ns"),
    Dimension.RATE: ("/s",),
    Dimension.FRACTION: ("%",),
    Dimension.POWER: ("GW", "MW", "kW", "W", "mW", "uW", "nW"),
    Dimension.ENERGY: ("GWh", "MWh", "kWh", "kJ", "J", "mJ", "uJ"),
    Dimension.BYTES: ("EiB", "PiB", "TiB", "GiB", "MiB", "KiB", "B"),
    Dimension.BANDWIDTH: ("PB/s", "TB/s", "GB/s", "MB/s", "B/s"),
    Dimension.COMPUTE: ("EFLOP/s", "PFLOP/s", "TFLOP/s", "GFLOP/s", "MFLOP/s"),
    Dimension.FREQUENCY: ("GHz", "MHz", "Hz"),
    Dimension.COST_RATE: ("USD/h",),
    Dimension.CARBON_RATE: ("kgCO2/h", "gCO2/h"),
    Dimension.CARBON_INTENSITY: ("gCO2/kWh",),
    Dimension.PRICE: ("USD",),
    Dimension.COUNT: (),
}

# What people also write, and what they mean by it; refused, because `m` or `Gb/s` could mean something else.
_MEANT: dict[str, str] = {
    "msec": "ms", "msecs": "ms", "millis": "ms", "usec": "us", "micros": "us", "nsec": "ns", "secs": "s", "m": "min",
    "mins": "min", "hr": "h", "hrs": "h", "pct": "%", "pc": "%", "G": "GB", "Gi": "GiB", "M": "MB",
    "Mi": "MiB", "Ki": "KiB", "K": "KB", "T": "TB", "Ti": "TiB", "Gb": "GB", "Gb/s": "Gbit/s", "Mb/s": "Mbit/s",
    "GBps": "GB/s", "MBps": "MB/s", "$/h": "USD/h", "USD": "USD/h", "$": "USD/h", "r/s": "/s", "Hz": "/s", "1/s": "/s",
}  # fmt: skip

_NUMBER = r"(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_QUANTITY = re.compile(rf"\s*([+-]?{_NUMBER})\s*([^\s\d.,_+-].*?)?\s*", re.ASCII)
_COUNTED = "(?:req|requests?|images?|items?|samples?|quer(?:y|ies)|inferences?) ?(?=/|per)"  # of a rate


def called(dimension: Dimension) -> str:
    """Return what a value of this dimension is called in a sentence, such as ``a time``."""
    return {
        Dimension.ENERGY: "an energy",
        Dimension.BYTES: "a size in bytes",
        Dimension.COUNT: "a number",
    }.get(dimension, f"a {dimension}")


def si_unit(dimension: Dimension) -> str:
    """Return the unit that values of this dimension have inside records, such as ``s``."""
    return _SI[dimension]


def units_of(dimension: Dimension) -> tuple[str, ...]:
    """Return every unit that may be written for this dimension."""
    return tuple(_UNITS[dimension])


def examples(dimension: Dimension) -> str:
    """Return a well-written value of this dimension, for messages."""
    return _EXAMPLES[dimension]


def pattern_of(dimension: Dimension) -> str:
    """Return the ECMA 262 pattern of what ``parse_quantity`` reads as this dimension, negative numbers left out."""
    units = "|".join(sorted(re.escape(unit).replace("/", r"\s*(?:/|per\b)\s*") for unit in _UNITS[dimension]))
    counted = f"(?:{_COUNTED})?" if dimension is Dimension.RATE else ""
    return rf"^\s*\+?{_NUMBER}\s*{counted}(?:{units})\s*$"


def parse_quantity(value: str | int | float, dimension: Dimension) -> float:
    """Return ``value`` in the SI unit of ``dimension``.

    Raises UnitError when the text is no number with a unit of that dimension. Counts, and fractions between 0 and 1,
    are written bare; every other bare number is refused, because it could mean anything.
    """
    text = str(value).strip()
    match = _QUANTITY.fullmatch(text) if not isinstance(value, bool) else None
    if match is None:
        raise UnitError(f"{_short(text)!r} is not {called(dimension)}", _number_remedy(text, dimension))
    number, unit = match[1], match[2]
    if unit is None:
        return _bare(_times(number, (1, 1)), text, dimension)
    factor = _UNITS[dimension].get(_plain(unit, dimension))
    if factor is None:
        raise _wrong_unit(number, unit, dimension)
    return _times(number, factor)


def _times(number: str, factor: _Ratio) -> float:
    """Return ``number`` × ``factor``, rounded once; raises UnitError for what no float can hold."""
    mantissa, _, exponent = number.replace("_", "").lower().partition("e")
    whole, _, decimals = mantissa.partition(".")
    power = int(exponent[:9] or 0) - len(decimals)
    if len(mantissa) > 400 or abs(power) > 800:
        raise UnitError(f"{_short(number)} is no number that can be computed with", "write a number of ordinary size")
    numerator = int(whole + decimals) * factor[0] * int(10 ** max(power, 0))
    denominator = factor[1] * int(10 ** max(-power, 0))
    try:
        return numerator / denominator
    except OverflowError:
        raise UnitError(f"{_short(number)} is too large", "write a number of ordinary size") from None


def _plain(unit: str, dimension: Dimension) -> str:
    """Return a unit without what may be written around it: ``requests per second`` is ``/second``."""
    unit = re.sub(r"\s*(?:/|\bper\b)\s*", "/", unit)
    return re.sub(f"^{_COUNTED}", "", unit) if dimension is Dimension.RATE else unit


def _number_remedy(text: str, dimension: Dimension) -> str:
    if dimension is Dimension.TIME and _DATE.match(text):
        return "plans know no calendar: write how long it may take, such as `14 d`"
    with_point = re.sub(r"(\d),(\d)", r"\1.\2", text)
    if with_point != text and _QUANTITY.fullmatch(with_point):
        return f"write decimals with a point (`{with_point}`) and thousands without a mark"
    if dimension is Dimension.COUNT:
        return f"write a bare number, such as `{_EXAMPLES[dimension]}`"
    return f"write a number and a unit, such as `{_EXAMPLES[dimension]}`"


def _bare(number: float, text: str, dimension: Dimension) -> float:
    if dimension is Dimension.COUNT or (dimension is Dimension.FRACTION and 0 <= number <= 1):
        return number
    if dimension is Dimension.FRACTION:
        meant = f"{_short(text)} %" if number > 1 else _EXAMPLES[dimension]
        raise UnitError(f"{_short(text)} is not between 0 and 1 and has no unit", f"write `{meant}`")
    unit = re.sub(r"^[\d.]+", "", _EXAMPLES[dimension])
    raise UnitError(f"{_short(text)} has no unit", f"write {called(dimension)}, such as `{_short(text)}{unit}`")


def _wrong_unit(number: str, unit: str, dimension: Dimension) -> UnitError:
    import difflib

    table, shown = _UNITS[dimension], _short(number)
    if dimension is Dimension.COUNT and unit in _LARGE and "e" not in shown.lower():
        return UnitError(f"{shown} {unit} is no bare number", f"write `{shown}e{_LARGE[unit]}`")
    meant = [_MEANT[unit]] if _MEANT.get(unit) in table else []
    if not meant:
        for other, units in _UNITS.items():
            if other is not dimension and _plain(unit, other) in units:
                return UnitError(
                    f"{shown} {_short(unit)} is {called(other)}, but {called(dimension)} is wanted here",
                    f"write {called(dimension)}, such as `{_EXAMPLES[dimension]}`",
                )
        meant = [known for known in table if known.lower() == unit.lower()]
    money = dimension in (Dimension.COST_RATE, Dimension.PRICE) and not unit.upper().startswith("USD")
    if not meant and not money:
        # Near names are spelt alike and as large: a prefix that is not known would be taken for another one, or none.
        near = difflib.get_close_matches(unit[:40], table, n=3, cutoff=0.6)
        meant = [name for name in near if not _prefixed(unit, table)][:1]
    spelled = " or ".join(f"`{_join(shown, name)}`" for name in meant)
    known = ", ".join(f"`{name}`" for name in _SHOWN[dimension]) or "a bare number"
    question = f"did you mean {spelled}? " if meant else "write the amount in US dollars; " if money else ""
    return UnitError(f"unknown unit {_short(unit)!r} for {called(dimension)}", f"{question}known: {known}")


def _prefixed(unit: str, table: Mapping[str, _Ratio]) -> bool:
    """Say whether a unit that is not known is a known one behind something else: 3 XB are surely not 3 B."""
    return any(unit.endswith(name) and 0 < len(unit) - len(name) <= 2 for name in table)


def format_quantity(value: float, dimension: Dimension, digits: int = 3) -> str:
    """Return ``value`` (SI) as people write it: three significant digits and a fitting unit, such as ``12.4 ms``.

    Fractions have one digit more, counts three.
    """
    digits += {Dimension.FRACTION: 1, Dimension.COUNT: 3}.get(dimension, 0)
    unit = _fitting(value, dimension)
    return _join(_significant(_in_unit(value, dimension, unit), digits), unit)


def format_exactly(value: float, dimension: Dimension) -> str:
    """Return ``value`` (SI) with a fitting unit and as many digits as ``parse_quantity`` needs to give it back."""
    si = [_SI[dimension]] if _SI[dimension] in _UNITS[dimension] else []
    for unit in (_fitting(value, dimension), *_SHOWN[dimension], *si):
        for digits in range(3, 18):
            text = _join(_significant(_in_unit(value, dimension, unit), digits), unit)
            if parse_quantity(text, dimension) == value:
                return text
    return repr(value)  # a fraction that no number of percent is exactly


def _fitting(value: float, dimension: Dimension) -> str:
    """Return the largest unit in which ``value`` is at least about one; the SI unit for zero."""
    units = _SHOWN[dimension]
    if value == 0 and _SI[dimension] in units:
        return _SI[dimension]
    for unit in units:
        numerator, denominator = _UNITS[dimension][unit]
        if abs(value) >= 0.9995 * numerator / denominator:
            return unit
    return units[-1] if units else ""


def _in_unit(value: float, dimension: Dimension, unit: str) -> float:
    numerator, denominator = _UNITS[dimension].get(unit, (1, 1))
    return value * denominator / numerator


def _join(number: str, unit: str) -> str:
    return f"{number}{unit}" if unit[:1] in ("/", "") else f"{number} {unit}"


def _significant(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    if "e+" in text and abs(value) < 1e17:
        text = f"{float(text):.0f}"
    return text


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
