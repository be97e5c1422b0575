"""Says why nothing fits for a fleet of many intents: CPU seconds, size of the conflict, and whether it is minimal.

    python benchmarks/explaining.py [--intents 200] [--classes 40] [--seed 1] [--case short ...] [--verify]

Fleets and intents are drawn: machines of each class hold devices of one of a dozen types; every option of an intent
takes a number of replicas on one type. The cases: ``short``: each intent fits alone, and all devices together are too
few · ``impossible``: one intent asks for what no option reaches · ``alone``: one intent needs more of a device type
than there is · ``group``: some intents may only use one class, which is too small · ``memory``: as short, of memory.
"""

from __future__ import annotations

import argparse
import random  # noqa: TID251 -- a benchmark draws its cases from a seed it is given
import resource
import time
from collections.abc import Iterator
from typing import Any

from aios.records.base import Span
from aios.records.candidate import Candidate, Demand, Estimate, Priced
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Node
from aios.records.intent import Goal, Intent, ModelChoice, Requirement
from aios.records.selection import Conflict
from aios.solve import Limits
from aios.solve.explain import explain, minimal
from aios.solve.problem import pose

CASES = ("short", "impossible", "alone", "group", "memory")
GIB = 2.0**30
_TYPES = 12


def fleet_of(classes: int, draw: random.Random) -> Fleet:
    """Return a fleet of so many classes of machines, a few hundred devices in all."""
    nodes = []
    for number in range(classes):
        devices = draw.choice((1, 2, 4, 8))
        slot = DeviceSlot(type=f"gpu{number % _TYPES}", ids=tuple(map(str, range(devices))))
        nodes.append(
            Node(
                name=f"class{number:02}",
                count=draw.choice((1, 2, 3, 4)),
                cores=16 * devices,
                memory_bytes=64 * GIB * devices,
                devices=(slot,),
                where=Span(file="fleet.yaml", line=5 + number, column=5),
            )
        )
    types = {
        f"gpu{k}": DeviceType(name=f"gpu{k}", kind="gpu", memory_bytes=Fact(value=(16 + 16 * (k % 3)) * GIB, unit="B"))
        for k in range(_TYPES)
    }
    return Fleet(name="drawn", nodes=tuple(nodes), types=types, digest="sha256:0", origin="drawn")


def intent_of(number: int, require: dict[str, float]) -> Intent:
    """Return an intent with these bounds."""
    file = f"intents/{number:03}.yaml"
    where = Span(file=file, line=3, column=9)
    bounds = [
        Requirement(metric=name, bound=bound, text=f"{name} {bound:g}", where=Span(file=file, line=9 + k, column=5))
        for k, (name, bound) in enumerate(require.items())
    ]
    return Intent(
        name=f"i{number:03}",
        task="task",
        models=(ModelChoice(name="m", path="m.onnx", where=where),),
        require=tuple(bounds),
        goal=(Goal(direction="minimize", metric="power"),),
        where=where,
    )


def options_of(name: str, fleet: Fleet, draw: random.Random, scale: float, least: int) -> list[Priced]:
    """Return the options of an intent on half of the device types.

    scale: of the shares that replicas take · least: how many replicas at least; three and more are hungry for memory
    """
    found = []
    hungry = least > 2
    for kind in draw.sample(sorted(fleet.types), 6):
        nodes = tuple(node.name for node in fleet.nodes if node.devices[0].type == kind)
        quick = draw.uniform(0.5, 2.0)
        share = min(1.0, scale * draw.choice((0.25, 0.5, 0.5, 1.0)))
        for replicas in (least, least + 1, least + 2):
            for batch in (1, 8):
                latency = 0.02 * (1 + batch / 8) / quick / replicas**0.5
                values = {"latency.p99": latency, "accuracy.top1": 0.9, "power": 50 * replicas / quick * share}
                found.append(
                    Priced(
                        candidate=Candidate(
                            id=f"{name}/m/{kind}/fp16/b{batch}/r{replicas}",
                            intent=name,
                            model="m",
                            model_digest="sha256:0",
                            device=kind,
                            nodes=nodes,
                            executor="dryrun",
                            precision="fp16",
                            batch=batch,
                            replicas=replicas,
                        ),
                        estimates={key: _estimate(key, value) for key, value in values.items()},
                        demand=Demand(
                            share=share / 4 if hungry else share,
                            cores=draw.choice((1, 2)),
                            device_memory_bytes=(4 + 0.5 * batch) * GIB,
                            node_memory_bytes=(48 if hungry else 4) * GIB,
                        ),
                    )
                )
    return found


