"""model inspect of a transformer: its structure and what follows from it, in words."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from aios.cli.words import Ink, harmless, table
from aios.records.transformer import Attention, Transformer
from aios.records.units import Dimension, format_quantity

__all__ = ["transformer_text"]


def transformer_text(model: Transformer, figures: Mapping[str, Any]) -> str:
    """Return the words for a transformer. figures: as ``workflow.inspecting.transformer_figures`` returns them"""
    ink = Ink(sys.stdout)
    facts = [
        ("architecture", f"{model.architecture}, {model.layers} layers, {model.hidden:,} wide"),
        *(("attention", _attention(kind)) for kind in model.attention),
        *_feed_forwards(model),
        ("vocabulary", f"{model.vocabulary:,}" + (", embedding and output share their weights" if model.tied else "")),
        ("positions", f"{model.positions:,}" if model.positions else "not stated"),
        ("parameters", _parameters(figures)),
        ("weights", _weights(model, figures)),
    ]
    if model.vision is not None:
        tower = model.vision
        facts.append(("vision", f"{tower.layers} layers, {tower.hidden:,} wide; an image is {tower.tokens:,} tokens"))
    if "kv_cache_bytes" in figures:
        per_token, whole = figures["kv_bytes_per_token"], figures["kv_cache_bytes"]
        facts.append(("cache", f"{_bytes(per_token)} per token, {_bytes(whole)} at {figures['tokens']:,} tokens, bf16"))
    lines = [ink(harmless(model.name), "bold")]
    lines += [*(f"  {ink(name.ljust(14), 'dim')}{harmless(value)}" for name, value in facts), ""]
    lines.append(_work(figures, ink))
    lines += [f"note: {harmless(note)}" for note in model.marked]
    return "\n".join(lines)


def _attention(kind: Attention) -> str:
    if kind.kind == "linear":
        return f"{kind.layers} × linear, a state of {kind.state_values:,} numbers"
    text = f"{kind.layers} × {kind.kind}, {kind.heads} heads of {kind.head_dim}"
    if kind.kv_lora_rank:
        text += f", latent keys and values of {kind.kv_lora_rank + kind.rope_dim}"
    else:
        text += f", {kind.kv_heads} of keys and values"
    if kind.window and kind.kind == "sliding":
        text += f", the last {kind.window:,} tokens"
    return text + (f", {kind.selected:,} keys selected" if kind.selected else "")


def _feed_forwards(model: Transformer) -> list[tuple[str, str]]:
    found = []
    if model.dense_layers:
        gate = "gated" if model.gated else "plain"
        found.append(("feed-forward", f"{model.dense_layers} × {gate}, {model.intermediate:,} wide"))
    if model.experts is not None:
        experts = model.experts
        shared = f", {experts.shared} shared" if experts.shared else ""
        text = f"{experts.layers} × {experts.active} of {experts.count}{shared}, {experts.intermediate:,} wide"
        found.append(("experts", text))
    return found


def _parameters(figures: Mapping[str, Any]) -> str:
    total, active = figures["parameters"], figures["active_parameters"]
    return f"{total:,}" + (f", {active:,} of them for each token" if active < total else "")


def _weights(model: Transformer, figures: Mapping[str, Any]) -> str:
    size = figures["weight_bytes"]
    return f"unknown in {model.precision}" if size is None else f"{_bytes(size)} in {model.precision}"


def _work(figures: Mapping[str, Any], ink: Ink) -> str:
    prefill, decode = figures["prefill_flops"], figures.get("decode_flops", {})
    rows = []
    for name, flops in prefill.items():
        if flops or decode.get(name):
            row = [name, _flops(flops), f"{flops / sum(prefill.values()):.1%}"]
            rows.append([*row, _flops(decode[name])] if decode else row)
    tokens = f"{figures['tokens']:,}"
    heading = ["OPERATORS", f"READING {tokens} TOKENS", "SHARE"]
    return table([*heading, "ONE TOKEN MORE"] if decode else heading, rows, ink)


def _flops(value: float) -> str:
    for factor, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}FLOP"
    return f"{value:.3g} FLOP"


def _bytes(value: float) -> str:
    return format_quantity(value, Dimension.BYTES)
