"""What holds for the repository as a whole."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aios.catalogue import root
from aios.fleet import load_catalogue
from aios.records.document import parse

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*ROOT.glob("planner/**/*.py"), *ROOT.glob("plugins/**/*.py")])
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60
"""Of its body; signature and docstring, which tell what it is for, are not counted."""
TEXTS = {".py", ".md", ".yaml", ".yml", ".toml", ".json", ".sh", ".txt", ".lock", ".cfg", ""}

_FORBIDDEN = {
    "an absolute path of somebody's machine": re.compile(r"(?<![\w.~])/(?:home|Users|root|work)/[\w.-]+"),
    "a package index": re.compile(
        r"https?://[^\s'\"]*/simple\b|--(?:extra-)?index-url[ =]\S|https?://[^\s/]*pypi[^\s/]*/(?!project/)"
    ),
    "a path outside of the repository": re.compile(r"\.\./shared\b"),
    "a credential": re.compile(r"https?://[^\s/:@]+:[^\s/@]+@"),
}


def tracked():
    """Return the files of the repository: those that are committed, or would be."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_and_its_functions_can_be_taken_in(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES, f"{path.name} is too long"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node) is not None and len(node.body) > 1
            length = (node.end_lineno or node.lineno) - node.body[int(documented)].lineno + 1
            assert length <= MOST_LINES_OF_A_FUNCTION, f"{path.name}:{node.lineno} {node.name} has {length} lines"


def test_nothing_speaks_of_the_machine_or_the_network_it_was_made_in():
    found = []
    for path in tracked():
        if path.suffix not in TEXTS or path == Path(__file__) or path.name == "LICENSE":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            found += [
                f"{path.relative_to(ROOT)}:{number} names {what}: {match[0]}"
                for what, pattern in _FORBIDDEN.items()
                if (match := pattern.search(line))
            ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("see /home/somebody/models", "an absolute path of somebody's machine"),
        ("index: https://packages.example.org/api/simple", "a package index"),
        ("pip install --index-url https://packages.example.org/x", "a package index"),
        ("data in ../shared/data", "a path outside of the repository"),
        ("https://user:secret@example.org", "a credential"),
    ],
)
def test_the_search_finds_what_it_looks_for(line, what):
    assert _FORBIDDEN[what].search(line)


def test_the_search_lets_other_paths_be():
    for line in ("/proc/meminfo", "network/home/x", "https://pypi.org/project/aios-planner", "examples/home/x", "a//b"):
        assert not [what for what, pattern in _FORBIDDEN.items() if pattern.search(line)], line


@pytest.mark.parametrize("name", ["intent", "fleet", "device", "table", "calibration", "policy", "test"])
def test_a_checked_in_schema_is_what_the_code_makes(name):
    from aios.fidelity.keeping import CalibrationDocument
    from aios.fleet.forms.fleet import DeviceForm, FleetForm
    from aios.intents.written import IntentForm
    from aios.policy import PolicyForm
    from aios.records.document import schema_text
    from aios.tables.written import FormDocument
    from aios.trials import TestForm

    form, title = {
        "intent": (IntentForm, "aios intent"),
        "fleet": (FleetForm, "aios fleet"),
        "device": (DeviceForm, "aios device type"),
        "table": (FormDocument, "aios table"),
        "calibration": (CalibrationDocument, "aios calibration"),
        "policy": (PolicyForm, "aios policy"),
        "test": (TestForm, "aios test"),
    }[name]
    written = (root() / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8")
    assert written == schema_text(form, title, f"aios/v1/{name}.schema.json")


def test_the_device_catalogue_can_be_read_whole():
    catalogue = load_catalogue(root() / "hardware")
    files = sorted((root() / "hardware").glob("*/*.yaml"))
    assert sorted(catalogue) == sorted(path.stem for path in files)


def test_every_yaml_file_of_the_project_can_be_parsed():
    for folder in ("intents", "examples", "hardware"):
        for path in sorted((ROOT / folder).glob("**/*.yaml")):
            if not {".aios", "profiles"} & set(path.parts):
                assert parse(path.read_bytes(), str(path)), path


def test_the_changelog_tells_what_changed():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    section = re.search(r"^## \[(?:Unreleased|\d+\.\d+\.\d+)\].*?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section
    assert re.search(r"^- \S", section[1], re.MULTILINE)


def commands_of(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "aios.cli.main", *arguments, "--help"], capture_output=True, text=True, check=True
    )
    listed = done.stdout.partition("Commands:\n")[2].partition("\n\n")[0]
    return re.findall(r"^  ([a-z-]+) ", listed, re.MULTILINE)


def test_every_command_is_told_of():
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    commands = commands_of()
    assert {"plan", "apply", "verify", "model"} <= set(commands)
    wanted = [name for name in commands if name != "model"] + [f"model {name}" for name in commands_of("model")]
    untold = [name for name in wanted if not re.search(rf"\baios {name}\b", text)]
    assert not untold, f"neither docs/ nor README.md mention: {untold}"


def test_no_page_tells_of_a_command_that_is_not_there():
    known = {*commands_of(), "COMMAND"}
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md")]:
        for name in re.findall(r"(?:`|\$ )aios ([A-Za-z-]+)", page.read_text(encoding="utf-8")):
            assert name in known or name.startswith("-"), f"{page.name} tells of `aios {name}`"
