"""Pods of a published GPU cluster packed onto its nodes: share of the GPUs allocated, bound, seconds, peak memory.

python benchmarks/packing.py FOLDER [--workload default ...] [--seed 42 ...] [--clusters 1] [--demand 1.3] [--must-fit]
                                    [--method aios best-fit plain highs] [--seconds 30]

FOLDER holds alibaba/clusterdata's cluster-trace-gpu-v2023: ``openb_nodes.csv`` and pods, as ``openb_pods_NAME.csv`` or
in ``openb_pods_variants.jsonl.gz``. Pods are drawn with replacement until they ask for ``--demand`` times the GPUs; all
that need no GPU must fit. ``--must-fit`` takes every pod once instead, and all must fit. Beside aios: best fit
decreasing, and CP-SAT (``plain``) and HiGHS on all nodes one by one, with as many seconds. Every case runs in a
process of its own. Placements are checked here, device by device, by nothing that the solver uses.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random  # noqa: TID251 -- seeded: which pods are drawn
import resource
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mixed_integer

from aios.solve import Limits
from aios.solve.cpsat import Engine
from aios.solve.packing import WHOLE, Kind, Nodes, Problem, Short, pack

MILLI = 1000
"""Thousandths of a GPU, of a core."""


class Pod(NamedTuple):
    """cpu: in thousandths of a core · memory: in MiB · milli: thousandths of each GPU · allowed: models, none is any"""

    cpu: int
    memory: int
    gpus: int
    milli: int
    allowed: str


class Node(NamedTuple):
    """cpu: in thousandths of a core · memory: in MiB"""

    cpu: int
    memory: int
    gpus: int
    model: str


class Placed(NamedTuple):
    """devices: on that node"""

    pod: Pod
    node: int
    devices: tuple[int, ...]


class Case(NamedTuple):
    """nodes: each one · pods: each one"""

    nodes: Sequence[Node]
    pods: Sequence[Pod]
    must_fit: bool

    def may(self, pod: Pod, node: Node) -> bool:
        """Say whether an empty node holds a pod."""
        allowed = not pod.gpus or not pod.allowed or node.model in pod.allowed.split("|")
        return allowed and pod.gpus <= node.gpus and pod.cpu <= node.cpu and pod.memory <= node.memory

    def required(self, pod: Pod) -> bool:
        """Say whether a pod must be placed."""
        return self.must_fit or not pod.gpus


class Result(NamedTuple):
    """placed: None where nothing was found · bound: in thousandths of a GPU · note: in words"""

    placed: Sequence[Placed] | None
    bound: int | None
    note: str = ""


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table whose comment lines begin with #."""
    with path.open(encoding="utf-8") as lines:
        yield from csv.DictReader(line for line in lines if not line.startswith("#"))


