"""Whether a saved plan still fits what it was made from; if not, what has changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from aios.plan.basis import Basis
from aios.records.base import Span
from aios.records.errors import Diagnostic
from aios.records.plan import Inputs, Plan

__all__ = ["Places", "changes", "stale"]

Places = Mapping[tuple[str, str], Span]
"""(Thing, part of it) -> where that stands now; a part of "" stands for the thing itself."""

_CHANGED = {
    "intents": "the intents are not those that the plan was made from",
    "fleet": "the fleet is not the one that the plan was made for",
    "models": "the models or their data are not those that the plan was made from",
    "profiles": "the measurements are not those that the plan was made from",
    "catalogue": "the device catalogue is not the one that the plan was made from",
    "policies": "the policies are not those that the plan was judged by",
}
_MOST_TOLD = 5
"""Changes of one fingerprint that are told: enough to see why, and few enough to read."""


class _Change(NamedTuple):
    """words: what changed · where: that stands now, if anywhere"""

    words: str
    where: Span | None = None


def stale(
    plan: Plan, current: Inputs, now: Basis | None = None, places: Places | None = None
) -> tuple[Diagnostic, ...]:
    """Return one diagnostic per fingerprint of ``plan`` that differs from ``current``; empty when it still fits.

    now: what the fingerprints are taken of today · places: where what the intents say stands in their files
    """
    found = []
    for name, text in _CHANGED.items():
        before, after = getattr(plan.inputs, name), getattr(current, name)
        if before != after:
            found.append(_diagnostic(text, before, after, tuple(_changes(name, plan, now or {}, places or {}))))
    if plan.inputs.state != current.state:
        found.append(_moved(plan, current.state, tuple(_changes("state", plan, now or {}, {}))))
    return tuple(found)


def changes(name: str, plan: Plan, now: Basis, places: Places) -> tuple[str, ...]:
    """Return in words what differs in the input ``name`` of a plan; at most a few, then how many more."""
    told = [change.words for change in _changes(name, plan, now, places)]
    more = [f"and {len(told) - _MOST_TOLD:,} more changes"] if len(told) > _MOST_TOLD else []
    return (*told[:_MOST_TOLD], *more)


def _moved(plan: Plan, now: str, changes: tuple[_Change, ...]) -> Diagnostic:
    planned = plan.inputs.state
    (lineage, _, serial), (lineage_now, _, serial_now) = planned.rpartition(":"), now.rpartition(":")
    if lineage not in (lineage_now, "new"):  # "new": nothing had been applied yet
        return _diagnostic("the state is not the one that the plan was made against", planned, now)
    summary = "something was applied since the plan was made"
    return _diagnostic(summary, f"serial {serial} of the state", f"serial {serial_now}", changes)


def _diagnostic(summary: str, planned: str, now: str, changes: tuple[_Change, ...] = ()) -> Diagnostic:
    told = [change.words for change in changes[:_MOST_TOLD]]
    if len(changes) > _MOST_TOLD:
        told.append(f"and {len(changes) - _MOST_TOLD:,} more changes")
    where = next((change.where for change in changes if change.where), None)
    return Diagnostic(
        summary=summary,
        where=where,
        reason="; ".join([*told, f"planned with {planned or 'none'}, now {now or 'none'}"]),
        remedy="plan again",
        command="aios plan PATH -o plan.json",
    )


def _changes(name: str, plan: Plan, now: Basis, places: Places) -> Iterator[_Change]:
    """Yield what differs, thing by thing; nothing of a plan that does not say what it was made from."""
    before, after = plan.made_from.get(name), now.get(name)
    if name == "policies" and plan.made_from:
        before, after = before or {}, after or {}
    if before is None or after is None:
        return
    for thing in sorted({*before, *after}):
        old, new = before.get(thing), after.get(thing)
        if old == new:
            continue
        if old is None or new is None:
            yield _Change(_come_or_gone(name, thing, new), places.get((thing, "")) if new is not None else None)
        elif name == "profiles":
            yield _Change(f"{thing}: {_entries(old, new)}")
        else:
            yield from _parts(name, thing, old, new, places)


def _come_or_gone(name: str, thing: str, new: Mapping[str, str] | None) -> str:
    if name == "state":
        return f"{thing} was removed" if new is None else f"{thing} was created {new['applied']}"
    what = f"intent {thing}" if name == "intents" and " " not in thing else thing
    are = "are" if thing.startswith("measurements") else "is"
    return f"{what} {are} {'gone' if new is None else 'new'}"


def _parts(name: str, thing: str, old: Mapping[str, str], new: Mapping[str, str], places: Places) -> Iterator[_Change]:
    for part in dict.fromkeys((*new, *old)):
        was, now = old.get(part), new.get(part)
        if was == now:
            continue
        if name == "state":
            yield _Change(f"{thing} was changed {now}, it stood {was}")
        elif part == "version":
            yield _Change(f"{thing.removeprefix('model store://')} {_from_to(was, now)}")
        elif part == "content":
            yield _Change(f"{thing} has another content ({was}, now {now})")
        else:
            where = places.get((thing, part))
            place = f" ({where})" if where else ""
            yield _Change(f"{part} of {thing} {_from_to(was, now)}{place}", where)


def _from_to(was: str | None, now: str | None) -> str:
    if was is None:
        return f"was not stated, now {now}"
    return f"was {was}, now {'not stated' if now is None else now}"


def _entries(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Count entries of measurements that came, went or were made anew."""
    counts = {
        "new": len(new.keys() - old.keys()),
        "changed": sum(old[key] != new[key] for key in old.keys() & new.keys()),
        "gone": len(old.keys() - new.keys()),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
