"""Where copies of a stated demand may stand by what nodes state; the checker agrees."""

from __future__ import annotations

import pytest
from build_instances import fleet
from stated_demands import demand, machine, planned, standing

from aios.candidates import sites_of
from aios.check import audit
from aios.records.where import Where

EU = machine("eu", 2, labels={"zone": "a"}, region="eu-west", jurisdiction=("EU",))
US = machine("us", 2, labels={"zone": "b"}, region="us-east", taints=("team=vision:NoSchedule",))
PLACE = fleet(EU, US)


def sites(**where):
    item = demand("x", devices=1, copies=2, allowed=Where(**where))
    found = sites_of([item], PLACE)
    if found.sites["x"]:
        selection = planned([item], PLACE)
        assert standing(selection) == {"x": 2}
        elsewhere = {"eu": "us", "us": "eu"}
        parts = tuple(p.model_copy(update={"node": elsewhere[p.node]}) for p in selection.placement["x"])
        moved = selection.model_copy(update={"placement": {"x": parts}})
        kept = len(found.sites["x"]) == 2
        assert all(row.holds for row in audit((), selection, PLACE, [item]).rows)
        assert all(row.holds for row in audit((), moved, PLACE, [item]).rows) == kept
    return [site.node for site in found.sites["x"]], [item.reason for item in found.rejections]


@pytest.mark.parametrize(
    ("where", "nodes"),
    [
        ({}, ["eu"]),
        ({"tolerate": ("team",)}, ["eu", "us"]),
        ({"tolerate": ("team=vision:NoSchedule",)}, ["eu", "us"]),
        ({"tolerate": ("other",)}, ["eu"]),
        ({"labels": {"zone": ("a",)}}, ["eu"]),
        ({"regions": ("us-east",), "tolerate": ("team",)}, ["us"]),
        ({"residency": ("EU", "CH"), "tolerate": ("team",)}, ["eu"]),
    ],
)
def test_rules_leave_these_nodes(where, nodes):
    assert sites(**where) == (nodes, [])


def test_a_demand_without_any_place_says_why():
    assert sites(regions=("us-east",))[1] == ["no node is left: node eu is in region eu-west"]
    assert sites(vendors=("NVIDIA",))[1][0].startswith("no node is left: node us has the taint")
