"""Pipelines as they are written: an intent for each stage, the whole beside it, mistakes with their places."""

from __future__ import annotations

import pytest

from aios.intents import compile_intents
from aios.records.document import parse
from aios.records.errors import InputError

OCR = """apiVersion: aios/v1
kind: Intent
metadata: {name: ocr, labels: {team: docs}}
spec:
  task: ocr
  pipeline:
    - {name: det, model: det.onnx, produces: 40 KiB}
    - {name: rec, model: {anyOf: [s.onnx, {path: l.onnx, name: big}]}, after: cls, per: 8, pin: {model: big}}
    - {name: cls, model: cls.onnx, after: [det], per: 8, data: {evaluate: e.npz}}
  load: {rate: 5/s, arrivals: constant}
  require: {latency: {p99: 300 ms}, power: 20 W}
  goal: minimize energy
  priority: 3
  risk: expected
  where: {regions: eu}
"""


def compiled(text):
    return compile_intents(parse(text.encode(), "i.yaml")).intents


def mistakes(text):
    with pytest.raises(InputError) as caught:
        compiled(text)
    return caught.value.diagnostics


def stages(*lines, more=""):
    listed = "".join(f"    - {line}\n" for line in lines)
    return f"apiVersion: aios/v1\nkind: Intent\nmetadata: {{name: p}}\nspec:\n  task: t\n  pipeline:\n{listed}{more}"


def test_each_stage_is_an_intent_behind_those_that_it_takes_from():
    det, cls, rec = compiled(OCR)
    assert [item.name for item in (det, cls, rec)] == ["ocr/det", "ocr/cls", "ocr/rec"]
    assert det.pipeline == cls.pipeline == rec.pipeline
    assert [(stage.name, stage.after, stage.per, stage.produces_bytes) for stage in det.pipeline.stages] == [
        ("det", (), 1, 40 * 1024),
        ("cls", ("det",), 8, None),
        ("rec", ("cls",), 8, None),
    ]
    assert not det.pipeline.branches
    assert [(item.load.rate_per_s, item.load.arrivals) for item in (det, rec)] == [(5, "constant"), (40, "constant")]
    assert [item.require[0].text for item in (det, rec)] == [
        "throughput >= 5/s (implied by load)",
        "throughput >= 40/s (implied by load)",
    ]
    assert [bound.text for bound in rec.pipeline.require] == ["latency.p99 <= 300 ms", "power <= 20 W"]
    assert [bound.text for bound in rec.bounds] == [rec.require[0].text, "latency.p99 <= 300 ms", "power <= 20 W"]
    assert (rec.priority, rec.risk, rec.placement.where.regions) == (3, "expected", ("eu",))
    assert rec.pin.model == ("big",)
    assert cls.data.evaluate == ("e.npz",)
    assert (rec.where.line, rec.spans["spec.pin.model"].line) == (8, 8)
    assert (rec.times("energy"), rec.times("latency.p99"), rec.times("power"), det.times("energy")) == (8, 8, 1, 1)


def test_a_stage_takes_from_the_one_written_before_it():
    three = ("{name: a, model: a.onnx}", "{name: b, model: b.onnx}", "{name: c, model: c.onnx, after: []}")
    pipeline = compiled(stages(*three))[0].pipeline
    assert {stage.name: stage.after for stage in pipeline.stages} == {"a": (), "b": ("a",), "c": ()}
    assert pipeline.branches


def test_a_rate_that_the_whole_is_to_sustain_is_one_of_each_stage():
    a, b = compiled(
        stages(
            "{name: a, model: a.onnx}",
            "{name: b, model: b.onnx, per: 3}",
            more="  load: {rate: 2/s}\n  require: {throughput: 4/s}\n",
        )
    )
    assert [item.text for item in a.require] == ["throughput >= 4/s"]
    assert [item.text for item in b.require] == ["throughput >= 12/s (3 for each request)"]
    assert a.pipeline.require == ()


