"""Cold start of the commands against the imports that they cannot do without, run in turn so that drift hits both.

python benchmarks/cold_start.py [--runs 15]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples" / "digits"
INTERFACE = [sys.executable, "-c", "import typer, pydantic, yaml"]
SOLVER = [sys.executable, "-c", "from ortools.sat.python import cp_model"]
AIOS = [str(Path(sys.executable).with_name("aios"))]


def timed(command: list[str], place: Path) -> tuple[float, float]:
    """Return wall seconds and peak MiB of one run."""
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command} ended with exit code {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def compare(name: str, ours: list[str], theirs: list[str], limit: float, runs: int, place: Path) -> dict[str, object]:
    """Run both in turn and return the medians and the median of the ratios, pair by pair."""
    timed(ours, place), timed(theirs, place)
    pairs = [(timed(ours, place), timed(theirs, place)) for _ in range(runs)]
    ratio = statistics.median(own[0] / other[0] for own, other in pairs)
    return {
        "command": name,
        "seconds": round(statistics.median(own[0] for own, _ in pairs), 3),
        "against": " ".join(theirs[1:]),
        "their seconds": round(statistics.median(other[0] for _, other in pairs), 3),
        "ratio": round(ratio, 2),
        "wanted": f"<= {limit}",
        "MiB": round(max(own[1] for own, _ in pairs)),
    }


def main() -> None:
    """Print one line of JSON per command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    intent = str(DIGITS / "intent.yaml")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        subprocess.run([*AIOS, "init"], cwd=place, check=True, capture_output=True)
        fleet = ["--fleet", "fleet.yaml"]
        subprocess.run(
            [*AIOS, "profile", intent, *fleet, "--seconds", "0.2"], cwd=place, check=True, capture_output=True
        )
        cases = (
            ("aios --version", ["--version"], INTERFACE, 1.3),
            ("aios --help", ["--help"], INTERFACE, 1.3),
            ("aios validate", ["validate", intent], INTERFACE, 2.0),
            ("aios plan", ["plan", intent, *fleet], SOLVER, 0.6),
        )
        for name, arguments, theirs, limit in cases:
            print(json.dumps(compare(name, [*AIOS, *arguments], theirs, limit, runs, place)), flush=True)


if __name__ == "__main__":
    main()
