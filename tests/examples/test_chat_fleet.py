"""Language models on servers that are not here: the plan is the best of all candidates, and says what stands in."""

import json
import shutil
from pathlib import Path

import pytest
from in_process import run

from aios.models.structures import card_profile
from aios.records.metrics import ENDLESS_S
from aios.records.transformers import holding
from aios.workflow.planning import make_plan
from aios.workflow.setting import Setting

ROOT = Path(__file__).parents[2]
FOLDER = "examples/chat-described-fleet"


def aios(place, *words):
    ran = run(place, words)
    return ran.code, ran.out, ran.err


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    place = tmp_path_factory.mktemp("chat")
    shutil.copytree(ROOT / FOLDER, place / "chat")
    return place


@pytest.fixture(scope="module")
def planned():
    """Plans of the example's intents, each with everything that was considered."""
    return {name: make_plan(Setting(paths=(str(ROOT / FOLDER / f"{name}.yaml"),))) for name in ("intent", "large")}


@pytest.mark.parametrize(("name", "goal"), [("intent", "cost"), ("large", "power")])
def test_the_plan_is_the_best_of_all_candidates(planned, name, goal):
    found = planned[name]
    (intent,) = found.considered.given.intents
    options = found.considered.options[intent.name]
    assert found.plan.status == "optimal"
    assert len(options) > 100

    def keeps(item, estimate):
        if item.metric == "throughput":
            return estimate is not None and estimate.low >= item.bound == intent.load.rate_per_s
        return estimate is not None and estimate.high <= item.bound

    def meets(option):
        return all(keeps(item, option.estimates.get(item.metric)) for item in intent.require)

    assert "throughput" in {item.metric for item in intent.require}
    (decision,) = found.plan.decisions
    assert decision.estimates[goal].value == min(item.estimates[goal].value for item in options if meets(item))
    taken = sum(len(place.devices) * place.replicas for place in decision.placement)
    assert taken == decision.replicas * decision.machines * decision.devices


def test_the_numbers_of_a_candidate_are_of_one_engine_and_agree(planned):
    for found in planned.values():
        (intent,) = found.considered.given.intents
        for option in found.considered.options[intent.name]:
            promised = [item for name, item in option.estimates.items() if name.startswith(("latency", "throughput"))]
            engines = {item.basis.partition("measurements of ")[2].partition(" ")[0] for item in promised}
            assert len(engines) == 1, option.candidate.id
            sustained = option.estimates["throughput"]
            if sustained.low <= intent.load.rate_per_s and "latency.p99" in option.estimates:
                assert option.estimates["latency.p99"].high == ENDLESS_S


def test_a_mixture_that_no_card_holds_is_shared(planned):
    (decision,) = planned["large"].plan.decisions
    model = card_profile("Qwen/Qwen3-235B-A22B").transformer
    held = holding(model, decision.precision, decision.batch, 5120, decision.devices, decision.machines)
    assert decision.devices * decision.machines > 1
    whole = held.total * decision.devices * decision.machines * decision.replicas
    assert decision.estimates["memory"].low < whole <= decision.estimates["memory"].high * (1 + 1e-9)


def test_what_fits_nowhere_says_what_each_card_would_hold(here):
    code, out, _ = aios(here, "plan", "chat/impossible.yaml")
    assert code == 3
    assert "each device would hold" in out
    assert "has 22.4 GiB" in out


def test_explain_says_where_time_memory_and_watts_go(here):
    code, words, _ = aios(here, "explain", "chat/intent.yaml", "--json-into", "explained.json")
    assert code == 0
    assert "█" in words
    assert "\x1b" not in words
    assert "feed-forwards" in words
    (found,) = json.loads((here / "explained.json").read_text())["explanations"]
    assert [item["metric"] for item in found["accounts"]] == [
        "latency.ttft.mean",
        "latency.tpot.mean",
        "memory",
        "power",
    ]
    for item in found["accounts"]:
        assert item["total"] == pytest.approx(sum(piece["value"] for piece in item["pieces"]))


def test_a_life_without_an_executor_that_serves(here):
    options = ("--state", "state.json")
    code, out, _ = aios(here, "apply", "chat/intent.yaml", "--yes", *options)
    assert (code, "chat" in out) == (0, True)
    words = aios(here, "status", *options)[1]
    assert ("healthy" in words, "written" in words, "nothing runs" in words) == (False, True, True)
    code, _, told = aios(here, "verify", "--seconds", "1", "--fleet", "chat/fleet.yaml", *options)
    assert code == 1
    assert ("cannot be measured" in told, "requests in" in told) == (True, False)
    assert aios(here, "destroy", "--yes", *options)[0] == 0


def test_all_mistakes_are_told_with_their_places(here):
    text = (ROOT / FOLDER / "intent.yaml").read_text()
    bad = text.replace("Qwen/Qwen3-8B", "Qwen/Qwen3-8BB")
    (here / "unknown.yaml").write_text(bad)
    code, _, told = aios(here, "plan", "unknown.yaml", "--fleet", "chat/fleet.yaml")
    assert code == 1
    assert "unknown.yaml:8:17" in told
    assert "did you mean Qwen/Qwen3-8B" in told
    (here / "tokens.yaml").write_text(text.replace(", prompt: 1024, output: 256", ""))
    code, _, told = aios(here, "plan", "tokens.yaml", "--fleet", "chat/fleet.yaml")
    assert code == 1
    assert "lacks `prompt`, `output`" in told
    assert "tokens.yaml:9:" in told
