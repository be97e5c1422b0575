"""Data of an intent: files of arrays, pictures, or lines of JSON, and how pictures become numbers."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import Field

from aios.records.base import Record

__all__ = ["DataFile", "ImageData", "LineData", "Preprocess", "files_of", "said"]


class Preprocess(Record):
    """How a picture becomes the numbers that a model takes, in this order.

    fit: ``crop`` keeps a centred part of the target's proportions, ``stretch`` all of the picture · crop: height and
    width of the target in pixels; None: what the model takes · resize: pixels that the shorter side of the whole
    picture would have at the target's scale; None: ``margin`` more than the target's shorter side, so that with
    neither the largest centred part is kept. Kept part and scale are one resampling, by Pillow, of a box whose edges
    may lie between pixels · interpolation: its filter · scale, mean, std: a value is (pixel x scale - mean) / std, of
    pixels 0 to 255, one number or one for each channel · channels: their order, or grey · layout: order of the axes of
    the array; None: as the model takes them
    """

    fit: Literal["crop", "stretch"] = "crop"
    crop: tuple[int, int] | None = None
    resize: int | None = None
    margin: int = 0
    interpolation: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = "bilinear"
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    channels: Literal["rgb", "bgr", "gray"] = "rgb"
    layout: Literal["nchw", "nhwc"] | None = None


class ImageData(Record):
    """A folder of pictures; paths as ModelChoice.path.

    labels: CSV file whose columns ``file`` and ``label`` name each picture, relative to the folder, and its right
    answer; None: ``labels.csv`` in the folder if there is one, else one subfolder per class, classes numbered in the
    order of their names, else pictures without labels
    """

    images: str
    labels: str | None = None
    file: str = "file"
    label: str = "label"
    preprocess: Preprocess = Preprocess()


class LineData(Record):
    """One JSON object per line; paths as ModelChoice.path.

    inputs: input of the model -> key of the line, whose value is a number, a list of equal shape in every line, a list
    of token ids or, with a tokenizer, a text · label: key of the right answer · tokenizer: a ``tokenizer.json`` ·
    length: tokens that every item is cut or padded to; None: as many as the longest has
    """

    jsonl: str
    inputs: Mapping[str, str]
    label: str | None = Field(default=None, exclude_if=lambda key: key is None)
    tokenizer: str | None = Field(default=None, exclude_if=lambda path: path is None)
    length: int | None = Field(default=None, exclude_if=lambda length: length is None)


DataFile: TypeAlias = str | ImageData | LineData
"""Data of one form; the path of an ``.npz`` file stands for itself."""


def said(data: DataFile) -> str:
    """Return how messages call it."""
    return data if isinstance(data, str) else data.images if isinstance(data, ImageData) else data.jsonl


def files_of(data: DataFile) -> tuple[str, ...]:
    """Return the files and folders that are named."""
    if isinstance(data, str):
        return (data,)
    named = (data.images, data.labels) if isinstance(data, ImageData) else (data.jsonl, data.tokenizer)
    return tuple(path for path in named if path is not None)