def read_pods(folder: Path, workload: str) -> list[Pod]:
    """Return every pod of a workload."""
    names = ("cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
    table = folder / f"openb_pods_{workload}.csv"
    if table.exists():
        found: Iterator[dict[str, Any]] = rows(table)
    else:
        with gzip.open(folder / "openb_pods_variants.jsonl.gz", "rt") as lines:
            kept = [json.loads(line) for line in lines if not line.startswith("#")]
        one = next(item for item in kept if item.get("workload", "").endswith(f"_{workload}") and "pods" in item)
        found = (dict(zip(one["columns"], pod, strict=True)) for pod in one["pods"])
    numbers = (([int(row[name]) for name in names], row.get("gpu_spec") or "") for row in found)
    return [Pod(cpu, memory, gpus, milli, allowed) for (cpu, memory, gpus, milli), allowed in numbers]


def read_case(folder: Path, workload: str, seed: int, clusters: int, demand: float, must_fit: bool) -> Case:
    """Return nodes and pods."""
    own = (Node(int(r["cpu_milli"]), int(r["memory_mib"]), int(r["gpu"]), r["model"]) for r in rows(folder / NODES))
    nodes = sorted(node for node in own for _ in range(clusters))
    pods = read_pods(folder, workload)
    if must_fit:
        return Case(nodes, [pod for pod in pods for _ in range(clusters)], True)
    draw, asked, drawn = random.Random(seed), 0, list[Pod]()
    while asked < demand * MILLI * sum(node.gpus for node in nodes):
        drawn.append(draw.choice(pods))
        asked += drawn[-1].gpus * drawn[-1].milli
    return Case(nodes, drawn, False)


NODES = "openb_nodes.csv"


def by_aios(case: Case, seconds: float) -> Result:
    """Pack kinds of pods onto kinds of nodes."""
    del seconds  # its allowance is counted in work, not by the clock
    shapes, kinds = sorted(Counter(case.nodes).items()), sorted(Counter(case.pods).items())
    first = dict(zip((shape for shape, _ in shapes), range(len(shapes)), strict=True))
    singles: dict[int, list[int]] = defaultdict(list)
    for index, node in enumerate(case.nodes):
        singles[first[node]].append(index)
    problem = Problem(
        tuple(Nodes((n.cpu, n.memory), (n.gpus,) if n.gpus else (), many) for n, many in shapes),
        tuple(
            Kind(
                takes=(pod.cpu, pod.memory),
                devices=pod.gpus,
                share=pod.milli * (WHOLE // MILLI) if pod.gpus else 0,
                places=tuple((i, 0 if pod.gpus else -1) for i, (node, _) in enumerate(shapes) if case.may(pod, node)),
                number=many,
                value=pod.gpus * pod.milli,
                required=case.required(pod),
            )
            for pod, many in kinds
        ),
    )
    answer = pack(problem, Engine(Limits()))
    if isinstance(answer, Short):
        lacking = sum(answer.kinds.values())
        return Result(None, None, "proved impossible" if answer.proved else f"{lacking} required pods left over")
    placed = [Placed(kinds[s.kind][0], singles[s.nodes][s.instance], s.devices) for s in answer.standing]
    return Result(placed, answer.bound)


def by_best_fit(case: Case, seconds: float) -> Result:
    """Place pods one by one, required ones and then large ones first, where the least GPU and then core is left."""
    del seconds
    free = [[node.cpu, node.memory, *[MILLI] * node.gpus] for node in case.nodes]
    placed, lacking = list[Placed](), 0
    order = sorted(case.pods, key=lambda pod: (not case.required(pod), -pod.gpus * pod.milli, -pod.cpu, pod))
    for pod in order:
        best: tuple[int, int, int] | None = None
        for index, (node, left) in enumerate(zip(case.nodes, free, strict=True)):
            if left[0] < pod.cpu or left[1] < pod.memory or (pod.gpus and not case.may(pod, node)):
                continue
            if pod.gpus and sum(device >= pod.milli for device in left[2:]) < pod.gpus:
                continue
            rated = (sum(left[2:]), left[0] - pod.cpu, index)
            best = min(best, rated) if best else rated
        if best is None:
            lacking += case.required(pod)
            continue
        left = free[best[2]]
        fitting = sorted((amount, place) for place, amount in enumerate(left[2:]) if amount >= pod.milli)
        devices = tuple(place for _, place in fitting[: pod.gpus])
        left[0], left[1] = left[0] - pod.cpu, left[1] - pod.memory
        for device in devices:
            left[2 + device] -= pod.milli
        placed.append(Placed(pod, best[2], devices))
    return Result(None if lacking else placed, None, f"{lacking} required pods left over" if lacking else "")


class Plain(NamedTuple):
    """A model that counts each kind of pod on each node, and each size of a share on each device.

    stands: per node, kind -> variable · devices: per node and device, size -> variable
    """

    model: Any
    kinds: Sequence[tuple[Pod, int]]
    stands: Sequence[Mapping[int, Any]]
    devices: Sequence[Sequence[Mapping[int, Any]]]

    def placed(self, value: Callable[[Any], int]) -> list[Placed]:
        """Return what stands where. value: of a variable"""
        placed = list[Placed]()
        for index, (own, held) in enumerate(zip(self.stands, self.devices, strict=True)):
            room = {(d, size): value(v) for d, device in enumerate(held) for size, v in device.items()}
            for kind, variable in own.items():
                placed += [_taken(self.kinds[kind][0], index, room) for _ in range(value(variable))]
        return placed


def plain(case: Case) -> Plain:
    """Build that model."""
    from ortools.sat.python import cp_model

    model, kinds = cp_model.CpModel(), sorted(Counter(case.pods).items())
    total: list[list[Any]] = [[] for _ in kinds]
    stands: list[dict[int, Any]] = []
    devices: list[list[dict[int, Any]]] = []
    for node in case.nodes:
        own = {k: model.new_int_var(0, many, "") for k, (pod, many) in enumerate(kinds) if case.may(pod, node)}
        for kind, variable in own.items():
            total[kind].append(variable)
        model.add(sum(variable * kinds[kind][0].cpu for kind, variable in own.items()) <= node.cpu)
        model.add(sum(variable * kinds[kind][0].memory for kind, variable in own.items()) <= node.memory)
        sizes = sorted({kinds[kind][0].milli for kind in own if kinds[kind][0].gpus})
        held = [{size: model.new_int_var(0, MILLI // size, "") for size in sizes} for _ in range(node.gpus)]
        for device in held:
            model.add(sum(size * variable for size, variable in device.items()) <= MILLI)
        for size in sizes:
            taken = [variable * kinds[k][0].gpus for k, variable in own.items() if kinds[k][0].milli == size]
            model.add(sum(taken) == sum(device[size] for device in held))
        stands.append(own)
        devices.append(held)
    for (pod, many), variables in zip(kinds, total, strict=True):
        model.add(sum(variables) == many) if case.required(pod) else model.add(sum(variables) <= many)
    worth = (v * kinds[k][0].gpus * kinds[k][0].milli for own in stands for k, v in own.items() if kinds[k][0].gpus)
    model.maximize(sum(worth))
    return Plain(model, kinds, stands, devices)


def by_plain(case: Case, seconds: float) -> Result:
    """Solve the plain model by CP-SAT."""
    from ortools.sat.python import cp_model

    built, solver = plain(case), cp_model.CpSolver()
    solver.parameters.max_time_in_seconds, solver.parameters.num_workers = seconds, 2
    status = solver.solve(built.model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Result(None, None, f"{solver.status_name(status).lower()} after {seconds:g} s")
    return Result(built.placed(solver.value), round(solver.best_objective_bound))


def by_highs(case: Case, seconds: float) -> Result:
    """Solve the plain model by HiGHS."""
    built = plain(case)
    answer = mixed_integer.by_highs(built.model.proto, seconds)
    if answer.values is None:
        return Result(None, None, f"{answer.status} after {seconds:g} s")
    values = answer.values
    bound = None if answer.bound is None else round(-answer.bound)
    return Result(built.placed(lambda variable: values[variable.index]), bound)


def _taken(pod: Pod, node: int, room: dict[tuple[int, int], int]) -> Placed:
    chosen = [key for key, count in room.items() if count and key[1] == pod.milli][: pod.gpus]
    for key in chosen:
        room[key] -= 1
    return Placed(pod, node, tuple(device for device, _ in chosen))


METHODS = {"aios": by_aios, "best-fit": by_best_fit, "plain": by_plain, "highs": by_highs}


def faults(case: Case, placed: Sequence[Placed]) -> int:
    """Return how many rules a placement breaks."""
    used: Counter[tuple[int, str | int]] = Counter()
    wrong = 0
    for pod, node, devices in placed:
        allowed = not pod.gpus or not pod.allowed or case.nodes[node].model in pod.allowed.split("|")
        wrong += not allowed or len(set(devices)) != pod.gpus or any(d >= case.nodes[node].gpus for d in devices)
        used.update({(node, "cpu"): pod.cpu, (node, "memory"): pod.memory})
        used.update({(node, device): pod.milli for device in devices})
    for (node, what), amount in used.items():
        wrong += amount > (getattr(case.nodes[node], what) if isinstance(what, str) else MILLI)
    there, wanted = Counter(item.pod for item in placed), Counter(case.pods)
    wrong += sum(there[pod] > wanted[pod] for pod in there)
    return wrong + sum(there[pod] < many for pod, many in wanted.items() if case.required(pod))


def measure(given: argparse.Namespace, workload: str, seed: int, method: str) -> dict[str, Any]:
    """Run one case and return what came of it."""
    case = read_case(given.folder, workload, seed, given.clusters, given.demand, given.must_fit)
    start = time.perf_counter()
    result = METHODS[method](case, given.seconds)
    seconds = time.perf_counter() - start
    total = MILLI * sum(node.gpus for node in case.nodes)
    line: dict[str, Any] = {"workload": workload, "seed": seed, "clusters": given.clusters, "method": method}
    if result.placed is not None:
        value = sum(item.pod.gpus * item.pod.milli for item in result.placed)
        line |= {"share": f"{100 * value / total:.4f}", "faults": faults(case, result.placed)}
        if result.bound is not None:
            line |= {"bound": f"{100 * result.bound / total:.4f}", "gap": f"{100 * (result.bound - value) / total:.4f}"}
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return {**line, "seconds": f"{seconds:.1f}", "MiB": peak, "note": result.note}


COLUMNS = ("workload", "seed", "clusters", "method", "share", "bound", "gap", "seconds", "MiB", "faults", "note")


def main() -> None:
    """Print a table: a row per workload, seed and method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workload", nargs="+", default=["default", "multigpu50", "gpuspec10", "cpu0", "cpu250"])
    parser.add_argument("--seed", nargs="+", type=int, default=[42])
    parser.add_argument("--clusters", type=int, default=1)
    parser.add_argument("--demand", type=float, default=1.3)
    parser.add_argument("--must-fit", action="store_true")
    parser.add_argument("--method", nargs="+", choices=[*METHODS], default=[*METHODS])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--here", action="store_true", help="run in this process; print one line of JSON per case")
    given = parser.parse_args()
    if not given.here:
        print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS), flush=True)
    for workload in given.workload:
        for seed in given.seed:
            for method in given.method:
                if given.here:
                    print(json.dumps(measure(given, workload, seed, method)))
                else:
                    print(apart(sys.argv[1:], workload, seed, method), flush=True)


def apart(arguments: Sequence[str], workload: str, seed: int, method: str) -> str:
    """Run one case in a process of its own, and return its row."""
    more = ["--workload", workload, "--seed", str(seed), "--method", method, "--here"]
    done = subprocess.run([sys.executable, __file__, *arguments, *more], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    line = json.loads(done.stdout)
    return "| " + " | ".join(str(line.get(column, "")) for column in COLUMNS) + " |"


if __name__ == "__main__":
    main()
