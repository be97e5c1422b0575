"""Changes written as options: where they land in the documents, and where their mistakes point."""

import pytest

from aios.records.amended import amended, written
from aios.records.document import parse
from aios.records.errors import InputError
from aios.workflow.changes import read_changes
from aios.workflow.changing import changed

FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: lab}
spec:
  nodes:
    - name: t4
      count: 2
      devices: [{type: nvidia-t4, count: 4}]
    - {name: big.t4, cpu: 8}
    - {name: big, cpu: 4}
  devices:
    - {name: own, kind: npu, peak: {int8: 1 TOPS}}
"""
INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: chat}
spec:
  load: {rate: 2/s}
  require: {latency: {p99: 10 ms, p50: 5 ms}}
---
apiVersion: aios/v1
kind: Intent
metadata: {name: other}
spec: {goal: minimize power}
"""
KINDS = {"nvidia-t4": "gpu", "own": "npu"}


def files(intents=INTENT, fleet=FLEET):
    found = {"intents.yaml": parse(intents.encode(), "intents.yaml")}
    return {**found, **({"fleet.yaml": parse(fleet.encode(), "fleet.yaml")} if fleet else {})}


def after(*options, **given):
    problems = []
    found = changed(files(**given), read_changes(options), KINDS, problems)
    if problems:
        raise InputError(*problems)
    return found


def spec(found, file="fleet.yaml", index=0):
    return found[file][index].data["spec"]


def mistakes(*options, **given):
    with pytest.raises(InputError) as caught:
        after(*options, **given)
    return [(str(item.where), item.summary, item.remedy) for item in caught.value.diagnostics]


def test_what_is_not_named_stays():
    before, found = files(), after("nodes.t4.count=5")
    assert spec(found)["nodes"][0] == {**spec(before)["nodes"][0], "count": 5}
    assert spec(found)["nodes"][1:] == spec(before)["nodes"][1:]
    assert found["intents.yaml"][0].data == before["intents.yaml"][0].data
    assert spec(before)["nodes"][0]["count"] == 2, "what was read is not touched"


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), (" 3 ", 3), ("0.5 USD/h", "0.5 USD/h"), ("true", True), ('"3"', "3"), ("{a: [1, x]}", {"a": [1, "x"]})],
)
def test_values_are_read_as_yaml(text, value):
    assert spec(after(f"nodes.t4.price={text}"))["nodes"][0]["price"] == value


def test_names_may_hold_dots_and_the_longest_is_meant():
    found = after("nodes.big.t4.cpu=9", "nodes.big.cpu=5")
    assert [node["cpu"] for node in spec(found)["nodes"][1:]] == [9, 5]


def test_items_of_lists_and_quoted_names():
    found = after(
        "nodes.t4.devices[0].count=1", 'nodes.t4.labels."example.org/rack"=r1', "nodes.big.devices[0].type=own"
    )
    first, _, big = spec(found)["nodes"]
    assert first["devices"] == [{"type": "nvidia-t4", "count": 1}]
    assert first["labels"] == {"example.org/rack": "r1"}
    assert big["devices"] == [{"type": "own"}]


def test_null_takes_away_fields_items_nodes_and_intents():
    found = after(
        "intents.chat.require.latency.p99=null",
        "nodes.t4=null",
        "nodes.big.cpu=null",
        "devices.own=~",
        "intents.other=null",
    )
    assert spec(found, "intents.yaml")["require"] == {"latency": {"p50": "5 ms"}}
    assert spec(found)["nodes"] == [{"name": "big.t4", "cpu": 8}, {"name": "big"}]
    assert spec(found)["devices"] == []
    assert len(found["intents.yaml"]) == 1


def test_what_is_not_there_can_be_added_whole():
    found = after("nodes.new={cpu: 2}", "nodes.new.cpu=3", "intents.third={task: x}", "objective.budget.power=2 kW")
    assert spec(found)["nodes"][-1] == {"name": "new", "cpu": 3}
    third, objective = found["intents.yaml"][2:]
    assert (third.kind, third.data["metadata"], third.data["spec"]) == ("Intent", {"name": "third"}, {"task": "x"})
    assert (objective.kind, objective.data["spec"]) == ("Objective", {"budget": {"power": "2 kW"}})


def test_one_intent_can_stand_in_for_all_others():
    found = after("intents.chat=null", "intents.other=null", "intents.third={task: x}")
    assert [document.data["metadata"]["name"] for document in found["intents.yaml"]] == ["third"]


def test_what_is_there_can_be_replaced_whole_and_keeps_its_name():
    found = after("nodes.t4={cpu: 1}", "devices.own={tdp: 3 W}", "intents.other={task: x}")
    assert spec(found)["nodes"][0] == {"name": "t4", "cpu": 1}
    assert spec(found)["devices"] == [{"name": "own", "kind": "npu", "tdp": "3 W"}]
    assert found["intents.yaml"][1].data["metadata"] == {"name": "other"}
    assert spec(found, "intents.yaml", 1) == {"task": "x"}


