"""Drift, by hand: counts per minute, observations and promises go in, what is no longer so comes out."""

from bisect import bisect_left
from datetime import UTC, datetime
from itertools import pairwise

import made_plans
import pytest

from aios.records.base import digest_of
from aios.records.candidate import Estimate
from aios.records.plan import Claim
from aios.records.state import Resource
from aios.spi.counting import BOUNDS_S, PER_DECADE
from aios.spi.executor import Counted, Observation, Stranger
from aios.verify.counts import Tail, Trend, effective, onset, quantile, smallest
from aios.verify.drift import Looked, deviations, deviations_of
from aios.verify.lately import lately

NOW = datetime(2027, 3, 1, 15, 0, 30, tzinfo=UTC)
FAST, SLOW = 0.0050, 0.0124


def bucket(seconds):
    return bisect_left(BOUNDS_S, seconds)


def minute(ago, *, fast=0, slow=0, failed=0, delay=(), seconds=60.0, slow_s=SLOW):
    """What was counted in the minute that began so many minutes ago."""
    latency = tuple((bucket(value), count) for value, count in ((FAST, fast), (slow_s, slow)) if count)
    return Counted(
        began_s=ago * 60.0,
        ended_s=ago * 60.0 - seconds,
        requests=fast + slow + failed,
        failed=failed,
        latency=latency,
        delay=delay,
    )


def claim(metric="latency.p99", bound=0.0095, unit="s", value=0.008):
    estimate = Estimate(metric=metric, value=value, low=value, high=value, unit=unit, source="measured", basis="hand")
    return Claim(address="digits", metric=metric, estimate=estimate, clause=f"{metric} ? {bound}", bound=bound)


def resource(*claims, rate=100.0, **changes):
    deployment = made_plans.deployment("digits", placement=(), rate_per_s=rate)
    usual = {
        "address": "digits",
        "executor": "dryrun",
        "deployment": deployment,
        "handle": {"runtime": "somewhere"},
        "claims": claims,
        "plan": "sha256:1",
        "applied_at": "2027-03-01T00:00:00Z",
    }
    return Resource(**{**usual, **changes})


def healthy(of, **changes):
    usual = {
        "address": "digits",
        "condition": "healthy",
        "detail": "1 of 1 replicas answer",
        "deployment_digest": digest_of(of.deployment),
        "replicas_ready": 1,
        "pids": (7,),
    }
    return Observation(**{**usual, **changes})


def found(counted, *claims, rate=100.0):
    of = resource(*claims or (claim(),), rate=rate)
    return deviations_of(Looked(of, healthy(of), counted=counted), NOW)


def mattering(some):
    return [(item.kind, item.what) for item in some if item.matters]


# Counts.


def test_a_bucket_is_a_tenth_wide():
    ratios = [high / low for low, high in pairwise(BOUNDS_S)]
    assert max(ratios) < 1.106
    assert BOUNDS_S[PER_DECADE] == pytest.approx(1e-4)
    assert (BOUNDS_S[0], BOUNDS_S[-1]) == (1e-5, 100.0)


@pytest.mark.parametrize("true_s", [0.00031, 0.0124, 0.7, 42.0])
def test_a_quantile_is_within_five_per_cent(true_s):
    counted = Counted(began_s=60, ended_s=0, requests=100, latency=((bucket(true_s), 100),))
    assert smallest([Tail(counted)], 0.99) == pytest.approx(true_s, rel=0.05)


def test_the_share_above_a_bound_counts_what_lay_unread_before():
    """100 requests of 5 ms; one arrival in four lies unread for 20 ms: a quarter of them takes longer than 10 ms."""
    delay = ((bucket(0.00005), 75), (bucket(0.020), 25))
    tail = Tail(minute(1, fast=100, delay=delay))
    assert tail.above(0.010) == pytest.approx(25)
    assert tail.above(0.004) == pytest.approx(100)
    assert tail.above(0.030) == 0


def test_what_failed_is_above_every_bound():
    tail = Tail(minute(1, fast=97, failed=3))
    assert tail.above(50.0) == 3
    assert smallest([tail], 0.99) == 3600.0
    assert smallest([tail], 0.95) == pytest.approx(FAST, rel=0.05)


def test_requests_of_one_bad_minute_say_less_than_as_many_spread_out():
    """Shares 0, 0, 0, 0.4 of 100: between minutes 4/3 (3 x 10^2 + 30^2) = 1600, by chance 0.1 x 0.9 x 400 = 36."""
    assert effective([0, 0, 0, 40], [100] * 4) == pytest.approx(400 / (1600 / 36))
    assert effective([10, 10, 10, 10], [100] * 4) == 400
    assert effective([5, 3], [100, 100]) == 200, "two minutes do not tell how minutes differ"


