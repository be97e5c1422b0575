"""whatif, as a user runs it: the figures are those of two plans made apart, and mistakes point at the option."""

import json
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "described-fleet"
INTENT = EXAMPLE / "intent.yaml"
FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: lab}
spec:
  include: [more]
  nodes:
    - {name: t4, count: 3, cpu: 16, memory: 64 GiB, devices: [{type: nvidia-t4, count: 2}]}
"""
INCLUDED = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: more}
spec:
  nodes:
    - {name: spare, cpu: 4, memory: 64 GiB}
"""
DEMANDS = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: etl}
spec:
  demand: {cpu: 4, memory: 8 GiB, accelerator: {count: 1, share: 0.5, types: [nvidia-t4]}}
  count: 12
  required: false
"""


def test_the_table_compares_two_plans_that_were_made_apart(aios):
    options = ("intents.classify-pictures.require.latency.p99=5 ms", "nodes.edge-npu.count=2")
    found = aios("whatif", INTENT, *(word for text in options for word in ("--set", text)), "--json")
    assert found.code == 0, found.err
    for name in ("intent.yaml", "fleet.yaml"):
        text = (EXAMPLE / name).read_text().replace("p99: 100 ms", "p99: 5 ms")
        aios.write(name, text.replace("{name: edge-npu,", "{name: edge-npu, count: 2,"))
    shutil.copytree(EXAMPLE / "models", aios.place / "models")
    shutil.copy(EXAMPLE / "calibrate.npz", aios.place / "calibrate.npz")
    now, then = aios("plan", INTENT, "--json").json, aios("plan", "intent.yaml", "--json").json
    assert found.json["changes"] == list(options)
    rows = {row["name"]: (row["now"], row["what_if"]) for row in found.json["figures"]}
    assert rows["minimize power"] == (now["objective"][0]["value"], then["objective"][0]["value"])
    for metric in ("latency.p99", "accuracy.top1"):
        assert rows[metric] == tuple(plan["decisions"][0]["estimates"][metric]["value"] for plan in (now, then))
    assert (rows["intents"], rows["devices used"]) == ((1, 1), (1, 1))
    (change,) = found.json["difference"]["intents"]
    assert change["after"].endswith(f"on {then['decisions'][0]['device']}")
    assert change["reasons"] == [
        "latency.p99 <= 5 ms is required, and the earlier choice would be held to 8.41 ms",
    ]
    assert sorted(found.json["difference"]["inputs"]) == ["fleet", "intents"]


def test_what_cannot_hold_points_at_the_option(aios):
    done = aios(
        "whatif", INTENT, "--set", "nodes.edge-npu.cpu=8", "--set", "intents.classify-pictures.load.rate=40000/s"
    )
    assert done.code == 3
    assert ["status", "optimal", "infeasible"] in [line.split() for line in done.out.splitlines()]
    assert "classify-pictures: throughput >= 40000/s (implied by load)  --set 2:1:37" in done.out


def test_a_change_can_mend_what_cannot_hold(aios):
    option = "intents.classify-pictures.require.latency=null"
    done = aios("whatif", EXAMPLE / "impossible.yaml", "--set", option)
    assert done.code == 0
    assert ["status", "infeasible", "optimal"] in [line.split() for line in done.out.splitlines()]
    assert "these could not hold together before:" in done.out


def test_a_change_of_nothing_changes_nothing(aios):
    aios.write("fleet.yaml", FLEET.replace("  include: [more]\n", ""))
    aios.write("etl.yaml", DEMANDS)
    done = aios("whatif", "etl.yaml", "--set", "nodes.t4.count=3")
    assert done.code == 0, done.err
    assert done.out.endswith("the choice for every intent stays the same\n")


def test_wrong_values_are_told_as_in_files_and_point_at_the_option(aios):
    options = (
        "nodes.edge-npu.cuont=2",
        "intents.classify-pictures.load.rate=40",
        "nodes.edge-pc.cpu=-1",
        "nodes.edge-npv.count=2",
    )
    done = aios("whatif", INTENT, *(word for text in options for word in ("--set", text)), "--json")
    assert done.code == 1
    errors = {item["where"]: item for item in done.json["errors"]}
    assert set(errors) == {"--set 1:1:16", "--set 2:1:37", "--set 3:1:19", "--set 4:1:7"}
    assert "did you mean `edge-npu`?" in errors["--set 4:1:7"]["remedy"]
    assert "did you mean `count`?" in errors["--set 1:1:16"]["remedy"]
    assert errors["--set 2:1:37"]["remedy"] == "write a rate, such as `40/s`"
    assert errors["--set 3:1:19"]["line_text"] == "nodes.edge-pc.cpu=-1"


def test_without_a_change_the_command_line_is_wrong(aios):
    assert aios("whatif", INTENT).code == 64


def test_demands_and_included_files_read_from_standard_input_too(aios):
    aios.write("fleet.yaml", FLEET)
    aios.write("more/spare.yaml", INCLUDED)
    options = ("--set", "nodes.t4.count=2", "--set", "nodes.spare.cpu=2")
    done = aios("whatif", "-", "--fleet", "fleet.yaml", *options, "--json-into", "found.json", stdin=DEMANDS)
    assert done.code == 0, done.err
    assert "~ etl: 12 -> 8 copies on nvidia-t4 (4 refused)" in done.out
    figures = {
        row["name"]: (row["now"], row["what_if"])
        for row in json.loads((aios.place / "found.json").read_text())["figures"]
    }
    assert (figures["replicas"], figures["refused"], figures["devices used"]) == ((12, 8), (0, 4), (6, 4))


@pytest.mark.parametrize("option", ["devices.nvidia-l4.price=0.1 USD/h"])
def test_a_price_of_a_type_that_only_the_catalogue_describes(aios, option):
    chat = ROOT / "examples" / "chat-described-fleet" / "intent.yaml"
    done = aios("whatif", chat, "--set", "nodes.l4.price=null", "--set", option, "--json")
    assert done.code == 0, done.err
    (change,) = done.json["difference"]["intents"]
    assert change["after"].endswith("on nvidia-l4")
    (cost,) = [row for row in done.json["figures"] if row["name"] == "minimize cost"]
    assert cost["what_if"] == pytest.approx(0.1 * change["replicas"][1])
