"""10 Verify: what was measured against what was promised.

Pure: arrival schedules are drawn from a generator that is passed in, traces and readings come from executors and
meters.
"""

from __future__ import annotations

from aios.verify.accuracy import score
from aios.verify.arrivals import arrival_times
from aios.verify.judge import judge
from aios.verify.serving import burst_capacity, latency_values, serving_measurement

__all__ = ["arrival_times", "burst_capacity", "judge", "latency_values", "score", "serving_measurement"]
