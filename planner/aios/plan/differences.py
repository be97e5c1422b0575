"""How two plans differ, from their documents alone: inputs, goals, and intent by intent the choice and its promises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.plan.difference import changed_fields, told_fields
from aios.plan.moves import moves_between
from aios.plan.reasons import reasons_for
from aios.records.candidate import Rejection, label_of
from aios.records.differences import FieldChange, GoalChange, IntentChange, PlanDifference, ValueChange
from aios.records.plan import Claim, Decision, Deployment, Plan

__all__ = ["differences"]

_CHOICE = (
    "model",
    "device",
    "precision",
    "quantization",
    "compression",
    "batch",
    "threads",
    "replicas",
    "parallelism",
    "devices",
    "machines",
    "degrees",
    "settings",
    "power_mode",
    "executor",
)
"""What is decided of an intent, in the order in which it is told; where it is placed is told apart."""
_ELSEWHERE = {*_CHOICE, "placement", "addresses", "model_path", "calibrate", "device_kind", "tiers"}
"""Fields of a deployment that its decision tells, or that say where files lie and not what is in them."""
_MADE = ("format_version", "aios_version", "solver", "files")
"""Parts that say how a document came about; they decide and promise nothing."""


class _Side(NamedTuple):
    """What one plan says of one intent. requirements: metric -> claim that is required · refused: copies"""

    decision: Decision | None
    deployment: Deployment | None
    action: str | None
    requirements: Mapping[str, Claim]
    refused: int

    @property
    def replicas(self) -> int:
        return self.decision.replicas if self.decision else 0


def differences(before: Plan, after: Plan, why: Mapping[str, Sequence[str]] | None = None) -> PlanDifference:
    """Return all that differs from ``before`` to ``after``.

    why: intent name -> reasons of its change, of a caller that knows more than the documents say; else they are taken
    from the documents, as far as these tell
    """
    old, new = _sides(before), _sides(after)
    names = sorted({*old, *new})
    changes = [_intent(name, old.get(name, _NOWHERE), new.get(name, _NOWHERE), before, after) for name in names]
    intents = tuple(
        change.model_copy(update={"reasons": tuple(why[change.intent])}) if why and change.intent in why else change
        for change in changes
        if change is not None
    )
    inputs = tuple(name for name in type(before.inputs).model_fields if _differ(before.inputs, after.inputs, name))
    status = FieldChange(field="status", before=before.status, after=after.status)
    goals = tuple(_goals(before, after))
    gained, lost = _only(after.rejections, before.rejections), _only(before.rejections, after.rejections)
    conflicts = None if before.conflict == after.conflict else (before.conflict, after.conflict)
    found = (inputs, goals, intents, conflicts, gained, lost, before.status != after.status)
    return PlanDifference(
        same=not any(found),
        before=before.id,
        after=after.id,
        status=status if before.status != after.status else None,
        inputs=inputs,
        goals=goals,
        intents=intents,
        conflicts=conflicts,
        gained=gained,
        lost=lost,
        others=tuple(name for name in _MADE if _differ(before, after, name)),
    )


_NOWHERE = _Side(None, None, None, {}, 0)


def _sides(plan: Plan) -> Mapping[str, _Side]:
    decisions = {decision.intent: decision for decision in plan.decisions}
    actions = {action.address: action for action in plan.actions if action.action != "delete"}
    required: dict[str, dict[str, Claim]] = {}
    for claim in plan.claims:
        if claim.clause is not None:
            required.setdefault(claim.address, {})[claim.metric] = claim
    refused = {item.intent: item.count for item in plan.refused}
    found = {}
    for name in {*decisions, *refused}:
        action = actions.get(name)
        deployment, kind = (action.after, action.action) if action else (None, None)
        found[name] = _Side(decisions.get(name), deployment, kind, required.get(name, {}), refused.get(name, 0))
    return found


def _differ(before: object, after: object, name: str) -> bool:
    return bool(getattr(before, name) != getattr(after, name))


def _only(these: Sequence[Rejection], those: Sequence[Rejection]) -> tuple[Rejection, ...]:
    known = {row.model_dump_json() for row in those}
    return tuple(row for row in these if row.model_dump_json() not in known)


def _goals(before: Plan, after: Plan) -> Iterator[GoalChange]:
    """Yield every goal of either plan, those of the later one first; nothing where all are the same."""
    if before.objective == after.objective:
        return
    earlier, later = ({item.goal: item for item in plan.objective} for plan in (before, after))
    for goal in (*later, *(name for name in earlier if name not in later)):
        yield GoalChange(goal=goal, before=earlier.get(goal), after=later.get(goal))


def _intent(name: str, old: _Side, new: _Side, before: Plan, after: Plan) -> IntentChange | None:
    """Return what differs for one intent; None where nothing does."""
    if old == new:
        return None
    earlier, later = old.decision, new.decision
    change = IntentChange(
        intent=name,
        what="changed" if (earlier is None) == (later is None) else "added" if later else "removed",
        before=_choice(earlier),
        after=_choice(later),
        replicas=(old.replicas, new.replicas),
        refused=(old.refused, new.refused),
        requirements=tuple(_requirements(old.requirements, new.requirements)),
    )
    if earlier is None or later is None:
        return change
    fields, moves = tuple(_fields(earlier, later)), moves_between(earlier.placement, later.placement)
    update = {
        "fields": (*fields, *_asked(old, new)),
        "moves": moves,
        "estimates": tuple(_estimates(earlier, later)),
        "details": tuple(_details(earlier, later)),
        "reasons": reasons_for(earlier, later, new.requirements, before, after) if fields or moves else (),
    }
    told = change.refused[0] != change.refused[1] or change.requirements or any(update.values())
    return change.model_copy(update=update) if told else None  # else only paths of files differ


def _choice(decision: Decision | None) -> str | None:
    """Return a choice in short, ``resnet50 int8-static on hailo-8``; of a stated demand, the device type alone."""
    if decision is None:
        return None
    what = f"{decision.model} {label_of(decision)} " if decision.model else ""
    return f"{what}on {decision.device or 'processors'}"


def _fields(before: Decision, after: Decision) -> Iterator[FieldChange]:
    changed = [name for name in _CHOICE if _differ(before, after, name)]
    for told in told_fields(before, after, changed):
        yield FieldChange(field=told.label, before=told.before, after=told.after)
    shares = [sorted({item.share for item in decision.placement}) for decision in (before, after)]
    if shares[0] != shares[1]:
        old, new = (" and ".join(f"{share:.4g}" for share in found) or "none" for found in shares)
        yield FieldChange(field="share of each device", before=old, after=new)
    tiers = [{item.part: item.tier for item in decision.memory} for decision in (before, after)]
    for part in sorted({*tiers[0], *tiers[1]}):
        where = [found.get(part) for found in tiers]
        if where[0] != where[1]:
            yield FieldChange(field=f"{part.replace('_', ' ')} in", before=where[0], after=where[1])


def _asked(old: _Side, new: _Side) -> Iterator[FieldChange]:
    """Yield what differs in what was asked for and in what is to be done."""
    if old.deployment is not None and new.deployment is not None:
        changed = changed_fields(old.deployment, new.deployment)
        for told in told_fields(old.deployment, new.deployment, changed):
            if told.field not in _ELSEWHERE:
                yield FieldChange(field=told.label, before=told.before, after=told.after)
    if old.action != new.action:
        yield FieldChange(field="to do", before=old.action, after=new.action)


def _requirements(old: Mapping[str, Claim], new: Mapping[str, Claim]) -> Iterator[FieldChange]:
    for name in sorted({*old, *new}):
        was, now = (side[name].clause if name in side else None for side in (old, new))
        if was != now:
            yield FieldChange(field=name, before=was, after=now)


def _estimates(before: Decision, after: Decision) -> Iterator[ValueChange]:
    for name in sorted({*before.estimates, *after.estimates}):
        old, new = before.estimates.get(name), after.estimates.get(name)
        known = new or old
        if known is None or (old and old.value) == (new and new.value):
            continue
        yield ValueChange(
            metric=name, before=old.value if old else None, after=new.value if new else None, unit=known.unit
        )


def _details(before: Decision, after: Decision) -> Iterator[str]:
    """Yield what else of the estimates differs: little of it counts where the values do."""
    pairs = [(before.estimates[name], after.estimates[name]) for name in before.estimates if name in after.estimates]
    if any((old.low, old.high) != (new.low, new.high) for old, new in pairs):
        yield "intervals"
    if any((old.source, old.basis) != (new.source, new.basis) for old, new in pairs):
        yield "sources"
    if before.notes != after.notes:
        yield "notes"
    if before.candidate == after.candidate and before.memory != after.memory:
        yield "memory"
