"""Tables that follow a law with noise: what is learnt must be that law, and intervals must hold what they say."""

from dataclasses import replace

import numpy as np
import pytest

from aios.cost.learning import Design, Predictor, StageForm
from aios.fidelity import splits
from aios.records.observation import Observations
from aios.workflow.judging import held_back
from aios.workflow.pooling import pooled
from aios.workflow.setting import silent

NOISE = 0.1


def rows_of_a_law(rows=1500, devices=6, seed=0, table="t.csv"):
    random = np.random.default_rng(seed)
    device = random.integers(0, devices, rows)
    model = random.integers(0, 60, rows)
    size = np.random.default_rng(9).normal(20, 2, 60)[model]
    speed = 3 + 0.1 * device
    seconds = np.exp(0.8 * size - speed + NOISE * random.normal(size=rows))
    return Observations(
        table=table,
        predictor="law",
        metric="latency.mean",
        unit="s",
        words={"device": np.char.add("d", device.astype(str)), "model": np.char.add("m", model.astype(str))},
        numbers={"macs": np.exp(size), "batch": np.arange(rows) + 1.0},
        types=np.full(rows, ""),
        families=np.char.add("f", (model // 3).astype(str)),
        lines=np.arange(rows) + 2,
        values=seconds,
    )


def design(rows, types):
    del types
    size = np.log(rows.number("macs"))
    keys = {"device": rows.word("device"), "line": rows.lines.astype(str), "model": rows.word("model")}
    return Design({"size": size}, size - 5, keys, np.full(len(rows), -np.inf), np.full(len(rows), ""))


LAW = Predictor(
    name="law",
    version=1,
    metrics=("latency.mean",),
    stages=(StageForm((), 1), StageForm(("device",), 0)),
    design=design,
    target=lambda rows: np.log(rows.values),
    value=lambda _rows, target: np.exp(target),
)


def judged(predictor, level, **law):
    pool = pooled(predictor, "latency.mean", [(rows_of_a_law(**law), None)], {})
    return pool, held_back(pool, level, None, silent)


@pytest.mark.parametrize("level", ["calibrated", "profiled"])
def test_the_law_is_found_and_its_noise_is_what_is_left(level):
    pool, found = judged(LAW, level)
    seen = np.isfinite(found.value)
    off = np.abs(found.value - pool.target)[seen]
    assert seen.mean() > 0.95
    assert np.median(off) == pytest.approx(0.6745 * NOISE, rel=0.25)
    inside = ((found.low <= pool.target) & (pool.target <= found.high))[seen].mean()
    assert 0.85 <= inside <= 0.95


def test_an_unseen_device_is_less_certain_and_says_so():
    pool, found = judged(LAW, "zero-shot", devices=12)
    seen = np.isfinite(found.value)
    inside = ((found.low <= pool.target) & (pool.target <= found.high))[seen].mean()
    assert seen.all()
    assert inside > 0.8
    _, known = judged(LAW, "calibrated", devices=12)
    assert np.median(found.high - found.low) > 1.5 * np.nanmedian(known.high - known.low)


def test_the_law_beats_physics_alone_and_equals_the_plain_regression_that_is_the_law():
    pool, found = judged(LAW, "calibrated")
    seen = np.isfinite(found.value)

    def error(values):
        return np.nanmedian(np.abs(values - pool.target)[seen])

    assert error(found.value) < 0.5 * error(found.roofline)


@pytest.mark.parametrize("level", ["zero-shot", "calibrated", "profiled"])
def test_one_that_learns_rows_by_heart_has_not_seen_those_it_predicts(level):
    """Each line has an effect of its own: of a row that was seen nothing would be left but what shrinking leaves."""
    by_heart = LAW._replace(stages=(StageForm((), 1), StageForm(("line",), 0)))
    pool, found = judged(by_heart, level, rows=500)
    from aios.cost.learning import fit, predict

    learnt = fit(pool.design, pool.target, pool.families, by_heart, "latency.mean", ())
    seen = np.median(np.abs(predict(pool.design, learnt, level).value - pool.target))
    unseen = np.nanmedian(np.abs(found.value - pool.target))
    assert seen < 0.7 * 0.6745 * NOISE
    assert unseen > 0.9 * 0.6745 * NOISE


def test_one_device_alone_cannot_be_held_back():
    _, found = judged(LAW, "zero-shot", devices=1)
    assert np.isnan(found.value).all()
    assert "one device" in found.reason


def test_one_device_alone_is_predicted_from_what_ships():
    from aios.cost.learning import fit

    many = pooled(LAW, "latency.mean", [(rows_of_a_law(), None)], {})
    shared = fit(many.design, many.target, many.families, LAW, "latency.mean")
    alone = pooled(LAW, "latency.mean", [(rows_of_a_law(devices=1, seed=4), None)], {})
    found = held_back(alone, "zero-shot", shared, silent)
    assert np.median(np.abs(found.value - alone.target)) < 0.5


def test_one_family_of_models_is_predicted_from_what_ships_without_what_it_says_of_models():
    from aios.cost.learning import fit

    of_models = LAW._replace(stages=(*LAW.stages, StageForm(("model",), 0)))
    many = pooled(of_models, "latency.mean", [(rows_of_a_law(), None)], {})
    shared = fit(many.design, many.target, many.families, of_models, "latency.mean")
    rows = rows_of_a_law(seed=4)
    rows = rows.take(rows.word("model") == "m7")
    one = pooled(of_models, "latency.mean", [(rows, None)], {})
    found = held_back(one, "zero-shot", shared, silent)
    assert np.median(np.abs(found.value - one.target)) < 0.5
    assert "devices and models" in found.learnt_from
    odd = shared.stages[-1].model_copy(
        update={"effects": tuple(item.model_copy(update={"constant": 9.0}) for item in shared.stages[-1].effects)}
    )
    misled = shared.model_copy(update={"stages": (*shared.stages[:-1], odd)})
    assert np.array_equal(found.value, held_back(one, "zero-shot", misled, silent).value)
    assert "one family" in held_back(one, "zero-shot", None, silent).reason


def test_tables_of_one_predictor_teach_each_other():
    parts = [(rows_of_a_law(rows=400, devices=1, seed=n, table=f"{n}.csv"), None) for n in range(2)]
    parts[1][0].words["device"][:] = "other"
    pool = pooled(LAW, "latency.mean", parts, {})
    found = held_back(pool, "zero-shot", None, silent)
    assert np.isfinite(found.value).all()
    assert np.median(np.abs(found.value - pool.target)) < 0.2


def test_rows_better_than_physics_are_suspicious_and_not_judged():
    def capped(rows, types):
        made = design(rows, types)
        return Design(made.features, made.base, made.keys, np.where(rows.lines < 12, np.inf, -np.inf), made.unknown)

    pool, found = judged(LAW._replace(design=capped), "calibrated")
    assert pool.suspicious.sum() == 10
    assert np.isnan(found.value[pool.suspicious]).all()


@pytest.mark.parametrize("seconds", [1e-300, 1e-9, 1e20, 1e300])
def test_what_is_beyond_all_reason_is_suspicious_and_not_judged(seconds):
    """Times of hours to weeks; physics sets no bound here."""
    rows = rows_of_a_law(rows=300)
    rows.values[:3] = seconds
    pool = pooled(LAW, "latency.mean", [(rows, None)], {})
    assert pool.suspicious_lines() == {"t.csv": (2, 3, 4)}
    found = held_back(pool, "calibrated", None, silent)
    assert np.isnan(found.value[pool.suspicious]).all()
    assert np.abs(found.value - pool.target)[pool.usable].max() < 1


def test_what_cannot_be_predicted_or_believed_is_named():
    def doubtful(rows, types):
        found = design(rows, types)
        unknown = np.where(rows.word("model") == "m7", "nobody knows it", "")
        least = np.where(rows.lines == 5, np.inf, -np.inf)
        return Design(found.features, found.base, found.keys, least, unknown)

    rows = rows_of_a_law(rows=200)
    pool = pooled(LAW._replace(design=doubtful), "latency.mean", [(rows, None)], {})
    assert pool.unpredictable_models() == {"t.csv": ("m7",)}
    assert pool.suspicious_lines() == {"t.csv": (5,)}
    assert pool.usable.sum() == 200 - 1 - (rows.word("model") == "m7").sum()


@pytest.mark.parametrize("level", ["zero-shot", "calibrated", "profiled"])
def test_the_order_of_rows_changes_nothing(level):
    """Shuffled, with its lines numbered anew, a table is predicted as before, to the last digit."""
    rows = rows_of_a_law(rows=600)
    order = np.random.default_rng(5).permutation(600)
    shuffled = replace(rows.take(order), lines=rows.lines)
    ends = []
    for observed in (rows, shuffled):
        pool = pooled(LAW, "latency.mean", [(observed, None)], {})
        found = held_back(pool, level, None, silent)
        values = pool.parts[0].observations.values
        ends.append(np.column_stack([values, found.value, found.low, found.high, found.roofline, found.regression]))
    assert np.isfinite(ends[0][:, 1]).mean() > 0.5
    assert np.array_equal(*ends, equal_nan=True)


def test_rows_that_say_the_same_are_held_back_together():
    """The same setting measured twice is no other setting, on whatever line it stands."""
    rows = rows_of_a_law(rows=300)
    twice = replace(rows.take(np.tile(np.arange(300), 2)), lines=np.arange(600) + 2)
    pool = pooled(LAW, "latency.mean", [(twice, None)], {})
    folds = [
        (part.train, part.test) for part in splits("profiled", pool.devices, pool.models, pool.families, pool.settings)
    ]
    assert len(np.unique(pool.settings)) == 300
    assert len(folds) == 5
    assert all(not set(pool.settings[test]) & set(pool.settings[train]) for train, test in folds)


def test_a_setting_is_what_a_row_says_and_not_what_was_measured():
    rows = rows_of_a_law(rows=50)
    assert (replace(rows, values=rows.values * 2, lines=rows.lines[::-1]).settings() == rows.settings()).all()
    for other in ({"macs": rows.numbers["macs"] * 2}, {"batch": rows.numbers["batch"] + 1}):
        assert not (replace(rows, numbers={**rows.numbers, **other}).settings() == rows.settings()).any()
    assert not (replace(rows, table="u.csv").settings() == rows.settings()).any()
