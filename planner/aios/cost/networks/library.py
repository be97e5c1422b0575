"""Figures of well-known networks, looked up by name; they ship as ``cards/networks/*.csv``.

A file begins with "# " lines that say where its figures are from. Columns, all but ``name`` optional: ``name``;
``aliases``, separated by ``;``; ``kind``; ``image_size`` in pixels; ``gmacs`` (1e9 multiply-accumulates),
``mactivations`` and ``mparameters`` (1e6 values) per item; and one column for each class of operators with five
numbers: macs, activations read and written, weights, kernels.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import cast, get_args

from aios.catalogue import root
from aios.records.card import ModelCard, NetworkKind, OperatorClass, OperatorWork

__all__ = ["Cards", "card_named", "read_cards", "spelling"]

_PRECISIONS = re.compile(
    r"(?<![a-z0-9])(?:precision|non|quantized|quant|float|fp32|fp16|bf16|int8|uint8|w8a8|w8a16|pytorch|torchvision|torch"
    r"|tf|tensorflow|onnx|caffe|mxnet|paddle|keras|for|infer|inference|built-?in)(?![a-z0-9])"
)
"""Words beside a name that say in what it computes or where its weights are from, not which network it is."""
_PER_G, _PER_M = 1e9, 1e6


class Cards:
    """Cards by all of their names, spelt in any way."""

    def __init__(self, cards: Iterable[ModelCard]) -> None:
        """The first card of a name and size counts, one that tells of its operators before one that does not."""
        self._named: dict[str, list[ModelCard]] = {}
        for card in sorted(cards, key=lambda card: not card.operators):
            for key in dict.fromkeys(map(spelling, (card.name, *card.aliases))):
                self._named.setdefault(key, []).append(card)

    def named(self, name: str, image_size: float | None = None) -> ModelCard | None:
        """Return the card of a network at an input size, from another size by scaling; None if nobody is called so.

        Convolutions and token-wise products do work in proportion to the pixels; that attention grows faster is
        left out, as a card at another size is mostly a convolutional one.
        """
        found = self._named.get(spelling(name), [])
        if not found or not image_size:
            return found[0] if found else None
        sized = [card for card in found if card.image_size]
        if not sized:
            return found[0]
        nearest = min(sized, key=lambda card: abs((card.image_size or image_size) / image_size - 1))
        return _scaled(nearest, image_size)


def spelling(name: str) -> str:
    """Return what is left of a name without case, punctuation and words about its precision and framework."""
    words = re.sub(r"[_\s/()]+", "-", name.casefold())
    kept = _PRECISIONS.sub("", words)
    return re.sub(r"[^a-z0-9.]", "", kept) or re.sub(r"[^a-z0-9.]", "", words)


def card_named(name: str, image_size: float | None = None) -> ModelCard | None:
    """Return the shipped card of a network; None if nobody is called so."""
    return _shipped().named(name, image_size)


def read_cards(path: Path) -> Iterator[ModelCard]:
    """Yield the cards of a file; raises ValueError where a number is none."""
    text = path.read_text(encoding="utf-8").splitlines()
    source = " ".join(line.removeprefix("# ") for line in text if line.startswith("# source"))
    for row in csv.DictReader(line for line in text if not line.startswith("#")):
        yield _card(row, source.removeprefix("source: "))


@cache
def _shipped() -> Cards:
    return Cards(card for path in sorted((root() / "cards" / "networks").glob("*.csv")) for card in read_cards(path))


def _card(row: Mapping[str, str | None], source: str) -> ModelCard:
    def number(column: str, unit: float) -> float | None:
        text = row.get(column)
        return float(text) * unit if text else None

    kinds = cast(tuple[OperatorClass, ...], get_args(OperatorClass))
    return ModelCard(
        name=row["name"] or "",
        aliases=tuple(item for item in (row.get("aliases") or "").split(";") if item),
        kind=cast(NetworkKind, row["kind"]) if row.get("kind") else None,
        image_size=number("image_size", 1.0),
        macs=number("gmacs", _PER_G),
        activations=number("mactivations", _PER_M),
        parameters=number("mparameters", _PER_M),
        operators={kind: _work(text) for kind in kinds if (text := row.get(kind))},
        source=source,
    )


def _work(text: str) -> OperatorWork:
    macs, values_in, values_out, weights, kernels = map(float, text.split())
    return OperatorWork(macs=macs, values_in=values_in, values_out=values_out, weights=weights, kernels=int(kernels))


def _scaled(card: ModelCard, image_size: float) -> ModelCard:
    ratio = (image_size / card.image_size) ** 2 if card.image_size else 1.0
    if abs(ratio - 1) < 0.01:
        return card
    return card.model_copy(
        update={
            "image_size": image_size,
            "macs": card.macs and card.macs * ratio,
            "activations": card.activations and card.activations * ratio,
            "operators": {
                kind: work.model_copy(
                    update={
                        "macs": work.macs * ratio,
                        "values_in": work.values_in * ratio,
                        "values_out": work.values_out * ratio,
                    }
                )
                for kind, work in card.operators.items()
            },
        }
    )
