"""A pipeline that stands: requests through all of its stages, measured beside what was predicted."""

from __future__ import annotations

import os
import signal

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

INTENT = """apiVersion: aios/v1
kind: Intent
metadata: {{name: mail}}
spec:
  task: postcodes
  pipeline:
    - {{name: read, model: {digits}, produces: 40 B, pin: {{precision: fp32, threads: 1, batch: 1, replicas: 1}}}}
    - {{name: weigh, model: second.onnx, per: {per}, pin: {{precision: fp32, threads: 1, batch: 1, replicas: 1}}}}
  load: {{rate: 20/s}}
  require: {{latency: {{p99: {bound}}}}}
"""


def write_second(path, width):
    """A model of one matrix product: [batch, width] -> [batch, 3]."""
    import numpy as np

    weights = numpy_helper.from_array(np.ones((width, 3), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "second",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [weights],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.fixture
def applied(aios, fleet, digits):
    assert fleet.exists()

    def apply(width=10, per=2, bound="5 s"):
        write_second(aios.place / "second.onnx", width)
        model = digits / "models" / "digits-s.onnx"
        aios.write("mail.yaml", INTENT.format(digits=model, per=per, bound=bound))
        ran = aios("apply", "mail.yaml", "--yes")
        assert ran.code == 0, ran.err

    return apply


def whole_of(ran):
    return next(item for item in ran.json["verified"] if item["address"] == "mail")


def test_a_request_through_all_stages_is_measured_and_a_dead_stage_breaks_its_promise(aios, applied):
    applied()
    ran = aios("verify", "--seconds", "1", "--json")
    assert ran.code == 0, ran.out + ran.err
    assert [item["address"] for item in ran.json["verified"]] == ["mail/read", "mail/weigh", "mail"]
    whole = whole_of(ran)
    p99 = next(item for item in whole["verdicts"] if item["metric"] == "latency.p99")
    assert p99["verdict"] == "held"
    assert p99["clause"] == "latency.p99 <= 5 s"
    assert 0 < p99["measured"]["value"] < 5
    assert whole["conditions"]["load"].startswith(f"{p99['measured']['n']} requests through read -> 2 x weigh in")
    assert "inputs" not in whole["conditions"], "what read answers is what weigh takes"
    stages = {item["address"]: item["verdicts"] for item in ran.json["verified"]}
    assert not [item for rows in stages.values() for item in rows if item["address"] not in stages]
    rows = aios("status", "--json").json["resources"]
    for pid in next(item for item in rows if item["resource"]["address"] == "mail/weigh")["observed"]["pids"]:
        os.kill(pid, signal.SIGKILL)
    ran = aios("verify", "--seconds", "1", "--json")
    assert ran.code == 5
    broken = [item for item in whole_of(ran)["verdicts"] if item["verdict"] == "broken"]
    assert [item["metric"] for item in broken] == ["latency.p99"]


def test_inputs_of_their_own_are_said_to_be(aios, applied):
    applied(width=7)
    ran = aios("verify", "mail", "--seconds", "1", "--json")
    assert "before mail/weigh gives nothing of the right shape" in whole_of(ran)["conditions"]["inputs"]
