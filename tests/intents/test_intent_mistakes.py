"""What an author can get wrong in an intent: each mistake with its place, its words and what to do."""

from __future__ import annotations

import pytest

from aios.intents import compile_intents
from aios.records.checking import MOST_TOLD
from aios.records.document import parse
from aios.records.errors import InputError

HEAD = "apiVersion: aios/v1\nkind: Intent\nmetadata: {name: digits}\n"


def mistakes(text: str) -> list[tuple[int, int, str, str]]:
    with pytest.raises(InputError) as caught:
        compile_intents(parse(text.encode(), "i.yaml"))
    return [(d.where.line, d.where.column, d.summary, d.remedy or "") for d in caught.value.diagnostics if d.where]


@pytest.mark.parametrize(
    ("field", "column", "summary", "remedy"),
    [
        ("requir: {power: 5 W}", 3, "unknown field `requir` in `spec`",
         "did you mean `require`? known: `task`, `model`"),
        ("rate: 20/s", 3, "unknown field `rate` in `spec`", "`rate` belongs below `spec.load`"),
        ("require: {latency: {p99: 5 W}}", 28, "`spec.require.latency.p99`: 5 W is a power, but a time is wanted here",
         "write a time, such as `10 ms`"),
        ("require: {latency: 5 W}", 22, "`spec.require.latency` must be a mapping, not `5 W`",
         "write it like `{p99: 10 ms}`"),
        ("require: {latency: {p99: 10 msec}}", 28, "`spec.require.latency.p99`: unknown unit 'msec' for a time",
         "did you mean `10 ms`?"),
        ("require: {latency: {p99: 10}}", 28, "`spec.require.latency.p99`: 10 has no unit",
         "write a time, such as `10 ms`"),
        ("require: {latency: {p99: -1 ms}}", 28,
         "`spec.require.latency.p99`: `-1 ms` is negative; a time here must be more than zero", "such as `10 ms`"),
        ("require: {latency: {p98: 1 ms}}", 23, "unknown field `p98` in `spec.require.latency`", "did you mean `p9"),
        ("require: {latency.p99: 1 ms}", 13, "unknown field `latency.p99` in `spec.require`",
         "write it nested: `latency: {p99: ...}`"),
        ("require: {p99: 1 ms}", 13, "unknown field `p99` in `spec.require`",
         "`p99` belongs below `spec.require.latency`"),
        ("require: {powr: 5 W}", 13, "unknown field `powr` in `spec.require`", "did you mean `power`?"),
        ("require: {accuracy: 97 %}", 23, "`spec.require.accuracy` must be a mapping, not `97 %`",
         "write it like `{top1: 97 %}`"),
        ("require: {accuracy: {top1: 97}}", 30,
         "`spec.require.accuracy.top1`: 97 is not between 0 and 1 and has no unit",
         "write `97 %`"),
        ("require: {accuracy: {top1: 101 %}}", 30, "`spec.require.accuracy.top1`: `101 %` is more than 100 %", ""),
        ("require: {accuracy: {Top 1: 97 %}}", 24,
         "`spec.require.accuracy.Top 1`: `Top 1` is no measure: measures are lower-case letters, digits and `_`",
         "write `top_1`"),
        ("require: {power: 0 W}", 20, "`spec.require.power`: `0 W` is zero; a power here must be more than zero",
         "`5 W`"),
        ("require: 5 W", 12, "`spec.require` must be a mapping, not `5 W`", "write it like `{latency: {p99: 10 ms}}`"),
        ("require:", 3, "`spec.require` has no value", "write a value, or delete the line"),
        ("load: {rate: 20 ms}", 16, "`spec.load.rate`: 20 ms is a time, but a rate is wanted here", "such as `20/s`"),
        ("load: {arrivals: poisson}", 3, "`spec.load.rate` is missing", "add `rate: ...` below `spec.load`"),
        ("load: {rate: 1/s, arrivals: possion}", 31, "`spec.load.arrivals` cannot be `possion`",
         "did you mean `poisson`?"),
        ("goal: minimise power", 9, "`spec.goal`: a goal begins with `minimize` or `maximize`, not `minimise`",
         "write `minimize power`"),
        ("goal: maximize power", 9, "`spec.goal`: `power` is the better the lower it is", "write `minimize power`"),
        ("goal: minimize powr", 9, "`spec.goal`: unknown metric `powr`", "did you mean `power`?"),
        ("goal: minimize latency", 9, "`spec.goal`: unknown metric `latency`",
         "did you mean `latency.mean` or `latency.p50`"),
        ("goal: power", 9, "`spec.goal`: `power` is no goal", "write `minimize METRIC`"),
        ("goal: minimize power within 5 W", 9, "`spec.goal`: 5 W is a power, but a fraction is wanted here", "`97 %`"),
        ("goal: minimize power within 200 %", 9, "`spec.goal`: `within 200 %` is not between 0 % and 100 %",
         "`within 2 %`"),
        ("goal: [minimize power, 7]", 26, "`spec.goal[1]`: a goal is a sentence", "write `minimize METRIC`"),
        ("goal: []", 9, "`spec.goal`: the list is empty", "write at least one"),
        ("goal: [minimize power, minimize power]", 26, "`power` is a goal twice", "keep the more important one"),
        ("priority: true", 13, "`spec.priority` must be a whole number, not `true`", ""),
        ("priority: 1.5", 13, "`spec.priority` must be a whole number, not `1.5`", ""),
        ("risk: optimistic", 9, "`spec.risk` cannot be `optimistic`", "did you mean `pessimistic`?"),
        ("pin: {precision: int9}", 20, "`spec.pin.precision` cannot be `int9`", "did you mean `int8`?"),
        ("pin: {threads: [1, 0]}", 22, "`spec.pin.threads[1]` must be at least 1, not `0`", ""),
        ("pin: {model: [m, n]}", 20, "this intent has no model `n`", "known: `m`"),
        ("pin: {modl: m}", 9, "unknown field `modl` in `spec.pin`", "did you mean `model`?"),
        ("exclude: {model: n}", 20, "this intent has no model `n`", "known: `m`"),
        ("serve: {port: 99999}", 17, "`spec.serve.port` must be at most 65535, not `99999`", ""),
        ("serve: {port: '80'}", 17, "`spec.serve.port` must be a whole number, not `80`", ""),
        ("data: ./eval.npz", 9, "`spec.data` must be a mapping, not `./eval.npz`",
         "write it like `{evaluate: ./eval.npz}`"),
        ("data: {evaluate: [a, 5]}", 24, "`spec.data.evaluate[1]` must be text or a mapping, not `5`",
         'put it in quotes: "5"'),
    ],
)  # fmt: skip
def test_one_mistake_in_the_spec(field: str, column: int, summary: str, remedy: str) -> None:
    found = mistakes(HEAD + f"spec:\n  task: t\n  model: m.onnx\n  {field}\n")
    assert [item[:3] for item in found] == [(7, column, summary)]
    assert remedy in found[0][3]


