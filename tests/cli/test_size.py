"""``aios size``: fleets that are bought hold what they were bought for, and cost what is said."""

import pytest
import yaml

from aios.records.errors import InputError, UsageError
from aios.workflow.setting import Setting
from aios.workflow.shapes import Sought
from aios.workflow.sizing import size

CHAT = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: chat}
spec:
  task: text-generation
  model: {card: Qwen/Qwen3-8B}
  load: {rate: 3/s, prompt: 1024, output: 256}
  require:
    latency: {ttft: {p99: 2 s}, tpot: {p90: 100 ms}}
  goal: minimize cost
  pin: {batch: [16, 64], precision: [bf16, fp8]}
"""

JOBS = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: etl}
spec: {demand: {cpu: 20, memory: 40 GiB}, count: 7}
---
apiVersion: aios/v1
kind: Intent
metadata: {name: extra}
spec: {demand: {cpu: 8, memory: 1 GiB}, count: 3, required: false}
"""

SHAPES = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: for-rent}
spec:
  nodes:
    - {name: l4, count: 16, cpu: 16, memory: 64 GiB, devices: [{type: nvidia-l4}], price: 0.80 USD/h, region: west}
    - {name: l40s, count: 8, cpu: 32, memory: 128 GiB, devices: [{type: nvidia-l40s}], price: 1.90 USD/h, region: west}
    - {name: quad, count: 8, cpu: 128, memory: 512 GiB, devices: [{type: nvidia-l40s, count: 4}], price: 7.20 USD/h,
       region: east}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path):
    for name, text in (("chat.yaml", CHAT), ("jobs.yaml", JOBS), ("shapes.yaml", SHAPES)):
        (tmp_path / name).write_text(text)
    return tmp_path


def bought(document):
    return {row["shape"]: row["count"] for row in document["fleet"]}


def test_the_cheapest_fleet_is_planned_on_as_it_was_sized(aios):
    ran = aios("size", "chat.yaml", "--from", "shapes.yaml", "-o", "fleet.yaml", "--json")
    assert ran.code == 0, ran.err
    found = ran.json
    assert found["status"] == "optimal"
    assert bought(found) == {"l40s": 2}
    assert found["objective"] == {"goal": "minimize cost", "value": 3.8, "bound": 3.8, "gap": 0.0, "unit": "USD/h"}
    assert {(row["shape"], row["machines"], row["value"]) for row in found["alternatives"]} == {
        ("quad", 1, 7.2),
        ("l4", 9, 7.2),
    }
    planned = aios("plan", "chat.yaml", "--fleet", "fleet.yaml", "--json").json
    assert planned["decisions"] == found["decisions"]
    assert planned["objective"] == found["goals"]


def test_one_machine_fewer_of_the_same_shape_does_not_do(aios, folder):
    fleet = yaml.safe_load(SHAPES)
    fleet["spec"]["nodes"] = [node | {"count": 1} for node in fleet["spec"]["nodes"] if node["name"] == "l40s"]
    (folder / "own.yaml").write_text(yaml.safe_dump(fleet))
    assert aios("plan", "chat.yaml", "--fleet", "own.yaml").code == 3


def test_a_split_service_is_written_down_as_intents_of_its_groups(aios, folder):
    (folder / "there").mkdir()
    ran = aios("size", "chat.yaml", "--from", "shapes.yaml", "--split", "6", "-o", "there/split.yaml", "--json")
    assert ran.code == 0, ran.err
    found = ran.json
    assert bought(found) == {"l4": 2, "l40s": 1}
    assert found["objective"]["value"] == 3.5
    assert [row["intent"] for row in found["groups"]] == ["chat", "chat"]
    assert sum(row["share"] for row in found["groups"]) == pytest.approx(1)
    planned = aios("plan", "there/split.yaml", "--json").json
    assert planned["decisions"] == found["decisions"]
    for decision in planned["decisions"]:
        assert decision["estimates"]["latency.ttft.p99"]["high"] <= 2
    rates = [
        float(d["spec"]["load"]["rate"].removesuffix("/s"))
        for d in yaml.safe_load_all((folder / "there/split.yaml").read_text())
        if d["kind"] == "Intent"
    ]
    assert sum(rates) == pytest.approx(3)


