"""Published machine reassignment problems: what it costs after moving, against before, the best known and the bound.

python benchmarks/reassignment.py FOLDER [--seconds 30] [--only a1_1 b_ ...]

FOLDER holds ``roadef2012_instances.jsonl.gz``, a line per instance of the ROADEF/EURO challenge of 2012: ``model`` is
the list of numbers of the challenge's file, ``initial_assignment`` the machine of every process. Seconds are those of
``Limits.deterministic_limit``; 30 take 35 to 55 CPU seconds. Costs and rules are computed here again, number by number
from the file, by the challenge's definition of the problem; nothing is shared with the search.

Best known: the best of the challenge's qualification, as listed by S. Gualandi (Challenging MIPs instances, December
2012), who found three that are better himself; the better ones are taken. Where none is listed, the way to the bound is
the least that the way to the best can be.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aios.solve import Limits
from aios.solve.cpsat import Engine
from aios.solve.reassign import Balance, Machine, Prices, Problem, Process, Resource, Service, reassign

BEST_KNOWN = {
    "a1_1": 44_306_501,
    "a1_2": 777_532_896,
    "a1_3": 583_005_717,
    "a1_4": 252_728_589,
    "a1_5": 727_578_309,
    "a2_1": 196,
    "a2_2": 816_523_983,
    "a2_3": 1_303_662_728,
    "a2_4": 1_681_353_943,
    "a2_5": 336_158_091,
}


class File(NamedTuple):
    """An instance as it is written. Rows are as in the challenge's files.

    resources: transient, weight · machines: neighbourhood, location, capacities, safety capacities, move costs ·
    services: least spread, dependencies · processes: service, requirements, move cost · balances: two resources,
    target, weight · weights: of moves of processes, services, between machines
    """

    resources: list[list[int]]
    machines: list[tuple[int, int, list[int], list[int], list[int]]]
    services: list[tuple[int, list[int]]]
    processes: list[tuple[int, list[int], int]]
    balances: list[list[int]]
    weights: list[int]
    initial: list[int]


def instances(path: Path) -> Iterator[tuple[str, File]]:
    """Yield the name and content of each instance of a file."""
    with gzip.open(path, "rt") as lines:
        for line in map(json.loads, lines):
            if "instance" in line:
                yield line["instance"], read(line)


def read(line: dict[str, Any]) -> File:
    """Return an instance, its numbers taken in the file's order."""
    numbers = iter(line["model"])

    def row(count: int) -> list[int]:
        return [next(numbers) for _ in range(count)]

    kinds = next(numbers)
    resources = [row(2) for _ in range(kinds)]
    count = next(numbers)
    machines = [(next(numbers), next(numbers), row(kinds), row(kinds), row(count)) for _ in range(count)]
    services = [(spread, row(needs)) for spread, needs in (row(2) for _ in range(next(numbers)))]
    processes = [(next(numbers), row(kinds), next(numbers)) for _ in range(next(numbers))]
    balances = [row(4) for _ in range(next(numbers))]
    return File(resources, machines, services, processes, balances, row(3), line["initial_assignment"])


def problem_of(file: File) -> Problem:
    """Return an instance in the planner's terms."""
    return Problem(
        tuple(Resource(bool(transient), weight) for transient, weight in file.resources),
        tuple(Machine(n, at, tuple(has), tuple(safe), tuple(moves)) for n, at, has, safe, moves in file.machines),
        tuple(Service(spread, tuple(needs)) for spread, needs in file.services),
        tuple(
            Process(service, tuple(takes), move, home)
            for (service, takes, move), home in zip(file.processes, file.initial, strict=True)
        ),
        tuple(Balance(*balance) for balance in file.balances),
        Prices(*file.weights),
    )


def usage(file: File, at: Sequence[int], twice: bool) -> list[list[int]]:
    """Return what is used, by machine and resource. twice: transient resources also where a process moved away from"""
    used = [[0] * len(file.resources) for _ in file.machines]
    for (_, takes, _), home, where in zip(file.processes, file.initial, at, strict=True):
        for kind, amount in enumerate(takes):
            used[where][kind] += amount
            if twice and where != home and file.resources[kind][0]:
                used[home][kind] += amount
    return used


def cost(file: File, at: Sequence[int]) -> int:
    """Return the challenge's objective of an assignment."""
    process_weight, service_weight, machine_weight = file.weights
    total, moved = 0, Counter[int]()
    for (_, _, capacity, safety, _), used in zip(file.machines, usage(file, at, twice=False), strict=True):
        total += sum(w * max(0, u - s) for (_, w), u, s in zip(file.resources, used, safety, strict=True))
        for one, other, target, weight in file.balances:
            total += weight * max(0, target * (capacity[one] - used[one]) - (capacity[other] - used[other]))
    for (service, _, move), home, where in zip(file.processes, file.initial, at, strict=True):
        if where != home:
            total += process_weight * move
            moved[service] += 1
        total += machine_weight * file.machines[home][4][where]
    return total + service_weight * max(moved.values(), default=0)


def faults(file: File, at: Sequence[int]) -> int:
    """Return how many rules of the challenge an assignment breaks."""
    wrong = 0
    for (_, _, capacity, _, _), used in zip(file.machines, usage(file, at, twice=True), strict=True):
        wrong += sum(u > c for u, c in zip(used, capacity, strict=True))
    stands: list[list[int]] = [[] for _ in file.services]
    for (service, _, _), where in zip(file.processes, at, strict=True):
        stands[service].append(where)
    near = [{file.machines[machine][0] for machine in own} for own in stands]
    for (spread, needs), own, here in zip(file.services, stands, near, strict=True):
        wrong += len(own) - len(set(own))
        wrong += len({file.machines[machine][1] for machine in own}) < spread
        wrong += sum(not here <= near[other] for other in needs)
    return wrong + (len(at) != len(file.processes))


def way(before: int, after: int, end: int) -> str:
    """Return how far an assignment went from the first cost to another, as text."""
    return f"{(before - after) / (before - end):.2%}" if before > end else "-"


def main() -> None:
    """Print a row per instance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=30.0, help="deterministic seconds of each instance")
    parser.add_argument("--only", nargs="+", default=[""], help="beginnings of names")
    given = parser.parse_args()
    print(
        "| instance | machines | processes | before | after | bound | gap | of the way to the bound | "
        "best known | of the way to it | moved | faults | CPU seconds | peak memory, MiB |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    for name, file in instances(given.folder / "roadef2012_instances.jsonl.gz"):
        if not name.startswith((*given.only,)):
            continue
        start = time.process_time()
        answer = reassign(problem_of(file), Engine(Limits(deterministic_limit=given.seconds)))
        seconds = time.process_time() - start
        before, after, best = cost(file, file.initial), cost(file, answer.machines), BEST_KNOWN.get(name)
        wrong = faults(file, answer.machines) + (after != answer.cost) + (before != answer.before)
        moved = sum(at != home for at, home in zip(answer.machines, file.initial, strict=True))
        cells = [name, len(file.machines), len(file.processes), f"{before:,}", f"{after:,}", f"{answer.bound:,}"]
        cells += [f"{(after - answer.bound) / max(after, 1):.4%}", way(before, after, answer.bound)]
        cells += [f"{best:,}" if best else "-", way(before, after, best) if best else "-", moved, wrong]
        cells += [f"{seconds:.1f}", round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
