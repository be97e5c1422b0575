"""Where a candidate may stand: what sets nodes apart, what keeps work away, what a second socket is good for."""

from __future__ import annotations

import pytest

from aios.candidates import enumerate_candidates
from aios.records.fleet import DeviceSlot, Fact, Node
from aios.records.intent import Load


def on(fleet, *nodes):
    names = {slot.type for node in nodes for slot in node.devices}
    return fleet.model_copy(update={"nodes": nodes, "types": {name: fleet.types[name] for name in names}})


def box(name, devices=1, **more):
    ids = tuple(f"cpu{number}" for number in range(devices))
    return Node(name=name, memory_bytes=8e9, devices=(DeviceSlot(type="cpu", ids=ids),), **{"cores": 6, **more})


def price(value):
    return Fact(value=value, unit="USD/h")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"price_usd_per_h": price(1.0)}, {"price_usd_per_h": price(9.0)}),
        ({"carbon_g_per_kwh": (20.0,)}, {"carbon_g_per_kwh": (700.0,)}),
        ({"price_usd_per_h": price(1.0)}, {}),
    ],
)
def test_nodes_that_cost_differently_are_options_of_their_own(intent, profiles, willing, fleet, one, other):
    found = enumerate_candidates(intent, profiles, on(fleet, box("a", **one), box("b", **other)), willing)
    assert {candidate.nodes for candidate in found.candidates} == {("a",), ("b",), ("a", "b")}
    assert len({candidate.id for candidate in found.candidates}) == len(found.candidates)
    alone = max(c.replicas for c in found.candidates if c.nodes == ("a",) and c.threads == 6)
    assert all(c.replicas > alone for c in found.candidates if c.nodes == ("a", "b") and c.threads == 6)


def test_nodes_that_cost_the_same_are_one_option(intent, profiles, willing, fleet):
    same = {"price_usd_per_h": price(1.0), "carbon_g_per_kwh": (20.0, 30.0)}
    found = enumerate_candidates(intent, profiles, on(fleet, box("a", **same), box("b", **same)), willing)
    assert {candidate.nodes for candidate in found.candidates} == {("a", "b")}


@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute"])
def test_taints_keep_work_away_and_are_named(intent, profiles, willing, fleet, effect):
    down = box("a", taints=(f"slurm/state=DOWN:{effect}",))
    found = enumerate_candidates(intent, profiles, on(fleet, down, box("b")), willing)
    assert {candidate.nodes for candidate in found.candidates} == {("b",)}
    row = next(row for row in found.rejections if row.clause == "taint")
    assert f"`slurm/state=DOWN:{effect}`" in row.reason


def test_a_taint_that_only_prefers_keeps_nothing_away(intent, profiles, willing, fleet):
    found = enumerate_candidates(intent, profiles, on(fleet, box("a", taints=("x=y:PreferNoSchedule",))), willing)
    assert {candidate.nodes for candidate in found.candidates} == {("a",)}


def test_replicas_stand_on_every_socket_and_none_on_two(intent, profiles, willing, fleet):
    busy = intent.model_copy(update={"load": Load(rate_per_s=400.0)})
    found = enumerate_candidates(busy, profiles, on(fleet, box("a", devices=2, cores=12)), willing)
    most = {}
    for candidate in found.candidates:
        most[candidate.threads] = max(most.get(candidate.threads, 0), candidate.replicas)
    assert most == {1: 12, 2: 6, 4: 2, 6: 2}
