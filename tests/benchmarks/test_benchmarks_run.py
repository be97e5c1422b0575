"""Benchmarks run, on cases small enough for every test run; how long they take is not judged."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from aios.cost.collectives import quickest

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(__file__).parent / "data"
SHARE = re.compile(r"([0-9.]+)%")


def run(script, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "benchmarks" / script, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(text):
    """Return the cells of all rows of all tables, without their heads."""
    lines = text.splitlines()
    heads = {number - 1 for number, line in enumerate(lines) if line.startswith("|---")}
    kept = (line for number, line in enumerate(lines) if line.startswith("| ") and number not in heads)
    return [line.strip("| ").split(" | ") for line in kept]


def test_mappings_are_compared_on_a_small_mesh():
    found = rows(run("mesh_mapping.py", "--sides", "4", "--seeds", "2"))
    assert len(found) == 6
    for _mesh, training, _computing, *mappings, _took in found:
        aware, *others = (float(SHARE.search(cell)[1]) for cell in mappings)
        assert 0 < aware <= min(others), training


def test_states_are_read_planned_beside_and_shared():
    reading, planning, sharing = rows(run("state.py", "--resources", "50", "--services", "6", "--applies", "2"))
    assert reading[0] == "50"
    assert planning[0] == "6"
    assert sharing[2:] == ["2", "2", "2", "yes"]


def test_predictions_of_every_kind_are_counted():
    found = rows(run("predictions.py", "--rows", "100", "--rounds", "1"))
    assert len(found) == 11
    assert all(float(cells[1].replace(",", "")) > 0 for cells in found)


def test_collectives_are_judged_by_the_constants_that_ship():
    tables = ("--aiconfigurator", DATA / "invented_nccl_times.csv", "--vidur", DATA / "invented_machine_times.csv")
    found = {name: int(count) for name, count, *_ in rows(run("collectives.py", *tables))}
    assert found == {
        "all": 9, "all-reduce": 8, "send-recv": 1, "a100_dgx nccl": 2, "a100_pairwise_nvlink nccl": 1,
        "h100_sxm custom": 6,
    }  # fmt: skip


def test_constants_are_fitted_and_written(tmp_path):
    """Three times, of the kernels of one library on one kind of link: five constants fit them nearly."""
    table = tmp_path / "two.csv"
    lines = (DATA / "invented_nccl_times.csv").read_text().splitlines()
    table.write_text("\n".join(line for line in lines if ",4," not in line))
    empty = tmp_path / "none.csv"
    empty.write_text("node,op,n_gpu,devices_per_node,size,median_ms\n")
    out = tmp_path / "constants.yaml"
    text = run("collectives.py", "--aiconfigurator", table, "--vidur", empty, "--fit", "--write", out)
    fitted_on = rows(text[text.index("Fitted on all rows") :])
    name, count, median, *_ = fitted_on[0]
    assert (name, count) == ("all", "3")
    assert float(SHARE.search(median)[1]) < 5
    (constants,) = yaml.safe_load(out.read_text())["nvlink4"]
    assert (constants["library"], constants["kernels"]) == ("custom", "direct")
    assert constants["error"].endswith("no other group to judge it by")


@pytest.mark.parametrize(
    ("system", "library", "operation", "count", "per_node"),
    [
        ("h100_sxm", "nccl", "all-reduce", 8, 8),
        ("h100_sxm", "custom", "all-reduce", 8, 8),
        ("a100_sxm", "custom", "all-reduce", 4, 4),
        ("gb200", "nccl", "all-to-all", 4, 4),
        ("l40s", "nccl", "reduce-scatter", 8, 8),
        ("rtx_pro_6000_server", "custom", "all-reduce", 4, 4),
        ("b60", "oneccl", "all-reduce", 4, 4),
        ("a100_dgx", "nccl", "all-reduce", 16, 8),
        ("h100_dgx", "nccl", "send-recv", 2, 1),
    ],
)
def test_the_benchmark_judges_what_the_planner_predicts(monkeypatch, system, library, operation, count, per_node):
    """Its rule of which algorithm runs works on arrays of sizes; the planner's on one size at a time."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    benchmark, measured = (importlib.import_module(name) for name in ("collectives", "measured_collectives"))
    sizes = 2.0 ** np.arange(8, 31)
    group = measured.Group(system, operation, library, count, per_node, True, sizes, np.ones_like(sizes))
    kinds = measured.known()[1]
    courses = measured.courses(system, operation, count, per_node)
    expected = [quickest(courses, kinds, size, library).value for size in sizes]
    assert benchmark.predicted(group, kinds).tolist() == pytest.approx(expected, rel=1e-12)
