"""The described fleet: a bound that moves, moves the choice to another device or another network."""

from pathlib import Path

import pytest
from in_process import run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where nothing stands and profiles of models are kept: they are read once."""
    return tmp_path_factory.mktemp("described")


def aios(place, *words):
    ran = run(ROOT, [*words, "--json", "--state", place / "state.json", "--profiles", place / "profiles"])
    return ran.code, ran.json


@pytest.mark.parametrize(
    ("intent", "node", "model"),
    [
        ("intent", "edge-npu", "resnet50"),
        ("tight-latency", "server-gpu", "resnet50"),
        ("low-power", "edge-cpu", "resnet18"),
    ],
)
def test_the_bounds_choose_the_device(place, intent, node, model):
    code, plan = aios(place, "plan", f"examples/described-fleet/{intent}.yaml")
    (decision,) = plan["decisions"]
    assert (code, plan["status"], decision["model"]) == (0, "optimal", model)
    assert [place["node"] for place in decision["placement"]] == [node]
    sources = {estimate["source"] for estimate in decision["estimates"].values()}
    assert sources <= {"calibrated", "analytic", "assumed", "declared"}


def test_two_bounds_that_collide_are_named_with_what_would_do(place):
    code, plan = aios(place, "plan", "examples/described-fleet/impossible.yaml")
    clauses = {clause["text"]: clause["where"] for clause in plan["conflict"]["clauses"]}
    assert (code, plan["status"]) == (3, "infeasible")
    assert set(clauses) == {"latency.p99 <= 4 ms", "power <= 2.5 W"}
    assert all(where.startswith("examples/described-fleet/impossible.yaml:") for where in clauses.values())
    assert len(plan["conflict"]["relaxations"]) == 2


def test_apply_refuses_what_it_cannot_reach(place):
    ran = run(ROOT, ["apply", "examples/described-fleet/intent.yaml", "--yes", "--state", place / "state.json"])
    assert ran.code == 6
    assert "no address" in ran.err


def test_the_tests_beside_the_intents_pass(tmp_path):
    report = tmp_path / "report.xml"
    ran = run(ROOT, ["test", "examples/described-fleet", "--junit", report])
    assert ran.code == 0, ran.out
    assert ran.out.splitlines()[-1] == "13 passed"
    shown = (ROOT / "examples" / "described-fleet" / "README.md").read_text(encoding="utf-8")
    assert ran.out in shown, "`make accept` writes what is printed into the README"
    assert report.read_text(encoding="utf-8").count("<testcase ") == 13
