"""Whole plans, as documents and as people read them: a case is a folder with what goes in and what must come out."""

import json
import re
from pathlib import Path

import pytest
from in_process import run

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/intent.yaml"))


def planned(case, *options):
    """Plan the case in its own folder; the model cache is kept elsewhere so that nothing is written there."""
    command = ["plan", "intent.yaml", "--fleet", "fleet.yaml", "--profiles", "profiles", *options]
    return run(case, command, {"NO_COLOR": "1"})


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
    ran = planned(case, "--state", str(state), "--json-into", str(into))
    document = into.read_text().replace(str(state), "STATE")
    words = without_seconds(ran.out).replace(str(state), "STATE")
    # The id is the digest of a document that names the state's place.
    document = re.sub(r'"id": "sha256:[0-9a-f]{64}"', '"id": "ID"', document, count=1)
    # That of what was measured and learnt changes whenever what ships is learnt anew, though no number here need do so.
    document = re.sub(r'"profiles": "sha256:[0-9a-f]{64}"', '"profiles": "DIGEST"', document, count=1)
    document = re.sub(r'("[a-z]+-[\w.-]+\.yaml": )"sha256:[0-9a-f]{8}"', r'\1"DIGEST"', document)
    settle(case / "plan.json", document, accept)
    settle(case / "plan.txt", f"{words}exit code {ran.code}\n", accept)
    assert json.loads(document)["status"] in ("optimal", "infeasible")
