"""What a transformer's structure forbids: sequences that are too long, parallel degrees that do not divide."""

from __future__ import annotations

import math

from aios.records.transformer import Attention, Transformer

__all__ = ["length_reason", "most_tensor", "parallel_reasons"]


def length_reason(model: Transformer, tokens: int) -> str | None:
    """Return why a sequence of this many tokens cannot be; None where it can or nobody knows."""
    if model.positions is None or tokens <= model.positions:
        return None
    return f"{tokens:,} tokens are longer than the {model.positions:,} positions of {model.name}"


def most_tensor(model: Transformer) -> int:
    """Return the number whose divisors are the degrees of tensor parallelism that divide every block of a model."""
    return math.gcd(*(_divided(kind) for kind in model.attention)) or 1


def parallel_reasons(
    model: Transformer,
    tensor: int = 1,
    pipeline: int = 1,
    expert: int = 1,
    expert_tensor: int = 1,
    *,
    even_stages: bool = True,
) -> tuple[str, ...]:
    """Return why these degrees cannot be, empty where they can.

    even_stages: every pipeline stage has as many blocks; engines that serve do without. Keys and values of fewer heads
    than devices are kept several times, which is allowed where the one divides the other.
    """
    found = []
    for degree, what in (
        (tensor, "tensor"),
        (pipeline, "pipeline"),
        (expert, "expert"),
        (expert_tensor, "expert tensor"),
    ):
        if degree < 1:
            found.append(f"{what} parallelism of {degree} is less than 1")
    if found:
        return tuple(found)
    for kind in model.attention:
        if _divided(kind) % tensor:
            what = "channels" if _by_channel(kind) else "heads"
            found.append(f"{_divided(kind)} {what} of {model.name} cannot be divided over {tensor} devices")
        elif not _by_channel(kind) and kind.kv_heads % tensor and tensor % kind.kv_heads and not kind.kv_lora_rank:
            found.append(f"{kind.kv_heads} key-value heads of {model.name} cannot be divided over {tensor} devices")
    if model.dense_layers and model.intermediate % tensor:
        found.append(f"a feed-forward {model.intermediate} wide cannot be divided over {tensor} devices")
    if pipeline > model.layers or (even_stages and model.layers % pipeline):
        found.append(f"{model.layers} layers of {model.name} cannot be divided into {pipeline} pipeline stages")
    return tuple(dict.fromkeys(found + _expert_reasons(model, expert, expert_tensor)))


def _by_channel(kind: Attention) -> bool:
    """Whether every channel of a block works alone, as in state-space blocks without heads and short convolutions."""
    return kind.kind == "linear" and kind.heads == 1


def _divided(kind: Attention) -> int:
    """Return what tensor parallelism divides in a block: heads, or the channels of one that has none."""
    return kind.head_dim if _by_channel(kind) else kind.heads


def _expert_reasons(model: Transformer, expert: int, expert_tensor: int) -> list[str]:
    experts = model.experts
    if experts is None:
        return [f"{model.name} has no experts to divide over {expert} devices"] if expert * expert_tensor > 1 else []
    found = []
    if experts.count % expert:
        found.append(f"{experts.count} experts of {model.name} cannot be divided over {expert} devices")
    if experts.intermediate % expert_tensor:
        found.append(f"an expert {experts.intermediate} wide cannot be divided over {expert_tensor} devices")
    return found
