"""What predictors know of a transformer's structure: its numbers by role, filled in where a table leaves them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from aios.records.observation import Observations
from aios.records.transformer import Transformer
from aios.records.transformers.parameters import active_parameters, count_parameters

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Texts

__all__ = ["described", "numbers_of"]


def numbers_of(model: Transformer) -> Mapping[str, float]:
    """Return role -> number of a model; see ``NUMBERS`` for what they are."""
    parts, experts = count_parameters(model), model.experts
    reading = [kind for kind in model.attention if kind.kind != "linear"]
    linear = [kind for kind in model.attention if kind.kind == "linear"]
    near = [kind for kind in reading if kind.kind == "sliding" and kind.window]
    widest = max(reading or model.attention, key=lambda kind: kind.layers, default=None)
    cached = {
        id(kind): kind.layers
        * (kind.kv_lora_rank + kind.rope_dim if kind.kv_lora_rank else kind.kv_heads * (kind.head_dim + kind.value_dim))
        for kind in reading
    }
    found = {
        "parameters": model.parameters or parts.total,
        "active_parameters": active_parameters(model),
        "routed_parameters": parts.routed,
        "expert_layers": experts.layers if experts else 0,
        "expert_width": (experts.latent if experts else 0) or model.hidden,
        "lookup_parameters": 0 if model.tied or not model.decoder else parts.embedding,
        "layers": model.layers,
        "hidden": model.hidden,
        "vocabulary": model.vocabulary,
        "intermediate": experts.intermediate if experts and not model.dense_layers else model.intermediate,
        "experts": experts.count if experts else 0,
        "active_experts": experts.active if experts else 0,
        "kv_values": sum(cached.values()),
        "near_values": sum(cached[id(kind)] for kind in near),
        "latent_values": sum(cached[id(kind)] for kind in reading if kind.kv_lora_rank),
        "score_width": sum(kind.layers * kind.heads * (kind.head_dim + kind.value_dim) / 2 for kind in reading),
        "score_heads": sum(kind.layers * kind.heads for kind in reading),
        "linear_width": sum(kind.layers * kind.heads * kind.head_dim for kind in linear),
    }
    indexed = [kind for kind in reading if kind.selected and kind.index_heads]
    if indexed:
        found |= {
            "selected": max(kind.selected * kind.stride for kind in indexed),
            "index_values": sum(kind.layers * kind.index_dim / kind.stride for kind in indexed),
            "index_width": sum(kind.layers * kind.index_heads * kind.index_dim / kind.stride for kind in indexed),
        }
    if near:
        found["window"] = max(kind.window or 0 for kind in near)
    if widest is not None:
        found |= {"heads": widest.heads, "head_dim": widest.head_dim}
        found["kv_heads"] = 1 if widest.kv_lora_rank else widest.kv_heads
    return {role: float(number) for role, number in found.items()}


def described(observations: Observations, find: Callable[[str], Transformer | None]) -> Observations:
    """Return the rows with every number of their models' structure that the table leaves out, and with the precision
    that a model is published in where none is stated.

    find: name of a model as tables write it -> the model, None where nobody knows it; asked once per name
    """
    import numpy as np

    names, places = np.unique(observations.word("model"), return_inverse=True)
    models = [find(str(name)) if name else None for name in names]
    if not any(models):
        return observations
    known = [numbers_of(model) if model is not None else {} for model in models]
    numbers = dict(observations.numbers)
    for role in sorted({role for item in known for role in item}):
        column = np.array([item.get(role, np.nan) for item in known])[places]
        stated = observations.number(role)
        numbers[role] = np.where(np.isnan(stated), column, stated)
    words = dict(observations.words)
    words["precision"] = _precisions(observations, [model.precision if model else "" for model in models], places)
    return replace(observations, numbers=numbers, words=words)


def _precisions(observations: Observations, published: list[str], places: npt.NDArray[np.int64]) -> Texts:
    import numpy as np

    stated = observations.word("precision")
    found: Texts = np.where(stated == "", np.array(published)[places], stated)
    return found
