"""Planning again after one change: seconds of processor time, and what moves.

python benchmarks/replanning.py [--intents 1000] [--candidates 200] [--devices 10000] [--classes 40] [--load 0.75]
                                [--seed 1 ...] [--method keep anew]

The services and machines of ``joint.py`` are planned once; then one thing changes: nothing at all, a machine is lost, a
service is added, the rate of one doubles. Methods: ``keep`` plans with what stands, as `aios plan` does; ``anew`` plans
as if nothing stood, which says what the best plan without regard to moves would save, and how much it would move. What
stands where is added up by ``joint.broken``, what moves is counted here.
"""

from __future__ import annotations

import argparse
import random  # noqa: TID251 -- seeded: which machine is lost, which service doubles
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import joint
from many_services import Case, case_of

from aios.records.candidate import Estimate, Priced
from aios.records.current import Moving, Standing
from aios.records.selection import Placement, Selection
from aios.solve import Limits, choose

OUTAGE = Estimate(metric="disruption", value=60.0, low=10.0, high=300.0, unit="s", source="assumed", basis="made up")


class Change(NamedTuple):
    """A case after one change, and the services that it touches."""

    name: str
    case: Case
    touched: frozenset[str]


def changes_of(args: argparse.Namespace, case: Case, made: Selection, seed: int) -> list[Change]:
    """Return the changes that are tried."""
    draw = random.Random(seed)
    used = sorted({part.node for parts in made.placement.values() for part in parts})
    lost = draw.choice(used)
    on_lost = frozenset(name for name, parts in made.placement.items() if any(part.node == lost for part in parts))
    names = [intent.name for intent in case.intents]
    twice = draw.choice(names)
    added = case_of(argparse.Namespace(**{**vars(args), "intents": args.intents + 1}), seed)
    extra = added.intents[-1]
    return [
        Change("nothing", case, frozenset()),
        Change(f"{lost} lost", without(case, lost), on_lost),
        Change(
            "one service added",
            Case([*case.intents, extra], {**case.options, extra.name: added.options[extra.name]}, case.fleet),
            frozenset({extra.name}),
        ),
        Change(f"rate of {twice} doubled", doubled(case, twice), frozenset({twice})),
    ]


def without(case: Case, machine: str) -> Case:
    """Return the case without one machine: what it had is taken by something else."""
    name = machine.rpartition("-")[0]
    nodes = []
    for node in case.fleet.nodes:
        if node.name == machine:
            continue
        nodes.append(node.model_copy(update={"count": node.count - 1}) if node.name == name else node)
    return Case(case.intents, case.options, case.fleet.model_copy(update={"nodes": tuple(nodes)}))


def renumbered(placement: Mapping[str, Sequence[Placement]], machine: str) -> dict[str, tuple[Placement, ...]]:
    """Return the placement after a machine was lost: later ones of its class have a number less."""
    name, _, number = machine.rpartition("-")

    def told(part: Placement) -> Placement:
        node, _, own = part.node.rpartition("-")
        if node != name or int(own) < int(number):
            return part
        return part.model_copy(update={"node": f"{node}-{int(own) - 1}"})

    return {k: tuple(told(part) for part in parts if part.node != machine) for k, parts in placement.items()}


def doubled(case: Case, name: str) -> Case:
    """Return the case where a service needs twice the replicas of every way to run it."""

    def more(option: Priced) -> Priced:
        candidate = option.candidate.model_copy(update={"replicas": option.candidate.replicas * 2})
        figures = {
            metric: found.model_copy(update={k: 2 * getattr(found, k) for k in ("value", "low", "high")})
            if metric in ("cost", "power")
            else found
            for metric, found in option.estimates.items()
        }
        return option.model_copy(update={"candidate": candidate, "estimates": figures})

    return Case(case.intents, {**case.options, name: [more(option) for option in case.options[name]]}, case.fleet)


def moving_of(change: Change, made: Selection, placement: Mapping[str, tuple[Placement, ...]]) -> Moving:
    """Return what stands, against the options after the change."""
    standing = {}
    for name, options in change.case.options.items():
        if name in made.chosen:
            own = made.chosen[name].candidate.id
            outage = {option.candidate.id: OUTAGE for option in options}
            standing[name] = Standing(placement[name], own, frozenset({own}), outage)
    return Moving(standing)


def moved(before: Mapping[str, Sequence[Placement]], made: Selection, after: Selection) -> set[str]:
    """Return the services that stand elsewhere, or otherwise, than before."""
    found = set()
    for name, priced in made.chosen.items():
        now = after.chosen.get(name)
        if now is None:
            continue
        old, new = counted(before[name]), counted(after.placement[name])
        if now.candidate.id != priced.candidate.id or (old - new and new - old):
            found.add(name)
    return found


def counted(parts: Sequence[Placement]) -> Counter[tuple[str, tuple[str, ...]]]:
    """Return how many replicas stand where."""
    found: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for part in parts:
        found[part.node, part.devices] += part.replicas
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--intents", type=int, default=1000)
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--devices", type=int, default=10000)
    parser.add_argument("--classes", type=int, default=40)
    parser.add_argument("--load", type=float, default=0.75)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--method", nargs="+", default=["keep"], choices=["keep", "anew"])
    args = parser.parse_args()
    args.goals, args.nodes_times = ["minimize cost"], 1
    print(f"{'CHANGE':34} {'METHOD':6} {'CPU S':>7} {'STATUS':9} {'COST USD/H':>12} {'GAP':>8} {'HIT':>5} {'MOVED':>5}")
    for seed in args.seed:
        case = case_of(args, seed)
        made, seconds = timed(case, Moving())
        report("first plan", "anew", seconds, made, case, 0, 0)
        for change in changes_of(args, case, made, seed):
            lost = change.name.split()[0] if change.name.endswith(" lost") else None
            before = dict(made.placement) if lost is None else renumbered(made.placement, lost)
            for method in args.method:
                moving = moving_of(change, made, before) if method == "keep" else Moving()
                after, seconds = timed(change.case, moving)
                gone = moved(before, made, after) if after.chosen else set()
                report(change.name, method, seconds, after, change.case, len(change.touched), len(gone))


def timed(case: Case, moving: Moving) -> tuple[Selection, float]:
    """Return what was chosen, and the processor time that it took."""
    started = time.process_time()
    found = choose(case.intents, case.options, case.fleet, Limits(), None, moving)
    return found, time.process_time() - started


def report(name: str, method: str, seconds: float, made: Selection, case: Case, touched: int, gone: int) -> None:
    """Print one row; what is wrong with a plan ends all."""
    trouble = joint.broken(case, made.chosen, made.placement) if made.chosen else "no plan"
    row = made.objective[0] if made.objective else None
    cost, gap = (row.value * 3600, f"{100 * row.gap:.3f} %") if row else (0.0, "-")
    print(f"{name:34} {method:6} {seconds:7.2f} {made.status:9} {cost:12.2f} {gap:>8} {touched:5} {gone:5}", flush=True)
    if trouble:
        raise SystemExit(trouble)


if __name__ == "__main__":
    main()
