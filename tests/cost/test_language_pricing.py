"""Language models under load: what requests see, by physics, by what was learnt, and against exact queues."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.cost import Evidence, explain, price
from aios.cost.language.answering import _finite, _wait
from aios.cost.language.learnt import UNLEARNT
from aios.cost.level import level_of
from aios.cost.memory_predictor import PREDICTOR as MEMORY
from aios.cost.serving.arrivals import Stream, arriving
from aios.cost.serving_predictor import PREDICTOR
from aios.models.structures import card_profile
from aios.records.base import Span
from aios.records.calibration import Calibration, Effect, Residual, Stage
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Node
from aios.records.intent import Goal, Intent, Load, ModelChoice
from aios.records.metrics import ENDLESS_S, METRICS
from aios.spi.transforms import declarations

HERE = Span(file="intent.yaml", line=1, column=1)
LLAMA = card_profile("meta-llama/Llama-3.1-8B")
BANDWIDTH, PEAK = 3e12, 1e15


def fact(value, unit="B"):
    return Fact(value=value, unit=unit)


def device(**changes):
    plain = DeviceType(
        name="gpu", kind="gpu", memory_bytes=fact(80e9), memory_bandwidth_bytes_per_s=fact(BANDWIDTH, "B/s"),
        peak_ops_per_s={"bf16": fact(PEAK, "op/s")}, tdp_w=fact(700, "W"), idle_w=fact(70, "W"),
        price_usd_per_h=fact(3.0, "USD/h"),
    )  # fmt: skip
    return plain.model_copy(update=changes)


def fleet_of(kind=None):
    kind = kind or device()
    slot = DeviceSlot(type="gpu", ids=tuple(map(str, range(8))))
    nodes = (Node(name="n", count=4, cores=64, memory_bytes=1e12, devices=(slot,), carbon_g_per_kwh=(100.0,)),)
    return Fleet(name="f", nodes=nodes, types={"gpu": kind}, digest="sha256:f", origin="fleet.yaml")


def intent_of(rate=2.0, prompt=1024, output=256):
    choice = ModelChoice(name="m", path="m", card=True, where=HERE)
    load = Load(rate_per_s=rate, prompt_tokens=prompt, output_tokens=output)
    goal = (Goal(direction="minimize", metric="power"),)
    return Intent(name="chat", task="text-generation", models=(choice,), load=load, goal=goal, where=HERE)


def candidate(batch=256, replicas=1, tensor=1, pipeline=1, precision="bf16"):
    return Candidate(
        id=f"{batch}/{replicas}/{tensor}/{pipeline}/{precision}", intent="chat", model="m", model_digest=LLAMA.digest,
        device="gpu", nodes=("n",), executor="dryrun", precision=precision, batch=batch, replicas=replicas,
        devices=tensor, machines=pipeline, degrees={"tensor": tensor, "pipeline": pipeline},
    )  # fmt: skip


def priced(*candidates, intent=None, fleet=None, evidence=None):
    found = price(intent or intent_of(), candidates, {"m": LLAMA}, fleet or fleet_of(), evidence or Evidence())
    return found[0] if len(candidates) == 1 else found


def learnt(metric, constant, keys=("device",), group=("gpu",)):
    """A calibration that knows one thing, and how far it is off: 10 % either way."""
    stage = Stage(keys=keys, effects=(Effect(group=group, rows=100, constant=constant),))
    ends = {"low": math.log(0.9), "high": math.log(1.1), "rows": 100, "stratum": ""}
    residuals = tuple(Residual(level=level, **ends) for level in ("zero-shot", "calibrated"))
    return Calibration(
        predictor="serving", metric=metric, version=PREDICTOR.version, stages=(stage,), residuals=residuals
    )


def test_keys_and_values_in_8_bits_take_half_the_memory_and_the_time_to_read_them():
    plain = candidate(batch=64)
    small = plain.model_copy(update={"id": "small", "settings": {"kv_cache": "fp8"}})
    intent = intent_of(rate=40.0, prompt=8192, output=256)
    both = priced(plain, small, intent=intent, fleet=fleet_of(device(memory_bytes=fact(200e9))))
    before, after = ({item.part: item.bytes for item in one.residences} for one in both)
    assert before["kv_cache"] == 64 * 8448 * 131072
    assert after == {**before, "kv_cache": before["kv_cache"] / 2}
    whole, half = (one.estimates for one in both)
    # The margin for what allocators lose, 2 % and more of what is held, goes with what is saved.
    assert 1.0 < (whole["memory"].value - half["memory"].value) / (before["kv_cache"] / 2) < 1.1
    assert "sequences of 8448 tokens in fp8 35.4 GB" in half["memory"].basis
    assert half["throughput"].value > 1.1 * whole["throughput"].value
    ratio = bound(64, 8448, 1) / bound(64, 8448, 2)
    assert half["throughput"].value / whole["throughput"].value < 1 / ratio


def bound(sequences, context, bytes_each):
    """Bytes that a pass over ``sequences`` reads at most: weights once, and keys and values."""
    return 2 * 8.03e9 + sequences * context * 65536 * bytes_each


def test_what_8_bits_may_cost_in_accuracy_is_bounded_and_says_whose_figure_it_is():
    declared = {"kv-cache": declarations()["kv-cache"]}
    intent = intent_of().model_copy(
        update={"models": (intent_of().models[0].model_copy(update={"declared": {"accuracy.exact-match": 0.8}}),)}
    )
    plain = candidate(batch=16)
    small = plain.model_copy(update={"id": "small", "settings": {"kv_cache": "fp8"}})
    whole, half = priced(plain, small, intent=intent, evidence=Evidence(transforms=declared))
    assert whole.estimates["accuracy.exact-match"].value == 0.8
    found, lost = half.estimates["accuracy.exact-match"], declared["kv-cache"].effect.accuracy_loss
    assert found.source == "assumed"
    assert (found.low, found.value, found.high) == pytest.approx((0.8 - lost.high, 0.8 - lost.value, 0.8 - lost.low))
    assert "with kv-cache fp8" in found.basis


def test_every_metric_is_an_estimate_or_says_why_not():
    options = priced(
        *(candidate(batch, replicas, tensor) for batch in (1, 64) for replicas in (1, 4) for tensor in (1, 4))
    )
    for option in options:
        for name, item in option.estimates.items():
            assert item.metric == name
            assert 0 <= item.low <= item.value <= item.high
            assert item.basis
        for name in METRICS:
            assert (name in option.estimates) != (name in option.unknown), name
        assert type(option).model_validate(option.model_dump()) == option


def test_a_lone_request_reads_all_weights_for_each_token():
    each = priced(candidate(), intent=intent_of(rate=1e-4)).estimates["latency.tpot.mean"]
    reading = 2 * 7.5e9 / BANDWIDTH  # of all but the embedding
    assert reading < each.value < 2 * reading
    assert each.high == pytest.approx(UNLEARNT * each.value, rel=0.02)
    assert each.low == pytest.approx(each.value / UNLEARNT, rel=0.02)
    assert each.source == "analytic"


def test_two_devices_read_twice_as_fast():
    one, two = (priced(candidate(tensor=t), intent=intent_of(rate=1e-4)) for t in (1, 2))
    ratio = one.estimates["latency.tpot.mean"].value / two.estimates["latency.tpot.mean"].value
    assert 1.2 < ratio < 2
    assert two.demand.device_memory_bytes < one.demand.device_memory_bytes


@given(st.floats(0.01, 20), st.floats(1.05, 3))
def test_more_requests_never_make_it_faster(rate, factor):
    calm, busy = (priced(candidate(64), intent=intent_of(rate=r)) for r in (rate, rate * factor))
    for name in ("latency.ttft.mean", "latency.tpot.mean", "latency.p99"):
        if name in busy.estimates:
            assert busy.estimates[name].value >= 0.999 * calm.estimates[name].value
    # Fuller batches move the time from one kind of work to another, which draws a little more or less.
    assert busy.estimates["power"].value >= 0.95 * calm.estimates["power"].value
    assert busy.estimates["throughput"].value == pytest.approx(calm.estimates["throughput"].value)


def test_what_cannot_keep_up_has_a_throughput_and_no_latency():
    option = priced(candidate(), intent=intent_of(rate=1e4))
    assert option.estimates["throughput"].value < 1e4
    assert "the queue grows without end" in option.unknown["latency.ttft.p99"]
    assert "latency.mean" not in option.estimates


def test_replicas_share_the_load():
    one, four = priced(candidate(), intent=intent_of(rate=1.0)), priced(candidate(replicas=4), intent=intent_of(4.0))
    for name in ("latency.ttft.p99", "latency.tpot.p90", "energy"):
        assert four.estimates[name].value == pytest.approx(one.estimates[name].value)
    for name in ("throughput", "power", "memory", "cost", "carbon"):
        assert four.estimates[name].value == pytest.approx(4 * one.estimates[name].value)


def test_energy_cost_and_carbon_follow_from_power_and_devices():
    option = priced(candidate(replicas=2, tensor=4), intent=intent_of(rate=3.0))
    power = option.estimates["power"].value
    assert option.estimates["energy"].value == pytest.approx(power / 3.0)
    assert option.estimates["carbon"].value == pytest.approx(power / 1000 * 100)
    assert option.estimates["cost"].value == pytest.approx(3.0 * 8)
    assert 8 * 70 < power < 8 * 700


def test_ends_of_percentiles_are_in_order_whatever_each_was_corrected_by():
    ends = [np.array([[2.0], [6.2], [6.1], [7.0], [6.9]]) * scale for scale in (1.0, 1.1, 0.9)]
    found = _finite(ends)
    assert (np.diff(found[:, 1:], axis=1) >= 0).all()
    assert (np.diff(found, axis=0) >= 0).all()
    assert found[0, :, 0].tolist() == [2.0, 6.2, 6.2, 7.0, 7.0]


def test_percentiles_are_in_order_and_the_answer_is_its_tokens():
    found = priced(candidate(64), intent=intent_of(rate=5.0)).estimates
    for kind in ("latency", "latency.ttft", "latency.tpot"):
        values = [found[f"{kind}.{name}"].value for name in ("p50", "p90", "p95", "p99")]
        assert values == sorted(values)
    whole = found["latency.ttft.mean"].value + 255 * found["latency.tpot.mean"].value
    assert found["latency.mean"].value == pytest.approx(whole)


def test_what_was_learnt_of_the_device_corrects_the_time_and_narrows_the_interval():
    rare = intent_of(rate=1e-4)
    plain = priced(candidate(), intent=rare).estimates["latency.tpot.mean"]
    known = Evidence(calibrations={("serving", "latency.tpot.mean"): learnt("latency.tpot.mean", math.log(2))})
    found = priced(candidate(), intent=rare, evidence=known).estimates["latency.tpot.mean"]
    assert found.value == pytest.approx(2 * plain.value, rel=0.01)
    assert found.source == "calibrated"
    assert "calibrated" in found.basis
    assert (found.low, found.high) == pytest.approx((0.9 * found.value, 1.1 * found.value), rel=0.01)


def test_what_was_learnt_of_other_devices_is_said_to_be_so():
    calibration = learnt("latency.tpot.mean", math.log(2), group=("another",))
    assert (level_of(calibration, "another"), level_of(calibration, "gpu")) == ("calibrated", "zero-shot")
    known = Evidence(calibrations={("serving", "latency.tpot.mean"): calibration})
    found = priced(candidate(), intent=intent_of(rate=1e-4), evidence=known).estimates["latency.tpot.mean"]
    assert found.source == "analytic"
    assert "zero-shot" in found.basis


def test_a_calibration_of_another_version_is_not_used():
    stale = learnt("latency.tpot.mean", 5.0).model_copy(update={"version": PREDICTOR.version + 1})
    known = Evidence(calibrations={("serving", "latency.tpot.mean"): stale})
    assert priced(candidate(), evidence=known).estimates == priced(candidate()).estimates


def measured_on(metric, rows, residuals=(), constant=0.0):
    """A calibration of engines: rows of (device, engine) that were measured."""
    engines = sorted({engine for _, engine in rows})
    totals = {name: sum(count for (_, engine), count in rows.items() if engine == name) for name in engines}
    shared = Stage(
        keys=("engine",), effects=tuple(Effect(group=(name,), rows=totals[name], constant=constant) for name in engines)
    )
    own = Stage(keys=("device", "engine"), effects=tuple(Effect(group=pair, rows=n) for pair, n in rows.items()))
    ends = tuple(
        Residual(level=level, stratum=stratum, low=math.log(low), high=math.log(high), rows=100)
        for level, stratum, low, high in residuals
    )
    return Calibration(
        predictor="serving", metric=metric, version=PREDICTOR.version, stages=(shared, own), residuals=ends
    )


def evidence_of(*calibrations):
    return Evidence(calibrations={(item.predictor, item.metric): item for item in calibrations})


CLOSED, OFFLINE = "{} agg both closed-loop", "{}  both offline"
BATCH, PREFILL = "sglang  both batch", "sglang  prefill single-stream"


def test_one_engine_answers_for_all_metrics_of_a_candidate():
    """The engine with most rows of all metrics on the device: 40 + 30 of one against 60 of another."""
    known = evidence_of(
        measured_on("throughput", {("gpu", OFFLINE.format("vllm")): 60, ("gpu", OFFLINE.format("trtllm")): 40}),
        measured_on("latency.tpot.mean", {("gpu", CLOSED.format("trtllm")): 30, ("far", CLOSED.format("vllm")): 900}),
        measured_on("latency.ttft.mean", {("far", CLOSED.format("vllm")): 900, ("far", CLOSED.format("trtllm")): 9}),
    )
    found = priced(candidate(), evidence=known).estimates
    for name in ("throughput", "latency.tpot.mean", "latency.ttft.mean"):
        assert "measurements of trtllm" in found[name].basis, name
    assert [found[name].source for name in ("throughput", "latency.tpot.mean", "latency.ttft.mean")] == [
        "calibrated", "calibrated", "analytic",
    ]  # fmt: skip


def test_where_the_device_was_never_measured_the_engine_is_that_with_most_rows_anywhere():
    known = evidence_of(
        measured_on("throughput", {("far", OFFLINE.format("vllm")): 60, ("far", OFFLINE.format("trtllm")): 40}),
        measured_on("latency.tpot.mean", {("far", CLOSED.format("trtllm")): 30, ("far", BATCH): 900}),
    )
    found = priced(candidate(), evidence=known).estimates
    assert "measurements of trtllm on other devices" in found["throughput"].basis
    assert "measurements of trtllm on other devices" in found["latency.tpot.mean"].basis


def test_another_engine_on_the_device_calibrates_nothing():
    """Prompts alone were measured on this device, the engine that serves only elsewhere."""
    rows = {("gpu", PREFILL): 500, ("far", OFFLINE.format("vllm")): 50}
    ends = (("zero-shot", "", 0.5, 2.0), ("calibrated", "device gpu", 0.9, 50.0))
    found = priced(candidate(), evidence=evidence_of(measured_on("throughput", rows, ends))).estimates["throughput"]
    assert found.source == "analytic"
    assert "vllm on other devices (zero-shot)" in found.basis
    assert (found.low, found.high) == pytest.approx((found.value / 2, 2 * found.value))


def test_an_engine_measured_with_other_weights_calibrates_nothing():
    name = OFFLINE.format("vllm")
    known = measured_on("throughput", {("gpu", name): 50})
    for bits, source in (("16", "calibrated"), ("8", "analytic")):
        own = Stage(keys=("device", "engine", "bits"), effects=(Effect(group=("gpu", name, bits), rows=50),))
        only = known.model_copy(update={"stages": (known.stages[0], own)})
        found = priced(candidate(), evidence=evidence_of(only)).estimates["throughput"]
        assert found.source == source
        assert "vllm" in found.basis


@pytest.mark.parametrize(
    ("device", "engine", "unseen", "expected"),
    [
        ((0.9, 50.0), (0.8, 1.5), (0.5, 2.0), (0.8, 1.5)),  # other work on the device was further off
        ((0.9, 1.3), (0.5, 3.0), (0.4, 4.0), (0.9, 1.3)),  # the engine was further off on other devices
        ((0.7, 50.0), (0.6, 40.0), (0.5, 2.0), (0.6, 2.0)),  # no wider than where the device was never seen
    ],
)
def test_a_known_device_makes_no_number_less_sure(device, engine, unseen, expected):
    """Ends are factors on the time of a token, so those of what can be sustained are the other way round."""
    name = OFFLINE.format("vllm")
    ends = (("calibrated", "device gpu", *device), ("calibrated", name, *engine), ("zero-shot", name, *unseen))
    ends += (("calibrated", "", 0.1, 10.0), ("zero-shot", "", 0.1, 10.0))
    known = evidence_of(measured_on("throughput", {("gpu", name): 50}, ends))
    found = priced(candidate(), evidence=known).estimates["throughput"]
    assert found.source == "calibrated"
    assert (found.value / found.high, found.value / found.low) == pytest.approx(expected)


@given(rate=st.floats(0.05, 60.0), times=st.sampled_from([1.0, 3.0, 30.0]))
@settings(max_examples=25, deadline=None)
def test_no_latency_is_promised_beyond_what_can_be_sustained(rate, times):
    """A requirement admits a latency by its pessimistic end: that has no end where the capacity's is below the load."""
    name = OFFLINE.format("vllm")
    known = evidence_of(measured_on("throughput", {("gpu", name): 50}, (("calibrated", "", 1 / times, times),)))
    option = priced(candidate(64), intent=intent_of(rate=rate), evidence=known)
    sustained = option.estimates["throughput"]
    if sustained.value <= rate:
        assert "can sustain" in option.unknown["latency.ttft.p99"]
    for kind in ("latency", "latency.ttft", "latency.tpot"):
        found = option.estimates.get(f"{kind}.p99")
        if found is not None and sustained.low <= rate:
            assert found.high == ENDLESS_S
        if rate < sustained.low / 4:
            assert found is not None
            assert found.high < ENDLESS_S


