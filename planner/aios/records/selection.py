"""What the solver chose, how good that is, and the checker's own account of it."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from aios.records.base import Record, Span
from aios.records.candidate import Priced

__all__ = [
    "Addition",
    "Clause",
    "Conflict",
    "Ledger",
    "LedgerRow",
    "ObjectiveValue",
    "Placement",
    "Relaxation",
    "Selection",
    "Termination",
]


class Clause(Record):
    """Something that must hold.

    id: unique, ``classify/latency.p99`` or ``capacity/local/cores`` · intent: None for a rule of the fleet ·
    metric, bound: of a requirement (SI); None for a capacity · text: as shown, ``latency.p99 <= 10 ms`` · where: in
    a file
    """

    id: str
    intent: str | None
    metric: str | None = None
    bound: float | None = None
    text: str
    where: Span | None = None


class Placement(Record):
    """Replicas on one machine. node: instance name · share: what each replica takes of each of ``devices`` · hourly:
    how many of them run in each hour of the day, the first from midnight UTC; empty where all always do."""

    node: str
    devices: tuple[str, ...]
    share: float
    replicas: int
    hourly: tuple[int, ...] = Field(default=(), exclude_if=lambda running: not running)

    def running(self, hour: int) -> int:
        """Return how many of them run in an hour of the day."""
        return self.hourly[hour] if self.hourly else self.replicas


class ObjectiveValue(Record):
    """One goal of the plan.

    bound: no plan can be better · gap: |value - bound| / max(|value|, |bound|), 0 when proved.
    """

    goal: str
    value: float
    bound: float
    gap: float
    unit: str


class Termination(Record):
    """Why the solver stopped, what it found, how good that is: three different things.

    stopped: ``optimal`` proved, ``limit`` reached, ``infeasible`` proved, ``interrupted`` by its
    user · found: is there a plan ·
    seed, workers, deterministic_limit: all that the result depends on · version: of the solver
    """

    stopped: Literal["optimal", "infeasible", "limit", "interrupted"]
    found: bool
    seed: int
    workers: int
    deterministic_limit: float
    version: str


class Relaxation(Record):
    """The smallest change to one clause that lets a plan exist while all others hold.

    to: the bound it needs, as text.
    """

    clause: str
    to: str
    value: float | None = None
    where: Span | None = None


class Addition(Record):
    """Something that, added to the fleet, lets a plan exist.

    what: a machine like those of ``node``, or devices or memory on each machine of it · device: type of the devices, or
    of those whose memory it is · amount: how many, or bytes · text: all that in words
    """

    what: Literal["machine", "device", "memory"]
    node: str
    device: str | None = None
    amount: float
    text: str


class Conflict(Record):
    """A smallest set of clauses that cannot hold together: take any one away and the rest can.

    relaxations: each enough alone · together: the smallest joint change, where none is enough alone or it is smaller ·
    helps: additions to the fleet, each enough alone
    """

    clauses: tuple[Clause, ...]
    relaxations: tuple[Relaxation, ...]
    together: tuple[Relaxation, ...] = ()
    helps: tuple[Addition, ...] = ()
    notes: tuple[str, ...] = ()


class Selection(Record):
    """The solver's answer. chosen, placement: intent name -> ...; empty when infeasible.

    placement: also of stated demands, of which nothing is chosen · refused: intent name -> how many of its copies are
    not admitted
    """

    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    chosen: Mapping[str, Priced] = {}
    placement: Mapping[str, tuple[Placement, ...]] = {}
    refused: Mapping[str, int] = {}
    objective: tuple[ObjectiveValue, ...] = ()
    termination: Termination
    conflict: Conflict | None = None


class LedgerRow(Record):
    """One clause, recomputed.

    value: that was compared with the bound · slack: how much is left, negative when broken.
    """

    clause: Clause
    value: float | None
    slack: float | None
    holds: bool


class Ledger(Record):
    """The checker's account of a selection: every clause and every goal, recomputed without the solver."""

    rows: tuple[LedgerRow, ...]
    objective: tuple[ObjectiveValue, ...]

    @property
    def holds(self) -> bool:
        """Whether every clause holds."""
        return all(row.holds for row in self.rows)