def test_the_interval_of_a_quantile_is_that_of_order_statistics():
    """p50 of 100 + 100: the ranks 0.5 ± 1.645 sqrt(0.25 / 200) = 0.442 .. 0.558 lie in the two buckets."""
    value, low, high = quantile([minute(1, fast=100, slow=100)], 0.5, 200.0)
    assert low == pytest.approx(BOUNDS_S[bucket(FAST) - 1], rel=0.01)
    assert high == pytest.approx(BOUNDS_S[bucket(SLOW)], rel=0.01)
    assert low <= value <= high


def test_the_onset_is_where_the_excess_began():
    good, bad = Trend(-50.0, 50.0, 60.0), Trend(30.0, 50.0, 60.0)
    assert onset([good] * 30 + [bad] * 8) == 30
    assert onset([bad] * 30 + [good] * 30 + [bad] * 8) == 60, "what was over long ago is another matter"
    assert onset([good] * 30 + [bad] * 8 + [good] * 6) is None, "it is over"
    assert onset([good] * 30 + [bad, bad, Trend(-5.0, 50.0, 60.0)] * 4) == 30, "a better minute is no end"
    assert onset([]) is None


# Promises.


def test_a_percentile_above_the_plan_is_told_with_all_that_it_rests_on():
    """Until 14:02:30 one request in 600 is slow, since then one in 20: p99 is theirs, in the bucket of 12.4 ms."""
    counted = [minute(ago, fast=599, slow=1) for ago in range(120, 58, -1)]
    counted += [minute(ago, fast=570, slow=30) for ago in range(58, 0, -1)]
    (deviation,) = found(counted)
    assert (deviation.kind, deviation.what, deviation.clause) == ("performance", "latency.p99", "latency.p99 ? 0.0095")
    assert deviation.since == "2027-03-01T14:02:30Z"
    assert deviation.measured.n == 58 * 600
    assert deviation.measured.value == pytest.approx(SLOW, rel=0.05)
    assert deviation.measured.low <= deviation.measured.value <= deviation.measured.high
    percent = round(100 * (deviation.measured.value / 0.0095 - 1))
    assert deviation.text.startswith(f"latency.p99 is {percent} % above the plan since 14:02 UTC (")
    assert "promised <= 9.5 ms" in deviation.text
    assert "34,800 requests" in deviation.text
    assert "meter: the service's own histogram" in deviation.text


def test_what_keeps_its_promise_is_not_spoken_of():
    assert found([minute(ago, fast=598, slow=2) for ago in range(60, 0, -1)]) == ()


def test_noise_is_no_drift():
    """One in 100 may be slow; 2 of 120 are, which chance does in a third of all cases."""
    assert found([minute(2, fast=59, slow=1), minute(1, fast=59, slow=1)]) == ()
    assert found([minute(1, fast=2, slow=2)]) == (), "four requests after a start say nothing"


def test_one_bad_minute_in_an_hour_is_over():
    counted = [
        minute(ago, fast=600 - (300 if ago == 20 else 0), slow=300 if ago == 20 else 0) for ago in range(60, 0, -1)
    ]
    assert found(counted) == ()


def test_slow_requests_in_the_bucket_of_the_bound_do_not_count():
    bound = (BOUNDS_S[bucket(SLOW) - 1] + BOUNDS_S[bucket(SLOW)]) / 2
    assert found([minute(ago, fast=500, slow=100) for ago in range(9, 0, -1)], claim(bound=bound)) == ()


def test_a_load_beyond_the_plan_is_told_and_is_the_reason_where_it_exceeds_what_is_sustained():
    counted = [minute(ago, fast=5950, slow=10) for ago in range(30, 10, -1)]
    counted += [minute(ago, fast=7000, slow=1400) for ago in range(10, 0, -1)]
    load, latency = found(counted, claim(), claim("throughput", 100.0, "1/s", value=120.0))
    assert (load.kind, load.measured.value) == ("load", pytest.approx(140.0))
    assert "the load is 140/s since 14:50 UTC, planned for 100/s" in load.text
    assert latency.what == "latency.p99"
    assert latency.text.endswith("and the plan sustains 120/s: the load is the reason")
    _, latency = found(counted, claim(), claim("throughput", 100.0, "1/s", value=900.0))
    assert latency.text.endswith("planned for 100/s: the promise was made for that")


def test_a_load_that_is_as_stated_gives_no_reason_and_a_little_more_is_no_drift():
    assert found([minute(ago, fast=6200) for ago in range(9, 0, -1)]) == ()
    assert mattering(found([minute(ago, fast=6600) for ago in range(9, 0, -1)])) == [("load", "load")]
    assert found([minute(ago, fast=6600) for ago in range(9, 0, -1)], rate=None) == ()


