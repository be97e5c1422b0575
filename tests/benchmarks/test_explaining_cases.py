"""The cases of the benchmark on explaining, small: each conflict is smallest."""

import importlib.util
from pathlib import Path

import pytest

from aios.solve import Limits
from aios.solve.explain import explain, minimal
from aios.solve.problem import pose

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "explaining.py"


def loaded():
    spec = importlib.util.spec_from_file_location("explaining_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXPLAINING = loaded()


@pytest.mark.parametrize("case", EXPLAINING.CASES)
def test_conflicts_of_drawn_fleets_are_smallest(case):
    problem = pose(*EXPLAINING.case_of(case, 12, 3, 1))
    conflict = explain(problem, Limits())
    assert minimal(problem, {clause.id for clause in conflict.clauses}, Limits())
