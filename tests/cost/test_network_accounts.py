"""What the time of a call is told to go into: the parts that it was learnt for, or the roofline of each operator."""

import math

import pytest

from aios.cost import Evidence, explain, price
from aios.cost.network_predictor import PREDICTOR
from aios.models.structures import card_profile
from aios.records.base import Span
from aios.records.calibration import Calibration, Effect, Residual, Stage
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Node
from aios.records.intent import Goal, Intent, Load, ModelChoice

HERE = Span(file="intent.yaml", line=1, column=1)
RESNET = card_profile("resnet18")
WIDE = Residual(level="calibrated", stratum="", low=-0.1, high=0.1, rows=40)


def fact(value, unit):
    return Fact(value=value, unit=unit)


def chip(**changes):
    facts = {"peak_ops_per_s": {"int8": fact(4e12, "OP/s")}, "tdp_w": fact(2.0, "W")}
    return DeviceType(name="chip", kind="npu", **facts | changes)


def learnt(**factors):
    """All parts take no time but those that are named; 53 rows of the device."""
    effect = Effect(group=("chip", "engine|int8||inference"), rows=53, terms=factors)
    stage = Stage(keys=("device", "setting"), effects=(Effect(group=effect.group, rows=53, constant=math.log(2)),))
    mix = Stage(keys=("device", "setting"), effects=(effect,))
    kept = Calibration(
        predictor="network", metric="latency.mean", version=PREDICTOR.version,
        mixes=(mix,), stages=(stage,), residuals=(WIDE,),
    )  # fmt: skip
    return {("network", "latency.mean"): kept}


def explained(kind, calibrations, rate=5.0):
    slot = DeviceSlot(type=kind.name, ids=("0",))
    node = Node(name="n", cores=4, memory_bytes=8e9, devices=(slot,))
    fleet = Fleet(name="f", nodes=(node,), types={kind.name: kind}, digest="sha256:f", origin="fleet.yaml")
    candidate = Candidate(
        id="c", intent="look", model="m", model_digest=RESNET.digest, device=kind.name, nodes=("n",),
        executor="dryrun", precision="int8", quantization="static",
    )  # fmt: skip
    choice = ModelChoice(name="m", path="resnet18", card=True, where=HERE)
    goal = (Goal(direction="minimize", metric="power"),)
    intent = Intent(name="look", task="x", models=(choice,), load=Load(rate_per_s=rate), goal=goal, where=HERE)
    evidence = Evidence(calibrations=calibrations)
    profiles = {"m": RESNET}
    (option,) = price(intent, [candidate], profiles, fleet, evidence)
    return option, explain(intent, option, RESNET, fleet, evidence)


def test_a_learnt_time_is_told_by_the_parts_that_it_was_learnt_for():
    """Of a chip without a stated memory bandwidth: a peak of 4 TOP/s reached to a third by dense convolutions and to a
    sixth by products leaves their times in the ratio of 3 x and 6 x their arithmetic, whatever else scales the call."""
    option, found = explained(chip(), learnt(convolution_macs=3.0, pointwise_macs=6.0))
    assert found.unknown == ()
    request, call, *_ = found.accounts
    assert request.metric == "latency.mean"
    assert request.total == pytest.approx(option.estimates["latency.mean"].value)
    pieces = {piece.name: piece for piece in call.pieces}
    assert call.total == pytest.approx(request.pieces[0].value)
    dense, products = pieces.pop("dense convolutions"), pieces.pop("1 x 1 convolutions, products with weights")
    assert (dense.bound, products.bound, pieces) == ("compute", "compute", {})
    wanted = 3 * RESNET.work["convolution_macs"] / (6 * RESNET.work["pointwise_macs"])
    assert dense.value / products.value == pytest.approx(wanted)
    assert "53 rows of this device" in call.basis


def test_without_anything_learnt_the_roofline_is_told_and_what_it_lacks():
    _, lacking = explained(chip(), {})
    assert [item.metric for item in lacking.accounts] == ["memory"]
    assert lacking.unknown == ("time: no memory bandwidth of chip is stated, and nothing like it was measured",)
    _, found = explained(chip(memory_bandwidth_bytes_per_s=fact(4e9, "B/s")), {})
    assert found.unknown == ()
    kinds = {operator.kind for operator in RESNET.operators}
    assert {piece.name for piece in found.accounts[1].pieces} - {"starting operators"} <= kinds