def test_stages_that_wait_for_each_other_are_named_with_all_their_places():
    text = stages(
        "{name: a, model: a.onnx, after: c}",
        "{name: b, model: b.onnx, after: a}",
        "{name: c, model: c.onnx, after: [b, x]}",
        "{name: x, model: x.onnx, after: []}",
    )
    (item,) = mistakes(text)
    assert item.summary == "the stages `a`, `c`, `b` wait for each other"
    assert item.reason == "`a` after `c` at i.yaml:7:39, `c` after `b` at i.yaml:9:39, `b` after `a` at i.yaml:8:39"
    assert (item.where.line, item.where.column) == (7, 39)


ONE = "{name: find, model: a.onnx}"


@pytest.mark.parametrize(
    ("lines", "more", "line", "column", "summary"),
    [
        ([ONE, ONE], "", 8, 14, "two stages are called `find`"),
        (["{name: find, model: a.onnx, after: find}"], "", 7, 42, "stage `find` is to stand after itself"),
        ([ONE, "{name: b, model: b.onnx, after: fnd}"], "", 8, 39, "this pipeline has no stage `fnd`"),
        ([ONE, "{name: b, model: b.onnx, after: [find, find]}"], "", 8, 46, "`after` names `find` twice"),
        (["{name: find, model: a.onnx, per: 0}"], "", 7, 40, "`spec.pipeline[0].per` must be at least 1, not `0`"),
        (["{name: a/b, model: a.onnx}"], "", 7, 14, "`spec.pipeline[0].name`: `a/b` is no name"),
        (["{name: find}"], "", 7, 7, "`spec.pipeline[0].model` is missing"),
        ([ONE], "  model: m.onnx\n", 8, 3, "an intent that states a `pipeline` has no `model` of its own"),
        ([ONE], "  require: {time: 3 d}\n", 8, 19, "`time` is nothing that requests of a pipeline have"),
        ([ONE], "  goal: minimize latency.p99\n", 8, 9, "`latency.p99` is no goal of a pipeline"),
        ([ONE], "  goal: minimise power\n", 8, 9, "`spec.goal`: a goal begins with"),
        (
            [ONE, "{name: b, model: b.onnx, after: []}"],
            "  require: {latency: {mean: 1 s}}\n",
            9,
            29,
            "`latency.mean` of a pipeline with branches cannot be bounded",
        ),
    ],
)
def test_mistakes_stand_at_their_places(lines, more, line, column, summary):
    (item,) = mistakes(stages(*lines, more=more))
    assert item.summary.startswith(summary)
    assert (item.where.line, item.where.column) == (line, column)


def test_a_near_name_is_suggested():
    (item,) = mistakes(stages(ONE, "{name: b, model: b.onnx, after: fnd}"))
    assert item.remedy.startswith("did you mean `find`?")


def test_a_mapping_or_nothing_is_no_pipeline():
    head = "apiVersion: aios/v1\nkind: Intent\nmetadata: {name: p}\nspec: {task: t, pipeline: "
    assert [item.summary for item in mistakes(head + "{det: d.onnx}}")] == [
        "a pipeline is a list of stages, not a mapping"
    ]
    assert mistakes(head + "[]}")
    assert mistakes(head + "}")


def test_all_mistakes_are_told_at_once():
    found = mistakes(
        stages(
            "{name: a, model: a.onnx, after: x}",
            "{name: b, model: [b.onnx, b.onnx], after: b}",
            more="  goal: maximize throughput\n  require: {expense: 3 USD}\n",
        )
    )
    assert len(found) == 5


def test_thousands_of_stages_are_refused_at_once():
    lines = [f"{{name: s{number}, model: m.onnx}}" for number in range(5000)]
    (found,) = mistakes(stages(*lines))
    assert found.summary == "5,000 stages are more than a pipeline may have (at most 100)"


def test_as_many_items_as_nobody_makes_are_refused():
    (found,) = mistakes(stages("{name: a, model: m.onnx, per: 999999999999}"))
    assert found.summary == "`spec.pipeline[0].per` must be at most 1000000, not `999999999999`"


def test_a_pipeline_states_no_demand():
    (found,) = mistakes(stages("{name: a, model: m.onnx}", more="  demand: {cpu: 2}\n"))
    assert found.summary == "an intent that states a `pipeline` has no `demand` of its own"