def test_stated_demands_are_sized_for(aios):
    """Seven copies of 20 cores: one each on a machine of 32 cores, six on one of 128 (which its memory holds too)."""
    ran = aios("size", "jobs.yaml", "--from", "shapes.yaml", "-o", "fleet.yaml", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["status"] == "optimal"
    assert bought(ran.json) == {"l40s": 1, "quad": 1}
    assert ran.json["objective"]["value"] == pytest.approx(9.1)
    planned = aios("plan", "jobs.yaml", "--fleet", "fleet.yaml", "--json").json
    assert planned["status"] == "optimal"
    assert [row["value"] for row in ran.json["alternatives"]] == pytest.approx([13.3, 14.4])


def test_shapes_of_the_catalogue_cost_what_their_devices_do(aios):
    prices = ("--price", "nvidia-l4=0.80", "--price", "nvidia-l40s=1.90 USD/h")
    ran = aios(
        "size", "chat.yaml", "--shapes", "nvidia-l40s,nvidia-l4:1,nvidia-a10g:1", *prices, "--json", "-o", "f.yaml"
    )
    assert ran.code == 0, ran.err
    found = ran.json
    assert found["objective"]["value"] == 3.8
    assert sum(row["together_usd_per_h"] for row in found["fleet"]) == 3.8
    assert found["left_out"] == [{"shape": "nvidia-a10g-x1", "reason": "no price per hour is stated"}]
    assert {(row["name"], row["figure"]) for row in found["shapes"]} == {
        ("nvidia-l4-x1", 0.8),
        ("nvidia-l40s-x1", 1.9),
        ("nvidia-l40s-x2", 3.8),
        ("nvidia-l40s-x4", 7.6),
        ("nvidia-l40s-x8", 15.2),
    }
    assert {"nvidia-l40s-x1": 2} in (bought(found), *found["equal"])
    planned = aios("plan", "chat.yaml", "--fleet", "f.yaml", "--json").json
    assert planned["decisions"] == found["decisions"]


def sized(path="chat.yaml", source="shapes.yaml", **more):
    """Size as the command does, in this process."""
    return size(Setting(paths=(path,)), Sought(source, **more))


def machines(found):
    return {node.name: node.count for node in found.fleet.nodes}


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("minimize", ["machines", "devices"])
@pytest.mark.usefixtures("here")
def test_machines_and_devices_are_counted(minimize):
    found = sized(minimize=minimize, shapes=("l4", "l40s"))
    assert machines(found) == {"l40s": 2}
    assert found.objective.value == 2


def test_power_is_of_machines_and_of_what_runs_on_them(here):
    """A machine of four devices draws three idle ones more than a machine of one."""
    (here / "frugal.yaml").write_text(CHAT.replace("minimize cost", "minimize power"))
    found = sized("frugal.yaml", minimize="power")
    assert found.status == "optimal"
    figures = {offer.node.name: offer.figure for offer in found.shapes.offers}
    assert figures["quad"] == pytest.approx(4 * figures["l40s"])
    drawn = sum(decision.estimates["power"].value for decision in found.planned.plan.decisions)
    assert found.objective.value == pytest.approx(drawn, rel=1e-6)


@pytest.mark.usefixtures("here")
def test_regions_and_numbers_bound_what_may_be_bought(aios):
    assert machines(sized(regions=("east",))) == {"quad": 1}
    ran = aios("size", "jobs.yaml", "--from", "shapes.yaml", "--region", "west", "--max-nodes", "6")
    assert ran.code == 3
    assert "of each 6 at most (--max-nodes)" in ran.out
    assert "etl/stands -> 6 copies instead of 7" in ran.out


def test_what_nothing_serves_is_named_with_its_nearest_miss(here, aios):
    (here / "huge.yaml").write_text(JOBS.replace("cpu: 20", "cpu: 500"))
    ran = aios("size", "huge.yaml", "--from", "shapes.yaml")
    assert ran.code == 3
    assert "nothing that may be bought serves etl" in ran.out
    found = sized(shapes=("l4",), machines=1)
    assert found.status == "infeasible"
    assert found.impossible[0].name == "chat"
    assert found.impossible[0].nearest.candidate.device == "nvidia-l4"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("spread: {over: node, max: 1}", {"l40s": 2}),
        ("spread: {over: region, max_share: 50 %}", {"l40s": 1, "quad": 1}),
        ("apart: {from: chat}", {"l40s": 2}),
        ("survive: {losses: 1}", {"l40s": 2}),
        ("survive: {losses: 2}", {"l40s": 3}),
        ("survive: {losses: 1, of: region}", {"l40s": 1, "quad": 1}),
        ("where: {regions: east}", {"quad": 1}),
    ],
)
def test_rules_are_sized_for(here, rule, expected):
    """One l40s serves the load in fp8, two in bf16: 2 losses take 3 of them, another region a machine of there."""
    (here / "ruled.yaml").write_text(f"{CHAT}  {rule}\n")
    found = sized("ruled.yaml")
    assert (found.status, machines(found)) == ("optimal", expected)


def test_replicas_stand_on_machines_of_several_shapes_where_none_has_room_for_all(here):
    nodes = "\n".join(
        f"    - {{name: {name}, devices: [{{type: nvidia-l40s}}], price: 2 USD/h, region: {name}}}" for name in "abc"
    )
    (here / "singles.yaml").write_text(SHAPES[: SHAPES.index("    - ")] + nodes)
    assert sum(machines(sized(source="singles.yaml")).values()) == 2


