"""Published generalised assignment problems, planned as jobs on machines: cost, bound, best known, seconds.

python benchmarks/assignment.py FOLDER [--only c20200 d20200 ...] [--method aios cpsat highs greedy] [--seconds 60]

FOLDER holds ``gap_instances.jsonl.gz`` (cost and weight per agent and job, capacity per agent; OR-Library gap1-12 and
types a to e). A job is an intent, an agent a node whose cores are its capacity, and a job on an agent an option with a
cost of its own. Beside aios: CP-SAT on the plain model in the same number of deterministic seconds, HiGHS on that model
in as many by the clock, and the greedy that lets the job with most to lose choose first. The cost and the loads of what
was chosen are added up from the instance.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mixed_integer

from aios.records.base import Span
from aios.records.candidate import Candidate, Demand, Estimate, Priced
from aios.records.fleet import DeviceSlot, DeviceType, Fleet, Node
from aios.records.intent import Goal, Intent, ModelChoice
from aios.solve import Limits, choose
from aios.solve.cpsat import Engine, Model

WHERE = Span(file="instance", line=1, column=1)


class Instance(NamedTuple):
    """cost, weight: [agent][job] · capacity: of each agent · known: the best cost that anybody found"""

    name: str
    cost: Sequence[Sequence[int]]
    weight: Sequence[Sequence[int]]
    capacity: Sequence[int]
    known: int

    @property
    def jobs(self) -> int:
        """How many jobs there are."""
        return len(self.cost[0])


class Found(NamedTuple):
    """agents: of every job, None where no plan was found"""

    agents: Sequence[int] | None
    bound: float | None


def instances(folder: Path, only: Sequence[str]) -> Iterator[Instance]:
    """Yield the instances whose names end in one of ``only``, or all."""
    with gzip.open(folder / "gap_instances.jsonl.gz", "rt") as lines:
        for line in lines:
            read = json.loads(line)
            if "instance" in read and (not only or read["instance"].endswith(tuple(only))):
                yield Instance(read["instance"], read["cost"], read["weight"], read["capacity"], read["best_known"])


def by_aios(instance: Instance, limit: float) -> Found:
    """Plan the jobs on the agents."""
    slot = DeviceSlot(type="agent", ids=("0",))
    nodes = tuple(
        Node(name=f"agent-{agent:03d}", cores=cores, devices=(slot,)) for agent, cores in enumerate(instance.capacity)
    )
    types = {"agent": DeviceType(name="agent", kind="other")}
    fleet = Fleet(name="agents", nodes=nodes, types=types, digest="sha256:0", origin=instance.name)
    jobs = [f"job-{job:05d}" for job in range(instance.jobs)]
    options = {
        name: [_option(instance, name, job, agent) for agent in range(len(nodes))] for job, name in enumerate(jobs)
    }
    model = ModelChoice(name="m", path="m.onnx", where=WHERE)
    goal = Goal(direction="minimize", metric="cost")
    intents = [Intent(name=name, task="job", models=(model,), goal=(goal,), where=WHERE) for name in jobs]
    selection = choose(intents, options, fleet, Limits(deterministic_limit=limit))
    if not selection.chosen:
        return Found(None, None)
    agents = [int(selection.placement[name][0].node.removeprefix("agent-")) for name in jobs]
    return Found(agents, selection.objective[0].bound)


def _option(instance: Instance, name: str, job: int, agent: int) -> Priced:
    cost = float(instance.cost[agent][job])
    candidate = Candidate(
        id=f"{name}/{agent:03d}", intent=name, model="m", model_digest="sha256:0", device="agent",
        nodes=(f"agent-{agent:03d}",), executor="dryrun", precision="none",
    )  # fmt: skip
    estimate = Estimate(metric="cost", value=cost, low=cost, high=cost, unit="USD/h", source="declared", basis="given")
    demand = Demand(share=0.0, cores=instance.weight[agent][job], device_memory_bytes=0, node_memory_bytes=0)
    return Priced(candidate=candidate, estimates={"cost": estimate}, demand=demand)


def plain(instance: Instance) -> tuple[Model, list[list[int]]]:
    """Return the plain model, and [agent][job] -> the variable that says whether the job is there."""
    model = Model()
    agents = range(len(instance.capacity))
    here = [[model.variable(0, 1) for _ in range(instance.jobs)] for _ in agents]
    for job in range(instance.jobs):
        model.exactly_one([here[agent][job] for agent in agents])
    for agent in agents:
        model.linear(zip(here[agent], instance.weight[agent], strict=True), high=instance.capacity[agent])
    model.minimize([(here[a][j], instance.cost[a][j]) for a in agents for j in range(instance.jobs)])
    return model, here


def by_cpsat(instance: Instance, limit: float) -> Found:
    """Solve the plain model by CP-SAT."""
    model, here = plain(instance)
    answer = Engine(Limits(deterministic_limit=limit)).solve(model)
    return Found(_agents(here, answer.values) if answer.values else None, answer.bound)


def by_highs(instance: Instance, limit: float) -> Found:
    """Solve the plain model by HiGHS."""
    model, here = plain(instance)
    answer = mixed_integer.by_highs(model.proto, limit)
    return Found(None if answer.values is None else _agents(here, answer.values), answer.bound)


def _agents(here: Sequence[Sequence[int]], values: Sequence[int]) -> list[int]:
    return [next(a for a, row in enumerate(here) if values[row[job]]) for job in range(len(here[0]))]


def by_greedy(instance: Instance, _limit: float) -> Found:
    """Let the job that would lose most by its second choice choose first, among agents with room."""
    agents, free = range(len(instance.capacity)), list(instance.capacity)
    chosen: dict[int, int] = {}
    while len(chosen) < instance.jobs:
        best: tuple[float, int, int] | None = None
        for job in (job for job in range(instance.jobs) if job not in chosen):
            fit = sorted((instance.cost[a][job], a) for a in agents if instance.weight[a][job] <= free[a])
            if not fit:
                return Found(None, None)
            loss = float(fit[1][0] - fit[0][0]) if len(fit) > 1 else float("inf")
            if best is None or loss > best[0]:
                best = (loss, job, fit[0][1])
        assert best is not None
        _, job, agent = best
        chosen[job] = agent
        free[agent] -= instance.weight[agent][job]
    return Found([chosen[job] for job in range(instance.jobs)], None)


METHODS = {"aios": by_aios, "cpsat": by_cpsat, "highs": by_highs, "greedy": by_greedy}


def told(instance: Instance, method: str, found: Found, seconds: float) -> dict[str, Any]:
    """Add up what was found, from the instance alone."""
    out: dict[str, Any] = {"instance": instance.name, "method": method, "seconds": round(seconds, 2)}
    out |= {"best known": instance.known, "bound": None if found.bound is None else round(found.bound, 2)}
    if found.agents is None:
        return {**out, "cost": None}
    load = [0] * len(instance.capacity)
    for job, agent in enumerate(found.agents):
        load[agent] += instance.weight[agent][job]
    cost = sum(instance.cost[agent][job] for job, agent in enumerate(found.agents))
    fits = all(taken <= has for taken, has in zip(load, instance.capacity, strict=True))
    return {**out, "cost": cost, "above best known %": round(100 * (cost / instance.known - 1), 3), "fits": fits}


def main() -> None:
    """Read the command line; solve every instance by every method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--method", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seconds", type=float, default=60.0, help="of the engine (deterministic), of HiGHS")
    args = parser.parse_args()
    for instance in instances(args.folder, args.only):
        for method in args.method:
            begun = time.process_time()
            found = METHODS[method](instance, args.seconds)
            print(json.dumps(told(instance, method, found, time.process_time() - begun)), flush=True)


if __name__ == "__main__":
    main()
