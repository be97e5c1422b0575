"""A fake at the seam of profiling: a bench that measures nothing and answers from made-up true figures.

Every setting has a true time inside the interval that its plan begins with, drawn from a seed; serving adds half a
millisecond and energy follows CPU time, as on a quiet machine. Its clock advances by what a measurement takes.
"""

import zlib
from contextlib import contextmanager

import numpy as np

from aios.records.measurement import PROBABILITIES, Measured, Measurement, subject_of
from aios.state import ProfileStore
from aios.workflow.stopping import OutOfTime

TAKES_S = {"prepare": 2.0, "accuracy": 3.0, "service": 1.0, "serving": 9.0}
WATTS_PER_CORE, OVERHEAD_S = 4.0, 0.3e-3


class MadeUpBench:
    """prior: (model digest, precision, quantization, threads, batch) -> ends of the time of a call that are expected ·
    stop_after: raise KeyboardInterrupt right after so many measurements were stored"""

    def __init__(self, folder, prior, seed=0, stop_after=None, disturbed=()):
        self.store_, self.prior, self.seed, self.stop_after = ProfileStore(folder), prior, seed, stop_after
        self.now, self.asked, self.stored, self.disturbed = 0.0, [], 0, list(disturbed)
        self.until = float("inf")

    def __call__(self, _setting, executors, _devices, seconds):
        self.executors, self.seconds = executors, seconds
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        return None

    def clock(self):
        return self.now

    @contextmanager
    def within(self, seconds):
        """Its clock stops what it does after so many seconds."""
        self.until = self.now + seconds
        yield
        self.until = float("inf")

    def _take(self, seconds):
        self.now, late = min(self.now + seconds, self.until), self.now + seconds > self.until
        if late:
            self.until = float("inf")
            raise OutOfTime

    def store(self, measurement):
        self.store_.save(measurement)
        self.stored += 1
        if self.stored == self.stop_after:
            raise KeyboardInterrupt

    def failure(self, _deployment):
        self._take(TAKES_S["prepare"])

    def _time(self, deployment):
        key = (
            deployment.model_digest,
            deployment.precision,
            deployment.quantization,
            deployment.threads,
            deployment.batch,
        )
        low, high = self.prior[key]
        return self._drawn(key, low, high)

    def _drawn(self, key, low, high):
        return float(np.random.default_rng([self.seed, zlib.crc32(repr(key).encode())]).uniform(low, high))

    def _made(self, kind, deployment, values, data=None, distributions=None, relative=0.01):
        engine = self.executors[deployment.executor].engine()
        subject = subject_of(kind, deployment, engine=engine, calibration=deployment.calibrate_digest, data=data)
        self.asked.append(subject)
        measured = {
            name: Measured(
                value=value, low=value * (1 - relative), high=value * (1 + relative), unit=unit, n=100, meter="made up"
            )
            for name, (value, unit) in values.items()
        }
        timed = kind in ("service", "serving")
        conditions = {"disturbed": "made up"} if timed and self.disturbed and self.disturbed.pop(0) else {}
        return Measurement(
            subject=subject,
            values=measured,
            distributions=distributions or {},
            conditions=conditions,
            as_of="2026-01-01T00:00:00Z",
        )

    def accuracy(self, deployment, _intent, _profile, data):
        self._take(TAKES_S["accuracy"])
        family = (deployment.model_digest, deployment.precision, deployment.quantization)
        right = self._drawn(family, 0.94, 0.995)
        return self._made("accuracy", deployment, {"accuracy.top1": (right, "1")}, data, relative=0.001)

    def engine(self, deployment, _intent, _profile, share=1.0):
        self._take(TAKES_S["service"] * share)
        time = self._time(deployment)
        busy = time * deployment.threads
        values = {"time": (time, "s"), "throughput": (deployment.batch / time, "1/s"), "memory": (6e7, "B")}
        values["cpu_time"] = (busy / deployment.batch, "s")
        shape = {"time": (time,) * len(PROBABILITIES)}
        return self._made("service", deployment, values, distributions=shape, relative=0.04 if share < 1 else 0.01)

    def serving(self, deployment, _intent, _profile):
        self._take(TAKES_S["serving"])
        time = self._time(deployment)
        each = time / deployment.batch + OVERHEAD_S
        joules = WATTS_PER_CORE * (time * deployment.threads / deployment.batch + OVERHEAD_S)
        values = {"capacity": (1 / each, "1/s"), "energy": (joules, "J"), "memory": (6e7, "B")}
        grid = (1.0,) * len(PROBABILITIES)
        shapes = {
            "compute": tuple(time * one for one in grid),
            "overhead": tuple(OVERHEAD_S * one for one in grid),
            "lone": tuple((time + OVERHEAD_S) * one for one in grid),
        }
        return self._made("serving", deployment, values, distributions=shapes)