def test_memory_lies_as_far_off_as_it_was_measured_but_within_the_device():
    """Measured from 10 % less to 80 % more; nothing holds more than the 80 GB. What must be free stays."""
    ends = {"level": "zero-shot", "low": math.log(0.9), "high": math.log(1.8), "rows": 100}
    residuals = (Residual(stratum="answering", **ends), Residual(stratum="network", **{**ends, "low": -9.0}))
    known = evidence_of(Calibration(predictor="memory", metric="memory", version=MEMORY.version, residuals=residuals))
    for batch in (1, 256):
        plain, found = priced(candidate(batch)), priced(candidate(batch), evidence=known)
        counted, memory = plain.estimates["memory"], found.estimates["memory"]
        assert memory.value == counted.value
        assert memory.low == pytest.approx(0.9 * counted.value)
        assert memory.high == pytest.approx(max(min(1.8 * counted.value, 80e9), counted.high))
        assert found.demand == plain.demand


def test_an_unknown_bandwidth_leaves_the_times_unknown():
    kind = device(memory_bandwidth_bytes_per_s=None, peak_ops_per_s={})
    option = priced(candidate(), fleet=fleet_of(kind))
    assert "memory" in option.estimates
    assert "peak rate or bandwidth" in option.unknown["latency.ttft.p99"]


