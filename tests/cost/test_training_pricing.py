"""Prices of training jobs: sums that add up by hand, networks that slow, calibrations that correct, choices."""

import math

import pytest
from priced_jobs import (
    A100,
    DAY,
    DEVICES,
    H100,
    PROFILES,
    candidate,
    every,
    fleet,
    intent,
    node,
    pieces,
)

from aios.check import audit
from aios.cost import Evidence, explain, price
from aios.cost.step_predictor import DENSE, PREDICTOR
from aios.records.calibration import Calibration, Effect, Provenance, Residual, Stage
from aios.solve import Limits, choose


def test_a_job_is_its_steps_one_after_the_other() -> None:
    """1e10 tokens in steps of 512 x 4096 are 4,769 steps; 8 devices at 40 USD/h for the machine cost 40 USD/h."""
    on = fleet(node("h", H100, usd=40.0, carbon_g_per_kwh=(300.0,)))
    (option,) = price(intent(), [candidate()], PROFILES, on, Evidence())
    numbers = {name: item.value for name, item in option.estimates.items()}
    step = 512 / numbers["throughput"]
    assert numbers["time"] == pytest.approx(4769 * step)
    assert numbers["energy"] == pytest.approx(numbers["power"] * numbers["time"])
    assert numbers["cost"] == pytest.approx(40.0)
    assert numbers["expense"] == pytest.approx(40.0 * numbers["time"] / 3600)
    assert numbers["carbon"] == pytest.approx(numbers["power"] / 1000 * 300)
    assert option.demand.device_memory_bytes * 8 == pytest.approx(option.estimates["memory"].high)
    assert (option.estimates["cost"].unit, option.estimates["expense"].unit) == ("USD/h", "USD")
    assert "40 USD/h" in option.estimates["expense"].basis
    for item in option.estimates.values():
        assert item.low <= item.value <= item.high


def test_computing_takes_what_the_peak_says_and_not_much_more() -> None:
    """Three passes of 2 operations per weight: the time of a step lies between 100 % and 35 % of the peak."""
    (option,) = price(intent(), [candidate()], PROFILES, fleet(node("h", H100)), Evidence())
    ideal = 6 * 6.6e9 * 512 * 4096 / (8 * 989e12)
    step = 512 / option.estimates["throughput"].value
    assert ideal < step < ideal / 0.35


def test_prices_are_those_that_the_search_went_by() -> None:
    for option, plan in every(fleet(node("h", H100, count=2, usd=40.0)), intent()):
        assert option.estimates["throughput"].value == pytest.approx(512 / plan.step_s)
        assert option.demand.device_memory_bytes == pytest.approx(plan.memory_bytes)


def test_the_accounts_add_up() -> None:
    on = fleet(node("h", H100, count=2))
    item = candidate(machines=2, tensor=2, pipeline=2, data=4)
    (option,) = price(intent(), [item], PROFILES, on, Evidence())
    step, memory, power = explain(intent(), option, PROFILES["m"], on, Evidence()).accounts
    assert sum(piece.value for piece in step.pieces) == pytest.approx(step.total)
    assert step.total == pytest.approx(512 / option.estimates["throughput"].value)
    assert {"matrix products", "attention", "tensor-parallel communication", "pipeline bubble", "optimizer"} <= {
        piece.name for piece in step.pieces
    }
    assert {piece.name: piece.bound for piece in step.pieces}["tensor-parallel communication"] == "network"
    assert sum(piece.value for piece in memory.pieces) == pytest.approx(option.estimates["memory"].value / 16)
    assert power.total == pytest.approx(option.estimates["power"].value)


def test_what_nobody_states_stays_unknown_and_says_why() -> None:
    bare = DEVICES[H100].model_copy(update={"tdp_w": None})
    (option,) = price(intent(), [candidate()], PROFILES, fleet(node("h", H100), types={H100: bare}), Evidence())
    assert {"power", "energy", "cost", "expense", "carbon"}.isdisjoint(option.estimates)
    assert "tdp_w" in option.unknown["energy"]
    assert "no price" in option.unknown["cost"]
    assert "no price" in option.unknown["expense"]
    assert "answers no requests" in option.unknown["latency.p99"]


SHARE = 0.8 / (1 + 256 / 4096) * 989.5 / (1.05 * 794.5)
"""Of what no product is believed to exceed, 5 % more than the quickest that was measured, products of 4096 channels are
taken to reach so much; no correction makes a step shorter, so that an interval that would begin at 0.7 begins here."""


def learnt(device: str, factor: float, version: int = PREDICTOR.version) -> Calibration:
    return Calibration(
        predictor="step",
        metric="throughput",
        version=version,
        stages=(
            Stage(
                keys=("device", "alike"), effects=(Effect(group=(device, DENSE), rows=9, constant=math.log(factor)),)
            ),
        ),
        residuals=(
            Residual(level="calibrated", stratum="", low=math.log(0.9), high=math.log(1.1), rows=9),
            Residual(level="zero-shot", stratum="", low=math.log(0.7), high=math.log(1.5), rows=9),
        ),
        provenance=(Provenance(table="t.csv", digest="sha256:t", rows=9),),
    )


def times(calibration: Calibration | None) -> tuple[float, float, float, str]:
    evidence = Evidence(calibrations={} if calibration is None else {("step", "throughput"): calibration})
    (option,) = price(intent(), [candidate()], PROFILES, fleet(node("h", H100)), evidence)
    time = option.estimates["time"]
    return time.low, time.value, time.high, time.source


