"""Whether a plan is what a case expects; every difference, with what was seen instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from aios.records.candidate import Estimate
from aios.records.forms import nearest
from aios.records.metrics import find_metric
from aios.records.plan import Decision, Plan
from aios.records.policy import Ruling
from aios.trials.bounds import Bound, end_of
from aios.trials.written import Chosen, Expected

__all__ = ["Failure", "failures_of", "ruling_failures"]

Path = tuple[str | int, ...]
_FIELDS = ("device", "model", "precision", "quantization", "executor", "power_mode")
_NUMBERS = ("replicas", "batch", "threads")


class Failure(NamedTuple):
    """One expectation that a plan does not meet. path: of it, below ``expect`` · seen: instead"""

    path: Path
    expected: str
    seen: str


def failures_of(
    expected: Expected,
    plan: Plan,
    totals: Mapping[str, Mapping[str, Any]],
    kinds: Mapping[str, str],
    risk: Literal["pessimistic", "expected"],
) -> Iterator[Failure]:
    """Yield what is not as expected. totals: metric -> value, low and high of all that runs · kinds: device type ->
    kind"""
    found = plan.status in ("optimal", "feasible")
    wanted = "infeasible" if expected.conflict is not None else expected.status or "feasible"
    if (wanted == "feasible") != found or plan.status == "unknown":
        told = "; ".join(clause.text for clause in plan.conflict.clauses) if plan.conflict else ""
        yield Failure(("status",), wanted, plan.status + (f": {told}" if told else ""))
        return
    yield from _conflict(expected, plan)
    if not found:
        return
    decisions = {item.intent: item for item in plan.decisions}
    for name, decision in decisions.items() if expected.each else ():
        assert expected.each is not None
        yield from _chosen(("each",), name, expected.each, decision, kinds, risk)
    refused = {item.intent for item in plan.refused}
    for name, chosen in expected.intents.items():
        yield from _one(name, chosen, decisions, refused, kinds, risk)
    for path, bound in _numbered(("total",), expected.total):
        yield from _total(path, bound, plan, totals, risk)
    yield from _objective(expected, plan)


def _conflict(expected: Expected, plan: Plan) -> Iterator[Failure]:
    clauses = plan.conflict.clauses if plan.conflict else ()
    for path, name in _numbered(("conflict",), expected.conflict):
        if not any(name in (clause.id, clause.text, clause.metric, clause.id.partition("/")[2]) for clause in clauses):
            yield Failure(path, f"a conflict with {name}", "; ".join(clause.text for clause in clauses) or "none")


def _one(
    name: str,
    chosen: Chosen,
    decisions: Mapping[str, Decision],
    refused: set[str],
    kinds: Mapping[str, str],
    risk: Literal["pessimistic", "expected"],
) -> Iterator[Failure]:
    path: Path = ("intents", name)
    if chosen.refused is not None and chosen.refused != (name in refused):
        yield Failure((*path, "refused"), "refused" if chosen.refused else "not refused", "the opposite")
    own = [item for key, item in decisions.items() if key == name or key.rpartition("/")[0] == name]
    for decision in own:
        yield from _chosen(path, decision.intent, chosen, decision, kinds, risk)
    if not own and not chosen.refused:
        near = nearest(name, list(decisions))
        yield Failure(path, f"{name} runs", "no such decision" + (f"; there is {near}" if near else ""))


def _chosen(
    path: Path,
    name: str,
    chosen: Chosen,
    decision: Decision,
    kinds: Mapping[str, str],
    risk: Literal["pessimistic", "expected"],
) -> Iterator[Failure]:
    seen = {field: str(getattr(decision, field) or "none") for field in _FIELDS}
    seen["kind"] = kinds.get(decision.device, "unknown")
    for field, value in seen.items():
        wanted = getattr(chosen, field)
        if wanted is not None and value not in wanted:
            yield Failure((*path, field), f"{name}: {field} {' or '.join(wanted)}", value)
    nodes = sorted({place.node for place in decision.placement})
    elsewhere = [node for node in nodes if not _among(node, chosen.node)]
    if elsewhere:
        yield Failure((*path, "node"), f"{name}: node {' or '.join(chosen.node or ())}", ", ".join(elsewhere))
    for field in _NUMBERS:
        bound: Bound | None = getattr(chosen, field)
        if bound is not None and not bound.holds(getattr(decision, field)):
            yield Failure((*path, field), f"{name}: {field} {bound.text}", str(getattr(decision, field)))
    for place, bound in _numbered((*path, "bounds"), chosen.bounds):
        estimate = decision.estimates.get(bound.name)
        ends = None if estimate is None else _ends(estimate)
        yield from _bounded(place, f"{name}: {bound.text}", bound, ends, risk)


def _among(node: str, wanted: tuple[str, ...] | None) -> bool:
    return wanted is None or node in wanted or node.rpartition("-")[0] in wanted


def _ends(estimate: Estimate) -> Mapping[str, Any]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "sources": [estimate.source]}


def _bounded(
    path: Path, text: str, bound: Bound, ends: Mapping[str, Any] | None, risk: Literal["pessimistic", "expected"]
) -> Iterator[Failure]:
    if ends is None:
        yield Failure(path, text, "unknown")
        return
    end = "value" if risk == "expected" else end_of(bound.relation)
    if bound.holds(ends[end]):
        return
    low, value, high = (bound.shown(ends[name]) for name in ("low", "value", "high"))
    yield Failure(path, text, f"{value}, from {low} to {high} ({'+'.join(ends['sources'])})")


def _total(
    path: Path,
    bound: Bound,
    plan: Plan,
    totals: Mapping[str, Mapping[str, Any]],
    risk: Literal["pessimistic", "expected"],
) -> Iterator[Failure]:
    counts = {
        "moves": sum(item.moved is not None for item in plan.decisions),
        "replicas": sum(item.replicas for item in plan.decisions),
        "decisions": len(plan.decisions),
        "refused": sum(item.count for item in plan.refused),
        "nodes": len({place.node for item in plan.decisions for place in item.placement}),
    }
    if find_metric(bound.name) is not None:
        yield from _bounded(path, f"in all {bound.text}", bound, totals.get(bound.name), risk)
    elif not bound.holds(counts[bound.name]):
        yield Failure(path, bound.text, str(counts[bound.name]))


def _objective(expected: Expected, plan: Plan) -> Iterator[Failure]:
    for path, bound in _numbered(("objective",), expected.objective):
        goals = [item for item in plan.objective if bound.name in item.goal.split()]
        for item in goals:
            if not bound.holds(item.value):
                yield Failure(path, f"{item.goal}: {bound.text}", bound.shown(item.value))
        if not goals:
            yield Failure(path, f"a goal of {bound.name}", "; ".join(plan.goals) or "none")


def ruling_failures(expected: Expected, rulings: tuple[Ruling, ...]) -> Iterator[Failure]:
    """Yield what policies say otherwise than expected: a rule that denies unexpectedly, too."""
    found = {item.rule: item for item in rulings}
    for field, outcome in (("deny", "deny"), ("warn", "warn"), ("keep", "pass")):
        for path, name in _numbered((field,), getattr(expected, field)):
            matching = _named(found, name)
            if not matching:
                near = nearest(name, [*found, *(key.partition("/")[2] for key in found)])
                told = f"there is no such rule{f'; did you mean `{near}`?' if near else ''}"
                yield Failure(path, f"{name}: {outcome}", told)
            for ruling in matching:
                if ruling.outcome != outcome:
                    yield Failure(path, f"{name}: {outcome}", _told(ruling))
    allowed = {ruling.rule for name in expected.deny or () for ruling in _named(found, name)}
    for ruling in rulings:
        if ruling.outcome == "deny" and ruling.rule not in allowed:
            yield Failure((), f"no rule but those of `deny` denies: not {ruling.rule}", _told(ruling))


def _named(found: Mapping[str, Ruling], name: str) -> list[Ruling]:
    """Return the rules of a name, ``rule`` or ``policy/rule``."""
    return [ruling for key, ruling in found.items() if name in (key, key.partition("/")[2])]


def _told(ruling: Ruling) -> str:
    first = f": {ruling.findings[0].message}" if ruling.findings else f", asked {ruling.asked} times"
    return f"{ruling.outcome}{first}"


def _numbered(path: Path, values: tuple[Any, ...] | None) -> Iterator[tuple[Path, Any]]:
    """Yield the values of a field that may be one or a list, each with its path."""
    for index, value in enumerate(values or ()):
        yield (*path, index), value
