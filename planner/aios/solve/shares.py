"""Time on devices of several types, shared out among jobs that each gain more from some types than from others.

The programme of Narayanan et al., Heterogeneity-Aware Cluster Scheduling Policies for Deep Learning Workloads, OSDI
2020, section 4: x says which part of the time a job runs on a type; no job runs more than all the time, no type more
than it has devices. What is made large is linear in x, so that its optimum is proved. Devices are whole: rounds of
equal length follow the parts, each giving whole devices to the jobs that lag furthest behind (section 5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from aios.solve.lp import LinearProgram, Solution, Term

__all__ = ["Aim", "Job", "Shares", "share_out", "turns"]

Aim = Literal["total", "max-min"]
"""total: what all jobs gain together · max-min: what the one gains that gains least by its weight; of all ways to that,
the one with the largest total"""

_LOOSE = 1e-7
"""By which share the least gain may fall while the total is made large: above the engine's tolerance."""
_NEVER = 1e-9
"""A part of the time up to which a job does not run on a type."""


class Job(NamedTuple):
    """Jobs that are alike.

    gains: of one that runs all the time on a type, 0 where it cannot; comparable between jobs, such as its rate there
    by its rate on the best type · devices: it takes at once, all of one type · weight: gains are compared by it ·
    number: of such jobs · always: whether each must run all the time, wherever
    """

    gains: tuple[float, ...]
    devices: int = 1
    weight: float = 1.0
    number: int = 1
    always: bool = False


class Shares(NamedTuple):
    """parts: of each of the jobs that are alike and each type, the part of the time that one runs there · value: the
    total, or the least gain by weight · bound: that nothing exceeds"""

    parts: tuple[tuple[float, ...], ...]
    value: float
    bound: float


class _Programme:
    """The linear programme. least: its variable for the least gain"""

    def __init__(self, jobs: Sequence[Job], devices: Sequence[int]) -> None:
        self.jobs = jobs
        self.lp = LinearProgram()
        self.parts = [{kind: self.lp.variable(float(job.number)) for kind in _types(job, devices)} for job in jobs]
        most = [max(job.gains, default=0.0) / job.weight for job in jobs if job.number]
        self.least = self.lp.variable(min(most, default=0.0))
        for job, own in zip(jobs, self.parts, strict=True):
            whole = float(job.number)
            self.lp.row([(part, 1.0) for part in own.values()], whole if job.always else -math.inf, whole)
        for kind, there in enumerate(devices):
            taken = [(own[kind], float(job.devices)) for job, own in zip(jobs, self.parts, strict=True) if kind in own]
            self.lp.row(taken, high=float(there))

    def total(self) -> list[Term]:
        """Return what all jobs gain, as terms."""
        own = zip(self.jobs, self.parts, strict=True)
        return [(part, job.gains[kind]) for job, parts in own for kind, part in parts.items()]

    def level(self) -> None:
        """Let no job gain less by its weight than the least."""
        for job, own in zip(self.jobs, self.parts, strict=True):
            if job.number:
                gains = [(part, job.gains[kind] / (job.weight * job.number)) for kind, part in own.items()]
                self.lp.row([*gains, (self.least, -1.0)], low=0.0)


def _types(job: Job, devices: Sequence[int]) -> list[int]:
    return [kind for kind, there in enumerate(devices) if there >= job.devices and job.gains[kind] > 0 and job.number]


def share_out(jobs: Sequence[Job], devices: Sequence[int], aim: Aim) -> Shares | None:
    """Return how time is shared out best; None where those that must always run do not fit. devices: of each type

    Raises ValueError for gains and weights that are none.
    """
    for job in jobs:
        if len(job.gains) != len(devices) or not all(0 <= gain < math.inf for gain in job.gains):
            raise ValueError(f"not one gain for each type of devices, or one below 0 or without end: {job}")
        if not 0 < job.weight < math.inf or job.devices < 1 or job.number < 0:
            raise ValueError(f"a weight, or a number of devices or jobs, that is none: {job}")
    programme = _Programme(jobs, devices)
    if aim == "max-min":
        programme.level()
        programme.lp.reward([(programme.least, 1.0)])
        first = programme.lp.maximize()
        if first is None:
            return None
        programme.lp.row([(programme.least, 1.0)], low=max(0.0, first.objective) * (1 - _LOOSE))
        programme.lp.reward(programme.total())
        return _told(programme, programme.lp.maximize() or first, first)
    programme.lp.reward(programme.total())
    best = programme.lp.maximize()
    return None if best is None else _told(programme, best, best)


def _told(programme: _Programme, best: Solution, aimed: Solution) -> Shares:
    parts = tuple(
        tuple(max(0.0, best.values[own[kind]]) / job.number if kind in own else 0.0 for kind in range(len(job.gains)))
        for job, own in zip(programme.jobs, programme.parts, strict=True)
    )
    return Shares(parts, aimed.objective, max(aimed.bound, aimed.objective))


def turns(
    parts: Sequence[Sequence[float]], takes: Sequence[int], had: Sequence[Sequence[int]], devices: Sequence[int]
) -> list[int | None]:
    """Return the type on which each job runs in the next round, None where it waits.

    parts: of each job and type, the part of the time that it is to run there · takes: devices each takes at once · had:
    rounds that each ran on each type so far. Who has had least of what it is to have comes first; a job whose type has
    not enough devices left lets others pass, and devices left over go to jobs that wait and are to run there at all.
    """
    lags = [
        (own[kind] / (had[job][kind] + own[kind]), own[kind], -job, kind)
        for job, own in enumerate(parts)
        for kind in range(len(devices))
        if own[kind] > _NEVER
    ]
    left, found = list(devices), list[int | None]([None] * len(parts))
    for _, _, negative, kind in sorted(lags, reverse=True):
        job = -negative
        if found[job] is None and takes[job] <= left[kind]:
            found[job] = kind
            left[kind] -= takes[job]
    return found
