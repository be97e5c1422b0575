"""What plans that do not come about, or leave something open, tell: near misses first, overloads by name, and why."""

import math
import sys
import time
from pathlib import Path

import pytest

from aios.cli.candidates import option_table
from aios.cli.output import metric_text
from aios.cli.planning import plan_words
from aios.cli.progress import Progress
from aios.cli.words import Ink
from aios.records.metrics import ENDLESS_S
from aios.workflow.explaining import explain
from aios.workflow.planning import make_plan
from aios.workflow.ranking import broken, ranked
from aios.workflow.setting import Setting

EXAMPLES = Path(__file__).parents[2] / "examples"
INTENT = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: look}
spec:
  task: image-classification
  model: {card: %s}
  goal: %s
%s"""
FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: boards}
spec:
  devices:
    - {name: nameless, kind: fpga}
  nodes:
    - {name: a, cpu: 4, memory: 8 GiB, devices: [{type: %s}]}
"""


def setting(
    folder, device="raspberry-pi-5-8gb", model="resnet50", more="  load: {rate: 1/s}\n", goal="minimize latency.mean"
):
    (folder / "intent.yaml").write_text(INTENT % (model, goal, more))
    (folder / "fleet.yaml").write_text(FLEET % device)
    return Setting(paths=(str(folder / "intent.yaml"),), profiles=folder / "profiles", state=folder / "state.json")


@pytest.fixture(scope="module")
def impossible(tmp_path_factory):
    place = tmp_path_factory.mktemp("impossible")
    paths = (str(EXAMPLES / "described-fleet" / "impossible.yaml"),)
    return explain(Setting(paths=paths, profiles=place / "profiles", state=place / "state.json"))


def test_where_nothing_meets_all_bounds_the_nearest_miss_comes_first(impossible):
    """The least, over options, of the largest factor by which a bound is missed, computed once more from estimates."""
    considered = impossible.planned.considered
    (intent,) = considered.given.intents
    options = considered.options[intent.name]

    def off(option):
        ends = [(option.estimates.get(item.metric), item) for item in intent.require]
        if any(estimate is None for estimate, _ in ends):
            return math.inf
        return max(
            item.bound / estimate.low if item.metric == "throughput" else estimate.high / item.bound
            for estimate, item in ends
        )

    assert impossible.planned.plan.status == "infeasible"
    order = ranked(options, intent)
    assert off(order[0]) == min(map(off, options))
    assert off(order[0]) > 1
    known = [off(item) for item in order if off(item) < ENDLESS_S]
    assert known == [off(item) for item in order[: len(known)]] == sorted(known)


def test_explain_takes_the_nearest_miss_apart(impossible):
    (intent,) = impossible.planned.considered.given.intents
    nearest = ranked(impossible.planned.considered.options[intent.name], intent)[0]
    (told,) = impossible.explanations
    assert told.candidate == nearest.candidate.id
    assert told.accounts[0].metric == "latency.mean"
    assert told.unknown == ()


def test_a_stated_time_is_explained_whatever_the_device_states(tmp_path):
    """Of the accelerator no memory bandwidth is published; its time is learnt, and told by what it was learnt for."""
    option = "hailo-8l"
    (told,) = explain(setting(tmp_path, option, "mobilenetv2_100")).explanations
    assert told.unknown == ()
    request, call, *_ = told.accounts
    assert call.total == pytest.approx(request.pieces[0].value)
    assert sum(piece.value for piece in call.pieces) == pytest.approx(call.total)
    assert "compute" in {piece.bound for piece in call.pieces}


def test_an_overload_is_called_so(tmp_path):
    planned = make_plan(setting(tmp_path, more="  load: {rate: 100000/s}\n"))
    (intent,) = planned.considered.given.intents
    options = planned.considered.options["look"]
    assert options
    assert all(option.overloaded_by(100000.0) for option in options)
    told = option_table(options[:1], intent, Ink(sys.stdout)).splitlines()[1]
    assert "overloaded" in told
    assert "unknown" not in told
    words = plan_words(planned)
    assert "note: No option sustains the load of look." in words
    assert "aios profile" not in words
    assert metric_text("latency.p99", 3636.0) == "overloaded"
    assert metric_text("time", 3600.0) == "1 h"


def test_a_plan_without_a_number_says_why(tmp_path):
    planned = make_plan(setting(tmp_path, "nameless", more="", goal="minimize energy"))
    words = plan_words(planned)
    reason = planned.selection.chosen["look"].unknown["energy"]
    assert f"unknown look: energy: {reason}" in words
    assert "minimize unknown energy: 1 intent" in words


def test_a_quantised_language_model_is_not_judged_in_silence(tmp_path):
    asked = "  load: {rate: 1/s, prompt: 512, output: 128}\n  pin: {precision: %s}\n"
    told = {
        precision: plan_words(make_plan(setting(tmp_path, "nvidia-l4", "Qwen/Qwen3-0.6B", asked % precision)))
        for precision in ("int4", "bf16")
    }
    assert "answers in int4 is not judged" in told["int4"]
    assert "is not judged" not in told["bf16"]


def test_an_architecture_that_nobody_knows_is_marked_in_the_plan(tmp_path):
    sizes = '"hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "intermediate_size": 2048'
    (tmp_path / "config.json").write_text(f'{{"model_type": "foobar", "vocab_size": 32000, {sizes}}}')
    made = setting(tmp_path, "nvidia-l4", more="  load: {rate: 1/s, prompt: 512, output: 128}\n")
    intent = (tmp_path / "intent.yaml").read_text().replace("{card: resnet50}", "{path: config.json, name: m}")
    (tmp_path / "intent.yaml").write_text(intent.replace("minimize latency.mean", "minimize cost"))
    words = plan_words(make_plan(made))
    assert "note look: m: the model type foobar is not known: read as a usual decoder" in words


def test_what_is_broken_is_told_as_the_checker_sees_it(impossible):
    (intent,) = impossible.planned.considered.given.intents
    for option in impossible.planned.considered.options[intent.name][:20]:
        assert len(broken(option, intent)) >= 1


def test_a_pipeline_hears_of_what_takes_longer_than_two_seconds(capsys):
    with Progress("plan") as progress:
        progress.doing("pricing 20,409 candidates of i")
        time.sleep(0.1)
    assert capsys.readouterr().err == ""
    with Progress("plan") as progress:
        progress.doing("pricing 20,409 candidates of i")
        time.sleep(2.5)
    assert capsys.readouterr().err == "plan: pricing 20,409 candidates of i, 2 s\n"
