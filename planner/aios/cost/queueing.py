"""Latency under load: a queue with several replicas that batch whatever waits.

The system: requests arrive at a mean rate (Poisson or evenly spaced); a free replica takes min(batch, waiting) of them
at once and never waits for a batch to fill. Batch 1 is the queue M/G/c.

- Batches: between two completions of busy replicas m = rate x S(n) / replicas requests arrive; the next batch holds
  n = m / (1 - exp(-m)) of them on average (Poisson, not empty), at most the largest batch. S(n) is linear between batch
  1 and the largest. A request that finds a free replica is computed alone.
- P(wait): Erlang C at the offered load of both kinds.
- Mean wait, batch 1: Allen and Cunneen, (Ca^2 + Cs^2) / 2 x P(wait) x S / (replicas x (1 - utilisation)), for evenly
  spaced arrivals with the correction of Kraemer and Langenbach-Belz (1976). Larger batches: given waiting, the time to
  the next completion, plus S / replicas x f / (1 - f) for those who do not fit the next batch, f = (1 + theta/rate)^-b.
  Evenly spaced arrivals are then treated as Poisson, which is pessimistic.
- Tail: the wait of those who wait is uniform on [0, 2 d] plus exponential with decay theta, where theta solves
  (1 + theta / rate)^b = M(theta / replicas), M of a gamma time with the two moments (Tijms 2003, chapter 9; exact
  asymptotics of M/M/c, M/D/1 and D/M/1), and d keeps the mean.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal, NamedTuple

from aios.records.measurement import PROBABILITIES

__all__ = ["Queue", "Replica", "Tail", "erlang_c", "queue_of"]

_GRID = (0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999, 1.0)
"""Where the distribution without queueing is kept while waiting is added: all percentiles asked for are on it."""


_RARE = 1e-4
"""Below this P(wait) waiting is left out of percentiles: it would move the rarest of them, 1 in 100, by a hundredth."""

_GRID_AT = tuple(PROBABILITIES.index(p) for p in _GRID)


class Replica(NamedTuple):
    """How long one replica is occupied. single_s: by one request · full_s: by a full batch · batch: its size ·
    scv: squared coefficient of variation of that time
    """

    single_s: float
    full_s: float
    batch: int
    scv: float

    def time_s(self, items: float) -> float:
        """Return the mean time that a batch of ``items`` takes."""
        if self.batch == 1:
            return self.single_s
        return self.single_s + (self.full_s - self.single_s) * (items - 1) / (self.batch - 1)

    @property
    def capacity(self) -> float:
        """Requests per second that one replica sustains."""
        return self.batch / self.full_s


class Queue(NamedTuple):
    """The steady state. utilisation: load / capacity · busy: share of time that a replica works · waiting: P(wait) ·
    wait_s: mean wait of all requests · spread_s, decay: of the wait given waiting, width of the uniform part and
    decay rate
    (1/s) of the exponential part · grown_s: extra compute of a request that waited, as its batch is larger
    """

    utilisation: float
    busy: float
    waiting: float
    wait_s: float
    spread_s: float
    decay: float
    grown_s: float


def erlang_c(servers: int, load: float) -> float:
    """Return the probability of waiting in M/M/c at ``load`` Erlang, 1 if load >= servers; Erlang B's recursion."""
    if load >= servers:
        return 1.0
    blocking = 1.0
    for server in range(1, servers + 1):
        blocking = load * blocking / (server + load * blocking)
        if blocking < 1e-9:  # it falls from here on, faster than by half with each server
            return 0.0
    return blocking / (1 - load / servers * (1 - blocking))


def queue_of(
    rate_per_s: float, arrivals: Literal["poisson", "constant"], replica: Replica, replicas: int
) -> Queue | None:
    """Return the steady state of ``replicas`` copies under the load, or None if there is none (utilisation >= 1)."""
    utilisation = rate_per_s / (replicas * replica.capacity)
    if utilisation >= 1:
        return None
    poisson = arrivals == "poisson" or replica.batch > 1
    variability = (1.0 if poisson else 0.0) + replica.scv
    if variability <= 1e-9:  # evenly spaced arrivals, constant service: nobody ever waits
        return Queue(utilisation, utilisation, 0.0, 0.0, 0.0, 1.0, 0.0)
    decay = _decay(rate_per_s, poisson, replica, replicas, utilisation)
    if replica.batch > 1:
        waiting, busy, given_s, grown_s = _batched(rate_per_s, replica, replicas, decay)
    else:
        waiting, busy, grown_s = erlang_c(replicas, rate_per_s * replica.single_s), utilisation, 0.0
        given_s = variability / 2 * replica.single_s / replicas / (1 - utilisation)
        if not poisson:
            given_s *= math.exp(-2 * (1 - utilisation) / (3 * utilisation * variability))
    wait_s = waiting * given_s
    spread_s = 2 * (given_s - 1 / decay)
    if spread_s < 0:  # the exponential part alone would exceed the mean: let fewer wait
        waiting, spread_s = wait_s * decay, 0.0
    return Queue(utilisation, busy, waiting, wait_s, spread_s, decay, grown_s)


