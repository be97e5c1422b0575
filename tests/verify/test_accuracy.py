"""Measures of accuracy by hand, intervals against published values, and what a bootstrap covers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aios.records.candidate import Estimate
from aios.records.errors import InputError
from aios.records.measurement import PROBABILITIES, Measured, Measurement, Subject
from aios.records.metrics import MEASURES, UNBOUNDED, find_metric, metric
from aios.records.plan import Claim
from aios.records.sampling import (
    Pairs,
    fewest_resampled,
    items_needed,
    mid_p,
    paired_difference,
    what_would_decide,
    wilson,
)
from aios.verify import Answers, judge, score, wanted_measures


def values(names: str, **answers: np.ndarray) -> dict[str, float]:
    found = score([f"accuracy.{name}" for name in names.split()], Answers(**answers), "hand").values
    return {name.removeprefix("accuracy."): value.value for name, value in found.items()}


def test_wilson_against_published_values() -> None:
    # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3, at 95 %: 81 of 263 and 15 of 148.
    low, high = wilson(81, 263, 0.95)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    low, high = wilson(15, 148, 0.95)
    assert (round(low, 4), round(high, 4)) == (0.0624, 0.1605)
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == 1


def test_mcnemar_against_published_values() -> None:
    # M. W. Fagerland et al., BMC Medical Research Methodology 13:91 (2013): airway reactivity before and after stem
    # cell transplantation, 1 and 7 discordant of 21: exact P = 0.070, mid-P = 0.039.
    pairs = Pairs(1, 1, 7, 12)
    assert mid_p(pairs) == pytest.approx(2 * (1 + 8) / 256 - 8 / 256)
    assert round(mid_p(pairs), 3) == 0.039
    assert mid_p(Pairs(5, 0, 0, 5)) == 1
    assert mid_p(Pairs(0, 3, 3, 0)) == pytest.approx(1 - 20 / 64 / 2)


def test_newcombe_by_hand() -> None:
    # R. G. Newcombe, Statistics in Medicine 17 (1998), method 10 at 95 %: 36, 12, 2, 0 of 50.
    low, high = paired_difference(Pairs(36, 12, 2, 0), 0.95)
    assert (round(low, 4), round(high, 4)) == (0.0569, 0.3404)
    low, high = paired_difference(Pairs(1, 1, 7, 12), 0.95)
    assert low < -0.286 < high
    assert paired_difference(Pairs(12, 1, 7, 1), 0.95)[0] == pytest.approx(
        -paired_difference(Pairs(12, 7, 1, 1), 0.95)[1]
    )


@given(st.tuples(*[st.integers(0, 60)] * 4).filter(any), st.sampled_from([0.8, 0.9, 0.99]))
def test_a_paired_interval_holds_its_difference(counts: tuple[int, int, int, int], confidence: float) -> None:
    pairs = Pairs(*counts)
    low, high = paired_difference(pairs, confidence)
    assert -1 <= low <= pairs.difference + 1e-12
    assert pairs.difference - 1e-12 <= high <= 1
    wide = paired_difference(pairs, 0.999)
    assert wide[0] <= low + 1e-12
    assert high <= wide[1] + 1e-12


@given(st.integers(20, 4000), st.floats(0.5, 0.99), st.floats(0.5, 0.99))
def test_so_many_items_decide_and_one_less_does_not(n: int, share: float, bound: float) -> None:
    right = round(share * n)
    low, high = wilson(right, n)
    assume(abs(right / n - bound) > 1e-3)
    needed = items_needed(right / n, low, high, n, bound, confidence=0.9, share=True)
    if needed is None:
        assert not low <= bound <= high
        return
    for many, decided in ((needed, True), (needed - 2, False)):
        low, high = wilson(right / n * many, many)
        assert decided is not (low + 1e-9 < bound < high - 1e-9), "formula and interval are one"


def test_top_k() -> None:
    outputs = np.array([[0.1, 0.9, 0.0], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    found = values("top1 top2 f1", outputs=outputs, labels=np.array([1, 1, 2]))
    assert found == {"top1": pytest.approx(2 / 3), "top2": 1}


def test_ties_and_what_is_no_number_count_against_the_model() -> None:
    assert values("top1", outputs=np.zeros((4, 3)), labels=np.zeros(4, int)) == {"top1": 0}
    assert values("top1", outputs=np.full((4, 3), np.nan), labels=np.zeros(4, int)) == {"top1": 0}


def test_loss_and_agreement_compare_item_by_item() -> None:
    stored = np.eye(4)[[0, 1, 2, 3, 0]]
    outputs = np.eye(4)[[0, 1, 3, 0, 1]]
    found = score(
        ["accuracy.top1_loss", "accuracy.agreement"], Answers(outputs, np.array([0, 1, 2, 3, 1]), stored), "hand"
    ).values
    # Right before: 0, 1, 2, 3; right now: 0, 1 and 4. Lost 2, won 1, of 5.
    assert found["accuracy.top1_loss"].counts == (2, 2, 1, 0)
    assert found["accuracy.top1_loss"].value == pytest.approx(0.2)
    assert found["accuracy.agreement"].value == pytest.approx(0.4)


def test_agreement_of_decisions_of_other_shapes() -> None:
    one = np.array([[0.2], [0.9], [0.51]])
    assert values("agreement", outputs=one, stored=np.array([[0.4], [0.6], [0.49]])) == {
        "agreement": pytest.approx(2 / 3)
    }
    logits = np.array([[-1.0], [3.0], [0.2]])
    assert values("agreement", outputs=logits, stored=np.array([[-2.0], [1.0], [-0.1]]))["agreement"] == pytest.approx(
        2 / 3
    )
    several = np.eye(3)[[[0, 1], [1, 2]]]
    other = np.eye(3)[[[0, 1], [1, 1]]]
    assert values("agreement", outputs=several, stored=other) == {"agreement": 0.5}


def test_errors_by_hand() -> None:
    found = values("mae rmse", outputs=np.array([[1.0], [2.0], [6.0]]), labels=np.array([1.0, 4.0, 2.0]))
    assert found == {"mae": pytest.approx(2.0), "rmse": pytest.approx(math.sqrt(20 / 3))}


def test_cosine_and_neighbours_by_hand() -> None:
    stored = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    turned = stored[:, ::-1]
    assert values("cosine", outputs=stored * 3, stored=stored) == {"cosine": pytest.approx(1)}
    assert values("cosine", outputs=turned, stored=stored)["cosine"] == pytest.approx((0 + 0 + 2 * 0.18 / 0.82) / 4)
    # Mirrored, neighbours stay neighbours; with rows 1 and 2 exchanged, nobody keeps theirs.
    assert values("recall1", outputs=turned, stored=stored) == {"recall1": 1}
    assert values("recall1", outputs=stored[[0, 2, 1, 3]], stored=stored) == {"recall1": 0}
    # Four items that are all the same say no more than four right answers do: 1 / (1 + z^2 / 4) and up.
    (same,) = score({"accuracy.recall1"}, Answers(outputs=stored, stored=stored), "made up").values.values()
    assert (same.low, same.high) == (pytest.approx(4 / (4 + 1.6449**2), abs=1e-4), 1.0)
    with pytest.raises(InputError, match="needs more items"):
        values("recall4", outputs=stored, stored=stored)


def test_perplexity_and_exact_match_by_hand() -> None:
    """A model that is even between 4 tokens has perplexity 4, whatever comes; one that is sure of the next has 1."""
    tokens = np.array([[1, 2, 3], [2, 3, 0]])
    mask = np.array([[1, 1, 1], [1, 1, 0]])
    assert values("perplexity", outputs=np.zeros((2, 3, 4)), tokens=tokens, mask=mask) == {
        "perplexity": pytest.approx(4)
    }
    sure = 50.0 * np.eye(4)[np.roll(tokens, -1, axis=1)]
    assert values("perplexity", outputs=sure, tokens=tokens, mask=mask) == {"perplexity": pytest.approx(1)}
    # Three tokens are judged, one of them given half: exp(ln 2 / 3).
    sure[0, 0] = [0, 0, 50, 50]
    assert values("perplexity", outputs=sure, tokens=tokens, mask=mask)["perplexity"] == pytest.approx(2 ** (1 / 3))
    labels = np.array([[2, 3, -100], [3, -100, -100]])
    assert values("exact_match", outputs=sure, labels=labels) == {"exact_match": 1}
    labels[0, 1] = 1
    assert values("exact_match", outputs=sure, labels=labels) == {"exact_match": 0.5}
    with pytest.raises(InputError, match="right answers have shape"):
        values("exact_match", outputs=sure, labels=np.zeros((2, 5), int))


def test_a_bootstrap_covers_as_often_as_it_says() -> None:
    """Mean absolute errors of 60 items, drawn 200 times from an exponential of mean 1: 90 % intervals hold it in 84 to
    95 % (three standard errors, and what a percentile bootstrap of a skewed figure is known to lack)."""
    generator = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        labels = generator.exponential(size=60)
        found = score(["accuracy.mae"], Answers(np.zeros((60, 1)), labels), "hand").values["accuracy.mae"]
        held += found.low <= 1 <= found.high
    assert 168 <= held <= 190


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize(
    ("name", "ends"), [("mae", (0.0, UNBOUNDED)), ("rmse", (0.0, UNBOUNDED)), ("cosine", (-1.0, 1.0))]
)
def test_of_too_few_items_there_is_no_interval(name: str, ends: tuple[float, float], n: int) -> None:
    stored, outputs = np.random.default_rng(n).random((2, n, 8))
    found = score([f"accuracy.{name}"], Answers(outputs, stored, stored), "hand")
    (value,) = found.values.values()
    assert (value.low, value.high) == ends
    assert found.distributions == {}
    words = what_would_decide(value.value, *ends, n, value.value * 1.01, confidence=0.9, share=False)
    assert words == f"about 5 items would decide it if the value stays, {n} are there"


@pytest.mark.parametrize(("n", "bounded"), [(2, False), (5, False), (29, False), (30, True)])
def test_few_items_that_are_all_alike_say_nothing_of_others(n: int, bounded: bool) -> None:
    """Each is wrong by one: that says nothing of the next, until there are thirty."""
    found = score(["accuracy.mae"], Answers(np.zeros((n, 1)), np.ones(n)), "hand").values["accuracy.mae"]
    assert (found.value, found.high) == (1.0, 1.0 if bounded else UNBOUNDED)
    needed = items_needed(1.0, found.low, found.high, n, 2.0, confidence=0.9, share=False)
    assert needed == (None if bounded else 5 if n < 5 else 30)


def test_answers_that_are_the_stored_models_own_are_no_matter_of_chance() -> None:
    own = np.random.default_rng(1).random((2, 8))
    found = score(["accuracy.cosine"], Answers(own, stored=own.copy()), "hand").values["accuracy.cosine"]
    assert (found.low, found.value) == (pytest.approx(1), pytest.approx(1))


def test_resampling_begins_where_all_items_are_hardly_on_one_side_of_the_median() -> None:
    """Five items are on one side of the median of all with chance 2 / 32, four with 2 / 16."""
    assert [fewest_resampled(confidence) for confidence in (0.5, 0.875, 0.9, 0.95, 0.99)] == [2, 4, 5, 6, 8]
    values = {"accuracy.mae": Measured(value=1.0, low=0.5, high=1.5, unit="1", n=6, meter="hand")}
    subject = Subject(
        kind="accuracy", model="m", precision="int8", quantization="none", device="d", executor="e", engine="x"
    )
    shape = {"accuracy.mae": tuple(np.linspace(0.4, 1.6, len(PROBABILITIES)).tolist())}
    kept = Measurement(subject=subject, values=values, distributions=shape, as_of="")
    assert kept.interval("accuracy.mae", 0.95)[1] < 1.7
    assert kept.interval("accuracy.mae", 0.99) == (0.0, UNBOUNDED), "six items say nothing of that confidence"


def test_an_interval_at_another_confidence_comes_from_what_is_kept() -> None:
    generator = np.random.default_rng(2)
    labels = generator.integers(0, 3, 200)
    stored, outputs = generator.random((2, 200, 3))
    stored[np.arange(200), labels] += 0.5
    names = ["accuracy.cosine", "accuracy.top1", "accuracy.top1_loss"]
    subject = Subject(
        kind="accuracy", model="m", precision="int8", quantization="none", device="d", executor="e", engine="x"
    )
    usual, sure = (score(names, Answers(outputs, labels, stored), "hand", c) for c in (0.9, 0.99))
    kept = Measurement(subject=subject, values=usual.values, distributions=usual.distributions, as_of="")
    for name in names:
        found = kept.interval(name, 0.99)
        assert found == pytest.approx((sure.values[name].low, sure.values[name].high)), name
        assert found[0] < usual.values[name].low <= usual.values[name].value <= usual.values[name].high < found[1]
    assert not kept.lacks([*names, "accuracy.of_my_own"])
    assert kept.lacks(["accuracy.agreement"])


def test_every_measure_is_one_metric() -> None:
    for measure in MEASURES:
        name = "accuracy." + measure.pattern.replace(r"(\d+)", "3")
        assert metric(name).better == measure.better
        assert "{" not in metric(name).doc
    own = find_metric("accuracy.map50")
    assert own is not None
    assert own.better == "higher"
    assert wanted_measures(["accuracy.map50", "accuracy.cosine"], None) == ("accuracy.cosine",)
    assert wanted_measures([], np.zeros(3, int)) == ("accuracy.agreement", "accuracy.top1")
    assert wanted_measures([], np.zeros(3)) == ()


@pytest.mark.parametrize(
    ("right", "n", "words"),
    [  # 1.6449^2 x 0.97 x 0.03 / 0.006^2 = 2,187
        (
            976,
            1000,
            "96.67 % to 98.28 % at 90 % confidence, n = 1000, which does not decide it: about 2,187 items would",
        ),
        (990, 1000, "98.33 % to 99.4 % at 90 % confidence, n = 1000"),
    ],
)
def test_verdicts_say_how_sure_they_are(right: int, n: int, words: str) -> None:
    estimate = Estimate(metric="accuracy.top1", value=0.98, low=0.97, high=0.99, unit="1", source="measured", basis="x")
    claim = Claim(address="a", metric="accuracy.top1", estimate=estimate, clause="c", bound=0.97)
    low, high = wilson(right, n)
    measured = Measured(value=right / n, low=low, high=high, unit="1", n=n, meter="m", counts=(right, n - right))
    (verdict,) = judge([claim], {"accuracy.top1": measured}, {}, {})
    assert verdict.verdict == "held"
    assert words in verdict.reason
