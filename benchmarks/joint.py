"""Many services on a large fleet, chosen together: cost, bound, gap, seconds and peak memory.

python benchmarks/joint.py [--intents 1000] [--candidates 200] [--devices 10000] [--classes 40] [--load 0.75]
                           [--seed 1 ...] [--method joint greedy plain] [--goals "minimize cost" ...] [--nodes-times 1]

Services and fleet are made up, but tight: rates are such that the cheapest ways to run everything would take more of
the good devices than there are, and about ``--load`` of all; classes differ in device, devices per machine, cores and
memory, some are scarce. A replica takes a share of a device, a whole one, or several side by side. Methods: ``joint``
is what `aios plan` does at this size; ``greedy`` takes service after service, the largest first, the cheapest way that
still fits where it leaves least; ``plain`` is the exact model on single machines, for small numbers of services. Each
runs in a process of its own. What stands where is added up here, device by device, by nothing that the solver uses.
"""

from __future__ import annotations

import argparse
import json
import random  # noqa: TID251 -- seeded: which services and machines there are
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aios.check import audit
from aios.records.base import Span, trusted
from aios.records.candidate import Candidate, Demand, Estimate, Priced
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Node
from aios.records.intent import Goal, Intent, ModelChoice, Requirement
from aios.records.metrics import metric
from aios.records.selection import Placement
from aios.solve import Limits, choose
from aios.solve.clauses import rules_of
from aios.solve.contenders import contenders
from aios.solve.cpsat import Engine
from aios.solve.optimise import optimise
from aios.solve.problem import pose

GIB = 2.0**30
WHERE = Span(file="made-up", line=1, column=1)


class Device(NamedTuple):
    """rate: floating-point operations per second it reaches at 16 bits · memory: bytes · price: USD/h · power: W"""

    name: str
    rate: float
    memory: float
    price: float
    power: float


class Case(NamedTuple):
    """What is to be planned."""

    intents: Sequence[Intent]
    options: Mapping[str, Sequence[Priced]]
    fleet: Fleet


def devices_of(draw: random.Random, number: int) -> list[Device]:
    """Return device types: newer ones are faster, and cheaper for what they do, but not by the same factor."""
    found = []
    for index in range(number):
        rate = 20e12 * 1.1**index * draw.uniform(0.75, 1.3)
        memory = draw.choice((16, 24, 32, 40, 48, 80)) * GIB
        price = 0.35 * (rate / 20e12) ** draw.uniform(0.8, 1.1) * draw.uniform(0.7, 1.3)
        found.append(Device(f"device-{index:02d}", rate, memory, price, 60 * (rate / 20e12) ** 0.6))
    return found


def fleet_of(draw: random.Random, kinds: Sequence[Device], classes: int, devices: int, times: int) -> Fleet:
    """Return a fleet of so many classes of machines; a fifth of them is scarce."""
    weights = [0.15 if index % 5 == 0 else draw.uniform(0.6, 1.6) for index in range(classes)]
    nodes = []
    for index, weight in enumerate(weights):
        each = draw.choice((1, 2, 4, 4, 8, 8))
        count = max(1, round(devices * weight / sum(weights) / each))
        kind = kinds[index % len(kinds)]
        cores = each * draw.choice((4, 5, 6, 8, 16))
        memory = each * draw.choice((12, 16, 24, 48, 96)) * GIB
        slot = DeviceSlot(type=kind.name, ids=tuple(map(str, range(each))))
        nodes.append(
            Node(name=f"class-{index:02d}", count=count * times, cores=cores, memory_bytes=memory, devices=(slot,))
        )
    types = {
        kind.name: DeviceType(name=kind.name, kind="gpu", memory_bytes=Fact(value=kind.memory, unit="B"))
        for kind in kinds
    }
    return Fleet(name="made-up", nodes=tuple(nodes), types=types, digest="sha256:0", origin="made-up")


class Service(NamedTuple):
    """work: operations of a request · weights: bytes at 16 bits · rate: requests/s · strict: share of its ways to run
    that are too slow"""

    name: str
    work: float
    weights: float
    rate: float
    strict: float


