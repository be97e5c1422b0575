"""When a job may run: the written form, and the record it becomes."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from aios.records.base import Record
from aios.records.document import Document
from aios.records.errors import BadValue
from aios.records.forms import Many
from aios.records.units import Dimension, parse_quantity
from aios.records.when import Moment, When

__all__ = ["WhenForm", "compile_when", "read_instant"]

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}.*")
_EXAMPLES = ["2 h", "18:00", "2027-03-01T18:00Z"]


def read_moment(value: Any) -> Moment:
    """Return the point in time of ``2 h``, ``18:00`` or ``2027-03-01T18:00Z``; raises BadValue."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadValue("a time is wanted here", f"write one such as {_listed()}")
    text = str(value).strip()
    clock = _CLOCK.fullmatch(text)
    if clock is not None:
        hour, minute, second = (int(part or 0) for part in clock.groups())
        if hour > 23 or minute > 59 or second > 59:
            raise BadValue(f"`{text}` is no time of a day", "write one from `00:00` to `23:59`")
        return Moment(clock_s=float(hour * 3600 + minute * 60 + second), text=text)
    if _DATE.fullmatch(text):
        return Moment(epoch_s=read_instant(text), text=text)
    if not text[:1].isdigit() and text[:1] not in (".", "+", "-"):
        raise BadValue(f"`{text[:80]}` is no time", f"write one such as {_listed()}")
    after = parse_quantity(value, Dimension.TIME)
    if after < 0:
        raise BadValue(f"`{text}` is before the start of the plan", f"write one such as {_listed()}")
    return Moment(after_s=after, text=text)


def read_instant(text: str) -> float:
    """Return the seconds since 1970 began of an ISO 8601 time, UTC where it says no zone; raises BadValue."""
    try:
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        remedy = "write it as ISO 8601 does, such as `2027-03-01T18:00Z`"
        raise BadValue(f"`{text[:80]}` is no date and time", remedy) from None


def _listed() -> str:
    return ", ".join(f"`{item}`" for item in _EXAMPLES)


def _later(moment: Moment) -> Moment:
    if moment.after_s == 0:
        raise BadValue(
            "a job that has to end as the plan starts cannot run", "write how long it may take, such as `8 h`"
        )
    return moment


WrittenMoment: TypeAlias = Annotated[
    Moment,
    PlainValidator(read_moment),
    WithJsonSchema(
        {
            "type": "string",
            "description": "A time after the start of the plan (`2 h`), a time of the day in UTC (`18:00`), or a date "
            "and time (`2027-03-01T18:00Z`).",
            "examples": _EXAMPLES,
        }
    ),
]


class WhenForm(Record):
    """When a job may run; without it, from the start of the plan on."""

    earliest: WrittenMoment | None = Field(None, description="Before which it does not start.", examples=["18:00"])
    deadline: Annotated[WrittenMoment, AfterValidator(_later)] | None = Field(
        None, description="By which it has ended.", examples=["12 h"]
    )
    after: Many[str] | None = Field(
        None, description="Names of jobs that have ended before it starts.", examples=[["prepare-data"]]
    )


def compile_when(document: Document, form: WhenForm | None) -> When | None:
    """Return the record of a document's ``spec.when``, every value with its place."""
    if form is None:
        return None
    path = ("spec", "when")
    many = isinstance(document.data["spec"]["when"].get("after"), list)
    paths = [(*path, "after", index) if many else (*path, "after") for index in range(len(form.after or ()))]
    return When(
        earliest=_at(document, form.earliest, "earliest"),
        deadline=_at(document, form.deadline, "deadline"),
        after=form.after or (),
        after_at=tuple(map(document.span, paths)),
        where=document.span(path, key=True),
    )


def _at(document: Document, moment: Moment | None, field: str) -> Moment | None:
    if moment is None:
        return None
    return moment.model_copy(update={"where": document.span(("spec", "when", field))})
