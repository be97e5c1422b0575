"""From YAML to Intent records: what is written, what is assumed, and where everything stands."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.intents import compile_intents
from aios.records.document import parse
from aios.records.errors import InputError
from aios.records.intent import Constraints, Goal, Intent, Load, Serve
from aios.records.units import Dimension, format_exactly

HEAD = "apiVersion: aios/v1\nkind: Intent\nmetadata: {name: digits}\n"
FULL = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: classify-images, labels: {team: vision}}
spec:
  task: image-classification
  model:
    anyOf:
      - ./models/lite0.onnx
      - {path: ../b/lite1.onnx, name: one, declared: {accuracy: {top5: 96.25 %, top1: 0.8}}}
      - /opt/lite2.onnx
  data: {evaluate: ./eval.npz, calibrate: [a.npz, b.npz]}
  load: {rate: 1200/min, arrivals: constant}
  require:
    power: 5 W
    accuracy: {top5: 97 %, top1: 0.9}
    latency: {p99: 10.25 ms, mean: 5 ms}
    throughput: 25/s
    energy: 0.5 J
    memory: 2 GiB
    cost: 0.5 USD/h
    carbon: 40 gCO2/h
  goal: [minimize power within 2 %, maximize accuracy.top1]
  priority: 10
  risk: expected
  pin: {model: [lite0, one], precision: int8, threads: [1, 2]}
  exclude: {quantization: dynamic}
  serve: {host: 0.0.0.0, port: 8000}
"""


def compiled(text: str, file: str = "examples/i.yaml") -> tuple[Intent, ...]:
    return compile_intents(parse(text.encode(), file)).intents


def test_everything_that_may_be_written() -> None:
    (intent,) = compiled(FULL)
    assert (intent.name, intent.labels, intent.task) == ("classify-images", {"team": "vision"}, "image-classification")
    assert [(model.name, model.path, str(model.where)) for model in intent.models] == [
        ("lite0", "examples/models/lite0.onnx", "examples/i.yaml:8:9"),
        ("one", "examples/../b/lite1.onnx", "examples/i.yaml:9:16"),
        ("lite2", "/opt/lite2.onnx", "examples/i.yaml:10:9"),
    ]
    assert intent.models[1].declared == {"accuracy.top1": 0.8, "accuracy.top5": 0.9625}
    assert intent.data.evaluate == ("examples/eval.npz",)
    assert intent.data.calibrate == ("examples/a.npz", "examples/b.npz")
    assert intent.load == Load(rate_per_s=20.0, arrivals="constant")
    assert [(clause.text, clause.bound) for clause in intent.require] == [
        ("latency.mean <= 5 ms", 0.005),
        ("latency.p99 <= 10.25 ms", 0.01025),
        ("accuracy.top1 >= 90 %", 0.9),
        ("accuracy.top5 >= 97 %", 0.97),
        ("throughput >= 25/s", 25.0),
        ("power <= 5 W", 5.0),
        ("energy <= 500 mJ", 0.5),
        ("memory <= 2 GiB", 2.0**31),
        ("cost <= 0.5 USD/h", 0.5),
        ("carbon <= 40 gCO2/h", 40.0),
    ]
    assert str(intent.require[1].where) == "examples/i.yaml:16:20"
    assert [(str(goal), str(goal.where)) for goal in intent.goal] == [
        ("minimize power within 2 %", "examples/i.yaml:22:10"),
        ("maximize accuracy.top1", "examples/i.yaml:22:37"),
    ]
    assert (intent.priority, intent.risk) == (10, "expected")
    assert intent.pin == Constraints(model=("lite0", "one"), precision=("int8",), threads=(1, 2))
    assert intent.exclude == Constraints(quantization=("dynamic",))
    assert intent.serve == Serve(host="0.0.0.0", port=8000)
    assert str(intent.where) == "examples/i.yaml:3:18"


def test_every_written_value_keeps_its_place() -> None:
    (intent,) = compiled(FULL)
    lines = FULL.splitlines()
    shown = {path: lines[span.line - 1][span.column - 1 :] for path, span in intent.spans.items()}
    assert shown["spec.require.latency.p99"].startswith("10.25 ms")
    assert shown["spec.model.anyOf[1].declared.accuracy.top5"].startswith("96.25 %")
    assert shown["spec.pin.threads[1]"].startswith("2]")
    assert shown["spec.goal[0]"].startswith("minimize power")
    assert len(shown) == 38


