"""Jobs in time: what may run when and at what rates, and when it does.

Times are seconds after the start of the plan. Series hold a value for each hour, repeating, the first from midnight UTC
of the day on which the plan starts; a single value holds always.
"""

from typing import Literal

from aios.records.base import Record, Span
from aios.records.selection import Conflict, ObjectiveValue, Placement, Termination

__all__ = ["SCHEDULE_VERSION", "TOTALS", "Frame", "Job", "Run", "Schedule", "TimeGoal", "Total", "Way"]

SCHEDULE_VERSION = "1.0"
"""Version of the schedule document: a reader ignores unknown keys of a later minor and refuses another major one."""

Total = Literal["expense", "carbon", "energy", "time"]
"""What jobs add up to: USD, gCO2 and J over all their hours, and the seconds until the last of them has ended."""

TOTALS: dict[Total, str] = {"expense": "USD", "carbon": "gCO2", "energy": "J", "time": "s"}
"""Total -> its unit; in this order they are made small after what the jobs ask for."""


class Way(Record):
    """One way to run a job on the machines of one node.

    id: of the candidate; of a stated demand, the device type (``cpu`` where it takes none) · node: its name · device:
    type; None where it takes none · parts: that stand on one machine each · devices, share: what a part takes, so many
    devices of a machine and this share of each · cores, memory_bytes: of a part's machine · device_memory_bytes: of
    each of its devices · duration_s: None for what stands all the time · power_w: None if nobody knows · usd_per_h,
    g_per_h: series of what running costs and emits; empty if nobody knows
    """

    id: str
    node: str
    device: str | None = None
    parts: int = 1
    devices: int = 1
    share: float = 1.0
    cores: float = 0.0
    memory_bytes: float = 0.0
    device_memory_bytes: float = 0.0
    duration_s: float | None
    power_w: float | None = None
    usd_per_h: tuple[float, ...] = ()
    g_per_h: tuple[float, ...] = ()


class TimeGoal(Record):
    """One thing that a job wants to be small. tolerance: share by which it may worsen to improve the next one."""

    total: Total
    tolerance: float = 0.0


class Job(Record):
    """Something that starts once and runs to its end without a pause; or stands all the time.

    name: unique; copies of one intent are ``name-0``, ``name-1``... · ways: of which one is taken · earliest_s,
    deadline_s: of its start and its end · after: names of jobs that have ended before it starts · goals: most important
    first · deadline_at, after_at: where these are written
    """

    name: str
    intent: str
    ways: tuple[Way, ...]
    earliest_s: float = 0.0
    deadline_s: float | None = None
    after: tuple[str, ...] = ()
    goals: tuple[TimeGoal, ...] = ()
    priority: int = 0
    where: Span | None = None
    deadline_at: Span | None = None
    after_at: tuple[Span, ...] = ()


class Frame(Record):
    """Where the plan stands in time.

    start: ISO 8601, UTC; None: midnight UTC of no particular day · offset_s: seconds from midnight UTC to it ·
    within_s: by which all jobs have ended; None: by the deadlines, and a day after they could at the latest
    """

    start: str | None = None
    offset_s: float = 0.0
    within_s: float | None = None


class Run(Record):
    """One job in the schedule.

    way: index into the job's ways · candidate: id of that way · placement: its parts · start_s, end_s: reserved ·
    expense_usd, emissions_g, energy_j: over that time; None where unknown, or of what stands all the time
    """

    job: str
    intent: str
    way: int
    candidate: str
    node: str
    placement: tuple[Placement, ...]
    start_s: float
    end_s: float
    power_w: float | None = None
    expense_usd: float | None = None
    emissions_g: float | None = None
    energy_j: float | None = None


class Schedule(Record):
    """When every job runs, and how good that is.

    step_s: jobs start on multiples of it, and take whole multiples of it · horizon_s: by which all of them have ended,
    the best of all schedules that do · goals: in the order in which they were made small · notes: what was
    not taken into account, in words
    """

    format_version: str = SCHEDULE_VERSION
    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    frame: Frame
    step_s: float = 60.0
    horizon_s: float = 0.0
    runs: tuple[Run, ...] = ()
    goals: tuple[ObjectiveValue, ...] = ()
    conflict: Conflict | None = None
    notes: tuple[str, ...] = ()
    termination: Termination
