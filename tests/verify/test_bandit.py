"""Which candidate is tried next."""

import numpy as np
import pytest

from aios.records.base import Span
from aios.records.candidate import Candidate, Demand, Estimate, Priced
from aios.records.intent import Goal, Intent, Requirement
from aios.verify.bandit import next_arm


def intent(bound=0.010, risk="pessimistic"):
    where = Span(file="i.yaml", line=1, column=1)
    requirement = Requirement(metric="latency.p99", bound=bound, text="latency.p99 <= 10 ms", where=where)
    goal = Goal(direction="minimize", metric="power")
    return Intent.model_construct(name="i", require=(requirement,), goal=(goal,), risk=risk)


def option(name, p99, power):
    candidate = Candidate(
        id=name, intent="i", model="m", model_digest="d", device="c", nodes=(), executor="e", precision="fp32"
    )

    def estimate(metric, unit, ends):
        low, value, high = ends
        return Estimate(metric=metric, value=value, low=low, high=high, unit=unit, source="analytic", basis="b")

    estimates = {"latency.p99": estimate("latency.p99", "s", p99), "power": estimate("power", "W", power)}
    return Priced.model_construct(candidate=candidate, estimates=estimates, demand=Demand.model_construct())


def draws(seed):
    generator = np.random.default_rng(seed)
    return lambda: float(generator.standard_normal())


def tried(options, times=200, risk="pessimistic"):
    return [next_arm(intent(risk=risk), options, draws(seed)).option.candidate.id for seed in range(times)]


def test_what_cannot_meet_the_intent_is_never_tried():
    slow = option("slow", (0.02, 0.03, 0.04), (1.0, 1.0, 1.0))
    assert next_arm(intent(), [slow], draws(0)) is None
    assert set(tried([slow, option("fast", (0.001, 0.002, 0.003), (5.0, 5.0, 5.0))], 20)) == {"fast"}


def test_the_sure_winner_is_always_tried_and_the_likelier_one_more_often():
    quick = (0.001, 0.002, 0.003)
    sure = [option("a", quick, (1.0, 1.1, 1.2)), option("b", quick, (5.0, 6.0, 7.0))]
    assert set(tried(sure)) == {"a"}
    open_ = [option("a", quick, (1.0, 2.0, 4.0)), option("b", quick, (1.5, 3.0, 6.0))]
    count = tried(open_).count("a")
    assert 120 < count < 199


def test_the_same_draws_choose_the_same():
    options = [option(name, (0.001, 0.005, 0.02), (1.0, 2.0, 4.0)) for name in "abcd"]
    assert tried(options, 30, "expected") == tried(options, 30, "expected")
    assert tried(options, 30, "expected") == tried(list(options), 30, "expected")


@pytest.mark.parametrize(("bound", "risk", "admitted"), [
    (0.8, "pessimistic", False), (1.0, "pessimistic", True), (0.4, "expected", False), (0.8, "expected", True),
])  # fmt: skip
def test_what_no_plan_admits_is_not_tried(bound, risk, admitted):
    arm = next_arm(intent(bound, risk), [option("a", (0.0005, 0.5, 0.9), (1.0, 1.0, 1.0))], draws(1))
    assert (arm is not None) == admitted