@pytest.mark.parametrize(
    ("model", "column", "summary", "remedy"),
    [
        ("5", 10, "`spec.model` must be a mapping or text, not `5`", 'put it in quotes: "5"'),
        ("''", 10, "`spec.model`: a path is wanted here, not an empty text", "write a path such as"),
        ("[a.onnx, 5]", 19, "`spec.model[1]` must be text or a mapping, not `5`",
         'put it in quotes: "5"'),
        ("[]", 10, "`spec.model`: the list is empty", "write at least one"),
        ("{anyof: [a.onnx]}", 11, "unknown field `anyof` in `spec.model`", "did you mean `anyOf`?"),
        ("{anyOf: [{pth: a.onnx}]}", 20, "unknown field `pth` in `spec.model.anyOf[0]`", "did you mean `path`?"),
        ("{anyOf: [{name: a}]}", 19, "a model is a `path` or a `card`, and neither is written", "write one of them"),
        ("{path: a.onnx, card: resnet50}", 10, "a model is a `path` or a `card`, not both", "write one of them"),
        ("{card: ' '}", 17, "`spec.model.card`: the name of a model is wanted here", "such as `resnet50`"),
        ("[{card: x/a}, y/a.onnx]", 24, "two models are called `a`", "give one a name: `{path: y/a.onnx, name: ...}`"),
        ("{anyOf: [{path: a, name: b/c}]}", 35, "`spec.model.anyOf[0].name`: `b/c` is no name: names are letters", ""),
        ("https://host/a.onnx", 10, "`spec.model`: `https://host/a.onnx` is no file", "download it"),
        ("[x/a.onnx, y/a.onnx]", 21, "two models are called `a`", "give one a name: `{path: y/a.onnx, name: ...}`"),
        ("[a.onnx, ./a.onnx]", 19, "`a.onnx` is listed twice", "keep one of the two"),
        ("{path: a, declared: {accuracy: {top1: 5 W}}}", 48,
         "`spec.model.declared.accuracy.top1`: 5 W is a power, but a fraction is wanted here", "such as `97 %`"),
        ("{path: a, declared: {accuracy: 97 %}}", 41, "`spec.model.declared.accuracy` must be a mapping, not `97 %`",
         "write it like `{top1: 97 %}`"),
    ],
)  # fmt: skip
def test_one_mistake_in_the_model(model: str, column: int, summary: str, remedy: str) -> None:
    found = mistakes(HEAD + f"spec:\n  task: t\n  model: {model}\n")
    assert [item[:2] for item in found] == [(6, column)]
    assert found[0][2].startswith(summary)
    assert remedy in found[0][3]


