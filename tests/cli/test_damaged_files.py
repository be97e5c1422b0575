"""Files that aios wrote itself and finds damaged: states, plans and measurements that cannot be trusted."""

import shutil
import subprocess

import pytest
from refusals import refused, untouched

pytestmark = pytest.mark.usefixtures("fleet")


def test_a_state_that_cannot_be_trusted(aios, asked):
    aios.write("intent.yaml", asked(pin="{executor: dryrun}"))
    assert aios("apply", "intent.yaml", "--yes").code == 0
    state = aios.place / ".aios" / "state.json"
    sound = state.read_text()
    damages = {
        "is damaged: it is no JSON": sound[:300],
        "checksum does not match": sound.replace("fp32", "int8"),
        "was written by a newer aios": sound.replace('"version": 2', '"version": 3', 1),
    }
    for word, text in damages.items():
        state.write_text(text)
        for command in (["status"], ["apply", "intent.yaml", "--yes"]):
            ran = aios(*command)
            assert ran.code == 4, ran.err
            assert word in ran.err
            assert "remedy" in ran.err
        assert state.read_text() == text, "never overwritten"
    state.unlink()
    ran = refused(aios("destroy", "--yes"), 4, "is gone, but its backup is there")
    way_back = next(line for line in ran.err.splitlines() if line.startswith("  run"))
    subprocess.run(way_back.split(maxsplit=1)[1], shell=True, cwd=aios.place, check=True)
    assert aios("status").code == 0, "the way back leads back"
    state.write_text(sound)


def test_plans_that_cannot_be_trusted(aios, asked):
    aios.write("intent.yaml", asked(pin="{executor: dryrun}"))
    assert aios("plan", "intent.yaml", "-o", "plan.json").code == 0
    sound = (aios.place / "plan.json").read_text()
    for text, word in (
        (sound[:-20], "is damaged"),
        (sound.replace('"format_version": "1.5"', '"format_version": "2.0"'), "has format 2.0"),
        (sound.replace('"threads": 1', '"threads": 2'), "was changed after it was made"),
        ("[]", "is no plan"),
    ):
        aios.write("bad.json", text)
        refused(aios("apply", "bad.json"), 1, word, "bad.json", "aios plan")
    (aios.place / "bad.json").write_bytes(b"\xff\xfe\x00")
    refused(aios("apply", "bad.json"), 1, "is no plan")
    refused(aios("apply", "none.json"), 1, "there is no plan none.json", "aios plan PATH -o none.json")
    refused(aios("plan", "plan.json"), 1, "is a saved plan, not an intent", "aios apply plan.json")
    options = ["--fleet", "fleet.yaml", "--keep-others", "--state", "s.json", "--profiles", "p"]
    refused(aios("apply", "plan.json", *options), 64, "without --fleet, --state, --profiles, --keep-others")
    refused(aios("apply", "plan.json", "intent.yaml"), 64, "without other files")
    untouched(aios)
    shutil.copy(aios.place / "plan.json", aios.place / "saved.txt")
    assert aios("apply", "saved.txt").code == 0, "a plan is one whatever its file is called"


def test_damaged_measurements(aios, asked):
    aios.write("intent.yaml", asked())
    aios.write("profiles/two-cores/service-0000000000000000.json", '{"subject": {')
    ran = refused(aios("plan", "intent.yaml"), 1, "is no measurement", "restore it from version control")
    assert "profiles/two-cores/service-0000000000000000.json" in ran.err
