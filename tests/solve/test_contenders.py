"""Which options a best plan may hold: each reason to stay or to go, alone. That none is missed, brute force says."""

from __future__ import annotations

import pytest

from aios.solve import Limits, choose
from aios.solve.contenders import contenders


def left(make, options, **intent):
    wanted = make.intent("a", **intent)
    return [priced.candidate.id for priced in contenders([wanted], {"a": options})["a"]]


def test_breaking_a_requirement_leaves_nothing(make):
    options = [make.option("a/1", {"power": 1.0, "latency.p99": 0.02}), make.option("a/2", {"power": 1.0})]
    assert left(make, options, require={"latency.p99": 0.01}) == []
    assert left(make, options, require={"latency.p99": 0.02}) == ["a/1"]


def test_dearer_and_no_smaller_is_out(make):
    options = [make.option("a/1", {"power": 2.0}, cores=1), make.option("a/2", {"power": 1.0}, cores=1)]
    assert left(make, options) == ["a/1", "a/2"]  # in this order of names a/2 could lose a tie: both are kept
    assert left(make, list(reversed(options)), goals=("minimize energy",)) == ["a/1"]  # unknown alike: first id


def test_of_equals_the_one_with_most_defaults_is_taken(make):
    plain = make.option("a/m/int8-static/b1", {"power": 1.0})
    changes = [
        {"settings": {"calibration": "percentile"}},
        {"compression": "prune"},
        {"settings": {"graph": "basic"}, "compression": "prune"},
    ]
    ids = ["a/m/int8-static+calibration=percentile/b1", "a/m/int8-static+prune/b1", "a/m/int8-static+prune+graph/b1"]
    others = [
        plain.model_copy(update={"candidate": plain.candidate.model_copy(update={"id": own, **change})})
        for own, change in zip(ids, changes, strict=True)
    ]
    assert min(ids) < plain.candidate.id, "by id alone another one would come first"
    options = {"a": [*others, plain]}
    assert left(make, options["a"]) == [plain.candidate.id]
    found = choose([make.intent("a")], options, make.fleet(), Limits())
    assert found.chosen["a"].candidate.id == plain.candidate.id


def test_unknown_is_worse_than_any(make):
    options = [make.option("a/1", {"power": 9.0}), make.option("a/2", {}, cores=1)]
    assert left(make, options) == ["a/1"]


@pytest.mark.parametrize(
    "less", [{"replicas": 2}, {"share": 0.5}, {"cores": 2}, {"device_memory": 8.0}, {"memory": 8.0}]
)
def test_dearer_but_taking_less_of_anything_stays(make, less):
    most = {"replicas": 3, "share": 0.6, "cores": 3, "device_memory": 9.0, "memory": 9.0}
    cheap, dear = make.option("a/1", {"power": 1.0}, **most), make.option("a/2", {"power": 2.0}, **(most | less))
    assert sorted(left(make, [cheap, dear])) == ["a/1", "a/2"]
    assert left(make, [cheap, make.option("a/2", {"power": 2.0}, **most)]) == ["a/1"]


@pytest.mark.parametrize("other", [{"device": "gpu"}, {"nodes": ("local", "second")}])
def test_what_may_stand_elsewhere_stays(make, other):
    options = [make.option("a/1", {"power": 1.0}), make.option("a/2", {"power": 2.0}, **other)]
    assert left(make, options) == ["a/1", "a/2"]


def test_better_in_a_later_goal_stays(make):
    options = [
        make.option("a/1", {"power": 1.0, "throughput": 5.0}),
        make.option("a/2", {"power": 2.0, "throughput": 6.0}),
        make.option("a/3", {"power": 2.0, "throughput": 4.0}),
    ]
    assert left(make, options, goals=("minimize power", "maximize throughput")) == ["a/1", "a/2"]
