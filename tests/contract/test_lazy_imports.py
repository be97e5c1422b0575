"""The command starts without what it does not need: heavy modules are imported when something uses them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aios import catalogue

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
HEAVY = (
    "asyncio",
    "cryptography",
    "numpy",
    "onnx",
    "onnxruntime",
    "ortools",
    "networkx",
    "pandas",
    "rich",
    "uvicorn",
    "pynvml",
    "google.protobuf",
)

LEARNT = ("numpy",) if (catalogue.root() / "calibrations").is_dir() else ()
"""What predicting takes in, where something was learnt that a plan without measurements rests on."""

_RUN = """
import json, sys
from aios.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as done:
    code = done.code
print(json.dumps({"code": int(code or 0), "modules": sorted(sys.modules)}), file=sys.stderr)
"""

FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: bench}
spec:
  nodes: [{name: board, cpu: 2, memory: 4 GiB, devices: [{type: two-cores}]}]
  devices:
    - name: two-cores
      kind: cpu
      cores: 2
      peak: {fp32: 100 GFLOP/s}
      bandwidth: 20 GB/s
      tdp: 10 W
"""

ANYTHING_GOES = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: anything-goes}
spec: {task: image-classification, model: ./models/digits-s.onnx, goal: maximize accuracy.top1}
"""


def loaded_by(place, *arguments):
    """Run a command in a fresh interpreter; return the heavy modules that it has imported."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        cwd=place,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    told = json.loads(done.stderr.splitlines()[-1])
    assert told["code"] == 0, done.stderr
    return {name for name in HEAVY if name in told["modules"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lazy")
    shutil.copytree(DIGITS / "models", folder / "models")
    for name in ("intent.yaml", "evaluate.npz", "calibrate.npz"):
        shutil.copy(DIGITS / name, folder / name)
    (folder / "fleet.yaml").write_text(FLEET)
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("--help",),
        ("plan", "--help"),
        ("validate", "intent.yaml"),
        ("plugins",),
        ("schema", "intent"),
        ("status",),
        ("hardware", "--help"),
        ("hardware", "list"),
        ("hardware", "topology"),
    ],
    ids=" ".join,
)
def test_a_command_that_computes_nothing_imports_nothing_heavy(place, arguments):
    assert loaded_by(place, *arguments) == set()


def test_a_plan_with_known_models_needs_the_solver_alone(place):
    cold = loaded_by(place, "plan", "intent.yaml")
    assert "onnx" in cold, "reading a model for the first time needs onnx: else this test sees nothing"
    assert loaded_by(place, "plan", "intent.yaml") <= {"ortools", "google.protobuf", *LEARNT}


def test_a_plan_whose_accuracy_is_declared_reads_nothing_that_was_learnt_of_it(place):
    learnt = place / "own" / "calibrations"
    learnt.mkdir(parents=True)
    (learnt / "accuracy-accuracy_change.yaml").write_text("no calibration: it cannot be read")
    pinned = (place / "intent.yaml").read_text() + "  pin: {precision: fp32}\n"
    (place / "pinned.yaml").write_text(pinned)
    loaded_by(place, "plan", "pinned.yaml", "--profiles", "own")
    loaded = loaded_by(place, "plan", "pinned.yaml", "--profiles", "own")
    assert loaded <= {"ortools", "google.protobuf", *LEARNT}


def test_a_plan_for_a_machine_that_is_discovered_on_the_spot_needs_little_more(place):
    elsewhere = place / "elsewhere"
    shutil.copytree(place / "models", elsewhere / "models")
    (elsewhere / "intent.yaml").write_text(ANYTHING_GOES)
    loaded_by(elsewhere, "plan", "intent.yaml")
    assert loaded_by(elsewhere, "plan", "intent.yaml") <= {"ortools", "google.protobuf", "pynvml", *LEARNT}


def test_the_commands_are_declared_without_records():
    script = "import sys, aios.cli.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert "pydantic" not in done.stdout.split()


@pytest.mark.parametrize(
    "module", [*("aios_plugins.onnxruntime." + own for own in ("serve", "worker", "opening")), "aios.spi.sealing"]
)
def test_processes_of_a_service_start_without_records(module):
    script = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert {"pydantic", "cryptography"}.isdisjoint(done.stdout.split())