def test_a_burst_is_no_load():
    """100/s are stated: 10 s of that may come at once, in a second, beyond what is stated for it."""
    second = {"began_s": 1.0, "ended_s": 0.0}
    assert found([minute(1, fast=1050).model_copy(update=second)]) == ()
    assert mattering(found([minute(1, fast=1150).model_copy(update=second)])) == [("load", "load")]


def test_requests_without_an_answer_leave_a_percentile_without_end():
    (deviation,) = found([minute(ago, fast=500, failed=100) for ago in range(9, 0, -1)])
    assert deviation.text.startswith("latency.p99 has no end since 14:51 UTC: 900 of 5,400 requests got no answer")


def test_without_a_percentile_failing_requests_are_unhealthy_and_few_are_not():
    promised = claim("throughput", 1.0, "1/s", value=9.0)
    bad = found([minute(ago, fast=500, failed=100) for ago in range(9, 0, -1)], promised)
    assert mattering(bad) == [("unhealthy", "requests")]
    assert "900 of 5,400 requests got no answer since 14:51 UTC" in bad[0].text
    assert found([minute(ago, fast=599, failed=1) for ago in range(9, 0, -1)], promised) == ()


def test_throughput_is_judged_only_where_enough_is_asked_for():
    promised = claim("throughput", 100.0, "1/s", value=120.0)
    asked = [minute(ago, fast=4800, failed=1500) for ago in range(9, 0, -1)]
    broken = [item for item in found(asked, promised, claim("latency.p50", 1.0)) if item.what == "throughput"]
    assert broken[0].text.startswith("throughput is 20 % below the plan since 14:51 UTC (80/s answered")
    assert found([minute(ago, fast=600) for ago in range(9, 0, -1)], promised) == ()


def test_a_process_that_is_not_let_run_is_named_as_the_reason():
    delay = ((bucket(0.00005), 1200), (bucket(0.040), 80))
    (deviation,) = found([minute(ago, fast=600, delay=delay) for ago in range(9, 0, -1)])
    assert "what arrives lies unread for long" in deviation.text


def test_memory_above_the_promise():
    of = resource(claim("memory", 1e6, "B"))
    look = Looked(of, healthy(of), counted=[minute(1, fast=9)], resident_bytes=1.5e6)
    assert deviations_of(look, NOW)[0].text.startswith("memory is 50 % above the plan")
    assert deviations_of(look._replace(resident_bytes=0.9e6), NOW) == ()


def test_promises_that_nothing_here_measures_are_one_note():
    (note,) = found([minute(1, fast=9)], claim("accuracy.top1", 0.9, "1"), claim("power", 9.0, "W"))
    assert (note.matters, note.text.startswith("not measured: accuracy.top1, power (")) == (False, True)
    (note,) = found([minute(1)])
    assert "no request came" in note.text


# What stands.


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, []),
        ({"condition": "absent", "pids": ()}, [("missing", "service")]),
        ({"condition": "dead", "pids": ()}, [("missing", "service")]),
        ({"condition": "dead"}, [("unhealthy", "service")]),
        ({"condition": "degraded"}, [("unhealthy", "replicas")]),
        ({"deployment_digest": "sha256:2"}, [("changed", "deployment")]),
        ({"differences": ("a file is missing",)}, [("changed", "artefact")]),
        (
            {"condition": "dead", "pids": (), "taken_by": "process 9 (nc)"},
            [("missing", "service"), ("foreign", "port")],
        ),
        ({"restarts": 2}, []),
    ],
)
def test_what_stands(changes, wanted):
    of = resource()
    assert mattering(deviations_of(Looked(of, healthy(of, **changes)), NOW)) == wanted


def test_an_unfinished_action_and_a_stranger():
    of = resource(unfinished="update")
    some = deviations((Looked(of, healthy(of)),), (Stranger(what="process 9", remedy="kill 9"),), NOW)
    assert mattering(some) == [("changed", "apply"), ("foreign", "service")]
    assert some[-1].command == "kill 9"


def test_what_nobody_can_tell_is_unknown():
    (deviation,) = deviations_of(Looked(resource(), None, why="no executor"), NOW)
    assert (deviation.kind, deviation.text) == ("unknown", "no executor")


def test_the_numbers_of_the_last_minutes():
    row = lately(minute(2, fast=590, slow=10), (claim(bound=0.02), claim("latency.p50", 0.01)), "digits")
    assert (row.metric, row.bound_s, row.rate_per_s) == ("latency.p99", 0.02, 10.0)
    assert row.latency_s == pytest.approx(SLOW, rel=0.05)
    assert lately(minute(1, fast=20), (), "digits").latency_s is None, "twenty requests have no 99th percentile"