def _estimate(name: str, value: float) -> Estimate:
    unit = {"latency.p99": "s", "accuracy.top1": "1", "power": "W"}[name]
    return Estimate(metric=name, value=value, low=value, high=value, unit=unit, source="analytic", basis="drawn")


def case_of(case: str, intents: int, classes: int, seed: int) -> tuple[list[Intent], dict[str, list[Priced]], Fleet]:
    """Return the intents, options and fleet of a case."""
    draw = random.Random(f"{case} {seed}")
    fleet = fleet_of(classes, draw)
    devices = sum(node.count * len(node.devices[0].ids) for node in fleet.nodes)
    # Whole devices, two for each intent, are a little more than there are; so is the memory of three hungry replicas.
    scale, least = {"short": (4.0, 2), "memory": (1.0, 3)}.get(case, (0.3 * min(1.8 * devices / intents, 1.0), 1))
    asked = [intent_of(k, {"latency.p99": 0.05, "accuracy.top1": 0.85}) for k in range(intents)]
    options = {i.name: options_of(i.name, fleet, draw, scale, least) for i in asked}
    if case == "impossible":
        asked[intents // 2] = intent_of(intents // 2, {"latency.p99": 0.05, "accuracy.top1": 0.95})
    if case == "alone":
        name = asked[intents // 2].name
        options[name] = [_replicated(row, 5000) for row in options[name]]
    if case == "group":
        _gather(options, fleet, [intent.name for intent in asked[:: max(1, intents // 30)]])
    return asked, options, fleet


def _replicated(row: Priced, replicas: int) -> Priced:
    return row.model_copy(update={"candidate": row.candidate.model_copy(update={"replicas": replicas})})


def _gather(options: dict[str, list[Priced]], fleet: Fleet, names: list[str]) -> None:
    """Let these intents run on the first class alone, and take a whole device each."""
    home = fleet.nodes[0]
    for name in names:
        options[name] = [
            row.model_copy(
                update={
                    "candidate": row.candidate.model_copy(
                        update={"device": home.devices[0].type, "nodes": (home.name,)}
                    ),
                    "demand": row.demand.model_copy(update={"share": 1.0}),
                }
            )
            for row in options[name]
        ]


def cases(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Explain each case; yield what it took."""
    for case in arguments.case or CASES:
        given = case_of(case, arguments.intents, arguments.classes, arguments.seed)
        began = time.process_time()
        conflict = explain(pose(*given), Limits())
        row: dict[str, Any] = {"case": case, "cpu_s": round(time.process_time() - began, 2), **_size(conflict)}
        if arguments.verify:
            row["minimal"] = minimal(pose(*given), {clause.id for clause in conflict.clauses}, Limits())
        yield row


def _size(conflict: Conflict) -> dict[str, int]:
    return {"clauses": len(conflict.clauses), "relaxations": len(conflict.relaxations), "notes": len(conflict.notes)}


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--intents", type=int, default=200)
    parser.add_argument("--classes", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", nargs="*", choices=CASES)
    parser.add_argument("--verify", action="store_true", help="solve again without each clause of the conflict")
    for row in cases(parser.parse_args()):
        print(row, flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
