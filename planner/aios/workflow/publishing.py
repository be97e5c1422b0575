"""model list, model show: networks and language models whose figures ship with aios, by name."""

from __future__ import annotations

from typing import NamedTuple

from aios.records.card import ModelCard
from aios.records.errors import Diagnostic, InputError
from aios.records.transformer import Transformer

__all__ = ["Listed", "find_published", "list_published"]


class Listed(NamedTuple):
    """A line of the list. kind: of network, ``language model`` for a transformer · macs: per item, None for a
    transformer · counted: whether its work is known operator by operator"""

    name: str
    kind: str
    parameters: float | None
    macs: float | None
    image_size: float | None
    counted: bool


def list_published(wanted: str | None) -> list[Listed]:
    """Return the published models in alphabetical order; with ``wanted``, those in whose name or aliases it stands."""
    from aios.models.networks import every_network
    from aios.models.transformers.presets import presets
    from aios.records.transformers import count_parameters

    part = (wanted or "").casefold()
    found = [
        Listed(card.name, card.kind or "unknown", card.parameters, card.macs, card.image_size, bool(card.work))
        for card in every_network()
        if any(part in name.casefold() for name in (card.name, *card.aliases))
    ]
    found += [
        Listed(model.name, "language model", model.parameters or count_parameters(model).total, None, None, True)
        for model in presets()
        if part in model.name.casefold()
    ]
    return sorted(found, key=lambda item: item.name.casefold())


def find_published(name: str, image_size: float | None = None) -> ModelCard | Transformer:
    """Return the model that a name stands for. Raises InputError with the names that may have been meant."""
    from aios.models.networks import close_networks, find_network
    from aios.models.transformers import find_transformer

    language = find_transformer(name)
    if language.transformer is not None:
        return language.transformer
    card = find_network(name, image_size)
    if card is not None:
        return card
    near = ", ".join(dict.fromkeys((*close_networks(name), *language.candidates)))
    raise InputError(
        Diagnostic(
            summary=f"no published model is known as {name[:80]!r}",
            remedy=f"did you mean {near}?" if near else None,
            command="aios model list",
        )
    )
