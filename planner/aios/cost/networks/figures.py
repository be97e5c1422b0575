"""What each row's network asks: figures of the table, else of its card, else those of networks like it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from aios.catalogue import network_cards
from aios.cost.networks.operators import Sizes, asked_of
from aios.records.card import ModelCard
from aios.records.networks import CLASSES, WORK

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations

__all__ = ["Figures", "figures_of"]

_OTHER_NETWORK = 0.25
"""Difference of the logarithms of parameters from which a network of the same name is another one."""


class Figures(NamedTuple):
    """Of n rows, per item. amounts: work by name (``records.networks.WORK``) · sizes: without gaps · counted: 1 where
    the work is counted from a graph · stated: 1 where the table or a card states the multiply-accumulates · known: 0
    where nothing is known of its size"""

    amounts: Mapping[str, Floats]
    sizes: Sizes
    counted: Floats
    stated: Floats
    known: Floats


def figures_of(rows: Observations) -> Figures:
    """Return the figures of each row.

    Rows that state their work (numbers named as in ``WORK``, at least ``kernels``), as those of a file do, count
    as they are; others are looked up by name and size, each pair once.
    """
    import numpy as np

    found = _looked_up(rows)
    stated = {name: column for name, column in rows.numbers.items() if name in WORK}
    if "kernels" not in stated:
        return found
    given = np.isfinite(stated["kernels"])
    nothing = np.zeros(len(rows))
    amounts = {
        name: np.where(given, np.nan_to_num(stated.get(name, nothing)), amount)
        for name, amount in found.amounts.items()
    }
    macs = np.add.reduce([amounts[f"{kind}_macs"] for kind in CLASSES[:5]])
    ones = given.astype(np.float64)
    return Figures(
        amounts=amounts,
        sizes=found.sizes._replace(macs=np.where(given & (macs > 0), macs, found.sizes.macs)),
        counted=np.maximum(found.counted, ones),
        stated=np.maximum(found.stated, given & (macs > 0)),
        known=np.maximum(found.known, ones),
    )


def _looked_up(rows: Observations) -> Figures:
    import numpy as np

    height, width = rows.number("image_size"), rows.number("image_width")
    side = np.where(np.isnan(width), height, np.sqrt(height * width))
    parameters = _positive(rows.number("parameters"))
    parameters = np.where(np.isnan(parameters), _positive(rows.number("weight_bytes")) / 4, parameters)
    stated = (_positive(rows.number("macs")), _positive(rows.number("activations")), parameters, side**2)
    models = rows.word("model").astype(str)
    named, numbers = np.unique(models, return_inverse=True)
    _, first, places = np.unique(
        np.nan_to_num(np.column_stack([numbers, *stated])), axis=0, return_index=True, return_inverse=True
    )
    cards = [_card(str(named[numbers[row]]), side[row], parameters[row]) for row in first]
    macs, activations, parameters, pixels = (column[first] for column in stated)
    kind = np.full(len(first), "", dtype="U16")
    found = asked_of(cards, Sizes(macs, activations, parameters, pixels, kind))
    computed = np.array([bool(card and card.macs) for card in cards])[places]
    sized = np.array([bool(card and (card.macs or card.parameters)) for card in cards])[places]
    amounts = {name: amount[places] for name, amount in found.amounts.items()}
    operators = _positive(rows.number("operators"))
    counted = found.counted[places]
    amounts["kernels"] = np.where(np.isnan(operators) | (counted > 0), amounts["kernels"], operators)
    return Figures(
        amounts=amounts,
        sizes=found.sizes.take(places),
        counted=counted,
        stated=(computed | np.isfinite(stated[0])).astype(np.float64),
        known=(sized | np.isfinite(stated[0]) | np.isfinite(stated[2])).astype(np.float64),
    )


def _card(name: str, side: float, parameters: float) -> ModelCard | None:
    card = network_cards().named(
        name, None if math.isnan(side) else side, None if math.isnan(parameters) else parameters
    )
    if card is None or math.isnan(parameters) or not card.parameters:
        return card
    return card if abs(math.log(card.parameters / parameters)) < _OTHER_NETWORK else None


def _positive(column: Floats) -> Floats:
    import numpy as np

    with np.errstate(invalid="ignore"):
        kept: Floats = np.where(column > 0, column, np.nan)
    return kept
