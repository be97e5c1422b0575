"""The JSON Schema for editors says the same as the compiler, and the ready-made intents fit both."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from aios import catalogue
from aios.intents import compile_intents, intent_schema, intent_schema_text
from aios.records.document import parse
from aios.records.errors import InputError

READY_MADE = sorted((catalogue.root() / "intents").glob("*.yaml"))
HEAD = "apiVersion: aios/v1\nkind: Intent\nmetadata: {name: digits}\n"


def test_the_schema_on_disk_is_the_generated_one() -> None:
    text = (catalogue.root() / "schemas" / "intent.schema.json").read_text(encoding="utf-8")
    assert text == intent_schema_text()


def test_it_is_a_schema_of_draft_2020_12_without_host() -> None:
    schema = intent_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == "aios/v1/intent.schema.json"
    assert all("description" in field or "$ref" in field for field in schema["$defs"]["Spec"]["properties"].values())


@pytest.mark.parametrize("path", READY_MADE, ids=lambda path: path.name)
def test_ready_made_intents_are_right(path: Path) -> None:
    text = path.read_bytes()
    (document,) = parse(text, str(path))
    (intent,) = compile_intents([document]).intents
    assert intent.name == path.stem
    jsonschema.validate(document.data, intent_schema())
    modeline, schema = text.decode().splitlines()[0].split("$schema=")
    assert modeline == "# yaml-language-server: "
    assert (path.parent / schema).resolve() == (catalogue.root() / "schemas" / "intent.schema.json").resolve()


def test_there_are_ready_made_intents() -> None:
    assert len(READY_MADE) >= 3


@pytest.mark.parametrize(
    ("spec", "right"),
    [
        ("{task: t, model: m}", True),
        ("{task: t, model: [m, {path: n}], goal: minimize power within 2 %}", True),
        ("{task: t, model: {anyOf: [m]}, require: {latency: {p99: 10ms}, accuracy: {top1: 0.9}}}", True),
        ("{task: t, model: m, load: {rate: 20 requests per second}, pin: {batch: [1, 2], precision: int8}}", True),
        ("{task: t, model: m, require: {latency: {p99: 5 W}}}", False),
        ("{task: t, model: m, require: {latency: {p99: 10}}}", False),
        ("{task: t, model: m, require: {accuracy: {top1: 97}}}", False),
        ("{task: t, model: m, require: {latency: }}", False),
        ("{task: t, model: m, goal: smaller}", False),
        ("{task: t, model: []}", False),
        ("{task: t, model: m, colour: red}", False),
        ("{task: t, model: m, pin: {threads: 0}}", False),
        ("{task: t, model: m, serve: {port: 70000}}", False),
        ("{model: m}", False),
    ],
)
def test_schema_and_compiler_agree(spec: str, right: bool) -> None:
    (document,) = parse(f"{HEAD}spec: {spec}\n".encode(), "i.yaml")
    assert jsonschema.Draft202012Validator(intent_schema()).is_valid(document.data) is right
    if right:
        compile_intents([document])
    else:
        with pytest.raises(InputError):
            compile_intents([document])
