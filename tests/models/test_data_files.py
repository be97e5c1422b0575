"""From pictures, lines and arrays to what a model takes: values by hand, the example's own script, and broken files."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from aios.models.data_files import Items, array_file, data_digest, fitting_data, load_items, shared_items
from aios.records.data import DataFile, ImageData, LineData, Preprocess
from aios.records.errors import InputError
from aios.records.model import ModelProfile, TensorSpec

SCRIPT = Path(__file__).parents[2] / "examples" / "imagenet-lite" / "export.py"


def profile(shape: tuple[int | str, ...] = ("n", 3, 4, 4), dtype: str = "float32", **others: Any) -> ModelProfile:
    inputs = others.pop("inputs", (TensorSpec(name="image", dtype=dtype, shape=shape),))
    return ModelProfile(
        name="m", digest="sha256:0", format="onnx", file_bytes=1, inputs=inputs,
        outputs=(TensorSpec(name="y", dtype="float32", shape=("n", 10)),), precision="fp32", parameters=1,
        weight_bytes=4, macs=0, flops=0, activation_bytes=0, operators=(), batch_axis=0, **others,
    )  # fmt: skip


def drawn(path: Path, width: int, height: int, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def read(data: DataFile, model: ModelProfile, tmp_path: Path) -> Items:
    assert fitting_data([data], model) == data
    return load_items(array_file(data, model, tmp_path / "cache", lambda _text: None), model)


def refused(data: DataFile, model: ModelProfile, tmp_path: Path, labels: tuple[str, ...] = ()) -> InputError:
    with pytest.raises(InputError) as caught:  # noqa: PT012 - whichever of the two finds it
        fitting_data([data], model, labels=labels)
        read(data, model, tmp_path)
    return caught.value


def test_pictures_become_the_arrays_of_the_examples_own_script(tmp_path: Path) -> None:
    """Bicubic, a margin of 32, (pixel - 127) / 128: word for word what ``examples/imagenet-lite/export.py`` does."""
    tree = ast.parse(SCRIPT.read_text())
    wanted = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "preprocess"]
    names = {"np": np, "Image": Image, "Path": Path, "PADDING": 32, "Images": npt.NDArray[np.float16]}
    exec(compile(ast.Module(wanted, []), str(SCRIPT), "exec"), names)
    ways = Preprocess(margin=32, interpolation="bicubic", scale=1, mean=(127,), std=(128,))
    for size in (224, 240, 260):
        for index, (width, height) in enumerate(((500, 375), (333, 500), (301, 299))):
            folder = tmp_path / f"{size}-{index}"
            drawn(folder / "a.png", width, height, index)
            theirs = names["preprocess"](folder / "a.png", size)  # type: ignore[operator]
            model = profile(("n", 3, size, size))
            ours = read(ImageData(images=str(folder), preprocess=ways), model, tmp_path).inputs["image"]
            np.testing.assert_array_equal(ours[0], theirs.astype(np.float32))


def test_values_layout_and_channels_by_hand(tmp_path: Path) -> None:
    """One colour: (pixel x scale - mean) / std is the same wherever it is sampled."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (9, 7), (255, 51, 0)).save(folder / "a.png")
    ways = Preprocess(mean=(0.5, 0.2, 0.0), std=(0.5, 1.0, 2.0))
    rgb = read(ImageData(images=str(folder), preprocess=ways), profile(), tmp_path).inputs["image"]
    np.testing.assert_allclose(rgb[0, :, 0, 0], [1.0, 0.0, 0.0], atol=1e-7)
    bgr = ImageData(images=str(folder), preprocess=Preprocess(channels="bgr", scale=1))
    values = read(bgr, profile(("n", 4, 4, 3)), tmp_path).inputs["image"]
    np.testing.assert_array_equal(values[0, 2, 1], [0, 51, 255])
    raw = read(bgr, profile(("n", 4, 4, 3), "uint8"), tmp_path).inputs["image"]
    assert raw.dtype == np.uint8
    grey = ImageData(images=str(folder), preprocess=Preprocess(channels="gray", scale=1))
    assert read(grey, profile(("n", 1, 4, 4)), tmp_path).inputs["image"].shape == (1, 1, 4, 4)


