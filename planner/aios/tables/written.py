"""How a form is written: the pydantic models of ``kind: Table``."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from aios.records.errors import BadValue
from aios.records.forms import Many, nearest
from aios.records.observation import DERIVED, MEASURED, NUMBERS, WORDS

__all__ = [
    "ChoiceForm",
    "ConditionForm",
    "FormDocument",
    "JoinForm",
    "MetricForm",
    "NumberForm",
    "PartForm",
    "WordForm",
]


def _among(known: Mapping[str, object], what: str) -> AfterValidator:
    def checked(name: str) -> str:
        if name not in known:
            near = nearest(name, tuple(known))
            listed = ", ".join(f"`{item}`" for item in known)
            raise BadValue(f"unknown {what} `{name[:60]}`", f"did you mean `{near}`?" if near else f"known: {listed}")
        return name

    return AfterValidator(checked)


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadValue(f"`{text[:60]}` is no regular expression: {error}", "mend it, or escape it with `\\`") from None
    return text


def _with_group(text: str) -> str:
    if re.compile(text).groups < 1:
        raise BadValue(
            f"`{text[:60]}` has no group", "put what is wanted into round brackets: the first group is taken"
        )
    return text


def _as_text(value: object) -> object:
    """Return a number or truth value as the text that a cell holds; cells are text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return f"{value:g}" if isinstance(value, float) else str(value)


_BARE = WithJsonSchema({"type": ["string", "number", "boolean"]})
Cell = Annotated[str, BeforeValidator(_as_text), _BARE]
"""Text of a cell; a number may be written bare."""
Search = Annotated[str, AfterValidator(_pattern), Field(max_length=500)]
Pattern = Annotated[str, AfterValidator(_pattern), AfterValidator(_with_group), Field(max_length=500)]
Column = Annotated[str, BeforeValidator(_as_text), Field(min_length=1), _BARE]
DeviceName = Annotated[str | None, WithJsonSchema({"type": ["string", "null"]})]
"""In the catalogue; null for a device that is not in it."""
WordRole = Annotated[str, _among(WORDS, "role of a column of words")]
NumberRole = Annotated[str, _among(NUMBERS, "role of a column of numbers")]
MetricName = Annotated[str, _among(MEASURED, "metric")]
Decided = Annotated[str, _among({**MEASURED, **DERIVED}, "metric")]


class Written(BaseModel):
    """What people write: unknown fields are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class WordForm(Written):
    """Where a word comes from.

    column, or join: several of them, with a space between · value: the same for all rows · pattern: regular expression
    whose first group is taken; no match: empty · values: translations; other cells stay as they are, or with ``only``
    their row is left out · default: for empty cells · optional: the table may lack the column
    """

    column: Column | None = None
    join: Many[Column] | None = None
    value: Cell | None = None
    pattern: Pattern | None = None
    values: dict[str, Cell] = {}
    only: bool = False
    default: Cell = ""
    optional: bool = False


class NumberForm(Written):
    """Where a number comes from.

    column · value: the same for all rows · unit: a unit, or a factor to the SI unit · pattern: as for words · values:
    numbers of cells that are words · times, over, minus: columns that it is multiplied by, divided by or lessened by
    (minus first) · default: where none is stated, in ``unit`` · optional: the table may lack the column
    """

    column: Column | None = None
    value: float | None = None
    unit: str | float
    pattern: Pattern | None = None
    values: dict[str, float] = {}
    times: Many[Column] = ()
    over: Many[Column] = ()
    minus: Column | None = None
    default: float | None = None
    optional: bool = False


class ConditionForm(Written):
    """Which cells a row may have. only, not: words · pattern: it must be found in the cell · stated: it is not empty"""

    only: Many[Cell] | None = None
    not_: Many[Cell] | None = Field(default=None, alias="not")
    pattern: Search | None = None
    stated: bool | None = None


class PartForm(Written):
    """A column, or the part of its cells that the first group of a pattern finds; no match: the whole cell."""

    column: Column
    pattern: Pattern | None = None


class MetricForm(NumberForm):
    """What was measured. words, numbers, where: of this column alone, in place of the form's own."""

    metric: MetricName
    predictor: str
    words: dict[WordRole, Column | WordForm] = {}
    numbers: dict[NumberRole, NumberForm] = {}
    where: dict[str, Many[Cell] | ConditionForm] = {}


class ChoiceForm(Written):
    """Rows among which a planner would choose.

    within: roles (or ``device_type``) whose equal values make one set; none: the whole table is one · bound: metrics
    that an intent limits · first: metrics that it wants as good as they get, within a tolerance, before its goal ·
    goal: metrics that it wants best. All may be measured by another form of the same table, or follow from what is
    (``observation.DERIVED``). One of bound and first is needed. Where rows state an accuracy, an intent asks for that
    as well, and of several models those without one are left out.
    """

    within: Many[str] = ()
    bound: Many[Decided] = ()
    first: Many[Decided] = ()
    goal: Many[Decided]


class JoinForm(Written):
    """Columns of another table of the folder, taken over from the first of its rows that agrees, as if they stood here.

    table: pattern of its path · on: column here -> column there, or part of it · where: rows of it that count ·
    columns: that are taken over; they may be lacking, as the whole table may
    """

    table: str
    on: dict[Column, Column | PartForm]
    where: dict[str, Many[Cell] | ConditionForm] = {}
    columns: Many[Column]


class PivotForm(Written):
    """A table with one number per row made wide.

    index: columns that rows of one configuration share · name: column with the name of the number · value: with it
    """

    index: Many[Column]
    name: Column
    value: Column


class Specification(Written):
    """What a table's columns mean.

    files: its usual paths · columns: that it must have beside those used · family: which models belong together
    """

    files: Many[str] = ()
    columns: Many[Column] = ()
    where: dict[str, Many[Cell] | ConditionForm] = {}
    pivot: PivotForm | None = None
    joins: Many[JoinForm] = ()
    words: dict[WordRole, Column | WordForm] = {}
    numbers: dict[NumberRole, NumberForm] = {}
    family: PartForm | None = None
    devices: dict[str, DeviceName] = {}
    metrics: Many[MetricForm]
    choices: Many[ChoiceForm] = ()


class Metadata(Written):
    """Name of the form."""

    name: Annotated[str, Field(min_length=1, max_length=128)]


class FormDocument(Written):
    """A document of ``kind: Table``."""

    apiVersion: Literal["aios/v1"]
    kind: Literal["Table"]
    metadata: Metadata
    spec: Specification
