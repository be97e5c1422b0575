"""diff, as a user runs it, and how demands read in it."""

import json
import shutil
from pathlib import Path

import pytest

from aios.cli.differing import intent_words
from aios.cli.planwords import INPUT_WORDS
from aios.cli.words import Ink
from aios.records.differences import IntentChange, Move
from aios.records.plan import Inputs

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "plan" / "golden"


class Plain:
    """A stream that is no terminal."""

    def isatty(self):
        return False


def told(**fields):
    change = IntentChange(
        **{"intent": "etl", "what": "changed", "before": "on nvidia-t4", "after": "on nvidia-t4"} | fields
    )
    return intent_words([change], Ink(Plain())).splitlines()


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"replicas": (12, 9), "refused": (0, 3)}, "~ etl: 12 -> 9 copies on nvidia-t4 (3 refused)"),
        ({"replicas": (9, 12), "refused": (3, 0)}, "~ etl: 9 -> 12 copies on nvidia-t4 (3 -> 0 refused)"),
        ({"replicas": (1, 1)}, "~ etl: 1 copy on nvidia-t4"),
        ({"replicas": (2, 2), "after": "on nvidia-l4"}, "~ etl: on nvidia-t4 -> on nvidia-l4, 2 copies"),
        ({"replicas": (0, 2), "what": "added", "before": None}, "+ etl: on nvidia-t4, 2 copies"),
        ({"replicas": (2, 0), "what": "removed", "after": None}, "- etl: no longer run: on nvidia-t4, 2 copies"),
        ({"replicas": (0, 0), "before": None, "after": None, "refused": (2, 5)}, "~ etl: not run (2 -> 5 refused)"),
        ({"replicas": (1, 2), "before": "m fp16 on a", "after": "m fp16 on a"}, "~ etl: m fp16 on a, 1 -> 2 replicas"),
    ],
)
def test_the_first_line_says_what_runs_and_how_often(fields, line):
    assert told(**fields) == [line]


def test_many_moves_are_told_by_the_first_ones():
    moves = [Move(replicas=2, before=f"a-{number}[0]", after=f"b-{number}[0]") for number in range(9)]
    (_, line) = told(replicas=(18, 18), moves=moves)
    assert line.strip().startswith("placed 2 x a-0[0] -> b-0[0]; ")
    assert line.endswith("2 x a-4[0] -> b-4[0]; and 8 more")
    moves = [Move(replicas=1, before=None, after="a[0]"), Move(replicas=3, before="b[0]", after=None)]
    assert told(replicas=(4, 2), moves=moves)[1].strip() == "placed added on a[0]; taken off 3 x b[0]"


def test_plans_of_other_formats_hold_no_difference(aios):
    done = aios("diff", GOLDEN / "plan-1.0.json", GOLDEN / "plan-1.2.json", "--detailed-exitcode")
    assert done.code == 0
    assert done.out.startswith("no difference: both plans decide and promise the same")
    assert aios("diff", GOLDEN / "plan-1.2.json", GOLDEN / "plan-1.2.json", "--json").json["same"] is True


def test_every_damaged_plan_is_told_at_once(aios):
    text = (GOLDEN / "plan-1.3.json").read_text()
    aios.write("cut.json", text[:500])
    aios.write("edited.json", text.replace('"batch": 1', '"batch": 2'))
    aios.write("newer.json", text.replace('"format_version": "1.3"', '"format_version": "2.0"'))
    done = aios("diff", "cut.json", "edited.json", "--json")
    assert done.code == 1
    assert [item["summary"] for item in done.json["errors"]] == [
        "the plan is damaged: it is no JSON", "the plan edited.json was changed after it was made",
    ]  # fmt: skip
    done = aios("diff", "newer.json", "missing.json")
    assert done.code == 1
    assert "has format 2.0" in done.err
    assert "there is no plan missing.json" in done.err
    assert "Traceback" not in done.err


def test_a_plan_and_another(aios):
    examples = ROOT / "examples" / "described-fleet"
    for name in ("intent", "low-power"):
        made = aios("plan", examples / f"{name}.yaml", "-o", f"{name}.json")
        assert made.code == 0, made.err
    done = aios("diff", "intent.json", "low-power.json", "--detailed-exitcode", "--json-into", "diff.json")
    assert done.code == 2
    assert "resnet50 int8-static on hailo-8 -> resnet18 int8-static on raspberry-pi-5-8gb, 1 replica" in done.out
    assert "because device hailo-8 is left out: the intent excludes hailo-8" in done.out
    assert "placed edge-npu[0] -> edge-cpu[cpu0]" in done.out
    found = json.loads((aios.place / "diff.json").read_text())
    (change,) = found["intents"]
    assert (found["same"], found["inputs"]) == (False, ["intents"])
    assert {row["field"]: row["after"] for row in change["fields"]}["device"] == "raspberry-pi-5-8gb"
    earlier, later = (json.loads((aios.place / f"{name}.json").read_text()) for name in ("intent", "low-power"))
    stated = {row["metric"]: (row["before"], row["after"]) for row in change["estimates"]}
    for name, (before, after) in stated.items():
        assert before == earlier["decisions"][0]["estimates"][name]["value"]
        assert after == later["decisions"][0]["estimates"][name]["value"]
    assert {row["goal"] for row in found["goals"]} == {*earlier["goals"], *later["goals"]}
    shutil.copy(aios.place / "intent.json", aios.place / "again.json")
    same = aios("diff", "intent.json", "again.json", "--detailed-exitcode")
    assert (same.code, same.out) == (0, "no difference: both plans decide and promise the same\n")


def test_every_input_of_a_plan_has_a_name_for_people():
    assert set(INPUT_WORDS) == set(Inputs.model_fields)