def test_what_is_not_written_is_visible_in_the_record() -> None:
    (intent,) = compiled(HEAD + "spec: {task: t, model: ./m.onnx}\n")
    assert intent.goal == (Goal(direction="minimize", metric="power"),)
    assert (intent.load, intent.require, intent.priority, intent.risk) == (None, (), 0, "pessimistic")
    assert intent.serve == Serve(host="127.0.0.1", port=None)
    assert intent.pin == intent.exclude == Constraints()


@pytest.mark.parametrize(
    ("file", "written", "path"),
    [
        ("i.yaml", "./m.onnx", "m.onnx"),
        ("./i.yaml", "m.onnx", "m.onnx"),
        ("examples/digits/i.yaml", "./models/m.onnx", "examples/digits/models/m.onnx"),
        ("../i.yaml", "m.onnx", "../m.onnx"),
        ("/abs/i.yaml", "m.onnx", "/abs/m.onnx"),
        ("examples/i.yaml", "/abs/m.onnx", "/abs/m.onnx"),
        ("-", "./m.onnx", "m.onnx"),
    ],
)
def test_paths_are_relative_to_the_file_as_the_user_named_it(file: str, written: str, path: str) -> None:
    (intent,) = compiled(HEAD + f"spec: {{task: t, model: {written}}}\n", file)
    assert (intent.models[0].path, intent.models[0].name) == (path, "m")


@pytest.mark.parametrize(
    "model",
    [
        "a/m.onnx",
        "[a/m.onnx]",
        "{path: a/m.onnx}",
        "[{path: a/m.onnx}]",
        "{anyOf: a/m.onnx}",
        "{anyOf: [a/m.onnx]}",
        "{anyOf: [{path: a/m.onnx, name: m}]}",
    ],
)
def test_all_ways_to_write_one_model_mean_the_same(model: str) -> None:
    (intent,) = compiled(HEAD + f"spec: {{task: t, model: {model}}}\n")
    assert [(choice.name, choice.path, choice.declared) for choice in intent.models] == [("m", "examples/a/m.onnx", {})]


@given(st.permutations(FULL.partition("  require:\n")[2].splitlines()[:8]))
def test_the_order_of_fields_changes_only_places(order: list[str]) -> None:
    before, after = FULL.partition("  require:\n")[0], FULL.splitlines()[21:]
    text = "\n".join([before.rstrip(), "  require:", *order, *after]) + "\n"
    assert [clause.text for clause in compiled(text)[0].require] == [c.text for c in compiled(FULL)[0].require]


@given(st.floats(1e-7, 1e4))
def test_a_bound_is_kept_to_the_last_digit(seconds: float) -> None:
    written = format_exactly(seconds, Dimension.TIME)
    (intent,) = compiled(HEAD + f"spec: {{task: t, model: m, require: {{latency: {{p99: {written}}}}}}}\n")
    assert intent.require[0].bound == seconds
    assert intent.require[0].text == f"latency.p99 <= {written}"


def test_names_are_unique_over_all_files_and_both_places_are_named() -> None:
    text = HEAD + "spec: {task: t, model: m.onnx}\n"
    documents = [*parse(text.encode(), "a.yaml"), *parse(text.encode(), "b/c.yaml"), *parse(text.encode(), "d.yaml")]
    with pytest.raises(InputError) as caught:
        compile_intents(documents)
    assert [(str(item.where), item.summary, item.reason) for item in caught.value.diagnostics] == [
        (f"{file}:3:18", "two intents are called `digits`", "the first stands at a.yaml:3:18")
        for file in ("b/c.yaml", "d.yaml")
    ]


def test_mistakes_of_all_documents_are_reported_together() -> None:
    one = HEAD + "spec: {task: t, model: m.onnx, lod: 1}\n"
    two = HEAD + "spec: {task: t, model: m.onnx, goal: minimize powr}\n"
    with pytest.raises(InputError) as caught:
        compile_intents([*parse(one.encode(), "a.yaml"), *parse(f"{one}---\n{two}".encode(), "b.yaml")])
    found = [(str(item.where), item.summary) for item in caught.value.diagnostics]
    assert found == [
        ("a.yaml:4:32", "unknown field `lod` in `spec`"),
        ("b.yaml:3:18", "two intents are called `digits`"),
        ("b.yaml:4:32", "unknown field `lod` in `spec`"),
        ("b.yaml:8:18", "two intents are called `digits`"),
        ("b.yaml:9:38", "`spec.goal`: unknown metric `powr`"),
    ]


