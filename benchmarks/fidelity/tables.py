"""Predictions against published tables: what is reached of what is wanted, from the report of ``aios fidelity``.

    python benchmarks/fidelity/tables.py FOLDER [--report report.json] [--into docs/fidelity.md]

With ``--report`` an existing report is read; without, one is made of the tables in FOLDER. With ``--into`` the tables
below ``<!-- figures: NAME -->`` in a page are written anew; without, all are printed.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AIOS = str(Path(sys.executable).with_name("aios"))
TIMES = ("latency", "throughput")
WANTED = {
    "vision latency and throughput": ({"network"}, TIMES, {"zero-shot": 0.25, "calibrated": 0.10}),
    "language models: TTFT, TPOT, throughput": ({"serving"}, TIMES, {"zero-shot": 0.30, "calibrated": 0.15}),
    "training step": ({"step", "scaling"}, ("step_time", "throughput"), {"zero-shot": 0.20, "calibrated": 0.08}),
    "power and energy": ({"power"}, ("power", "energy"), {"zero-shot": 0.25, "calibrated": 0.10}),
    "memory": ({"memory"}, ("memory",), {"zero-shot": 0.15, "calibrated": 0.08}),
}
"""Name -> predictors, beginnings of metrics, and by level the median error that is wanted at most."""
LEVELS = ("zero-shot", "calibrated", "profiled")
DECIDED = ("intents", "undecided", "feasible_share", "regret_median", "regret_p90")
ENOUGH = {"feasible_share": 0.95, "regret_median": 0.03, "regret_p90": 0.15}
"""Of decisions at the calibrated level: the least share, and the most regret."""


def report_of(folder: Path) -> dict:
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "report.json")
        start = time.perf_counter()
        subprocess.run([AIOS, "fidelity", "--data", str(folder), "--json-into", str(file)], check=True)
        print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
        return json.loads(file.read_text())


def errors(rows: list[dict]) -> list[str]:
    """Return a table: of each group of numbers the middle table's error, counted by tables and by rows, and how many
    tables are within what is wanted."""
    lines = [
        "| numbers | level | tables | rows | middle table | by rows | wanted | tables within | coverage | roofline |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
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
            physics = weighted_median([(row["references"]["roofline"]["median_ape"], row["rows"]) for row in own])
            middle = weighted_median([(row["median_ape"], 1) for row in own])
            reached = sum(row["median_ape"] <= most for row in own)
            covered = sum(row["coverage"] * row["rows"] for row in own) / total
            lines.append(
                f"| {name} | {level} | {len(own)} | {total:,} | {share(middle)} | {share(median)} | {100 * most:.0f} % "
                f"| {reached} of {len(own)} | {100 * covered:.0f} % | {share(physics)} |"
            )
    return lines


def references(rows: list[dict]) -> list[str]:
    """Return a table: errors of images per second on each table, with those of two simpler ways on the same rows."""
    lines = ["| table | level | rows | median | roofline | regression |", "|---|---|---:|---:|---:|---:|"]
    for row in rows:
        simple = row.get("references", {})
        if row["predictor"] == "network" and simple.get("regression", {}).get("median_ape") is not None:
            found = [row["median_ape"], *(simple[name]["median_ape"] for name in ("roofline", "regression"))]
            what = f"{row['table']} {row['metric']} | {row['level']} | {row['rows']:,}"
            lines.append(f"| {what} | {' | '.join(map(share, found))} |")
    return lines


def every(rows: list[dict]) -> list[str]:
    """Return a table: each measured column with errors, coverage and width at all levels, and physics alone beside."""
    columns = [f"{level} | inside | width | physics" for level in LEVELS]
    lines = [
        f"| table | predictor | metric | rows | {' | '.join(columns)} |",
        "|---|---|---|---:|" + "---:|---:|---:|---:|" * len(LEVELS),
    ]
    found: dict[tuple[str, str, str], dict[str, dict]] = {}
    for row in rows:
        if row["predictor"] != "derived" and row["metric"] != "fits":
            found.setdefault((row["table"], row["predictor"], row["metric"]), {})[row["level"]] = row
    for (table, predictor, metric), own in found.items():
        cells = []
        for level in LEVELS:
            row = own.get(level, {})
            error = row.get("median_ape") if row.get("median_ape") is not None else row.get("median_error")
            physics = row.get("references", {}).get("roofline", {}).get("median_ape")
            width = row.get("width")
            cells += [
                share(error),
                share(row.get("coverage")),
                "-" if width is None else f"x{width:.3g}",
                share(physics),
            ]
        rows_seen = max(row["rows"] for row in own.values())
        lines.append(f"| {table} | {predictor} | {metric} | {rows_seen:,} | {' | '.join(cells)} |")
    return lines


def decisions(rows: list[dict], level: str) -> list[str]:
    """Return a table: what deciding by predictions is worth, and by physics alone."""
    lines = [
        "| table | goal | undecided | feasible | regret | p90 | enough | by physics: feasible | regret | p90 |",
        "|---|---|---:|---:|---:|---:|---|---:|---:|---:|",
    ]
    for row in rows:
        if row["level"] != level or not row["intents"]:
            continue
        model, physics = ([found[name] for name in DECIDED[2:]] for found in (row, row["references"]["roofline"]))
        good = None not in model and all(
            value >= most if name == "feasible_share" else value <= most
            for (name, most), value in zip(ENOUGH.items(), model, strict=True)
        )
        cells = [share(row["undecided"] / row["intents"]), *map(share, model), "yes" if good else "no"]
        lines.append(f"| {row['table']} | {row['metric']} | {' | '.join([*cells, *map(share, physics)])} |")
    return lines


def share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


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
    parser.add_argument("--into", type=Path)
    given = parser.parse_args()
    if (given.folder is None) == (given.report is None):
        parser.error("name a folder of tables, or a report of one")
    report = json.loads(given.report.read_text()) if given.report else report_of(given.folder)
    rows = report["tables"]
    figures = {
        "errors": errors(rows),
        "references": references(rows),
        "decisions": decisions(rows, "calibrated"),
        "every table": every(rows),
    }
    if given.into is None:
        print("\n\n".join("\n".join((f"{name}:", "", *lines)) for name, lines in figures.items()))
    else:
        text = given.into.read_text(encoding="utf-8")
        for name, lines in figures.items():
            table = re.compile(rf"(?<=<!-- figures: {name} -->\n)(\|.*\n)*")
            text = table.sub(lambda _, lines=lines: "\n".join(lines) + "\n", text)
        given.into.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
