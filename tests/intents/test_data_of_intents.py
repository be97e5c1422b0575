"""Data as intents write it: pictures, lines, how pictures become numbers, how sure accuracy must be; and mistakes."""

from __future__ import annotations

import pytest

from aios.intents import compile_intents
from aios.records.data import ImageData, LineData, Preprocess
from aios.records.document import parse
from aios.records.errors import InputError
from aios.records.intent import Intent

HEAD = "apiVersion: aios/v1\nkind: Intent\nmetadata: {name: digits}\nspec:\n  task: t\n  model: m.onnx\n"


def compiled(text: str) -> Intent:
    (intent,) = compile_intents(parse((HEAD + text).encode(), "a/i.yaml")).intents
    return intent


def test_pictures_lines_and_arrays() -> None:
    data = compiled("""\
  data:
    evaluate:
      - {images: ./photos, labels: ./l.csv, file: f, label: class}
      - {images: b, preprocess: {fit: stretch, layout: nhwc, channels: bgr}}
      - e.npz
    calibrate: {jsonl: ./c.jsonl, inputs: {ids: text}, tokenizer: ./tokenizer.json, length: 16}
    train: {jsonl: t.jsonl, inputs: {ids: text}, label: answer}
    preprocess: {resize: 256, crop: 224, interpolation: bicubic, scale: 1/128, mean: [0.1, 0.2, 0.3], std: 2}
""").data
    ways = Preprocess(
        resize=256, crop=(224, 224), interpolation="bicubic", scale=1 / 128, mean=(0.1, 0.2, 0.3), std=(2.0,)
    )
    assert data.evaluate == (
        ImageData(images="a/photos", labels="a/l.csv", file="f", label="class", preprocess=ways),
        ImageData(images="a/b", preprocess=Preprocess(fit="stretch", layout="nhwc", channels="bgr")),
        "a/e.npz",
    )
    assert data.calibrate == (
        LineData(jsonl="a/c.jsonl", inputs={"ids": "text"}, tokenizer="a/tokenizer.json", length=16),
    )
    assert data.train == (LineData(jsonl="a/t.jsonl", inputs={"ids": "text"}, label="answer"),)


def test_bounds_of_every_measure_and_how_sure() -> None:
    intent = compiled("""\
  require: {accuracy: {top1: 97 %, top1_loss: 0 %, perplexity: 12.5, cosine: 0.99, mae: 3}}
  goal: maximize accuracy.agreement
  confidence: 95 %
""")
    assert [item.text for item in intent.require] == [
        "accuracy.cosine >= 0.99",
        "accuracy.mae <= 3",
        "accuracy.perplexity <= 12.5",
        "accuracy.top1 >= 97 %",
        "accuracy.top1_loss <= 0 %",
    ]
    assert intent.confidence == 0.95
    assert set(intent.judged_by) == {item.metric for item in intent.require} | {"accuracy.agreement"}
    assert compiled("  goal: minimize power\n").confidence == 0.9


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("data: {evaluate: {images: a, jsonl: b}}", "data is a folder of `images` or a file `jsonl`, not both"),
        ("data: {evaluate: {labels: a}}", "data is a folder of `images` or a file `jsonl`, and neither is written"),
        ("data: {evaluate: {images: a, tokenizer: b}}", "`tokenizer` goes with `jsonl`, not with `images`"),
        ("data: {evaluate: {jsonl: a}}", "nobody says what the lines hold"),
        ("data: {evaluate: a.npz, preprocess: {crop: 8}}", "nothing here is a picture to preprocess"),
        ("data: {evaluate: {images: a}, preprocess: {resize: 8, margin: 2}}", "`margin` stands in place of `resize`"),
        ("data: {evaluate: {images: a}, preprocess: {resize: 8, crop: 9}}",
         "the picture, resized to 8, is smaller than `crop`"),
        ("data: {evaluate: {images: a}, preprocess: {mean: [1, 2]}}", "`mean` has 2 values for 3 channels"),
        ("data: {evaluate: {images: a}, preprocess: {fit: stretch, resize: 8}}",
         "a picture that is stretched keeps all of it: `resize` says nothing"),
        ("data: {evaluate: {images: a}, preprocess: {std: 0}}",
         "`spec.data.preprocess.std`: `0` is not more than zero"),
        ("data: {evaluate: {images: a}, preprocess: {scale: 1/0}}", "`spec.data.preprocess.scale`: `1/0` is no number"),
        ("data: {evaluate: {images: a}, preprocess: {interpolation: cubic}}",
         "`spec.data.preprocess.interpolation` cannot be `cubic`"),
        ("data: {evaluate: {image: a}}", "unknown field `image` in `spec.data.evaluate`"),
        ("require: {accuracy: {perplexity: 5 %}}",
         "`spec.require.accuracy.perplexity`: 5 % is a fraction, but a number is wanted here"),
        ("require: {accuracy: {top1_loss: 3}}",
         "`spec.require.accuracy.top1_loss`: 3 is not between 0 and 1 and has no unit"),
        ("goal: minimize accuracy.agreement", "`spec.goal`: `accuracy.agreement` is the better the higher it is"),
        ("confidence: 100 %", "`spec.confidence`: `100 %` is more than 99.9 %"),
    ],
)  # fmt: skip
def test_mistakes(text: str, summary: str) -> None:
    with pytest.raises(InputError) as caught:
        compiled(f"  {text}\n")
    assert [item.summary for item in caught.value.diagnostics] == [summary]
    assert caught.value.diagnostics[0].where is not None
