"""What each row's network asks: figures of the table, else of its card, else guessed from those that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.networks.library import card_named
from aios.records.card import ModelCard, OperatorClass

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations, Texts

__all__ = ["Figures", "figures_of"]

_CLASSES: tuple[OperatorClass, ...] = ("convolution", "grouped", "depthwise", "attention")
_PIXELS = 224.0**2
_REUSE = 180.0
"""Multiply-accumulates per parameter at 224 x 224 pixels: median of 2,900 image networks counted (timm), 25 % either
way for half of them."""
_PUT_OUT = 200.0
"""Activations per root of (multiply-accumulates x pixels / 224^2): median of the same, half of them within 32 %."""
_PARAMETERS, _OPERATORS = 1e7, 100.0
"""Of an ordinary network, where nobody says."""


class Figures(NamedTuple):
    """Of n rows, per item; all finite but ``shares``.

    macs, activations, parameters, pixels, operators · stated, seen: 1 where the multiply-accumulates, or activations,
    are those of the table or of a card, 0 where they are guessed · known: 0 where nothing is known of the size · kind:
    of the network, empty where nobody says · shares: class of operators -> its share of the multiply-accumulates, NaN
    where nobody knows; ``traffic``: values read and written by all operators per value that products put out
    """

    macs: Floats
    activations: Floats
    parameters: Floats
    pixels: Floats
    operators: Floats
    stated: Floats
    seen: Floats
    known: Floats
    kind: Texts
    shares: Mapping[str, Floats]


def figures_of(rows: Observations) -> Figures:
    """Return the figures of each row."""
    import numpy as np

    height, width = rows.number("image_size"), rows.number("image_width")
    found = {role: _positive(rows.number(role)) for role in ("macs", "activations", "parameters", "operators")}
    found["side"] = np.where(np.isnan(width), height, np.sqrt(height * width))
    weights = _positive(rows.number("weight_bytes")) / 4
    found["parameters"] = np.where(np.isnan(found["parameters"]), weights, found["parameters"])
    kind = np.full(len(rows), "", dtype="U16")
    shares = {name: np.full(len(rows), np.nan) for name in (*_CLASSES, "traffic")}
    sizes = np.nan_to_num(found["side"]).round(2).astype(str)
    keys, places = np.unique(
        np.char.add(np.char.add(rows.word("model").astype(str), "\x1f"), sizes), return_inverse=True
    )
    for place, key in enumerate(keys):
        name, size = str(key).split("\x1f")
        card = card_named(name, float(size) or None)
        if card is None:
            continue
        where = places == place
        for role, value in _stated(card).items():
            found[role][where & np.isnan(found[role])] = np.nan if value is None else value
        kind[where] = card.kind or ""
        for role, share in _shares(card).items():
            shares[role][where] = share
    return _filled(found, kind, shares)


def _stated(card: ModelCard) -> dict[str, float | None]:
    kernels = sum(work.kernels for work in card.operators.values())
    return {
        "macs": card.macs,
        "activations": card.activations,
        "parameters": card.parameters,
        "side": card.image_size,
        "operators": kernels or None,
    }


def _shares(card: ModelCard) -> dict[str, float]:
    total = sum(work.macs for work in card.operators.values())
    if not total:
        return {}
    found = {name: card.operators[name].macs / total for name in _CLASSES if name in card.operators}
    moved = sum(work.values_in + work.values_out for work in card.operators.values())
    put_out = sum(work.values_out for work in card.operators.values() if work.macs)
    return dict.fromkeys(_CLASSES, 0.0) | found | {"traffic": moved / max(put_out, 1.0)}


def _filled(found: Mapping[str, Floats], kind: Texts, shares: Mapping[str, Floats]) -> Figures:
    """Return figures with guesses wherever none is stated."""
    import numpy as np

    macs, activations, parameters = found["macs"], found["activations"], found["parameters"]
    stated, seen = (~np.isnan(macs)).astype(np.float64), (~np.isnan(activations)).astype(np.float64)
    known = (~np.isnan(macs) | ~np.isnan(parameters)).astype(np.float64)
    larger = np.where(np.isnan(found["side"]), _PIXELS, found["side"] ** 2) / _PIXELS
    guessed = np.where(np.isnan(macs), _PARAMETERS, macs / _REUSE / larger)
    parameters = np.where(np.isnan(parameters), guessed, parameters)
    macs = np.where(np.isnan(macs), parameters * _REUSE * larger, macs)
    activations = np.where(np.isnan(activations), _PUT_OUT * np.sqrt(macs * larger), activations)
    operators = np.where(np.isnan(found["operators"]), _OPERATORS, found["operators"])
    return Figures(macs, activations, parameters, larger * _PIXELS, operators, stated, seen, known, kind, shares)


def _positive(column: Floats) -> Floats:
    import numpy as np

    with np.errstate(invalid="ignore"):
        kept: Floats = np.where(column > 0, column, np.nan)
    return kept
