"""Which of its own rules leave an intent no way to run at all, and what each would have to allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from aios.records.candidate import Priced
from aios.records.fleet import Fleet, Node
from aios.records.intent import Constraints, Intent
from aios.records.selection import Clause, Relaxation, Selection
from aios.records.where import KEEPING_OUT
from aios.workflow.leftout import value_of
from aios.workflow.ranking import broken

if TYPE_CHECKING:
    from aios.workflow.planning import Considered
    from aios.workflow.reading import Given

__all__ = ["with_rules"]

_MOST_VALUES = 8
"""Values that would do, of those that are told."""

Consider = Callable[["Given"], "Considered"]
"""Finds the ways to run everything."""


class _Rule(NamedTuple):
    """Something that an intent says of where or how it may run, and that can be left out.

    field: as written · text: for people · without: the one intent and the fleet that do not know it · value: what a way
    to run has of what the rule is about
    """

    field: str
    text: str
    without: Callable[[Given], Given]
    value: Callable[[Priced, Fleet], Sequence[str]]


def with_rules(
    considered: Considered, selection: Selection, consider: Consider, plans: Callable[[Considered], bool]
) -> Selection:
    """Return an infeasible selection whose conflict names the rules that leave intents no way to run.

    plans: whether there is a plan, so that one change alone is known to be enough
    """
    conflict = selection.conflict
    given = considered.given
    lost = {f"{intent.name}/runs": intent for intent in given.intents if not considered.options[intent.name]}
    if conflict is None or not lost.keys() & {clause.id for clause in conflict.clauses}:
        return selection
    clauses, relaxations = list(conflict.clauses), list(conflict.relaxations)
    for intent in (lost[clause.id] for clause in conflict.clauses if clause.id in lost):
        for rule, found in _barring(given, intent, consider):
            own = _clause(intent, rule)
            clauses.append(own)
            rest = {**considered.options, intent.name: found}
            if found and plans(considered._replace(options=rest)):
                able = [option for option in found if not broken(option, intent)]
                relaxations.append(Relaxation(clause=own.id, to=_told(rule, able, given.fleet), where=own.where))
    found_conflict = conflict.model_copy(update={"clauses": tuple(clauses), "relaxations": tuple(relaxations)})
    return selection.model_copy(update={"conflict": found_conflict})


def _barring(given: Given, intent: Intent, consider: Consider) -> Iterator[tuple[_Rule, tuple[Priced, ...]]]:
    """Yield a smallest set of rules that together leave nothing, with what each alone keeps out."""
    alone = replace(given, intents=(intent,), demands=())

    def options(left_out: Sequence[_Rule]) -> tuple[Priced, ...]:
        changed = alone
        for rule in left_out:
            changed = rule.without(changed)
        return consider(changed).options[intent.name]

    core = list(_rules(given, intent))
    if not options(core):
        return
    needless: list[_Rule] = []
    for rule in list(core):
        if not options([*needless, rule]):
            needless.append(rule)
    for rule in core:
        if rule not in needless:
            yield rule, options([rule])


def _rules(given: Given, intent: Intent) -> Iterator[_Rule]:
    """Yield everything that an intent asks of where and how it runs."""
    where = intent.placement.where
    for key, values in where.labels.items():
        text = f"{intent.name} stands where labels.{key} is {' or '.join(values)}"
        labels = {other: own for other, own in where.labels.items() if other != key}
        yield _Rule(f"where.labels.{key}", text, _without(labels=labels), _of_nodes(_label(key)))
    facts: Mapping[str, tuple[tuple[str, ...], Callable[[Priced, Fleet], Sequence[str]]]] = {
        "regions": (where.regions, _of_nodes(lambda node: (node.region,) if node.region else ())),
        "residency": (where.residency, _of_nodes(lambda node: node.jurisdiction)),
        "vendors": (where.vendors, _vendor),
    }
    for field, (allowed, value) in facts.items():
        if allowed:
            text = f"{intent.name} stands where {field} is {' or '.join(allowed)}"
            yield _Rule(f"where.{field}", text, _without(**{field: ()}), value)
    if any(node.taints for node in given.fleet.nodes):
        tolerates = f"only {', '.join(where.tolerate)}" if where.tolerate else "no taint"
        yield _Rule("where.tolerate", f"{intent.name} tolerates {tolerates}", _untainted, _of_nodes(_taints))
    for field in Constraints.model_fields:
        if pinned := getattr(intent.pin, field):
            text = f"{intent.name} runs with {field} {' or '.join(map(str, pinned))}"
            yield _Rule(f"pin.{field}", text, _unpinned("pin", field), _chosen(field))
        if excluded := getattr(intent.exclude, field):
            text = f"{intent.name} runs without {field} {' or '.join(map(str, excluded))}"
            yield _Rule(f"exclude.{field}", text, _unpinned("exclude", field), _chosen(field))


def _without(**less: object) -> Callable[[Given], Given]:
    def without(given: Given) -> Given:
        (intent,) = given.intents
        own = intent.placement.where.model_copy(update=less)
        placement = intent.placement.model_copy(update={"where": own})
        return replace(given, intents=(intent.model_copy(update={"placement": placement}),))

    return without


def _unpinned(which: str, field: str) -> Callable[[Given], Given]:
    def without(given: Given) -> Given:
        (intent,) = given.intents
        own = getattr(intent, which).model_copy(update={field: ()})
        return replace(given, intents=(intent.model_copy(update={which: own}),))

    return without


def _untainted(given: Given) -> Given:
    nodes = tuple(node.model_copy(update={"taints": ()}) for node in given.fleet.nodes)
    return replace(given, fleet=given.fleet.model_copy(update={"nodes": nodes}))


def _of_nodes(of: Callable[[Node], Sequence[str]]) -> Callable[[Priced, Fleet], Sequence[str]]:
    """Return what reads a fact off the nodes that an option may stand on."""

    def read(option: Priced, fleet: Fleet) -> Sequence[str]:
        return [value for node in fleet.nodes if node.name in option.candidate.nodes for value in of(node)]

    return read


def _label(key: str) -> Callable[[Node], Sequence[str]]:
    return lambda node: (node.labels[key],) if key in node.labels else ()


def _taints(node: Node) -> Sequence[str]:
    return [taint for taint in node.taints if taint.rpartition(":")[2] in KEEPING_OUT]


def _vendor(option: Priced, fleet: Fleet) -> Sequence[str]:
    vendor = fleet.types[option.candidate.device].vendor
    return (vendor,) if vendor else ()


def _chosen(field: str) -> Callable[[Priced, Fleet], Sequence[str]]:
    def read(option: Priced, _fleet: Fleet) -> Sequence[str]:
        return option.candidate.nodes if field == "node" else (str(value_of(option.candidate, field)),)

    return read


def _clause(intent: Intent, rule: _Rule) -> Clause:
    places = (span for path, span in intent.spans.items() if _is_in(path, f"spec.{rule.field}"))
    return Clause(
        id=f"{intent.name}/{rule.field}", intent=intent.name, text=rule.text, where=next(places, intent.where)
    )


def _is_in(path: str, field: str) -> bool:
    return path == field or path.startswith((f"{field}[", f"{field}."))


def _told(rule: _Rule, found: Sequence[Priced], fleet: Fleet) -> str:
    """Say which values would do; of an exclusion, those that must not be in it."""
    every = {value for option in found for value in rule.value(option, fleet)}
    values = sorted(every, key=lambda name: (len(name), name))
    more = f" and {len(values) - _MOST_VALUES} more" if len(values) > _MOST_VALUES else ""
    told = " or ".join(values[:_MOST_VALUES]) + more
    if rule.field.startswith("exclude."):
        return f"leave out one of {told}" if len(values) > 1 else f"leave out {told}"
    return f"tolerate {told}" if rule.field == "where.tolerate" else told or "leave it out"
