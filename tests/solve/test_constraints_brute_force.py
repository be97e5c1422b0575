"""With rules, caps and budgets the solver equals a brute force over options and placements."""

from __future__ import annotations

import ruled_instances
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aios.check import audit
from aios.records.base import Span
from aios.records.fleet import PowerCap
from aios.records.metrics import metric
from aios.records.objective import Objective
from aios.records.units import Dimension, parse_quantity
from aios.solve import Limits, choose

RANDOM = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def within(budgets):
    return Objective(name="o", budget=budgets, where=Span(file="o", line=1, column=1))


@RANDOM
@given(instance=ruled_instances.instances())
def test_equals_brute_force(instance):
    intents, options, fleet, budgets = instance
    found = choose(intents, options, fleet, Limits(), within(budgets))
    plans = list(ruled_instances.plans(intents, options, fleet, budgets))
    assert found.status == ("optimal" if plans else "infeasible")
    if not plans:
        return
    objective = within(budgets)
    assert audit(intents, found, fleet, objective=objective).holds
    chosen = tuple(found.chosen[intent.name] for intent in intents)
    assert chosen in plans
    placed = [found.placement[intent.name] for intent in intents]
    assert placed == next(ruled_instances.placements(intents, chosen, fleet))
    goals = [intent.goal[0].metric for intent in intents]
    if len(set(goals)) == 1:
        assert _cost(goals, chosen) <= min(_cost(goals, plan) for plan in plans) * (1 + 1e-9)


def _cost(goals, plan):
    """An unknown cost is worse than any known one."""
    found = [priced.estimates.get(goal) for goal, priced in zip(goals, plan, strict=True)]
    return sum(1e6 if estimate is None else estimate.value for estimate in found)


@RANDOM
@given(instance=ruled_instances.instances(), data=st.data())
def test_order_of_input_never_matters(instance, data):
    intents, options, fleet, budgets = instance
    one = choose(intents, options, fleet, Limits(), within(budgets)).model_dump_json()
    other = data.draw(st.permutations(intents))
    shuffled = {name: data.draw(st.permutations(options[name])) for name in reversed(options)}
    assert choose(other, shuffled, fleet, Limits(), within(budgets)).model_dump_json() == one


@RANDOM
@given(instance=ruled_instances.instances())
def test_a_conflict_is_minimal(instance):
    intents, options, fleet, budgets = instance
    conflict = choose(intents, options, fleet, Limits(), within(budgets)).conflict
    if conflict is None:
        return
    core = {clause.id for clause in conflict.clauses}
    running = {clause.intent for clause in conflict.clauses if clause.intent is not None}

    def can_hold(kept, names):
        planned = [intent for intent in intents if intent.name in names]
        return next(ruled_instances.plans(planned, options, fleet, budgets, kept), None) is not None

    alone = [{intent.name} for intent in intents if not can_hold(core, {intent.name})]
    assert not can_hold(core, running) or alone  # that a single intent runs is not told
    names = running if not can_hold(core, running) else alone[0]
    bounds = {clause.id for clause in conflict.clauses if not clause.id.endswith("/runs")}
    assert all(can_hold(core - {clause}, names) for clause in bounds)


@RANDOM
@given(instance=ruled_instances.instances())
def test_what_a_relaxation_says_is_enough(instance):
    intents, options, fleet, budgets = instance
    conflict = choose(intents, options, fleet, Limits(), within(budgets)).conflict
    for relaxation in conflict.relaxations if conflict else ():
        if "/power" in relaxation.clause or not relaxation.clause.startswith("capacity/"):
            changed = _relaxed(intents, fleet, budgets, relaxation)
            assert choose(changed[0], options, changed[1], Limits(), within(changed[2])).status == "optimal", relaxation


def _relaxed(intents, fleet, budgets, relaxation):
    """Do what a relaxation says, and nothing else."""
    owner, _, what = relaxation.clause.partition("/")
    if owner == "budget":
        bound = parse_quantity(relaxation.to, metric(what).dimension)
        return intents, fleet, tuple(b.model_copy(update={"bound": bound}) if b.metric == what else b for b in budgets)
    if owner == "capacity":
        watts = parse_quantity(relaxation.to.partition(" instead of ")[0], Dimension.POWER)
        return intents, _recapped(fleet, what, (watts,)), budgets
    changed = [
        intent.model_copy(update={"placement": _looser(intent.placement, what, relaxation)})
        if intent.name == owner
        else intent
        for intent in intents
    ]
    return changed, fleet, budgets


def _recapped(fleet, what, watts):
    """what: ``n/power``, ``power/fleet``, ``power/rack=r1`` or ``power/rack/r1``"""
    first, _, group = what.partition("/")
    if group == "power":
        nodes = [n.model_copy(update={"power_cap_w": watts}) if n.name == first else n for n in fleet.nodes]
        return fleet.model_copy(update={"nodes": tuple(nodes)})
    caps = []
    for cap in fleet.power_caps:
        if cap.by is None:
            own = ",".join(f"{key}={value}" for key, value in cap.labels.items()) or "fleet"
            caps.append(cap.model_copy(update={"cap_w": watts}) if own == group else cap)
        else:  # of one value of the label; the others keep theirs
            values = sorted({node.labels[cap.by] for node in fleet.nodes})
            eased = [(value, watts if f"{cap.by}/{value}" == group else cap.cap_w) for value in values]
            caps += [PowerCap(labels={cap.by: value}, cap_w=most) for value, most in eased]
    return fleet.model_copy(update={"power_caps": tuple(caps)})


def _looser(rules, what, relaxation):
    kind = what.partition("/")[0]
    if kind == "spread":
        (spread,) = rules.spread
        given = relaxation.to.partition(" instead of ")[0]
        if spread.share is None:
            return rules.model_copy(update={"spread": (spread.model_copy(update={"most": int(given)}),)})
        share = parse_quantity(given, Dimension.FRACTION)
        return rules.model_copy(update={"spread": (spread.model_copy(update={"share": share}),)})
    if kind == "survive":
        losses = int(relaxation.to.partition(" instead of ")[0])
        less = rules.survive.model_copy(update={"losses": losses}) if losses else None
        return rules.model_copy(update={"survive": less})
    return rules.model_copy(update={kind: ()})
