"""Intents that say what they were called before, and whether their service may be destroyed."""

import pytest

from aios.intents import compile_intents, intent_schema
from aios.records.document import parse
from aios.records.errors import InputError

ONE = """\
apiVersion: aios/v1
kind: Intent
metadata: {{name: {name}{more}}}
spec: {{task: t, model: ./m.onnx{spec}}}
"""
STAGES = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: ocr, moved: {from: scan}}
spec:
  task: ocr
  pipeline: [{name: detect, model: ./d.onnx}, {name: read, model: ./r.onnx}]
  lifecycle: {prevent_destroy: true}
"""


def one(name, moved=None, spec=""):
    more = "" if moved is None else f", moved: {{from: {moved}}}"
    return ONE.format(name=name, more=more, spec=spec)


def read(*texts):
    return compile_intents(parse("---\n".join(texts).encode(), "intents.yaml")).intents


def refused(*texts):
    with pytest.raises(InputError) as caught:
        read(*texts)
    return caught.value.diagnostics


def test_former_names_and_protection_are_read():
    (plain,) = read(one("a"))
    assert (plain.moved_from, plain.prevent_destroy) == ((), False)
    assert not {"moved_from", "prevent_destroy"} & plain.model_dump(mode="json").keys(), "digests stay as they were"
    (renamed,) = read(one("a", "old", ", lifecycle: {prevent_destroy: true}"))
    assert (renamed.moved_from, renamed.prevent_destroy) == (("old",), True)
    assert str(renamed.spans["spec.lifecycle.prevent_destroy"]) == "intents.yaml:4:63"
    assert read(one("a", "[old, older]"))[0].moved_from == ("old", "older")


def test_stages_follow_their_pipeline():
    stages = read(STAGES)
    assert [stage.moved_from for stage in stages] == [("scan/detect",), ("scan/read",)]
    assert all(stage.prevent_destroy for stage in stages)


@pytest.mark.parametrize(
    ("texts", "summary", "place"),
    [
        ([one("a", "a")], "`a` is said to have moved from its own name", "intents.yaml:3:35"),
        ([one("a", "b"), one("b")], "`a` cannot have moved from `b`, which is still the name", "intents.yaml:3:35"),
        ([one("a", "old"), one("b", "old")], "two intents are said to have moved from `old`", "intents.yaml:8:35"),
        ([one("a", "[x, old]"), one("b", "[old]")], "two intents are said to have moved", "intents.yaml:8:36"),
        ([one("a", "[old, old]")], "`old` is named twice", "intents.yaml:3:41"),
    ],
)
def test_names_that_cannot_be_meant_are_refused_with_their_place(texts, summary, place):
    (found,) = refused(*texts)
    assert found.summary.startswith(summary)
    assert str(found.where) == place
    assert found.remedy


def test_a_swap_and_a_chain_are_refused_at_each_of_their_places():
    swap = refused(one("a", "b"), one("b", "a"))
    assert [str(item.where) for item in swap] == ["intents.yaml:3:35", "intents.yaml:8:35"]
    assert all("to each other's names" in item.summary for item in swap)
    (chain,) = refused(one("b", "a"), one("c", "b"))
    assert str(chain.where) == "intents.yaml:8:35"
    assert "apply the first one before the second" in chain.remedy


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (one("a", "Old Name"), "is no name"),
        (one("a", "[]"), "from"),
        (one("a", "{x: y}"), "from"),
        (one("a", "../../etc"), "is no name"),
        (one("a", spec=", lifecycle: {prevent_destroy: yes please}"), "prevent_destroy"),
        (one("a", spec=", lifecycle: {prevent_destory: true}"), "prevent_destroy"),
        (
            "apiVersion: aios/v1\nkind: Intent\nmetadata: {name: a, moved: {from: b}}\nspec: {demand: {cpu: 1}}\n",
            "moved",
        ),
    ],
)
def test_other_mistakes_are_told_with_a_place(text, word):
    found = refused(text)
    assert any(word in " ".join(filter(None, (item.summary, item.remedy, item.line_text))) for item in found)
    assert all(item.where for item in found)


def test_editors_know_them():
    schema = str(intent_schema())
    assert "prevent_destroy" in schema
    assert "moved" in schema
