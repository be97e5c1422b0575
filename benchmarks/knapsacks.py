"""More optional demands than one machine holds: published multidimensional knapsacks against the best known values.

python benchmarks/knapsacks.py FOLDER [--only mknapcb4 ...] [--every 1]

FOLDER holds ``mkp_instances.jsonl.gz``, a line per instance of the OR-Library's mknapcb files (Chu, Beasley, A genetic
algorithm for the multidimensional knapsack problem, Journal of Heuristics 4, 1998): ``profit`` by item, ``weight`` by
constraint and item, ``capacity`` by constraint, ``best_ga_1997`` the best value of that paper, ``lp_relaxation`` the
optimum when items may be cut. Items are demands that may be refused, constraints are what the machine has. Values and
capacities are added up here again, from the file alone.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aios.solve import Limits
from aios.solve.cpsat import Engine
from aios.solve.packing import NO_GROUP, Kind, Nodes, Packing, Problem, pack


def instances(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the instances of a file."""
    with gzip.open(path, "rt") as lines:
        yield from (found for found in map(json.loads, lines) if "profit" in found)


def problem_of(instance: dict[str, Any]) -> Problem:
    """Return an instance as demands that need no device, on one node."""
    kinds = tuple(
        Kind(tuple(takes), 0, 0, ((0, NO_GROUP),), 1, value, False)
        for value, *takes in zip(instance["profit"], *instance["weight"], strict=True)
    )
    return Problem((Nodes(tuple(instance["capacity"]), (), 1),), kinds)


def faults(instance: dict[str, Any], items: list[int], value: int) -> int:
    """Return how many rules a choice of items breaks."""
    rows = zip(instance["weight"], instance["capacity"], strict=True)
    over = sum(int(sum(weights[item] for item in items) > has) for weights, has in rows)
    worth = sum(int(instance["profit"][item]) for item in items)
    return over + (worth != value) + len(items) - len(set(items))


def main() -> None:
    """Print a row per instance, and the worst of each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=[""], help="beginnings of names")
    parser.add_argument("--every", type=int, default=1, help="take one instance in so many")
    given = parser.parse_args()
    wanted = (i for i in instances(given.folder / "mkp_instances.jsonl.gz") if i["instance"].startswith((*given.only,)))
    chosen = list(wanted)[:: given.every]
    print("| instance | value | of the best known | bound | gap | below the LP bound | faults | CPU seconds |")
    print("|---|---:|---:|---:|---:|---|---:|---:|", flush=True)
    worst: dict[str, tuple[float, float]] = {}
    for instance in chosen:
        start = time.process_time()
        answer = pack(problem_of(instance), Engine(Limits()))
        seconds = time.process_time() - start
        if not isinstance(answer, Packing):
            raise SystemExit(f"{instance['instance']}: nothing was found, though nothing must be")
        share = answer.value / instance["best_ga_1997"]
        wrong = faults(instance, [item.kind for item in answer.standing], answer.value)
        below = "yes" if answer.value <= instance["lp_relaxation"] else "no"
        gap = (answer.bound - answer.value) / answer.value
        row = (f"{answer.value:,}", f"{share:.4%}", f"{answer.bound:,}", f"{gap:.4%}", below, wrong, f"{seconds:.1f}")
        print("| " + " | ".join(map(str, (instance["instance"], *row))) + " |", flush=True)
        family = instance["instance"].split("-")[0]
        least, longest = worst.get(family, (share, seconds))
        worst[family] = (min(least, share), max(longest, seconds))
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    for family, (least, longest) in worst.items():
        print(f"{family}: at least {least:.4%} of the best known, at most {longest:.1f} CPU seconds, {peak} MiB")


if __name__ == "__main__":
    main()
