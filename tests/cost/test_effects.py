"""What transforms declare is laid over physics until something is measured."""

from __future__ import annotations

import pytest

from aios.cost.effects import change_of, effect_of, losses, signature
from aios.records.candidate import Candidate
from aios.records.measurement import subject_of
from aios.records.model import ModelProfile
from aios.records.transform import Declaration, Effect, Parameter, Range
from aios.spi.transforms import declarations

PROFILE = ModelProfile(
    name="net",
    digest="sha256:net",
    format="onnx",
    file_bytes=4000,
    inputs=(),
    outputs=(),
    precision="fp32",
    parameters=1000,
    weight_bytes=4000.0,
    macs=1e6,
    flops=2e6,
    activation_bytes=800.0,
    operators=(),
    batch_axis=0,
)
DECLARED = {
    "mixed": Declaration(
        name="mixed",
        summary="",
        precisions=("int8",),
        quantization="mixed",
        effect=Effect(accuracy_loss=Range(low=0.0, value=0.002, high=0.02), source="a table"),
    ),
    "shrink": Declaration(
        name="shrink",
        summary="",
        stage="compression",
        effect=Effect(
            weights=Range(low=0.4, value=0.5, high=0.6),
            time=Range(low=0.5, value=0.6, high=1.0),
            accuracy_loss=Range(low=0.0, value=0.01, high=0.05),
            source="half of it",
        ),
    ),
}


def candidate(**changes: object) -> Candidate:
    plain = Candidate(
        id="x", intent="i", model="net", model_digest="sha256:net", device="cpu", nodes=("n",), executor="e",
        precision="fp32",
    )  # fmt: skip
    return plain.model_copy(update=changes)


def test_plain_precisions_are_left_to_physics() -> None:
    static = candidate(precision="int8", quantization="static", settings={"calibration": "entropy"})
    found = change_of(static, PROFILE, DECLARED)
    assert found.base is static
    assert found.time == (1.0, 1.0, 1.0)


def test_a_smaller_network_takes_its_share_of_what_it_takes_whole() -> None:
    found = change_of(candidate(compression="shrink", settings={"keep": "0.5"}), PROFILE, DECLARED)
    assert (found.base.compression, found.base.settings) == ("none", {})
    assert found.time == (0.5, 0.6, 1.0)
    assert found.part_bytes(PROFILE, 2) == {"weights": 2000.0, "activations": 1600.0}
    assert found.basis == "shrink assumed to take 0.5 to 1 times the time (half of it)"


def test_what_depends_on_a_parameter_follows_it() -> None:
    keep = Parameter(help="Share that stays.", default="0.5", least=0.02, most=1)
    stated = Effect(
        by="keep",
        weights=Range(low=0.2, value=0.5, high=0.9),
        time=Range(low=0.4, value=0.8, high=1.05),
        flops=Range(low=0.4, value=0.48, high=0.5),
        accuracy_loss=Range(low=0.0, value=0.05, high=0.9),
        source="half of it",
    )
    shrink = Declaration(name="shrink", summary="", stage="compression", parameters={"keep": keep}, effect=stated)
    assert effect_of(shrink, {}) == effect_of(shrink, {"keep": "0.5"}) == stated
    quarter, whole = (effect_of(shrink, {"keep": text}) for text in ("0.25", "1"))
    assert quarter.flops is not None
    assert quarter.weights is not None
    assert quarter.accuracy_loss is not None
    # A quarter is half of a half: 0.5 squared, 0.8 squared, twice 5 points, and never more than all of them.
    assert quarter.flops.high == pytest.approx(0.25)
    assert quarter.weights.value == pytest.approx(0.25)
    assert quarter.accuracy_loss.value == pytest.approx(0.1)
    assert quarter.accuracy_loss.high == 1.0
    assert whole.flops == Range(low=1.0, value=1.0, high=1.0)
    assert whole.accuracy_loss == Range(low=0.0, value=0.0, high=0.0)
    found = change_of(candidate(compression="shrink", settings={"keep": "0.25"}), PROFILE, {"shrink": shrink})
    assert found.time == pytest.approx((0.16, 0.64, 1.05**2))
    assert found.part_bytes(PROFILE, 1)["weights"] == pytest.approx(1000.0)


@pytest.mark.parametrize(("share", "wide"), [({}, 0.15), ({"float_share": "0.4"}, 0.4), ({"float_share": "0"}, 0.0)])
def test_a_mixture_is_as_far_from_the_narrow_precision_as_may_stay_wide(share: dict[str, str], wide: float) -> None:
    found = change_of(candidate(precision="int8", quantization="mixed", settings=share), PROFILE, declarations())
    assert found.wide == wide


def test_a_mixture_of_precisions_lies_between_them() -> None:
    found = change_of(candidate(precision="int8", quantization="mixed"), PROFILE, DECLARED)
    assert (found.base.precision, found.base.quantization) == ("fp32", "none")
    assert found.narrow is not None
    assert (found.narrow.precision, found.narrow.quantization) == ("int8", "static")


def test_what_the_executor_decides_changes_time_and_keeps_measurements_apart() -> None:
    level = Parameter(help="", default="all", choices=("all", "basic"))
    effect = Effect(time=Range(low=0.5, value=2.0, high=4.0), source="a table")
    graph = Declaration(name="graph", summary="", stage="executor", parameters={"level": level}, effect=effect)
    plain = candidate(precision="int8", quantization="static", settings={"calibration": "entropy"})
    basic = plain.model_copy(update={"settings": {"calibration": "entropy", "graph": "basic"}})
    assert change_of(plain, PROFILE, {"graph": graph}).base is plain
    found = change_of(basic, PROFILE, {"graph": graph})
    assert found.base == plain
    assert found.time == (0.5, 2.0, 4.0)
    assert signature(plain, {"graph": graph}) != signature(basic, {"graph": graph})
    assert len({subject_of("service", item, engine="e").digest for item in (plain, basic)}) == 2


def test_weights_in_bf16_are_no_faster_and_take_as_much_memory_as_those_in_fp32() -> None:
    bf16, int4 = (candidate(precision=name, quantization="weight-only") for name in ("bf16", "int4"))
    found = change_of(bf16, PROFILE, declarations())
    assert found.base.precision == "fp32"
    assert (found.time.value, found.weights.value) == (1.0, 1.0)
    assert change_of(int4, PROFILE, declarations()).weights.value < 1
    assert [name for name, _, _ in losses(bf16, declarations())] == ["bfloat16"]
    assert signature(bf16, declarations()) != signature(int4, declarations())


def test_losses_of_both_steps_count() -> None:
    both = candidate(precision="int8", quantization="mixed", compression="shrink")
    found = losses(both, DECLARED)
    assert [(name, span.value) for name, span, _ in found] == [("shrink", 0.01), ("mixed", 0.002)]
    assert sum(span.high for _, span, _ in found) == pytest.approx(0.07)


def test_settings_of_plain_precisions_do_not_keep_measurements_apart() -> None:
    one = candidate(precision="int8", quantization="static")
    other = one.model_copy(update={"settings": {"calibration": "entropy"}})
    assert signature(one, DECLARED) == signature(other, DECLARED)
    small, smaller = (candidate(compression="shrink", settings={"keep": keep}) for keep in ("0.5", "0.2"))
    assert len({signature(item, DECLARED) for item in (one, small, smaller)}) == 3
