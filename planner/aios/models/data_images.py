"""Folders of pictures: what they hold and how it is labelled, and the numbers that a model takes of a picture."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aios.records.base import Span
from aios.records.data import ImageData, Preprocess
from aios.records.errors import Diagnostic, InputError
from aios.records.forms import nearest
from aios.records.model import ModelProfile, TensorSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

__all__ = ["Picture", "Target", "digests_of", "pictures_of", "pixels", "said_shape", "target_of"]

_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_MOST_PROBLEMS = 20
"""Problems of one folder that are told; more say the same."""


class Picture(NamedTuple):
    """One picture. name: relative to the folder · label: class index or number, None where nobody says · where: the
    row that names it"""

    name: str
    label: float | None
    where: Span | None


class Target(NamedTuple):
    """The array that a picture becomes. size: height and width"""

    tensor: TensorSpec
    size: tuple[int, int]
    channels: int
    layout: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one item."""
        return (self.channels, *self.size) if self.layout == "nchw" else (*self.size, self.channels)


def target_of(profile: ModelProfile, wanted: Preprocess) -> Target | str:
    """Return what pictures become for this model, or why it takes none."""
    if len(profile.inputs) != 1 or len(profile.inputs[0].shape) != 4:
        return "pictures go to a model with one input of four dimensions, and it has " + (
            ", ".join(f"`{item.name}` of shape {list(item.shape)}" for item in profile.inputs) or "none"
        )
    tensor = profile.inputs[0]
    channels = 1 if wanted.channels == "gray" else 3
    shape = tensor.shape
    layout = wanted.layout or ("nchw" if shape[1] == channels else "nhwc" if shape[3] == channels else None)
    if layout is None:
        return f"its input has shape {list(shape)}: no axis of {channels} channels; state `layout`, or `channels: gray`"
    own, sides = (shape[1], shape[2:]) if layout == "nchw" else (shape[3], shape[1:3])
    if isinstance(own, int) and own != channels:
        return f"its input has {own} channels as {layout}, and the pictures {channels}"
    size = wanted.crop or sides
    if any(isinstance(have, int) and have != want for have, want in zip(sides, size, strict=True)):
        return f"it takes pictures of {said_shape(sides)} pixels, and `crop` makes {said_shape(size)}"
    if not all(isinstance(side, int) for side in size):
        return f"it takes pictures of any size ({said_shape(sides)}): state `crop`"
    if not (tensor.dtype.startswith("float") or tensor.dtype == "uint8"):
        return f"its input holds {tensor.dtype}, which no picture becomes"
    height, width = (int(side) for side in size)
    if wanted.resize is not None and wanted.resize < min(height, width):
        return f"pictures resized to {wanted.resize} are smaller than the {height} x {width} that it takes"
    return Target(tensor, (height, width), channels, layout)


def said_shape(sides: Sequence[int | str]) -> str:
    """Return sides as people write them."""
    return " x ".join(str(side) for side in sides)


def pictures_of(data: ImageData) -> tuple[Picture, ...]:
    """Return what a folder holds, in the order of its labels, else of names.

    No picture is opened. Raises InputError with what is wrong with rows, at their places.
    """
    folder = Path(data.images)
    if not folder.is_dir():
        what = "is a file, not a folder of pictures" if folder.exists() else "is no folder of pictures"
        raise InputError(Diagnostic(summary=f"{folder} {what}", remedy="check the path after `images`"))
    labels = Path(data.labels) if data.labels else folder / "labels.csv"
    if data.labels or labels.is_file():
        return tuple(_of_table(labels, folder, data))
    classes = sorted(item.name for item in folder.iterdir() if item.is_dir() and any(_pictures(item)))
    if classes:
        found = [
            Picture(f"{name}/{file}", float(index), None)
            for index, name in enumerate(classes)
            for file in _pictures(folder / name)
        ]
    else:
        found = [Picture(file, None, None) for file in _pictures(folder)]
    if not found:
        raise InputError(
            Diagnostic(summary=f"{folder} holds no pictures", reason=f"these are looked for: {', '.join(_SUFFIXES)}")
        )
    return tuple(found)


def _pictures(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir() if item.suffix.lower() in _SUFFIXES and item.is_file())


def _of_table(path: Path, folder: Path, data: ImageData) -> Iterator[Picture]:
    """Yield the rows of a table of labels. Raises InputError with everything that is wrong with it."""
    problems: list[Diagnostic] = []
    count = 0
    for where, row in _rows(path, data):
        count += 1
        name, text = row[data.file], row[data.label]
        try:
            label = float(text)
            if not abs(label) < 1e300:
                raise ValueError(text)
        except ValueError:
            is_empty = not text.strip()
            said = "has no label" if is_empty else f"has the label `{text[:40]}`, which is no number"
            remedy = "write the index of the right class, counted from 0; of a regression, the right value"
            problems.append(Diagnostic(summary=f"{name or 'this row'} {said}", where=where, remedy=remedy))
            continue
        if not name or not (folder / name).is_file():
            said = f"there is no picture {folder / name}" if name else "this row names no picture"
            problems.append(Diagnostic(summary=said, where=where, remedy="correct the name, or delete the row"))
            continue
        yield Picture(name, label, where)
    if problems:
        raise InputError(*problems[:_MOST_PROBLEMS])
    if not count:
        raise InputError(Diagnostic(summary=f"{path} has no rows", remedy="name a picture and its label in each row"))