def test_measured_steps_of_the_device_correct_and_narrow() -> None:
    _, physics, _, source = times(None)
    assert source == "analytic"
    low, value, high, source = times(learnt(H100, 1.2))
    assert (value, source) == (pytest.approx(1.2 * physics), "calibrated")
    assert (low, high) == (pytest.approx(0.9 * value), pytest.approx(1.1 * value))


def test_measured_steps_of_other_devices_only_say_how_far_off_it_may_be() -> None:
    _, physics, _, _ = times(None)
    low, value, high, source = times(learnt(A100, 1.2))
    assert (value, source) == (pytest.approx(physics), "analytic")
    assert (low, high) == (pytest.approx(SHARE * value), pytest.approx(1.5 * value))


def test_calibrations_of_another_version_are_not_used() -> None:
    assert times(learnt(H100, 1.2, PREDICTOR.version + 1)) == times(None)


HALLS = fleet(node("h", H100, count=2, usd=40.0), node("a", A100, count=4, usd=16.0))


@pytest.mark.parametrize("goal", ["cost", "expense", "energy", "time"])
@pytest.mark.parametrize("days", [1.2, 2.0, 4.0, 20.0])
def test_the_planner_chooses_as_brute_force_does(goal: str, days: float) -> None:
    wanted = intent(goal, days * DAY)
    options = [option for option, _ in every(HALLS, wanted)]
    selection = choose([wanted], {"job": options}, HALLS, Limits())
    best = min(
        (item.estimates[goal].value for item in options if item.estimates["time"].high <= days * DAY), default=None
    )
    assert best is not None
    chosen = selection.chosen["job"]
    assert chosen.estimates[goal].value == pytest.approx(best, rel=1e-6)
    assert audit([wanted], selection, HALLS).holds
    assert sum(part.replicas for part in selection.placement["job"]) == chosen.candidate.machines


@pytest.mark.parametrize("goal", ["cost", "expense", "energy"])
def test_a_looser_deadline_never_costs_more(goal: str) -> None:
    found = []
    for days in (1.2, 1.5, 2.0, 3.0, 5.0, 9.0, 20.0):
        wanted = intent(goal, days * DAY)
        options = [option for option, _ in every(HALLS, wanted)]
        found.append(choose([wanted], {"job": options}, HALLS, Limits()).chosen["job"].estimates[goal].value)
    assert found == sorted(found, reverse=True)
    assert goal != "cost" or found[0] > found[-1]


def test_a_deadline_that_nothing_meets_says_what_would_do() -> None:
    wanted = intent("cost", 3600.0)
    options = [option for option, _ in every(HALLS, wanted)]
    conflict = choose([wanted], {"job": options}, HALLS, Limits()).conflict
    assert conflict is not None
    (relaxation,) = conflict.relaxations
    quickest = min(item.estimates["time"].high for item in options)
    number, unit = relaxation.to.split()
    assert float(number) * {"d": DAY, "h": 3600.0}[unit] == pytest.approx(quickest, rel=0.02)


def of_precisions(**factors: float) -> Evidence:
    """Return a calibration of H100 that corrects the steps of each precision by a factor of its own."""
    effects = tuple(
        Effect(group=(H100, "engine", name, DENSE), rows=9, constant=math.log(factor))
        for name, factor in factors.items()
    )
    stage = Stage(keys=("device", "engine", "precision", "alike"), effects=effects)
    whole = learnt(H100, 1.0)
    return Evidence(calibrations={("step", "throughput"): whole.model_copy(update={"stages": (*whole.stages, stage)})})


@pytest.mark.parametrize(("wide", "narrow"), [(1.0, 1.0), (1.3, 0.5), (0.9, 0.3), (1.4, 1.6)])
def test_eight_bits_speed_up_products_alone_and_by_the_peaks_at_most(wide: float, narrow: float) -> None:
    """Whatever was measured of others: 1979 TFLOPS in fp8 are twice those in bf16."""
    on, evidence = fleet(node("h", H100)), of_precisions(bf16=wide, fp8=narrow)
    sixteen, eight = (pieces(candidate(precision=name), on, evidence) for name in ("bf16", "fp8"))
    assert eight["matrix products"] >= sixteen["matrix products"] / 2.001
    for name in ("attention", "norms, activations, copies"):
        assert eight[name] >= 0.999 * sixteen[name]
    if narrow > wide:
        assert sum(eight.values()) > 1.5 * 0.5 * sum(sixteen.values())


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
@pytest.mark.parametrize("factor", [0.2, 0.7, 1.0])
@pytest.mark.parametrize("tensor", [1, 8])
def test_no_product_runs_above_the_quickest_that_was_measured(precision: str, factor: float, tensor: int) -> None:
    on = fleet(node("h", H100))
    item = candidate(precision=precision, tensor=tensor, data=8 // tensor)
    found = pieces(item, on, of_precisions(bf16=factor, fp8=factor))["matrix products"]
    weights = 32 * (4 * 4096**2 + 3 * 4096 * 11008) + 32000 * 4096
    reached = 1.05 * DEVICES[H100].reached_ops_per_s[precision].value
    assert found >= 0.999 * 6 * weights * 512 * 4096 / (8 * reached)


def test_what_may_not_fit_is_not_planned() -> None:
    """The upper end of what a device may hold fits it, in the search, in the demand and in what is printed."""
    for option, plan in every(fleet(node("h", H100, count=2, usd=40.0), node("a", A100)), intent()):
        whole = option.candidate.devices * option.candidate.machines
        assert option.estimates["memory"].high / whole == pytest.approx(option.demand.device_memory_bytes)
        assert option.demand.device_memory_bytes <= 80e9
        assert plan.memory_bytes > sum(plan.held_bytes.values())
