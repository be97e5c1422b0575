"""What rules of placement, power caps and budgets cost a plan: CPU seconds, value and gap, beside no rule at all.

python benchmarks/constraints.py [--services 12 30] [--racks 4] [--machines 12 100] [--rule plain rack node ...]
                                 [--load 0.5] [--seed 1 ...] [--alone] [--limit 60]

Services are those of ``joint.py``; the fleet has racks that are alike, each of machines of three kinds (``--alone``:
every machine is a node of its own in the fleet file). The rules, each of every service: ``rack``: at most half of the
replicas in a rack · ``node``: at most one on a machine · ``survive``: the loss of any machine · ``racks``: the loss of
any rack · ``two``: the loss of any two racks · ``apart``: neighbours in the list share no machine · ``together``: each
stands in racks where its neighbour does · ``cap``, ``budget``: power of the fleet and of machines, and of the plan, may
be what nothing could ever draw · ``tight``: the fleet may draw a fifth less than the plan without a cap does.
Every plan is recomputed by the checker.
"""

from __future__ import annotations

import argparse
import random  # noqa: TID251 -- seeded: which services and machines there are
import resource
from collections.abc import Mapping, Sequence
from typing import Any

from joint import GIB, WHERE, Case, devices_of, intent_of, options_of, services_of

from aios.check import audit
from aios.records.candidate import Priced
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Node, PowerCap
from aios.records.intent import Load
from aios.records.objective import Budget, Objective
from aios.records.where import Companion, PlacementRules, Spread, Survive
from aios.solve import Limits, choose

_KINDS = 3
_CANDIDATES = 60


def fleet_of(names: Sequence[tuple[str, float]], racks: int, machines: int, *, alone: bool) -> Fleet:
    """Return racks that are alike. names: device types with their memory · machines: in all racks"""
    nodes = []
    for rack in range(racks):
        here = machines // racks + (rack < machines % racks)
        for kind, (name, _) in enumerate(names):
            count = here // _KINDS + (kind < here % _KINDS)
            each = (1, 2, 4)[kind % 3]
            slot = DeviceSlot(type=name, ids=tuple(map(str, range(each))))
            common = {
                "cores": 16 * each, "memory_bytes": 64 * GIB * each, "devices": (slot,), "labels": {"rack": f"r{rack}"},
                "where": WHERE,
            }  # fmt: skip
            if alone:
                nodes += [Node(name=f"r{rack}-{name}-{k}", count=1, **common) for k in range(count)]
            elif count:
                nodes.append(Node(name=f"r{rack}-{name}", count=count, **common))
    types = {
        name: DeviceType(name=name, kind="gpu", memory_bytes=Fact(value=memory, unit="B")) for name, memory in names
    }
    return Fleet(name="made-up", nodes=tuple(nodes), types=types, digest="sha256:0", origin="made-up")


def case_of(args: argparse.Namespace, services: int, machines: int, seed: int) -> Case:
    """Return services, their ways to run, and the fleet."""
    draw = random.Random(seed)
    kinds = devices_of(draw, _KINDS)
    fleet = fleet_of([(kind.name, kind.memory) for kind in kinds], args.racks, machines, alone=args.alone)
    nodes = {kind.name: tuple(n.name for n in fleet.nodes if n.devices[0].type == kind.name) for kind in kinds}
    devices = sum(node.count * len(node.devices[0].ids) for node in fleet.nodes)
    wanted = services_of(draw, services, args.load * devices / services, kinds)
    options = {service.name: options_of(draw, service, kinds, nodes, _CANDIDATES) for service in wanted}
    intents = [
        intent_of(service, options[service.name], ["minimize cost"]).model_copy(
            update={"load": Load(rate_per_s=service.rate)}
        )
        for service in wanted
    ]
    return Case(intents, options, fleet)


