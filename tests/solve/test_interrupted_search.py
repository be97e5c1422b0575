"""A search that is interrupted ends soon with the best plan so far and an honest gap."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import random, sys, threading, time
sys.path.insert(0, sys.argv[1])
from build_instances import fleet, intent, node, option
from aios.check import audit
from aios.solve import Limits, choose_together
from aios.solve.interrupting import allow, came, interrupt

draw = random.Random(5)
places = [node(f"n{k}", cores=200) for k in range(8)]
intents, options = [], {}
for index in range(60):
    name = f"i{index:02}"
    intents.append(intent(name))
    options[name] = []
    for k in range(8):
        cores = draw.randint(5, 45)
        watts = 111.0 - cores + draw.randint(-10, 10)
        options[name].append(option(f"{name}/{k}", {"power": watts}, nodes=(f"n{k}",), cores=cores))
assert not interrupt(), "nothing is searched for"
allow()
assert not interrupt(), "nothing is searched for yet"
threading.Timer(float(sys.argv[2]), interrupt).start()
started = time.monotonic()
found = choose_together(intents, options, (), {}, None, fleet(*places), Limits())
print(found.status, found.termination.stopped, came(), time.monotonic() - started < 20)
if found.chosen:
    assert audit(intents, found, fleet(*places)).holds
    (row,) = found.objective
    print(0 < row.gap < 1, row.bound < row.value)
assert not interrupt(), "it is over"
"""


@pytest.mark.parametrize("after_s", [2.0])
def test_the_best_so_far_is_told_with_its_gap(after_s):
    helpers = Path(__file__).parent.parent / "helpers"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(helpers), str(after_s)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["feasible interrupted True True", "True True"]
