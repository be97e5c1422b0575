"""What aios did and therefore looks after."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from aios.records.base import Record
from aios.records.plan import ActionKind, Claim, Deployment

__all__ = ["NEW", "STATE_VERSION", "Resource", "State", "Touched", "UnfinishedRun"]

STATE_VERSION = 1
"""Version of the state file: a newer one is refused, never rewritten."""

NEW = "new"
"""Lineage of a state that was never written: a plan for it has the same bytes every time. The first save names it."""


class Resource(Record):
    """Something that an executor made.

    handle: what the executor needs to find it again (pid and start time, port, log file...); only the executor reads
    it ·
    applied_at: ISO time, UTC
    """

    address: str
    executor: str
    deployment: Deployment
    handle: Mapping[str, Any]
    claims: tuple[Claim, ...] = ()
    evaluate: tuple[str, ...] = ()
    plan: str
    applied_at: str
    unfinished: ActionKind | None = None


class Touched(Record):
    """An address that a run has begun to change. action: what it began with · before: what stood there, if anything"""

    address: str
    action: ActionKind
    before: Resource | None


class UnfinishedRun(Record):
    """A run that has begun and has not come to its end.

    plan: its id, or a word for what is no plan · touched: in the order in which they were begun · back: what it did is
    being taken back
    """

    plan: str
    touched: tuple[Touched, ...] = ()
    back: bool = False


class State(Record):
    """The state file's content.

    lineage: made once per state · serial: grows by one with every write · run: the last run, unless it is finished
    """

    version: int = STATE_VERSION
    lineage: str
    serial: int
    resources: Mapping[str, Resource] = {}
    run: UnfinishedRun | None = Field(default=None, exclude_if=lambda run: run is None)
