"""From a trace of requests to numbers: percentiles with intervals, capacity, serving overhead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aios.records.measurement import PROBABILITIES, Measured, Measurement, Scope, Subject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aios.spi.executor import Trace

__all__ = ["burst_capacity", "latency_values", "serving_measurement"]

_Z90 = 1.6448536269514722
_QUANTILES = {"latency.p50": 0.5, "latency.p90": 0.9, "latency.p95": 0.95, "latency.p99": 0.99}
_METER = "open-loop client on this machine, from the intended sending time"


def latency_values(trace: Trace, meter: str = _METER) -> dict[str, Measured]:
    """Return ``latency.*`` (s) with 90 % intervals; a percentile that falls among failed requests is absent.

    Interval of a percentile: order statistics at ranks n q ± z sqrt(n q (1 - q)) (distribution-free; David and
    Nagaraja,
    "Order Statistics", 7.1). Interval of the mean: normal.
    """
    import numpy as np

    ordered = np.sort(trace.latency_s)
    n = len(ordered)
    values: dict[str, Measured] = {}
    for name, q in _QUANTILES.items():
        rank = min(n - 1, max(0, int(np.ceil(n * q)) - 1))
        if not np.isfinite(ordered[rank]):
            continue
        spread = _Z90 * (n * q * (1 - q)) ** 0.5
        low, high = (_finite(ordered, int(np.floor(rank - spread))), _finite(ordered, int(np.ceil(rank + spread))))
        values[name] = Measured(value=float(ordered[rank]), low=low, high=high, unit="s", n=n, meter=meter)
    good = ordered[np.isfinite(ordered)]
    if len(good) == n and n > 1:
        mean, margin = float(good.mean()), float(_Z90 * good.std(ddof=1) / n**0.5)
        values["latency.mean"] = Measured(
            value=mean, low=max(0.0, mean - margin), high=mean + margin, unit="s", n=n, meter=meter
        )
    return values


def _finite(ordered: NDArray[np.float64], rank: int) -> float:
    """Return the order statistic nearest to ``rank`` that exists and is finite."""
    import numpy as np

    rank = min(max(rank, 0), int(np.isfinite(ordered).sum()) - 1)
    return float(ordered[rank])


def burst_capacity(traces: Sequence[Trace]) -> Measured | None:
    """Return the requests per second that a service completes when it never runs out of work.

    Each trace is a burst sent at one instant: its capacity is answers / time until the last one. That counts the time
    until the first answer too; without it, answers that arrive bunched would look like a fast service. The interval
    spans the bursts. None when no burst was answered.
    """
    import numpy as np

    rates = []
    for trace in traces:
        done = np.sort(trace.latency_s[np.isfinite(trace.latency_s)])
        if len(done) and done[-1] > 0:
            rates.append(len(done) / done[-1])
    if not rates:
        return None
    return Measured(
        value=float(np.median(rates)),
        low=float(min(rates)),
        high=float(max(rates)),
        unit="1/s",
        n=sum(len(trace.latency_s) for trace in traces),
        meter="bursts from an open-loop client on this machine",
    )


def serving_measurement(
    subject: Subject,
    trace: Trace,
    capacity: Measured,
    energy_j: float | None,
    meter: str,
    scope: Scope | None,
    memory_bytes: float | None,
    conditions: Mapping[str, str],
    as_of: str,
) -> Measurement:
    """Return what a run of one replica behind its endpoint, well below capacity, says of serving this subject.

    energy_j: that the run caused, idle power left out where it is stated (None: not measured) · meter: what measured
    it · scope: what its figure has in it · memory_bytes: of all processes of the service, after the run
    """
    values = latency_values(trace)
    values["capacity"] = capacity
    requests = len(trace.latency_s)
    if energy_j is not None:
        energy = energy_j / requests
        # Meters state no error; the spread of repeated runs on an idle machine stays within a tenth.
        values["energy"] = Measured(
            value=energy, low=energy * 0.9, high=energy * 1.1, unit="J", n=requests, meter=meter, scope=scope
        )
    if memory_bytes is not None:
        # Allocators differ by some pages from run to run and grow with what has been served.
        values["memory"] = Measured(
            value=memory_bytes,
            low=memory_bytes * 0.9,
            high=memory_bytes * 1.25,
            unit="B",
            n=1,
            meter="proportional set size of all its processes",
        )
    lone = trace.latency_s - trace.queue_s
    return Measurement(
        subject=subject,
        values=values,
        distributions={
            "compute": _grid(trace.compute_s),
            "overhead": _grid(lone - trace.compute_s),
            "lone": _grid(lone),
        },
        conditions=conditions,
        as_of=as_of,
    )


def _grid(sample: NDArray[Any]) -> tuple[float, ...]:
    import numpy as np

    good = sample[np.isfinite(sample)]
    return tuple(float(max(0.0, value)) for value in np.quantile(good, PROBABILITIES))
