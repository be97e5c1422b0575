"""Figures of well-known networks, looked up by name, as files of cards state them.

A file of cards is CSV that begins with "# " lines; those that begin with "# source:" say where its figures are from.
Columns, all but ``name`` optional: ``name``; ``aliases``, separated by ``;``; ``kind``; ``image_size``, the root of
height times width in pixels; ``attention_power``, of the pixels that attention grows with; ``gmacs`` (1e9
multiply-accumulates), ``mactivations`` and ``mparameters`` (1e6 values) per item; and the amounts of work
(``networks.work.WORK``), ``kernels`` in ones, all others in millions; an empty one is none.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, cast

from aios.records.card import ModelCard, NetworkKind
from aios.records.networks.work import CLASSES, WORK, scaled

__all__ = ["Cards", "spelling"]

_PRECISIONS = re.compile(
    r"(?<![a-z0-9])(?:precision|non|quantized|quant|float|fp32|fp16|bf16|int8|uint8|w8a8|w8a16|pytorch|torchvision|torch"
    r"|tf|tensorflow|onnx|caffe|mxnet|paddle|keras|for|infer|inference|built-?in)(?![a-z0-9])"
)
"""Words beside a name that say in what it computes or where its weights are from, not which network it is."""
_POINT = re.compile(r"(?<=\d)_(?=\d+gf)")
"""What torchvision writes for the point in gigaflops: without it 3_2gf and 32gf would be one."""
_BETWEEN = re.compile(r"[_\s/()]+")
_NO_SIGN = re.compile(r"[^a-z0-9.]")
_TAG = re.compile(r"\.[a-z][^.]*$")
"""What timm writes behind the name of an architecture: how it was trained."""
_NUMBERS = frozenset({"image_size", "attention_power", "gmacs", "mactivations", "mparameters", *WORK})


class _Line(NamedTuple):
    """A card as it is written: the columns of its file, what stands in them, where the figures are from."""

    columns: Sequence[str]
    cells: Sequence[str]
    source: str

    @property
    def works(self) -> bool:
        """Whether it tells of the work, not of totals alone."""
        return "kernels" in self.columns


class Cards:
    """Cards by all of their names, spelt in any way; each is read when it is asked for."""

    def __init__(self, files: Iterable[str]) -> None:
        """Index the texts of files. Cards that tell of work count before others, own names before aliases."""
        lines = [line for text in files for line in _lines(text)]
        lines.sort(key=lambda line: not line.works)
        self._lines = {line.cells[0]: line for line in reversed(lines)}
        own: dict[str, list[_Line]] = {}
        further: dict[str, list[_Line]] = {}
        for line in lines:
            own.setdefault(spelling(line.cells[0]), []).append(line)
            for alias in line.cells[1].split(";"):
                if alias:
                    further.setdefault(spelling(alias), []).append(line)
        self._named = {key: own.get(key, []) + further.get(key, []) for key in own.keys() | further.keys()}
        self._read: dict[int, ModelCard] = {}

    def names(self) -> tuple[str, ...]:
        """Return every card's own name, in alphabetical order."""
        return tuple(sorted(self._lines))

    def named(self, name: str, image_size: float | None = None, parameters: float | None = None) -> ModelCard | None:
        """Return the card of a network at an input size, from another size by scaling; None if nobody is called so.

        parameters: that it is said to have, which tells a network from its form with branches merged for inference
        """
        found = self._named.get(spelling(name)) or self._named.get(spelling(_TAG.sub("", name)), [])
        cards = [self._card(line) for line in found]
        if not cards:
            return None
        if parameters:
            cards = _nearest(cards, parameters, lambda card: card.parameters)
        if image_size is None:
            return cards[0]
        return _at(_nearest(cards, image_size, lambda card: card.image_size)[0], image_size)

    def _card(self, line: _Line) -> ModelCard:
        key = id(line)
        if key not in self._read:
            self._read[key] = _card(line)
        return self._read[key]


def spelling(name: str) -> str:
    """Return what is left of a name without case, punctuation and words about its precision and framework."""
    words = _BETWEEN.sub("-", _POINT.sub(".", name.casefold()))
    return _NO_SIGN.sub("", _PRECISIONS.sub("", words)) or _NO_SIGN.sub("", words)


def _nearest(
    cards: list[ModelCard], wanted: float, of: Callable[[ModelCard], float | None], alike: float = 0.005
) -> list[ModelCard]:
    """Return the cards whose figure is nearest, and those as near within a share ``alike``; all if none states it."""
    known = [(abs(math.log(figure / wanted)), card) for card in cards if (figure := of(card))]
    least = min((distance for distance, _ in known), default=0.0)
    return [card for distance, card in known if distance <= least + alike] or cards


def _lines(text: str) -> Iterator[_Line]:
    notes: list[str] = []
    rows: list[str] = []
    for line in text.splitlines():
        (notes if line.startswith("#") else rows).append(line)
    source = " ".join(note.removeprefix("# source: ") for note in notes if note.startswith("# source: "))
    reader = csv.reader(rows)
    columns = tuple(next(reader, ()))
    for cells in reader:
        yield _Line(columns, cells, source)


def _card(line: _Line) -> ModelCard:
    """Return a card; raises ValueError where a number is none."""
    cells = {column: cell for column, cell in zip(line.columns, line.cells, strict=True) if cell}
    numbers = {column: float(cell) for column, cell in cells.items() if column in _NUMBERS}

    def figure(column: str, unit: float) -> float | None:
        return numbers[column] * unit if column in numbers else None

    return ModelCard(
        name=cells["name"],
        aliases=tuple(cells.get("aliases", "").split(";")) if "aliases" in cells else (),
        kind=cast(NetworkKind, cells["kind"]) if "kind" in cells else None,
        image_size=numbers.get("image_size"),
        attention_power=numbers.get("attention_power", 1.0),
        macs=figure("gmacs", 1e9),
        activations=figure("mactivations", 1e6),
        parameters=figure("mparameters", 1e6),
        work={name: numbers[name] * (1.0 if name == "kernels" else 1e6) for name in WORK if name in numbers},
        source=line.source,
    )


def _at(card: ModelCard, image_size: float) -> ModelCard:
    """Return the card at another input size; one that states none stays as it is."""
    pixels = (image_size / card.image_size) ** 2 if card.image_size else 1.0
    if abs(pixels - 1) < 0.01:
        return card
    work = scaled(card.work, pixels, card.attention_power)
    macs = sum(work.get(f"{kind}_macs", 0.0) for kind in CLASSES) or (card.macs and card.macs * pixels)
    activations = card.activations and card.activations * pixels
    return card.model_copy(update={"image_size": image_size, "macs": macs, "activations": activations, "work": work})
