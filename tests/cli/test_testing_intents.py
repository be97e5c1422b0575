"""aios test: cases beside intents on emulated fleets, as a pipeline and as a person meet them."""

import shutil
from pathlib import Path

import defusedxml.ElementTree
import pytest

from aios.cli.junit import junit_text
from aios.records.base import Span
from aios.records.errors import Diagnostic
from aios.workflow.testing import Outcome

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "described-fleet"
HEAD = "apiVersion: aios/v1\nkind: Test\nmetadata: {name: pictures}\nspec:\n  intents: intent.yaml\n  cases:\n"
SMALL_FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: small}
spec:
  nodes:
    - {name: n, count: 2, cpu: 4, memory: 8 GiB, devices: [{type: frugal}]}
    - {name: big, cpu: 4, memory: 8 GiB, devices: [{type: strong}]}
  devices:
    - {name: frugal, kind: npu, cores: 4, peak: {fp32: 2 TFLOP/s}, bandwidth: 20 GB/s, tdp: 4 W, idle: 1 W}
    - {name: strong, kind: gpu, peak: {fp32: 20 TFLOP/s}, memory: 8 GB, bandwidth: 300 GB/s, tdp: 70 W, idle: 9 W}
"""
INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: pictures, labels: {environment: production}}
spec:
  task: image-classification
  model: ./models/resnet18.onnx
  load: {rate: 5/s}
  require: {latency: {p99: 200 ms}}
  goal: minimize power
  pin: {precision: fp32}
"""


@pytest.fixture
def tests(aios):
    """A folder with an intent and a fleet; returns what writes cases and runs them."""
    (aios.place / "models").mkdir()
    shutil.copy(EXAMPLE / "models" / "resnet18.onnx", aios.place / "models")
    aios.write("intent.yaml", INTENT)
    aios.write("fleet.yaml", SMALL_FLEET)

    def run(cases, *options):
        aios.write("pictures.test.yaml", HEAD + cases)
        return aios("test", *options)

    return run


GOOD = """\
    - name: the npu is chosen
      expect:
        each: {kind: npu, node: n, replicas: 1, bounds: [latency.p99 < 200 ms, power < 4 W]}
        objective: power < 4 W
        total: [power < 4 W, nodes == 1]
        holds: ['plan.decisions.all(d, d.precision == "fp32")', plan.replicas == 1]
    - name: one machine less
      without: {nodes: n-0}
      expect: {each: {kind: npu}}
    - name: without all of them
      without: {nodes: [n]}
      expect: {intents: {pictures: {kind: gpu, device: strong}}}
    - name: more than all can carry
      load: {pictures: {rate: 90000/s}}
      expect: {conflict: throughput}
    - name: in less time than light takes
      set: {intents.pictures.require.latency.p99: 1 us}
      expect: infeasible
    - name: another fleet
      fleet: {nodes: [{name: a, cpu: 8, memory: 8 GiB, devices: [{type: nvidia-l4}]}]}
      set: {nodes.a.count: 2}
      expect: {each: {device: nvidia-l4}}
"""


def test_cases_on_emulated_fleets_pass_and_nothing_is_written(aios, tests):
    before = {path: path.stat().st_mtime_ns for path in aios.place.rglob("*")}
    ran = tests(GOOD, "--json")
    assert ran.code == 0, ran.out
    assert ran.json["counts"] == {"passed": 6, "failed": 0, "broken": 0}
    after = {path: path.stat().st_mtime_ns for path in aios.place.rglob("*")}
    assert {path for path in after if after[path] != before.get(path)} <= {aios.place / "pictures.test.yaml"}
    again = aios("test", "--json")
    assert again.out == ran.out, "the same files give the same bytes"


BAD = """\
    - name: a gpu is chosen
      expect:
        each: {kind: gpu, bounds: [power < 10 mW]}
        holds: plan.replicas == 2
    - name: it does not fit
      expect: infeasible
    - name: nobody knows
      expect: {each: {bounds: cost < 1 USD/h}}
    - name: a node that is not there
      without: {nodes: m}
      expect: feasible
    - name: a field that is not there
      set: {intents.pictures.load.rte: 5/s}
      expect: feasible
    - name: works
      expect: feasible
"""


