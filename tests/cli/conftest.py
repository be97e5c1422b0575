"""Commands as a user runs them: real processes in an empty folder."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AIOS = str(Path(sys.executable).with_name("aios"))


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@dataclass(frozen=True)
class Terminal:
    """Runs commands in one folder."""

    place: Path

    def __call__(self, *arguments: str, stdin: str = "", timeout: float = 120, **environment: str) -> Ran:
        done = subprocess.run(
            [AIOS, *map(str, arguments)],
            cwd=self.place,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **environment},
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def write(self, name: str, text: str) -> Path:
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def aios(tmp_path):
    """A terminal in an empty folder; what was applied there is destroyed afterwards."""
    terminal = Terminal(tmp_path)
    yield terminal
    if (tmp_path / ".aios" / "state.json").exists():
        terminal("destroy", "--yes")


@pytest.fixture(scope="session")
def digits():
    return ROOT / "examples" / "digits"


FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: bench}
spec:
  nodes:
    - {name: local, address: local, cpu: 2, memory: 4 GiB, devices: [{type: two-cores, count: 1}]}
  devices:
    - name: two-cores
      kind: cpu
      cores: 2
      peak: {fp32: 100 GFLOP/s, int8: 400 GOP/s}
      memory: 4 GiB
      bandwidth: 20 GB/s
      tdp: 10 W
      idle: 2 W
"""


@pytest.fixture
def fleet(aios):
    """A described CPU of two cores that is this machine: same figures everywhere the tests run."""
    return aios.write("fleet.yaml", FLEET)
