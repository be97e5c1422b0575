"""A schedule, recomputed without the solver: every job, every machine and cap at every moment, every sum.

Nothing here counts in steps. Time is swept from one event to the next (a start, an end, an hour that begins), and sums
are taken hour by hour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from aios.records.fleet import Fleet, Node
from aios.records.schedule import Frame, Job, Run, Schedule, Way
from aios.records.selection import Clause, Ledger, LedgerRow, ObjectiveValue, Selection

__all__ = ["audit_schedule"]

_ROUNDING = 1e-9
"""Relative error of floating-point arithmetic that breaks no bound."""


class _Use(NamedTuple):
    """What is taken of one machine from start to end; of ``device`` if one is named."""

    start: float
    end: float
    amount: float


def audit_schedule(jobs: Sequence[Job], schedule: Schedule, fleet: Fleet, standing: Selection | None) -> Ledger:
    """Recompute every clause and every sum of a schedule.

    standing: the services, which take what they stand on all the time. A schedule without runs has an empty ledger.
    """
    if schedule.status in ("infeasible", "unknown"):
        return Ledger(rows=(), objective=())
    site = _Site(jobs, schedule, fleet, standing)
    goals = tuple(site.recomputed(goal) for goal in schedule.goals)
    rows = (*_jobs(site), *_machines(site), *_caps(site), *_sums(site), *_goals(schedule, goals))
    return Ledger(rows=rows, objective=goals)


class _Site:
    """What the clauses look at. machines: name -> node · known: runs of jobs in ways that these have · uses: (machine,
    resource) -> what is taken of it when"""

    def __init__(self, jobs: Sequence[Job], schedule: Schedule, fleet: Fleet, standing: Selection | None) -> None:
        self.jobs = {job.name: job for job in jobs}
        self.runs = {run.job: run for run in schedule.runs}
        self.schedule = schedule
        self.fleet = fleet
        self.machines = {name: node for node in fleet.nodes for name in node.instances()}
        self.uses: dict[tuple[str, str], list[_Use]] = {}
        self.known = [run for run in schedule.runs if run.job in self.jobs and self._has_way(run)]
        for run in self.known:
            self._take_run(run, self.way(run))
        if standing is not None:
            self._take_services(standing)

    def way(self, run: Run) -> Way:
        """Return the way that a run takes."""
        return self.jobs[run.job].ways[run.way]

    def _has_way(self, run: Run) -> bool:
        return 0 <= run.way < len(self.jobs[run.job].ways)

    def _take(self, machine: str, what: str, start: float, end: float, amount: float) -> None:
        if amount:
            self.uses.setdefault((machine, what), []).append(_Use(start, end, amount))

    def _take_run(self, run: Run, way: Way) -> None:
        for part in run.placement:
            times = (run.start_s, run.end_s)
            for device in part.devices:
                self._take(part.node, f"share of {device}", *times, way.share * part.replicas)
                self._take(part.node, f"memory of {device}", *times, way.device_memory_bytes * part.replicas)
            self._take(part.node, "cores", *times, way.cores * part.replicas)
            self._take(part.node, "memory", *times, way.memory_bytes * part.replicas)
            self._take(part.node, "power", *times, (way.power_w or 0.0) / way.parts * part.replicas)

    def _take_services(self, standing: Selection) -> None:
        always = (0.0, self.schedule.horizon_s)
        for name, priced in standing.chosen.items():
            each = priced.drawn_by_part() or 0.0
            demand = priced.demand
            for part in standing.placement.get(name, ()):
                for device in part.devices:
                    self._take(part.node, f"share of {device}", *always, part.share * part.replicas)
                    held = demand.device_memory_bytes * part.replicas
                    self._take(part.node, f"memory of {device}", *always, held)
                self._take(part.node, "cores", *always, demand.cores * part.replicas)
                self._take(part.node, "memory", *always, demand.node_memory_bytes * part.replicas)
                self._take(part.node, "power", *always, each * part.replicas)

    def recomputed(self, goal: ObjectiveValue) -> ObjectiveValue:
        """Return what a goal comes to; its bound is the one that is stated."""
        value = _goal_value(self, goal)
        gap = (value - goal.bound) / value if value > 0 else 0.0
        return goal.model_copy(update={"value": value, "gap": gap})


def _row(
    id_: str, text: str, holds: bool, value: float | None = None, slack: float | None = None, job: str = ""
) -> LedgerRow:
    clause = Clause(id=id_, intent=job or None, text=text)
    return LedgerRow(clause=clause, value=value, slack=slack, holds=holds)


def _at_most(id_: str, text: str, value: float, most: float, job: str = "") -> LedgerRow:
    holds = value <= most + _ROUNDING * max(abs(most), 1.0)
    return _row(id_, text, holds, value, most - value, job)


def _jobs(site: _Site) -> Iterator[LedgerRow]:
    """Yield per job: that it runs once, in one of its ways, as long as that takes, when it may, where it may."""
    stated = [run.job for run in site.schedule.runs]
    for name in sorted({*stated} - {*site.jobs}):
        yield _row(f"{name}/asked", f"{name} is a job", False)
    for name, job in site.jobs.items():
        runs = stated.count(name) == 1 and 0 <= site.runs[name].way < len(job.ways)
        yield _row(f"{name}/runs", f"{name} runs once, in one of its ways", runs, job=job.intent)
        if runs:
            yield from _when(site, job, site.runs[name])
            yield _row(
                f"{name}/placed", f"{name} has devices that are there", _stands(site, site.runs[name]), job=job.intent
            )


def _when(site: _Site, job: Job, run: Run) -> Iterator[LedgerRow]:
    way, schedule = site.way(run), site.schedule
    if way.duration_s is None:
        whole = run.start_s == 0 and run.end_s == schedule.horizon_s
        yield _row(f"{job.name}/stands", f"{job.name} stands all the time", whole, job=job.intent)
        return
    taken, spare = run.end_s - run.start_s, schedule.step_s * (1 + _ROUNDING)
    text = f"reserves what it takes, {way.duration_s:g} s, and less than {schedule.step_s:g} s more"
    enough = way.duration_s * (1 - _ROUNDING) <= taken <= max(way.duration_s, schedule.step_s) + spare
    yield _row(f"{job.name}/duration", text, enough, taken, taken - way.duration_s, job.intent)
    yield _at_most(
        f"{job.name}/earliest", f"starts at {job.earliest_s:g} s or later", job.earliest_s, run.start_s, job.intent
    )
    for what, end in (
        ("deadline", job.deadline_s),
        ("within", schedule.frame.within_s),
        ("horizon", schedule.horizon_s),
    ):
        if end is not None:
            yield _at_most(f"{job.name}/{what}", f"has ended by {end:g} s", run.end_s, end, job.intent)
    for other in job.after:
        text = f"starts after {other} has ended"
        if other in site.runs:
            yield _at_most(f"{job.name}/after/{other}", text, site.runs[other].end_s, run.start_s, job.intent)
        else:
            yield _row(f"{job.name}/after/{other}", text, False, job=job.intent)


def _stands(site: _Site, run: Run) -> bool:
    """All parts stand, each on devices of its type that the machine of its node has, at its own share."""
    way = site.way(run)
    if run.node != way.node or sum(part.replicas for part in run.placement) != way.parts:
        return False
    for part in run.placement:
        node = site.machines.get(part.node)
        if node is None or node.name != way.node or part.share != way.share:
            return False
        ids = {id_ for slot in node.devices if slot.type == way.device for id_ in slot.ids}
        wanted = way.devices if way.device else 0
        if not (len(part.devices) == len(set(part.devices)) == wanted and set(part.devices) <= ids):
            return False
    return True


def _machines(site: _Site) -> Iterator[LedgerRow]:
    """Yield per machine and thing that it has: the most that is taken at once is no more than there is."""
    for (machine, what), uses in sorted(site.uses.items()):
        node = site.machines.get(machine)
        if node is None or what == "power":
            continue
        capacity = _capacity(site.fleet, node, what)
        most = _most(uses)
        if capacity is None:
            yield _row(f"capacity/{machine}/{what}", f"{what} of {machine}, of which nobody knows how much", True, most)
        else:
            yield _at_most(f"capacity/{machine}/{what}", f"{what} of {machine}", most, capacity)


def _capacity(fleet: Fleet, node: Node, what: str) -> float | None:
    if what == "cores":
        return node.free_cores
    if what == "memory":
        return node.free_memory_bytes
    kind, _, device = what.partition(" of ")
    if kind == "share":
        return node.free_share(device)
    type_ = next((slot.type for slot in node.devices if device in slot.ids), None)
    fact = None if type_ is None or fleet.types[type_].kind == "cpu" else fleet.types[type_].memory_bytes
    return None if fact is None else fact.value


def _most(uses: Sequence[_Use]) -> float:
    """Return the most that is taken at once: what ends at a moment makes room for what starts then."""
    events = sorted([(use.end, 0, -use.amount) for use in uses] + [(use.start, 1, use.amount) for use in uses])
    most = taken = 0.0
    for _, _, change in events:
        taken += change
        most = max(most, taken)
    return most


def _caps(site: _Site) -> Iterator[LedgerRow]:
    """Yield per power cap: the least that is left of it at any moment."""
    for name, machines, series in _capped(site.fleet):
        uses = [use for machine in machines for use in site.uses.get((machine, "power"), ())]
        unknown = [
            run.job
            for run in site.known
            if site.way(run).power_w is None and {part.node for part in run.placement} & set(machines)
        ]
        if not uses and not unknown:
            continue
        slack = min(_left(uses, series, site.schedule), default=0.0)
        text = f"power cap of {name}" + (f", with {', '.join(unknown)}, whose power nobody knows" if unknown else "")
        holds = not unknown and slack >= -1e-3 * len(uses)  # watts: each is a sum of parts
        yield _row(f"cap/{name}", text, holds, None, slack)


def _capped(fleet: Fleet) -> Iterator[tuple[str, Sequence[str], Sequence[float]]]:
    for node in fleet.nodes:
        if node.power_cap_w:
            yield from ((machine, (machine,), node.power_cap_w) for machine in node.instances())
    for cap in fleet.power_caps:
        domains: dict[str, list[str]] = {}
        for node in fleet.nodes:
            has = {**node.labels, **({"region": node.region} if node.region is not None else {})}
            if cap.by is None and all(has.get(key) == value for key, value in cap.labels.items()):
                domains.setdefault("the fleet" if not cap.labels else f"{cap.labels}", []).extend(node.instances())
            elif cap.by is not None and cap.by in has:
                domains.setdefault(f"{cap.by} {has[cap.by]}", []).extend(node.instances())
        yield from ((name, machines, cap.cap_w) for name, machines in domains.items())


def _left(uses: Sequence[_Use], series: Sequence[float], schedule: Schedule) -> Iterable[float]:
    """Yield what is left of a cap at each event and at the beginning of each hour in which something runs."""
    end = max((use.end for use in uses), default=0.0)
    marks = {use.start for use in uses}
    if len(set(series)) > 1:
        marks |= set(_marks(schedule.frame, 0.0, end))
    for mark in sorted(marks):
        taken = math.fsum(use.amount for use in uses if use.start <= mark < use.end)
        if taken:
            yield _at(series, schedule.frame, mark) - taken


def _marks(frame: Frame, start: float, end: float) -> Iterator[float]:
    """Yield the moments at which an hour begins."""
    hour = math.floor((start + frame.offset_s) / 3600) + 1
    while hour * 3600 - frame.offset_s < end:
        yield hour * 3600 - frame.offset_s
        hour += 1


def _at(series: Sequence[float], frame: Frame, moment: float) -> float:
    return series[math.floor((moment + frame.offset_s) / 3600 + 1e-12) % len(series)]


def _integral(series: Sequence[float], frame: Frame, run: Run) -> float:
    """Return the sum of a series of rates per hour over a run, hour by hour."""
    marks = [run.start_s, *_marks(frame, run.start_s, run.end_s), run.end_s]
    return math.fsum(_at(series, frame, begin) * (end - begin) / 3600 for begin, end in pairwise(marks))


def _spent(site: _Site, run: Run) -> Mapping[str, float | None]:
    way, frame = site.way(run), site.schedule.frame
    if way.duration_s is None:
        return {"expense": None, "carbon": None, "energy": None}
    return {
        "expense": _integral(way.usd_per_h, frame, run) if way.usd_per_h else None,
        "carbon": _integral(way.g_per_h, frame, run) if way.g_per_h else None,
        "energy": None if way.power_w is None else way.power_w * (run.end_s - run.start_s),
    }


def _sums(site: _Site) -> Iterator[LedgerRow]:
    for run in site.known:
        spent = _spent(site, run)
        stated = {"expense": run.expense_usd, "carbon": run.emissions_g, "energy": run.energy_j}
        for name, value in stated.items():
            yield _row(
                f"{run.job}/{name}", f"{name} of {run.job}: stated {value}", _same(value, spent[name]), spent[name]
            )


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-7, abs_tol=1e-9)


def _goal_value(site: _Site, goal: ObjectiveValue) -> float:
    prefix, colon, words = goal.goal.rpartition(": ")
    names = set(prefix.split(", ")) if colon else {job.intent for job in site.jobs.values()}
    total = words.removeprefix("minimize ").removeprefix("the sum of ").partition(" ")[0]
    runs = [run for run in site.known if run.intent in names and site.way(run).duration_s is not None]
    if total == "time":
        return max((run.end_s for run in runs), default=0.0)
    if total == "starts":
        return math.fsum(run.start_s for run in runs)
    return math.fsum(value for run in runs if (value := _spent(site, run).get(total)) is not None)


def _goals(schedule: Schedule, again: Sequence[ObjectiveValue]) -> Iterator[LedgerRow]:
    for stated, mine in zip(schedule.goals, again, strict=True):
        text = f"{stated.goal}: stated {stated.value:.12g} {stated.unit} (bound {stated.bound:.12g})"
        right = _same(stated.value, mine.value) and stated.bound <= mine.value * (1 + 1e-7) + 1e-9
        yield _row(
            f"objective/{stated.goal}", text, right and math.isclose(stated.gap, mine.gap, abs_tol=1e-6), mine.value
        )
