"""What is no longer as it was applied."""

from typing import Literal

from pydantic import Field

from aios.records.base import Record
from aios.records.measurement import Measured

__all__ = ["Deviation", "DeviationKind"]

DeviationKind = Literal["missing", "changed", "foreign", "unhealthy", "performance", "load", "configuration", "unknown"]


class Deviation(Record):
    """One difference between what is true and what was applied, or between what is measured and what was promised.

    kind: ``missing`` the state has it and the world has not · ``changed`` it stands, but not as it was made ·
    ``foreign`` nobody looks after it, or it stands where something of ours should · ``unhealthy`` it stands and does
    not answer as it should · ``performance`` a promise is broken · ``load`` more is asked of it than it was planned for
    · ``configuration`` files that the plan was made from say something else now · ``unknown`` nobody can tell ·
    address: of the resource, or what the deviation is of where it has none · what: the metric or the part · text: one
    sentence · matters: whether a promise or what stands depends on it; else it is only told · bound: what was promised
    or planned, SI · since: when it began, ISO, UTC · command: what to do about it
    """

    address: str
    kind: DeviationKind
    what: str
    text: str
    matters: bool = True
    clause: str | None = None
    bound: float | None = None
    measured: Measured | None = None
    since: str | None = Field(default=None, examples=["2027-03-01T14:02:00Z"])
    command: str | None = None
