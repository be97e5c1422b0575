"""What the accuracy of a pruned network says of networks that are pruned more."""

import pytest

from aios.cost.accuracy import accuracies
from aios.cost.bounding import falling, leans_on
from aios.cost.evidence import Evidence, Library
from aios.records.measurement import Measured, Measurement, subject_of
from aios.spi.transforms import declarations

ENGINE, DATA = "x 1", "sha256:data"


@pytest.fixture
def price(intent, candidate, profile, fleet):
    """Returns the estimate of top-1 of a candidate, after some were measured: (changes, share of right answers)."""

    def made(changes, *measured):
        found = {}
        for others, right in measured:
            one = candidate.model_copy(update=others)
            subject = subject_of("accuracy", one, engine=ENGINE, calibration=None, data=DATA)
            values = {
                "accuracy.top1": Measured(value=right, low=right - 0.02, high=right + 0.02, unit="1", n=500, meter="x")
            }
            found[subject.digest] = Measurement(subject=subject, values=values, as_of="2026-01-01T00:00:00Z")
        evidence = Evidence(
            measurements=found,
            engines={candidate.executor: ENGINE},
            evaluation={candidate.model: DATA},
            transforms=declarations(),
        )
        one = candidate.model_copy(update=changes)
        return accuracies(intent, one, profile, fleet.types[one.device], Library(evidence))[0]["accuracy.top1"]

    return made


def prune(keep, **more):
    return {"compression": "prune", "settings": {"keep": keep, **more}}


def test_what_is_pruned_more_is_no_more_right_but_for_a_point(price):
    free = price(prune("0.5"))
    assert free.high == pytest.approx(0.9), "at best nothing is lost of the declared 90 %"
    bound = price(prune("0.5"), (prune("0.9"), 0.3))
    assert (bound.high, bound.source) == (pytest.approx(0.33), "assumed")
    assert bound.low <= bound.value <= bound.high
    assert (
        leans_on(bound)
        == "net with keep=0.5 is taken to be no more right than with fp32+prune+keep=0.9 (30.0%), but a point"
    )
    assert leans_on(free) is None


def test_the_default_of_what_stays_counts_as_written(price):
    assert price({"compression": "prune"}, (prune("0.9"), 0.3)).high == pytest.approx(0.33)


def test_a_narrower_precision_of_the_same_network_is_no_more_right(price):
    int8 = {"precision": "int8", "quantization": "dynamic"}
    assert price({**prune("0.9"), **int8}, (prune("0.9"), 0.3)).high == pytest.approx(0.33)
    assert price({**prune("0.5"), **int8}, (prune("0.9"), 0.3)).high == pytest.approx(0.33)


@pytest.mark.parametrize(
    ("wanted", "measured"),
    [
        (prune("0.9"), prune("0.5")),  # it keeps more than what was measured
        (prune("0.5", fine_tune="5"), prune("0.9", fine_tune="5")),  # trained networks come out in any order
        (prune("0.5"), prune("0.9", align="4")),  # another setting differs too
        ({"precision": "int8", "quantization": "dynamic"}, prune("0.9")),  # it is not pruned at all
    ],
)
def test_what_does_not_follow_is_not_said(price, wanted, measured):
    assert price(wanted, (measured, 0.3)).high == price(wanted).high


def test_a_good_result_bounds_nothing_below_what_was_possible_anyway(price):
    assert price(prune("0.5"), (prune("0.9"), 0.95)) == price(prune("0.5"))


def test_bounds_follow_only_from_settings_that_the_declaration_names(candidate):
    one, other = (candidate.model_copy(update=prune(keep)) for keep in ("0.9", "0.5"))
    first, second = (falling(item, declarations()) for item in (one, other))
    assert first[0] == second[0]
    assert (first[1], second[1]) == (0.9, 0.5)
    assert falling(candidate, declarations()) is None
    assert falling(candidate.model_copy(update=prune("0.5", fine_tune="1")), declarations()) is None
    assert falling(candidate.model_copy(update={"compression": "distill"}), declarations()) is None
