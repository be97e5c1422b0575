"""Data of an intent, as it is written and as it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, Strict, WithJsonSchema

from aios.records.base import Record
from aios.records.data import DataFile, ImageData, LineData, Preprocess
from aios.records.errors import BadValue
from aios.records.forms import Many
from aios.records.intent import Data

if TYPE_CHECKING:
    from aios.intents.reader import Path, Reader

__all__ = ["DataForm", "File", "file_path", "read_data"]


def file_path(text: str) -> str:
    """Return the text where it may be a path; raises BadValue where it cannot."""
    if not text.strip():
        raise BadValue("a path is wanted here, not an empty text", "write a path such as `./models/classifier.onnx`")
    if "://" in text:
        raise BadValue(f"`{text[:120]}` is no file", "download it, and write the path of the file")
    return text


def _number(value: Any) -> float:
    """Return a number that may be written as a fraction, ``1/255``."""
    over = value.split("/") if isinstance(value, str) else [value]
    try:
        if isinstance(value, bool) or len(over) > 2:
            raise ValueError(value)
        number = float(over[0]) / (float(over[1]) if len(over) == 2 else 1.0)
    except (ValueError, TypeError, ZeroDivisionError):
        raise BadValue(f"`{value}` is no number", "write one such as `0.5` or `1/255`") from None
    if not abs(number) < 1e9:
        raise BadValue(f"`{value}` is no number that a picture is scaled by", "write one such as `0.5` or `1/255`")
    return number


def _positive(value: Any) -> float:
    number = _number(value)
    if number <= 0:
        raise BadValue(f"`{value}` is not more than zero", "write a number such as `0.229`, or leave it out")
    return number


def _sides(value: Any) -> Any:
    return [value, value] if isinstance(value, int) else value


_AS_NUMBER = WithJsonSchema({"type": ["number", "string"], "examples": ["1/255", 0.485]})
Real: TypeAlias = Annotated[float, BeforeValidator(_number), _AS_NUMBER]
Positive: TypeAlias = Annotated[float, BeforeValidator(_positive), _AS_NUMBER]
File: TypeAlias = Annotated[str, AfterValidator(file_path)]
Pixels: TypeAlias = Annotated[int, Strict(), Field(ge=1, le=16_384)]
Margin: TypeAlias = Annotated[int, Strict(), Field(ge=0, le=16_384)]
Key: TypeAlias = Annotated[str, Field(min_length=1)]
Sides: TypeAlias = Annotated[
    tuple[Pixels, Pixels],
    BeforeValidator(_sides),
    WithJsonSchema({"type": ["integer", "array"], "examples": [224, [224, 320]]}),
]


class PreprocessForm(Record):
    """How a picture becomes the numbers that the model takes."""

    fit: Literal["crop", "stretch"] = Field(
        "crop", description="Keep a centred part of the model's proportions, or stretch all of the picture."
    )
    crop: Sides | None = Field(
        None, description="Pixels of the result, or its height and width; what the model takes by default."
    )
    resize: Pixels | None = Field(
        None, description="Pixels of the whole picture's shorter side at that scale; as `crop` by default."
    )
    margin: Margin | None = Field(
        None, description="Instead of `resize`: by how many pixels that is more than `crop`.", examples=[32]
    )
    interpolation: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = Field(
        "bilinear", description="Pillow's filter that pictures are resampled with."
    )
    scale: Positive = Field(1 / 255, description="What pixels, 0 to 255, are multiplied by first.", examples=["1/255"])
    mean: Many[Real] = Field((0.0,), description="What is then subtracted, for each channel or for all.")
    std: Many[Positive] = Field((1.0,), description="What is then divided by, for each channel or for all.")
    channels: Literal["rgb", "bgr", "gray"] = Field("rgb", description="Order of the channels, or grey.")
    layout: Literal["nchw", "nhwc"] | None = Field(
        None, description="Order of the array's axes; as the model takes them by default."
    )


class DataFileForm(Record):
    """Pictures or lines of JSON."""

    images: File | None = Field(None, description="Folder of pictures.", examples=["./photos"])
    labels: File | None = Field(
        None,
        description="CSV file that names each picture and its right answer; by default `labels.csv` in the folder, "
        "else one subfolder per class.",
        examples=["./labels.csv"],
    )
    file: Key | None = Field(None, description="Column of `labels` that names the picture; `file` by default.")
    label: Key | None = Field(
        None, description="Column of `labels`, or key of a line, of the right answer; a column `label` by default."
    )
    preprocess: PreprocessForm | None = Field(
        None, description="How these pictures become numbers, in place of `data.preprocess`."
    )
    jsonl: File | None = Field(
        None, description="File with one JSON object per line, in place of pictures.", examples=["./items.jsonl"]
    )
    inputs: dict[Key, Key] | None = Field(
        None, description="Input of the model -> key of the line.", examples=[{"input_ids": "text"}]
    )
    tokenizer: File | None = Field(
        None, description="A `tokenizer.json` that texts become token ids with.", examples=["./tokenizer.json"]
    )
    length: Annotated[int, Strict(), Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Tokens that each item is cut or padded to; as many as the longest has by default."
    )


class DataForm(Record):
    """Data of the intent."""

    evaluate: Many[File | DataFileForm] | None = Field(
        None, description="What accuracy is measured on; relative to this file.", examples=["./eval.npz"]
    )
    calibrate: Many[File | DataFileForm] | None = Field(
        None, description="What static quantisation reads its ranges from.", examples=["./calibrate.npz"]
    )
    train: Many[File | DataFileForm] | None = Field(
        None, description="Items with right answers that compression may learn from.", examples=["./train.npz"]
    )
    preprocess: PreprocessForm | None = Field(
        None,
        description="How pictures become the numbers that the model takes.",
        examples=[{"resize": 256, "crop": 224, "interpolation": "bicubic"}],
    )


_OF_IMAGES = ("labels", "file", "preprocess")
_OF_LINES = ("inputs", "tokenizer", "length")


def read_data(reader: Reader, form: DataForm, base: Path = ("spec", "data")) -> Data:
    """Return the data written at ``base``; ``reader`` takes what is wrong with it."""
    shared = _preprocess(reader, form.preprocess, (*base, "preprocess"))
    roles = {
        role: tuple(_files(reader, getattr(form, role) or (), (*base, role), shared))
        for role in ("evaluate", "calibrate", "train")
    }
    pictures = any(isinstance(item, ImageData) for files in roles.values() for item in files)
    if form.preprocess is not None and not pictures:
        reason = "arrays and lines of JSON are used as they are"
        where, remedy = (*base, "preprocess"), "delete it, or name a folder of pictures: `{images: ./photos}`"
        said = reader.document.diagnostic(
            where, "nothing here is a picture to preprocess", reason=reason, remedy=remedy
        )
        reader.mistakes.append(said)
    return Data(**roles)


def _files(reader: Reader, written: Sequence[str | DataFileForm], base: Path, shared: Preprocess) -> list[DataFile]:
    from aios.intents.reader import value_at

    many = isinstance(value_at(reader.document.data, base), list)
    found: list[DataFile] = []
    for index, item in enumerate(written):
        where = (*base, index) if many else base
        if isinstance(item, str):
            found.append(reader.path(item))
        elif (wrong := _wrong(item)) is not None:
            reader.mistakes.append(reader.document.diagnostic(where, wrong[0], remedy=wrong[1]))
        elif item.images is not None:
            own = shared if item.preprocess is None else _preprocess(reader, item.preprocess, (*where, "preprocess"))
            found.append(
                ImageData(
                    images=reader.path(item.images),
                    labels=None if item.labels is None else reader.path(item.labels),
                    file=item.file or "file",
                    label=item.label or "label",
                    preprocess=own,
                )
            )
        else:
            found.append(
                LineData(
                    jsonl=reader.path(item.jsonl or ""),
                    inputs=item.inputs or {},
                    label=item.label,
                    tokenizer=None if item.tokenizer is None else reader.path(item.tokenizer),
                    length=item.length,
                )
            )
    return found


def _wrong(item: DataFileForm) -> tuple[str, str] | None:
    """Return what is wrong between the keys of one file, and its remedy."""
    if (item.images is None) == (item.jsonl is None):
        both = "not both" if item.images else "and neither is written"
        return f"data is a folder of `images` or a file `jsonl`, {both}", "write one of them"
    others = [key for key in (_OF_LINES if item.images else _OF_IMAGES) if getattr(item, key) is not None]
    if others:
        own, other = ("images", "jsonl") if item.images else ("jsonl", "images")
        return f"`{others[0]}` goes with `{other}`, not with `{own}`", f"delete `{others[0]}`"
    if item.jsonl and not item.inputs:
        return "nobody says what the lines hold", "write `inputs: {<input of the model>: <key of the line>}`"
    return None


def _preprocess(reader: Reader, form: PreprocessForm | None, base: Path) -> Preprocess:
    if form is None:
        return Preprocess()
    wrong = None
    channels = 1 if form.channels == "gray" else 3
    if form.margin is not None and form.resize is not None:
        wrong = "margin", "`margin` stands in place of `resize`", "delete one of them"
    elif form.fit == "stretch" and (form.resize or form.margin):
        key = "resize" if form.resize else "margin"
        wrong = key, f"a picture that is stretched keeps all of it: `{key}` says nothing", f"delete `{key}`"
    elif form.resize is not None and form.crop is not None and form.resize < min(form.crop):
        wrong = "resize", f"the picture, resized to {form.resize}, is smaller than `crop`", "write a larger `resize`"
    for key, values in (("mean", form.mean), ("std", form.std)):
        if len(values) not in (1, channels):
            wrong = (
                key,
                f"`{key}` has {len(values)} values for {channels} channels",
                "write one for each, or one for all",
            )
    if wrong is not None:
        reader.mistakes.append(reader.document.diagnostic((*base, wrong[0]), wrong[1], remedy=wrong[2]))
    return Preprocess(**(dict(form) | {"margin": form.margin or 0}))