FIELDS = [
    "task: 5", "model: {anyOf: []}", "model: [1, {}]", "load: {rate: 5 W}", "require: {latency: {p99: x}}", "goal: []",
    "priority: high", "pin: {model: z}", "serve: {port: 0}", "colour: red", "data: [x]", "risk:", "exclude: {batch: 0}",
]  # fmt: skip


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_mix_of_mistakes_is_an_input_error_with_places(count: int) -> None:
    for chosen in itertools.islice(itertools.combinations(FIELDS, count), 0, None, 3):
        keys = {field.partition(":")[0] for field in chosen}
        rest = [field for field in ("task: t", "model: m.onnx") if field.partition(":")[0] not in keys]
        if len(keys) < count:
            continue
        with pytest.raises(InputError) as caught:
            compiled(HEAD + "spec:\n" + "".join(f"  {field}\n" for field in (*rest, *chosen)))
        lines = {item.where.line for item in caught.value.diagnostics if item.where}
        only_shape = {5 + len(rest) + i for i, field in enumerate(chosen) if field != "pin: {model: z}"}
        assert lines >= only_shape  # that a pinned model is unknown shows once the rest is right


@pytest.mark.parametrize(
    ("written", "require", "texts"),
    [
        ("{rate: 1200/min}", "{}", ["throughput >= 20/s (implied by load)"]),
        ("{rate: 90/h}", "{}", ["throughput >= 0.025/s (implied by load)"]),
        (
            "{rate: 2/s, prompt: 10, output: 5}",
            "{latency: {p99: 1 s}}",
            ["throughput >= 2/s (implied by load)", "latency.p99 <= 1 s"],
        ),
        ("{rate: 20/s}", "{throughput: 20/s}", ["throughput >= 20/s"]),
        ("{rate: 20/s}", "{throughput: 1500/min, power: 5 W}", ["throughput >= 25/s", "power <= 5 W"]),
        ("{rate: 20/s}", "{throughput: 19/s}", ["throughput >= 20/s (implied by load)", "throughput >= 19/s"]),
    ],
)
def test_a_load_asks_for_its_rate_unless_as_much_is_required(written: str, require: str, texts: list[str]) -> None:
    text = HEAD + f"spec:\n  task: t\n  model: ./m.onnx\n  load: {written}\n  require: {require}\n"
    (intent,) = compiled(text)
    assert intent.load is not None
    assert [item.text for item in intent.require] == texts
    for item in intent.require:
        implied = "implied" in item.text
        assert item.implied_by == ("load" if implied else None)
        assert (item.where.line == 7) == implied
        if implied:
            assert item.bound == intent.load.rate_per_s
            assert text.splitlines()[6][item.where.column - 1 :].startswith(written[7:].partition(",")[0].rstrip("}"))


def test_without_a_load_nothing_is_implied() -> None:
    jobs = ("train: {tokens: 3e9, batch: 8, sequence: 512}", "require: {throughput: 5/s}", "priority: 1")
    for job in jobs:
        (intent,) = compiled(HEAD + f"spec: {{task: t, model: ./m.onnx, {job}}}\n")
        assert not any(item.implied_by for item in intent.require)


@pytest.mark.parametrize(
    ("goal", "metrics"),
    [("minimize cost", ["expense"]), ("[minimize energy, minimize cost within 2 %]", ["energy", "expense"])],
)
def test_the_cost_of_a_job_is_what_it_costs_in_all(goal: str, metrics: list[str]) -> None:
    job = "train: {tokens: 3e9, batch: 8, sequence: 512}, require: {expense: 2.5 kUSD, cost: 40 USD/h}"
    (intent,) = compiled(HEAD + f"spec: {{task: t, model: ./m.onnx, {job}, goal: {goal}}}\n")
    assert [item.metric for item in intent.goal] == metrics
    assert [item.text for item in intent.require] == ["cost <= 40 USD/h", "expense <= 2500 USD"]
    (service,) = compiled(HEAD + "spec: {task: t, model: ./m.onnx, goal: minimize cost}\n")
    assert [item.metric for item in service.goal] == ["cost"]


def test_cost_and_expense_of_a_job_are_one_goal() -> None:
    job = "train: {tokens: 3e9, batch: 8, sequence: 512}, goal: [minimize cost, minimize expense]"
    with pytest.raises(InputError, match="`expense` is a goal twice"):
        compiled(HEAD + f"spec: {{task: t, model: ./m.onnx, {job}}}\n")
