"""What tuning a service tried, and why."""

from collections.abc import Mapping
from typing import Literal

from aios.records.base import Record

__all__ = ["Trial", "Tuning"]


class Trial(Record):
    """A candidate that was tried. why: it was moved to, one sentence · metric: of the objective · predicted, low, high,
    measured: of it, SI; None where unknown · measured_low, measured_high: the interval of that · broken: promises that
    did not hold, in words · outcome: ``better`` than what was best before it and kept until then, ``worse``, ``not told
    apart`` from it by their intervals, ``failed`` to be planned or applied, ``interrupted`` by whatever ended aios"""

    candidate: str
    why: str
    metric: str
    predicted: float | None
    low: float | None
    high: float | None
    measured: float | None = None
    measured_low: float | None = None
    measured_high: float | None = None
    broken: tuple[str, ...] = ()
    outcome: Literal["trying", "better", "worse", "not told apart", "failed", "interrupted"] = "trying"


class Tuning(Record):
    """One tuning of a service, kept on disk before each move. begun, ended: ISO time, UTC · home: candidate that stood
    first, and ``home_run`` the number of the run that tuning goes back to · disappointed: why it began; None where
    nothing was to be done · stands: candidate that it ended with · measured: metric -> value of what stood first ·
    low, high: metric -> ends of the interval of that"""

    address: str
    begun: str
    ended: str | None = None
    home: str
    home_run: int
    disappointed: str | None
    still_broken: bool = False
    measured: Mapping[str, float] = {}
    low: Mapping[str, float] = {}
    high: Mapping[str, float] = {}
    trials: tuple[Trial, ...] = ()
    stands: str
