"""Nodes and devices that the rules of an intent keep out are rejected, each with the fact behind it."""

from __future__ import annotations

import pytest

from aios.candidates import enumerate_candidates
from aios.records.where import PlacementRules, Spread, Survive, Where, barred, barred_type


@pytest.fixture
def marked(fleet):
    """The usual fleet with labels, a region, a jurisdiction and a taint on some of its nodes."""
    said = {
        "box": {"labels": {"rack": "r1"}, "region": "north", "jurisdiction": ("EU", "FR")},
        "rig": {"labels": {"rack": "r2"}, "region": "south", "taints": ("gpu=yes:NoSchedule", "x:PreferNoSchedule")},
    }
    nodes = tuple(node.model_copy(update=said.get(node.name, {})) for node in fleet.nodes)
    types = dict(fleet.types) | {"gpu": fleet.types["gpu"].model_copy(update={"vendor": "NVIDIA"})}
    return fleet.model_copy(update={"nodes": nodes, "types": types})


@pytest.fixture
def ruled(intent, profiles, marked, willing):
    def run(rules, **changes):
        wanted = intent.model_copy(update={"placement": rules, **changes})
        return enumerate_candidates(wanted, profiles, marked, willing)

    return run


def nodes(found):
    return sorted({name for candidate in found.candidates for name in candidate.nodes})


def reasons(found):
    return {(row.what, row.clause): row.reason for row in found.rejections}


@pytest.mark.parametrize(
    ("where", "left", "what", "clause", "reason"),
    [
        (Where(labels={"rack": ("r1", "r9")}), ["box"], "node edge", "where.labels.rack: r1, r9",
         "node edge has no label `rack`"),
        (Where(regions=("north",)), ["box"], "node rig", "where.regions: north", "node rig is in region south"),
        (Where(residency=("CN", "EU")), ["box"], "node edge", "where.residency: CN, EU",
         "node edge states no jurisdiction"),
        (Where(vendors=("nvidia",), tolerate=("gpu",)), ["rig"], "device hailo", "where.vendors: nvidia",
         "nobody states who makes hailo"),
        (Where(), ["box", "edge", "server", "toy"], "node rig", "taint",
         "node rig has the taint `gpu=yes:NoSchedule`: nothing new may be placed there"),
    ],
)  # fmt: skip
def test_where(ruled, where, left, what, clause, reason):
    found = ruled(PlacementRules(where=where))
    assert nodes(found) == left
    assert reasons(found)[what, clause] == reason


@pytest.mark.parametrize("tolerated", ["gpu", "gpu=yes", "gpu:NoSchedule", "gpu=yes:NoSchedule"])
def test_a_taint_that_is_tolerated(ruled, tolerated):
    assert "rig" in nodes(ruled(PlacementRules(where=Where(tolerate=(tolerated,)))))


@pytest.mark.parametrize("tolerated", ["yes", "gpu=no", "gpu:NoExecute", "gpu=yes:NoExecute"])
def test_a_taint_that_is_not(marked, tolerated):
    rig = next(node for node in marked.nodes if node.name == "rig")
    assert barred(PlacementRules(where=Where(tolerate=(tolerated,))), rig).clause == "taint"


def test_names_that_nothing_has_are_told_with_the_nearest(ruled):
    where = Where(labels={"rak": ("r1",), "rack": ("r9",)}, regions=("nort",), residency=("FRA",), vendors=("NVIDEA",))
    found = ruled(PlacementRules(where=where, spread=(Spread(over="rac", most=1),)))
    told = {row.what: row.resolvable for row in found.rejections if "has no" in row.reason and row.by == "intent"}
    assert told == {
        "label rak": "did you mean `rack`?",
        "value of rack r9": None,
        "region nort": "did you mean `north`?",
        "jurisdiction FRA": "did you mean `FR`?",
        "maker NVIDEA": "did you mean `NVIDIA`?",
        "label rac": "did you mean `rack`?",
    }


def test_a_failure_domain_must_be_stated(ruled):
    found = ruled(PlacementRules(spread=(Spread(over="rack", most=1),), where=Where(tolerate=("gpu",))))
    assert nodes(found) == ["box", "rig"]
    reason = "node edge states no label `rack`, so that nobody knows what it would be lost with"
    assert reasons(found)["node edge", "a known rack"] == reason


def test_many_nodes_that_one_rule_keeps_out_are_counted(intent, profiles, fleet, willing):
    many = tuple(fleet.nodes[0].model_copy(update={"name": f"box{number}"}) for number in range(30))
    wanted = intent.model_copy(update={"placement": PlacementRules(where=Where(regions=("x",)))})
    found = enumerate_candidates(wanted, profiles, fleet.model_copy(update={"nodes": many}), willing)
    kept_out = [row.what for row in found.rejections if row.clause == "where.regions: x" and row.by == "candidates"]
    assert len(kept_out) == 9
    assert kept_out[-1] == "22 more nodes"


def test_what_is_to_survive_may_take_more_replicas_than_its_load(ruled):
    few, many = (
        max(item.replicas for item in ruled(rules).candidates if item.device == "cpu")
        for rules in (PlacementRules(), PlacementRules(survive=Survive(losses=1)))
    )
    assert few < many == 12


def test_an_unknown_maker_is_not_the_wanted_one(fleet):
    assert barred_type(Where(), fleet.types["gpu"]) is None
    assert barred_type(Where(vendors=("NVIDIA",)), fleet.types["gpu"]).reason == "nobody states who makes gpu"
