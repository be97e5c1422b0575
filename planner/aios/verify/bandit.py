"""Which candidate to try next: Thompson sampling over what their predictions leave open.

One value of every metric is drawn from each candidate's interval; of those that then meet all requirements the one with
the best objective is tried (Thompson, Biometrika 25, 1933; Russo et al., "A Tutorial on Thompson Sampling", 2018). So a
candidate is tried as often as it may be the best one, and one that cannot be is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from aios.records.candidate import Estimate, Priced
from aios.records.intent import Intent
from aios.records.metrics import metric

__all__ = ["Arm", "next_arm"]

_Z90 = 1.645
"""Standard deviations from the middle to each end of a 90 % interval."""


class Arm(NamedTuple):
    """A candidate as it was drawn. shortfall: by what factor (its logarithm) the worst requirement is missed, 0 where
    all are met · objective: the smaller, the better"""

    option: Priced
    shortfall: float
    objective: float


def next_arm(intent: Intent, options: Sequence[Priced], normal: Callable[[], float]) -> Arm | None:
    """Return the candidate to try; None where a plan could promise the requirements with none.

    normal: draws from the standard normal distribution; the same draws give the same choice
    """
    arms = [_drawn(intent, option, normal) for option in options if _possible(intent, option)]
    return min(arms, key=lambda arm: (arm.shortfall, arm.objective, arm.option.candidate.id), default=None)


def _possible(intent: Intent, option: Priced) -> bool:
    """Say whether a plan could promise all requirements: at the worst ends of the estimates, or, at expected risk, by
    their values. What is unknown meets none; what no plan admits would be a trial that fails."""
    for requirement in intent.require:
        estimate = option.estimates.get(requirement.metric)
        if estimate is None:
            return False
        lower = metric(requirement.metric).better == "lower"
        worst = estimate.high if lower else estimate.low
        planned = estimate.value if intent.risk == "expected" else worst
        if (planned > requirement.bound) if lower else (planned < requirement.bound):
            return False
    return True


def _drawn(intent: Intent, option: Priced, normal: Callable[[], float]) -> Arm:
    drawn = {name: _draw(option.estimates[name], normal) for name in sorted(option.estimates)}
    shortfall = 0.0
    for requirement in intent.require:
        value = max(drawn[requirement.metric], 1e-300)
        missed = math.log(value / requirement.bound) if requirement.bound > 0 else 0.0
        shortfall = max(shortfall, missed if metric(requirement.metric).better == "lower" else -missed)
    goal = intent.goal[0].metric if intent.goal else ""
    value = drawn.get(goal, math.inf)
    return Arm(option, shortfall, value if not goal or metric(goal).better == "lower" else -value)


def _draw(estimate: Estimate, normal: Callable[[], float]) -> float:
    """Return a value of a log-normal distribution with the estimate's interval; the value itself where it has none."""
    noise = normal()
    if estimate.low <= 0 or estimate.value <= 0 or estimate.high <= estimate.low:
        return estimate.value
    side = estimate.high / estimate.value if noise > 0 else estimate.value / estimate.low
    return estimate.value * math.exp(noise * math.log(max(side, 1.0)) / _Z90)
