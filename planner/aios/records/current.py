"""What stands now, as planning sees it: what each intent runs as, where, and what moving it would disrupt."""

from collections.abc import Mapping
from typing import NamedTuple

from aios.records.base import Record
from aios.records.candidate import Candidate, Estimate
from aios.records.plan import Decision, Deployment
from aios.records.selection import Placement

__all__ = ["CHOICE", "DAY_S", "MOVES", "Current", "Footing", "Moving", "Standing", "choice_of"]

CHOICE = (
    "model",
    "device",
    "executor",
    "precision",
    "quantization",
    "compression",
    "batch",
    "threads",
    "replicas",
    "power_mode",
    "devices",
    "machines",
    "degrees",
    "settings",
    "tiers",
)
"""Fields of a candidate that tell it from the other ones of its intent; a deployment has them all, a decision all but
the last."""

DAY_S = 86400.0
"""Seconds that a plan is taken to last: what is saved is saved all that time, what is disrupted is disrupted once."""
MOVES = "moves"
"""The metric that counts moves: of an option 1 where its intent does not stay where it stands, else 0."""


class Footing(Record):
    """How one intent stands. choice: its values of ``CHOICE``; empty for a stated demand · placement: where · pieces:
    of a load that is split, that it serves"""

    choice: tuple[tuple[str, str], ...]
    placement: tuple[Placement, ...]
    pieces: int = 0


class Current(Record):
    """What stands. origin: the file that says so · footings: intent name -> how it stands"""

    origin: str
    footings: Mapping[str, Footing] = {}


class Standing(NamedTuple):
    """How one intent stands, against the options that it has now.

    placement: those of its places that are still there · option: the candidate (id) that it runs as; None where it is
    no longer one · alike: candidates that it becomes where it stands, without a restart, this one among them ·
    outage: candidate -> seconds without service of each replica that becomes it elsewhere
    """

    placement: tuple[Placement, ...]
    option: str | None
    alike: frozenset[str]
    outage: Mapping[str, Estimate]


class Moving(NamedTuple):
    """What planning knows of moves. standing: intent -> how it stands · frozen: those that must stay as they stand ·
    most: how many others may move; None: as many as pay"""

    standing: Mapping[str, Standing] = {}
    frozen: frozenset[str] = frozenset()
    most: int | None = None

    @property
    def binds(self) -> bool:
        """Whether anything must not move."""
        return bool(self.frozen) or self.most is not None


def choice_of(made: Candidate | Deployment | Decision) -> tuple[tuple[str, str], ...]:
    """Return what was chosen as pairs that compare."""
    return tuple((name, _text(getattr(made, name))) for name in CHOICE if hasattr(made, name))


def _text(value: object) -> str:
    return repr(sorted(value.items())) if isinstance(value, Mapping) else repr(value)
