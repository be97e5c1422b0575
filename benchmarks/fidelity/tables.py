"""Predictions against published tables: what is reached of what is wanted, from the report of ``aios fidelity``.

    python benchmarks/fidelity/tables.py FOLDER [--report report.json]

With ``--report`` an existing report is read; without, one is made of the tables in FOLDER.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

AIOS = str(Path(sys.executable).with_name("aios"))
WANTED = {
    "vision latency and throughput": ({"network"}, ("latency", "throughput"), {"zero-shot": 0.25, "calibrated": 0.10}),
    "language models: TTFT, TPOT, throughput": (
        {"serving"},
        ("latency", "throughput"),
        {"zero-shot": 0.30, "calibrated": 0.15},
    ),
    "training step": ({"step", "scaling"}, ("step_time", "throughput"), {"zero-shot": 0.20, "calibrated": 0.08}),
    "power and energy": ({"power"}, ("power", "energy"), {"zero-shot": 0.25, "calibrated": 0.10}),
    "memory": ({"memory"}, ("memory",), {"zero-shot": 0.15, "calibrated": 0.08}),
}
"""Name -> predictors, beginnings of metrics, and by level the median error that is wanted at most."""


def report_of(folder: Path) -> dict:
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "report.json")
        subprocess.run([AIOS, "fidelity", "--data", str(folder), "--json-into", str(file)], check=True)
        return json.loads(file.read_text())


def summary(rows: list[dict]) -> list[str]:
    """Return a table: of each group of numbers, the middle table's error, weighed by rows, and how many reach it."""
    lines = ["| numbers | level | tables | rows | median error | wanted | tables that reach it | coverage |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|---:|")
    for name, (predictors, beginnings, wanted) in WANTED.items():
        for level, most in wanted.items():
            own = [
                row
                for row in rows
                if row["predictor"] in predictors
                and row["metric"].startswith(beginnings)
                and row["level"] == level
                and row["median_ape"] is not None
            ]
            if not own:
                continue
            total = sum(row["rows"] for row in own)
            median = weighted_median([(row["median_ape"], row["rows"]) for row in own])
            reached = sum(row["median_ape"] <= most for row in own)
            covered = sum(row["coverage"] * row["rows"] for row in own) / total
            lines.append(
                f"| {name} | {level} | {len(own)} | {total:,} | {100 * median:.1f} % | {100 * most:.0f} % "
                f"| {reached} of {len(own)} | {100 * covered:.0f} % |"
            )
    return lines


def weighted_median(pairs: list[tuple[float, int]]) -> float:
    half, seen = sum(weight for _, weight in pairs) / 2, 0
    for value, weight in sorted(pairs):
        seen += weight
        if seen >= half:
            return value
    raise ValueError("nothing to take the middle of")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    if (given.folder is None) == (given.report is None):
        parser.error("name a folder of tables, or a report of one")
    report = json.loads(given.report.read_text()) if given.report else report_of(given.folder)
    print("\n".join(summary(report["tables"])))


if __name__ == "__main__":
    main()
