"""The benchmark of published request mixes finds what was published, and what a brute force finds."""

import importlib.util
import itertools
import json
import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "melange.py"

EXAMPLE = {
    "gpu_info": {
        "A10G": {"cost": 1.01, "tputs": [[2, 1], [5, 2]]},
        "A100-80GB": {"cost": 3.67, "tputs": [[20, 20], [40, 20]]},
    },
    "workload_distribution": [[0.2, 0.1], [0.5, 0.2]],
    "total_request_rate": 30.0,
    "slice_factor": 1,
}
"""github.com/tyler-griggs/melange-release, melange/config/example.json: 3 A10G and 1 A100-80GB for 6.7 USD/h."""


@pytest.fixture(scope="module")
def melange():
    spec = importlib.util.spec_from_file_location("melange", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_published_example_comes_out_exactly(tmp_path):
    file = tmp_path / "example.json"
    file.write_text(json.dumps({"problem": EXAMPLE, "expected": {"A10G": 3, "A100-80GB": 1, "cost": 6.7}}))
    done = subprocess.run(
        [sys.executable, "-W", "error", SCRIPT, file], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "found    {'A10G': 3, 'A100-80GB': 1, 'cost': 6.7}" in done.stdout
    assert "optimal, bound 6.7 USD/h" in done.stdout


def test_finer_slices_cost_no_more(melange):
    costs = [melange.solved({**EXAMPLE, "slice_factor": factor}).figure for factor in (1, 2, 4, 8)]
    assert costs[0] == 6.7
    assert costs == sorted(costs, reverse=True)


def cheapest(problem):
    """Return the least cost by trying where each slice goes."""
    gpus = list(problem["gpu_info"].values())
    rate, factor = Fraction(str(problem["total_request_rate"])), problem["slice_factor"]
    loads = []
    for row, cells in enumerate(problem["workload_distribution"]):
        for column, share in enumerate(cells):
            each = Fraction(str(share)) * rate / factor
            loads += [[each / Fraction(str(gpu["tputs"][row][column])) for gpu in gpus]] * factor if share else []
    best = math.inf
    for where in itertools.product(range(len(gpus)), repeat=len(loads)):
        taken = [sum(loads[k][gpu] for k, own in enumerate(where) if own == gpu) for gpu in range(len(gpus))]
        best = min(best, math.fsum(gpu["cost"] * math.ceil(load) for gpu, load in zip(gpus, taken, strict=True)))
    return best


@settings(max_examples=40)
@given(data=st.data())
def test_random_mixes_equal_brute_force(melange, data):
    numbers = st.sampled_from([0.5, 1, 2, 3, 7.3, 20, 40])
    rows, columns = data.draw(st.sampled_from([(1, 2), (2, 1), (2, 2)]))
    table = st.lists(st.lists(numbers, min_size=columns, max_size=columns), min_size=rows, max_size=rows)
    prices = st.sampled_from([0.7, 1.01, 3.67, 7.516])
    shares = st.lists(st.sampled_from([0, 0.1, 0.25, 0.5]), min_size=columns, max_size=columns)
    problem = {
        "gpu_info": {f"G{k}": {"cost": data.draw(prices), "tputs": data.draw(table)} for k in range(3)},
        "workload_distribution": data.draw(st.lists(shares, min_size=rows, max_size=rows)),
        "total_request_rate": data.draw(st.sampled_from([1, 4.5, 30.0])),
        "slice_factor": data.draw(st.sampled_from([1, 1, 2] if rows * columns < 4 else [1])),
    }
    found = melange.solved(problem)
    assert found.status == "optimal"
    assert found.figure == pytest.approx(cheapest(problem), rel=1e-9, abs=1e-12)
