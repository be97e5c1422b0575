"""The checker recomputes paths and hand-overs from the placement, and sees whatever breaks a bound of the whole."""

from __future__ import annotations

import pytest
import staged_pipelines as staged

from aios.check import audit

METRICS = {"latency.p99": 1.0, "latency.mean": 0.5, "energy": 2.0, "power": 3.0, "accuracy.word": 0.9}
LINKS = {("n", "m"): (10.0, 0.5), ("n", "k"): (5.0, 0.5), ("m", "k"): (5.0, 0.5)}


def ledger(make, require, nodes, metrics=(), links=LINKS, produces=10.0, **more):
    """The stages a -> 2 x b of a pipeline. nodes: stage -> machines · metrics: stage -> what it does otherwise"""
    bounds = [make.requirement(name, bound) for name, bound in require.items()]
    of = staged.pipeline(staged.stage("a", produces=produces), staged.stage("b", "a", per=2), require=bounds)
    fleet = make.fleet(*(make.node(name, cores=4) for name in "nmk"))
    chosen, placed = {}, {}
    for name in "ab":
        machines = nodes[name]
        option = staged.option(
            f"p/{name}",
            1,
            {**METRICS, **dict(metrics).get(name, {})},
            nodes=("n", "m", "k"),
            replicas=len(machines),
        )
        chosen[f"p/{name}"] = option
        node = {item.name: item for item in fleet.nodes}
        placed[f"p/{name}"] = (option, [(node[place], place, ("cpu0",)) for place in machines], [1] * len(machines))
    intents = staged.intents_of(of, goals=(), **more)
    return audit(intents, make.selection(chosen, placed), fleet, joins=staged.joins_of(links))


def row(found, clause):
    return next(item for item in found.rows if item.clause.id == clause)


@pytest.mark.parametrize(
    ("metric", "bound", "nodes", "value", "holds"),
    [
        ("latency.p99", 3.0, {"a": "n", "b": "n"}, 3.0, True),
        ("latency.p99", 2.999, {"a": "n", "b": "n"}, 3.0, False),
        # Two messages at 0.5 s, 10 bytes at 10 bytes/s.
        ("latency.p99", 5.0, {"a": "n", "b": "m"}, 5.0, True),
        ("latency.p99", 4.999, {"a": "n", "b": "m"}, 5.0, False),
        # One replica stands further away: 10 bytes at 5 bytes/s.
        ("latency.p99", 5.5, {"a": "n", "b": "mk"}, 6.0, False),
        ("latency.p99", 6.0, {"a": "nm", "b": "mk"}, 6.0, True),
        ("latency.p50", 1.5, {"a": "n", "b": "n"}, 1.5, True),
        ("latency.p50", 1.4, {"a": "n", "b": "n"}, 1.5, False),
        ("energy", 6.0, {"a": "n", "b": "m"}, 6.0, True),
        ("energy", 5.9, {"a": "n", "b": "m"}, 6.0, False),
        ("power", 6.0, {"a": "n", "b": "n"}, 6.0, True),
        ("power", 5.9, {"a": "n", "b": "n"}, 6.0, False),
        ("accuracy.word", 0.81, {"a": "n", "b": "n"}, 0.81, True),
        ("accuracy.word", 0.811, {"a": "n", "b": "n"}, 0.81, False),
    ],
)
def test_a_bound_of_the_whole(make, metric, bound, nodes, value, holds):
    found = row(ledger(make, {metric: bound}, nodes), f"p/{metric}")
    assert found.value == pytest.approx(value)
    assert found.holds is holds
    assert found.clause.text.endswith(", all of a -> b")


def test_the_end_that_the_intent_asks_for_is_compared(make):
    metrics = {"a": {"latency.p99": (0.5, 1.0, 4.0)}}
    for risk, holds in (("pessimistic", False), ("expected", True)):
        found = ledger(make, {"latency.p99": 3.0}, {"a": "n", "b": "n"}, metrics, risk=risk)
        assert row(found, "p/latency.p99").holds is holds


@pytest.mark.parametrize(("links", "produces"), [({}, 10.0), (LINKS, None)])
def test_what_nobody_knows_keeps_no_bound(make, links, produces):
    apart = ledger(make, {"latency.p99": 100.0}, {"a": "n", "b": "m"}, links=links, produces=produces)
    assert [item.clause.id for item in apart.rows if not item.holds] == ["p/latency.p99", "p/a/b"]
    together = ledger(make, {"latency.p99": 100.0}, {"a": "n", "b": "n"}, links=links, produces=produces)
    assert together.holds


def test_without_a_bound_on_latency_nobody_asks_how_stages_are_joined(make):
    assert ledger(make, {"power": 100.0}, {"a": "n", "b": "m"}, links={}).holds
