"""How long `aios status` and `aios drift` take, and what counting and being scraped costs a service.

    python benchmarks/looking.py [--services 200] [--rounds 5]

One service is started and stands in the state under many names: each is asked by a connection of its own. Seconds are
of the wall and of the processor; "hung" is with the service stopped (SIGSTOP), so that none of them answers.
"""

import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from aios.records.base import digest_of
from aios_plugins.onnxruntime.tally import Tally

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
  require: {{latency: {{p99: 1 s}}}}
  pin: {{precision: fp32, quantization: none, threads: 1, batch: 1, replicas: 1}}
"""


def seconds(place: Path, *command: str) -> tuple[float, float]:
    """Return the seconds that a command takes, of the wall and of the processor."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([AIOS, *command], cwd=place, check=False, capture_output=True)
    took, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def middle(rounds: int, place: Path, *command: str) -> str:
    """Return the medians of some rounds as text."""
    wall, cpu = zip(*(seconds(place, *command) for _ in range(rounds)), strict=True)
    return f"{statistics.median(wall):.2f} s, {statistics.median(cpu):.2f} s of the processor"


def counting_ns(times: int = 100_000) -> float:
    """Return the nanoseconds of processor time that counting one request and its batch takes."""
    tally, begun = Tally(), time.process_time_ns()
    for _ in range(times):
        tally.under_way += 1
        tally.computed(1, 100, 300)
        tally.answered("ok", time.perf_counter_ns() - 800_000)
    return (time.process_time_ns() - begun) / times


def scrape_ms(handle: dict, times: int = 50) -> float:
    """Return the milliseconds of the front process's time that a scrape takes."""

    def ran() -> float:
        return int(Path(f"/proc/{handle['pid']}/schedstat").read_text().split()[0]) / 1e6

    before = ran()
    for _ in range(times):
        urllib.request.urlopen(f"http://{handle['host']}:{handle['port']}/metrics").read()
    return (ran() - before) / times


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "intent.yaml").write_text(INTENT.format(model=ROOT / "examples/digits/models/digits-s.onnx"))
        subprocess.run([AIOS, "apply", "intent.yaml", "--yes"], cwd=place, check=True, capture_output=True)
        try:
            envelope = json.loads((place / ".aios/state.json").read_text())
            one = envelope["state"]["resources"]["bench"]
            names = [f"s{number:04}" for number in range(options.services)]
            envelope["state"]["resources"] = {name: {**one, "address": name} for name in names}
            envelope["checksum"] = digest_of(envelope["state"])
            (place / "many.json").write_text(json.dumps(envelope))
            report = {
                "status of 1": middle(options.rounds, place, "status"),
                "drift of 1": middle(options.rounds, place, "drift"),
                f"status of {options.services}": middle(options.rounds, place, "status", "--state", "many.json"),
                f"drift of {options.services}": middle(options.rounds, place, "drift", "--state", "many.json"),
                "counting a request, ns": round(counting_ns()),
                "a scrape, ms": round(scrape_ms(one["handle"]), 2),
            }
            os.kill(one["handle"]["pid"], signal.SIGSTOP)
            report["status of as many, all hung"] = middle(1, place, "status", "--state", "many.json")
            os.kill(one["handle"]["pid"], signal.SIGCONT)
        finally:
            subprocess.run([AIOS, "destroy", "--yes"], cwd=place, check=False, capture_output=True)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