def _batched(rate_per_s: float, replica: Replica, replicas: int, decay: float) -> tuple[float, float, float, float]:
    """Return P(wait), share of time at work, mean wait given waiting and extra compute given waiting, for batch > 1."""
    items, together = 1.0, rate_per_s * replica.single_s / replicas
    for _ in range(40):
        following = min(float(replica.batch), together / -math.expm1(-together)) if together > 1e-6 else 1.0
        together = rate_per_s * replica.time_s(following) / replicas
        settled = abs(following - items) < 1e-3 * items
        items = following
        if settled:
            break
    time_s = replica.time_s(items)
    alone, shared = rate_per_s * replica.single_s, rate_per_s * time_s / items
    waiting = erlang_c(replicas, shared)
    load = shared
    for _ in range(2):
        load = min((1 - waiting) * alone + waiting * shared, 0.9999 * replicas)
        waiting = (waiting + erlang_c(replicas, load)) / 2
    scv = min(1.0, replica.scv)
    gap_scv = scv + (1 - scv) * (replicas - 1) / (replicas + 1)  # of the time between completions
    residual_s = time_s * ((1 - scv) / (replicas + 1) + scv / replicas) + time_s * (replica.scv - scv) / (2 * replicas)
    left = (1 + decay / rate_per_s) ** -replica.batch
    given_s = residual_s + replica.full_s / replicas * left / (1 - left)
    beside = min(float(replica.batch), 1 + together * (1 + gap_scv))
    return waiting, load / replicas, given_s, max(0.0, replica.time_s(beside) - replica.single_s)


def _decay(rate_per_s: float, poisson: bool, replica: Replica, replicas: int, utilisation: float) -> float:
    """Return theta > 0 where the concave h(theta) = -log A(-theta)^b - log M_S(theta / replicas) falls to 0 again."""
    batch, scv, time_s = replica.batch, max(replica.scv, 1e-6), replica.full_s / replicas
    pole = 1 / (scv * time_s)

    def height(theta: float) -> float:
        gained = batch * (math.log1p(theta / rate_per_s) if poisson else theta / rate_per_s)
        return gained + math.log1p(-theta / pole) / scv

    spread = (1.0 if poisson else 0.0) + scv
    high = min(2 * (1 - utilisation) / (spread * time_s) * 1.05, pole * 0.5)
    while height(high) > 0:
        high = min(2 * high, (high + pole) / 2)
        if pole - high < 1e-9 * pole:
            return high
    for _ in range(12):
        slope = (batch / (rate_per_s + high) if poisson else batch / rate_per_s) - 1 / (scv * (pole - high))
        step = height(high) / slope
        high -= step
        if abs(step) < 1e-4 * high:
            break
    return high


