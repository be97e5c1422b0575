"""Pipelines on a large fleet: seconds, value, bound, gap and peak memory, placements recomputed.

python benchmarks/pipelines.py [--pipelines 20] [--stages 3] [--services 0] [--candidates 200] [--devices 1000]
                               [--classes 40] [--load 0.1] [--seed 1 ...]

Stages, services and fleet are made up as those of ``joint.py``; so many services in a row are the stages of one
pipeline. Machines stand in racks with a switch above them: data takes longer from rack to rack. The bound on the
latency of the whole leaves about a third of all ways to run its stages. What stands where, and how long the slowest
path takes, is added up here by nothing that the solver uses.
"""

from __future__ import annotations

import argparse
import random  # noqa: TID251 -- seeded: which pipelines there are
import resource
import time
from collections.abc import Mapping, Sequence

import joint

from aios.check import audit
from aios.records.candidate import Priced
from aios.records.fabric import Edge, Fabric
from aios.records.fleet import Fleet
from aios.records.intent import Intent, Pipeline, Requirement, Stage
from aios.records.joins import Joins
from aios.records.selection import Selection
from aios.solve import Limits, choose

PORT, SPINE = (1.25e9, 20e-6), (5e9, 30e-6)
"""Bandwidth (bytes/s) and latency (s) of a machine's port and of a rack's."""
RACK = 25


def network_of(fleet: Fleet) -> Joins:
    """Return machines in racks of ``RACK``, in fleet order, below one switch."""
    machines = [name for node in fleet.nodes for name in node.instances()]
    racks = range(-(-len(machines) // RACK))
    ports = [Edge(f"{name}#host", f"#rack-{place // RACK}", *PORT, None) for place, name in enumerate(machines)]
    spines = [Edge(f"#rack-{rack}", "#spine", *SPINE, None) for rack in racks]
    return Joins(Fabric(devices=(), edges=(*ports, *spines)), machines)


def seconds_between(fleet: Fleet, here: str, there: str, times: int, size: float) -> float:
    """Return how long data takes, written down again."""
    machines = [name for node in fleet.nodes for name in node.instances()]
    apart = machines.index(here) // RACK != machines.index(there) // RACK
    if here == there:
        return 0.0
    return times * (2 * PORT[1] + (2 * SPINE[1] if apart else 0.0)) + size / PORT[0]


def pipelined(case: joint.Case, pipelines: int, stages: int, draw: random.Random) -> joint.Case:
    """Make the first services of a case the stages of pipelines."""
    intents, options = list[Intent](), dict[str, Sequence[Priced]]()
    for number in range(pipelines):
        own = case.intents[number * stages : (number + 1) * stages]
        name = f"pipeline-{number:02d}"
        parts = [
            Stage(
                name=f"s{place}",
                after=(f"s{place - 1}",) if place else (),
                per=draw.choice((1, 1, 2, 4)) if place else 1,
                produces_bytes=draw.choice((1e4, 1e5, 1e6)),
                where=joint.WHERE,
            )
            for place in range(stages)
        ]
        middle = sum(
            part.per
            * sorted(o.estimates["latency.p99"].high for o in case.options[intent.name])[
                len(case.options[intent.name]) // 3
            ]
            for part, intent in zip(parts, own, strict=True)
        )
        bound = Requirement(metric="latency.p99", bound=middle, text="latency.p99", where=joint.WHERE)
        whole = Pipeline(name=name, stages=tuple(parts), require=(bound,), where=joint.WHERE)
        for part, intent in zip(parts, own, strict=True):
            called = whole.called(part)
            intents.append(intent.model_copy(update={"name": called, "require": (), "pipeline": whole}))
            options[called] = [
                o.model_copy(update={"candidate": o.candidate.model_copy(update={"intent": called})})
                for o in case.options[intent.name]
            ]
    rest = case.intents[pipelines * stages :]
    return joint.Case([*intents, *rest], {**options, **{i.name: case.options[i.name] for i in rest}}, case.fleet)


def too_slow(case: joint.Case, found: Selection) -> str | None:
    """Say which pipeline is slower than it may be."""
    of: Mapping[str, Pipeline] = {i.pipeline.name: i.pipeline for i in case.intents if i.pipeline is not None}
    for whole in of.values():
        done = 0.0
        for before, part in zip((None, *whole.stages), whole.stages, strict=False):
            called = whole.called(part)
            if before is not None:
                done += max(
                    seconds_between(
                        case.fleet, a.node, b.node, max(before.per, part.per), before.per * (before.produces_bytes or 0)
                    )
                    for a in found.placement[whole.called(before)]
                    for b in found.placement[called]
                )
            done += part.per * found.chosen[called].estimates["latency.p99"].high
        if done > whole.require[0].bound * (1 + 1e-8):
            return f"{whole.name} takes {done:g} s of {whole.require[0].bound:g} s"
    return None


def run(args: argparse.Namespace, seed: int) -> None:
    """Plan one case and print what came of it."""
    args.intents = args.pipelines * args.stages + args.services
    case = pipelined(joint.case_of(args, seed), args.pipelines, args.stages, random.Random(seed))
    joins = network_of(case.fleet)
    before = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.monotonic()
    found = choose(case.intents, case.options, case.fleet, Limits(), joins=joins)
    wall = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told = f"seed {seed}: {found.status}, {cpu:.1f} s of processor, {wall:.1f} s, {after.ru_maxrss / 1024:.0f} MiB"
    if not found.chosen:
        print(told, "conflict: " + "; ".join(c.text for c in found.conflict.clauses) if found.conflict else "")
        return
    row = found.objective[0]
    plain = joint.Case([i for i in case.intents if i.pipeline is None], case.options, case.fleet)
    wrong = too_slow(case, found) or joint.broken(plain, found.chosen, found.placement)
    ledger = audit(case.intents, found, case.fleet, joins=joins)
    held = ledger.holds or [(r.clause.id, r.value, r.slack) for r in ledger.rows if not r.holds][:5]
    figures = f"{row.goal} {row.value:.6g}, bound {row.bound:.6g}, gap {100 * row.gap:.3f} %"
    print(f"{told}: {figures}, {wrong or 'kept'}, audit {held}")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("pipelines", 20), ("stages", 3), ("services", 0), ("candidates", 200), ("devices", 1000)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--classes", type=int, default=40)
    parser.add_argument("--load", type=float, default=0.1)
    parser.add_argument("--seed", type=int, nargs="*", default=[1])
    args = parser.parse_args()
    args.goals, args.nodes_times = ["minimize cost"], 1
    for seed in args.seed:
        run(args, seed)


if __name__ == "__main__":
    main()