def test_a_type_of_the_catalogue_takes_over_what_is_not_changed():
    for options in (["devices.nvidia-t4.tdp=60 W"], ["devices.nvidia-t4={tdp: 60 W}"]):
        new = spec(after(*options))["devices"][1]
        assert new == {"name": "nvidia-t4", "kind": "gpu", "from": "nvidia-t4", "tdp": "60 W"}
    without = FLEET[: FLEET.index("  devices:\n")]
    assert spec(after("devices.nvidia-t4.tdp=60 W", fleet=without))["devices"][0]["tdp"] == "60 W"


def test_places_point_at_options_and_files():
    (document, *_) = after("intents.chat.load.rate=40/s")["intents.yaml"]
    assert str(document.span(("spec", "load", "rate"))) == "--set 1:1:24"
    assert str(document.span(("spec", "require", "latency", "p99"))) == "intents.yaml:6:28"
    assert str(document.leaves()["spec.load.rate"]) == "--set 1:1:24"
    told = document.diagnostic(("spec", "load", "rate"), "wrong")
    assert (told.line_text, told.where.column) == ("intents.chat.load.rate=40/s", 24)


def test_a_second_change_of_a_document_keeps_the_places_of_the_first():
    (document, *_) = after("intents.chat.load.rate=40/s", "intents.chat.priority=3")["intents.yaml"]
    assert str(document.span(("spec", "load", "rate"))) == "--set 1:1:24"
    assert str(document.span(("spec", "priority"))) == "--set 2:1:23"
    assert str(document.span(("spec", "priority"), key=True)) == "--set 2:1:14"


def test_wrong_options_are_all_told_at_once():
    found = mistakes("nodes.t4.count", "x..y=1", "nodes.t4.count=", "nodes.t4.cpu=[1", "nodes.t4.a=1", "nodes.t4.a=2")
    assert [where for where, _, _ in found] == [
        "--set 1:1:15", "--set 2:1:2", "--set 3:1:1", "--set 4:1:14", "--set 6:1:1",
    ]  # fmt: skip
    assert found[-1][1:] == ("`nodes.t4.a` is changed twice", "keep this one or --set 5")


@pytest.mark.parametrize(
    ("option", "column", "summary", "remedy"),
    [
        ("node.t4.count=1", 1, "a path does not begin with `node`", "did you mean `nodes`?"),
        ("t4.count=1", 1, "a path does not begin with `t4`", "did you mean `nodes.t4`?"),
        ("nodes.t5.count=1", 7, "there is no node `t5`", "known: `big`, `big.t4`, `t4`"),
        ("nodes.t5=null", 7, "there is no node `t5`", "known: `big`, `big.t4`, `t4`"),
        ("intents.chad.load.rate=1/s", 9, "there is no intent `chad`", "did you mean `chat`?"),
        ("devices.nvidia-t5.tdp=1 W", 9, "there is no device type `nvidia-t5`", "did you mean `nvidia-t4`?"),
        ("devices.nvidia-t4=null", 9, "`devices.nvidia-t4` is described by the catalogue alone", "name a field of it"),
        ("nodes=3", 1, "`nodes` does not say which", "write `intents.NAME.FIELD`"),
        ("nodes.t4=3", 1, "`nodes.t4` is a node", "name a field of it"),
        ("nodes.t4.cuont=null", 10, "`spec.nodes[0]` states no `cuont` to take away", "did you mean `count`?"),
        ("nodes.t4.count.x=1", 16, "`spec.nodes[0].count` is `2`, and holds no fields", None),
        ("nodes.t4.devices.x=1", 18, "`spec.nodes[0].devices` is a list of 1", "[0]"),
        ("nodes.t4.devices[2].type=x", 17, "`spec.nodes[0].devices` is a list of 1", "[0]"),
        ("nodes.t4.devices[1]=null", 17, "`spec.nodes[0].devices` is a list of 1", "[0]"),
        ("nodes.t4[0]=1", 9, "`spec.nodes[0]` is a mapping, and no list", None),
    ],
)
def test_a_wrong_path_names_the_nearest_right_one(option, column, summary, remedy):
    ((where, said, advice),) = mistakes(option)
    assert (where, said) == (f"--set 1:1:{column}", summary)
    assert (remedy is None) == (advice is None)
    assert remedy is None or remedy in advice


def test_without_a_fleet_file_nodes_cannot_be_changed():
    ((_, summary, remedy),) = mistakes("nodes.local.count=3", fleet=None)
    assert summary == "there is no node `local`"
    assert "aios init" in remedy


@pytest.mark.parametrize(
    "text", ["{a: ", "a: b", "*x", "!!python/none x", "\x07", "- a\n- b\n---\nc", "\udcff", "k: [" * 70]
)
def test_hostile_values_end_in_a_mistake_that_points_at_the_option(text):
    with pytest.raises(InputError) as caught:
        read_changes([f"nodes.t4.cpu={text}"])
    assert all(item.where.file == "--set 1" and item.where.line == 1 for item in caught.value.diagnostics)


def test_many_changes_of_one_document_are_cheap():
    document = parse(FLEET.encode(), "fleet.yaml")[0]
    for number in range(500):
        text = f"nodes.t4.labels.k{number}={number}"
        document = amended(
            document, ("spec", "nodes", 0, "labels", f"k{number}"), written(text, 1 + text.index("="), "--set"), [0]
        )
    assert len(document.data["spec"]["nodes"][0]["labels"]) == 500
