"""Size fleets for published request mixes: python benchmarks/melange.py FILE...

Each file holds a problem in the form of Mélange (Griggs et al., "Mélange: Cost Efficient Large Language Model Serving
by Exploiting GPU Heterogeneity", 2024): how requests are distributed over buckets of input and output length, how many
requests per second of each bucket one GPU of each type sustains, and what it costs per hour. The load of a bucket is
cut into ``slice_factor`` equal slices; each slice goes to one type of GPU, and the shares of a GPU's time that the
slices of a type take add up to no more than there are GPUs of it. Sought are the cheapest GPUs.

Such a problem is one of ``aios.solve.sizing`` as it stands: buckets are demands, slices their units, GPUs the machines,
and what a machine has is its time. Printed are what is expected, where the file says it, and what was found.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from aios.solve.limits import Limits
from aios.solve.sizing import Demand, Place, Problem, Shape, Sized, Way, size

UNITS = 10**9
"""A GPU's time in whole units; what a slice takes is rounded down to them, so that thirds fill a GPU."""


def exactly(number: float) -> Fraction:
    """Return a number as it is written: 0.1 is a tenth."""
    return Fraction(str(number))


def posed(problem: Mapping[str, Any]) -> Problem:
    """Return a problem in the form of Mélange as one of counts. A throughput of 0 rules a type out for its bucket."""
    names = list(problem["gpu_info"])
    slices = problem["slice_factor"]
    buckets = [
        (row, column)
        for row, cells in enumerate(problem["workload_distribution"])
        for column, share in enumerate(cells)
        if share > 0
    ]
    footprints: list[tuple[Place, ...]] = []
    demands, total = [], 0.0
    for row, column in buckets:
        share = exactly(problem["workload_distribution"][row][column])
        rate = share * exactly(problem["total_request_rate"]) / slices
        ways = []
        for index, name in enumerate(names):
            sustained = exactly(problem["gpu_info"][name]["tputs"][row][column])
            if sustained > 0:
                load = math.floor(rate / sustained * UNITS)
                ways.append(Way(1, 0.0, 1, len(footprints), slices))
                footprints.append((Place(index, ((0, load),)),))
        total += max((footprints[way.footprint][0].takes[0][1] for way in ways), default=0) * slices
        demands.append(Demand(f"bucket {row}, {column}", slices, tuple(ways)))
    most = math.ceil(total / UNITS) + len(names)
    shapes = [Shape(name, most, float(problem["gpu_info"][name]["cost"]), (UNITS,)) for name in names]
    return Problem(shapes, footprints, demands, most)


def solved(problem: Mapping[str, Any]) -> Sized:
    """Return the cheapest GPUs."""
    return size(posed(problem), Limits())


def main(files: list[str]) -> None:
    for file in files:
        document = json.loads(Path(file).read_text())
        problem, expected = document.get("problem", document), document.get("expected")
        started = time.process_time()
        found = solved(problem)
        seconds = time.process_time() - started
        counts = {name: count for name, count in zip(problem["gpu_info"], found.machines, strict=False) if count}
        print(
            f"{Path(file).name}: {len(problem['gpu_info'])} types of GPU, {problem['total_request_rate']:g} requests/s"
        )
        if expected is not None:
            print(f"  expected {expected}")
        print(f"  found    {counts | {'cost': round(found.figure, 9)}}")
        print(f"  {found.status}, bound {found.bound:.9g} USD/h, {seconds:.2f} s of processor time")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
