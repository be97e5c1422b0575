"""On small random instances the solver equals a brute force over options and placements, in every respect."""

from __future__ import annotations

import math

import brute_force
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aios.check import audit
from aios.records.fleet import Fact
from aios.records.metrics import metric
from aios.records.units import Dimension, parse_quantity
from aios.solve import Limits, choose

RANDOM = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RANDOM
@given(data=st.data())
def test_equals_brute_force(make, data):
    intents, options, fleet = data.draw(make.instances())
    ordered = sorted(intents, key=lambda i: (-i.priority, i.name))
    selection = choose(intents, options, fleet, Limits())
    best = brute_force.best_plans(ordered, options, fleet)
    assert selection.status == ("optimal" if best else "infeasible")
    assert audit(intents, selection, fleet).holds
    if not best:
        return

    def size(priced):
        candidate, demand = priced.candidate, priced.demand
        return demand.cores * candidate.parts, demand.share * candidate.devices * candidate.parts, candidate.id

    expected = min(best, key=lambda plan: [size(priced) for priced in plan])
    assert [selection.chosen[i.name] for i in ordered] == list(expected)
    assert [selection.placement[i.name] for i in ordered] == next(brute_force.placements(fleet, expected))


@RANDOM
@given(data=st.data())
def test_order_of_input_never_matters(make, data):
    intents, options, fleet = data.draw(make.instances())
    other = data.draw(st.permutations(intents))
    shuffled = {name: data.draw(st.permutations(options[name])) for name in reversed(options)}
    one = choose(intents, options, fleet, Limits()).model_dump_json()
    assert choose(other, shuffled, fleet, Limits()).model_dump_json() == one


@RANDOM
@given(data=st.data())
def test_relaxing_never_worsens(make, data):
    intents, options, fleet = data.draw(make.instances())
    before = choose(intents, options, fleet, Limits())
    looser = [i.model_copy(update={"require": i.require[1:]}) for i in intents]
    after = choose(looser, options, fleet, Limits())
    if before.status != "optimal":
        return
    assert after.status == "optimal"
    first = lambda s: s.objective[0] if "unknown" not in s.objective[0].goal else None  # noqa: E731 - one use
    one, two = first(before), first(after)
    if (
        one is not None
        and two is not None
        and one.goal == two.goal
        and len(before.objective) == len(after.objective) == 1
    ):
        sign = -1 if "maximize" in one.goal else 1
        assert sign * two.value <= sign * one.value + 1e-9


@RANDOM
@given(data=st.data())
def test_conflict_is_minimal_and_relaxations_are_smallest(make, data):
    intents, options, fleet = data.draw(make.instances())
    conflict = choose(intents, options, fleet, Limits()).conflict
    if conflict is None:
        return
    capacities = {c.id for c in conflict.clauses if c.intent is None}
    bounds = {c.id for c in conflict.clauses if c.metric is not None}
    runs = {c.intent for c in conflict.clauses if c.intent is not None}

    def can_hold(left_out, runs):
        chosen = [
            i.model_copy(update={"require": tuple(r for r in i.require if f"{i.name}/{r.metric}" in bounds - left_out)})
            for i in intents
            if i.name in runs
        ]
        return next(brute_force.plans(chosen, options, fleet, kept=capacities - left_out), None) is not None

    if not runs:  # one intent alone cannot run, which is not said when it is plain
        runs = next({i.name} for i in intents if not can_hold(set(), {i.name}))
    assert not can_hold(set(), runs)
    assert all(can_hold({clause}, runs) for clause in capacities | bounds)
    assert all(can_hold(set(), runs - {name}) for name in runs)
    check_relaxations(intents, options, fleet, conflict)


@RANDOM
@given(data=st.data())
def test_what_a_relaxation_prints_is_enough(make, data):
    intents, options, fleet = data.draw(make.instances())
    conflict = choose(intents, options, fleet, Limits()).conflict
    for relaxation in conflict.relaxations if conflict else ():
        changed = apply_relaxation(make, intents, options, fleet, relaxation)
        assert choose(*changed, Limits()).status == "optimal"


def check_relaxations(intents, options, fleet, conflict):
    """Every relaxation of a requirement is the smallest that is enough; one that is absent would not be enough."""
    given = {r.clause: r for r in conflict.relaxations}
    for clause in conflict.clauses:
        if clause.metric is None:
            continue
        of = metric(clause.metric)
        index = next(k for k, i in enumerate(intents) if i.name == clause.intent)
        reached = []
        for plan in brute_force.plans(intents, options, fleet, (clause.intent, clause.metric)):
            found = plan[index].estimates[clause.metric]
            pessimistic = found.high if of.relation == "<=" else found.low
            reached.append(found.value if intents[index].risk == "expected" else pessimistic)
        assert (clause.id in given) == bool(reached)
        if reached:
            best = min(reached) if of.relation == "<=" else max(reached)
            assert given[clause.id].value == best
            told = parse_quantity(given[clause.id].to, of.dimension)
            assert told >= best if of.relation == "<=" else told <= best
            assert abs(told - best) <= 0.01 * abs(best)


def apply_relaxation(make, intents, options, fleet, relaxation):
    """Do what the relaxation's text says, and nothing else. On a larger cpu the same threads are a smaller share."""
    owner, _, what = relaxation.clause.partition("/")
    if owner != "capacity":
        bound = parse_quantity(relaxation.to, metric(what).dimension)
        return (
            [
                i.model_copy(
                    update={
                        "require": tuple(
                            r.model_copy(update={"bound": bound}) if (i.name, r.metric) == (owner, what) else r
                            for r in i.require
                        )
                    }
                )
                for i in intents
            ],
            options,
            fleet,
        )
    name, _, what = what.partition("/")
    needed = relaxation.to.partition(" instead of ")[0]
    types, nodes = dict(fleet.types), list(fleet.nodes)
    at = next(k for k, n in enumerate(nodes) if n.name == name)
    kind = what.partition("/")[0]
    if what == "cores":
        taken = nodes[at].used.cores if nodes[at].used else 0
        cores = math.ceil(int(needed.split()[0]) + taken)
        options = {name: [on_larger_cpu(p, nodes[at].cores / cores) for p in row] for name, row in options.items()}
        nodes[at] = nodes[at].model_copy(update={"cores": cores})
    elif what == "memory":
        nodes[at] = nodes[at].model_copy(update={"memory_bytes": parse_quantity(needed, Dimension.BYTES)})
    elif kind in (tier.name for tier in nodes[at].memory_tiers):
        larger = make.tier(kind, parse_quantity(needed, Dimension.BYTES) / make.GIB)
        nodes[at] = nodes[at].model_copy(update={"memory_tiers": (larger,)})
    elif what == f"{kind}/share":
        had = next(s.ids for s in nodes[at].devices if s.type == kind)
        ids = (*had, *(f"new{k}" for k in range(int(needed.split()[0]) - len(had))))
        slots = tuple(s.model_copy(update={"ids": ids}) if s.type == kind else s for s in nodes[at].devices)
        nodes[at] = nodes[at].model_copy(update={"devices": slots})
    else:
        fact = Fact(value=parse_quantity(needed, Dimension.BYTES), unit="B")
        types[kind] = types[kind].model_copy(update={"memory_bytes": fact})
    return list(intents), options, fleet.model_copy(update={"nodes": tuple(nodes), "types": types})


def on_larger_cpu(priced, ratio):
    if priced.candidate.device != "cpu":
        return priced
    demand = priced.demand.model_copy(update={"share": priced.demand.share * ratio})
    return priced.model_copy(update={"demand": demand})