def test_what_is_kept_of_a_picture(tmp_path: Path) -> None:
    """A picture of 8 x 4 whose column k is 10 k, sampled without mixing: which columns are left."""
    folder = tmp_path / "photos"
    folder.mkdir()
    columns = np.tile(np.arange(0, 80, 10, dtype=np.uint8), (4, 1))
    Image.fromarray(columns).save(folder / "a.png")
    plain = Preprocess(channels="gray", interpolation="nearest", scale=1)
    for change, row in (
        ({}, [20, 30, 40, 50]),
        ({"fit": "stretch"}, [10, 30, 50, 70]),
        ({"resize": 8}, [30, 30, 40, 40]),
    ):
        ways = plain.model_copy(update=change)
        found = read(ImageData(images=str(folder), preprocess=ways), profile(("n", 1, 4, 4)), tmp_path)
        np.testing.assert_array_equal(found.inputs["image"][0, 0, 0], row)


def test_labels_of_a_table_of_folders_and_of_none(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        drawn(tmp_path / "by-class" / name / "1.png", 5, 5)
    assert list(read(ImageData(images=str(tmp_path / "by-class")), profile(), tmp_path).labels) == [0, 1]  # type: ignore[arg-type]
    drawn(tmp_path / "plain" / "1.png", 5, 5)
    plain = ImageData(images=str(tmp_path / "plain"))
    assert read(plain, profile(), tmp_path).labels is None
    table = tmp_path / "plain" / "labels.csv"
    table.write_text("picture,age\n1.png,31.5\n")
    aged = plain.model_copy(update={"file": "picture", "label": "age"})
    assert list(read(aged, profile(), tmp_path).labels) == [31.5]  # type: ignore[arg-type]
    assert "has no column `file`" in str(refused(plain, profile(), tmp_path))
    assert "no class index" in str(refused(aged, profile(), tmp_path, ("class",)))


def test_made_once_and_anew_when_anything_changes(tmp_path: Path) -> None:
    drawn(tmp_path / "a" / "1.png", 5, 5)
    data, cache = ImageData(images=str(tmp_path / "a")), tmp_path / "cache"
    first = array_file(data, profile(), cache, lambda _text: None)
    made = first.stat().st_mtime_ns
    assert array_file(data, profile(), cache, lambda _text: None) == first
    assert first.stat().st_mtime_ns == made
    moved = tmp_path / "elsewhere"
    (tmp_path / "a").rename(moved)
    data = ImageData(images=str(moved))
    assert array_file(data, profile(), cache, lambda _text: None) == first
    digest = data_digest(data)
    assert data_digest(data.model_copy(update={"preprocess": Preprocess(scale=1)})) != digest
    drawn(moved / "1.png", 5, 5, seed=1)
    assert data_digest(data) != digest
    assert array_file(data, profile(), cache, lambda _text: None) != first
    assert not list(cache.glob("*.part"))


def test_broken_pictures_and_tables_are_told_with_their_rows(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    drawn(folder / "good.png", 5, 5)
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    table = folder / "labels.csv"
    data = ImageData(images=str(folder))
    table.write_text("file,label\ngood.png,1\nbad.jpg,2\n")
    (wrong,) = refused(data, profile(), tmp_path).diagnostics
    assert str(wrong.where).endswith("labels.csv:3:1")
    assert "bad.jpg cannot be read as a picture" in wrong.summary
    assert wrong.remedy == "mend or delete it, and its row"
    assert not list((tmp_path / "cache").iterdir())

    table.write_text("file,label\ngood.png,x\ngone.png,1\ngood.png,\n,3\ngood.png,nan\n")
    found = refused(data, profile(), tmp_path).diagnostics
    assert [str(item.where).rpartition(".csv:")[2] for item in found] == ["2:1", "3:1", "4:1", "5:1", "6:1"]
    assert "`x`, which is no number" in found[0].summary
    assert "there is no picture" in found[1].summary
    assert "has no label" in found[2].summary

    table.write_text("file,label\ngood.png,10\n")
    (wrong,) = refused(data, profile(), tmp_path, ("class",)).diagnostics
    assert (wrong.summary, wrong.reason) == (
        "the label 10 of good.png is no class of m",
        "a label is the index of the right class, from 0 to 9",
    )
    table.write_text("file,label_index\ngood.png,1\n")
    (wrong,) = refused(data, profile(), tmp_path).diagnostics
    assert wrong.remedy == "write `label: label_index` beside every `images` that reads this table"
    table.write_bytes(b"\xff\xfe\x00 no text")
    assert "cannot be read" in str(refused(data, profile(), tmp_path))
    assert "is no folder of pictures" in str(refused(ImageData(images=str(tmp_path / "no")), profile(), tmp_path))
    (tmp_path / "empty").mkdir()
    assert "holds no pictures" in str(refused(ImageData(images=str(tmp_path / "empty")), profile(), tmp_path))


@pytest.mark.parametrize(
    ("shape", "ways", "reason"),
    [
        (("n", 3, 4, 4), Preprocess(crop=(8, 8)), "takes pictures of 4 x 4 pixels, and `crop` makes 8 x 8"),
        (("n", 3, "h", "w"), Preprocess(), "pictures of any size (h x w): state `crop`"),
        (("n", 5, 4, 4), Preprocess(), "no axis of 3 channels"),
        (("n", 12), Preprocess(), "one input of four dimensions"),
        (("n", 3, 4, 4), Preprocess(resize=3), "smaller than the 4 x 4"),
        (("n", 3, 4, 4), Preprocess(layout="nhwc"), "its input has 4 channels as nhwc"),
    ],
)
def test_models_that_take_no_such_picture(
    tmp_path: Path, shape: tuple[int | str, ...], ways: Preprocess, reason: str
) -> None:
    drawn(tmp_path / "a" / "1.png", 9, 9)
    error = refused(ImageData(images=str(tmp_path / "a"), preprocess=ways), profile(shape), tmp_path)
    assert reason in (error.diagnostics[0].reason or "")


TEXT = (
    TensorSpec(name="input_ids", dtype="int64", shape=("n", "length")),
    TensorSpec(name="attention_mask", dtype="int64", shape=("n", "length")),
)


def lines(path: Path, *rows: Any) -> str:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return str(path)


def test_lines_of_tokens_are_padded_and_masked(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"ids": [5, 6, 7], "answer": [6, 7]}, {"ids": [8], "answer": [9]})
    data = LineData(jsonl=path, inputs={"input_ids": "ids"}, label="answer", length=4)
    found = read(data, profile(inputs=TEXT), tmp_path)
    np.testing.assert_array_equal(found.inputs["input_ids"], [[5, 6, 7, 0], [8, 0, 0, 0]])
    np.testing.assert_array_equal(found.inputs["attention_mask"], [[1, 1, 1, 0], [1, 0, 0, 0]])
    np.testing.assert_array_equal(found.labels, [[6, 7, -100, -100], [9, -100, -100, -100]])  # type: ignore[arg-type]


def test_lines_of_numbers(tmp_path: Path) -> None:
    model = profile(("n", 2))
    data = LineData(
        jsonl=lines(tmp_path / "a.jsonl", {"x": [1, 2.5], "y": 3}, "", {"x": [0, 1], "y": 4.5}),
        inputs={"image": "x"}, label="y",
    )  # fmt: skip
    found = read(data, model, tmp_path)
    np.testing.assert_array_equal(found.inputs["image"], np.array([[1, 2.5], [0, 1]], np.float32))
    assert list(found.labels) == [3, 4.5]  # type: ignore[arg-type]


def test_texts_become_tokens(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="the extra `text` is not installed")
    vocabulary = {"[UNK]": 0, "red": 1, "green": 2}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}
    (tmp_path / "tokenizer.json").write_text(
        json.dumps({"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "model": model})
    )
    path = lines(tmp_path / "a.jsonl", {"text": "red green blue"}, {"text": "green"})
    data = LineData(jsonl=path, inputs={"input_ids": "text"}, tokenizer=str(tmp_path / "tokenizer.json"))
    found = read(data, profile(inputs=TEXT), tmp_path)
    np.testing.assert_array_equal(found.inputs["input_ids"], [[1, 2, 0], [2, 0, 0]])
    np.testing.assert_array_equal(found.mask, [[1, 1, 1], [1, 0, 0]])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "summary"),
    [
        ("{", "this line is no JSON object"),
        ("[1]", "it holds something else"),
        ({"y": [1, 2]}, "this line has no `x`"),
        ({"x": [1, "a"]}, "neither a number nor a list of numbers"),
        ({"x": [1.0, 2.0, 3.0]}, "`x` has another shape than before"),
        ('{"x": [1, NaN]}', "what is no finite number"),
        ({"x": "text"}, "`x` is a text in some lines"),
        ({"x": True}, "neither a number"),
    ],
)
def test_wrong_lines_are_told_at_their_place(tmp_path: Path, row: Any, summary: str) -> None:
    path = lines(tmp_path / "a.jsonl", {"x": [1.0, 2.0]}, row)
    (wrong,) = refused(LineData(jsonl=path, inputs={"image": "x"}), profile(("n", 2)), tmp_path).diagnostics
    assert summary in wrong.summary
    assert str(wrong.where) == f"{path}:2:1"


