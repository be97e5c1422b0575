"""Intents that may be refused, and goals of the whole plan: by hand and by trying everything."""

from __future__ import annotations

import itertools
import random  # noqa: TID251 -- seeded: which cases are made up

import pytest
from build_instances import fleet, intent, node, option
from stated_demands import demand, wishes

from aios.candidates import sites_of
from aios.check import audit
from aios.records.intent import Training
from aios.records.selection import Selection
from aios.solve import Limits, choose, choose_together

PLACE = fleet(node(cores=4))


def optional(name, cores=2, watts=3.0, **more):
    options = more.pop("options", None) or [option(f"{name}/1", {"power": watts}, cores=cores)]
    return intent(name, required=False, **more), options


def chosen(*pairs, place=PLACE, objective=None):
    """Choose, and have it checked."""
    intents, options = [item for item, _ in pairs], {item.name: own for item, own in pairs}
    found = choose(intents, options, place, Limits(), objective)
    broken = [row.clause.text for row in audit(intents, found, place, (), objective).rows if not row.holds]
    assert not broken
    return found


def rows(selection: Selection) -> dict[str, float]:
    return {row.goal: row.value for row in selection.objective}


def test_what_fits_is_admitted_though_refusing_would_draw_less():
    found = chosen(optional("a"), optional("b", watts=9.0))
    assert (sorted(found.chosen), found.refused) == (["a", "b"], {})
    assert rows(found) == {"maximize admitted": 2.0, "minimize power": 12.0}
    assert found.status == "optimal"


def test_what_must_run_comes_first_and_weights_decide_about_the_rest():
    must = (intent("must"), [option("must/1", {"power": 1.0}, cores=2)])
    found = chosen(must, optional("a", priority=1), optional("b", priority=5))
    assert (sorted(found.chosen), found.refused) == (["b", "must"], {"a": 1})
    assert found.placement.keys() == found.chosen.keys()
    assert rows(found)["maximize admitted"] == 5.0


def test_two_light_ones_outweigh_a_heavier_one_but_not_under_the_policy_of_priority():
    given = (optional("x", cores=4, priority=3), optional("y", priority=2), optional("z", priority=2))
    assert chosen(*given).refused == {"x": 1}
    assert chosen(*given, objective=wishes(policy="priority")).refused == {"y": 1, "z": 1}


def test_an_intent_without_any_option_is_refused_if_it_may_be():
    found = chosen((intent("a", required=False), []), optional("b"))
    assert (sorted(found.chosen), found.refused) == (["b"], {"a": 1})
    kept = intent("c", {"latency.p99": 0.01}, required=False)
    slow = option("c/1", {"latency.p99": 0.02, "power": 1.0}, cores=1)
    assert chosen((kept, [slow])).refused == {"c": 1}


def test_a_conflict_is_about_what_must_run():
    must = (intent("must"), [option("must/1", {"power": 1.0}, cores=8)])
    found = chosen(must, optional("a"))
    assert found.status == "infeasible"
    assert {clause.intent for clause in found.conflict.clauses} <= {"must", None}


def test_goals_of_the_plan_come_before_those_of_intents():
    """Each intent alone would draw little; the plan as a whole is to be cheap."""

    def both(name):
        return [
            option(f"{name}/dear", {"power": 1.0, "cost": 9.0}, cores=1),
            option(f"{name}/cheap", {"power": 5.0, "cost": 2.0}, cores=1),
        ]

    given = [(intent(name), both(name)) for name in "ab"]
    assert {item.candidate.id for item in chosen(*given).chosen.values()} == {"a/dear", "b/dear"}
    found = chosen(*given, objective=wishes("minimize cost"))
    assert {item.candidate.id for item in found.chosen.values()} == {"a/cheap", "b/cheap"}
    assert rows(found) == {"minimize cost": 4.0, "minimize power": 10.0}


