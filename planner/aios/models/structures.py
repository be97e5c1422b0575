"""Models without a file of weights as profiles: transformers by configuration or name, networks by name."""

from __future__ import annotations

from pathlib import Path

from aios.models.networks import close_networks, find_network, network_profile
from aios.models.transformers import find_transformer, load_config
from aios.records.base import digest_of
from aios.records.errors import Diagnostic, InputError
from aios.records.model import ModelProfile
from aios.records.transformer import Transformer
from aios.records.transformers import (
    activation_bytes,
    active_parameters,
    count_parameters,
    kv_bytes_per_token,
    prefill_work,
    scheme_of,
    weight_bytes,
)

__all__ = ["card_profile", "configuration_of", "read_configuration", "transformer_profile"]

_CONFIGURATION = "config.json"
_FORMAT = "transformer"
_MOST_NAMES = 6


def configuration_of(path: Path) -> Path | None:
    """Return the configuration that a path names: a ``.json`` file, or a folder that holds ``config.json``."""
    if path.is_dir():
        inside = path / _CONFIGURATION
        return inside if inside.is_file() else None
    return path if path.suffix.lower() == ".json" and path.is_file() else None


def transformer_profile(model: Transformer) -> ModelProfile:
    """Return the profile of a transformer, per token of a short sequence; its digest is that of its structure."""
    structure = model.model_dump(mode="json", exclude={"name", "digest", "declared"})
    parts = count_parameters(model)
    stored = model.precision if scheme_of(model.precision) else "bf16"
    return ModelProfile(
        name=model.name,
        digest=digest_of(structure),
        format=_FORMAT,
        file_bytes=0,
        inputs=(),
        outputs=(),
        precision=model.precision,
        parameters=model.parameters or parts.total,
        weight_bytes=weight_bytes(model, stored),
        macs=float(active_parameters(model) - parts.embedding * (not model.tied)),
        flops=float(sum(prefill_work(model, 1.0))),
        activation_bytes=float(activation_bytes(model, 1.0)),
        kv_cache_bytes=float(kv_bytes_per_token(model)),
        operators=(),
        batch_axis=0,
        declared=model.declared,
        transformer=model,
        notes=model.marked,
    )


def card_profile(name: str, trained: bool = False) -> ModelProfile:
    """Return the profile of a published model: a transformer, else a network by its card.

    A transformer without a vocabulary takes pictures, each as many tokens as any other: served, it is a network if it
    has a card; to be trained, its blocks count. Raises InputError with the names that may have been meant.
    """
    found = find_transformer(name)
    transformer = found.transformer
    if transformer is not None and (transformer.vocabulary or trained):
        return transformer_profile(transformer)
    called = (name, name.rpartition("/")[2], transformer.name.rpartition("/")[2] if transformer else "")
    card = next((card for card in map(find_network, filter(None, called)) if card is not None), None)
    if card is not None:
        return network_profile(card)
    if transformer is not None:
        return transformer_profile(transformer)
    near = ", ".join((*found.candidates, *close_networks(name, 3))[:_MOST_NAMES])
    raise InputError(
        Diagnostic(
            summary=f"no published model is known as {name[:80]!r}",
            remedy=f"did you mean {near}?" if near else "name a folder with its config.json as `path`",
            command="aios model list",
        )
    )


def read_configuration(path: Path) -> ModelProfile:
    """Return the profile of the transformer that a ``config.json`` describes. Raises InputError."""
    return transformer_profile(load_config(path))
