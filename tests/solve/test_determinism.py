"""The same inputs give the same bytes, here and in a fresh process; a limit that is reached is said; size is fine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from aios.check import audit
from aios.solve import Limits, choose

PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
import build_instances as make
from aios.solve import Limits, choose
sys.stdout.write(choose(*make.hard(6, 40), Limits(seed=3)).model_dump_json())
assert "pandas" not in sys.modules and "ortools.sat.python.cp_model" not in sys.modules
"""


def test_same_bytes_twice_and_in_a_fresh_process(make):
    first, second = (choose(*make.hard(6, 40), Limits(seed=3)).model_dump_json() for _ in range(2))
    program = PROGRAM.format(folder=str(Path(__file__).parents[1] / "helpers"))
    fresh = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert first == second == fresh


def test_importing_the_room_imports_no_engine():
    program = "import aios.solve, sys; assert not [n for n in sys.modules if n.startswith(('ortools', 'numpy'))]"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_no_allowance_finds_nothing_and_says_so(make):
    found = choose(*make.hard(6, 40), Limits(deterministic_limit=0.0))
    assert (found.status, found.termination.stopped, found.termination.found) == ("unknown", "limit", False)
    assert found.chosen == {}


def test_a_small_allowance_gives_bounds_that_hold(make):
    best = choose(*make.hard(6, 40), Limits())
    assert best.status == "optimal"
    for limit in (1e-6, 1e-4, 1e-3, 1e-2):
        found = choose(*make.hard(6, 40), Limits(deterministic_limit=limit))
        assert found.termination.stopped == ("optimal" if found.status == "optimal" else "limit")
        if found.status == "feasible":
            assert (
                found.objective[0].bound
                <= best.objective[0].value * (1 + 1e-9)
                <= found.objective[0].value * (1 + 2e-9)
            )


def test_the_checker_agrees_with_what_was_found_within_any_allowance(make):
    intents, options, fleet = make.hard(6, 40)
    goals = (make.goal("minimize latency.p99"),)
    unlike = [i.model_copy(update={"goal": goals}) if i.name < "i3" else i for i in intents]
    for limit in (1e-4, 1e-3, 3e-3, 1e-2, 1.0):
        assert audit(unlike, choose(unlike, options, fleet, Limits(deterministic_limit=limit)), fleet).holds


def test_ten_thousand_options_and_many_equal_nodes(make):
    intents, options, _ = make.hard(5, 2000)
    fleet = make.fleet(make.node("local", cores=8, count=387, memory_bytes=64 * 2.0**30))
    assert choose(intents, options, fleet, Limits()).status == "optimal"
