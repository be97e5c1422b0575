"""What a candidate does under the intent's load: latency, throughput, utilisation."""

from __future__ import annotations

import math
from typing import NamedTuple

from aios.cost.interval import Interval, estimate
from aios.cost.queueing import Queue, queue_of
from aios.cost.service import Service
from aios.records.candidate import Estimate
from aios.records.intent import Load
from aios.records.metrics import ENDLESS_S

__all__ = ["LATENCIES", "OF_JOBS", "Loaded", "loaded"]

_PROBABILITIES = (0.5, 0.9, 0.95, 0.99)
_FACTORS = (1.0, *(-math.log(1 - p) for p in _PROBABILITIES))
"""Mean and percentiles of an exponential variable of mean 1: how an error of the mean wait shows in each metric."""

LATENCIES = ("latency.mean", "latency.p50", "latency.p90", "latency.p95", "latency.p99")

CONTENTION = 0.85
"""Pessimistic share of its lone speed that a replica keeps beside others on a cpu (shared cache, bandwidth,
clock)."""

OF_JOBS = {
    "time": "a service has no end; only jobs have a time",
    "expense": "a service has no end and costs by the hour; only jobs have an expense",
}
"""Metrics that no service has, and why."""


class Loaded(NamedTuple):
    """estimates: of latency and throughput · rate, utilisation: requests/s served and share of time at work ·
    overloaded: why latency is unknown, if it is
    """

    estimates: dict[str, Estimate]
    rate: Interval
    utilisation: Interval
    overloaded: str | None = None


def loaded(service: Service, replicas: int, load: Load | None, on_cpu: bool) -> Loaded:
    """Return what ``replicas`` copies of ``service`` do under ``load``; without one, of a lone request at a time."""
    keeps = CONTENTION if on_cpu and replicas > 1 else 1.0
    capacity = Interval(
        replicas * keeps * service.replicas[2].capacity,
        replicas * service.replicas[1].capacity,
        replicas * service.replicas[0].capacity,
    )
    plural = "s" if replicas > 1 else ""
    basis = f"{replicas} replica{plural} busy all the time; {service.basis}"
    estimates = {"throughput": estimate("throughput", capacity, service.source, basis)}
    full = Interval(1.0, 1.0, 1.0)
    if load is None:
        _put(estimates, service, _lone(service), f"lone request; {service.basis}")
        return Loaded(estimates, capacity, full)
    queue = queue_of(load.rate_per_s, load.arrivals, service.replicas[1], replicas)
    if queue is None:
        reason = (
            f"{load.rate_per_s:.4g} requests/s are more than {replicas} replica{plural} can sustain "
            f"({capacity.value:.4g}/s): the queue grows without end"
        )
        return Loaded(estimates, capacity, full, reason)
    slow = queue_of(load.rate_per_s, load.arrivals, service.replicas[2], replicas)
    numbers = _queued(service, load, queue, slow, replicas > 1, on_cpu)
    basis = f"queue at {queue.utilisation:.0%} utilisation, {load.arrivals} arrivals; {service.basis}"
    _put(estimates, service, numbers, basis)
    rate = Interval(load.rate_per_s, load.rate_per_s, load.rate_per_s)
    busy = Interval(
        min(queue.busy, load.rate_per_s / capacity.high), queue.busy, slow.busy if slow is not None else 1.0
    )
    return Loaded(estimates, rate, busy)


def _put(estimates: dict[str, Estimate], service: Service, numbers: list[Interval], basis: str) -> None:
    for metric, number in zip(LATENCIES, numbers, strict=True):
        estimates[metric] = estimate(metric, number, service.source, basis)


def _lone(service: Service) -> list[Interval]:
    low, high = service.relative
    values = (service.mean_s, *service.tail.unqueued(_PROBABILITIES))
    return [Interval(value * low, value, value * high) for value in values]


def _queued(
    service: Service, load: Load, queue: Queue, slow: Queue | None, several: bool, on_cpu: bool
) -> list[Interval]:
    """Return mean and percentiles with their intervals. slow: the queue at the high end of service
    times, None if that is not stable.

    The ends carry the service's own interval, the wait it leads to, and the queueing model's error: 5 % of the wait
    plus 15 % times utilisation; 15 % more where one replica batches, 30 % where several do, 50 % on top if arrivals are
    evenly spaced then (batches of several replicas are the roughest part of the model); 10 % where they share a cpu. At
    the low end the wait shrinks as in M/M/1, by time x utilisation / (1 - utilisation).
    """
    error = 0.05 + 0.15 * queue.utilisation
    if service.replicas[1].batch > 1:
        error += (0.3 if several else 0.15) + (0.5 if load.arrivals == "constant" else 0.0)
    error += 0.1 if several and on_cpu else 0.0
    wait_s = _delay(queue)
    slow_s = min(ENDLESS_S, _delay(slow) * (1 + error)) if slow is not None else ENDLESS_S
    faster = service.replicas[0].full_s / service.replicas[1].full_s
    eased = faster**2 * (1 - queue.utilisation) / (1 - queue.utilisation * faster) * (1 - error)
    unqueued = (service.mean_s, *service.tail.unqueued(_PROBABILITIES))
    values = (service.mean_s + wait_s, *service.tail.percentiles(queue, _PROBABILITIES))
    low, high = service.relative
    found = []
    for value, alone, factor in zip(values, unqueued, _FACTORS, strict=True):
        queued = max(0.0, value - alone)
        longer = max(0.0, slow_s - wait_s) * factor + error * queued
        more = min(ENDLESS_S, longer) if slow is not None else ENDLESS_S
        found.append(Interval(alone * low + queued * min(1.0, max(0.0, eased)), value, alone * high + queued + more))
    return found


def _delay(queue: Queue) -> float:
    """Return what waiting adds to the mean: the wait, and the longer compute of the larger batch after it."""
    return queue.wait_s + queue.waiting * queue.grown_s
