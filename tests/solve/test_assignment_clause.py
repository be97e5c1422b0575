"""The assignment clause: every intent runs in exactly one way."""

from __future__ import annotations

from aios.solve import Limits, choose


def test_holds_trivially_and_chooses_one(make):
    options = [make.option(f"a/{k}", {"power": 3.0}) for k in range(3)]
    found = choose([make.intent("a")], {"a": options}, make.fleet(), Limits())
    assert found.chosen == {"a": options[0]}
    assert [(p.node, p.devices, p.replicas) for p in found.placement["a"]] == [("local", ("cpu0",), 1)]


def test_must_fail_without_options_and_says_so(make):
    found = choose([make.intent("a"), make.intent("b")], {"a": [make.option("a/1")]}, make.fleet(), Limits())
    assert found.status == "infeasible"
    assert [clause.text for clause in found.conflict.clauses] == ["b runs"]
    assert "b has no option at all" in found.conflict.notes[0]


def test_must_fail_where_no_node_has_the_device(make):
    found = choose([make.intent("a")], {"a": [make.option("a/1", device="gpu")]}, make.fleet(), Limits())
    assert [clause.id for clause in found.conflict.clauses] == ["a/runs"]
    assert "No option of a names a node" in found.conflict.notes[0]


def test_indifferent_to_how_many_intents_there_are(make):
    names = [f"i{k}" for k in range(5)]
    options = {name: [make.option(f"{name}/1", {"power": 1.0})] for name in names}
    found = choose([make.intent(name) for name in names], options, make.fleet(), Limits())
    assert sorted(found.chosen) == names
    assert found.objective[0].value == 5.0


def test_no_intent_is_an_empty_plan(make):
    found = choose([], {}, make.fleet(), Limits())
    assert (found.status, found.chosen, found.placement) == ("optimal", {}, {})
