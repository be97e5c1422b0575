"""Jobs, machines and caps in whole numbers and one canonical order.

Time is counted in steps of a minute, or of a second where not all jobs take whole minutes or the plan does not start on
one. Lengths and earliest starts are rounded up and deadlines down, so that what fits in steps fits in truth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aios.records.base import Span
from aios.records.fleet import Fleet, Node
from aios.records.hosts import natural_order
from aios.records.schedule import Frame, Job, Way
from aios.records.selection import Selection
from aios.solve.problem import SHARE_UNITS
from aios.solve.schedule.hours import Hours

__all__ = ["ALWAYS", "Card", "Group", "Machine", "Mode", "Pool", "Problem", "Task", "in_order", "pose", "whole_watts"]

ALWAYS = 1 << 40
"""Steps that what stands all the time takes, until the horizon is known."""
_DAY_S = 86400.0
_MILLI = 1000
"""Parts of a core, and of a watt, that are counted."""
_ROUNDING = 1e-9
"""Relative error of floating-point arithmetic that adds no step: 3 h are 10800.000000000002 s after some sums."""


class Mode(NamedTuple):
    """A way to run a task. way: its index in the job · pool: index · units: of each device, in 1/SHARE_UNITS · cores:
    in thousandths · watts: of all parts, in thousandths; None: unknown · length: in steps"""

    way: int
    pool: int
    device: str | None
    parts: int
    devices: int
    units: int
    cores: int
    memory: int
    device_memory: int
    watts: int | None
    length: int


class Task(NamedTuple):
    """A job. earliest, latest: steps of its start and end; None: no deadline · after: tasks (indexes) that end before
    it starts · standing: it runs all the time"""

    job: Job
    modes: tuple[Mode, ...]
    earliest: int
    latest: int | None
    after: tuple[int, ...]
    standing: bool


class Card(NamedTuple):
    """One device of a machine. units: free of it, in 1/SHARE_UNITS · memory: free bytes; None: unknown"""

    id: str
    units: int
    memory: int | None


class Machine(NamedTuple):
    """What is free of a machine. cards: by type · cores: in thousandths · watts: that services draw, in thousandths"""

    name: str
    cards: dict[str, tuple[Card, ...]]
    cores: int | None
    memory: int | None
    watts: int


class Pool(NamedTuple):
    """The machines of a node. cap: most that each of them draws, in thousandths of a watt; None: no cap"""

    node: Node
    machines: tuple[Machine, ...]
    cap: Hours | None


class Group(NamedTuple):
    """Pools that keep a power cap together. name: as shown · watts: that services draw there"""

    name: str
    pools: frozenset[int]
    cap: Hours
    watts: int
    where: Span | None


class Problem(NamedTuple):
    """Everything to decide. tasks: by priority, then name · step_s: seconds of a step · horizon: steps by which all has
    ended; 0 until it is known"""

    tasks: tuple[Task, ...]
    pools: tuple[Pool, ...]
    groups: tuple[Group, ...]
    frame: Frame
    step_s: int
    horizon: int = 0

    @property
    def hour(self) -> int:
        """Steps of an hour."""
        return 3600 // self.step_s

    @property
    def day(self) -> int:
        """Steps of a day."""
        return round(_DAY_S) // self.step_s

    def hours(self, values: Sequence[int]) -> Hours:
        """Return a series as it runs from the plan's start on."""
        return Hours(tuple(values), round(self.frame.offset_s) // self.step_s, self.hour)

    def until(self, horizon: int) -> Problem:
        """Return the problem with all of it ending by ``horizon``, what stands all the time then."""
        tasks = tuple(
            task._replace(
                latest=min(horizon, horizon if task.latest is None else task.latest),
                modes=tuple(m._replace(length=horizon) for m in task.modes) if task.standing else task.modes,
            )
            for task in self.tasks
        )
        return self._replace(tasks=tasks, horizon=horizon)


def whole_watts(watts: float) -> int:
    """Return a power in thousandths of a watt, rounded up."""
    return math.ceil(watts * _MILLI * (1 - _ROUNDING))


def pose(jobs: Sequence[Job], fleet: Fleet, standing: Selection | None, frame: Frame) -> Problem:
    """Put everything into whole numbers and canonical order. standing: the services, which take what they stand on."""
    ordered = sorted(jobs, key=lambda job: (-job.priority, natural_order(job.name), job.name))
    step = _step(ordered, frame)
    empty = Problem((), (), (), frame, step)
    used = list(_used(standing)) if standing else []
    pools = tuple(_pool(node, fleet, used, empty) for node in fleet.nodes)
    index = {node.name: number for number, node in enumerate(fleet.nodes)}
    numbers = {job.name: number for number, job in enumerate(ordered)}
    tasks = tuple(_task(job, pools, index, numbers, step, frame) for job in ordered)
    return empty._replace(tasks=tasks, pools=pools, groups=tuple(_groups(fleet, pools, empty)))


def _step(jobs: Sequence[Job], frame: Frame) -> int:
    lengths = [way.duration_s for job in jobs for way in job.ways if way.duration_s is not None]
    rough = frame.offset_s % 60 == 0 and all(length % 60 == 0 for length in lengths)
    return 60 if rough else 1


def _up(seconds: float, step: int) -> int:
    return math.ceil(seconds / step * (1 - _ROUNDING))


def _down(seconds: float, step: int) -> int:
    return math.floor(seconds / step * (1 + _ROUNDING))


def _task(
    job: Job, pools: Sequence[Pool], index: dict[str, int], numbers: dict[str, int], step: int, frame: Frame
) -> Task:
    ends = [end for end in (job.deadline_s, frame.within_s) if end is not None]
    standing = any(way.duration_s is None for way in job.ways)
    modes = [
        _mode(number, way, index[way.node], step)
        for number, way in enumerate(job.ways)
        if way.node in index and _keeps_caps(way, pools[index[way.node]])
    ]
    return Task(
        job=job,
        modes=tuple(_undominated(modes, job)),
        earliest=0 if standing else _up(job.earliest_s, step),
        latest=None if standing or not ends else _down(min(ends), step),
        after=tuple(sorted(numbers[name] for name in job.after if name in numbers)),
        standing=standing,
    )


def _keeps_caps(way: Way, pool: Pool) -> bool:
    """Whether an unknown power need not be known, as no cap holds for one machine there."""
    return way.power_w is not None or pool.cap is None


def _mode(number: int, way: Way, pool: int, step: int) -> Mode:
    return Mode(
        way=number,
        pool=pool,
        device=way.device,
        parts=way.parts,
        devices=way.devices if way.device else 0,
        units=math.floor(way.share * SHARE_UNITS),
        cores=math.ceil(way.cores * _MILLI * (1 - _ROUNDING)),
        memory=math.ceil(way.memory_bytes),
        device_memory=math.ceil(way.device_memory_bytes),
        watts=None if way.power_w is None else whole_watts(way.power_w),
        length=ALWAYS if way.duration_s is None else max(1, _up(way.duration_s, step)),
    )


def _undominated(modes: Sequence[Mode], job: Job) -> list[Mode]:
    """Leave out a way where another one on the same machines takes no more of anything at any time.

    What runs as long or shorter, at rates that are nowhere higher, fits and costs no more wherever the other would.
    """
    kept: list[Mode] = []
    for mode in sorted(modes, key=lambda item: (item.length, item.parts * item.devices, item.way)):
        if not any(_dominates(other, mode, job) for other in kept):
            kept.append(mode)
    return sorted(kept, key=lambda item: item.way)


def _dominates(one: Mode, other: Mode, job: Job) -> bool:
    if (one.pool, one.device) != (other.pool, other.device) or one.devices > other.devices:
        return False
    takes = (one.parts, one.units, one.cores, one.memory, one.device_memory, one.length)
    most = (other.parts, other.units, other.cores, other.memory, other.device_memory, other.length)
    if any(mine > its for mine, its in zip(takes, most, strict=True)):
        return False
    if (one.watts is None) != (other.watts is None) or (one.watts or 0) > (other.watts or 0):
        return False
    a, b = job.ways[one.way], job.ways[other.way]
    return all(_no_more(mine, its) for mine, its in ((a.usd_per_h, b.usd_per_h), (a.g_per_h, b.g_per_h)))


def _no_more(series: Sequence[float], than: Sequence[float]) -> bool:
    if not series or not than:
        return not series and not than
    if len(series) != len(than):
        return max(series) <= min(than)
    return all(mine <= its for mine, its in zip(series, than, strict=True))


class _Row(NamedTuple):
    """What services take of a machine. devices: by id, each this share and memory"""

    machine: str
    devices: tuple[str, ...]
    share: float
    device_memory: float
    cores: float
    memory: float
    watts: float
    times: int


def _used(selection: Selection) -> Iterator[_Row]:
    for name, priced in selection.chosen.items():
        watts = priced.drawn_by_part() or 0.0
        demand = priced.demand
        for part in selection.placement.get(name, ()):
            yield _Row(
                part.node, part.devices, part.share, demand.device_memory_bytes, demand.cores,
                demand.node_memory_bytes, watts, part.replicas,
            )  # fmt: skip


def _pool(node: Node, fleet: Fleet, used: Sequence[_Row], problem: Problem) -> Pool:
    cap = problem.hours([math.floor(watts * _MILLI) for watts in node.power_cap_w]) if node.power_cap_w else None
    rows: dict[str, list[_Row]] = {name: [] for name in node.instances()}
    for row in used:
        if row.machine in rows:
            rows[row.machine].append(row)
    return Pool(node, tuple(_machine(name, node, fleet, own) for name, own in rows.items()), cap)


def _machine(name: str, node: Node, fleet: Fleet, used: Sequence[_Row]) -> Machine:
    cards: dict[str, tuple[Card, ...]] = {}
    for slot in node.devices:
        fact = fleet.types[slot.type].memory_bytes if fleet.types[slot.type].kind != "cpu" else None
        own = [_card(id_, node.free_share(id_), None if fact is None else fact.value, used) for id_ in slot.ids]
        cards[slot.type] = (*cards.get(slot.type, ()), *own)
    cores, memory = node.free_cores, node.free_memory_bytes
    taken = sum(row.cores * row.times for row in used)
    held = sum(row.memory * row.times for row in used)
    return Machine(
        name=name,
        cards=cards,
        cores=None if cores is None else math.floor((cores - taken) * _MILLI * (1 + _ROUNDING)),
        memory=None if memory is None else math.floor(memory - held),
        watts=whole_watts(sum(row.watts * row.times for row in used)),
    )


def _card(id_: str, free: float, memory: float | None, used: Sequence[_Row]) -> Card:
    mine = [row for row in used if id_ in row.devices]
    units = math.floor(free * SHARE_UNITS * (1 + _ROUNDING)) - sum(
        math.floor(row.share * SHARE_UNITS) * row.times for row in mine
    )
    left = None if memory is None else math.floor(memory - sum(row.device_memory * row.times for row in mine))
    return Card(id_, max(0, units), left)


def _groups(fleet: Fleet, pools: Sequence[Pool], problem: Problem) -> Iterator[Group]:
    """Yield the caps on several nodes together."""
    for cap in fleet.power_caps:
        members: dict[str, list[int]] = {}
        for number, node in enumerate(fleet.nodes):
            labels = dict(node.labels) | ({"region": node.region} if node.region else {})
            if cap.by is not None and cap.by in labels:
                members.setdefault(f"{cap.by} {labels[cap.by]}", []).append(number)
            elif cap.by is None and all(labels.get(key) == value for key, value in cap.labels.items()):
                told = ", ".join(f"{key} {value}" for key, value in cap.labels.items())
                members.setdefault(told or "the fleet", []).append(number)
        hours = problem.hours([math.floor(watts * _MILLI) for watts in cap.cap_w])
        for name, numbers in members.items():
            watts = sum(machine.watts for number in numbers for machine in pools[number].machines)
            yield Group(name, frozenset(numbers), hours, watts, cap.where)


def in_order(problem: Problem, wanted: Sequence[int]) -> list[int]:
    """Return the order with what stands all the time first, and each job after those that it waits for."""
    order: dict[int, None] = {}
    stack = [*reversed([k for k in wanted if not problem.tasks[k].standing])]
    stack += [*reversed([k for k in wanted if problem.tasks[k].standing])]
    while stack:
        number = stack[-1]
        waiting = [other for other in problem.tasks[number].after if other not in order]
        if waiting:
            stack += waiting
        else:
            order.setdefault(stack.pop())
    return list(order)
