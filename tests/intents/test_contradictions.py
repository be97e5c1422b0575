"""What contradicts itself in and between intents, and what no plan could count: found when they are read."""

import pytest

from aios.intents import compile_intents
from aios.records.document import parse
from aios.records.errors import InputError

HEAD = "apiVersion: aios/v1\nkind: Intent\nmetadata: {name: %s}\n"
MODEL = "task: t, model: {card: resnet50}, load: {rate: 1/s}"
BOTH = "task: t, model: [a.onnx, b.onnx]"


def mistakes(**specs: str) -> list[tuple[str, int]]:
    """Return summary and line of every mistake of these intents, each of which has four lines and a separator."""
    text = "---\n".join(f"{HEAD % name}spec: {{{spec}}}\n" for name, spec in specs.items())
    with pytest.raises(InputError) as caught:
        compile_intents(parse(text.encode(), "i.yaml"))
    return [(item.summary, item.where.line if item.where else 0) for item in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("specs", "told"),
    [
        # one intent
        ({"a": "demand: {cpu: 1}, pin: {node: [n, m]}, exclude: {node: m}"}, [("node `m` is pinned and excluded", 4)]),
        (
            {"a": "demand: {accelerator: {types: [x, y]}}, exclude: {device: [y, x]}"},
            [("no device is left to choose of x, y", 4)],
        ),
        (
            {"a": "demand: {accelerator: {types: x}}, pin: {device: y}"},
            [("no device is left to choose of x", 4)],
        ),
        ({"a": f"{BOTH}, exclude: {{model: [a, b]}}"}, [("no model is left to choose of a, b", 4)]),
        ({"a": f"{BOTH}, pin: {{model: a}}, exclude: {{model: a}}"}, [("model `a` is pinned and excluded", 4)]),
        (
            {"a": "demand: {cpu: 1}, duration: 3 h, when: {earliest: 1 h, deadline: 3 h}"},
            [("`a` takes 3 h, and cannot end by `3 h` from `1 h` on", 4)],
        ),
        (
            {"a": "demand: {cpu: 1}, duration: 3 h, when: {earliest: 4 h, deadline: 3 h}"},
            [("the deadline `3 h` lies before `earliest`", 4)],
        ),
        (
            {"a": "demand: {cpu: 1}, when: {deadline: 3 h}"},
            [("`a` stands all the time, and `when` is for what ends", 4)],
        ),
        # several
        (
            {
                name: f"demand: {{cpu: 1}}, duration: 1 h, when: {{after: {other}}}"
                for name, other in ("ab", "bc", "ca")
            },
            [("3 jobs wait for each other", 4)],
        ),
        ({"a": "demand: {cpu: 1}, duration: 1 h, when: {after: a}"}, [("`a` waits for itself", 4)]),
        (
            {
                "a": f"{MODEL}, together: b",
                "b": f"{MODEL}, together: {{with: c, by: rack}}",
                "c": f"{MODEL}, apart: {{from: a, by: rack}}",
            },
            [("`a` is to stand together with `c`, by way of `b`, which is to stand apart from it", 4)],
        ),
        (
            {"a": f"{MODEL}, together: b, apart: c", "b": f"{MODEL}, together: c", "c": MODEL},
            [("`a` is to stand together with `c`, by way of `b`, and apart from it", 4)],
        ),
    ],
)
def test_contradictions_are_found_without_solving(specs, told):
    assert mistakes(**specs) == told


@pytest.mark.parametrize(
    "specs",
    [
        {"a": "demand: {accelerator: {types: [x, y]}}, pin: {device: y}, exclude: {device: x}"},
        {"a": f"{BOTH}, exclude: {{model: a}}"},
        {"a": "demand: {cpu: 1}, duration: 3 h, when: {earliest: 1 h, deadline: 4 h}"},
        {"a": "demand: {cpu: 1}, duration: 3 h, when: {earliest: 18:00, deadline: 2 h}"},  # depends on the start
        # One rack may hold two nodes: to share it is not to share a node.
        {"a": f"{MODEL}, together: {{with: b, by: rack}}", "b": f"{MODEL}, together: c", "c": f"{MODEL}, apart: a"},
    ],
)
def test_what_looks_like_one_and_is_none(specs):
    text = "---\n".join(f"{HEAD % name}spec: {{{spec}}}\n" for name, spec in specs.items())
    compile_intents(parse(text.encode(), "i.yaml"))


@pytest.mark.parametrize("value", ["0", "-1", "1e30", ".nan", ".inf", "1e400", "99999999999999999999"])
def test_absurd_counts_and_rates(value):
    """Each of these fields refuses each of these values by name."""
    specs = {
        "a": f"{MODEL.replace('1/s', f'{value}/s')}, pin: {{replicas: {value}, batch: {value}, threads: {value}}}",
        "b": f"demand: {{accelerator: {{count: {value}}}}}, count: {value}",
        "c": f"task: t, model: {{card: x}}, load: {{rate: 1/s, prompt: {value}, output: {value}}}",
        "d": f"task: t, model: {{card: x}}, train: {{tokens: 1e9, batch: {value}, sequence: {value}}}",
    }
    told = " ".join(summary for summary, _ in mistakes(**specs))
    wrong = ("load.rate", "pin.replicas", "pin.batch", "pin.threads", "demand.accelerator.count", "spec.count")
    for field in (*wrong, "load.prompt", "load.output", "train.batch", "train.sequence"):
        assert field in told


def test_a_priority_that_no_sum_could_hold():
    (told,) = mistakes(a="demand: {cpu: 1}, priority: 99999999999999999999")
    assert told == ("`spec.priority` must be at most 1000000000, not `99999999999999999999`", 4)
