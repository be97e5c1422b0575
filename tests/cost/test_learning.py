"""Hierarchical ridge regression: it finds a known law, shrinks what little is known, and its intervals hold."""

from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest

from aios.cost.learning import Design, Predictor, StageForm, fit, predict, refine
from aios.cost.learning.folds import fold_of

DEVICES = 12
OFFSETS = np.random.default_rng(5).normal(0, 0.4, DEVICES)


def rows(seed, count=3000, noise=0.1, devices=range(DEVICES)):
    """A law in two features with an offset per device, its noise growing with the first feature."""
    rng = np.random.default_rng(seed)
    size, density = rng.uniform(-2, 2, count), rng.uniform(-1, 1, count)
    device = rng.choice(list(devices), count)
    base = 3.0 * size
    rest = 0.5 + 0.8 * density - 0.3 * density * size + OFFSETS[device]
    target = base + rest + rng.normal(0, 1, count) * noise * np.exp(0.4 * size)
    names = np.char.add("d", device.astype(str))
    design = Design(
        features={"size": size, "density": density, "same everywhere": np.ones(count)},
        base=base,
        keys={"device": names, "class": np.full(count, "gpu"), "setting": np.full(count, "fp16")},
        least=np.full(count, -np.inf),
        unknown=np.full(count, ""),
    )
    families = np.char.add("f", rng.integers(0, 40, count).astype(str))
    return design, target, families


def predictor(*stages):
    return Predictor(
        name="law",
        version=1,
        metrics=("time",),
        stages=stages or (StageForm((), 2), StageForm(("device",), 1, 5)),
        design=None,
        target=None,
        value=None,
    )


def test_a_known_law_is_found_and_written_under_its_features_names():
    design, target, families = rows(1, noise=0.0, devices=[3])
    learnt = fit(design, target, families, predictor(StageForm((), 2)), "time", levels=())
    value = predict(design, learnt, "calibrated").value
    assert np.abs(value - target).max() < 0.02
    assert set(learnt.features) == {"size", "density"}  # what never changes teaches nothing
    terms = learnt.stages[0].effects[0].terms
    assert terms["density"] > 0.3
    assert terms["size * density"] < -0.1
    assert abs(terms["size * size"]) < 0.01


@pytest.mark.parametrize("level", ["calibrated", "profiled"])
def test_intervals_hold_nine_of_ten_rows_that_were_never_seen_easy_and_hard_ones_alike(level):
    learnt = fit(*rows(1), predictor(), "time", levels=(level,))
    design, target, _ = rows(2)
    found = predict(design, learnt, level)
    inside = (found.low <= target) & (target <= found.high)
    hard = design.features["size"] > 1
    assert 0.87 <= inside.mean() <= 0.93
    assert 0.84 <= inside[hard].mean() <= 0.96
    assert 0.84 <= inside[~hard].mean() <= 0.96
    assert (found.high - found.low)[hard].mean() > 1.5 * (found.high - found.low)[~hard].mean()


def test_a_device_never_seen_gets_what_all_have_in_common_and_a_wider_interval():
    seen, new = rows(1, devices=range(1, DEVICES)), rows(2, devices=[0])
    learnt = fit(*seen, predictor(), "time", levels=("zero-shot", "calibrated"))
    stranger = predict(new[0], learnt, "zero-shot")
    known = predict(rows(3, devices=[4])[0], learnt, "calibrated")
    assert (stranger.high - stranger.low).mean() > 2 * (known.high - known.low).mean()
    off = new[1] - stranger.value
    assert abs(off.mean() - (OFFSETS[0] - OFFSETS[1:].mean())) < 0.25
    assert off.std() < 0.3  # the shape of the law is the same on every device


def test_a_few_rows_of_a_new_device_are_enough_to_move_it():
    learnt = fit(*rows(1, devices=range(1, DEVICES)), predictor(), "time", levels=("zero-shot",))
    design, target, families = rows(4, count=30, devices=[0])
    refined = refine(learnt, design, target, families, predictor(), "d0")
    fresh = rows(5, devices=[0])
    before = np.abs(predict(fresh[0], learnt, "zero-shot").value - fresh[1])
    after = np.abs(predict(fresh[0], refined, "calibrated").value - fresh[1])
    assert np.median(after) < 0.12 < 0.3 * np.median(before) + 0.12
    assert {group for stage in refined.stages for effect in stage.effects for group in effect.group} == {"d0"}


def test_a_constant_from_one_row_is_believed_less_than_one_from_many():
    design, target, families = rows(1)
    few = np.flatnonzero(design.keys["device"] == "d2")[:1]
    rest = np.flatnonzero(design.keys["device"] != "d2")
    kept = np.concatenate([few, rest])
    shifted = target + np.where(design.keys["device"] == "d2", 2.0, 0.0)
    form = predictor(StageForm((), 2), StageForm(("device",), 0))
    learnt = fit(design.take(kept), shifted[kept], families[kept], form, "time", levels=())
    effects = {effect.group: effect for effect in learnt.stages[1].effects}
    alone = effects[("d2",)]
    centre = (
        shifted[few][0]
        - predict(design.take(few), learnt.model_copy(update={"stages": learnt.stages[:1]}), "calibrated").value[0]
    )
    assert alone.rows == 1
    assert 0 < alone.constant < centre


