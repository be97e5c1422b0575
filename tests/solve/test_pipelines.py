"""Stages of a pipeline are chosen and placed so that the whole keeps its bounds: by hand, and by trying everything."""

from __future__ import annotations

import staged_pipelines as staged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aios.check import audit
from aios.records.candidate import Estimate
from aios.records.current import Moving, Standing
from aios.records.selection import Placement
from aios.solve import Limits, choose

RANDOM = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def chosen(of, options, fleet, links=None, **more):
    joins = staged.joins_of(links or {})
    intents = staged.intents_of(of, **more)
    found = choose(intents, options, fleet, Limits(), joins=joins)
    assert audit(intents, found, fleet, joins=joins).holds
    return found


def nodes_of(found):
    return {name: [part.node for part in parts] for name, parts in found.placement.items()}


def test_times_of_a_chain_add_up_each_as_often_as_its_items(make):
    """1 x 2 s + 3 x 1 s = 5 s with the slow first stage, 4 s with the quick one: a bound of 4.5 s asks for that."""
    stages = (staged.stage("a"), staged.stage("b", "a", per=3))
    options = {
        "p/a": [
            staged.option("p/a", 1, {"latency.p99": 2.0, "power": 1.0}),
            staged.option("p/a", 2, {"latency.p99": 1.0, "power": 7.0}),
        ],
        "p/b": [staged.option("p/b", 1, {"latency.p99": 1.0, "power": 1.0})],
    }
    for bound, watts in ((5.0, 2.0), (4.5, 8.0)):
        of = staged.pipeline(*stages, require=[make.requirement("latency.p99", bound)])
        assert chosen(of, options, make.fleet()).objective[0].value == watts
    of = staged.pipeline(*stages, require=[make.requirement("latency.p99", 3.9)])
    found = chosen(of, options, make.fleet())
    (clause,) = (clause for clause in found.conflict.clauses if clause.metric)
    assert clause.text == "latency.p99 <= 3.9 s, all of a -> b"
    (relaxed,) = found.conflict.relaxations
    assert (relaxed.clause, relaxed.value) == ("p/latency.p99", 4.0)


def test_medians_do_not_add_up_means_do(make):
    of = staged.pipeline(staged.stage("a"), staged.stage("b", "a"), require=[make.requirement("latency.p50", 2.0)])
    metrics = {"latency.p50": 0.7, "latency.mean": 1.0, "power": 1.0}
    slower = {**metrics, "latency.mean": 1.1}
    options = {name: [staged.option(name, 1, metrics)] for name in ("p/a", "p/b")}
    assert chosen(of, options, make.fleet()).status == "optimal"
    options["p/b"] = [staged.option("p/b", 1, slower)]
    assert chosen(of, options, make.fleet()).status == "infeasible"


def test_energy_counts_once_for_each_item(make):
    """2 J + 4 x 1 J = 6 J a request: no less will do, and that is what the goal is worth."""
    stages = (staged.stage("a"), staged.stage("b", "a", per=4))
    options = {
        "p/a": [staged.option("p/a", 1, {"energy": 2.0})],
        "p/b": [staged.option("p/b", 1, {"energy": 1.0})],
    }
    of = staged.pipeline(*stages, require=[make.requirement("energy", 6.0)])
    assert chosen(of, options, make.fleet(), goals=("minimize energy",)).objective[0].value == 6.0
    of = staged.pipeline(*stages, require=[make.requirement("energy", 5.9)])
    (relaxed,) = chosen(of, options, make.fleet()).conflict.relaxations
    assert relaxed.value == 6.0


def test_accuracies_are_multiplied(make):
    """0.9 x 0.8 = 0.72."""
    options = {
        "p/a": [staged.option("p/a", 1, {"accuracy.word": 0.9})],
        "p/b": [staged.option("p/b", 1, {"accuracy.word": 0.8})],
    }
    for bound, status in ((0.72, "optimal"), (0.7201, "infeasible")):
        of = staged.pipeline(
            staged.stage("a"), staged.stage("b", "a"), require=[make.requirement("accuracy.word", bound)]
        )
        found = chosen(of, options, make.fleet())
        assert found.status == status
    (relaxed,) = found.conflict.relaxations
    assert abs(relaxed.value - 0.72) < 1e-12


def test_stages_stand_together_where_the_link_is_too_slow(make):
    """40 bytes over 10 bytes/s and 1 s of latency are 5 s, the stages 2 s: a bound of 7 s leaves room, 6 s none."""
    fleet = make.fleet(make.node("n", cores=2), make.node("m", cores=2))
    options = {
        "p/a": [staged.option("p/a", 1, {"latency.p99": 1.0, "power": 1.0}, cores=1, nodes=("n",))],
        "p/b": [
            staged.option("p/b", 1, {"latency.p99": 1.0, "power": 1.0}, cores=1, nodes=("m",)),
            staged.option("p/b", 2, {"latency.p99": 1.0, "power": 5.0}, cores=1, nodes=("n",)),
        ],
    }
    stages = (staged.stage("a", produces=40.0), staged.stage("b", "a"))
    links = {("n", "m"): (10.0, 1.0)}
    for bound, node, watts in ((7.0, "m", 2.0), (6.0, "n", 6.0)):
        of = staged.pipeline(*stages, require=[make.requirement("latency.p99", bound)])
        found = chosen(of, options, fleet, links)
        assert nodes_of(found)["p/b"] == [node]
        assert found.objective[0].value == watts
    of = staged.pipeline(*stages, require=[make.requirement("latency.p99", 6.0)])
    options["p/b"] = options["p/b"][:1]
    (relaxed,) = chosen(of, options, fleet, links).conflict.relaxations
    assert relaxed.value == 7.0