def test_many_lines_that_lack_the_same_are_one_error_with_their_count(tmp_path: Path) -> None:
    rows = [{"x": [1.0, 2.0]}, *[{"y": [1.0, 2.0]}] * 30, *[{"x": [1.0, 2.0]}] * 3, {"image": [1.0, 2.0]}]
    path = lines(tmp_path / "a.jsonl", *rows)
    data = LineData(jsonl=path, inputs={"image": "x"}, label="images")
    first, second = refused(data, profile(("n", 2)), tmp_path).diagnostics
    assert first.summary == "4 lines have no `images`, this the first"
    assert second.summary == "31 lines have no `x`, this the first"
    assert str(second.where) == f"{path}:2:1"
    assert second.remedy == "it has `y`"


def test_many_lines_that_are_no_json_are_told_with_their_count(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", *["{"] * 50)
    *_, last = wrong = refused(LineData(jsonl=path, inputs={"image": "x"}), profile(("n", 2)), tmp_path).diagnostics
    assert len(wrong) == 3
    assert last.reason == "50 lines are none, these are the first"


def test_arrays_that_are_no_numbers(tmp_path: Path) -> None:
    images = np.zeros((5, 3, 4, 4), np.float32)
    images[3, 0, 0, 0] = np.nan
    np.savez(tmp_path / "a.npz", image=images)
    (wrong,) = refused(str(tmp_path / "a.npz"), profile(), tmp_path).diagnostics
    assert wrong.summary == f"item 3 of `image` in {tmp_path / 'a.npz'} holds what is no finite number"


def test_the_first_data_that_fits_is_taken(tmp_path: Path) -> None:
    drawn(tmp_path / "a" / "1.png", 9, 9)
    small, large = (ImageData(images=str(tmp_path / "a"), preprocess=Preprocess(crop=(k, k))) for k in (4, 8))
    assert fitting_data([small, large], profile(("n", 3, 8, 8))) == large


def test_items_that_two_sets_share_are_counted_by_what_all_their_inputs_hold() -> None:
    words, mask = np.arange(20).reshape(5, 4), np.ones((5, 4), np.int64)
    judged = Items({"ids": words, "mask": mask})
    assert shared_items(judged, judged) == 5
    assert shared_items(judged, Items({"mask": mask[:2], "ids": words[3:]})) == 2
    assert shared_items(judged, Items({"ids": words, "mask": 0 * mask})) == 0
