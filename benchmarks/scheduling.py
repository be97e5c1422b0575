"""Published traces of training jobs on three kinds of GPUs: when the last job ends, beside list scheduling.

python benchmarks/scheduling.py FOLDER [--trace small_test ...] [--work 60]

FOLDER holds Gavel's ``gavel_physical_traces.csv`` and ``gavel_throughputs.csv``. A job takes so many iterations on so
many GPUs of one kind, at the rate that was measured there; it runs without a pause. The cluster is that of the paper's
physical experiments (Narayanan et al., OSDI 2020): 8 V100, 16 P100, 24 K80, here in machines of 8. Lists: jobs as they
arrive, and the longest first, each on the GPUs where it ends first, placed machine by machine by code of this file.
Schedules are checked by what the solver does not use.
"""

from __future__ import annotations

import argparse
import csv
import math
import re
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from aios.check import audit_schedule
from aios.records.fleet import DeviceSlot, DeviceType, Fleet, Node
from aios.records.schedule import Frame, Job, TimeGoal, Way
from aios.solve import Limits
from aios.solve.schedule import schedule

MACHINES = {"v100": 1, "p100": 2, "k80": 3}
GPUS = 8
"""Of a machine."""
_BATCH = re.compile(r"(.*) \(batch size (\d+)\)")


class Traced(NamedTuple):
    """A job of a trace. arrival: in seconds · lengths: kind of GPU -> whole seconds on ``gpus`` of it"""

    name: str
    arrival: float
    gpus: int
    lengths: Mapping[str, int]


def main() -> None:
    """Schedule every trace and print a row of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trace", nargs="*", help="names without ending; all by default")
    parser.add_argument("--work", type=float, default=60.0, help="deterministic seconds of the engine")
    given = parser.parse_args()
    print("| trace | jobs | as they arrive | longest first | aios | of the best list | bound | gap | CPU |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, jobs in traces(given.folder).items():
        if not given.trace or name in given.trace:
            print(row(name, jobs, given.work), flush=True)
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def lines(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table with comments."""
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))


def traces(folder: Path) -> dict[str, list[Traced]]:
    """Return trace -> jobs that some GPU was measured with."""
    rates: dict[tuple[str, str, int], dict[str, float]] = {}
    for item in lines(folder / "gavel_throughputs.csv"):
        if item["set"] == "simulation" and not item["other_model"] and item["gpu"] in MACHINES:
            key = (item["model"], item["batch"], int(item["scale_factor"]))
            rates.setdefault(key, {})[item["gpu"]] = float(item["steps_per_s"])
    found: dict[str, list[Traced]] = {}
    for item in lines(folder / "gavel_physical_traces.csv"):
        match = _BATCH.fullmatch(item["job"])
        model, batch = match.groups() if match else (item["job"], "")
        own = rates.get((model, batch, int(item["scale_factor"])), {})
        lengths = {gpu: math.ceil(float(item["total_steps"]) / rate) for gpu, rate in own.items() if rate > 0}
        if lengths:
            jobs = found.setdefault(item["trace"].removesuffix(".trace"), [])
            name = f"{len(jobs):03d}-{model.lower().replace(' ', '-')}"
            jobs.append(Traced(name, float(item["arrival_s"]), int(item["scale_factor"]), lengths))
    return found


def row(name: str, traced: Sequence[Traced], work: float) -> str:
    """Schedule a trace and tell how that compares."""
    arriving = listed(sorted(traced, key=lambda job: job.arrival))
    longest = listed(sorted(traced, key=lambda job: (-min(job.lengths.values()), job.name)))
    types = {gpu: DeviceType(name=gpu, kind="gpu") for gpu in MACHINES}
    ids = tuple(map(str, range(GPUS)))
    nodes = tuple(Node(name=gpu, count=n, devices=(DeviceSlot(type=gpu, ids=ids),)) for gpu, n in MACHINES.items())
    fleet = Fleet(name="gavel", nodes=nodes, types=types, digest="", origin="benchmark")
    jobs = [
        Job(
            name=job.name,
            intent=job.name,
            earliest_s=job.arrival,
            ways=tuple(
                Way(id=gpu, node=gpu, device=gpu, devices=job.gpus, duration_s=float(length))
                for gpu, length in job.lengths.items()
            ),
        )
        for job in traced
    ]
    began = time.process_time()
    result = schedule(jobs, fleet, None, Frame(), Limits(deterministic_limit=work), [TimeGoal(total="time")])
    took = time.process_time() - began
    assert audit_schedule(jobs, result, fleet, None).holds
    end, best = result.goals[0], min(arriving, longest)
    cells = (
        name, len(jobs), *(f"{seconds / 3600:.2f} h" for seconds in (arriving, longest, end.value)),
        f"{end.value / best:.1%}", f"{end.bound / 3600:.2f} h", f"{end.gap:.2%}", f"{took:.1f} s",
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def listed(jobs: Sequence[Traced]) -> float:
    """Return when the last job ends if each, in this order, takes the GPUs of one machine on which it ends first."""
    free = {gpu: [[0.0] * GPUS for _ in range(count)] for gpu, count in MACHINES.items()}
    last = 0.0
    for job in jobs:
        ends = []
        for gpu, length in job.lengths.items():
            for machine in free[gpu]:
                machine.sort()
                ends.append((max(job.arrival, machine[job.gpus - 1]) + length, gpu, machine))
        end, _, machine = min(ends, key=lambda item: item[:2])
        machine[: job.gpus] = [end] * job.gpus
        last = max(last, end)
    return last


if __name__ == "__main__":
    main()
