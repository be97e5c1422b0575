"""Intents name transforms and values of their parameters; both are checked against what is installed."""

from __future__ import annotations

from typing import Any

import pytest

from aios.intents import compile_intents
from aios.records.document import parse
from aios.records.errors import InputError

TEXT = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: a}
spec:
  task: t
  model: a.onnx
  load: {rate: 1/s}
"""


def compiled(more: str) -> Any:
    (intent,) = compile_intents(parse((TEXT + more).encode(), "i.yaml")).intents
    return intent


@pytest.mark.parametrize(
    ("written", "record"),
    [
        ("{static: {calibration: [minmax, percentile]}}", {"static": {"calibration": ("minmax", "percentile")}}),
        ("{static: {per_channel: false}}", {"static": {"per_channel": ("false",)}}),
        ("{static: {percentile: 99.9}}", {"static": {"percentile": ("99.9",)}}),
        ("{prune: {keep: 50 %}}", {"prune": {"keep": ("0.5",)}}),
        ("{prune: {keep: [0.25, 25 %]}}", {"prune": {"keep": ("0.25",)}}),
        ("{prune: {}}", {"prune": {}}),
    ],
)
def test_values_become_the_text_of_declarations(written: str, record: Any) -> None:
    assert compiled(f"  transforms: {written}\n").transforms == record


@pytest.mark.parametrize(
    ("more", "place", "summary", "remedy"),
    [
        ("  transforms: {prne: {}}\n", (8, 16), "no installed transform is called `prne`", "did you mean `prune`?"),
        (
            "  transforms: {static: {calibratoin: minmax}}\n",
            (8, 25),
            "the transform `static` has no parameter `calibratoin`",
            "did you mean `calibration`?",
        ),
        (
            "  transforms: {static: {calibration: [minmax, percentil]}}\n",
            (8, 47),
            "`percentil` is no value of calibration",
            "did you mean `percentile`?",
        ),
        ("  transforms: {prune: {keep: 150 %}}\n", (8, 30), "`1.5` is no value of keep", "keep: Share of"),
        (
            "  pin: {compression: prun}\n",
            (8, 22),
            "no installed transform compresses by `prun`",
            "did you mean `prune`?",
        ),
        (
            f"  transforms: {{static: {{percentile: [{', '.join(f'{90 + i / 4:g}' for i in range(25))}]}}}}\n",
            (8, 16),
            "25 choices of settings of `static` are more than the 24 that are tried",
            "name fewer values",
        ),
    ],
)
def test_mistakes_are_told_at_their_place(more: str, place: tuple[int, int], summary: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        compiled(more)
    (told,) = caught.value.diagnostics
    assert told.summary == summary
    assert told.remedy is not None
    assert told.remedy.startswith(remedy)
    assert told.where is not None
    assert (told.where.line, told.where.column) == place


def test_an_intent_that_names_none_is_written_as_before() -> None:
    assert "transforms" not in compiled("").model_dump(mode="json")
    assert "compression" not in compiled("").model_dump(mode="json")["pin"]
