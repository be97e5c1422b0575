"""Pipelines in words: how data flows through the stages of each, and what handing it over takes."""

from __future__ import annotations

from aios.cli.words import Ink
from aios.records.plan import Handing, Plan
from aios.records.units import Dimension, format_quantity

__all__ = ["pipeline_words"]


def pipeline_words(plan: Plan, ink: Ink) -> str:
    """Return a line for each edge of each pipeline, and one for each number that is unknown of the whole."""
    lines = []
    for whole in plan.pipelines:
        lines += [f"{ink('hand-over', 'dim')} {edge.first} -> {edge.then}: {_words(edge)}" for edge in whole.edges]
        wanted = [name for name in whole.unknown if name in ("latency.p99", "throughput", "power")]
        lines += [f"{ink('unknown', 'yellow')} {whole.intent}: {name}: {whole.unknown[name]}" for name in wanted]
    return "\n".join(lines)


def _words(edge: Handing) -> str:
    size = "data" if edge.bytes is None else format_quantity(edge.bytes, Dimension.BYTES)
    if edge.seconds is None:
        return f"{size} in unknown time: {edge.basis}"
    if not edge.seconds:
        return f"{size} {edge.basis}"
    return f"{size} in {format_quantity(edge.seconds, Dimension.TIME)} ({edge.basis})"
