"""Verdicts: a claim, its measurement, and nothing in between."""

import pytest

from aios.records.candidate import Estimate
from aios.records.measurement import Measured
from aios.records.plan import Claim
from aios.verify import judge


def claim(metric="latency.p99", value=0.008, bound=0.010):
    estimate = Estimate(
        metric=metric, value=value, low=value * 0.9, high=value * 1.1, unit="s", source="measured", basis="hand"
    )
    clause = None if bound is None else f"{metric} <= {bound}"
    return Claim(address="a", metric=metric, estimate=estimate, clause=clause, bound=bound)


def measured(value, low=None, high=None):
    return Measured(value=value, low=low or value, high=high or value, unit="s", n=1000, meter="clock")


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.008, "held"), (0.010, "held"), (0.0100001, "broken"), (0.5, "broken")]
)
def test_an_upper_bound(value, verdict):
    (found,) = judge([claim()], {"latency.p99": measured(value)}, {}, {})
    assert found.verdict == verdict


@pytest.mark.parametrize(("value", "verdict"), [(0.98, "held"), (0.97, "held"), (0.9699, "broken")])
def test_a_lower_bound(value, verdict):
    (found,) = judge([claim("accuracy.top1", 0.975, 0.97)], {"accuracy.top1": measured(value)}, {}, {})
    assert found.verdict == verdict


def test_what_nobody_required_is_noted_however_far_off():
    (found,) = judge([claim(bound=None)], {"latency.p99": measured(0.080)}, {}, {})
    assert found.verdict == "noted"
    assert "900% above the prediction of 8 ms" in found.reason


def test_unmeasured_says_why():
    (found,) = judge([claim("power", 3.0, 5.0)], {}, {}, {"power": "RAPL: permission denied"})
    assert found.verdict == "unmeasured"
    assert found.measured is None
    assert found.reason == "RAPL: permission denied"


def test_failed_requests_break_a_required_percentile():
    (found,) = judge([claim()], {}, {"latency.p99": "30 of 1000 requests failed"}, {})
    assert found.verdict == "broken"
    (noted,) = judge([claim(bound=None)], {}, {"latency.p99": "30 of 1000 requests failed"}, {})
    assert noted.verdict == "unmeasured"


def test_samples_that_do_not_decide_say_so():
    (found,) = judge([claim()], {"latency.p99": measured(0.0095, 0.009, 0.0105)}, {}, {})
    assert found.verdict == "held"
    assert "1000 samples do not decide it" in found.reason
