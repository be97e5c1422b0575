"""What is bounded of pipelines, recomputed from choice and placement. Twin of the solver's pipeline clause.

Every path from a stage that takes the request to one that nobody takes from is followed: each stage's time as often as
the request makes items of it, and on each edge the slowest way between a machine with parts of the one stage and one
with parts of the other. Means stand in for medians, which do not add up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from aios.check.site import Site
from aios.records.intent import Intent, Pipeline, Requirement, Stage
from aios.records.joins import Joins
from aios.records.metrics import metric
from aios.records.selection import Clause, LedgerRow

__all__ = ["rows"]

_ROUNDING = 1.1e-9
"""Of a bound, for each stage and edge: what rounding to whole parts of the bound may hide."""


def rows(site: Site, joins: Joins) -> Iterator[LedgerRow]:
    """Yield one row per bound of a pipeline; what nobody knows keeps none."""
    pipelines = {intent.pipeline.name: intent.pipeline for intent in site.intents if intent.pipeline is not None}
    intents = {intent.name: intent for intent in site.intents}
    for pipeline in pipelines.values():
        stages = {stage.name: intents.get(pipeline.called(stage)) for stage in pipeline.stages}
        for bound in pipeline.require:
            value = _value(site, joins, pipeline, stages, bound)
            clause = Clause(
                id=f"{pipeline.name}/{bound.metric}",
                intent=pipeline.name,
                metric=bound.metric,
                bound=bound.bound,
                text=pipeline.said(bound),
                where=bound.where,
            )
            if value is None:
                yield LedgerRow(clause=clause, value=None, slack=None, holds=False)
                continue
            slack = bound.bound - value if metric(bound.metric).relation == "<=" else value - bound.bound
            hidden = _ROUNDING * (len(pipeline.stages) + len(pipeline.edges)) * bound.bound
            yield LedgerRow(clause=clause, value=value, slack=slack, holds=slack >= -hidden)
        if any(bound.metric.startswith("latency.") for bound in pipeline.require):
            for first, then in pipeline.edges:
                known = _handed(site, joins, pipeline, first, then)
                text = pipeline.known_handing(first, then)
                edge = f"{pipeline.name}/{first.name}/{then.name}"
                clause = Clause(id=edge, intent=pipeline.name, text=text, where=first.where)
                yield LedgerRow(clause=clause, value=known, slack=None, holds=known is not None)


def _value(
    site: Site, joins: Joins, pipeline: Pipeline, intents: Mapping[str, Intent | None], bound: Requirement
) -> float | None:
    name = "latency.mean" if bound.metric == "latency.p50" else bound.metric
    own: dict[str, float] = {}
    for stage in pipeline.stages:
        intent = intents[stage.name]
        value = None if intent is None else _of_stage(site, intent, name)
        if value is None:
            return None
        own[stage.name] = value * stage.per if name.startswith("latency.") or name == "energy" else value
    if name.startswith("latency."):
        return _slowest(site, joins, pipeline, own)
    return math.prod(own.values()) if name.startswith("accuracy.") else sum(own.values())


def _of_stage(site: Site, intent: Intent, name: str) -> float | None:
    """Return the end of the estimate that a bound is compared with."""
    priced = site.chosen(intent)
    estimate = None if priced is None else priced.estimates.get(name)
    if estimate is None:
        return None
    worst = estimate.high if metric(name).relation == "<=" else estimate.low
    return estimate.value if intent.risk == "expected" else worst


def _slowest(site: Site, joins: Joins, pipeline: Pipeline, own: Mapping[str, float]) -> float | None:
    """Return the time of the slowest path; None where one of them is unknown."""
    until: dict[str, float] = {}
    for stage in pipeline.stages:
        arrives = 0.0
        for first in (other for other in pipeline.stages if other.name in stage.after):
            sent = _handed(site, joins, pipeline, first, stage)
            if sent is None:
                return None
            arrives = max(arrives, until[first.name] + sent)
        until[stage.name] = arrives + own[stage.name]
    return max(until.values())


def _handed(site: Site, joins: Joins, pipeline: Pipeline, first: Stage, then: Stage) -> float | None:
    """Return what handing over all that a request makes takes at most: nothing on one machine."""
    here, there = (
        {part.node for part in site.selection.placement.get(pipeline.called(stage), ())} for stage in (first, then)
    )
    slowest = 0.0
    for source, target in ((one, other) for one in sorted(here) for other in sorted(there) if one != other):
        join = joins.between(source, target)
        if join is None or first.produces_bytes is None:
            return None
        messages, size = max(first.per, then.per), first.per * first.produces_bytes
        slowest = max(slowest, join.seconds(messages, size))
    return slowest
