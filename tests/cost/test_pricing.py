"""What is measured is used, what is unknown stays unknown, and every interval holds its value."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aios.cost import Evidence, price
from aios.cost.distribution import JITTER, scaled
from aios.cost.interval import Unknown
from aios.cost.roofline import operator_times, spent_in
from aios.records.candidate import Candidate, Estimate, Priced
from aios.records.fleet import Fleet
from aios.records.intent import Intent, Load, ModelChoice
from aios.records.measurement import PROBABILITIES, Measured, Measurement, subject_of
from aios.records.metrics import METRICS
from aios.records.model import ModelProfile

ENGINES = {"engine": "engine 1.0"}


def measured(value: float, unit: str = "s", spread: float = 0.02) -> Measured:
    return Measured(
        value=value, low=value * (1 - spread), high=value * (1 + spread), unit=unit, n=100, meter="stopwatch"
    )


def evidence(*measurements: Measurement, **digests: dict[str, str]) -> Evidence:
    return Evidence(measurements={item.subject.digest: item for item in measurements}, engines=ENGINES, **digests)


def of(
    kind: str,
    candidate: Candidate,
    values: dict[str, Measured],
    distributions: dict[str, tuple[float, ...]] | None = None,
) -> Measurement:
    subject = subject_of(kind, candidate, engine=ENGINES["engine"])  # type: ignore[arg-type]  # one of the three kinds
    return Measurement(subject=subject, values=values, distributions=distributions or {}, as_of="2026-01-01")


def busy_in(profile: ModelProfile, fleet: Fleet, candidate: Candidate) -> float:
    times = operator_times(profile, fleet.types[candidate.device], candidate, candidate.batch)
    assert not isinstance(times, Unknown)
    spent = spent_in(times)
    assert spent is not None
    assert 0.2 < spent.intensity < 0.9
    return spent.intensity


def one(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet, known: Evidence | None = None
) -> Priced:
    (priced,) = price(intent, [candidate], {"net": profile}, fleet, known or Evidence())
    return priced


def sound(priced: Priced) -> None:
    for metric, item in priced.estimates.items():
        assert item.metric == metric
        assert item.low <= item.value <= item.high, metric
        assert item.basis
        assert Estimate.model_validate(item.model_dump()) == item
    for metric in METRICS:
        assert (metric in priced.estimates) != (metric in priced.unknown), metric
    assert Priced.model_validate(priced.model_dump()) == priced


def test_without_evidence_everything_is_analytic_and_complete(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet
) -> None:
    priced = one(intent, candidate, profile, fleet)
    sound(priced)
    assert priced.estimates["latency.p99"].source == "analytic"
    assert priced.estimates["accuracy.top1"].source == "declared"
    elsewhere = {name for name, why in priced.unknown.items() if "only language models" in why or "only jobs" in why}
    assert set(priced.unknown) - elsewhere == {"carbon"}
    assert priced.demand.share == 0.5
    assert priced.demand.cores == 2
    assert priced.estimates["cost"].value == pytest.approx(0.2)


def test_measured_service_and_serving_make_a_measured_latency(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet
) -> None:
    time = of("service", candidate, {"time": measured(0.010), "memory": measured(1e8, "B")})
    serving = of(
        "serving",
        candidate,
        {"capacity": measured(80.0, "1/s"), "energy": measured(0.2, "J")},
        {"compute": (0.010,) * len(PROBABILITIES), "overhead": (0.001,) * len(PROBABILITIES)},
    )
    priced = one(intent, candidate, profile, fleet, evidence(time, serving))
    sound(priced)
    found = priced.estimates
    assert found["latency.p99"].source == "measured"
    assert found["throughput"].value == pytest.approx(80.0)
    # M/D/1 with an occupancy of 12.5 ms at 20/s: rho = 0.25, mean wait = rho S / (2 (1 - rho)).
    assert found["latency.mean"].value == pytest.approx(0.011 + 0.25 * 0.0125 / (2 * 0.75), rel=1e-3)
    assert found["latency.p50"].value == pytest.approx(0.011, rel=0.01)
    assert found["memory"].value == pytest.approx(1e8)
    # 8 W idle x half of the cores, and 0.2 J x 20/s.
    assert found["power"].value == pytest.approx(4.0 + 4.0)
    assert found["energy"].value == pytest.approx(8.0 / 20.0)


def test_service_alone_is_calibrated_by_the_assumed_overhead(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet
) -> None:
    time = of("service", candidate, {"time": measured(0.010)}, {"time": scaled(JITTER, 0.010)})
    priced = one(intent, candidate, profile, fleet, evidence(time))
    latency = priced.estimates["latency.p50"]
    assert latency.source == "calibrated"
    assert "assumed" in latency.basis
    assert 0.0098 < latency.low < latency.value < latency.high < 0.0125


def test_a_measured_sister_scales_the_roofline(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet
) -> None:
    lone = intent.model_copy(update={"load": None})
    other = candidate.model_copy(update={"threads": 1})
    analytic = {c.threads: one(lone, c, profile, fleet).estimates["throughput"].value for c in (candidate, other)}
    slow = of("service", candidate, {"time": measured(10 / analytic[2])})
    priced = one(lone, other, profile, fleet, evidence(slow))
    assert priced.estimates["throughput"].source == "calibrated"
    assert analytic[1] / 11 < priced.estimates["throughput"].value < analytic[1] / 8


def test_another_engine_version_is_not_the_same_measurement(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet
) -> None:
    time = of("service", candidate, {"time": measured(0.010)})
    known = evidence(time).model_copy(update={"engines": {"engine": "engine 2.0"}})
    assert one(intent, candidate, profile, fleet, known).estimates["throughput"].source == "calibrated"


def test_an_overloaded_candidate_has_a_throughput_and_no_latency(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet
) -> None:
    busy = intent.model_copy(update={"load": Load(rate_per_s=1e5)})
    priced = one(busy, candidate, profile, fleet)
    sound(priced)
    assert "latency.p99" not in priced.estimates
    assert "more than 1 replica can sustain" in priced.unknown["latency.p99"]
    assert priced.estimates["throughput"].value < 1e5
    assert priced.estimates["power"].value == pytest.approx(4 + busy_in(profile, fleet, candidate) * (40 - 8) * 0.5)


def test_when_only_the_slow_end_is_overloaded_the_high_end_is_an_hour(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet
) -> None:
    capacity = one(intent, candidate, profile, fleet).estimates["throughput"]
    between = intent.model_copy(update={"load": Load(rate_per_s=(capacity.low + capacity.value) / 2)})
    latency = one(between, candidate, profile, fleet).estimates["latency.p99"]
    assert latency.value < 1
    assert 3000 < latency.high < 4000


def test_without_a_load_latency_is_of_a_lone_request(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet
) -> None:
    lone = one(intent.model_copy(update={"load": None}), candidate, profile, fleet)
    sound(lone)
    loaded = one(intent, candidate, profile, fleet)
    assert lone.estimates["latency.mean"].value < loaded.estimates["latency.mean"].value
    assert lone.estimates["energy"].value == pytest.approx(
        lone.estimates["power"].value / lone.estimates["throughput"].value
    )


def test_a_bare_device_leaves_unknown_what_depends_on_facts(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet
) -> None:
    bare = candidate.model_copy(update={"device": "bare", "threads": 0, "nodes": ("edge",)})
    priced = one(intent, bare, profile, fleet)
    sound(priced)
    assert set(priced.estimates) == {"memory", "accuracy.top1"}
    assert "tdp_w" in priced.unknown["power"]


@pytest.mark.parametrize(("mode", "cap"), [(None, 70.0), ("half", 40.0)])
def test_a_power_mode_caps_the_power(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet, mode: str | None, cap: float
) -> None:
    busy = intent.model_copy(update={"load": None})
    on_gpu = candidate.model_copy(update={"device": "gpu", "threads": 0, "nodes": ("rig",), "power_mode": mode})
    intensity = busy_in(profile, fleet, on_gpu.model_copy(update={"power_mode": None}))
    assert one(busy, on_gpu, profile, fleet).estimates["power"].value == pytest.approx(10 + intensity * (cap - 10))


def test_replicas_on_a_cpu_share_one_copy_of_the_weights(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet
) -> None:
    single, double = (
        one(intent, candidate.model_copy(update={"replicas": n}), profile, fleet).estimates["memory"].value
        for n in (1, 2)
    )
    assert double == pytest.approx(2 * single - 4e6)
    on_gpu = candidate.model_copy(update={"device": "gpu", "threads": 0, "nodes": ("rig",)})
    single, double = (
        one(intent, on_gpu.model_copy(update={"replicas": n}), profile, fleet).estimates["memory"].value for n in (1, 2)
    )
    assert double == pytest.approx(2 * single)


def test_accuracy_measured_then_elsewhere_then_prior_then_unknown(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet
) -> None:
    top1 = Measured(value=0.93, low=0.91, high=0.95, unit="1", n=1000, meter="evaluation")
    subject = subject_of("accuracy", candidate, engine=ENGINES["engine"], data="sha256:eval")
    known = evidence(
        Measurement(subject=subject, values={"accuracy.top1": top1}, as_of="2026-01-01"),
        evaluation={"net": "sha256:eval"},
    )
    here = one(intent, candidate, profile, fleet, known).estimates["accuracy.top1"]
    assert (here.source, here.low, here.value, here.high) == ("measured", 0.91, 0.93, 0.95)
    on_gpu = candidate.model_copy(update={"device": "gpu", "threads": 0, "nodes": ("rig",)})
    there = one(intent, on_gpu, profile, fleet, known).estimates["accuracy.top1"]
    assert (there.source, there.value) == ("calibrated", 0.93)
    int8 = candidate.model_copy(update={"precision": "int8", "quantization": "static"})
    prior = one(intent, int8, profile, fleet, known).estimates["accuracy.top1"]
    # avx2 without VNNI: 1 point expected, up to 5 lost.
    assert prior.source == "assumed"
    assert [prior.low, prior.value] == pytest.approx([0.91 - 0.05, 0.92])
    other_data = known.model_copy(update={"evaluation": {"net": "sha256:other"}})
    assert one(intent, candidate, profile, fleet, other_data).estimates["accuracy.top1"].source == "declared"
    asked = intent.require[0].model_copy(update={"metric": "accuracy.top5", "bound": 0.9})
    wants = intent.model_copy(update={"require": (asked,)})
    reason = one(wants, candidate, profile, fleet).unknown["accuracy.top5"]
    assert reason == "neither declared, nor measured on data.evaluate"


def test_the_intent_has_the_last_word_on_declared_accuracy(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet
) -> None:
    choice = ModelChoice(name="net", path="net.onnx", declared={"accuracy.top1": 0.8}, where=intent.where)
    said = intent.model_copy(update={"models": (choice,)})
    assert one(said, candidate, profile, fleet).estimates["accuracy.top1"].value == 0.8


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.floats(0.1, 300.0),
    arrivals=st.sampled_from(["poisson", "constant"]),
    reached=st.sampled_from([("fp32", "none"), ("int8", "static"), ("int8", "dynamic")]),
    sizes=st.tuples(st.sampled_from([1, 2, 8, 64]), st.integers(1, 4), st.integers(1, 8)),
)
def test_estimates_are_sound_and_move_the_right_way(
    intent: Intent,
    profile: ModelProfile,
    fleet: Fleet,
    candidate: Candidate,
    rate: float,
    arrivals: str,
    reached: tuple[str, str],
    sizes: tuple[int, int, int],
) -> None:
    # The fixtures are immutable, so examples cannot influence each other.
    changes = dict(zip(("batch", "threads", "replicas", "precision", "quantization"), (*sizes, *reached), strict=True))
    way = candidate.model_copy(update=changes)
    light, heavy = (
        one(intent.model_copy(update={"load": Load(rate_per_s=r, arrivals=arrivals)}), way, profile, fleet)
        for r in (rate, rate * 1.3)
    )
    for priced in (light, heavy):
        sound(priced)
    assert light.estimates["throughput"] == heavy.estimates["throughput"]
    for metric in ("latency.mean", "latency.p50", "latency.p99", "power"):
        if metric in heavy.estimates:
            # Batches change the shape of the wait with load: a percentile may dip by two per cent while the mean grows.
            slack = 0.995 if sizes[0] == 1 else 0.975
            assert heavy.estimates[metric].value >= light.estimates[metric].value * slack, metric


def test_order_of_candidates_does_not_matter(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet
) -> None:
    several = [
        candidate.model_copy(update={"id": f"{b}/{t}/{r}", "batch": b, "threads": t, "replicas": r})
        for b in (1, 4)
        for t in (1, 4)
        for r in (1, 2)
    ]
    forth = price(intent, several, {"net": profile}, fleet, Evidence())
    back = price(intent, several[::-1], {"net": profile}, fleet, Evidence())
    assert forth == back[::-1]
    turned = fleet.model_copy(update={"nodes": fleet.nodes[::-1]})
    assert price(intent, several, {"net": profile}, turned, Evidence()) == forth
