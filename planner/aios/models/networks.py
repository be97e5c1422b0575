"""Published networks without a file as profiles: their cards, by name."""

from __future__ import annotations

from difflib import get_close_matches

from aios.catalogue import network_cards
from aios.records.base import digest_of
from aios.records.card import ModelCard
from aios.records.model import ModelProfile, Operator, TensorSpec
from aios.records.networks import CLASSES

__all__ = ["close_networks", "every_network", "find_network", "network_profile"]

_BYTES = 4.0
_KINDS = {
    "convolution": "Conv",
    "pointwise": "Gemm",
    "grouped": "Conv",
    "depthwise": "Conv",
    "attention": "MatMul",
    "normalization": "LayerNormalization",
    "elementwise": "Add",
    "softmax": "Softmax",
    "pooling": "AveragePool",
    "movement": "Concat",
}
"""Class of operators -> an operator of that class, as ONNX calls it."""


def find_network(name: str, image_size: float | None = None) -> ModelCard | None:
    """Return the card of a published network at an input size; None if nobody is called so."""
    return network_cards().named(name, image_size)


def every_network() -> list[ModelCard]:
    """Return the cards of all published networks, in alphabetical order."""
    library = network_cards()
    return [card for card in map(library.named, library.names()) if card is not None]


def close_networks(name: str, most: int = 5) -> list[str]:
    """Return names of networks that are spelled most like this one."""
    return get_close_matches(name, network_cards().names(), most)


def network_profile(card: ModelCard) -> ModelProfile:
    """Return the profile of a network in fp32, one operator of each class standing for all of its class; its digest is
    that of what the card states."""
    stated = card.model_dump(mode="json", exclude={"name", "aliases", "source"})
    side = round(card.image_size) if card.image_size else 0
    macs, parameters = card.macs or 0.0, card.parameters or card.work.get("weights", 0.0)
    return ModelProfile(
        name=card.name,
        digest=digest_of(stated),
        format="card",
        file_bytes=0,
        inputs=(TensorSpec(name="image", dtype="float32", shape=("batch", 3, side, side)),) if side else (),
        outputs=(),
        precision="fp32",
        parameters=round(parameters),
        weight_bytes=parameters * _BYTES,
        macs=macs,
        flops=2 * macs,
        activation_bytes=(card.activations or 0.0) * _BYTES,
        operators=_operators(card),
        batch_axis=0,
        work=card.work,
        notes=(
            f"figures of a card, not of a file: {card.source}",
            "activations: all of them at once, an upper bound",
        ),
    )


def _operators(card: ModelCard) -> tuple[Operator, ...]:
    values = {name: card.work.get(f"{name}_values", 0.0) for name in CLASSES}
    weights, dense = card.work.get("weights", 0.0), card.work.get("convolution_weights", 0.0)
    total = sum(values.values())
    found = []
    for name, moved in values.items():
        macs = card.work.get(f"{name}_macs", 0.0)
        if not moved and not macs:
            continue
        count = max(1, round(card.work.get("kernels", 0.0) * moved / total)) if total else 1
        own = {"convolution": dense, "pointwise": weights - dense}.get(name, 0.0)
        found.append(
            Operator(
                kind=_KINDS[name],
                count=count,
                flops=(2 * macs or moved / 2) / count,
                weight_bytes=own * _BYTES / count,
                input_bytes=moved / 2 * _BYTES / count,
                output_bytes=moved / 2 * _BYTES / count,
            )
        )
    return tuple(found)
