"""Served against bare: throughput and per-request overhead of the onnxruntime executor, interleaved in one run.

    python benchmarks/serving.py [MODEL.onnx] [--threads 1] [--rounds 5]

Bare is an onnxruntime session in a process of its own, called back to back. Served is the same artefact behind HTTP
with one replica, loaded by another process with enough requests in flight that the replica never waits.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from aios.records.model import ModelProfile
from aios.verify import burst_capacity
from aios.workflow.inspecting import inspect_model
from aios.workflow.keeping import load_state
from aios.workflow.loading import bursts, open_loop, synthetic_items
from aios.workflow.setting import Setting

ROOT = Path(__file__).resolve().parents[1]
AIOS = str(Path(sys.executable).with_name("aios"))
INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {{name: bench}}
spec:
  task: benchmark
  model: {model}
  load: {{rate: 1/s}}
  goal: minimize latency.p50
  pin: {{precision: fp32, quantization: none, threads: {threads}, batch: 1, replicas: 1}}
"""

BARE = """
import json, sys, time
import numpy as np
from aios_plugins.onnxruntime.session import options
import onnxruntime as ort
path, threads, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
session = ort.InferenceSession(path, options(threads, False), providers=["CPUExecutionProvider"])
spec = session.get_inputs()[0]
shape = [size if isinstance(size, int) else 1 for size in spec.shape]
item = np.random.default_rng(0).random(shape, dtype=np.float32)
for _ in range(20):
    session.run(None, {spec.name: item})
calls, started = 0, time.perf_counter()
while time.perf_counter() - started < seconds:
    session.run(None, {spec.name: item})
    calls += 1
print(json.dumps(calls / (time.perf_counter() - started)))
"""


def bare(artefact: Path, threads: int, seconds: float) -> float:
    """Return calls per second of a session in a process of its own."""
    command = [sys.executable, "-c", BARE, str(artefact), str(threads), str(seconds)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def served(executor, handle, items, capacity: float, seconds: float) -> float:
    """Return answers per second while there is always work: bursts of 48 requests, until ``seconds`` have passed."""
    count = max(3, int(min(capacity, 3000) * seconds / 48))
    return burst_capacity([executor.exercise(handle, load) for load in bursts(items, count, 48)]).value


def overhead(executor, handle, items, rate: float, seconds: float) -> float:
    """Return the median (s) of latency minus computing at ``rate``, arrivals evenly spread."""
    trace = executor.exercise(handle, open_loop(np.arange(0, seconds, 1 / rate), items))
    return float(np.nanmedian(trace.latency_s - trace.compute_s))


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default=str(ROOT / "examples/digits/models/digits-s.onnx"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    from aios.spi import registry

    executor = registry.load("aios.executors", "onnxruntime")
    profile: ModelProfile = inspect_model(Path(options.model).absolute(), {})
    items = synthetic_items(profile)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "intent.yaml").write_text(INTENT.format(model=Path(options.model).absolute(), threads=options.threads))
        subprocess.run([AIOS, "apply", "intent.yaml", "--yes"], cwd=place, check=True, capture_output=True)
        try:
            handle = load_state(Setting(state=place / ".aios/state.json")).resources["bench"].handle
            (artefact,) = (place / ".aios/artefacts").glob("*/files/model.onnx")
            alone, behind = [], []
            for _ in range(options.rounds):
                alone.append(bare(artefact, options.threads, 2.0))
                behind.append(served(executor, handle, items, alone[-1], 2.0))
            report = {
                "model": profile.name,
                "threads": options.threads,
                "bare /s": round(statistics.median(alone), 1),
                "served /s": round(statistics.median(behind), 1),
                "served / bare": round(statistics.median(b / a for a, b in zip(alone, behind, strict=True)), 3),
                "overhead p50 ms": {
                    f"{rate:.3g}/s": round(1000 * overhead(executor, handle, items, rate, 3.0), 3)
                    for rate in (20, 0.1 * behind[-1], 0.3 * behind[-1])
                },
            }
        finally:
            subprocess.run([AIOS, "destroy", "--yes"], cwd=place, check=False, capture_output=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
