"""Measures the engine alone: ``python -m aios_plugins.onnxruntime.bench JOB``, JOB being JSON.

A process of its own, so that neither the planner's memory nor its threads are in the figures. Answers with one line of
JSON: durations of the calls, CPU time, peak memory; or ``{"error": ...}``.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from aios_plugins.onnxruntime.session import Model, open_model
from aios_plugins.onnxruntime.spec import Spec
from aios_plugins.onnxruntime.system import die_with_parent

__all__ = ["main"]

_WARM_UP_CALLS = 3
_WARM_UP_SHARE = 0.15
"""At least so many calls, and this share of the budget, before anything counts: allocation, caches, clock speed."""

_LEAST_CALLS = 5


def main(arguments: list[str]) -> int:
    """Measure; returns the exit code."""
    die_with_parent()
    job = json.loads(arguments[0])
    try:
        report = _measure(Spec(**job["spec"]), job["inputs"], job["budget_s"])
    except Exception as error:  # noqa: BLE001 - onnxruntime raises many kinds; the parent gets the text
        report = {"error": " ".join(str(error).split())}
    print(json.dumps(report))  # noqa: T201 - stdout is how this process answers
    return 0


def _measure(spec: Spec, inputs: list[str], budget_s: float) -> dict[str, Any]:
    import numpy as np

    model = open_model(spec)
    arrays = [np.load(path, mmap_mode="r") for path in inputs]
    batches = _batches(model, arrays, spec.batch)
    begin = time.perf_counter()
    calls = 0
    while calls < _WARM_UP_CALLS or time.perf_counter() - begin < _WARM_UP_SHARE * budget_s:
        model.run(batches[calls % len(batches)])
        calls += 1
    durations: list[float] = []
    waited = _waited_s()
    cpu_begin, begin = time.process_time(), time.perf_counter()
    at = begin
    while len(durations) < _LEAST_CALLS or at - begin < budget_s * (1 - _WARM_UP_SHARE):
        model.run(batches[len(durations) % len(batches)])
        now = time.perf_counter()
        durations.append(now - at)
        at = now
    return {
        "durations_s": durations,
        "cpu_s": time.process_time() - cpu_begin,
        "waited_s": max(0.0, _waited_s() - waited),
        "items": len(batches[0][0]) if model.batchable else 1,
        "memory": _memory(),
    }


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
