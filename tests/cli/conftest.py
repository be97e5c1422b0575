"""Commands as a user runs them, in an empty folder."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from ran import Ran

ROOT = Path(__file__).resolve().parents[2]
AIOS = str(Path(sys.executable).with_name("aios"))


_MARK = "AIOS_TESTED_IN"


@dataclass(frozen=True)
class Terminal:
    """Runs commands in one folder."""

    place: Path
    command: str = AIOS
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Ran:
        """Run a command in this process: for what does not ask whose process it is."""
        from in_process import run

        return run(self.place, arguments, self._environment(environment), stdin)

    def apart(self, *arguments: str, stdin: str = "", timeout: float = 120, **environment: str) -> Ran:
        """Run a command in a process of its own: for what Python reads as it starts, or what a process keeps."""
        done = subprocess.run(
            [AIOS, *map(str, arguments)],
            cwd=self.place,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self._environment(environment),
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own, as a shell does; ``place`` marks all that comes of it."""
        process = subprocess.Popen(
            [AIOS, *map(str, arguments)],
            cwd=self.place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=self._environment(environment),
        )
        self.started.append(process)
        return process

    def close(self) -> None:
        """End what was started and is still there, and destroy what was applied."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            process.stdout.close()
            process.stderr.close()
        if (self.place / ".aios" / "state.json").exists():
            self("destroy", "--yes")
        for pid in self.processes():  # only after a failure
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        """Return the pids of all live processes that came of commands run here."""
        mark, found = f"{_MARK}={self.place}".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found

    def wait_until_alone(self, seconds: float = 10.0) -> list[int]:
        """Return what still runs once nothing does any more, or time is up: ``[]`` when all is well."""
        end = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.05)
        return left

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        return {**os.environ, _MARK: str(self.place), **more}

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
    terminal.close()


@pytest.fixture
def here(aios):
    """That terminal."""
    return aios


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


ASKED = """\
apiVersion: aios/v1
kind: Intent
metadata: {{name: {name}}}
spec:
  task: image-classification
  model: {model}
  data: {data}
  load: {{rate: {rate}}}
  require:
    latency: {{p99: {p99}}}
    accuracy: {{top1: 90 %}}
  goal: minimize power
  risk: {risk}
  pin: {pin}
  serve: {serve}
"""


@pytest.fixture(scope="session")
def few(digits, tmp_path_factory):
    """Path of the first 200 evaluation digits: enough for a share, quickly answered."""
    path = tmp_path_factory.mktemp("data") / "few.npz"
    with np.load(digits / "evaluate.npz") as stored:
        np.savez(path, **{name: stored[name][:200] for name in stored.files})
    return path


@pytest.fixture(scope="session")
def asked(digits, few):
    """Returns the text of an intent for the smallest digits model; keywords change one thing each.

    The bound on latency is far from what any machine does, so that a busy one breaks no promise.
    """

    def text(**changes):
        usual = {
            "name": "digits",
            "model": digits / "models" / "digits-s.onnx",
            "data": f"{{evaluate: {few}}}",
            "rate": "20/s",
            "p99": "5 s",
            "risk": "pessimistic",
            "pin": "{precision: fp32, threads: 1, batch: 1, replicas: 1}",
            "serve": "{}",
        }
        return ASKED.format(**usual | changes)

    return text


@pytest.fixture(scope="module")
def standing(tmp_path_factory, asked):
    """A terminal in a folder where the usual intent is applied, from the saved ``plan.json``; not to be changed."""
    terminal = Terminal(tmp_path_factory.mktemp("standing"))
    terminal.write("fleet.yaml", FLEET)
    terminal.write("intent.yaml", asked())
    planned = terminal("plan", "intent.yaml", "-o", "plan.json")
    assert planned.code == 0, planned.err
    applied = terminal("apply", "plan.json")
    assert applied.code == 0, applied.err
    yield terminal
    terminal("destroy", "--yes")
    left = terminal.wait_until_alone()
    terminal.close()
    assert left == []
