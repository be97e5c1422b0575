"""Notes beside a choice: unlike figures of power are told, whatever else is compared in silence."""

import pytest

from aios.plan.notes import notes_on
from aios.records.base import Span
from aios.records.candidate import Candidate, Demand, Estimate, Priced
from aios.records.fleet import DeviceType, Fleet
from aios.records.intent import Goal, Intent, ModelChoice

HERE = Span(file="intent.yaml", line=1, column=1)
DEMAND = Demand(share=1.0, cores=0, device_memory_bytes=1.0, node_memory_bytes=1.0)
TYPES = {
    "hat": DeviceType(name="hat", kind="npu"),
    "card": DeviceType(name="card", kind="gpu"),
    "pi": DeviceType(name="pi", kind="cpu", power_of="board"),
}


def option(device, metric="energy"):
    candidate = Candidate(
        id=device, intent="look", model="m", model_digest="sha256:m", device=device, nodes=("n",), executor="dryrun",
        precision="int8", quantization="static",
    )  # fmt: skip
    drawn = Estimate(metric=metric, value=1.0, low=1.0, high=1.0, unit="J", source="assumed", basis="b")
    return Priced(candidate=candidate, estimates={metric: drawn}, demand=DEMAND, notes=("first of all",))


def notes(profiles, chosen, rivals, metric="energy"):
    fleet = Fleet(name="f", nodes=(), types=TYPES, digest="sha256:f", origin="fleet.yaml")
    choice = ModelChoice(name="m", path="m", card=True, where=HERE)
    goal = (Goal(direction="minimize", metric=metric),)
    intent = Intent(name="look", task="image-classification", models=(choice,), goal=goal, where=HERE)
    return list(notes_on(intent, chosen, rivals, profiles, fleet))


@pytest.fixture
def profiles(given):
    return {"m": next(iter(next(iter(given["profiles"].values())).values()))}


def test_a_board_is_not_compared_with_chips_in_silence(profiles):
    (noted, told) = notes(profiles, option("hat"), [option("hat"), option("pi"), option("card")])
    assert noted == "first of all"
    assert told == "unlike figures are compared: energy of the device alone for hat, of the whole board for pi"
    assert notes(profiles, option("pi"), [option("hat"), option("card")])[1:] == [
        "unlike figures are compared: energy of the whole board for pi, of the device alone for card, hat"
    ]


def test_figures_that_are_alike_or_not_asked_for_need_no_note(profiles):
    assert notes(profiles, option("hat"), [option("card")]) == ["first of all"]
    assert notes(profiles, option("hat"), [option("pi")], metric="cost") == ["first of all"]
    assert notes(profiles, option("hat"), [option("pi", metric="latency.mean")]) == ["first of all"]
