"""Random small problems with rules between replicas, intents and machines, and all that keeps them, by exhaustion."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence

import brute_force
import build_instances as make
from hypothesis import strategies as st

from aios.records.base import Span
from aios.records.candidate import Priced
from aios.records.fleet import Fleet, PowerCap
from aios.records.intent import Intent, Load
from aios.records.objective import Budget
from aios.records.selection import Placement
from aios.records.where import Companion, PlacementRules, Spread, Survive

WHERE = Span(file="objective.yaml", line=6, column=5)
RACKS = {"n": "r1", "m": "r2"}
DOMAINS = st.sampled_from(["node", "rack", "region"])


@st.composite
def instances(draw: st.DrawFn) -> tuple[list[Intent], dict[str, list[Priced]], Fleet, tuple[Budget, ...]]:
    nodes = [
        make.node(
            name,
            {"t4": draw(st.integers(1, 2))},
            count=draw(st.integers(1, 2)),
            cores=8,
            labels={"rack": rack},
            region=draw(st.sampled_from(["north", "south"])),
            power_cap_w=draw(st.sampled_from([(), (), (10.0,), (16.0, *[25.0] * 23)])),
        )
        for name, rack in draw(st.sampled_from([RACKS, RACKS, {"n": "r1", "m": "r1"}])).items()
    ]
    caps = draw(st.lists(st.sampled_from(CAPS), max_size=2, unique_by=lambda cap: (cap.by, tuple(cap.labels))))
    fleet = make.fleet(*nodes).model_copy(update={"power_caps": tuple(caps)})
    intents, options = [], {}
    names = draw(st.sampled_from([("a",), ("a", "b"), ("a", "b")]))
    for name in names:
        load = draw(st.sampled_from([None, Load(rate_per_s=10.0)]))
        rules = draw(_rules(name, names))
        goals = draw(st.sampled_from([("minimize power",), ("minimize cost",)]))
        intents.append(make.intent(name, goals=goals, load=load, placement=rules))
        options[name] = [draw(_option(f"{name}/{k}")) for k in range(draw(st.integers(1, 3)))]
    return intents, options, fleet, draw(st.sampled_from(BUDGETS))


CAPS = [
    PowerCap(cap_w=(30.0,)),
    PowerCap(by="rack", cap_w=(12.0,)),
    PowerCap(labels={"rack": "r1"}, cap_w=(20.0, *[9.0] * 23)),
]
BUDGETS = [
    (),
    (),
    (Budget(metric="power", bound=20.0, text="power <= 20 W", where=WHERE),),
    (Budget(metric="cost", bound=5.0, text="cost <= 18000 USD/h", where=WHERE),),
]


@st.composite
def _rules(draw: st.DrawFn, name: str, names: Sequence[str]) -> PlacementRules:
    others = [other for other in names if other != name]
    beside = st.builds(Companion, intent=st.sampled_from([*others, name]), by=DOMAINS)
    companion = st.builds(Companion, intent=st.sampled_from(others), by=DOMAINS) if others else st.nothing()
    spread = st.builds(Spread, over=DOMAINS, most=st.integers(1, 2))
    spread |= st.builds(Spread, over=DOMAINS, share=st.sampled_from([0.34, 0.5, 2 / 3]))
    kinds = draw(
        st.sets(st.sampled_from(["spread", "apart", "survive", *(["together"] if others else [])]), max_size=2)
    )
    return PlacementRules(
        spread=(draw(spread),) if "spread" in kinds else (),
        together=(draw(companion),) if "together" in kinds else (),
        apart=(draw(beside),) if "apart" in kinds else (),
        survive=draw(st.builds(Survive, losses=st.integers(1, 2), of=DOMAINS)) if "survive" in kinds else None,
    )


@st.composite
def _option(draw: st.DrawFn, id: str) -> Priced:
    values: dict[str, float | tuple[float, float, float]] = {}
    for metric in ("power", "cost"):
        if draw(st.integers(0, 9)) > 0:
            value = draw(st.sampled_from([3.0, 10.0, 10.0 / 3, 20.0]))
            values[metric] = (value / 2, value, value * draw(st.sampled_from([1.0, 1.2])))
    values["throughput"] = draw(st.sampled_from([8.0, 15.0, 20.0, 40.0]))
    return make.option(
        id,
        values,
        device="t4",
        nodes=draw(st.sampled_from([("n", "m"), ("m", "n"), ("n",)])),
        replicas=draw(st.integers(1, 3)),
        share=draw(st.sampled_from([0.5, 1.0])),
        cores=draw(st.integers(0, 3)),
    )


def placements(
    intents: Sequence[Intent], chosen: Sequence[Priced], fleet: Fleet, kept: Container[str] | None = None
) -> Iterator[list[tuple[Placement, ...]]]:
    """Yield every placement that fits and keeps all rules and caps, the first in order first.

    kept: ids of the clauses that are to hold; all by default
    """
    for placed in brute_force.placements(fleet, chosen, kept):
        rows = (*_kept(intents, chosen, placed, fleet), *_capped(chosen, placed, fleet))
        if all(holds or (kept is not None and clause not in kept) for clause, holds in rows):
            yield placed


def plans(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    budgets: Sequence[Budget],
    kept: Container[str] | None = None,
) -> Iterator[tuple[Priced, ...]]:
    """Yield every choice that keeps the budgets and can be placed. kept: as of ``placements``"""
    asked = [budget for budget in budgets if kept is None or f"budget/{budget.metric}" in kept]
    for chosen in itertools.product(*(options[intent.name] for intent in intents)):
        within = all(_within(budget, chosen) for budget in asked)
        if within and next(placements(intents, chosen, fleet, kept), None) is not None:
            yield chosen


def _within(budget: Budget, chosen: Sequence[Priced]) -> bool:
    found = [priced.estimates.get(budget.metric) for priced in chosen]
    return None not in found and sum(estimate.high for estimate in found if estimate) <= budget.bound * (1 + 1e-8)


def _domains(placed: Sequence[Placement], fleet: Fleet, over: str) -> Counter[str]:
    nodes = {instance: node for node in fleet.nodes for instance in node.instances()}
    found: Counter[str] = Counter()
    for part in placed:
        node = nodes[part.node]
        found[{"node": part.node, "region": str(node.region)}.get(over) or node.labels[over]] += part.replicas
    return found


def _kept(
    intents: Sequence[Intent], chosen: Sequence[Priced], placed: Sequence[Sequence[Placement]], fleet: Fleet
) -> Iterator[tuple[str, bool]]:
    """Yield the id of each rule, and whether it is kept; one about an intent that is not there is."""
    by_name = {intent.name: parts for intent, parts in zip(intents, placed, strict=True)}
    for intent, priced, parts in zip(intents, chosen, placed, strict=True):
        rules, replicas, name = intent.placement, priced.candidate.replicas, intent.name
        for spread in rules.spread:
            most = spread.most if spread.share is None else spread.share * replicas + 1e-9
            yield f"{name}/spread/{spread.over}", max(_domains(parts, fleet, spread.over).values()) <= most
        for field in ("together", "apart"):
            for other in getattr(rules, field):
                if other.intent in by_name:
                    own, theirs = (_domains(found, fleet, other.by) for found in (parts, by_name[other.intent]))
                    beside = own.keys() <= theirs.keys()
                    apart = max(own.values()) == 1 if other.intent == name else not own.keys() & theirs.keys()
                    yield f"{name}/{field}/{other.intent}/{other.by}", beside if field == "together" else apart
        if rules.survive:
            domains = _domains(parts, fleet, rules.survive.of)
            worst = max(
                sum(domains[domain] for domain in lost)
                for lost in itertools.combinations(domains, min(rules.survive.losses, len(domains)))
            )
            left = (replicas - worst) / replicas
            sustained = left * priced.estimates["throughput"].low >= 10 * (1 - 1e-9)
            yield f"{name}/survive", left > 0 if intent.load is None else sustained


def _capped(
    chosen: Sequence[Priced], placed: Sequence[Sequence[Placement]], fleet: Fleet
) -> Iterator[tuple[str, bool]]:
    """Yield the id of each power cap, and whether it is kept."""
    nodes = {instance: node for node in fleet.nodes for instance in node.instances()}

    def within(machines: Sequence[str], watts: Sequence[float]) -> bool:
        total = 0.0
        for priced, parts in zip(chosen, placed, strict=True):
            here = sum(part.replicas for part in parts if part.node in machines)
            power = priced.estimates.get("power")
            total += here * (power.high / priced.candidate.parts if power else float("inf")) if here else 0.0
        return total <= min(watts) * (1 + 1e-8)

    for instance, node in nodes.items():
        if node.power_cap_w:
            yield f"capacity/{node.name}/power", within([instance], node.power_cap_w)
    for cap in fleet.power_caps:
        for rack in ("r1", "r2"):
            if cap.by == "rack" or cap.labels == {"rack": rack}:
                machines = [instance for instance, node in nodes.items() if node.labels["rack"] == rack]
                yield f"capacity/power/rack{'/' if cap.by else '='}{rack}", within(machines, cap.cap_w)
        if cap.by is None and not cap.labels:
            yield "capacity/power/fleet", within(list(nodes), cap.cap_w)
