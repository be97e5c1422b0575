"""Weights that do not fit the memory are served out of a mapped file on a drive, and measured without its pages."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: small}
spec:
  nodes:
    - name: here
      address: local
      cpu: 2
      memory: 190 MiB
      memory_tiers: [{kind: nvme, capacity: 10 GiB, read: 1 GB/s}]
      devices: [{type: my-cpu}]
  devices:
    - {name: my-cpu, kind: cpu, cores: 2, peak: {fp32: 50 GFLOPS}, bandwidth: 10 GB/s, tdp: 20 W, idle: 4 W}
"""
INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: heavy}
spec:
  task: regression
  model: ./heavy.onnx
  load: {rate: 1/s}
  require: {latency: {p99: 20 s}, memory: 190 MiB}
  goal: minimize latency.p99
  pin: {precision: fp32, threads: 1, replicas: 1}
"""
WIDTH = 2500


@pytest.fixture
def heavy(aios):
    """Four layers, 100 MB of weights."""
    random = np.random.default_rng(0)
    weights = [random.standard_normal((WIDTH, WIDTH), dtype=np.float32) / 50 for _ in range(4)]
    names = ["x", "a", "b", "c", "y"]
    nodes = [helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]]) for i in range(4)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", WIDTH]) for name in ("x", "y")]
    stored = [numpy_helper.from_array(weight, f"w{i}") for i, weight in enumerate(weights)]
    graph = helper.make_graph(nodes, "heavy", ends[:1], ends[1:], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, aios.place / "heavy.onnx")
    (aios.place / "fleet.yaml").write_text(FLEET)
    (aios.place / "intent.yaml").write_text(INTENT)
    return aios


def test_what_does_not_fit_lives_on_the_drive_and_is_served_from_there(heavy):
    planned = heavy("plan", "intent.yaml", "-o", "plan.json")
    assert planned.code == 0, planned.err
    assert "memory heavy: weights 95.4 MiB in nvme, 100 ms to read at 1 GB/s (declared)" in planned.out
    applied = heavy("apply", "plan.json")
    assert applied.code == 0, applied.err
    verified = heavy("verify", "--seconds", "4", "--json")
    verdicts = {item["metric"]: item for item in verified.json["verified"][0]["verdicts"]}
    memory = verdicts["memory"]
    assert memory["verdict"] == "held", memory
    assert memory["measured"]["meter"].endswith("without pages of files")
    assert verdicts["latency.p99"]["verdict"] == "held"
    assert heavy("destroy", "--yes").code == 0


def test_without_the_drive_nothing_fits_and_the_plan_says_what_would_help(heavy):
    fleet = heavy.place / "fleet.yaml"
    fleet.write_text("".join(line for line in FLEET.splitlines(True) if "memory_tiers" not in line))
    assert heavy("plan", "intent.yaml").code == 3
