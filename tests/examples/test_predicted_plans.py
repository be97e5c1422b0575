"""Plans for hardware that is not here, from predictions alone: complete, told where from, the best of all listed."""

import shutil
from pathlib import Path

import pytest
from in_process import run

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EDGE = "edge-boards/intent.yaml"
ONNX = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: look}
spec:
  task: image-classification
  model: ./digits-l.onnx
  load: {rate: 20/s}
  require: {latency: {p99: 500 ms}}
  goal: minimize power
"""


def aios(place, *arguments):
    ran = run(place, [*arguments, "--json"])
    assert ran.code == 0, ran.err
    return ran.json


def allowed(candidate, requirement):
    """Compare the pessimistic end; a number that nobody knows keeps no promise."""
    metric, relation, bound = requirement
    estimate = candidate["estimates"].get(metric)
    if estimate is None:
        return False
    return estimate["high"] <= bound if relation == "<=" else estimate["low"] >= bound


CASES = {
    EDGE: ("energy", [("latency.p99", "<=", 0.5), ("throughput", ">=", 20.0)]),
    "chat-described-fleet/intent.yaml": (
        "cost",
        [("throughput", ">=", 2.0), ("latency.ttft.p99", "<=", 2.0), ("latency.tpot.p90", "<=", 0.1)],
    ),
    "train-described-fleet/low-energy.yaml": ("energy", []),
}


@pytest.mark.parametrize("name", CASES)
def test_the_plan_is_the_best_of_all_candidates(name, tmp_path):
    place = tmp_path / "example"
    shutil.copytree(EXAMPLES / Path(name).parent, place)
    file = Path(name).name
    goal, requirements = CASES[name]
    plan = aios(place, "plan", file)
    listed = aios(place, "candidates", file)["candidates"]
    requirements = [
        *requirements,
        *((claim["metric"], claim["clause"].split()[1], claim["bound"]) for claim in plan["claims"] if claim["clause"]),
    ]
    able = [item for item in listed if all(allowed(item, one) for one in requirements) and goal in item["estimates"]]
    assert 0 < len(able) <= len(listed)
    best = min(item["estimates"][goal]["value"] for item in able)
    (decision,) = plan["decisions"]
    assert plan["status"] == "optimal"
    assert decision["estimates"][goal]["value"] == pytest.approx(best, rel=1e-4)


def check_told(decision):
    for name, estimate in decision["estimates"].items():
        assert estimate["source"] in ("calibrated", "analytic", "declared", "assumed", "datasheet"), name
        assert estimate["low"] <= estimate["value"] <= estimate["high"], name
        assert estimate["basis"], name
    for name in ("latency.p99", "throughput", "power"):
        assert decision["estimates"][name]["low"] < decision["estimates"][name]["high"], name


def test_every_estimate_of_a_published_network_says_where_from(tmp_path):
    place = tmp_path / "example"
    shutil.copytree(EXAMPLES / "edge-boards", place)
    (decision,) = aios(place, "plan", "intent.yaml")["decisions"]
    check_told(decision)
    kinds = {item["device"] for item in aios(place, "candidates", "intent.yaml")["candidates"]}
    assert kinds == {
        "raspberry-pi-5-8gb", "hailo-8", "rockchip-rk3588-npu", "google-coral-edge-tpu", "nvidia-jetson-orin-nx-16gb",
        "nvidia-l4",
    }  # fmt: skip


def test_a_file_is_planned_on_the_same_boards(tmp_path):
    shutil.copy(EXAMPLES / "edge-boards/fleet.yaml", tmp_path)
    shutil.copy(EXAMPLES / "digits/models/digits-l.onnx", tmp_path)
    (tmp_path / "intent.yaml").write_text(ONNX)
    (decision,) = aios(tmp_path, "plan", "intent.yaml")["decisions"]
    check_told(decision)
