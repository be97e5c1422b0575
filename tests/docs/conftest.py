"""Pages as a reader would try them: files are written, commands run, Python runs, in the order of the page."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from in_process import run

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
EXAMPLE_DATABASE = "postgresql://ci@db.example.org/aios"
"""The database that pages write; one of the tests' own server takes its place when they run."""
EXAMPLE_PORT = "8000"
"""The port that pages write; a free one takes its place when they run."""
PROGRESS = re.compile(r"[a-z]+: (.+, \d+ s|still at work: .+)")
"""What a command says that takes over two seconds: on a busy machine any may."""

APART = re.compile(r"aios (demo|profile|verify)\b|[^\w\s./:=@,+%'\"-]")
"""Of a command of aios: it measures, or a shell has to read it. All others run in this process."""

_FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*?) -->\n)?```(?P<language>[a-z]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)

FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: local}
spec:
  nodes:
    - {name: local, address: local, cpu: 2, memory: 4 GiB, devices: [{type: two-cores}]}
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
"""What `aios init` would write, with figures that are the same wherever the tests run."""


@dataclass(frozen=True)
class Block:
    """A fenced block. mark: the comment right before it · line: of the fence's first line of content."""

    language: str
    text: str
    mark: str
    line: int


def blocks_of(path):
    text = path.read_text(encoding="utf-8")
    return [
        Block(found["language"], found["text"], found["mark"] or "", text.count("\n", 0, found.start("text")) + 1)
        for found in _FENCE.finditer(text)
    ]


@dataclass(frozen=True)
class Command:
    """A line after ``$`` and what the page says it prints."""

    line: str
    expected: list[str] = field(default_factory=list)


def commands_of(text):
    """Return the commands of a console block; a line that ends in a backslash goes on in the next."""
    commands = []
    for line in text.splitlines():
        going_on = commands and commands[-1].line.endswith("\\") and not commands[-1].expected
        if going_on:
            commands[-1] = Command(commands[-1].line + "\n" + line.removeprefix("> "))
        elif line.startswith("$ "):
            commands.append(Command(line.removeprefix("$ ")))
        else:
            assert commands, f"a console block begins with its command, not with {line!r}"
            commands[-1].expected.append(line)
    return commands


_VARYING = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "0"),
    (re.compile(r"\b[0-9a-f]{7,}\b"), "0"),
    (re.compile(r"\d[\d,_.]*(?:e[+-]?\d+)?"), "0"),
    (re.compile(r"\b0 [num]?(s|J|W)\b"), r"0 \1"),
    (re.compile(r"\b0 [KMGT]i?B\b"), "0 B"),
    (re.compile(r"\s+"), " "),
)


def normalised(line):
    """Return the line without what differs between machines and runs: digits, prefixes of units, widths of columns."""
    for pattern, same in _VARYING:
        line = pattern.sub(same, line)
    return line.strip()


def pattern_of(expected):
    """Return the pattern of an expected output; ``...`` stands for any lines, or for the rest of its line."""
    parts = []
    for line in expected:
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            pieces = (re.escape(piece) for piece in normalised(line).split("..."))
            parts.append(".*".join(pieces) + r"\n")
    return re.compile("".join(parts))


class Reader:
    """Tries a page in one folder. port: stands in for EXAMPLE_PORT."""

    def __init__(self, place, port):
        self.place = place
        self.port = port
        self.database = EXAMPLE_DATABASE
        self.code = 0
        self.environment = {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "NO_COLOR": "1",
            "COLUMNS": "200",
            "PYTHONWARNINGS": "ignore",
        }

    def own(self, text):
        return re.sub(rf"\b{EXAMPLE_PORT}\b", self.port, text.replace(EXAMPLE_DATABASE, self.database))

    def write(self, name, text):
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.own(text), encoding="utf-8")

    def shell(self, line):
        """Run a line; return its exit code and what a terminal would show."""
        line = self.own(line).replace("\\\n", " ")
        if line.startswith("aios ") and not APART.search(line):
            ran = run(self.place, shlex.split(line)[1:], self.environment, together=True)
            return ran.code, ran.out
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.place,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout

    def try_console(self, block, where):
        commands = commands_of(block.text)
        self.code = 0
        for command in commands:
            if command.line == "echo $?":
                assert command.expected == [str(self.code)], f"{where}: the exit code is {self.code}"
                self.code = 0
                continue
            assert self.code == 0, f"{where}: before `{command.line}` something exited with {self.code} unannounced"
            self.code, said = self.shell(command.line)
            lines = (line for line in said.splitlines() if not PROGRESS.fullmatch(line))
            printed = "".join(f"{normalised(line)}\n" for line in lines)
            wanted = pattern_of([self.own(line) for line in command.expected])
            assert wanted.fullmatch(printed), (
                f"{where}: `{command.line}` printed (exit code {self.code})\n{said}\n"
                "and the page says\n" + "\n".join(command.expected)
            )
        assert self.code == 0, f"{where}: `{commands[-1].line}` exited with {self.code}, which the page does not say"

    def try_python(self, block, where):
        done = subprocess.run(
            [sys.executable, "-c", self.own(block.text)],
            cwd=self.place,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{where}: {done.stderr}"

    def try_page(self, path, wanted=lambda _block: True):
        """Go through a page from top to bottom; return how many blocks were tried."""
        tried = 0
        for block in blocks_of(path):
            where = f"{path.name}:{block.line}"
            if not wanted(block):
                continue
            tried += 1
            if block.mark.startswith("file: "):
                self.write(block.mark.removeprefix("file: "), block.text)
            elif block.language == "console":
                self.try_console(block, where)
            elif block.language == "python":
                self.try_python(block, where)
            else:
                tried -= 1
        return tried

    def clean(self):
        if (self.place / ".aios" / "state.json").exists():
            self.shell("aios destroy --yes")


@pytest.fixture(scope="session", name="blocks_of")
def blocks_of_page():
    """The function that cuts a page into its fenced blocks."""
    return blocks_of


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return str(listening.getsockname()[1])


@pytest.fixture
def trial(tmp_path, free_port):
    """A copy of the digits example with a fleet file: where the pages of docs/ say that their commands run."""
    digits = ROOT / "examples" / "digits"
    shutil.copytree(digits / "models", tmp_path / "models")
    for name in ("evaluate.npz", "calibrate.npz", "intent.yaml", "accurate.yaml", "impossible.yaml"):
        shutil.copy(digits / name, tmp_path / name)
    (tmp_path / "fleet.yaml").write_text(FLEET)
    reader = Reader(tmp_path, free_port)
    yield reader
    reader.clean()


@pytest.fixture
def with_database(request, trial):
    """Has a page that names the example database run with one that is there."""

    def prepare(page):
        if EXAMPLE_DATABASE in page.read_text(encoding="utf-8"):
            from postgresql_server import PASSWORD

            server = request.getfixturevalue("postgresql")
            server.sql("drop database if exists pages")
            server.sql("create database pages")
            trial.database = server.url(database="pages").partition("?")[0]
            trial.environment["PGPASSWORD"] = PASSWORD

    return prepare


@pytest.fixture
def checkout(tmp_path, free_port):
    """A folder with the examples and a fleet file: what the root of a checkout looks like after `aios init`."""
    left_out = shutil.ignore_patterns(".aios", "profiles", "__pycache__", "imagenet-lite")
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=left_out)
    (tmp_path / "fleet.yaml").write_text(FLEET)
    reader = Reader(tmp_path, free_port)
    yield reader
    reader.clean()
