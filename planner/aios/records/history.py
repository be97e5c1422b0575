"""What was carried out: a record of every apply and destroy."""

from collections.abc import Mapping
from typing import Literal

from aios.records.base import Record
from aios.records.measurement import Verdict
from aios.records.plan import ActionKind, Inputs

__all__ = ["Run", "RunOutcome", "Step", "Who"]

RunOutcome = Literal["running", "complete", "failed", "interrupted", "rolled back"]
"""``running`` while it is at work; whoever takes over from one that was killed makes it ``interrupted``."""


class Who(Record):
    """Who ran it. job: what a pipeline calls the run (a URL where it has one), None at a desk"""

    user: str
    host: str
    job: str | None = None


class Step(Record):
    """What came of one action. status: ``done``, ``kept``, ``failed``, ``not begun`` as apply told it, or ``begun``
    where the run ended within it; a later aios may know more · note: one sentence"""

    address: str
    action: ActionKind
    status: str
    note: str


class Run(Record):
    """One apply or destroy, whatever came of it.

    number: from 1, in the order in which they began; 0 until it is recorded · plan: id of the plan, or a word for what
    was none (``destroy``); the plan itself is kept beside the record · begun, ended: ISO time, UTC, by the clock of who
    ran it: the number tells the order · inputs: fingerprints of what the plan was made from · journal: number of its
    lines in the journal · lineage, serial_before, serial_after: of the state · error: why it ended early · verdicts:
    address -> what was measured of it afterwards, and ``measured_at`` when (ISO time, UTC)
    """

    number: int = 0
    command: str
    plan: str
    who: Who
    begun: str
    ended: str | None = None
    inputs: Inputs | None = None
    steps: tuple[Step, ...] = ()
    journal: int
    lineage: str
    serial_before: int
    serial_after: int | None = None
    outcome: RunOutcome = "running"
    error: str | None = None
    verdicts: Mapping[str, tuple[Verdict, ...]] = {}
    measured_at: Mapping[str, str] = {}
