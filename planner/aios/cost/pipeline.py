"""Chosen and placed stages of a pipeline -> what a request sees of the whole, and what all stages take together.

The time of a request is that of the slowest path through the stages: the times of its stages, each as often as the
request makes items of it, and what handing data from machine to machine takes. A percentile of a sum is no more than
the sum of the percentiles where the parts are independent of each other and their tails no heavier than exponential
ones, from the 72nd percentile of two equal parts on: queues in a row of exponential servers are so independent (E.
Reich, "Waiting times when queues are in tandem", Annals of Mathematical Statistics 28, 1957). The median of a sum is
more than the sum of medians, and less than that of the means, which stand in for it. Where branches meet, their slow
requests are taken to coincide; the mean of the slower of two is more than either mean, so that of branches is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, get_args

from aios.cost.interval import Interval, estimate
from aios.cost.load import LATENCIES
from aios.records.base import Source
from aios.records.candidate import Estimate, Priced
from aios.records.intent import Pipeline, Stage
from aios.records.joins import Joins
from aios.records.plan import Handing, PipelineDecision
from aios.records.selection import Placement

__all__ = ["pipeline_decision"]

_Reduce: TypeAlias = Callable[[Sequence[tuple[str, float]]], float]

_SUMS = ("power", "cost", "carbon", "memory")
_SOURCES: tuple[Source, ...] = get_args(Source)
_MEANS = ("latency.mean", "latency.p50")


def pipeline_decision(
    pipeline: Pipeline, chosen: Mapping[str, Priced], placement: Mapping[str, Sequence[Placement]], joins: Joins
) -> PipelineDecision:
    """Return what was chosen for a pipeline as a whole. chosen, placement: by name of the stage's intent"""
    stages = {stage.name: chosen[pipeline.called(stage)] for stage in pipeline.stages}
    edges = tuple(_handing(pipeline, first, then, placement, joins) for first, then in pipeline.edges)
    estimates: dict[str, Estimate] = {}
    unknown: dict[str, str] = {}
    for name in (*LATENCIES, "throughput", *_SUMS, "energy", *_accuracies(stages)):
        found = _whole(pipeline, name, stages, edges)
        if isinstance(found, str):
            unknown[name] = found
        else:
            estimates[name] = found
    names = tuple(pipeline.called(stage) for stage in pipeline.stages)
    return PipelineDecision(intent=pipeline.name, stages=names, edges=edges, estimates=estimates, unknown=unknown)


def _accuracies(stages: Mapping[str, Priced]) -> list[str]:
    return sorted({name for priced in stages.values() for name in priced.estimates if name.startswith("accuracy.")})


def _whole(pipeline: Pipeline, name: str, stages: Mapping[str, Priced], edges: Sequence[Handing]) -> Estimate | str:
    """Return the estimate of the whole, or why there is none."""
    counted = "latency.mean" if name == "latency.p50" else name
    lacking = [stage for stage, priced in stages.items() if counted not in priced.estimates]
    if lacking:
        return f"{counted} of {', '.join(lacking)} is unknown"
    own = {stage: priced.estimates[counted] for stage, priced in stages.items()}
    source = max((item.source for item in own.values()), key=_SOURCES.index)
    if name.startswith("latency."):
        return _latency(pipeline, name, own, edges, source)
    per = {stage.name: stage.per for stage in pipeline.stages}
    if name == "throughput":
        number = _ends(own, lambda values: min(value / per[stage] for stage, value in values))
        return estimate(name, number, source, "of the stage that sustains the fewest requests")
    if name.startswith("accuracy."):
        number = _ends(own, lambda values: math.prod(value for _, value in values))
        return estimate(name, number, "assumed", "product of the stages' accuracies, errors independent of each other")
    times = per if name == "energy" else dict.fromkeys(per, 1)
    number = _ends(own, lambda values: sum(value * times[stage] for stage, value in values))
    often = ", each as often as a request makes items of it" if name == "energy" else ""
    return estimate(name, number, source, f"sum of all stages{often}")


