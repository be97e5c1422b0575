"""The contract of the command line: exit codes, streams, JSON, help."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.usefixtures("fleet")

INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {{name: digits}}
spec:
  task: image-classification
  model: {{anyOf: [{models}/digits-s.onnx, {models}/digits-m.onnx]}}
  load: {{rate: 20/s}}
  require:
    latency: {{p99: {p99}}}
    accuracy: {{top1: 90 %}}
  goal: minimize power
"""


def intent(digits, p99="50 ms"):
    return INTENT.format(models=digits / "models", p99=p99)


def test_version_and_help(aios):
    assert aios("--version").out.startswith("aios ")
    top = aios("--help")
    assert top.code == 0
    assert "Exit codes: 0 done" in " ".join(top.out.split())
    commands = ["init", "validate", "plan", "candidates", "profile", "apply", "status", "destroy", "verify", "schema"]
    for command in [*commands, "plugins", "demo"]:
        shown = aios(command, "--help")
        assert shown.code == 0
        assert "Example" in shown.out, f"{command} --help shows an example"


@pytest.mark.parametrize("arguments", [["frobnicate"], ["plan", "--nonsense"], ["verify", "--seconds", "soon"]])
def test_wrong_command_line(aios, arguments):
    ran = aios(*arguments)
    assert ran.code == 64
    assert ran.out == ""
    assert "error:" in ran.err


def test_unknown_kind_and_missing_file_are_reported_together(aios):
    aios.write("a.yaml", "apiVersion: aios/v1\nkind: Intend\nmetadata: {name: x}\n")
    ran = aios("validate", "a.yaml", "b.yaml")
    assert ran.code == 1
    assert "did you mean `Intent`?" in ran.err
    assert "a.yaml:2:" in ran.err
    assert "there is no file b.yaml" in ran.err


def test_all_mistakes_of_a_file_at_once(aios, digits):
    text = intent(digits).replace("p99: 50 ms", "p99: 5 W").replace("rate: 20/s", "rte: 20/s")
    aios.write("intent.yaml", text)
    ran = aios("plan", "intent.yaml")
    assert ran.code == 1
    assert "intent.yaml:9:" in ran.err
    assert "`rate`" in ran.err
    assert "5 W is a power, but a time is wanted here" in ran.err
    assert ran.err.count("^") == 2


def test_plan_reads_standard_input(aios, digits):
    ran = aios("plan", "-", "--json", stdin=intent(digits))
    assert ran.code == 0, ran.err
    assert ran.json["decisions"][0]["intent"] == "digits"


def test_plan_document(aios, digits):
    aios.write("intent.yaml", intent(digits))
    ran = aios("plan", "intent.yaml", "--json", "--json-into", "into.json", "-o", "plan.json")
    assert ran.code == 0, ran.err
    plan = ran.json
    assert (
        plan == json.loads((aios.place / "into.json").read_text()) == json.loads((aios.place / "plan.json").read_text())
    )
    assert plan["format_version"] == "1.5"
    assert plan["status"] == "optimal"
    assert set(plan["inputs"]) == {"intents", "fleet", "models", "profiles", "catalogue", "state"}
    (decision,) = plan["decisions"]
    (place,) = decision["placement"]
    assert place["node"] == "local"
    assert place["devices"] == ["cpu0"]
    assert place["share"] == decision["threads"] / 2
    assert decision["estimates"]["latency.p99"]["unit"] == "s"
    (goal,) = plan["objective"]
    assert goal["gap"] == 0
    assert goal["value"] == pytest.approx(decision["estimates"]["power"]["value"])
    assert [action["action"] for action in plan["actions"]] == ["create"]


def test_same_inputs_same_bytes(aios, digits):
    aios.write("intent.yaml", intent(digits))
    runs = {aios.apart("plan", "intent.yaml", "--json", PYTHONHASHSEED=seed).out for seed in ("1", "2", "3")}
    assert len(runs) == 1


def test_detailed_exitcode(aios, digits):
    aios.write("intent.yaml", intent(digits))
    assert aios("plan", "intent.yaml", "--detailed-exitcode").code == 2


def test_infeasible_names_the_line_and_what_would_do(aios, digits):
    aios.write("intent.yaml", intent(digits, p99="1 us"))
    ran = aios("plan", "intent.yaml")
    assert ran.code == 3
    assert "infeasible" in ran.out
    assert "latency.p99 <= 1 us  intent.yaml:9:" in ran.out
    document = aios("plan", "intent.yaml", "--json")
    assert document.code == 3
    (relaxation,) = document.json["conflict"]["relaxations"]
    aios.write("intent.yaml", intent(digits, p99=relaxation["to"]))
    assert aios("plan", "intent.yaml").code == 0, "the stated relaxation suffices"