def test_where_nobody_knows_how_long_handing_over_takes_stages_stand_together(make):
    fleet = make.fleet(make.node("n", cores=1), make.node("m", cores=1))
    metrics = {"latency.p99": 1.0, "power": 1.0}
    options = {name: [staged.option(name, 1, metrics, cores=1, nodes=("n", "m"))] for name in ("p/a", "p/b")}
    bound = make.requirement("latency.p99", 9.0)
    for produces, links in ((1.0, {}), (None, {("n", "m"): (10.0, 0.0)})):
        of = staged.pipeline(staged.stage("a", produces=produces), staged.stage("b", "a"), require=[bound])
        found = chosen(of, options, fleet, links)
        assert "p/a/b" in {clause.id for clause in found.conflict.clauses}
        roomy = make.fleet(make.node("n", cores=2), make.node("m", cores=1))
        assert nodes_of(chosen(of, options, roomy, links)) == {"p/a": ["n"], "p/b": ["n"]}
    unbounded = staged.pipeline(staged.stage("a", produces=None), staged.stage("b", "a"))
    assert chosen(unbounded, options, fleet).status == "optimal"


def test_of_two_branches_the_slower_counts(make):
    """1 + max(2, 4) + 1 = 6 s."""
    times = {"in": 1.0, "left": 2.0, "right": 4.0, "out": 1.0}
    stages = (
        staged.stage("in"),
        staged.stage("left", "in"),
        staged.stage("right", "in"),
        staged.stage("out", "left", "right"),
    )
    options = {f"p/{name}": [staged.option(f"p/{name}", 1, {"latency.p99": time})] for name, time in times.items()}
    for bound, status in ((6.0, "optimal"), (5.9, "infeasible")):
        of = staged.pipeline(*stages, require=[make.requirement("latency.p99", bound)])
        assert chosen(of, options, make.fleet()).status == status


@RANDOM
@given(instance=staged.instances())
def test_equals_brute_force(instance):
    of, intents, options, fleet, links = instance
    joins = staged.joins_of(links)
    found = choose(intents, options, fleet, Limits(), joins=joins)
    goal = intents[0].goal[0].metric
    best = staged.cheapest(of, options, fleet, links, goal)
    assert found.status == ("infeasible" if best is None else "optimal")
    if best is None:
        assert found.conflict.clauses
        return
    assert audit(intents, found, fleet, joins=joins).holds
    assert staged.keeps(of, found.chosen, found.placement, links)
    assert abs(found.objective[0].value - best) < 1e-9


@RANDOM
@given(instance=staged.instances(), data=st.data())
def test_order_of_input_never_matters(instance, data):
    _, intents, options, fleet, links = instance
    joins = staged.joins_of(links)
    one = choose(intents, options, fleet, Limits(), joins=joins).model_dump_json()
    shuffled = {name: data.draw(st.permutations(options[name])) for name in reversed(options)}
    other = choose(data.draw(st.permutations(intents)), shuffled, fleet, Limits(), joins=joins)
    assert other.model_dump_json() == one


@RANDOM
@given(instance=staged.instances())
def test_what_a_relaxation_says_is_enough_and_no_less_is(instance):
    of, intents, options, fleet, links = instance
    conflict = choose(intents, options, fleet, Limits(), joins=staged.joins_of(links)).conflict
    for item in conflict.relaxations if conflict else ():
        name = item.clause.removeprefix("p/")
        if name in {bound.metric for bound in of.require}:
            tighter = item.value * (1.001 if name.startswith("accuracy.") else 0.999)
            for value, enough in ((item.value, True), (tighter, False)):
                eased = [b.model_copy(update={"bound": value}) if b.metric == name else b for b in of.require]
                wider = of.model_copy(update={"require": tuple(eased)})
                assert (staged.cheapest(wider, options, fleet, links) is not None) is enough


def test_stages_stay_where_they_stand_when_another_one_must_move(make):
    """Stages on the last machines of two nodes, where a fresh plan would not put them; then one of them is lost."""
    nodes = ("n", "m")
    options = {
        name: [staged.option(name, 1, {"latency.p99": 1.0, "power": 1.0}, device="gpu", cores=1, nodes=nodes)]
        for name in ("p/a", "p/b")
    }
    of = staged.pipeline(
        staged.stage("a", produces=10.0), staged.stage("b", "a"), require=[make.requirement("latency.p99", 9.0)]
    )
    fleet = make.fleet(make.node("n", {"gpu": 2}, count=3, cores=4), make.node("m", {"gpu": 2}, count=2, cores=4))
    names = [name for node in fleet.nodes for name in node.instances()]
    hour = Estimate(metric="disruption", value=3600, low=3600, high=3600, unit="s", source="assumed", basis="made")
    spots = {"p/a": ("n-2", "1"), "p/b": ("m-1", "1")}
    outage = {name: {own[0].candidate.id: hour} for name, own in options.items()}
    for lost in ((), ("p/a",), ("p/b",)):
        places = {
            name: (Placement(node=node, devices=(device,), share=options[name][0].demand.share, replicas=1),)
            for name, (node, device) in spots.items()
        }
        stands = {
            name: Standing(
                () if name in lost else places[name],
                options[name][0].candidate.id,
                frozenset({options[name][0].candidate.id}),
                outage[name],
            )
            for name in spots
        }
        joins = staged.joins_of({(a, b): (10.0, 1.0) for a in names for b in names if a != b})
        intents = staged.intents_of(of)
        found = choose(intents, options, fleet, Limits(), moving=Moving(stands), joins=joins)
        assert audit(intents, found, fleet, moving=Moving(stands), joins=joins).holds
        assert [name for name in spots if found.placement[name] != places[name]] == list(lost)
