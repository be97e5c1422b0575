"""What quantisation and pruning cost, learnt from samples of published tables, and what a plan makes of it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.cost.accuracy import accuracies
from aios.cost.accuracy_predictor import PREDICTOR, kind_of, saturates
from aios.cost.evidence import Evidence, Library
from aios.cost.learning import Predicted, fit, predict
from aios.records.calibration import Calibration
from aios.records.candidate import Candidate, Estimate
from aios.records.fleet import DeviceType, Fleet
from aios.records.intent import Intent
from aios.records.model import ModelProfile
from aios.records.observation import Observations
from aios.tables import load_forms, read_table

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parent / "data"
VNNI = DeviceType(name="intel-xeon-platinum-8480plus", kind="cpu", features=("avx2", "avx512_vnni"))
OLD = DeviceType(name="amd-epyc-7763", kind="cpu", features=("avx2", "fma"))
ARM = DeviceType(name="aws-graviton2", kind="cpu", features=("neon", "dotprod"))
CARD = DeviceType(name="nvidia-a100-sxm4-80gb", kind="gpu")
TYPES = {device.name: device for device in (VNNI, OLD, ARM, CARD)}


def made(**columns: list[str] | list[float]) -> Observations:
    """Return rows of the given words and numbers."""
    size = max(len(column) for column in columns.values() if isinstance(column, list))
    words = {role: np.array(column) for role, column in columns.items() if isinstance(column[0], str)}
    numbers = {role: np.array(column) for role, column in columns.items() if not isinstance(column[0], str)}
    values = numbers.pop("values", np.full(size, np.nan))
    device = words.get("device", np.full(size, ""))
    return Observations(
        table="made",
        predictor="accuracy",
        metric="accuracy_change",
        unit="1",
        words=words,
        numbers=numbers,
        types=device,
        families=np.array([""] * size),
        lines=np.arange(size),
        values=values,
    )


def read(sample: str, table: str) -> Observations:
    """Return a sample as the shipped form of its table reads it, parts of several columns one after the other."""
    known = {"c6a": OLD.name, "c6g": ARM.name}
    parts = read_table(DATA / sample, load_forms(ROOT), known.get, table).observations
    first = parts[0]
    return Observations(
        table=first.table,
        predictor=first.predictor,
        metric=first.metric,
        unit=first.unit,
        words={role: np.concatenate([part.words[role] for part in parts]) for role in first.words},
        numbers={role: np.concatenate([part.numbers[role] for part in parts]) for role in first.numbers},
        types=np.concatenate([part.types for part in parts]),
        families=np.concatenate([part.families for part in parts]),
        lines=np.concatenate([part.lines for part in parts]),
        values=np.concatenate([part.values for part in parts]),
    )


@pytest.fixture(scope="module")
def learnt() -> Calibration:
    rows = read("inc_int8_sample.csv", "accuracy/inc_int8_sample.csv")
    return fit(PREDICTOR.design(rows, TYPES), PREDICTOR.target(rows), rows.families, PREDICTOR, "accuracy_change")


def predicted(rows: Observations, learnt: Calibration) -> Predicted:
    return predict(PREDICTOR.design(rows, TYPES), learnt, "calibrated")


def test_the_form_reads_the_change_of_every_validated_example() -> None:
    rows = read("inc_int8_sample.csv", "accuracy/inc_int8_sample.csv")
    assert len(rows) == 101
    assert set(rows.word("transform")) >= {"static-int8", "dynamic-int8"}
    resnet = rows.word("model") == "ResNet50 v1.0"
    assert rows.values[resnet][0] == pytest.approx(-0.0022)


def test_eight_bits_cost_less_than_a_point_and_may_cost_more(learnt: Calibration) -> None:
    found = predicted(made(model=["ResNet50"], transform=["static-int8"], precision=["int8"]), learnt)
    assert -0.01 < found.value[0] < 0
    assert -0.03 < found.low[0] < -0.004
    assert found.high[0] < 0.03


def test_intervals_of_families_held_back_hold_nine_in_ten() -> None:
    rows = read("inc_int8_sample.csv", "accuracy/inc_int8_sample.csv")
    design, target = PREDICTOR.design(rows, TYPES), PREDICTOR.target(rows)
    fold = np.array([sum(map(ord, str(name))) % 5 for name in rows.families])
    inside = []
    for held in range(5):
        known = fit(design.take(fold != held), target[fold != held], rows.families[fold != held], PREDICTOR, "")
        found = predict(design.take(fold == held), known, "calibrated")
        inside += list((target[fold == held] >= found.low) & (target[fold == held] <= found.high))
    assert 0.85 <= np.mean(inside) <= 1.0


def test_products_that_saturate_cost_points_where_nothing_else_does() -> None:
    rows = read("inc_qdq_hw_sample.csv", "accuracy/inc_qdq_hw_sample.csv")
    change, old = PREDICTOR.target(rows), rows.types == OLD.name
    assert old.sum() >= 5
    assert np.median(change[old]) < -0.02 < -0.002 < np.median(change[~old])
    known = fit(PREDICTOR.design(rows, TYPES), change, rows.families, PREDICTOR, "accuracy_change")
    both = made(
        model=["x"] * 3, transform=["ported"] * 3, precision=["int8"] * 3, device=[VNNI.name, OLD.name, ARM.name]
    )
    value = predicted(both, known).value
    assert value[1] < value[0] - 0.01
    assert value[0] == value[2]


def test_saturation_is_a_matter_of_instructions() -> None:
    assert saturates(OLD)
    assert not any(saturates(device) for device in (VNNI, ARM, CARD, None))
    assert not saturates(DeviceType(name="bare", kind="cpu"))


@given(st.lists(st.floats(2.0, 16.0), min_size=2, max_size=8, unique=True), st.sampled_from(["", "perplexity"]))
def test_fewer_bits_are_never_better(bits: list[float], measure: str) -> None:
    ordered = sorted(bits)
    rows = made(transform=["weights"] * len(bits), measure=[measure] * len(bits), bits_per_weight=ordered)
    base = PREDICTOR.design(rows, {}).base
    assert (np.diff(base) >= 0).all()


@given(st.lists(st.floats(0.0, 0.98), min_size=2, max_size=8, unique=True))
def test_more_zeros_are_never_better_whatever_was_learnt(shares: list[float]) -> None:
    several = made(
        transform=["pruning"] * 12, sparsity=[0.3, 0.5, 0.8] * 4, values=[0.01, -0.02, 0.004] * 4, model=["a"] * 12
    )
    known = fit(PREDICTOR.design(several, {}), PREDICTOR.target(several), several.families, PREDICTOR, "", ())
    rows = made(transform=["pruning"] * len(shares), sparsity=sorted(shares), model=["b"] * len(shares))
    assert (np.diff(predict(PREDICTOR.design(rows, {}), known, "calibrated").value) <= 0).all()


def test_larger_groups_share_scales_and_lose_more() -> None:
    rows = made(transform=["weights"] * 2, bits_per_weight=[4.0, 4.0], group_size=[32.0, 128.0])
    assert -0.02 < PREDICTOR.design(rows, {}).base[1] < PREDICTOR.design(rows, {}).base[0] < 0


def test_accuracies_are_compared_with_their_reference_and_errors_turned_round() -> None:
    rows = made(
        transform=["weights"] * 3,
        measure=["top1", "Perplexity", "Normalized Mean Error"],
        reference_accuracy=[0.8, np.nan, np.nan],
        values=[0.76, 0.05, -0.1],
    )
    assert PREDICTOR.target(rows) == pytest.approx([-0.05, -0.05, 0.1])
    assert PREDICTOR.value(rows, PREDICTOR.target(rows)) == pytest.approx(rows.values)


def test_what_is_not_stated_is_not_predicted() -> None:
    assert PREDICTOR.design(made(transform=["", "weights"], model=["a", "a"]), {}).unknown.astype(bool).tolist() == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("MobileNet V2", "separable"), ("Roberta base MRPC", "transformer"), ("ResNet50 v1.5", "convolution")],
)
def test_kinds_of_architecture_are_told_by_name(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_a_plan_takes_the_learnt_prior_and_without_one_the_coarse_one(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet, learnt: Calibration
) -> None:
    int8 = candidate.model_copy(update={"precision": "int8", "quantization": "static"})
    device = fleet.types[int8.device]

    def found(known: Calibration | None, item: Candidate = int8) -> Estimate:
        calibrations = {} if known is None else {("accuracy", "accuracy_change"): known}
        library = Library(Evidence(calibrations=calibrations))
        return accuracies(intent, item, profile, device, library)[0]["accuracy.top1"]

    prior, coarse = found(learnt), found(None)
    assert (prior.source, coarse.source) == ("calibrated", "assumed")
    assert prior.low < prior.value < 0.9 < prior.high
    assert 0.9 - prior.value < 0.02
    assert found(learnt.model_copy(update={"version": PREDICTOR.version + 1})) == coarse
    untouched = found(learnt, candidate)
    assert (untouched.value, untouched.source) == (0.9, "declared")


def test_what_is_compared_with_the_stored_model_before_anything_is_measured(
    intent: Intent, candidate: Candidate, profile: ModelProfile, fleet: Fleet
) -> None:
    names = ("accuracy.top1_loss", "accuracy.agreement", "accuracy.perplexity")
    goals = tuple(intent.goal[0].model_copy(update={"metric": name}) for name in names)
    asked, device = intent.model_copy(update={"goal": goals}), fleet.types[candidate.device]
    found, unknown = accuracies(asked, candidate, profile, device, Library(Evidence()))
    exact = {name: (item.low, item.value, item.high) for name, item in found.items() if name in names}
    assert exact == {"accuracy.top1_loss": (0, 0, 0), "accuracy.agreement": (1, 1, 1)}
    assert set(unknown) == {"accuracy.perplexity"}
    int8 = candidate.model_copy(update={"precision": "int8", "quantization": "static"})
    found, unknown = accuracies(asked, int8, profile, device, Library(Evidence()))
    loss, least = found["accuracy.top1_loss"], found["accuracy.top1"]
    assert loss.high == pytest.approx(0.9 - least.low)
    assert set(unknown) == {"accuracy.agreement", "accuracy.perplexity"}
