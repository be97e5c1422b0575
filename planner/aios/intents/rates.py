"""A rate of requests as it is written: one, or one for each hour of the day, or from which hour on which holds."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from aios.records.errors import BadValue
from aios.records.quantity import MOST_RATE, Quantity, Rate
from aios.records.units import Dimension

__all__ = ["HOURS", "WrittenRate", "hourly_of"]

HOURS = 24
"""Hours of a day, the first from midnight UTC."""

_HOUR = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")

Silent: TypeAlias = Annotated[float, Quantity(Dimension.RATE, zero=True, most=MOST_RATE)]
"""A rate, none at all among them."""


def _hour(value: Any) -> str:
    """Return the hour that a key names as ``08:00``; raises BadValue."""
    text = str(value).strip()
    clock = _HOUR.fullmatch(text)
    if clock is None:
        raise BadValue(f"`{text[:80]}` is no hour of a day", "write one from `00:00` to `23:00`, in UTC")
    hour, minute, second = (int(part or 0) for part in clock.groups())
    if hour >= HOURS or minute > 59 or second > 59:
        raise BadValue(f"`{text}` is no time of a day", "write an hour from `00:00` to `23:00`, in UTC")
    if minute or second:
        raise BadValue(f"`{text}` is no full hour: rates change on the hour", f"write `{hour:02}:00`")
    return f"{hour:02}:00"


def _apart(written: Any) -> Any:
    """Refuse two ways to write one hour."""
    if isinstance(written, dict):
        seen: dict[str, str] = {}
        for key in written:
            clock = _HOUR.fullmatch(str(key).strip())
            name = f"{int(clock[1]):02}:{clock[2]}" if clock else str(key)
            if name in seen:
                raise BadValue(f"`{seen[name]}` and `{key}` are the same hour", "keep one of the two")
            seen[name] = str(key)
    return written


def _some(rates: Mapping[str, float]) -> Mapping[str, float]:
    if not rates:
        raise BadValue("no hour has a rate", 'write one such as `{"08:00": 40/s, "20:00": 5/s}`')
    _busy(rates.values())
    return rates


def _of_a_day(rates: tuple[float, ...]) -> tuple[float, ...]:
    if len(rates) != HOURS:
        raise BadValue(f"{len(rates)} values of a rate", f"write one value, or {HOURS}: one per hour of the day")
    _busy(rates)
    return rates


def _busy(rates: Any) -> None:
    if not any(rates):
        raise BadValue("no request ever comes", "write a rate of more than zero for one hour at least")


def _kind(value: Any) -> str:
    return "changes" if isinstance(value, dict) else "hours" if isinstance(value, list | tuple) else "one"


Changes = Annotated[
    Mapping[Annotated[str, BeforeValidator(_hour)], Silent], BeforeValidator(_apart), AfterValidator(_some)
]
Hourly = Annotated[tuple[Silent, ...], AfterValidator(_of_a_day)]
WrittenRate: TypeAlias = Annotated[
    Annotated[Rate, Tag("one")] | Annotated[Hourly, Tag("hours")] | Annotated[Changes, Tag("changes")],
    Discriminator(_kind),
    Field(examples=["20/s"]),
]
"""A mapping says from which hour on, in UTC, which rate holds: the last one until the first of the next day."""


def hourly_of(rate: float | tuple[float, ...] | Mapping[str, float]) -> tuple[float, ...]:
    """Return the rate in each hour of the day (1/s); nothing where it never changes."""
    if isinstance(rate, float):
        return ()
    if isinstance(rate, tuple):
        return rate if len(set(rate)) > 1 else ()
    since = sorted((int(hour[:2]), value) for hour, value in rate.items())
    found = [next((value for start, value in reversed(since) if start <= hour), since[-1][1]) for hour in range(HOURS)]
    return tuple(found) if len(set(found)) > 1 else ()
