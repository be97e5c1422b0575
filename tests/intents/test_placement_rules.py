"""Where an intent may stand, how it spreads and beside whom: what is written becomes the record, mistakes are told."""

from __future__ import annotations

import pytest

from aios.intents import compile_intents
from aios.records.document import parse
from aios.records.errors import InputError
from aios.records.where import Companion, PlacementRules, Spread, Survive, Where, place_of


def document(rules, name="chat"):
    return (
        f"apiVersion: aios/v1\nkind: Intent\nmetadata: {{name: {name}}}\n"
        f"spec:\n  task: classify\n  model: ./m.onnx\n  load: {{rate: 20/s}}\n  {rules}\n"
    )


def compiled(*documents):
    return compile_intents(parse("---\n".join(documents).encode(), "i.yaml")).intents


def mistakes(*documents):
    with pytest.raises(InputError) as caught:
        compiled(*documents)
    return [(item.where.line, item.where.column, item.summary) for item in caught.value.diagnostics]


def test_everything_that_may_be_written():
    (intent, _) = compiled(
        document(
            "where: {labels: {zone: a, disk: [ssd, nvme]}, regions: eu, vendors: [HPE], residency: EU, tolerate: k=v}\n"
            "  spread: [{over: rack, max: 2}, {over: region, max_share: 50 %}]\n"
            "  together: {with: cache, by: rack}\n"
            "  apart: [chat, {from: cache}]\n"
            "  survive: {losses: 2, of: rack}"
        ),
        document("survive: 1", "cache"),
    )
    assert intent.placement == PlacementRules(
        where=Where(
            labels={"disk": ("ssd", "nvme"), "zone": ("a",)},
            regions=("eu",),
            vendors=("HPE",),
            residency=("EU",),
            tolerate=("k=v",),
        ),
        spread=(Spread(over="rack", most=2), Spread(over="region", share=0.5)),
        together=(Companion(intent="cache", by="rack"),),
        apart=(Companion(intent="chat"), Companion(intent="cache")),
        survive=Survive(losses=2, of="rack"),
    )
    assert place_of(intent.spans, intent.where, "spread", 1, "max_share").column == 60
    assert place_of(intent.spans, intent.where, "together", 0, "with").line == 10
    assert place_of(intent.spans, intent.where, "apart", 0, "from").line == 11


def test_a_number_of_losses_is_of_machines():
    (intent,) = compiled(document("survive: 2"))
    assert intent.placement == PlacementRules(survive=Survive(losses=2, of="node"))


def test_without_rules_nothing_is_recorded():
    (intent,) = compiled(document("priority: 1"))
    assert intent.placement == PlacementRules()
    assert "placement" not in intent.model_dump(mode="json")


@pytest.mark.parametrize(
    ("rules", "column", "summary"),
    [
        ("spread: {over: rack, max: 0}", 29, "`spec.spread.max` must be at least 1, not `0`"),
        ("spread: {over: rack}", 11, "neither `max` nor `max_share` is written"),
        ("spread: {over: rack, max: 1, max_share: 50 %}", 11, "`max` and `max_share` are both written"),
        ("spread: [{over: rack, max: 1}, {over: rack, max: 2}]", 34, "`spread` over `rack` is written twice"),
        ("spread: {over: '', max: 1}", 18, "`spec.spread.over`: an empty text is no failure domain"),
        ("survive: 0", 12, "`spec.survive` must be at least 1, not `0`"),
        ("where: {tolerate: ':NoSchedule'}", 21, "`spec.where.tolerate`: `:NoSchedule` is no taint"),
        ("where: {zone: a}", 11, "unknown field `zone` in `spec.where`"),
        ("together: chat", 13, "`chat` cannot but stand together with itself"),
        ("apart: [chat, chat]", 17, "`apart` names `chat` twice"),
        ("apart: cat", 10, "there is no intent `cat` in this plan"),
        ("pin: {replicas: 2}\n  survive: 2", 12, "nothing may be left of 2 replicas after the loss of 2 x node"),
        ("train: {tokens: 1e9, batch: 8, sequence: 128}\n  survive: 1", 12, "a training job has no load"),
    ],
)
def test_mistakes_of_one_intent(rules, column, summary):
    found = mistakes(document(rules))
    assert [(at, text[: len(summary)]) for _, at, text in found] == [(column, summary)]


@pytest.mark.parametrize(
    ("together", "apart", "wrong"),
    [
        ("cache", "cache", True),
        ("{with: cache, by: rack}", "{from: cache, by: rack}", True),
        ("cache", "{from: cache, by: rack}", True),
        ("{with: cache, by: rack}", "cache", False),
    ],
)
def test_together_and_apart_at_once(together, apart, wrong):
    """On one machine is in one rack; in one rack may still be on two machines."""
    both = [document(f"together: {together}\n  apart: {apart}"), document("priority: 1", "cache")]
    other = [document(f"together: {together}"), document(f"apart: {apart.replace('cache', 'chat')}", "cache")]
    if wrong:
        assert [text for _, _, text in mistakes(*both)] == [
            "`chat` is to stand together with `cache` and apart from it"
        ]
        (found,) = mistakes(*other)
        assert found[2] == "`chat` is to stand together with `cache`, which is to stand apart from it"
    else:
        compiled(*both)
        compiled(*other)


def test_companions_are_intents_with_a_model():
    etl = "apiVersion: aios/v1\nkind: Intent\nmetadata: {name: etl}\nspec: {demand: {cpu: 1}}\n"
    found = mistakes(document("together: [etl, cach]"), document("priority: 1", "cache"), etl)
    assert [text for _, _, text in found] == [
        "`together` takes intents with a model alone",
        "there is no intent `cach` in this plan",
    ]