def test_what_may_be_refused_is_bought_no_machine(here):
    extra = CHAT.replace("name: chat", "name: extra") + "  required: false\n"
    (here / "both.yaml").write_text(f"{CHAT}---\n{extra}")
    found = sized("both.yaml")
    assert machines(found) == {"l40s": 2}
    assert [item.intent for item in found.planned.plan.refused] == ["extra"]


def test_a_budget_that_no_fleet_keeps_is_told_with_what_would_do(here, aios):
    budget = "---\napiVersion: aios/v1\nkind: Objective\nmetadata: {name: o}\nspec: {budget: {power: 500 W}}\n"
    (here / "budget.yaml").write_text(CHAT.replace("[16, 64]", "64").replace("[bf16, fp8]", "fp8") + budget)
    ran = aios("size", "budget.yaml", "--from", "shapes.yaml")
    assert ran.code == 3
    assert "power <= 500 W for the whole plan  budget.yaml:16:24" in ran.out
    assert "budget/power -> " in ran.out


def test_a_budget_decides_between_fleets(here):
    """Two l40s draw 617 W at most 800 W; of l4 there are nine, 72 W each."""
    budget = "---\napiVersion: aios/v1\nkind: Objective\nmetadata: {name: o}\nspec: {budget: {power: %s W}}\n"
    for watts, expected in ((2000, {"l40s": 2}), (670, {"l4": 9})):
        (here / "budget.yaml").write_text(CHAT + budget % watts)
        assert machines(sized("budget.yaml")) == expected


def test_rules_are_not_for_groups(here):
    (here / "ruled.yaml").write_text(f"{CHAT}  survive: {{losses: 1}}\n")
    with pytest.raises(InputError) as caught:
        sized("ruled.yaml", split=2)
    (found,) = caught.value.diagnostics
    assert str(found.where) == "ruled.yaml:12:21"


@pytest.mark.parametrize(
    ("sought", "error", "said"),
    [
        (Sought(minimize="costs"), UsageError, "did you mean cost?"),
        (Sought(machines=0), UsageError, "--max-nodes 0"),
        (Sought(split=65), UsageError, "--split 65"),
        (Sought("nosuch.yaml"), InputError, "there is no file or folder nosuch.yaml"),
        (Sought("chat.yaml"), InputError, "holds no document of kind Fleet"),
        (Sought("empty"), InputError, "folder empty holds no .yaml file"),
        (Sought("shapes.yaml", shapes=("l40",)), InputError, "did you mean `l40s`?"),
        (Sought("shapes.yaml", regions=("wets",)), InputError, "did you mean `west`?"),
        (Sought("shapes.yaml", regions=("west",), shapes=("quad",)), InputError, "no machine of shapes.yaml"),
        (Sought(regions=("west",)), UsageError, "stand in no region"),
        (Sought(shapes=("nvidia-l44:1",)), InputError, "did you mean `nvidia-l4`"),
        (Sought(shapes=("nvidia-l4:0",)), InputError, "ask for 1 to 64"),
        (Sought(shapes=("nvidia-l4:99999999999999999999",)), InputError, "ask for 1 to 64"),
        (Sought(shapes=("nvidia-l4",)), InputError, "no shape has a price per hour"),
        (Sought(shapes=("nvidia-l4",), prices=("nvidia-l4=-1",)), InputError, "is negative"),
        (Sought(shapes=("nvidia-l4",), prices=("nvidia-l4=1e300",)), InputError, "more than 1000000 USD/h"),
        (Sought(shapes=("nvidia-l4",), prices=("nvidia-l4",)), InputError, "states no price"),
        (Sought(shapes=("nvidia-l4",), prices=("nvidia-l5=1",)), InputError, "did you mean `nvidia-l4=1`?"),
    ],
)
def test_what_is_wrong_is_said(folder, monkeypatch, sought, error, said):
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    with pytest.raises(error) as caught:
        size(Setting(paths=("chat.yaml",)), sought)
    told = [(item.summary, item.reason, item.remedy) for item in caught.value.diagnostics]
    assert any(said in (part or "") for item in told for part in item), told


def test_a_wrong_value_ends_the_command_before_anything_is_printed(aios):
    ran = aios("size", "chat.yaml", "--from", "shapes.yaml", "--minimize", "costs")
    assert (ran.code, ran.out) == (64, "")
    assert "did you mean cost?" in ran.err


def test_demands_that_may_all_be_refused_need_no_machine(aios, folder):
    (folder / "optional.yaml").write_text(JOBS.replace("count: 7", "count: 7, required: false"))
    ran = aios("size", "optional.yaml", "--from", "shapes.yaml")
    assert ran.code == 1
    assert "nothing is required" in ran.err