def _ends(own: Mapping[str, Estimate], reduce: _Reduce) -> Interval:
    """Put the low ends, the values and the high ends together."""
    low, value, high = (
        reduce([(stage, getattr(item, end)) for stage, item in own.items()]) for end in ("low", "value", "high")
    )
    return Interval(low, value, high)


def _latency(
    pipeline: Pipeline, name: str, own: Mapping[str, Estimate], edges: Sequence[Handing], source: Source
) -> Estimate | str:
    if name in _MEANS and pipeline.branches:
        return "means of branches that are waited for do not add up"
    unknown = [f"{edge.first} -> {edge.then}" for edge in edges if edge.seconds is None]
    if unknown:
        return f"nobody knows how long handing over takes: {', '.join(unknown)}"
    sent = {(edge.first, edge.then): edge.seconds or 0.0 for edge in edges}
    ends = [_slowest(pipeline, {stage: getattr(item, end) for stage, item in own.items()}, sent) for end in _ENDS]
    low, value, high = (time for time, _ in ends)
    path = " -> ".join(ends[1][1])
    if name == "latency.mean":
        return estimate(name, Interval(low, value, high), source, f"sum of means: {path}")
    if name == "latency.p50":
        # A median may be far below the mean: of one item, it is at least what the quickest requests see.
        return estimate(name, Interval(0.0, value, high), source, f"no more than the sum of means: {path}")
    least = max(item.low for item in own.values())
    branching = "; slow requests of branches coincide" if pipeline.branches else ""
    basis = f"no more than the sum of the stages' {name.rpartition('.')[2]}: {path}{branching}"
    return estimate(name, Interval(least, value, high), source, basis)


_ENDS = ("low", "value", "high")


def _slowest(
    pipeline: Pipeline, own: Mapping[str, float], sent: Mapping[tuple[str, str], float]
) -> tuple[float, tuple[str, ...]]:
    """Return the time of the slowest path, and the path."""
    best: dict[str, tuple[float, tuple[str, ...]]] = {}
    for stage in pipeline.stages:
        called = pipeline.called(stage)
        named = {other.name: other for other in pipeline.stages}
        before = [
            (best[first][0] + sent[pipeline.called(named[first]), called], best[first][1]) for first in stage.after
        ]
        time, path = max(before, key=lambda item: item[0], default=(0.0, ()))
        told = stage.name if stage.per == 1 else f"{stage.per} x {stage.name}"
        best[stage.name] = (time + stage.per * own[stage.name], (*path, told))
    return max(best.values(), key=lambda item: item[0])


def _handing(
    pipeline: Pipeline, first: Stage, then: Stage, placement: Mapping[str, Sequence[Placement]], joins: Joins
) -> Handing:
    """Return what one stage hands to another: by the slowest way between a machine of the one and one of the other."""
    source, target = pipeline.called(first), pipeline.called(then)
    size = None if first.produces_bytes is None else first.per * first.produces_bytes
    nodes = [sorted({part.node for part in placement[name]}) for name in (source, target)]
    pairs = [(here, there) for here in nodes[0] for there in nodes[1] if here != there]
    if not pairs:
        return Handing(first=source, then=target, bytes=size, seconds=0.0, basis="on one machine")
    slowest, basis = 0.0, ""
    for here, there in pairs:
        join = joins.between(here, there)
        if join is None or size is None:
            lacking = f"nothing of known bandwidth joins {here} and {there}"
            if join is not None:
                lacking = f"nobody says what {first.name} `produces`"
            return Handing(first=source, then=target, bytes=size, seconds=None, basis=lacking)
        time = join.seconds(max(first.per, then.per), size)
        if time >= slowest:
            slowest, basis = time, f"{here} -> {there}, the slowest way" + (", assumed" if join.assumed else "")
    return Handing(first=source, then=target, bytes=size, seconds=slowest, basis=basis)
