"""10 Verify: what was measured against what was promised.

Pure: arrival schedules are drawn from a generator that is passed in, traces and readings come from executors and
meters.
"""

from __future__ import annotations

from aios.verify.accuracy import Answers, Scores, score, wanted_measures
from aios.verify.arrivals import arrival_times
from aios.verify.judge import judge
from aios.verify.serving import burst_capacity, latency_values, serving_measurement

__all__ = [
    "Answers",
    "Scores",
    "arrival_times",
    "burst_capacity",
    "judge",
    "latency_values",
    "score",
    "serving_measurement",
    "wanted_measures",
]