def services_of(draw: random.Random, number: int, each: float, kinds: Sequence[Device]) -> list[Service]:
    """Return services that take about ``each`` of the middle device on average, some much more than others."""
    middle = kinds[len(kinds) // 2].rate * 0.5
    found = []
    for index in range(number):
        work = 10 ** draw.uniform(9.5, 12.5)
        weights = min(120.0, 0.3 * (work / 1e10) ** 0.75 * draw.uniform(0.5, 2.0)) * GIB
        rate = each * draw.lognormvariate(-0.32, 0.8) * middle / work
        found.append(Service(f"service-{index:05d}", work, weights, rate, draw.uniform(0.1, 0.7)))
    return found


PRECISIONS = {"fp16": (1.0, 1.0), "int8": (1.7, 0.5), "fp8": (1.55, 0.5), "int4": (1.9, 0.28)}
"""Precision -> times as fast, times as large."""
GIVEN = set(Candidate.model_fields)


def options_of(
    draw: random.Random, service: Service, kinds: Sequence[Device], nodes: Mapping[str, tuple[str, ...]], number: int
) -> list[Priced]:
    """Return so many ways to run a service, each with what it costs and takes."""
    ways = [
        (kind, precision, batch, spare)
        for kind in kinds
        for precision in PRECISIONS
        for batch in (1, 2, 4, 8, 16, 32)
        for spare in (0, 1, 3)
    ]
    draw.shuffle(ways)
    found = []
    for kind, precision, batch, spare in ways:
        priced = _way(service, kind, precision, batch, spare, nodes[kind.name])
        if priced is not None:
            found.append(priced)
        if len(found) == number:
            break
    return found


def _way(
    service: Service, kind: Device, precision: str, batch: int, spare: int, nodes: tuple[str, ...]
) -> Priced | None:
    faster, size = PRECISIONS[precision]
    needed = service.weights * size * 1.1 + batch * 0.02 * service.weights + 0.4 * GIB
    wide = next((many for many in (1, 2, 4, 8) if needed / many <= kind.memory), None)
    if wide is None:
        return None
    rate = kind.rate * faster * 0.5 * batch / (batch + 3.0) * wide**0.85 / service.work
    replicas = max(1, -(-service.rate // (0.75 * rate))) + spare
    used = service.rate / (replicas * rate)
    share = 1.0 if wide > 1 else round(max(0.05, min(1.0, used * 1.15)) + 0.005, 2)
    share = min(share, 1.0)
    latency = batch / rate * (1 + used / (1 - used))
    cost = kind.price * share * wide * replicas * (1.0 + 0.02 * (batch == 1))
    power = kind.power * wide * replicas * (0.3 * share + 0.7 * used)
    name = f"{service.name}/{kind.name}/{precision}/b{batch}/r{int(replicas)}"
    candidate = {
        **_CANDIDATE, "id": name, "intent": service.name, "device": kind.name, "nodes": nodes, "precision": precision,
        "batch": batch, "replicas": int(replicas), "devices": wide,
    }  # fmt: skip
    demand = Demand(
        share=share,
        cores=max(1, round(share * wide * 6 + 0.4)),
        device_memory_bytes=float(round(needed / wide)),
        node_memory_bytes=float(round(1.5 * GIB + 0.6 * service.weights * size)),
    )
    figures = {"cost": cost, "power": power, "latency.p99": latency * 2.5, "throughput": replicas * rate}
    return trusted(
        Priced,
        {
            "candidate": trusted(Candidate, candidate, GIVEN),
            "estimates": {name: _estimate(name, value) for name, value in figures.items()},
            "demand": demand, "unknown": {}, "residences": (), "notes": (), "periods": (),
            "pieces": 0,
        },
        set(Priced.model_fields),
    )  # fmt: skip


_CANDIDATE: dict[str, Any] = dict(
    Candidate(
        id="", intent="", model="m", model_digest="sha256:0", device="", nodes=(), executor="dryrun", precision=""
    )
)
_ESTIMATED = set(Estimate.model_fields)


def _estimate(name: str, value: float) -> Estimate:
    fields = {
        "metric": name, "value": value, "low": value, "high": value, "unit": metric(name).unit, "source": "analytic",
        "basis": "made up",
    }  # fmt: skip
    return trusted(Estimate, fields, _ESTIMATED)


def intent_of(service: Service, options: Sequence[Priced], goals: Sequence[str]) -> Intent:
    """Return the intent of a service."""
    times = sorted(option.estimates["latency.p99"].value for option in options)
    most = times[int((1 - service.strict) * (len(times) - 1))]
    bound = Requirement(metric="latency.p99", bound=most, text="latency.p99", where=WHERE)
    parsed = [words.split() for words in goals]
    return Intent(
        name=service.name,
        task="image-classification",
        models=(ModelChoice(name="m", path="m.onnx", where=WHERE),),
        require=(bound,),
        goal=tuple(Goal(direction=w[0], metric=w[1], tolerance=float(w[3]) if len(w) > 3 else 0.0) for w in parsed),
        where=WHERE,
    )


def case_of(args: argparse.Namespace, seed: int) -> Case:
    """Return services, all their ways to run, and the fleet."""
    draw = random.Random(seed)
    kinds = devices_of(draw, max(2, round(0.4 * args.classes)))
    fleet = fleet_of(draw, kinds, args.classes, args.devices, args.nodes_times)
    nodes: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for node in fleet.nodes:
        nodes[node.devices[0].type] += (node.name,)
    kinds = [kind for kind in kinds if kind.name in nodes]
    services = services_of(draw, args.intents, args.load * args.devices / args.intents, kinds)
    options = {service.name: options_of(draw, service, kinds, nodes, args.candidates) for service in services}
    return Case([intent_of(service, options[service.name], args.goals) for service in services], options, fleet)


def broken(case: Case, chosen: Mapping[str, Priced], placed: Mapping[str, Sequence[Placement]]) -> str | None:
    """Say what a plan breaks, if anything: adding up what stands on every machine and every device."""
    nodes = {name: node for node in case.fleet.nodes for name in node.instances()}
    cores: dict[str, int] = defaultdict(int)
    memory: dict[str, float] = defaultdict(float)
    share: dict[tuple[str, str], float] = defaultdict(float)
    device: dict[tuple[str, str], float] = defaultdict(float)
    for intent in case.intents:
        priced = chosen.get(intent.name)
        if priced is None or priced not in case.options[intent.name]:
            return f"{intent.name} does not run"
        candidate, demand = priced.candidate, priced.demand
        if sum(part.replicas for part in placed[intent.name]) != candidate.replicas:
            return f"{intent.name} has not all its replicas"
        if priced.estimates["latency.p99"].value > intent.require[0].bound:
            return f"{intent.name} is too slow"
        for part in placed[intent.name]:
            node = nodes[part.node]
            ids = node.devices[0].ids
            if node.name not in candidate.nodes or len({*part.devices} & {*ids}) != candidate.devices:
                return f"{intent.name} stands where it may not"
            cores[part.node] += demand.cores * part.replicas
            memory[part.node] += demand.node_memory_bytes * part.replicas
            for id_ in part.devices:
                share[part.node, id_] += demand.share * part.replicas
                device[part.node, id_] += demand.device_memory_bytes * part.replicas
    types = case.fleet.types
    for name, node in nodes.items():
        if cores[name] > (node.cores or 0) or memory[name] > (node.memory_bytes or 0):
            return f"{name} holds too much"
        fact = types[node.devices[0].type].memory_bytes
        assert fact is not None
        for id_ in node.devices[0].ids:
            if share[name, id_] > 1 + 1e-6 or device[name, id_] > fact.value:
                return f"{name}/{id_} holds too much"
    return None


class Greedy:
    """Best fit: what is free on every machine; a part goes where it leaves least of a device."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.machines = {
            node.name: [[float(node.cores or 0), node.memory_bytes or 0.0] for _ in range(node.count)]
            for node in case.fleet.nodes
        }
        facts = {name: type_.memory_bytes for name, type_ in case.fleet.types.items()}
        self.devices = {
            node.name: [
                [[1.0, fact.value] for _ in node.devices[0].ids]
                for _ in range(node.count)
                if (fact := facts[node.devices[0].type])
            ]
            for node in case.fleet.nodes
        }

    def put(self, priced: Priced) -> list[Placement] | None:
        """Put all replicas of an option somewhere; leave all as it was if one finds no place."""
        done: list[tuple[str, int, int]] = []
        for _ in range(priced.candidate.replicas):
            spot = self._spot(priced)
            if spot is None:
                for undone in done:
                    self._take(priced, *undone, -1)
                return None
            self._take(priced, *spot, 1)
            done.append(spot)
        nodes = {node.name: node for node in self.case.fleet.nodes}
        wide, share = priced.candidate.devices, priced.demand.share
        return [
            Placement(
                node=nodes[name].instances()[machine],
                devices=nodes[name].devices[0].ids[first : first + wide],
                share=share,
                replicas=1,
            )
            for name, machine, first in done
        ]

    def _take(self, priced: Priced, name: str, machine: int, first: int, times: int) -> None:
        demand = priced.demand
        self.machines[name][machine][0] -= demand.cores * times
        self.machines[name][machine][1] -= demand.node_memory_bytes * times
        for own in self.devices[name][machine][first : first + priced.candidate.devices]:
            own[0] -= demand.share * times
            own[1] -= demand.device_memory_bytes * times

    def _spot(self, priced: Priced) -> tuple[str, int, int] | None:
        demand, wide = priced.demand, priced.candidate.devices
        best: tuple[float, str, int, int] | None = None
        for name in priced.candidate.nodes:
            for machine, (cores, memory) in enumerate(self.machines[name]):
                if cores < demand.cores or memory < demand.node_memory_bytes:
                    continue
                own = self.devices[name][machine]
                for first in range(0, len(own) - wide + 1, wide):
                    block = own[first : first + wide]
                    if all(s >= demand.share - 1e-9 and m >= demand.device_memory_bytes for s, m in block):
                        left = (block[0][0], name, machine, first)
                        best = left if best is None or left < best else best
                if best is not None and best[0] < demand.share + 1e-9:
                    return best[1:]
        return best[1:] if best else None


def greedy(case: Case, name: str) -> tuple[dict[str, Priced], dict[str, list[Placement]]] | None:
    """Return the plan of best fit, or None where a service finds no place."""
    yard = Greedy(case)
    found = contenders(case.intents, case.options)

    def least(intent: Intent) -> float:
        return min(o.demand.share * o.candidate.devices * o.candidate.replicas for o in found[intent.name])

    chosen: dict[str, Priced] = {}
    placed: dict[str, list[Placement]] = {}
    for intent in sorted(case.intents, key=least, reverse=True):
        for priced in sorted(found[intent.name], key=lambda item: item.estimates[name].value):
            parts = yard.put(priced)
            if parts is not None:
                chosen[intent.name], placed[intent.name] = priced, parts
                break
        else:
            return None
    return chosen, placed


def run(args: argparse.Namespace, method: str, seed: int) -> dict[str, Any]:
    """Run one method on one case; return what it found."""
    case = case_of(args, seed)
    out: dict[str, Any] = {"method": method, "seed": seed, "intents": args.intents}
    out["records MiB"] = _peak()
    begun = time.process_time()
    if method == "greedy":
        found = greedy(case, args.goals[0].split()[1])
        out["seconds"] = round(time.process_time() - begun, 2)
        if found is None:
            return {**out, "status": "no plan"}
        value = sum(priced.estimates[args.goals[0].split()[1]].value for priced in found[0].values())
        return {**out, "status": "plan", "value": round(value, 3), "broken": broken(case, *found)}
    if method == "plain":
        return {**out, **plain(case)}
    selection = choose(case.intents, case.options, case.fleet, Limits())
    out["seconds"] = round(time.process_time() - begun, 2)
    out["peak MiB"] = _peak()
    out["status"] = selection.status
    for row in selection.objective:
        out[f"{row.goal.rpartition(': ')[2]}"] = f"{row.value:.3f} >= {row.bound:.3f}, gap {100 * row.gap:.3f} %"
    if selection.chosen:
        out["broken"] = broken(case, selection.chosen, selection.placement)
        begun = time.process_time()
        out["audit holds"] = audit(case.intents, selection, case.fleet).holds
        out["audit seconds"] = round(time.process_time() - begun, 2)
    return out


def plain(case: Case) -> dict[str, Any]:
    """Solve the exact model on single machines, where it can be built; its plan is not placed."""
    begun = time.process_time()
    problem = pose(case.intents, contenders(case.intents, case.options), case.fleet)
    size = sum(1 + len(problem.shapes[option.shape].places) for row in problem.options for option in row)
    if size > MOST_PLAIN:
        return {"variables": size, "status": "too large to be built"}
    found = optimise(problem, rules_of(problem), Engine(Limits()))
    told = {row.goal: f"{row.value:.3f} >= {row.bound:.3f}, gap {100 * row.gap:.3f} %" for row in found.rows}
    seconds = round(time.process_time() - begun, 2)
    return {"variables": size, "status": found.status, "seconds": seconds, "peak MiB": _peak(), **told}


MOST_PLAIN = 1_000_000
"""Variables up to which the exact model is built: more of them take more memory than such a machine has."""


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Read the command line; run every case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--intents", type=int, default=1000)
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=40)
    parser.add_argument("--nodes-times", type=int, default=1)
    parser.add_argument("--load", type=float, default=0.75)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--method", nargs="+", default=["joint", "greedy", "plain"])
    parser.add_argument("--goals", nargs="+", default=["minimize cost"])
    parser.add_argument("--here", action="store_true", help="run in this process")
    args = parser.parse_args()
    for seed in args.seed:
        for method in args.method:
            if args.here:
                print(json.dumps(run(args, method, seed)))
                continue
            given = [
                sys.executable,
                __file__,
                "--here",
                "--method",
                method,
                "--seed",
                str(seed),
                "--goals",
                *args.goals,
            ]
            for name in ("intents", "candidates", "devices", "classes", "nodes_times", "load"):
                given += [f"--{name.replace('_', '-')}", str(getattr(args, name))]
            subprocess.run(given, check=True)


if __name__ == "__main__":
    main()
