"""What a pipeline comes to, by hand."""

from __future__ import annotations

import math

import pytest
import staged_pipelines as staged

from aios.cost import pipeline_decision
from aios.records.selection import Placement


def placed(**nodes):
    return {
        f"p/{name}": tuple(Placement(node=node, devices=("cpu0",), share=0.5, replicas=1) for node in where.split())
        for name, where in nodes.items()
    }


def figures(of, metrics, nodes, links=None):
    chosen = {f"p/{name}": staged.option(f"p/{name}", 1, own) for name, own in metrics.items()}
    return pipeline_decision(of, chosen, placed(**nodes), staged.joins_of(links or {}))


def test_a_chain():
    """Times 1 x 2 + 3 x 1, hand-over of 3 messages at 0.1 s and 10 bytes at 5 bytes/s: 5 + 2.3 s."""
    of = staged.pipeline(staged.stage("a", produces=10.0), staged.stage("b", "a", per=3))
    metrics = {
        "a": {"latency.p99": (1.0, 2.0, 4.0), "latency.mean": 1.0, "throughput": 4.0, "power": 2.0, "energy": 1.0},
        "b": {"latency.p99": (0.5, 1.0, 2.0), "latency.mean": 0.5, "throughput": 9.0, "power": 3.0, "energy": 2.0},
    }
    found = figures(of, metrics, {"a": "n", "b": "m k"}, {("n", "m"): (50.0, 0.0), ("n", "k"): (5.0, 0.1)})
    (edge,) = found.edges
    assert (edge.first, edge.then, edge.bytes) == ("p/a", "p/b", 10.0)
    assert edge.seconds == pytest.approx(2.3)
    assert edge.basis == "n -> k, the slowest way"
    p99 = found.estimates["latency.p99"]
    assert (p99.value, p99.high) == (pytest.approx(7.3), pytest.approx(12.3))
    assert p99.low == 1.0, "a request takes no less than one item of its slowest stage"
    assert p99.basis == "no more than the sum of the stages' p99: a -> 3 x b"
    assert found.estimates["latency.mean"].value == found.estimates["latency.p50"].value == pytest.approx(4.8)
    assert (found.estimates["throughput"].value, found.estimates["power"].value) == (3.0, 5.0)
    assert found.estimates["energy"].value == 7.0
    assert found.unknown["cost"] == "cost of a, b is unknown"


def test_branches():
    of = staged.pipeline(
        staged.stage("a", produces=0.0),
        staged.stage("b", "a"),
        staged.stage("c", "a"),
    )
    metrics = {
        name: {"latency.p99": time, "latency.mean": time} for name, time in {"a": 1.0, "b": 2.0, "c": 5.0}.items()
    }
    found = figures(of, metrics, {"a": "n", "b": "n", "c": "n"})
    assert found.estimates["latency.p99"].value == 6.0
    assert found.estimates["latency.p99"].basis.endswith("a -> c; slow requests of branches coincide")
    assert "latency.mean" not in found.estimates
    assert found.unknown["latency.p50"] == "means of branches that are waited for do not add up"


def test_what_nobody_knows():
    of = staged.pipeline(staged.stage("a", produces=None), staged.stage("b", "a"))
    metrics = {name: {"latency.p99": 1.0} for name in "ab"}
    found = figures(of, metrics, {"a": "n", "b": "m"}, {("n", "m"): (1.0, 0.0)})
    assert found.edges[0].basis == "nobody says what a `produces`"
    assert found.unknown["latency.p99"] == "nobody knows how long handing over takes: p/a -> p/b"
    known = staged.pipeline(staged.stage("a", produces=1.0), staged.stage("b", "a"))
    found = figures(known, metrics, {"a": "n", "b": "m"})
    assert found.edges[0].basis == "nothing of known bandwidth joins n and m"
    assert figures(of, metrics, {"a": "n", "b": "n"}).estimates["latency.p99"].value == 2.0


def test_accuracies_are_a_product_and_assumed():
    of = staged.pipeline(staged.stage("a"), staged.stage("b", "a"))
    found = figures(of, {"a": {"accuracy.word": (0.8, 0.9, 1.0)}, "b": {"accuracy.word": 0.5}}, {"a": "n", "b": "n"})
    word = found.estimates["accuracy.word"]
    assert (word.low, word.value, word.high, word.source) == (0.4, 0.45, 0.5, "assumed")


def test_a_sum_of_percentiles_is_more_than_the_percentile_of_a_sum():
    """Of two and of three exponential times (Erlang's distribution), from the 72nd percentile on; not of medians."""
    for stages in (2, 3):
        for share, safe in ((0.5, False), (0.72, True), (0.9, True), (0.99, True)):
            time = -stages * math.log(1 - share)
            below = 1 - math.exp(-time) * sum(time**k / math.factorial(k) for k in range(stages))
            assert (below >= share) is safe