def _rows(path: Path, data: ImageData) -> Iterator[tuple[Span, dict[str, str]]]:
    """Yield the rows of a table with their places. Raises InputError when it cannot be read or lacks a column."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            table = csv.DictReader(stream, restval="")
            columns = [name.strip() for name in table.fieldnames or ()]
            table.fieldnames = columns
            for wanted in (data.file, data.label):
                if wanted not in columns:
                    raise InputError(_no_column(path, wanted, columns, "file" if wanted == data.file else "label"))
            for row in table:
                yield Span(file=str(path), line=table.line_num, column=1), {key: row[key] or "" for key in columns}
    except FileNotFoundError:
        raise InputError(Diagnostic(summary=f"there is no table of labels {path}", remedy="check the path")) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        remedy = "write it as CSV, in UTF-8, with a row of column names first"
        raise InputError(Diagnostic(summary=f"{path} cannot be read", reason=reason, remedy=remedy)) from None


def _no_column(path: Path, wanted: str, columns: Sequence[str], key: str) -> Diagnostic:
    near = nearest(wanted, columns) or next((name for name in columns if wanted in name), None)
    meant = f"`{key}: {near}`" if near else f"`{key}: <name of the column>`"
    return Diagnostic(
        summary=f"{path} has no column `{wanted}`",
        where=Span(file=str(path), line=1, column=1),
        reason=f"its columns are {', '.join(f'`{name}`' for name in columns) or 'none'}",
        remedy=f"write {meant} beside every `images` that reads this table",
    )


def digests_of(folder: Path, pictures: Sequence[Picture]) -> list[tuple[str, float | None, str]]:
    """Return name, label and digest of every picture. Raises InputError for one that cannot be read."""
    found = []
    for item in pictures:
        try:
            with (folder / item.name).open("rb") as stream:
                found.append((item.name, item.label, hashlib.file_digest(stream, "sha256").hexdigest()))
        except OSError as error:
            summary = f"{folder / item.name} cannot be read"
            raise InputError(Diagnostic(summary=summary, where=item.where, reason=error.strerror)) from None
    return found


def pixels(
    folder: Path, pictures: Sequence[Picture], target: Target, wanted: Preprocess, tell: Callable[[int], None]
) -> Iterator[NDArray[Any]]:
    """Yield the array of each picture, of ``target``'s shape and type; ``tell`` receives how many are done.

    Raises InputError that names every picture that cannot be read, or says that Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise InputError(
            Diagnostic(
                summary="pictures are read by Pillow, which is not installed",
                remedy="install it, or store the pictures as arrays in an .npz file",
                command="pip install 'aios-planner[images]'",
            )
        ) from None
    problems: list[Diagnostic] = []
    broken = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
    for done, item in enumerate(pictures):
        try:
            with Image.open(folder / item.name) as file:
                picture = file.convert("L" if target.channels == 1 else "RGB")
        except broken as error:
            summary, reason = f"{folder / item.name} cannot be read as a picture", str(error)[:200]
            remedy = "mend or delete it" + (", and its row" if item.where else "")
            problems.append(Diagnostic(summary=summary, where=item.where, reason=reason, remedy=remedy))
            if len(problems) == _MOST_PROBLEMS:
                break
            continue
        yield _numbers(picture, target, wanted)
        tell(done + 1)
    if problems:
        raise InputError(*problems)


def _numbers(picture: Image.Image, target: Target, wanted: Preprocess) -> NDArray[Any]:
    """Return (pixel x scale - mean) / std of the resampled picture, computed in float32."""
    import numpy as np
    from PIL import Image

    height, width = target.size
    box = None if wanted.fit == "stretch" else _box(picture.size, target.size, wanted)
    resampled = picture.resize((width, height), Image.Resampling[wanted.interpolation.upper()], box=box)
    raw = np.asarray(resampled).reshape(height, width, target.channels)
    if wanted.channels == "bgr":
        raw = raw[:, :, ::-1]
    values = raw.astype(np.float32)
    if wanted.scale != 1.0:
        values *= np.float32(wanted.scale)
    mean, std = (np.array(own, dtype=np.float32) for own in (wanted.mean, wanted.std))
    values = ((values - mean) / std).astype(np.float32)
    if target.tensor.dtype == "uint8":
        values = np.clip(np.rint(values), 0, 255)
    return np.ascontiguousarray(values.transpose(2, 0, 1) if target.layout == "nchw" else values).astype(
        target.tensor.dtype, copy=False
    )


def _box(picture: tuple[int, int], size: tuple[int, int], wanted: Preprocess) -> tuple[float, float, float, float]:
    """Return the centred part that is kept: left, top, right, bottom, in pixels of the picture."""
    width, height = picture
    shorter = min(size)
    resize = wanted.resize or shorter + wanted.margin
    # The largest part of the target's proportions, then the share of it that the target is of the resized picture.
    across, down = (min(width * size[0], height * size[1]) / side * shorter / resize for side in size)
    left, top = (width - across) / 2, (height - down) / 2
    return max(0.0, left), max(0.0, top), min(width, left + across), min(height, top + down)
