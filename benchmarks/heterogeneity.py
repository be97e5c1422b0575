"""Training jobs on GPUs of three types: time shared out knowing what each job gains from each type, and not knowing it.

python benchmarks/heterogeneity.py FOLDER [--set physical_cluster] [--devices 8 16 24] [--trace NAME ...]

FOLDER holds ``gavel_throughputs.csv`` and ``gavel_physical_traces.csv`` (stanford-futuredata/gavel; Narayanan et al.,
OSDI 2020): steps per second by GPU type, model, batch and number of GPUs, and jobs with steps and arrivals. The devices
are V100, P100 and K80, by default as many as that paper's cluster had. A rate that the table lacks is put between those
of the nearest batch sizes on a logarithmic scale; jobs of models that it lacks are left out. Both are counted.

Five ways, all in rounds of six minutes with whole devices, moves for free:
``total`` the linear programme that makes the sum of normalised rates largest, ``max-min`` the one that makes the least
largest, both by aios; ``round-robin`` who has had least time comes first, types in turn; ``fifo`` in order of arrival,
on the type with most free devices, until done; ``fifo, fast first`` the same on the newest type with enough of them.
A normalised rate is that on a type by that on the job's best type.

Three tables: the sum of normalised rates while every job of a trace is there at once and stays; completion when jobs
come and go; and p99 where every third job of one GPU is a service instead: requests arrive at random at 0.7 of what the
slowest type serves, each takes one step (exponential), so that the time in the system on a type with rate u at l
requests a second is exponential with rate u - l (M/M/1); services come first in every way.
"""

from __future__ import annotations

import argparse
import csv
import math
import re
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from aios.solve.shares import Aim, Job, share_out, turns

TYPES = ("v100", "p100", "k80")
ROUND = 360.0
"""Seconds of a round."""
STANDING = 240
"""Rounds that all jobs stay for."""
LOAD = 0.7
"""Requests to a service, in what its slowest type serves."""

Rates = dict[tuple[str, str, int, int], float]
"""Type, model, batch size and number of GPUs -> steps per second."""
Placed = list[int | None]
"""The type on which each job runs in a round."""


class Work(NamedTuple):
    """A job. rates: steps/s by type · steps: to do · arrival: s · served: requests/s, 0 where it is no service"""

    rates: tuple[float, ...]
    devices: int
    steps: float
    arrival: float
    served: float = 0.0

    def gains(self) -> tuple[float, ...]:
        """Return rates, or of a service how fast its requests leave, by the best type's."""
        own = [max(0.0, rate - self.served) for rate in self.rates]
        return tuple(rate / max(own) for rate in own)


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table whose comment lines begin with #."""
    with path.open(encoding="utf-8") as lines:
        yield from csv.DictReader(line for line in lines if not line.startswith("#"))


def read_rates(folder: Path, name: str) -> Rates:
    """Return the rates of jobs that have their GPUs to themselves, close together."""
    own = (row for row in rows(folder / "gavel_throughputs.csv") if row["set"] == name and not row["other_model"])
    return {
        (row["gpu"], row["model"], int(row["batch"]), int(row["scale_factor"])): float(row["steps_per_s"])
        for row in own
        if row["gpu"] in TYPES and row["batch"] and float(row["steps_per_s"]) > 0
    }


def rate_of(rates: Rates, gpu: str, model: str, batch: int, devices: int) -> float | None:
    """Return a rate of the table, or one between or beyond its two nearest batch sizes; None where none are there."""
    if found := rates.get((gpu, model, batch, devices)):
        return found
    known = [b for g, m, b, d in rates if (g, m, d) == (gpu, model, devices)]
    near = sorted(known, key=lambda size: (abs(math.log(size / batch)), size))[:2]
    if len(near) < 2:
        return None
    low, high = (math.log(rates[gpu, model, size, devices]) for size in near)
    return math.exp(low + (high - low) * math.log(batch / near[0]) / math.log(near[1] / near[0]))


def read_trace(folder: Path, rates: Rates, name: str) -> tuple[list[Work], int, int]:
    """Return the jobs of a trace, how many of them have a rate put between others, and how many were left out."""
    jobs, between, absent = list[Work](), 0, 0
    for row in rows(folder / "gavel_physical_traces.csv"):
        match = re.fullmatch(r"(.*) \(batch size (\d+)\)", row["job"])
        if row["trace"] != name:
            continue
        devices = int(row["scale_factor"])
        found = [rate_of(rates, gpu, match[1], int(match[2]), devices) for gpu in TYPES] if match else [None]
        own = tuple(rate for rate in found if rate is not None)
        if match is None or len(own) < len(TYPES):
            absent += 1
            continue
        between += any((gpu, match[1], int(match[2]), devices) not in rates for gpu in TYPES)
        jobs.append(Work(own, devices, float(row["total_steps"]), float(row["arrival_s"])))
    return jobs, between, absent


