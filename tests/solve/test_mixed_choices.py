"""Services and stated demands are chosen for as one: against trying everything, and by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest
from build_instances import fleet, intent, option
from mixed_choices import best_mix, in_order, random_mix, what_is_left
from stated_demands import WHERE, best_on, demand, machine, wishes

from aios.candidates import sites_of
from aios.check import audit
from aios.records.objective import Budget
from aios.solve import Limits, choose_together


def chosen(intents, options, demands, place, objective=None):
    """Choose, and have it checked."""
    sites = sites_of(demands, place).sites
    found = choose_together(intents, options, demands, sites, objective, place, Limits())
    broken = [row.clause.text for row in audit(intents, found, place, demands, objective).rows if not row.holds]
    assert not broken
    return found


@pytest.mark.parametrize("seed", range(60))
def test_as_good_as_trying_everything(seed):
    intents, options, demands, place, goals = random_mix(seed)
    found = chosen(intents, options, demands, place, wishes(*goals) if goals else None)
    order = in_order(goals, intents, demands)
    best = best_mix(intents, options, demands, place, order)
    if best is None:
        assert found.status == "infeasible"
        assert found.conflict.clauses
        return
    assert found.status == "optimal"
    assert all(row.gap == 0 for row in found.objective)
    rows = {row.goal: row.value for row in found.objective}
    values = [rows.get(text, 0.0) * (-1 if text.startswith("minimize") else 1) for text in order]
    assert values == pytest.approx([float(value) for value in best], abs=1e-6)


def fair_copies(intents, options, demands, place):
    """Return the copies of each demand that may be refused, by trying every level on all that services may leave."""
    wanted = {item.name: item.copies for item in demands if not item.required}
    weights = {item.name: max(item.priority, 1) for item in demands}
    lefts = list(what_is_left(intents, options, place))

    def fits(copies, *, everybody=False):
        due = [
            item.model_copy(update={"required": True, "copies": copies.get(item.name, item.copies)}) for item in demands
        ]
        due = [item for item in due if item.copies]
        own = (left for running, left in lefts if not everybody or running == len(intents))
        return any(best_on(machines, due, place, ()) is not None for left in own for machines in left)

    ones = dict.fromkeys(wanted, 1)
    copies, everybody = (ones, True) if fits(ones, everybody=True) else (ones, False)
    if not fits(copies):
        copies = dict.fromkeys(wanted, 0)
    last = min(Fraction(wanted[name], weights[name]) for name in wanted)
    steps = sorted({Fraction(n, weights[name]) for name in wanted for n in range(1, wanted[name] + 1)})
    for level in (step for step in steps if step <= last):
        risen = {name: max(copies[name], int(level * weights[name])) for name in wanted}
        if fits(risen, everybody=everybody):
            copies = risen
    return copies


@pytest.mark.parametrize("seed", range(40))
def test_a_fair_share_is_as_high_as_any_place_of_the_services_allows(seed):
    intents, options, demands, place, _ = random_mix(seed)
    if all(item.required for item in demands):
        return
    objective = wishes().model_copy(update={"policy": "fair-share"})
    found = chosen(intents, options, demands, place, objective)
    if found.status == "infeasible":
        assert best_mix(intents, options, demands, place, []) is None
        return
    stands = {item.name: item.copies - found.refused.get(item.name, 0) for item in demands if not item.required}
    assert stands == fair_copies(intents, options, demands, place)
    assert found.status == "optimal"


def service(name="svc", **more):
    """Runs on a card of either node, and draws less on the first."""
    options = [
        option(f"{name}/{where}", {"power": watts}, device="gpu", nodes=(where,), share=1.0, cores=1)
        for where, watts in (("n", 1.0), ("m", 2.0))
    ]
    return intent(name, **more), options


def two(gpus=2, other=1):
    return fleet(machine("n", gpus, cores=8, gib=16), machine("m", other, cores=8, gib=16))


def test_a_service_makes_room_for_a_demand_that_must_stand():
    one, options = service()
    must = demand("must", devices=2)
    found = chosen([one], {"svc": options}, [must], two())
    assert found.status == "optimal"
    assert found.placement["must"][0].node == "n"
    assert found.placement["svc"][0].node == "m"
    assert [(row.goal, row.value) for row in found.objective] == [("minimize power", 2.0)]


def test_a_goal_that_is_written_first_comes_before_a_copy():
    one, options = service()
    may = demand("may", devices=2, required=False)
    assert chosen([one], {"svc": options}, [may], two()).refused == {}
    found = chosen([one], {"svc": options}, [may], two(), wishes("minimize power", "maximize admitted"))
    assert found.refused == {"may": 1}
    assert [(row.goal, row.value, row.gap) for row in found.objective] == [
        ("minimize power", 1.0, 0.0),
        ("maximize admitted", 0.0, 0.0),
    ]


def test_a_conflict_is_of_services_and_demands():
    one, options = service()
    found = chosen([one], {"svc": options}, [demand("must", devices=1, copies=3), demand("idle", cores=1)], two())
    assert found.status == "infeasible"
    names = {clause.id for clause in found.conflict.clauses}
    assert {"svc/runs", "must/stands"} <= names
    assert not {name for name in names if name.startswith("idle/")}
    assert {item.clause: item.to for item in found.conflict.relaxations}["must/stands"] == "2 copies instead of 3"


def test_a_budget_of_the_plan_holds_beside_demands():
    one, options = service()
    tight = wishes(budget=(Budget(metric="power", bound=1.5, text="power <= 1.5 W", where=WHERE),))
    found = chosen([one], {"svc": options}, [demand("must", devices=2)], two(), tight)
    assert found.status == "infeasible"
    assert "budget/power" in {clause.id for clause in found.conflict.clauses}


@pytest.mark.parametrize("policy", ["fair-share", "max-min"])
def test_nobody_starves_beside_a_service(policy):
    """The service would rather stand where the light demand must."""
    one, options = service()
    light = demand("light", devices=1, copies=5, required=False, pin={"node": ["n"]})
    heavy = demand("heavy", devices=1, copies=5, required=False, priority=9)
    objective = wishes("maximize admitted").model_copy(update={"policy": policy})
    found = chosen([one], {"svc": options}, [light, heavy], two(), objective)
    assert {item.name: 5 - found.refused.get(item.name, 0) for item in (light, heavy)} == {"light": 1, "heavy": 1}
    assert [row.goal for row in found.objective[:2]] == [f"maximize {policy}", "maximize admitted"]
    assert found.status == "optimal"


def test_shares_of_a_device_are_not_shared_with_a_service():
    half = [option("svc/0", {"power": 1.0}, device="gpu", nodes=("n",), share=0.5)]
    part = demand("part", devices=1, share=0.5, copies=4, required=False)
    found = chosen([intent("svc")], {"svc": half}, [part], two(2, 0))
    assert found.refused == {"part": 2}
    theirs = found.placement["svc"][0].model_copy(update={"replicas": 1})
    (own,) = found.placement["part"]
    on_it = own.model_copy(update={"devices": theirs.devices, "replicas": 1})
    rest = own.model_copy(update={"replicas": 1})
    placement = {**found.placement, "part": (rest, on_it)}
    rows = audit([intent("svc")], found.model_copy(update={"placement": placement}), two(2, 0), [part]).rows
    assert [row.clause.id for row in rows if not row.holds] == ["demands/unshared"]


def test_many_stand_by_turns_within_a_bound_of_both():
    """Services first would take the only cards that the demand may have: it must stand, so it comes first."""
    place = fleet(*(machine(f"{kind}", 8, cores=64, gib=256).model_copy(update={"count": 40}) for kind in ("n", "m")))
    pairs = [service(f"s{index:02}") for index in range(60)]
    intents, options = [one for one, _ in pairs], {one.name: own for one, own in pairs}
    must = demand("must", devices=8, cores=1.0, copies=36, pin={"node": ["n"]})
    may = demand("may", devices=1, share=0.5, copies=900, required=False)
    found = chosen(intents, options, [must, may], place)
    assert found.status in ("optimal", "feasible")
    assert found.objective[0].goal == "maximize admitted"
    free = 2 * (640 - 60 - 36 * 8)
    assert found.objective[0].bound <= min(900, free)
    assert found.objective[0].value >= 0.95 * min(900, free)
    assert chosen(intents[::-1], options, [may, must], place) == found
