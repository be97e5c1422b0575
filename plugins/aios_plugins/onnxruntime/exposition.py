"""A service's counts as Prometheus reads them: text exposition 0.0.4, or OpenMetrics where the asker prefers it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from aios.spi.counting import BOUNDS_S
from aios_plugins.onnxruntime.tally import BATCH_BOUNDS, Tally

__all__ = ["Shown", "exposition"]


class Shown(NamedTuple):
    """Everything that is shown. energy_j: None where no meter is; why_no_energy: in words then"""

    tally: Tally
    model: str
    version: str
    deployment: str
    replicas: int
    ready: int
    cpu_s: float
    resident_bytes: int
    started_s: float
    energy_j: float | None
    why_no_energy: str


def exposition(shown: Shown, accept: str) -> tuple[bytes, str]:
    """Return the text and its content type. accept: the header of that name"""
    encode, kind = choose_encoder(accept)
    return encode(_Families(shown)), kind


class _Families(Collector):
    def __init__(self, shown: Shown) -> None:
        self._shown = shown

    def collect(self) -> Iterable[Metric]:
        """Return every family with its samples."""
        yield from _of_requests(self._shown.tally)
        yield from _of_processes(self._shown)


def _of_requests(tally: Tally) -> Iterable[Metric]:
    requests = CounterMetricFamily("aios_requests", "Requests for inference, by how they ended.", labels=["outcome"])
    for outcome, count in tally.outcomes.items():
        requests.add_metric([outcome], count)
    yield requests
    yield _histogram(
        "aios_request_duration_seconds",
        "From a request's last byte read to its answer written, of requests answered or abandoned.",
        BOUNDS_S,
        tally.latency,
        tally.latency_ns / 1e9,
    )
    yield _histogram(
        "aios_arrival_delay_seconds",
        "How long what arrives at a sampled moment lies unread: it precedes the duration.",
        BOUNDS_S,
        tally.delay,
        tally.delay_ns / 1e9,
    )
    yield _counter("aios_request_queue_seconds", "Waiting for a replica, all requests.", tally.queue_us / 1e6)
    yield _counter("aios_batch_compute_seconds", "Computing in the model, all batches.", tally.compute_us / 1e6)
    yield _histogram(
        "aios_batch_requests", "Requests computed as one batch.", BATCH_BOUNDS, tally.batch_sizes, tally.requests
    )
    yield GaugeMetricFamily("aios_requests_in_flight", "Requests read and not answered yet.", tally.under_way)
    yield _counter("aios_replica_restarts", "Replicas that died and were started again.", tally.restarts)


def _of_processes(shown: Shown) -> Iterable[Metric]:
    yield GaugeMetricFamily("aios_replicas_ready", "Replicas that answer.", shown.ready)
    yield GaugeMetricFamily("aios_replicas_wanted", "Replicas that were asked for.", shown.replicas)
    yield _counter("aios_cpu_seconds", "Processor time of all processes of the service, ended ones too.", shown.cpu_s)
    resident = "Memory of their own (anonymous pages) of all processes of the service."
    yield GaugeMetricFamily("aios_resident_memory_bytes", resident, shown.resident_bytes)
    yield GaugeMetricFamily("aios_start_time_seconds", "When the service started, Unix time.", shown.started_s)
    what = "Energy of the processor packages, with everything that runs on them"
    energy = CounterMetricFamily("aios_package_energy_joules", f"{what}. Absent: {shown.why_no_energy}")
    if shown.energy_j is not None:
        energy = CounterMetricFamily("aios_package_energy_joules", f"{what} (RAPL).", shown.energy_j)
    yield energy
    labels = {"model": shown.model, "version": shown.version, "deployment": shown.deployment}
    yield InfoMetricFamily("aios_service", "What is served: aios's version and the deployment's digest.", labels)


def _counter(name: str, help_text: str, value: float) -> Metric:
    return CounterMetricFamily(name, help_text, value)


def _histogram(name: str, help_text: str, bounds: Sequence[float], counts: Sequence[int], total: float) -> Metric:
    """counts: per bucket, one more than ``bounds``."""
    buckets, sum_so_far = [], 0
    for bound, count in zip((*bounds, inf), counts, strict=True):
        sum_so_far += count
        buckets.append(("+Inf" if bound == inf else repr(float(bound)), sum_so_far))
    return HistogramMetricFamily(name, help_text, buckets=buckets, sum_value=total)
