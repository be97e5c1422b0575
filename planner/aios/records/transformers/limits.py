"""What a transformer's structure forbids: sequences that are too long, parallel degrees that do not divide."""

from __future__ import annotations

from aios.records.transformer import Transformer

__all__ = ["length_reason", "parallel_reasons"]


def length_reason(model: Transformer, tokens: int) -> str | None:
    """Return why a sequence of this many tokens cannot be; None where it can or nobody knows."""
    if model.positions is None or tokens <= model.positions:
        return None
    return f"{tokens:,} tokens are longer than the {model.positions:,} positions of {model.name}"


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
        if kind.heads % tensor:
            found.append(f"{kind.heads} heads of {model.name} cannot be divided over {tensor} devices")
        elif kind.kv_heads % tensor and tensor % kind.kv_heads and not kind.kv_lora_rank:
            found.append(f"{kind.kv_heads} key-value heads of {model.name} cannot be divided over {tensor} devices")
    if model.dense_layers and model.intermediate % tensor:
        found.append(f"a feed-forward {model.intermediate} wide cannot be divided over {tensor} devices")
    if pipeline > model.layers or (even_stages and model.layers % pipeline):
        found.append(f"{model.layers} layers of {model.name} cannot be divided into {pipeline} pipeline stages")
    return tuple(dict.fromkeys(found + _expert_reasons(model, expert, expert_tensor)))


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
