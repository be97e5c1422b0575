"""A plan in the words of the vocabulary: the document's own fields, and sums over it that rules like to bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aios.policy.vocabulary import FIELDS
from aios.records.candidate import Estimate
from aios.records.metrics import find_metric
from aios.records.plan import Action, Claim, Decision, Deployment, Plan

__all__ = ["view_of"]

_NESTED = {
    kind: [(name, type_.strip("[]{}"), type_) for name, type_ in fields.items() if type_.strip("[]{}") in FIELDS]
    for kind, fields in FIELDS.items()
}
"""Message -> its fields that hold messages: name, message, type."""

_PUT_TOGETHER: Mapping[str, Callable[[list[float]], float]] = {"sum": sum, "max": max, "min": min}
"""How values of several intents are put together, by what their metric says."""


def view_of(plan: Plan) -> dict[str, Any]:
    """Return the plan as plain data. What is unknown, is left out: a sum of which a part is unknown is unknown."""
    actions = {action.address: action for action in plan.actions}
    names = dict.fromkeys([*(item.intent for item in plan.decisions), *(item.intent for item in plan.refused)])
    names |= dict.fromkeys(action.address for action in plan.actions)
    decisions = [_decision(item, actions.get(item.intent), _labels(plan, item.intent)) for item in plan.decisions]
    whole = {
        "intents": [{"name": name, "labels": _labels(plan, name)} for name in names],
        "decisions": decisions,
        "claims": [_claim(item) for item in plan.claims],
        "actions": [_action(item) for item in plan.actions],
        "totals": _totals([item.estimates for item in plan.decisions]),
        "before": _before(plan),
        "moves": sum(item.moved is not None for item in plan.decisions),
        "replicas": sum(item.replicas for item in plan.decisions),
        "nodes": sorted({node for item in decisions for node in item["nodes"]}),
    }
    return _own(plan, "Plan") | whole


def _own(record: Any, kind: str) -> dict[str, Any]:
    """Return the fields that a record and the vocabulary share and that have a value."""
    plain = record.model_dump(mode="json", include=set(FIELDS[kind]) & set(type(record).model_fields))
    return _known(plain, kind)


def _known(plain: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return what the vocabulary has of plain data and that is no null, within lists and mappings too."""
    found = {name: plain[name] for name in FIELDS[kind] if plain.get(name) is not None}
    for name, inner, type_ in _NESTED[kind]:
        if name not in found:
            continue
        value = found[name]
        if type_.startswith("["):
            found[name] = [_known(item, inner) for item in value]
        elif type_.startswith("{"):
            found[name] = {key: _known(item, inner) for key, item in value.items()}
        else:
            found[name] = _known(value, inner)
    return found


def _labels(plan: Plan, name: str) -> Mapping[str, str]:
    """Return the labels of an intent; a stage has those of its pipeline, a part those of its service."""
    return plan.labels.get(name) or plan.labels.get(name.partition("/")[0], {})


def _decision(decision: Decision, action: Action | None, labels: Mapping[str, str]) -> dict[str, Any]:
    kind = action.after.device_kind if action is not None and action.after is not None else ""
    derived = {
        "labels": dict(labels),
        "device_kind": kind,
        "nodes": sorted({place.node for place in decision.placement}),
        "moved": decision.moved is not None,
        "action": "" if action is None else action.action,
    }
    return _known(decision.model_dump(mode="json", exclude={"moved"}), "Decision") | derived


def _claim(claim: Claim) -> dict[str, Any]:
    return _own(claim, "Claim") | {"required": claim.clause is not None}


def _action(action: Action) -> dict[str, Any]:
    found = _own(action, "Action")
    for name, deployment in (("before", action.before), ("after", action.after)):
        if deployment is not None:
            found[name] = _deployment(deployment)
    return found


def _deployment(deployment: Deployment) -> dict[str, Any]:
    found = _own(deployment, "Deployment") | {"nodes": sorted({place.node for place in deployment.placement})}
    found["host"] = deployment.serve.host
    return found if deployment.serve.port is None else found | {"port": deployment.serve.port}


def _totals(parts: Iterable[Mapping[str, Estimate]]) -> dict[str, Any]:
    """Return metric -> what all parts together take or reach: their sum or the worst of them, as the metric says."""
    given = list(parts)
    found: dict[str, Any] = {}
    for name in sorted({name for part in given for name in part}):
        metric, known = find_metric(name), [part[name] for part in given if name in part]
        if metric is None or metric.total == "none" or (metric.total == "sum" and len(known) < len(given)):
            continue
        ends = {
            end: float(_PUT_TOGETHER[metric.total]([getattr(item, end) for item in known]))
            for end in ("value", "low", "high")
        }
        found[name] = {**ends, "unit": metric.unit, "sources": sorted({item.source for item in known})}
    return found


def _before(plan: Plan) -> dict[str, Any]:
    """Return the totals of what stands, as it was promised when it was applied."""
    own: dict[str, list[Claim]] = {}
    for claim in plan.claims:
        own.setdefault(claim.address, []).append(claim)
    stood = [
        action.promised or tuple(own.get(action.address, ())) for action in plan.actions if action.before is not None
    ]
    return _totals([{claim.metric: claim.estimate for claim in claims} for claims in stood])
