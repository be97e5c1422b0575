"""The ledger's rows, hand-worked, clause by clause."""

from __future__ import annotations

import ast
from pathlib import Path

import brute_force
import pytest

import aios.check
from aios.check import audit
from aios.records.fleet import Used
from aios.records.selection import ObjectiveValue

GIB = 2.0**30


def ledger(make, fleet, intent, option, counts=((1,))):
    slots = brute_force.slots_of(fleet, option)
    objective = ()
    if "power" in option.estimates:
        value = option.estimates["power"].value
        objective = (ObjectiveValue(goal="minimize power", value=value, bound=value, gap=0.0, unit="W"),)
    selection = make.selection({intent.name: option}, {intent.name: (option, slots, counts)}, objective)
    return audit([intent], selection, fleet)


def rows(found):
    return {row.clause.id: (row.value, row.slack, row.holds) for row in found.rows}


def test_every_row_of_a_plan_that_holds(make):
    fleet = make.fleet(make.node(cores=4, memory_bytes=4 * GIB))
    option = make.option("a/1", {"power": 3.0, "latency.p99": (1, 2, 4)}, cores=1, share=0.25, replicas=2, memory=GIB)
    found = ledger(make, fleet, make.intent("a", {"latency.p99": 5}), option, (2,))
    assert found.holds
    assert rows(found) == {
        "a/runs": (None, None, True),
        "a/replicas": (2, 0, True),
        "a/on/local/cpu0": (None, None, True),
        "a/latency.p99": (4, 1, True),
        "capacity/local/cores": (2, 2, True),
        "capacity/local/memory": (2 * GIB, 2 * GIB, True),
        "capacity/local/cpu/cpu0/share": (0.5, 0.5, True),
        "capacity/local/cpu/cpu0/memory": (0, None, True),
        "objective/minimize power": (3, None, True),
    }
    assert [(row.goal, row.value) for row in found.objective] == [("minimize power", 3.0)]


@pytest.mark.parametrize(
    ("risk", "value", "holds"), [("pessimistic", 4, False), ("expected", 2, True)], ids=["pessimistic", "expected"]
)
def test_requirement(make, risk, value, holds):
    option = make.option("a/1", {"latency.p99": (1, 2, 4)})
    found = ledger(make, make.fleet(), make.intent("a", {"latency.p99": 3}, risk=risk), option)
    assert rows(found)["a/latency.p99"] == (value, 3 - value, holds)


def test_requirement_on_an_unknown_metric_is_broken(make):
    found = ledger(make, make.fleet(), make.intent("a", {"latency.p99": 3}), make.option("a/1"))
    assert rows(found)["a/latency.p99"] == (None, None, False)


@pytest.mark.parametrize(
    ("demand", "clause", "slack"),
    [
        ({"cores": 3}, "capacity/n/cores", -2),
        ({"memory": 3 * GIB}, "capacity/n/memory", -2 * GIB),
        ({"share": 0.75}, "capacity/n/gpu/0/share", -0.5),
        ({"device_memory": 3 * GIB}, "capacity/n/gpu/0/memory", -3 * GIB),
    ],
)
def test_one_capacity_is_broken_and_no_other(make, demand, clause, slack):
    fleet = make.fleet(make.node("n", {"gpu": 1}, cores=4, memory_bytes=4 * GIB), memory={"gpu": 3 * GIB})
    option = make.option("a/1", device="gpu", nodes=("n",), replicas=2, **demand)
    found = ledger(make, fleet, make.intent("a", goals=()), option, (2,))
    assert [(row.clause.id, row.slack) for row in found.rows if not row.holds] == [(clause, slack)]


def test_a_node_that_the_candidate_may_not_use(make):
    fleet = make.fleet(make.node("n"), make.node("m"))
    option = make.option("a/1", nodes=("n", "m"))
    slots = brute_force.slots_of(fleet, option)
    tied = option.model_copy(update={"candidate": option.candidate.model_copy(update={"nodes": ("n",)})})
    selection = make.selection({"a": tied}, {"a": (tied, slots, (0, 1))})
    found = audit([make.intent("a", goals=())], selection, fleet)
    assert [row.clause.id for row in found.rows if not row.holds] == ["a/on/m/cpu0"]


def test_something_nobody_asked_for_is_broken(make):
    option = make.option("b/1")
    found = audit(
        [],
        make.selection({"b": option}, {"b": (option, brute_force.slots_of(make.fleet(), option), (1,))}),
        make.fleet(),
    )
    assert [row.clause.text for row in found.rows if not row.holds] == ["b is an intent"]


def test_an_infeasible_selection_has_an_empty_ledger(make):
    found = audit([make.intent("a")], make.selection({}, {}, status="infeasible"), make.fleet())
    assert (found.rows, found.objective) == ((), ())


def test_the_checker_knows_neither_the_solver_nor_its_engine():
    for path in Path(aios.check.__file__).parent.glob("*.py"):
        names = [
            name
            for statement in ast.walk(ast.parse(path.read_text()))
            for name in (
                [alias.name for alias in statement.names]
                if isinstance(statement, ast.Import)
                else [statement.module or ""]
                if isinstance(statement, ast.ImportFrom)
                else []
            )
        ]
        assert not [name for name in names if name.startswith(("ortools", "aios.solve"))], path.name


@pytest.mark.parametrize(("taint", "holds"), [("down=yes:NoSchedule", False), ("slow=yes:PreferNoSchedule", True)])
def test_nothing_may_stand_where_a_taint_keeps_work_away(make, taint, holds):
    fleet = make.fleet(make.node(cores=4, taints=(taint,)))
    found = ledger(make, fleet, make.intent(), make.option("a/1", {"power": 3.0}, cores=1, share=0.25), (1,))
    assert rows(found)["a/on/local/cpu0"] == (None, None, holds)
    assert found.holds == holds


def test_what_is_taken_already_is_no_room(make):
    used = Used(cores=3, memory_bytes=3 * GIB)
    fleet = make.fleet(make.node(cores=4, memory_bytes=4 * GIB, used=used))
    option = make.option("a/1", {"power": 3.0}, cores=2, share=0.5, memory=2 * GIB)
    found = ledger(make, fleet, make.intent(), option, (1,))
    assert [row.clause.id for row in found.rows if not row.holds] == [
        "capacity/local/cores",
        "capacity/local/memory",
        "capacity/local/cpu/cpu0/share",
    ]