class Tail:
    """Latency of a request that does not queue, ready to have waiting added; quantiles at PROBABILITIES, seconds."""

    def __init__(self, quantiles: Sequence[float]) -> None:
        self.points = tuple([quantiles[at] for at in _GRID_AT])
        areas = [0.0]
        for k in reversed(range(len(_GRID) - 1)):
            above = 1 - (_GRID[k] + _GRID[k + 1]) / 2
            areas.append(areas[-1] + (self.points[k + 1] - self.points[k]) * above)
        self._areas = tuple(reversed(areas))

    def percentiles(self, queue: Queue, probabilities: Sequence[float]) -> list[float]:
        """Return quantiles of latency = unqueued + (with P(wait): grown + uniform + exponential)."""
        if queue.waiting < _RARE:
            return [self._quantile(p) for p in probabilities]
        beyond = self._with_exponential(queue.decay)
        found, floor = [], self.points[0]
        for probability in probabilities:
            floor = self._solve(1 - probability, queue, beyond, floor)
            found.append(floor)
        return found

    def unqueued(self, probabilities: Sequence[float]) -> list[float]:
        """Return quantiles of latency without queueing."""
        return [self._quantile(p) for p in probabilities]

    def _quantile(self, probability: float) -> float:
        at = min(bisect_right(_GRID, probability), len(_GRID) - 1)
        share = (probability - _GRID[at - 1]) / (_GRID[at] - _GRID[at - 1])
        return self.points[at - 1] + share * (self.points[at] - self.points[at - 1])

    def _with_exponential(self, decay: float) -> list[float]:
        """Return, at each point x, the mean of exp(-decay (x - X)) over X <= x: what the exponential adds to P(> x)."""
        added, found = 0.0, [0.0]
        for k in range(len(_GRID) - 1):
            span = decay * (self.points[k + 1] - self.points[k])
            weight = _GRID[k + 1] - _GRID[k]
            if span < 1e-9:
                added += weight
            else:
                kept = math.exp(-span)
                added = added * kept + weight * (1 - kept) / span
            found.append(added)
        return found

    def _exceeds(self, time_s: float) -> float:
        """Return P(X > t)."""
        points = self.points
        if time_s < points[0]:
            return 1.0
        at = bisect_right(points, time_s)
        if at >= len(points):
            return 0.0
        share = (time_s - points[at - 1]) / (points[at] - points[at - 1])
        return 1 - _GRID[at - 1] - share * (_GRID[at] - _GRID[at - 1])

    def _exceeds_with(self, time_s: float, decay: float, beyond: Sequence[float]) -> tuple[float, float]:
        """Return P(Y > t) and the mean of max(0, Y - t) for Y = X + exponential.

        The second is H(t) + P(Y > t) / decay, where H is the area under P(X > .) beyond t: both sides have the same
        derivative, as dP(Y > t)/dt = -decay (P(Y > t) - P(X > t)).
        """
        points = self.points
        if time_s < points[0]:
            return 1.0, self._areas[0] + points[0] - time_s + 1 / decay
        at = bisect_right(points, time_s)
        past = time_s - points[at - 1]
        kept = math.exp(-decay * past)
        if at >= len(points):
            late = beyond[-1] * kept
            return late, late / decay
        density = (_GRID[at] - _GRID[at - 1]) / (points[at] - points[at - 1])
        left = 1 - _GRID[at - 1] - past * density
        late = left + beyond[at - 1] * kept + density / decay * (1 - kept)
        ahead = points[at] - time_s
        area = self._areas[at] + ahead * (left + 1 - _GRID[at]) / 2
        return late, area + late / decay

    def _solve(self, target: float, queue: Queue, beyond: Sequence[float], floor: float) -> float:
        """Return t >= floor with (1 - w) P(X > t) + w P(X + grown + uniform + exponential > t) = target."""
        waiting, decay, grown_s, spread_s = queue.waiting, queue.decay, queue.grown_s, queue.spread_s
        narrow = spread_s < 1e-3 / decay

        def excess(time_s: float) -> float:
            if narrow:
                late = self._exceeds_with(time_s - grown_s - spread_s / 2, decay, beyond)[0]
            else:
                near = self._exceeds_with(time_s - grown_s - spread_s, decay, beyond)[1]
                far = self._exceeds_with(time_s - grown_s, decay, beyond)[1]
                late = (near - far) / spread_s
            exceeds = (1 - waiting) * self._exceeds(time_s) + waiting * late
            return math.log(exceeds / target) if exceeds > 0 else -700.0

        # P(X + W > x + w) <= P(X > x) + P(W > w): half of the target each bounds the quantile from above.
        rare = max(0.0, math.log(2 * waiting / target)) / decay
        low, high = floor, max(floor, self._quantile(1 - target / 2)) + grown_s + spread_s + rare
        at_low, at_high, side = excess(low), excess(high), 0
        if at_low <= 0:
            return low
        time_s = high
        for _ in range(60):  # regula falsi on the logarithm, Illinois variant: the end that stays put counts half
            if high - low < 1e-5 * high:
                break
            time_s = (low * at_high - high * at_low) / (at_high - at_low)
            value = excess(time_s)
            if abs(value) < 1e-3:
                break
            if value > 0:
                low, at_low = time_s, value
                at_high, side = (at_high / 2 if side > 0 else at_high), 1
            else:
                high, at_high = time_s, value
                at_low, side = (at_low / 2 if side < 0 else at_low), -1
        return time_s