class Programme:
    """Rounds after a linear programme, solved anew when other jobs are there."""

    def __init__(self, jobs: Sequence[Work], devices: Sequence[int], aim: Aim) -> None:
        self.jobs, self.devices, self.aim = jobs, devices, aim
        self.there: list[int] = []
        self.gap = 0.0
        self.value = 0.0

    def place(self, there: list[int]) -> Placed:
        """Return the types of the jobs that are there."""
        if there != self.there:
            self.there, self.had = there, [[0] * len(TYPES) for _ in there]
            asked = [self.jobs[index] for index in there]
            found = share_out(
                [Job(job.gains(), job.devices, always=job.served > 0) for job in asked], self.devices, self.aim
            )
            if found is None:
                raise SystemExit("the services do not all fit")
            self.parts, self.value = found.parts, found.value
            self.gap = max(self.gap, (found.bound - found.value) / found.bound if found.bound else 0.0)
        chosen = turns(self.parts, [self.jobs[index].devices for index in there], self.had, self.devices)
        for job, kind in enumerate(chosen):
            if kind is not None:
                self.had[job][kind] += 1
        return chosen


class RoundRobin:
    """Who has had least time comes first, on the next type in turn that has room."""

    def __init__(self, jobs: Sequence[Work], devices: Sequence[int]) -> None:
        self.jobs, self.devices = jobs, devices
        self.had = [0] * len(jobs)
        self.next = [index % len(TYPES) for index in range(len(jobs))]

    def place(self, there: list[int]) -> Placed:
        """Return the types of the jobs that are there."""
        left, found = list(self.devices), dict[int, int]()
        for job in sorted(there, key=lambda index: (not self.jobs[index].served, self.had[index], index)):
            for hop in range(len(TYPES)):
                kind = (self.next[job] + hop) % len(TYPES)
                if self.jobs[job].devices <= left[kind]:
                    left[kind] -= self.jobs[job].devices
                    found[job] = kind
                    self.had[job] += 1
                    self.next[job] = (kind + 1) % len(TYPES)
                    break
        return [found.get(job) for job in there]


class Fifo:
    """In order of arrival, each on one type until it is done. fast: on the newest with room, else on that with most"""

    def __init__(self, jobs: Sequence[Work], devices: Sequence[int], *, fast: bool = False) -> None:
        self.jobs, self.devices, self.fast = jobs, devices, fast
        self.stands: dict[int, int] = {}

    def place(self, there: list[int]) -> Placed:
        """Return the types of the jobs that are there."""
        self.stands = {job: kind for job, kind in self.stands.items() if job in there}
        left = list(self.devices)
        for job, kind in self.stands.items():
            left[kind] -= self.jobs[job].devices
        for job in sorted(there, key=lambda index: (not self.jobs[index].served, self.jobs[index].arrival, index)):
            if job in self.stands:
                continue
            kind = max(range(len(TYPES)), key=lambda kind: (left[kind], -kind))
            if self.fast:
                kind = next((own for own in range(len(TYPES)) if self.jobs[job].devices <= left[own]), kind)
            if self.jobs[job].devices <= left[kind]:
                self.stands[job] = kind
                left[kind] -= self.jobs[job].devices
        return [self.stands.get(job) for job in there]


Way = Programme | RoundRobin | Fifo
WAYS: dict[str, Callable[[Sequence[Work], Sequence[int]], Way]] = {
    "total": lambda jobs, devices: Programme(jobs, devices, "total"),
    "max-min": lambda jobs, devices: Programme(jobs, devices, "max-min"),
    "round-robin": RoundRobin,
    "fifo": Fifo,
    "fifo, fast first": lambda jobs, devices: Fifo(jobs, devices, fast=True),
}


def checked(jobs: Sequence[Work], devices: Sequence[int], there: Sequence[int], placed: Placed) -> Placed:
    """Return a round after looking that it takes no device twice."""
    for kind, number in enumerate(devices):
        taken = sum(jobs[job].devices for job, own in zip(there, placed, strict=True) if own == kind)
        if taken > number:
            raise SystemExit(f"{taken} devices of {number} {TYPES[kind]} are taken")
    return placed


def standing(jobs: Sequence[Work], devices: Sequence[int], way: Way) -> list[list[int]]:
    """Return for how many rounds each job ran on each type while all stay."""
    there, had = list(range(len(jobs))), [[0] * len(TYPES) for _ in jobs]
    for _ in range(STANDING):
        for job, kind in zip(there, checked(jobs, devices, there, way.place(there)), strict=True):
            if kind is not None:
                had[job][kind] += 1
    return had


