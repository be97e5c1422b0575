"""Cold start of the commands against the imports that they cannot do without, run in turn so that drift hits both.

Both sides have bytecode, as after an installation: that of this checkout is made first. Ratios are of wall seconds, and
of CPU seconds (user and system), which other work on the machine disturbs less.

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
EXAMPLES = ROOT / "examples"
DIGITS = EXAMPLES / "digits"
INTERFACE = [sys.executable, "-c", "import typer, pydantic, yaml"]
SOLVER = [sys.executable, "-c", "from ortools.sat.python import cp_model"]
PREDICTED = ("edge-boards", "chat-described-fleet", "train-described-fleet")
"""Examples whose plans rest on predictions: these read calibrations, and import numpy."""
AIOS = [str(Path(sys.executable).with_name("aios"))]


def timed(command: list[str], place: Path) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds and peak MiB of one run."""
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command} ended with exit code {process.returncode}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def compare(
    name: str, ours: list[str], theirs: list[str], limit: float | None, runs: int, place: Path
) -> dict[str, object]:
    """Run both in turn and return the medians and the median of the ratios, pair by pair."""
    timed(ours, place), timed(theirs, place)
    pairs = [(timed(ours, place), timed(theirs, place)) for _ in range(runs)]
    ratio, cpu_ratio = (statistics.median(own[unit] / other[unit] for own, other in pairs) for unit in (0, 1))
    return {
        "command": name,
        "seconds": round(statistics.median(own[0] for own, _ in pairs), 3),
        "against": " ".join(theirs[1:]),
        "their seconds": round(statistics.median(other[0] for _, other in pairs), 3),
        "ratio": round(ratio, 2),
        "CPU seconds": round(statistics.median(own[1] for own, _ in pairs), 3),
        "CPU ratio": round(cpu_ratio, 2),
        "wanted": f"<= {limit}" if limit else "-",
        "MiB": round(max(own[2] for own, _ in pairs)),
    }


def main() -> None:
    """Print one line of JSON per command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    subprocess.run([sys.executable, "-m", "compileall", "-q", ROOT / "planner", ROOT / "plugins"], check=True)
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
            *(
                (f"aios plan {name}", ["plan", str(EXAMPLES / name / "intent.yaml")], SOLVER, None)
                for name in PREDICTED
            ),
        )
        for name, arguments, theirs, limit in cases:
            print(json.dumps(compare(name, [*AIOS, *arguments], theirs, limit, runs, place)), flush=True)


if __name__ == "__main__":
    main()