def test_what_fails_says_what_was_expected_what_seen_and_where(aios, tests):
    ran = tests(BAD, "--junit", "report.xml")
    assert ran.code == 1
    assert ran.out.splitlines()[-1] == "1 passed, 3 failed, 2 broken"
    for told in (
        "expected pictures: kind gpu",
        "seen: npu",
        "expected pictures: power < 10 mW",
        "expected plan.replicas == 2",
        "seen: plan.replicas = 1",
        "at pictures.test.yaml:9:22",
        "expected infeasible",
        "seen: unknown",
        "planned pictures: resnet18 fp32 on frugal, 1 replica at n-0",
        "the fleet has no node `m`",
        "unknown field `rte`",
        "at pictures.test.yaml:19:13",
        "did you mean `rate`?",
    ):
        assert told in ran.out, told
    root = defusedxml.ElementTree.parse(aios.place / "report.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("6", "3", "2")
    cases = root.findall("./testsuite/testcase")
    assert [case.get("name") for case in cases][:2] == ["a gpu is chosen", "it does not fit"]
    assert len(root.findall(".//failure")) == 3
    assert len(root.findall(".//error")) == 2


def test_policies_beside_the_intents_hold_in_every_case_unless_it_expects_otherwise(aios, tests):
    aios.write(
        "policy.yaml",
        "apiVersion: aios/v1\nkind: Policy\nmetadata: {name: gate}\nspec:\n  rules:\n"
        "    - {name: two, for: decision, labels: {environment: production}, deny: decision.replicas < 2}\n"
        '    - {name: frugal, warn: \'plan.totals["power"].high > quantity("1 kW")\'}\n',
    )
    ran = tests(
        "    - {name: denied, expect: {deny: two, keep: gate/frugal}}\n"
        "    - {name: denied unexpectedly, expect: feasible}\n"
        "    - {name: no such rule, expect: {deny: tow}}\n"
        "    - {name: staging, set: {intents.pictures.pin.replicas: 2}, expect: {keep: two}}\n"
        "    - name: a fragment\n"
        "      plan: {decisions: [{intent: a, replicas: 1, labels: {}}], totals: {power: {high: 2000}}}\n"
        "      expect: {keep: two, warn: frugal}\n"
        "    - name: a fragment that fits nothing\n"
        "      plan: {decisions: [{intnt: a}]}\n"
        "      expect: {keep: two}\n",
        "--json",
    )
    status = {case["name"]: case["status"] for case in ran.json["cases"]}
    assert status == {
        "denied": "passed",
        "denied unexpectedly": "failed",
        "no such rule": "failed",
        "staging": "passed",
        "a fragment": "passed",
        "a fragment that fits nothing": "broken",
    }
    told = {case["name"]: str(case["told"]) for case in ran.json["cases"]}
    assert "did you mean `two`" in told["no such rule"]
    assert "intnt" in told["a fragment that fits nothing"]


def test_mistakes_of_test_files_are_told_before_the_first_case(aios, tests):
    ran = tests("    - {name: a, expect: {holds: plan.decsions.size() > 1}}\n    - {name: b, expect: feasible}\n")
    assert ran.code == 1
    assert "pictures.test.yaml:7:38" in ran.err
    assert "did you mean `decisions`?" in ran.err
    assert ran.out == ""
    aios.write("other.test.yaml", "kind: Test\napiVersion: aios/v1\nmetadata: {name: X}\nspec: {cases: []}\n")
    ran = tests("    - {name: a, expct: feasible}\n")
    assert ran.code == 1
    assert "other.test.yaml" in ran.err
    assert "pictures.test.yaml" in ran.err


@pytest.mark.parametrize(
    ("pattern", "code", "count"), [("npu", 0, 1), ("pictures.test.yaml: an*", 0, 1), ("xyz", 1, 0)]
)
def test_some_cases_alone(tests, pattern, code, count):
    ran = tests(GOOD, "--filter", pattern, "--json")
    assert ran.code == code
    assert len(ran.json.get("cases", [])) == count


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere.test.yaml",), "there is no file nowhere.test.yaml"),
        (("empty",), "no tests in empty"),
        (("intent.yaml",), "a document of kind Intent is no test"),
    ],
)
def test_paths_without_tests_are_told(aios, tests, arguments, told):
    tests(GOOD, "--filter", "nothing")
    (aios.place / "empty").mkdir()
    ran = aios("test", *arguments)
    assert ran.code == 1
    assert told in ran.err


def test_a_test_file_among_intents_is_passed_over_and_named_is_told(aios, tests):
    tests(GOOD, "--filter", "nothing")
    assert aios("validate", ".").code == 0
    ran = aios("validate", "pictures.test.yaml")
    assert ran.code == 1
    assert "aios test" in ran.err


def test_what_nobody_sees_is_refused_in_a_test_file(tests):
    ran = tests('    - {name: "bad \\e[31m name", expect: infeasible}\n', "--junit", "report.xml")
    assert ran.code == 1
    assert "U+001B" in ran.err
    assert "\x1b" not in ran.err


def test_a_report_is_well_formed_whatever_stands_in_it(tmp_path):
    where = Span(file="a\x00.test.yaml", line=1, column=1)
    told = (Diagnostic(summary="<b>\x1b[31m&\ud800</b>", where=where),)
    outcome = Outcome("a\x00.test.yaml", "]]> \x01 \uffff name", where, "failed", told, (), 0.5)
    (tmp_path / "report.xml").write_text(junit_text([outcome]), encoding="utf-8")
    root = defusedxml.ElementTree.parse(tmp_path / "report.xml").getroot()
    assert root.find(".//testcase").get("name") == "]]> ? ? name"
    assert root.find(".//failure").get("message") == "expected <b>?[31m&?</b>".removeprefix("expected ")


def test_an_expression_may_be_written_over_several_lines(aios, tests):
    aios.write(
        "policy.yaml",
        "apiVersion: aios/v1\nkind: Policy\nmetadata: {name: gate}\nspec:\n  rules:\n    - name: r\n      warn: |\n"
        "        plan.moves > 3 ||  // a comment\n        plan.replicas < 2\n",
    )
    ran = tests("    - name: a\n      expect:\n        warn: r\n        holds: |\n          plan.replicas == 1\n")
    assert ran.code == 0, ran.out + ran.err