def test_candidates_are_enough_to_recompute_the_optimum(aios, digits):
    aios.write("intent.yaml", intent(digits))
    found = aios("candidates", "intent.yaml", "--json").json["candidates"]
    feasible = [
        item["estimates"]["power"]["value"]
        for item in found
        if item["estimates"].get("latency.p99", {"high": 9})["high"] <= 0.05
        and item["estimates"].get("accuracy.top1", {"low": 0})["low"] >= 0.9
    ]
    plan = aios("plan", "intent.yaml", "--json").json
    assert plan["objective"][0]["value"] == pytest.approx(min(feasible))
    assert all(item["feasible"] or item["out"] for item in found)


def test_apply_without_a_terminal_needs_approval(aios, digits):
    aios.write("intent.yaml", intent(digits))
    ran = aios("apply", "intent.yaml")
    assert ran.code == 64
    assert "--yes" in ran.err


def test_nothing_applied(aios):
    assert "nothing is applied" in aios("status").out
    assert aios("status", "--json").json == {"resources": [], "unfinished_run": None, "at_work": None}
    assert aios("destroy", "--yes").code == 0
    assert aios("verify").code == 1


def test_output_without_colour_unless_forced(aios, digits):
    aios.write("intent.yaml", intent(digits))
    assert "\x1b[" not in aios("plan", "intent.yaml").out
    assert "\x1b[" in aios("plan", "intent.yaml", FORCE_COLOR="1").out
    assert "\x1b[" not in aios("plan", "intent.yaml", FORCE_COLOR="1", NO_COLOR="1").out


def test_a_reader_that_goes_away_is_no_error(aios, digits):
    aios.write("intent.yaml", intent(digits))
    command = f"{sys.executable} -m aios.cli.main candidates intent.yaml --json; echo $? >&2"
    done = subprocess.run(
        ["sh", "-c", f"({command}) | head -c 10 > /dev/null"],
        cwd=aios.place,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.strip() == "0"


@pytest.mark.parametrize("command", [["--version"], ["candidates", "intent.yaml", "--json"]])
def test_a_reader_that_never_was_there_is_no_error(aios, digits, command):
    # What is printed at once, and what is more than goes into a buffer and so fails in the middle.
    aios.write("intent.yaml", intent(digits))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        given = [sys.executable, "-m", "aios.cli.main", *command]
        done = subprocess.run(given, cwd=aios.place, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("redirected", "code", "said"),
    [
        ("> /dev/full", 6, "error: standard output cannot be written: No space left on device"),
        (">&-", 0, ""),
        ("2>&- > /dev/null", 0, ""),
    ],
)
@pytest.mark.parametrize("command", ["hardware list", "hardware list --json", "hardware list --vendor hailo"])
def test_output_that_goes_nowhere(aios, command, redirected, code, said):
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m aios.cli.main {command} {redirected}"],
        cwd=aios.place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.strip(), done.stdout) == (code, said, "")


def test_characters_that_the_terminal_lacks_are_spelled_out(aios):
    nodes = "[{name: box, devices: [{type: nvidia-t4, count: 2}], topology: {kind: full, bandwidth: 10 GB/s}}]"
    aios.write("box.yaml", f"apiVersion: aios/v1\nkind: Fleet\nmetadata: {{name: box}}\nspec: {{nodes: {nodes}}}\n")
    for encoding in ("ascii", "latin-1"):
        shown = aios.apart("hardware", "topology", "--fleet", "box.yaml", PYTHONIOENCODING=encoding)
        assert shown.code == 0, shown.err
        assert "\\u2514\\u2500 full" in shown.out


def test_model_inspect(aios, digits):
    ran = aios("model", "inspect", digits / "models" / "digits-s.onnx", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["batch_axis"] == 0
    assert ran.json["unknown_operators"] == {}
    words = aios("model", "inspect", digits / "models" / "digits-s.onnx")
    assert "parameters" in words.out
    assert aios("model", "inspect", "nothing.onnx").code == 1


def test_schemas_and_plugins(aios):
    assert aios("schema").out.split() == ["calibration", "device", "fleet", "intent", "policy", "table", "test"]
    assert json.loads(aios("schema", "intent").out)["$schema"].endswith("2020-12/schema")
    assert aios("schema", "plan").code == 1
    assert {"onnxruntime", "dryrun"} <= {item["name"] for item in aios("plugins", "--json").json}


def test_completion_is_there(aios):
    ran = aios.apart("--show-completion", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert ran.code in (0, 64) or "bash" in ran.out


def test_a_mistaken_option_is_answered_with_the_help_of_its_command(aios):
    assert "run `aios pareto --help`\n" in aios("pareto", "--nothing", "x.yaml").err
    assert "run `aios model list --help`\n" in aios("model", "list", "--nothing").err
    assert "run `aios --help`\n" in aios("nothing").err
