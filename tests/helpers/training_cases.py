"""Transformers to train, and ways to split a step, as tests of training make them up."""

from dataclasses import fields

import numpy as np

from aios.cost.training import Work
from aios.records.transformer import Attention, Experts, Transformer

__all__ = ["decoder", "gpt", "work"]


def decoder(layers=32, hidden=4096, heads=32, experts=0, positions=8192) -> Transformer:
    """Return one like Llama; with experts, one like Mixtral: two of them for a token, in every block."""
    wide = 11008 * hidden // 4096
    return Transformer(
        name=f"decoder-{layers}x{hidden}",
        architecture="LlamaForCausalLM",
        layers=layers,
        hidden=hidden,
        vocabulary=32000,
        attention=_attention(layers, hidden, heads),
        dense_layers=0 if experts else layers,
        intermediate=wide,
        experts=Experts(layers=layers, count=experts, active=2, intermediate=wide) if experts else None,
        positions=positions,
    )


def gpt(layers, hidden, heads, vocabulary=51200) -> Transformer:
    """Return one like GPT-3, as papers on training report it."""
    return Transformer(
        name=f"gpt-{layers}x{hidden}",
        architecture="GPT2LMHeadModel",
        layers=layers,
        hidden=hidden,
        vocabulary=vocabulary,
        attention=_attention(layers, hidden, heads),
        dense_layers=layers,
        intermediate=4 * hidden,
        gated=False,
        tied=True,
        positions=2048,
    )


def work(**changes) -> Work:
    """Return one row: 2048 tokens on one device, nothing split or computed again, but for the changes."""
    usual = {item.name: 1.0 for item in fields(Work)}
    usual |= {"sequence": 2048.0, "shard": 0.0, "recompute": 0.0, "scores_again": 0.0, "adapters": 0.0, "unfused": 0.0}
    return Work(**{name: np.array([float(value)]) for name, value in (usual | changes).items()})


def _attention(layers, hidden, heads) -> tuple[Attention, ...]:
    width = hidden // heads
    return (Attention(layers=layers, heads=heads, kv_heads=heads, head_dim=width, value_dim=width),)
