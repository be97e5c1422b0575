"""explain --why-not: what excludes a way of running an intent, or what choosing it would cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aios.records.base import Span
from aios.records.candidate import Priced, Rejection
from aios.records.errors import Diagnostic, InputError
from aios.records.forms import nearest
from aios.records.intent import Intent
from aios.records.metrics import find_metric, is_endless
from aios.records.selection import Conflict, LedgerRow
from aios.records.units import Dimension, format_quantity
from aios.records.whynot import Difference, Verdict, WhyNot
from aios.workflow.asking import known_names, read_family
from aios.workflow.joining import refuse_splits
from aios.workflow.leftout import Family, Known, excluding, value_of
from aios.workflow.planning import Considered, Planned, consider, make_plan
from aios.workflow.ranking import broken, ranked
from aios.workflow.reading import Given, gather
from aios.workflow.setting import Setting

__all__ = ["why_not"]

_MOST_REASONS = 3
"""Rejections of a family that are told; each leaves out a part of it."""
_MOST_VALUES = 12
"""Values of a field that are listed."""


class _Question(NamedTuple):
    """setting, considered: all that is planned · intent: which one is asked about · family: what is asked for"""

    setting: Setting
    considered: Considered
    intent: Intent
    family: Family
    known: Known

    @property
    def options(self) -> tuple[Priced, ...]:
        """Every option of the intent."""
        return self.considered.options[self.intent.name]

    def answer(self, verdict: Verdict, reason: str, **more: object) -> WhyNot:
        """Return an answer to this question."""
        fields = {"intent": self.intent.name, "asked": self.family, "verdict": verdict, "reason": reason, **more}
        return WhyNot.model_validate(fields)


def why_not(setting: Setting, text: str, name: str | None = None) -> WhyNot:
    """Say what excludes the family that ``text`` names for an intent (``name``; the only one if None).

    Raises InputError for what was given, such as a family that cannot be, or a name that is missing.
    """
    given = gather(setting)
    refuse_splits(given.intents, "explain --why-not")
    intent = _intent(given, name)
    considered = consider(given, setting.tell)
    known = known_names(given, intent, considered.options[intent.name])
    question = _Question(setting, considered, intent, read_family(text, known), known)
    members = list(_members(question))
    if not members:
        return _left_out(question)
    kept = [option for option in members if not broken(option, intent)]
    if not kept:
        return _breaks(question, members)
    return _compared(question, kept)


def _intent(given: Given, name: str | None) -> Intent:
    names = [intent.name for intent in given.intents]
    if not names:
        remedy = "of demands, `aios plan` says what does not fit and what would"
        raise InputError(Diagnostic(summary="no intent with a model is given to ask about", remedy=remedy))
    if name is None and len(names) == 1:
        return given.intents[0]
    if name is None:
        summary = f"{len(names)} intents are given, and it is not said which one is asked about"
        raise InputError(Diagnostic(summary=summary, remedy=f"name it: `--intent {names[0]}`"))
    if name not in names:
        near = nearest(name, names)
        meant = f"did you mean `{near}`? " if near else ""
        listed = ", ".join(f"`{item}`" for item in names[:_MOST_VALUES])
        raise InputError(Diagnostic(summary=f"there is no intent `{name[:80]}`", remedy=f"{meant}given: {listed}"))
    return next(intent for intent in given.intents if intent.name == name)


def _members(question: _Question) -> Iterator[Priced]:
    """Yield the options of the family, on the node that is asked for alone."""
    node = question.family.get("node")
    for option in question.options:
        candidate = option.candidate
        if all(value_of(candidate, field) == value for field, value in question.family.items() if field != "node"):
            if node is None:
                yield option
            elif node in candidate.nodes:
                yield option.model_copy(update={"candidate": candidate.model_copy(update={"nodes": (node,)})})


def _left_out(question: _Question) -> WhyNot:
    """Say why a family has no member: no such device, a rejection, or a value that nothing has."""
    given, intent, device = question.considered.given, question.intent, question.family.get("device")
    held = {slot.type for node in given.fleet.nodes for slot in node.devices}
    if device is not None and device not in given.fleet.types and device not in held:
        has = ", ".join(sorted(held)[:_MOST_VALUES])
        reason = f"no node of fleet {given.fleet.name} has a {device}; its devices are {has}"
        return question.answer("absent", reason, rule="device of the fleet", lifted_by="add a node that has one")
    alone = consider(_only(given, intent)).rejections
    rows = excluding(question.family, question.options, alone, question.known)
    if not rows:
        return question.answer("absent", _nothing_like_it(question), rule="candidates")
    first, *others = rows
    told = [f"{row.what}: {row.reason}" for row in (first, *others)[:_MOST_REASONS]]
    left = f"; and {len(rows) - _MOST_REASONS} more" if len(rows) > _MOST_REASONS else ""
    return question.answer(
        "rejected",
        "; ".join(told) + left,
        rule=first.clause,
        lifted_by=first.resolvable,
        where=_place(first, intent),
    )


def _only(given: Given, intent: Intent) -> Given:
    from dataclasses import replace

    return replace(given, intents=(intent,))


def _place(row: Rejection, intent: Intent) -> Span | None:
    """Return where a pin or an exclusion stands; None for rules that nobody wrote."""
    field = row.clause.partition(":")[0]
    if row.by != "intent" or not field.startswith(("pin.", "exclude.")):
        return None
    path = f"spec.{field}"
    return intent.spans.get(path) or intent.spans.get(f"{path}[0]")


def _nothing_like_it(question: _Question) -> str:
    """Say which values there are where nothing has all that is asked for."""
    fields = list(question.family)
    for field in fields:
        others = {name: value for name, value in question.family.items() if name != field}
        there = list(_members(question._replace(family=others)))
        if there:
            values = sorted({_worded(value_of(option.candidate, field), option, field) for option in there}, key=_order)
            listed = ", ".join(values[:_MOST_VALUES]) + (", …" if len(values) > _MOST_VALUES else "")
            rest = f" with {_text(others)}" if others else ""
            return f"no candidate{rest} has {field} {question.family[field]}; there is {field} {listed}"
    return f"no candidate has {_text(question.family)}"


def _worded(value: object, option: Priced, field: str) -> str:
    return ", ".join(option.candidate.nodes) if field == "node" else str(value)


def _order(text: str) -> tuple[int, str]:
    return (int(text), "") if text.isdecimal() else (0, text)


def _text(family: Family) -> str:
    return ", ".join(f"{field} {value}" for field, value in family.items())


def _breaks(question: _Question, members: Sequence[Priced]) -> WhyNot:
    """Say what the member that comes nearest breaks."""
    best = ranked(members, question.intent)[0]
    rows = broken(best, question.intent)
    reason = f"of {len(members):,} such candidates {best.candidate.id} comes nearest, and breaks " + "; ".join(
        f"{row.clause.text} with {_value(row, best)}" for row in rows
    )
    first = rows[0].clause
    return question.answer(
        "breaks", reason, rule=first.text, where=first.where, candidate=best.candidate.id, lifted_by=_lifts(rows)
    )


def _value(row: LedgerRow, option: Priced) -> str:
    name = str(row.clause.metric)
    if row.value is None:
        return f"an unknown value ({option.unknown.get(name, 'nothing is known of it')})"
    if is_endless(name, row.value):
        return "no end: it is overloaded" if name.startswith("latency.") else "no known end: too few items"
    found = find_metric(name)
    return format_quantity(row.value, found.dimension if found else Dimension.COUNT)


def _lifts(rows: Sequence[LedgerRow]) -> str | None:
    """Say which bounds would do, all of them together; None where one of them cannot be kept by any."""
    values = {str(row.clause.metric): row.value for row in rows}
    lifts = []
    for name, value in values.items():
        found = find_metric(name)
        if found is None or value is None or is_endless(name, value):
            return None
        lifts.append(f"{name if len(values) > 1 else 'a bound'} of {format_quantity(value, found.dimension)}")
    return " with ".join(lifts)


def _compared(question: _Question, kept: Sequence[Priced]) -> WhyNot:
    """Plan as it is, and with nothing but the family for this intent; say what that changes."""
    name = question.intent.name
    planned = make_plan(question.setting, question.considered)
    chosen = planned.selection.chosen.get(name)
    if chosen is not None and _is_of(planned, question):
        reason = f"{name} runs as {chosen.candidate.id}"
        return question.answer("chosen", reason, candidate=chosen.candidate.id, proved=_proved(planned))
    question.setting.tell("planning with it")
    options = {**question.considered.options, name: tuple(kept)}
    other = make_plan(question.setting, question.considered._replace(options=options))
    taken = other.selection.chosen.get(name)
    if taken is None:
        return _no_room(question, planned, other)
    if chosen is None:
        reason = f"a plan with {taken.candidate.id} exists, and the best one found has no {name}"
        return question.answer("worse", reason, candidate=taken.candidate.id, proved=False)
    costs = tuple(_differences(planned, other))
    changes = [
        item
        for item, before in planned.selection.chosen.items()
        if item != name and other.selection.chosen.get(item) != before
    ]
    alike = all(row.difference == 0 for row in costs)
    reason = (
        f"{taken.candidate.id} is as good in every goal as {chosen.candidate.id}; of equals the plan takes "
        "the one with fewest cores, then the least share of devices, then the most defaults, then the first by id"
        if alike
        else f"{taken.candidate.id} is the best such choice, and {chosen.candidate.id} is better"
    )
    return question.answer(
        "worse",
        reason,
        rule=next((row.goal for row in costs if row.difference), "ties"),
        candidate=taken.candidate.id,
        would_cost=costs,
        changes=tuple(changes),
        proved=_proved(planned) and _proved(other),
    )


def _proved(planned: Planned) -> bool:
    return planned.selection.status != "feasible"


def _is_of(planned: Planned, question: _Question) -> bool:
    """Say whether what was chosen is of the family, and stands where that says."""
    name, family = question.intent.name, question.family
    candidate = planned.selection.chosen[name].candidate
    if any(value_of(candidate, field) != value for field, value in family.items() if field != "node"):
        return False
    fleet = planned.considered.given.fleet
    machines = {machine for node in fleet.nodes if node.name == family.get("node") for machine in node.instances()}
    return "node" not in family or all(place.node in machines for place in planned.selection.placement.get(name, ()))


def _no_room(question: _Question, planned: Planned, other: Planned) -> WhyNot:
    conflict = other.selection.conflict
    if conflict is None:
        reason = "whether there is room for it was not found out within the solver's limit"
        return question.answer("no-room", reason, rule="the solver's limit", proved=False)
    capacity = next((clause for clause in conflict.clauses if clause.id.startswith("capacity/")), conflict.clauses[0])
    told = "; ".join(_clause_text(conflict))
    reason = f"with it these cannot hold together: {told}"
    if planned.selection.conflict is not None:
        reason = f"there is no plan at all, with it or without; {reason}"
    lifts = [f"{item.clause} -> {item.to}" for item in conflict.relaxations]
    return question.answer(
        "no-room", reason, rule=capacity.text, where=capacity.where, lifted_by="; or ".join(lifts) or None
    )


def _clause_text(conflict: Conflict) -> Iterator[str]:
    for clause in conflict.clauses[:_MOST_VALUES]:
        owner = f"{clause.intent}: " if clause.intent and clause.metric else ""
        yield owner + clause.text
    if len(conflict.clauses) > _MOST_VALUES:
        yield f"and {len(conflict.clauses) - _MOST_VALUES} more"


def _differences(planned: Planned, other: Planned) -> Iterator[Difference]:
    """Yield what each goal comes to in both plans; how unlike goals are balanced depends on what each could reach in
    its own plan, and is no figure to compare."""
    then = {row.goal: row for row in other.selection.objective}
    for row in planned.selection.objective:
        if row.goal not in then or row.goal.startswith("minimize shortfall"):
            continue
        after = then[row.goal].value
        by = after - row.value
        if abs(by) <= 1e-9 * max(abs(after), abs(row.value)):
            by = 0.0
        percent = 100 * by / abs(row.value) if row.value else None
        yield Difference(goal=row.goal, unit=row.unit, now=row.value, then=after, difference=by, percent=percent)
