"""What cannot be meant of a service whose load is split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aios.intents.written import Spec
from aios.records.document import Document
from aios.records.errors import Diagnostic
from aios.records.intent import Goal
from aios.records.where import PlacementRules

__all__ = ["ADDED_UP", "wrong_splits"]

ADDED_UP = ("power", "cost", "carbon", "memory")
"""Metrics of which the groups of a service add up to what the service has."""


def wrong_splits(document: Document, spec: Spec, goals: Sequence[Goal], rules: PlacementRules) -> Iterator[Diagnostic]:
    """Yield what contradicts a load that is split over groups of replicas, each of which is planned by itself."""
    if spec.load is None or spec.load.pieces is None:
        return
    where = document.span(("spec", "load", "split"))
    reason = f"its load may be split, at {where}: each group of replicas is planned and deployed by itself"
    for goal in goals:
        if goal.metric not in ADDED_UP:
            yield Diagnostic(
                summary=f"`{goal.metric}` of groups does not add up to that of their service",
                where=goal.where or where,
                reason=reason,
                remedy=f"make {', '.join(ADDED_UP[:-1])} or {ADDED_UP[-1]} small, or leave `split` out",
            )
    ruled = {"spread": rules.spread, "together": rules.together, "apart": rules.apart, "survive": rules.survive}
    for field in (field for field, rule in ruled.items() if rule):
        summary = f"`{field}` would hold of each group alone, not of the whole service"
        yield document.diagnostic(
            ("spec", field), summary, key=True, reason=reason, remedy=f"leave `{field}` or `split` out"
        )
    if not spec.required:
        summary = "a service of which some groups may be refused serves only a part of its load"
        yield document.diagnostic(
            ("spec", "required"), summary, key=True, reason=reason, remedy="leave one of them out"
        )
    if spec.serve.port is not None:
        summary = "the groups of a service cannot all answer on one port"
        yield document.diagnostic(("spec", "serve", "port"), summary, reason=reason, remedy="leave one of them out")
