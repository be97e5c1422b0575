"""Requests that arrive by themselves (open loop) at an engine that batches continuously: means and percentiles.

A pass of b sequences that takes r new prompts along lasts D0 + b D1 + r P. With arrivals at rate a (Poisson) and
``output`` passes per request, a share u = a P of the time is prompts, and a pass lasts (D0 + b D1) / (1 - u) on
average.
Little's law, b = a x output x pass, closes the loop:

    b = a output D0 / (1 - u - a output D1)          saturated where the denominator is not positive

Time to first token: the rest of the running pass, then its own and the prompts beside it. The passes are a server with
gated vacations (Takagi 1991). The variance of a pass is P^2 a pass / (1 - u^2), for its prompts came in the one before;
an arrival sees the longer pass s = E(pass^2) / pass, finds half of it left, and shares the next with a s others:

    TTFT = s / 2 + D0 + b D1 + P (1 + a s)

What is more than the request's own pass is taken as exponential. Time per token averages over ``output`` passes: what
is left of its spread is that of b, which is Poisson (M/G/infinity). The tests check all of it against a simulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from aios.cost.serving.shapes import Arrays

if TYPE_CHECKING:
    from aios.records.observation import Floats

__all__ = ["Arriving", "Stream", "arriving", "poisson_quantile"]

_MOST_TERMS = 40


@dataclass(frozen=True)
class Stream(Arrays):
    """Requests and what an engine takes for them; arrays of one length. rate: requests per second · output: tokens per
    request · start_s, each_s: of a decode pass, and more of it per sequence (D0, D1) · prompt_s: more of a pass per
    prompt that it takes along (P) · places: sequences that there is room for"""

    rate: Floats
    output: Floats
    start_s: Floats
    each_s: Floats
    prompt_s: Floats
    places: Floats


@dataclass(frozen=True)
class Arriving(Arrays):
    """The steady state. batch: sequences decoded together · pass_s: one pass, prompts included · utilisation: of what
    the engine can do at most, 1 and more where it cannot keep up; times are infinite there"""

    stream: Stream
    batch: Floats
    pass_s: Floats
    utilisation: Floats

    def ttft(self, probability: float | None = None) -> Floats:
        """Return the time to the first token that this share of requests stays below; without one, the mean."""
        import numpy as np

        stream = self.stream
        prompts = stream.rate * stream.prompt_s
        seen = self.pass_s + stream.prompt_s * prompts / (1 - np.minimum(prompts, 0.99) ** 2)
        own = self._decoding(self.batch) + stream.prompt_s
        mean: Floats = seen / 2 + own + prompts * seen
        if probability is None:
            return mean
        found: Floats = own + (mean - own) * math.log(1 / (1 - probability))
        return found

    def tpot(self, probability: float | None = None) -> Floats:
        """Return the time per token after the first, mean of a request, likewise."""
        import numpy as np

        if probability is None:
            return self.pass_s
        many = self.batch + NormalDist().inv_cdf(probability) * np.sqrt(self.batch)
        ratio = self._decoding(np.maximum(many, 1.0)) / self._decoding(self.batch)
        spread = np.sqrt(self.stream.rate * self.pass_s / self.stream.output) * self.stream.prompt_s
        found: Floats = self.pass_s * ratio + NormalDist().inv_cdf(probability) * spread
        return found

    def _decoding(self, batch: Floats) -> Floats:
        return self.stream.start_s + batch * self.stream.each_s


def arriving(stream: Stream) -> Arriving:
    """Return the steady state of a stream of requests."""
    import numpy as np

    demand = stream.rate * stream.output
    prompts = stream.rate * stream.prompt_s
    left = 1 - prompts - demand * stream.each_s
    with np.errstate(divide="ignore", invalid="ignore"):
        batch = np.where(left > 0, demand * stream.start_s / left, np.inf)
        capacity = 1 / (stream.prompt_s + stream.output * (stream.start_s / stream.places + stream.each_s))
        utilisation = stream.rate / capacity
        kept_up = (utilisation < 1) & (batch <= stream.places)
        pass_s = np.where(kept_up, np.maximum(batch / demand, stream.start_s + stream.each_s), np.inf)
    return Arriving(stream, np.where(kept_up, batch, stream.places), pass_s, utilisation)


def poisson_quantile(mean: Floats, probability: float) -> Floats:
    """Return the least count that a Poisson variable stays at or below with this probability; beyond a mean of 15 by
    the normal distribution."""
    import numpy as np

    small = np.minimum(mean, 15.0)
    term = np.exp(-small)
    reached, count = term.copy(), np.zeros_like(small)
    for k in range(1, _MOST_TERMS):
        below = reached < probability
        if not below.any():
            break
        count = np.where(below, k, count)
        term = term * small / k
        reached = reached + term
    large = np.ceil(mean + NormalDist().inv_cdf(probability) * np.sqrt(mean) - 0.5)
    found: Floats = np.where(mean > 15.0, large, count)
    return found