_HALF = Spread(over="rack", share=0.5)
_ANY = Survive(losses=1)
ALIKE: Mapping[str, PlacementRules] = {
    "rack": PlacementRules(spread=(_HALF,)),
    "node": PlacementRules(spread=(Spread(over="node", most=1),)),
    "survive": PlacementRules(survive=_ANY),
    "racks": PlacementRules(survive=Survive(losses=1, of="rack")),
    "two": PlacementRules(survive=Survive(losses=2, of="rack")),
    "both": PlacementRules(spread=(_HALF,), survive=_ANY),
}
RULES = (*ALIKE, "apart", "together")
_BESIDE = ("plain", "cap", "budget", "tight")


def ruled(case: Case, rule: str) -> Case:
    """Return the case with every service under a rule."""
    if rule in _BESIDE:
        return case
    intents = [item.model_copy(update={"placement": _rules(case, rule, k)}) for k, item in enumerate(case.intents)]
    return case._replace(intents=intents)


def _rules(case: Case, rule: str, place: int) -> PlacementRules:
    if rule in ALIKE:
        return ALIKE[rule]
    neighbour = place ^ 1 if rule == "apart" else place - place % 2
    if neighbour in (place, len(case.intents)):
        return PlacementRules()
    name = case.intents[neighbour].name
    if rule == "apart":
        return PlacementRules(apart=(Companion(intent=name),))
    return PlacementRules(together=(Companion(intent=name, by="rack"),))


def run(case: Case, rule: str, limit: float, drawn: float) -> dict[str, Any]:
    """Plan under a rule; return what that took. drawn: power of the plan without one"""
    case, fleet, objective = ruled(case, rule), case.fleet, None
    if rule == "cap":
        nodes = tuple(node.model_copy(update={"power_cap_w": (1e6,)}) for node in fleet.nodes)
        fleet = fleet.model_copy(update={"nodes": nodes, "power_caps": (PowerCap(cap_w=(1e9,), where=WHERE),)})
    if rule == "tight":
        fleet = fleet.model_copy(update={"power_caps": (PowerCap(cap_w=(0.8 * drawn,), where=WHERE),)})
    if rule == "budget":
        budget = Budget(metric="power", bound=1e9, text="power <= 1 GW", where=WHERE)
        objective = Objective(name="made-up", budget=(budget,), where=WHERE)
    begun = _cpu()
    found = choose(case.intents, case.options, fleet, Limits(deterministic_limit=limit), objective)
    out: dict[str, Any] = {"rule": rule, "seconds": round(_cpu() - begun, 2), "status": found.status}
    for row in found.objective:
        out["value"], out["gap %"] = round(row.value, 3), round(100 * row.gap, 3)
    if found.chosen:
        out["checked"] = audit(case.intents, found, fleet, objective=objective).holds
        out["drawn"] = sum(_watts(priced) for priced in found.chosen.values())
    elif found.conflict is not None:
        out["conflict"] = [clause.id for clause in found.conflict.clauses][:4]
    return out


def _watts(priced: Priced) -> float:
    return priced.estimates["power"].high


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Print one line per size, seed and rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, nargs="+", default=[12, 30])
    parser.add_argument("--racks", type=int, default=4)
    parser.add_argument("--machines", type=int, nargs="+", default=[12, 100])
    parser.add_argument("--rule", nargs="+", choices=(*_BESIDE, *RULES), default=[*_BESIDE, *RULES])
    parser.add_argument("--load", type=float, default=0.5)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--limit", type=float, default=60.0, help="work allowed, as of `aios plan`")
    parser.add_argument("--alone", action="store_true", help="name every machine by itself")
    args = parser.parse_args()
    for services, machines, seed in zip_all(args.services, args.machines, args.seed):
        case = case_of(args, services, machines, seed)
        drawn = 0.0
        for rule in dict.fromkeys(["plain", *args.rule]):
            row = run(case, rule, args.limit, drawn)
            drawn = row.pop("drawn", 0.0) if rule == "plain" else drawn
            row.pop("drawn", None)
            print({"services": services, "machines": machines, "seed": seed, **row}, flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def zip_all(services: Sequence[int], machines: Sequence[int], seeds: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return services and machines pair by pair, each with every seed."""
    return [(s, m, seed) for s, m in zip(services, machines, strict=True) for seed in seeds]


if __name__ == "__main__":
    main()
