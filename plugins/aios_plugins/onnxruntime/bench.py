"""Measures the engine alone: ``python -m aios_plugins.onnxruntime.bench JOB``, JOB being JSON.

A process of its own, so that neither the planner's memory nor its threads are in the figures. Settings of a job take
turns of some calls each, and between turns a reference network is timed, so that what slows the machine down for a
while is seen for what it is. Answers with one line of JSON: of each setting durations of the calls, their ratios to the
reference, CPU time, peak memory; or ``{"error": ...}``.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from aios_plugins.onnxruntime.reference import Reference
from aios_plugins.onnxruntime.session import Model, open_model
from aios_plugins.onnxruntime.spec import Spec
from aios_plugins.onnxruntime.system import die_with_parent

__all__ = ["main"]

_WARM_UP_CALLS = 3
_WARM_UP_SHARE = 0.15
"""At least so many calls, and this share of the budget, before anything counts: allocation, caches, clock speed."""

_LEAST_CALLS = 5
_TURN_S = 0.02
"""How long calls go on between two times of the reference: short against how long disturbances last."""


def main(arguments: list[str]) -> int:
    """Measure; returns the exit code."""
    die_with_parent()
    job = json.loads(arguments[0])
    try:
        report: dict[str, Any] = {"settings": _measure(**job)}
    except Exception as error:  # noqa: BLE001 - onnxruntime raises many kinds; the parent gets the text
        report = {"error": " ".join(str(error).split())}
    print(json.dumps(report))  # noqa: T201 - stdout is how this process answers
    return 0


class _Setting:
    """A setting of the job, and what was measured of it."""

    def __init__(self, spec: Spec, arrays: list[Any], warm_up_s: float) -> None:
        self.threads = spec.threads
        self._model = open_model(spec)
        self._batches = _batches(self._model, arrays, spec.batch)
        self._items = len(self._batches[0][0]) if self._model.batchable else 1
        self._calls, self._cpu_s, self._waited_s = 0, 0.0, 0.0
        self.durations: list[float] = []
        self.ratios: list[float] = []
        begin = time.perf_counter()
        while self._calls < _WARM_UP_CALLS or time.perf_counter() - begin < warm_up_s:
            self._call()
        self._memory = _memory()

    def _call(self) -> None:
        self._model.run(self._batches[self._calls % len(self._batches)])
        self._calls += 1

    def turn(self, reference: Reference | None) -> None:
        """Measure calls for the length of a turn, one at least."""
        near = [] if reference is None else [_time_of(reference)]
        waited, cpu = _waited_s(), time.process_time()
        taken: list[float] = []
        begin = at = time.perf_counter()
        while not taken or at - begin < _TURN_S:
            self._call()
            now = time.perf_counter()
            taken.append(now - at)
            at = now
        self._cpu_s += time.process_time() - cpu
        self._waited_s += max(0.0, _waited_s() - waited)
        self.durations += taken
        if reference is not None:
            near.append(_time_of(reference))
            self.ratios.append(statistics.median(taken) / statistics.mean(near))

    @property
    def measured(self) -> bool:
        """Whether it was measured often enough to tell what it takes."""
        return len(self.durations) >= _LEAST_CALLS and (not self.ratios or len(self.ratios) >= _LEAST_CALLS)

    def report(self) -> dict[str, Any]:
        return {
            "durations_s": self.durations,
            "ratios": self.ratios,
            "cpu_s": self._cpu_s,
            "waited_s": self._waited_s,
            "items": self._items,
            "memory": self._memory,
        }


def _measure(
    specs: list[dict[str, Any]], inputs: list[str], budget_s: float, reference: str | None
) -> list[dict[str, Any]]:
    import numpy as np

    arrays = [np.load(path, mmap_mode="r") for path in inputs]
    share_s = _WARM_UP_SHARE * budget_s / len(specs)
    settings = [_Setting(Spec(**spec), arrays, share_s) for spec in specs]
    references = {
        threads: Reference(reference, threads) if reference else None
        for threads in {setting.threads for setting in settings}
    }
    end = time.perf_counter() + budget_s * (1 - _WARM_UP_SHARE)
    while time.perf_counter() < end or not all(setting.measured for setting in settings):
        for setting in settings:
            setting.turn(references[setting.threads])
    return [setting.report() for setting in settings]


def _time_of(reference: Reference) -> float:
    """Return the seconds of one call."""
    begin = time.perf_counter()
    reference.run()
    return time.perf_counter() - begin


def _waited_s() -> float:
    """Return the seconds that threads of this process were ready to run while others ran (second field of
    ``schedstat``); 0 where the kernel does not count them."""
    waited = 0
    for path in Path("/proc/self/task").glob("*/schedstat"):
        try:
            waited += int(path.read_text().split()[1])
        except (OSError, IndexError):  # the thread ended, or nothing is counted
            continue
    return waited / 1e9


def _batches(model: Model, arrays: list[Any], batch: int) -> list[list[Any]]:
    """Return feeds, each of ``batch`` items, that go round the data; at most as many as are worth keeping in memory."""
    import numpy as np

    count = len(arrays[0])
    size = batch if model.batchable else (model.inputs[0].shape[0] or 1)
    feeds = []
    for first in range(0, max(1, min(count, 32 * size)), size):
        rows = np.arange(first, first + size) % count
        feeds.append([np.ascontiguousarray(array[rows]) for array in arrays])
    return feeds


def _memory() -> dict[str, int]:
    """Return bytes of this process: the largest resident size (``ru_maxrss`` would include the parent's) as
    ``VmHWM``, and what of it is no page of a file, now, as ``RssAnon``."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) * 1024 for name in ("VmHWM", "RssAnon")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
