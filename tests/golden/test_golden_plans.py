"""Whole plans, as documents and as people read them: a case is a folder with what goes in and what must come out."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/intent.yaml"))
AIOS = str(Path(sys.executable).with_name("aios"))


def run(case, *options):
    """Plan the case in its own folder; the model cache is kept elsewhere so that nothing is written there."""
    environment = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "NO_COLOR")}
    command = [AIOS, "plan", "intent.yaml", "--fleet", "fleet.yaml", "--profiles", "profiles", *options]
    return subprocess.run(command, cwd=case, capture_output=True, text=True, check=False, env=environment)


def without_seconds(words):
    return re.sub(r"solved in [\d.]+ s", "solved in # s", words)


def settle(path, now, accept):
    if accept:
        path.write_text(now)
    assert now == path.read_text(), f"{path} differs: run with --accept-golden if it is meant to"


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_plan(case, accept, tmp_path):
    state = tmp_path / "state.json"
    if (case / "state.json").exists():
        state.write_bytes((case / "state.json").read_bytes())
    into = tmp_path / "plan.json"
    ran = run(case, "--state", str(state), "--json-into", str(into))
    document = into.read_text().replace(str(state), "STATE")
    words = without_seconds(ran.stdout).replace(str(state), "STATE")
    # The id is the digest of a document that names the state's place.
    document = re.sub(r'"id": "sha256:[0-9a-f]{64}"', '"id": "ID"', document, count=1)
    # That of what was measured and learnt changes whenever what ships is learnt anew, though no number here need do so.
    document = re.sub(r'"profiles": "sha256:[0-9a-f]{64}"', '"profiles": "DIGEST"', document, count=1)
    document = re.sub(r'("[a-z]+-[\w.-]+\.yaml": )"sha256:[0-9a-f]{8}"', r'\1"DIGEST"', document)
    settle(case / "plan.json", document, accept)
    settle(case / "plan.txt", f"{words}exit code {ran.returncode}\n", accept)
    assert json.loads(document)["status"] in ("optimal", "infeasible")