def test_rows_better_than_physics_allows_teach_nothing_and_none_is_predicted():
    design, target, families = rows(1)
    wrong = target.copy()
    wrong[:600] = design.base[:600] - 9.0
    design = replace(design, least=design.base - 3.0)
    learnt = fit(design, wrong, families, predictor(), "time", levels=("calibrated",))
    clean = fit(design.take(np.arange(600, 3000)), target[600:], families[600:], predictor(), "time", levels=())
    assert learnt.stages == clean.stages
    assert (predict(design, learnt, "calibrated").low >= design.least).all()


def test_a_feature_beyond_what_was_seen_counts_as_at_the_end_of_it():
    design, target, families = rows(1, noise=0.0)
    learnt = fit(design, target, families, predictor(), "time", levels=())
    far = replace(design, features={**design.features, "density": design.features["density"] * 50})
    value = predict(far, learnt, "calibrated").value - far.base
    assert np.abs(value).max() < 4.0


def test_nothing_to_learn_from_is_no_error_and_intervals_are_wide():
    design, target, families = rows(1)
    learnt = fit(design, np.full(len(target), np.nan), families, predictor(), "time")
    found = predict(design, learnt, "zero-shot")
    assert (found.value == design.base).all()
    assert (found.high - found.low > 2).all()


def test_folds_are_the_same_in_every_run_and_keep_names_together():
    names = np.array(["resnet", "vit", "resnet", "swin"])
    folds = fold_of(names)
    assert folds[0] == folds[2]
    assert folds.tolist() == [crc32(str(name).encode()) % 5 for name in names]
    spread = np.bincount(fold_of(np.char.add("family", np.arange(500).astype(str))), minlength=5)
    assert spread.min() > 60


def work(seed, count=1500):
    """Times that are sums of three kinds of work at rates of their own, on two devices; one kind costs nothing."""
    rng = np.random.default_rng(seed)
    parts = {name: rng.lognormal(0, 1, count) for name in ("products", "bytes", "launches")}
    device = rng.choice(["fast", "slow"], count)
    rates = {"fast": (1.2, 2.0, 0.0), "slow": (3.0, 2.0, 0.0)}
    factors = np.array([rates[name] for name in device])
    time = (np.column_stack(list(parts.values())) * factors).sum(axis=1) * np.exp(rng.normal(0, 0.05, count))
    design = Design(
        features={},
        base=np.log(sum(parts.values())),
        keys={"device": device, "class": np.full(count, "gpu")},
        least=np.full(count, -np.inf),
        unknown=np.full(count, ""),
        parts=parts,
    )
    return design, np.log(time), np.char.add("f", rng.integers(0, 30, count).astype(str))


def mixer():
    return predictor(StageForm(("device",), 0))._replace(mixes=(StageForm(()), StageForm(("device",))))


def test_how_well_each_kind_of_work_runs_is_found_for_each_device():
    learnt = fit(*work(1), mixer(), "time", levels=("calibrated",))
    factors = {effect.group: effect.terms for effect in learnt.mixes[1].effects}
    assert factors[("fast",)]["products"] == pytest.approx(1.2, rel=0.05)
    assert factors[("slow",)]["products"] == pytest.approx(3.0, rel=0.05)
    assert factors[("slow",)]["bytes"] == pytest.approx(2.0, rel=0.05)
    assert factors[("slow",)].get("launches", 0.0) < 0.05
    design, target, _ = work(2)
    found = predict(design, learnt, "calibrated")
    assert np.median(np.abs(found.value - target)) < 0.05
    assert 0.86 <= ((found.low <= target) & (target <= found.high)).mean() <= 0.94


def test_a_device_with_three_rows_keeps_near_what_others_do():
    design, target, families = work(1)
    few = np.flatnonzero(design.keys["device"] == "slow")[:3]
    rows = np.concatenate([few, np.flatnonzero(design.keys["device"] == "fast")])
    learnt = fit(design.take(rows), target[rows], families[rows], mixer(), "time", levels=())
    products = {effect.group: effect.terms["products"] for effect in learnt.mixes[1].effects}
    assert products[("fast",)] == pytest.approx(1.2, rel=0.05)
    assert 1.1 < products[("slow",)] < 3.3


def test_factors_solve_the_least_squares_problem_with_a_bound_at_zero():
    from aios.cost.learning.mix import _nonnegative

    rng = np.random.default_rng(3)
    for _ in range(20):
        matrix, wanted = rng.normal(size=(40, 8)), rng.normal(size=40)
        gram, vector = matrix.T @ matrix, matrix.T @ wanted
        found = _nonnegative(gram, vector, rng.uniform(0, 1, 8))
        slope = gram @ found - vector
        assert (found >= 0).all()
        assert (slope >= -1e-6).all()  # no term could be raised to gain
        assert np.abs(slope[found > 0]).max(initial=0.0) < 1e-6  # those in use are where they should be


def test_predictions_and_their_intervals_keep_between_what_physics_allows():
    design, target, families = rows(3)
    least, most = np.full(len(target), -1.0), np.full(len(target), 1.0)
    bounded = replace(design, least=least, most=most)
    assert list(bounded.possible(np.resize([-2.0, 0.0, 2.0], len(target)))[:3]) == [False, True, False]
    learnt = fit(bounded, target, families, predictor(), "time", levels=("calibrated",))
    seen = sum(effect.rows for effect in learnt.stages[0].effects)
    assert seen == ((target >= -1) & (target <= 1)).sum()
    found = predict(bounded, learnt, "calibrated")
    for ends in found:
        assert ends.min() >= -1.0
        assert ends.max() <= 1.0
    some = bounded.take(np.arange(3))
    assert some.most is not None
    assert len(some.most) == 3