@pytest.mark.parametrize(
    ("text", "place", "summary", "remedy"),
    [
        (HEAD, (1, 1), "`spec` is missing", "add `spec: ...` at the top"),
        (HEAD + "spec: []\n", (4, 7), "`spec` must be a mapping, not a list", "known fields: `task`, `model`"),
        (HEAD + "spec: {task: t}\n", (4, 1), "`spec.model` is missing", "add `model: ...` below `spec`"),
        (HEAD + "spec: {task: ' ', model: m}\n", (4, 14), "`spec.task`: a task is wanted here",
         "`image-classification`"),
        (HEAD.replace("Intent", "intent") + "spec: {task: t, model: m}\n", (2, 7), "`kind` cannot be `intent`",
         "did you mean `Intent`?"),
        (HEAD.replace("v1", "v9") + "spec: {task: t, model: m}\n", (1, 13), "`apiVersion` cannot be `aios/v9`",
         "did you mean `aios/v1`?"),
        (HEAD.replace("digits", "My Digits") + "spec: {task: t, model: m}\n", (3, 18),
         "`metadata.name`: `My Digits` is no name", "write `my-digits`"),
        (HEAD.replace("digits", "5") + "spec: {task: t, model: m}\n", (3, 18), "`metadata.name` must be text, not `5`",
         'put it in quotes: "5"'),
        (HEAD.replace("digits", "x, labels: {year: 2024}") + "spec: {task: t, model: m}\n", (3, 36),
         "`metadata.labels.year` must be text, not `2024`", 'put it in quotes: "2024"'),
        (HEAD + "Spec: {task: t, model: m}\n", (4, 1), "unknown field `Spec`", "did you mean `spec`?"),
    ],
)  # fmt: skip
def test_one_mistake_around_the_spec(text: str, place: tuple[int, int], summary: str, remedy: str) -> None:
    found = mistakes(text)
    assert [item[:2] for item in found] == [place]
    assert found[0][2].startswith(summary)
    assert remedy in found[0][3]


def test_all_mistakes_of_a_file_come_together_in_its_order() -> None:
    text = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: Digits}
spec:
  task: t
  modle: m.onnx
  load: {rate: 20 W}
  require:
    latency: {p99: 10 msec, p97: 1 s}
  goal: [maximize power, minimize cots]
"""
    assert [item[:2] for item in mistakes(text)] == [
        (3, 18), (6, 3), (7, 16), (9, 20), (9, 29), (10, 10), (10, 26),
    ]  # fmt: skip


def test_a_misspelt_field_is_not_also_missing() -> None:
    found = mistakes(HEAD + "spec: {task: t, modle: m.onnx}\n")
    assert [(item[2], item[3][:24]) for item in found] == [
        ("unknown field `modle` in `spec`", "did you mean `model`? kn")
    ]


def test_a_flood_of_mistakes_is_cut_short_and_counted() -> None:
    labels = "".join(f"    x{i}: []\n" for i in range(2 * MOST_TOLD))
    text = HEAD.replace("{name: digits}", "\n  name: digits\n  labels:\n" + labels) + "spec: {task: t, model: m}\n"
    with pytest.raises(InputError) as caught:
        compile_intents(parse(text.encode(), "i.yaml"))
    assert len(caught.value.diagnostics) == MOST_TOLD + 1
    assert caught.value.diagnostics[0].summary == "`metadata.labels.x0` must be text, not a list"
    assert caught.value.diagnostics[-1].summary == f"and {MOST_TOLD} more mistakes of this document"