def completed(jobs: Sequence[Work], devices: Sequence[int], way: Way) -> list[float]:
    """Return the seconds from arrival to end of each job."""
    left, ends, now = [job.steps for job in jobs], dict[int, float](), 0.0
    while len(ends) < len(jobs):
        there = [index for index, job in enumerate(jobs) if job.arrival <= now and index not in ends]
        if not there:
            now = ROUND * math.ceil(min(job.arrival for i, job in enumerate(jobs) if i not in ends) / ROUND)
            continue
        for job, kind in zip(there, checked(jobs, devices, there, way.place(there)), strict=True):
            if kind is None:
                continue
            needs = left[job] / jobs[job].rates[kind]
            if needs <= ROUND:
                ends[job] = now + needs
            left[job] -= ROUND * jobs[job].rates[kind]
        now += ROUND
    return [ends[index] - job.arrival for index, job in enumerate(jobs)]


def p99(job: Work, had: Sequence[int]) -> float:
    """Return the time that 99 % of a service's requests stay within, having run so many rounds on each type."""
    total, low, high = sum(had), 0.0, 1e9
    if not total:
        return math.inf
    for _ in range(200):
        middle = (low + high) / 2
        later = sum(n * math.exp(-(rate - job.served) * middle) for n, rate in zip(had, job.rates, strict=True))
        low, high = (middle, high) if later > 0.01 * total else (low, middle)
    return high


def with_services(jobs: Sequence[Work]) -> list[Work]:
    """Return jobs, every third of those of one GPU as a service."""
    single = [index for index, job in enumerate(jobs) if job.devices == 1][::3]
    return [job._replace(served=LOAD * min(job.rates)) if i in single else job for i, job in enumerate(jobs)]


def report(name: str, jobs: list[Work], devices: Sequence[int]) -> None:
    """Print what each way reaches on one trace."""
    mixed = with_services(jobs)
    services = [index for index, job in enumerate(mixed) if job.served]
    programme = share_out([Job(job.gains(), job.devices) for job in jobs], devices, "total")
    best = programme.value if programme else math.nan
    found = {}
    for way, make in WAYS.items():
        start = time.process_time()
        had = standing(jobs, devices, make(jobs, devices))
        rate = sum(
            n * gain for job, own in zip(jobs, had, strict=True) for n, gain in zip(own, job.gains(), strict=True)
        )
        one = make(jobs, devices)
        times = sorted(completed(jobs, devices, one))
        run = standing(mixed, devices, make(mixed, devices))
        late = [p99(mixed[index], run[index]) for index in services]
        gap = one.gap if isinstance(one, Programme) else math.nan
        found[way] = (rate / STANDING, times, late, gap, time.process_time() - start)
    fifo = found["fifo"]
    for way, (rate, times, late, gap, seconds) in found.items():
        mean, most = statistics.mean(times), times[math.ceil(0.95 * len(times)) - 1]
        ratios = [own / other for own, other in zip(late, fifo[2], strict=True) if math.isfinite(own / other)]
        tail = statistics.geometric_mean(ratios) if ratios else math.nan
        cells = (
            name, way, f"{rate:.2f}", f"{rate / best:.1%}", f"{rate / found['round-robin'][0]:.2f}",
            f"{rate / fifo[0]:.2f}", f"{mean / 3600:.2f}", f"{mean / statistics.mean(fifo[1]) - 1:+.0%}",
            f"{most / 3600:.2f}", f"{tail - 1:+.0%}", "-" if math.isnan(gap) else f"{gap:.1e}", f"{seconds:.1f}",
        )  # fmt: skip
        print("| " + " | ".join(cells) + " |", flush=True)


COLUMNS = (
    "trace", "way", "sum of rates", "of the optimum", "by round-robin's", "by fifo's", "mean completion, h",
    "to fifo's", "95th, h", "p99 of services, to fifo's", "gap", "CPU seconds",
)  # fmt: skip


def main() -> None:
    """Print a row per trace and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", default="physical_cluster", choices=["physical_cluster", "simulation"])
    parser.add_argument("--devices", nargs=3, type=int, default=[8, 16, 24], metavar=tuple(TYPES))
    parser.add_argument("--trace", nargs="+", default=["max_min_fairness.trace", "minimize_makespan.trace"])
    given = parser.parse_args()
    rates = read_rates(given.folder, given.set)
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS), flush=True)
    notes = []
    for name in given.trace:
        known, between, absent = read_trace(given.folder, rates, name)
        jobs = [job for job in known if job.devices <= max(given.devices)]
        if not jobs:
            raise SystemExit(f"{name}: no job of it can be placed")
        absent += len(known) - len(jobs)
        notes.append(f"{name}: {len(jobs)} jobs, {between} of them with rates between others'; {absent} left out")
        report(name, jobs, given.devices)
    print("\n".join(notes))
    print(f"peak memory: {round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)} MiB")


if __name__ == "__main__":
    main()