@pytest.mark.parametrize("places", [1, 4, 16, 64])
@pytest.mark.parametrize("filled", [0.5, 0.8, 0.95])
def test_waiting_for_a_place_is_nearly_what_erlang_says(places, filled):
    """With passes of constant time and no prompts a replica is M/M/c with its sequences as servers."""
    held = 10.0
    rate = filled * places / held
    one = np.ones(1)
    stream = Stream(rate * one, 100 * one, held / 100 * one, 0 * one, 0 * one, places * one)
    mean, *percentiles = (float(item[0]) for item in _wait(stream, arriving(stream)))
    load = rate * held
    term = load**places / math.factorial(places) / (1 - filled)
    waiting = term / (sum(load**k / math.factorial(k) for k in range(places)) + term)
    exact = waiting * held / (places - load)
    assert mean == pytest.approx(exact, rel=0.3, abs=0.02 * held)
    assert percentiles == sorted(percentiles)
    assert percentiles[-1] < ENDLESS_S


def test_pieces_of_an_explanation_add_up():
    option = priced(candidate(64, tensor=2), intent=intent_of(rate=3.0))
    found = explain(intent_of(rate=3.0), option, LLAMA, fleet_of(), Evidence())
    accounts = {item.metric: item for item in found.accounts}
    assert set(accounts) == {"latency.ttft.mean", "latency.tpot.mean", "memory", "power"}
    for metric, item in accounts.items():
        assert item.total == pytest.approx(sum(piece.value for piece in item.pieces))
        share = 2 if metric == "memory" else 1
        assert item.total == pytest.approx(option.estimates[metric].value / share, rel=1e-6)
    bound = {piece.name: piece.bound for piece in accounts["latency.tpot.mean"].pieces}
    assert (bound["feed-forwards"], bound["between devices"]) == ("memory", "network")
    assert {piece.name: piece.bound for piece in accounts["latency.ttft.mean"].pieces}["feed-forwards"] == "compute"


def test_what_machines_of_a_replica_send_each_other_is_free_and_said_to_be():
    assert priced(candidate()).notes == ()
    (note,) = priced(candidate(pipeline=2)).notes
    assert "counted as free" in note
