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
    assert (
        aios("plan", "chat.yaml", "--fleet", "fleet.yaml", "--json").out
        == aios("plan", "chat.yaml", "--fleet", "fleet.yaml", "--json").out
    )


@pytest.mark.parametrize(("machines", "code"), [(2, 0), (1, 3)])
def test_one_machine_fewer_of_the_same_shape_does_not_do(aios, folder, machines, code):
    fleet = yaml.safe_load(SHAPES)
    fleet["spec"]["nodes"] = [node | {"count": machines} for node in fleet["spec"]["nodes"] if node["name"] == "l40s"]
    (folder / "own.yaml").write_text(yaml.safe_dump(fleet))
    assert aios("plan", "chat.yaml", "--fleet", "own.yaml").code == code


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


@pytest.mark.parametrize(("minimize", "shape"), [("machines", {"l40s": 2}), ("devices", {"l40s": 2})])
def test_machines_and_devices_are_counted(aios, minimize, shape):
    ran = aios("size", "chat.yaml", "--from", "shapes.yaml", "--minimize", minimize, "--shapes", "l4,l40s", "--json")
    assert bought(ran.json) == shape
    assert ran.json["objective"]["value"] == 2


def test_power_is_of_machines_and_of_what_runs_on_them(aios, folder):
    """A machine of four devices draws three idle ones more than a machine of one."""
    (folder / "frugal.yaml").write_text(CHAT.replace("minimize cost", "minimize power"))
    ran = aios("size", "frugal.yaml", "--from", "shapes.yaml", "--minimize", "power", "--json")
    assert ran.code == 0, ran.err
    found = ran.json
    assert found["status"] == "optimal"
    single, quad = (next(r["figure"] for r in found["shapes"] if r["name"] == name) for name in ("l40s", "quad"))
    assert quad == pytest.approx(4 * single)
    drawn = sum(decision["estimates"]["power"]["value"] for decision in found["decisions"])
    assert found["objective"]["value"] == pytest.approx(drawn, rel=1e-6)


def test_regions_and_numbers_bound_what_may_be_bought(aios):
    ran = aios("size", "chat.yaml", "--from", "shapes.yaml", "--region", "east", "--json")
    assert bought(ran.json) == {"quad": 1}
    ran = aios("size", "jobs.yaml", "--from", "shapes.yaml", "--region", "west", "--max-nodes", "6")
    assert ran.code == 3
    assert "not on 6 machines" in ran.out


def test_what_nothing_serves_is_named_with_its_nearest_miss(aios, folder):
    (folder / "huge.yaml").write_text(JOBS.replace("cpu: 20", "cpu: 500"))
    ran = aios("size", "huge.yaml", "--from", "shapes.yaml")
    assert ran.code == 3
    assert "nothing that may be bought serves etl" in ran.out
    ran = aios("size", "chat.yaml", "--from", "shapes.yaml", "--shapes", "l4", "--max-nodes", "1", "--json")
    assert ran.code == 3
    assert ran.json["status"] == "infeasible"
    assert ran.json["impossible"][0]["intent"] == "chat"
    assert ran.json["impossible"][0]["nearest"]["candidate"]["device"] == "nvidia-l4"


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
