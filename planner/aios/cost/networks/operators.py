"""The work of networks, class of operators by class: counted from their graphs, else as networks like them have it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from aios.catalogue import network_cards
from aios.records.card import ModelCard
from aios.records.networks import CLASSES, PER_CALL, WORK

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Texts

__all__ = ["Asked", "Sizes", "asked_of", "sizes_of"]

_MACS = tuple(name for name in WORK if name.endswith("_macs"))
_VALUES = tuple(name for name in WORK if name.endswith(("_values", "_scores", "_taps")))
_REACH = (1.0, 0.5, 0.7, 0.5)
"""Differences of the logarithms of multiply-accumulates, activations, parameters and pixels at which networks begin to
be unlike: published families are about that wide."""
_OTHER_KIND = 4.0
"""What being of another kind counts, in squares of such differences."""
_OTHER_SIZE = 0.7
"""Logarithm of the ratio of stated to counted arithmetic beyond which it is not the graph that was counted: a factor of
two, more than fused or uncounted operators make."""
_AT_ONCE = 500
"""Networks that are compared with all known ones at once; more take much memory."""


class Sizes(NamedTuple):
    """What is stated of n networks, NaN where nothing is. kind: empty where nobody says"""

    macs: Floats
    activations: Floats
    parameters: Floats
    pixels: Floats
    kind: Texts

    def take(self, rows: npt.NDArray[np.int64]) -> Sizes:
        """Return some of them."""
        return Sizes(self.macs[rows], self.activations[rows], self.parameters[rows], self.pixels[rows], self.kind[rows])


class Asked(NamedTuple):
    """The work of n networks, per item. amounts: name of ``WORK`` -> how much · sizes: without gaps · counted: 1 where
    the work is known from a graph, 0 where it is that of networks like it"""

    amounts: Mapping[str, Floats]
    sizes: Sizes
    counted: Floats


class _Known(NamedTuple):
    """Networks whose graphs were counted. logs: (networks, 4) of what ``_REACH`` lists · shares: (networks, amounts) of
    multiply-accumulates, of activations, of parameters; of kernels the logarithm"""

    logs: Floats
    shares: Floats
    kind: Texts


def sizes_of(cards: list[ModelCard | None]) -> Sizes:
    """Return what cards state."""
    import numpy as np

    def column(values: list[float | None]) -> Floats:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    sides = [card.image_size if card else None for card in cards]
    return Sizes(
        macs=column([card.macs if card else None for card in cards]),
        activations=column([card.activations if card else None for card in cards]),
        parameters=column([card.parameters if card else None for card in cards]),
        pixels=column([side and side**2 for side in sides]),
        kind=np.array([(card.kind if card else None) or "" for card in cards], dtype="U16"),
    )


def asked_of(cards: list[ModelCard | None], stated: Sizes) -> Asked:
    """Return the work of networks. cards: what is known of each by name · stated: sizes that count before theirs.

    A network of which nothing at all is stated is an ordinary one.
    """
    import numpy as np

    own = sizes_of(cards)
    first, second = np.column_stack(stated[:4]), np.column_stack(own[:4])
    numbers = np.where(np.isnan(first), second, first)
    kind = np.where(stated.kind == "", own.kind, stated.kind)
    counted = np.array([bool(card and card.work) for card in cards], dtype=bool)
    amounts = np.array([[card.work.get(name, 0.0) if card else 0.0 for name in WORK] for card in cards])
    amounts *= _resized(stated.macs, own.macs)
    gaps = np.isnan(numbers).any(axis=1) | ~counted
    parts = np.array_split(np.flatnonzero(gaps), 1 + int(gaps.sum()) // _AT_ONCE) if gaps.any() else ()
    for rows in parts:
        found, numbers[rows] = _alike(numbers[rows], kind[rows])
        amounts[rows] = np.where(counted[rows, None], amounts[rows], found)
    macs, activations, parameters, pixels = numbers.T
    sizes = Sizes(macs, activations, parameters, pixels, kind)
    return Asked(dict(zip(WORK, amounts.T, strict=True)), sizes, counted.astype(np.float64))


def _resized(stated: Floats, counted: Floats) -> Floats:
    """Return (n, amounts) by how much a network does more per item than the graph of its name; 1 where it is that.

    One with far other arithmetic is the same network on maps of another size, such as one for small pictures without
    its first strides; smaller differences are other habits of counting.
    """
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = stated / counted
        other = np.abs(np.log(ratio)) > _OTHER_SIZE
    per_item = np.array([name not in PER_CALL for name in WORK])
    return np.where(other[:, None] & per_item, np.nan_to_num(ratio, posinf=1.0)[:, None], 1.0)


def _alike(numbers: Floats, kind: Texts) -> tuple[Floats, Floats]:
    """Return amounts (n, amounts) and the sizes (n, 4) without gaps as networks of like size and kind have them."""
    import numpy as np

    known = _known()
    logs = np.log(numbers)
    total = np.where((kind == "")[:, None] | (kind[:, None] == known.kind[None]), 0.0, _OTHER_KIND)
    for place, reach in enumerate(_REACH):
        total += (np.nan_to_num(logs[:, None, place] - known.logs[None, :, place]) / reach) ** 2
    weights = np.exp((total.min(axis=1, keepdims=True) - total) / 2)
    weights /= weights.sum(axis=1, keepdims=True)
    filled: Floats = np.exp(_without_gaps(logs, weights @ known.logs))
    amounts: Floats = weights @ known.shares
    for place, name in enumerate(WORK):
        if name == "kernels":
            amounts[:, place] = np.exp(amounts[:, place])
        else:
            amounts[:, place] *= filled[:, 0 if name in _MACS else 1 if name in _VALUES else 2]
    return amounts, filled


def _without_gaps(logs: Floats, typical: Floats) -> Floats:
    """Return logarithms of sizes with gaps filled by the typical ratio to the first of them that is stated."""
    import numpy as np

    left = np.nan_to_num(logs - typical)
    first = np.where(~np.isnan(logs[:, 0]), left[:, 0], np.where(~np.isnan(logs[:, 2]), left[:, 2], left[:, 1]))
    first = np.where(np.isnan(logs[:, :3]).all(axis=1), 0.0, first)
    guess = typical + first[:, None] * np.array([1.0, 1.0, 1.0, 0.0])
    whole: Floats = np.where(np.isnan(logs), guess, logs)
    return whole


@cache
def _known() -> _Known:
    import numpy as np

    library = network_cards()
    cards = [card for card in map(library.named, library.names()) if card and card.work and card.activations]
    sizes = sizes_of(list(cards))
    amounts = np.array([[card.work.get(name, 0.0) for name in WORK] for card in cards])
    macs = amounts[:, [list(WORK).index(f"{kind}_macs") for kind in CLASSES[:5]]].sum(axis=1)
    for place, name in enumerate(WORK):
        if name == "kernels":
            amounts[:, place] = np.log(np.maximum(amounts[:, place], 1.0))
        else:
            amounts[:, place] /= macs if name in _MACS else sizes.activations if name in _VALUES else sizes.parameters
    seen = np.isfinite(np.log(np.column_stack(sizes[:4]))).all(axis=1)
    return _Known(np.log(np.column_stack(sizes[:4]))[seen], amounts[seen], sizes.kind[seen])
