"""When a job may run, as its author wrote it."""

from typing import NamedTuple

from aios.records.base import Record, Span

__all__ = ["Moment", "When", "Window"]


class Moment(Record):
    """A point in time; exactly one of the first three is set.

    after_s: seconds after the start of the plan · clock_s: seconds after midnight UTC, of whichever day comes first ·
    epoch_s: seconds after 1970 began, UTC · text: as written · where: it stands
    """

    after_s: float | None = None
    clock_s: float | None = None
    epoch_s: float | None = None
    text: str
    where: Span | None = None


class When(Record):
    """A job's freedom in time.

    earliest: before which it does not start; None: the start of the plan · deadline: by which it has ended · after:
    names of jobs that have ended before it starts · after_at: where each of them is written · where: of the block
    """

    earliest: Moment | None = None
    deadline: Moment | None = None
    after: tuple[str, ...] = ()
    after_at: tuple[Span, ...] = ()
    where: Span


class Window(NamedTuple):
    """When a job may run, in seconds after the start of the plan. deadline_s: None where it has none"""

    earliest_s: float = 0.0
    deadline_s: float | None = None