def test_a_tolerance_leaves_room_for_the_next_goal():
    one = [option("a/x", {"power": 10.0, "cost": 9.0}, cores=1), option("a/y", {"power": 10.1, "cost": 2.0}, cores=1)]
    given = (intent("a", goals=("minimize latency.p99",)), one)
    strict, loose = wishes("minimize power", "minimize cost"), wishes("minimize power within 0.02", "minimize cost")
    assert chosen(given, objective=strict).chosen["a"].candidate.id == "a/x"
    assert chosen(given, objective=loose).chosen["a"].candidate.id == "a/y"


def test_a_goal_that_the_plan_and_all_intents_share_is_told_once():
    given = [(intent(name), [option(f"{name}/1", {"power": 1.0}, cores=1)]) for name in "ab"]
    assert rows(chosen(*given, objective=wishes("minimize power"))) == {"minimize power": 2.0}


def test_model_aware_weights():
    """Jobs: 0.7 x batch / largest + 0.3. Services: 0.6 x tightest / own latency + 0.4 x rate / largest."""
    large = intent("large", required=False, train=Training(tokens=1e9, batch=1000, sequence=10))
    small = intent("small", required=False, train=Training(tokens=1e9, batch=100, sequence=10))
    quick = intent("quick", {"latency.p99": 0.01, "throughput": 10.0}, required=False)
    busy = intent("busy", {"latency.p99": 0.1, "throughput": 100.0}, required=False)
    kept = {"power": 1.0, "latency.p99": 0.001, "throughput": 1000.0}
    pairs = [(item, [option(f"{item.name}/1", kept, cores=4)]) for item in (large, small, quick, busy)]
    found = chosen(*pairs, place=fleet(node(cores=8)), objective=wishes(policy="model-aware"))
    assert sorted(found.chosen) == ["large", "quick"]
    assert rows(found)["maximize admitted"] == 1000 + 640  # 0.6 + 0.4 x 0.1; busy: 0.06 + 0.4


def test_intents_and_demands_are_admitted_side_by_side():
    service, options = optional("a", cores=3)
    batch = demand("batch", cores=1.0, copies=4, required=False)
    found = choose_together([service], {"a": options}, [batch], sites_of([batch], PLACE).sites, None, PLACE, Limits())
    ledger = audit([service], found, PLACE, [batch], None)
    assert [row.clause.text for row in ledger.rows if not row.holds] == []
    assert found.refused == {"a": 1}, "one of it beside one copy weighs less than four copies"
    assert rows(found)["maximize admitted"] == 4.0
    assert found.status == "optimal"


@pytest.mark.parametrize("seed", range(15))
def test_against_trying_everything(seed):
    draw = random.Random(seed)
    place = fleet(node(cores=draw.randint(2, 8)))
    pairs = []
    for index in range(4):
        name = f"i{index}"
        own = [option(f"{name}/{k}", {"power": float(draw.randint(1, 9))}, cores=draw.randint(1, 5)) for k in range(2)]
        pairs.append((intent(name, required=draw.random() < 0.2, priority=draw.randint(0, 3)), own))
    best = None
    for picks in itertools.product(*([*own, None] if not item.required else own for item, own in pairs)):
        running = [pick for pick in picks if pick is not None]
        if sum(pick.demand.cores for pick in running) <= place.nodes[0].cores:
            weight = sum(
                max(item.priority, 1)
                for (item, _), pick in zip(pairs, picks, strict=True)
                if pick is not None and not item.required
            )
            by_priority = tuple(
                sum(
                    pick.estimates["power"].value
                    for (item, _), pick in zip(pairs, picks, strict=True)
                    if pick is not None and item.priority == priority
                )
                for priority in sorted({item.priority for item, _ in pairs}, reverse=True)
            )
            best = min((best or ((1, 0), ())), ((0, -weight), by_priority))
    found = chosen(*pairs, place=place)
    if best is None:
        assert found.status == "infeasible"
        return
    assert found.status == "optimal"
    weight = sum(max(item.priority, 1) for item, _ in pairs if not item.required and item.name in found.chosen)
    powers = tuple(
        sum(
            found.chosen[item.name].estimates["power"].value
            for item, _ in pairs
            if item.priority == priority and item.name in found.chosen
        )
        for priority in sorted({item.priority for item, _ in pairs}, reverse=True)
    )
    assert ((0, -weight), powers) == best
