"""What is told of moves: what leaves where it stood and why that pays, and what stays although it could do better."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from aios.records.candidate import Estimate, Priced
from aios.records.current import DAY_S, Current, Footing, Moving, Standing
from aios.records.intent import Goal, Intent
from aios.records.metrics import find_metric, metric
from aios.records.plan import Disruption, Moved, Stayed
from aios.records.selection import Placement, Selection

__all__ = ["Account", "account_of"]

Outage = Callable[[str, Sequence[Placement], Sequence[Placement], int], Estimate]
"""(intent, places before, places after, replicas that move) -> seconds without service."""
_Place = tuple[str, tuple[str, ...]]


class Account(NamedTuple):
    """moved, stayed: intent -> ..."""

    moved: Mapping[str, Moved]
    stayed: Mapping[str, Stayed]


def account_of(
    intents: Sequence[Intent],
    selection: Selection,
    options: Mapping[str, Sequence[Priced]],
    current: Current,
    moving: Moving,
    goals: Sequence[Goal],
    outage: Outage,
) -> Account:
    """Return what moves and what stays though it could do better. goals: of the whole plan, before the intents' own"""
    moved: dict[str, Moved] = {}
    stayed: dict[str, Stayed] = {}
    by_name = {intent.name: intent for intent in intents}
    for name, places in sorted(selection.placement.items()):
        footing, standing = current.footings.get(name), moving.standing.get(name)
        if footing is None or standing is None:
            continue
        intent = by_name.get(name)
        wished = [goal for goal in (*goals, *(intent.goal if intent else ())) if find_metric(goal.metric)]
        chosen = selection.chosen.get(name)
        known = {option.candidate.id: option for option in options.get(name, ())}
        now = known.get(standing.option or "")
        replicas = _moving(footing, standing, chosen, places)
        if replicas:
            moved[name] = _moved(
                footing,
                standing,
                now,
                chosen,
                wished,
                outage(name, footing.placement, places, replicas),
                replicas,
            )
        elif intent is not None and now is not None and chosen is not None:
            found = _stayed(intent, standing, now, chosen, options[name], wished)
            if found is not None:
                stayed[name] = found
    return Account(moved, stayed)


def _moving(footing: Footing, standing: Standing, chosen: Priced | None, after: Sequence[Placement]) -> int:
    """Return how many replicas leave their places, or what they are; those that merely end do not move."""
    before, now = _count(footing.placement), _count(after)
    if chosen is not None and chosen.candidate.id not in standing.alike:
        return sum(before.values())
    return min(sum((before - now).values()), sum((now - before).values()))


def _moved(
    footing: Footing,
    standing: Standing,
    now: Priced | None,
    chosen: Priced | None,
    goals: Sequence[Goal],
    outage: Estimate,
    replicas: int,
) -> Moved:
    lost = sum((_count(footing.placement) - _count(standing.placement)).values())
    goal, saving, unit, reason = None, None, None, "it makes room for others"
    if lost and lost >= replicas:
        reason = "where it stood is no longer there"
    elif chosen is not None and now is None:
        reason = "what it runs as is no longer among its candidates"
    elif chosen is not None and now is not None:
        found = _saving(now, chosen, goals)
        if found is not None and found[1] > 0:
            goal, saving, unit = str(found[0]), found[1], metric(found[0].metric).unit
            reason = "it saves more than moving costs"
        elif chosen.candidate.id != now.candidate.id:
            reason = "what it runs as no longer keeps what is required of it, or stands in the way of a better whole"
    return Moved(
        before=standing.option or dict(footing.choice).get("model", "").strip("'") or "as it stood",
        places=tuple(f"{part.node}[{','.join(part.devices)}] x {part.replicas}" for part in footing.placement),
        replicas=replicas,
        disruption_s=_disruption(outage),
        goal=goal,
        saving=saving,
        unit=unit,
        reason=reason,
    )


def _saving(now: Priced, other: Priced, goals: Sequence[Goal]) -> tuple[Goal, float] | None:
    """Return the first goal in which two options differ, and by how much the other one does better."""
    for goal in goals:
        mine, theirs = now.estimates.get(goal.metric), other.estimates.get(goal.metric)
        if mine is None or theirs is None or mine.value == theirs.value:
            continue
        sign = 1 if goal.direction == "minimize" else -1
        return goal, sign * (mine.value - theirs.value)
    return None


def _stayed(
    intent: Intent, standing: Standing, now: Priced, chosen: Priced, options: Sequence[Priced], goals: Sequence[Goal]
) -> Stayed | None:
    """Return the option that would do best in the first goal, where it does better than what is kept."""
    if not goals or (before := now.estimates.get(goals[0].metric)) is None:
        return None
    goal = goals[0]
    sign = 1 if goal.direction == "minimize" else -1
    better = [
        option
        for option in options
        if goal.metric in option.estimates and option.candidate.id in standing.outage and _keeps(intent, option)
    ]
    best = min(better, key=lambda item: (sign * item.estimates[goal.metric].value, item.candidate.id), default=None)
    mine = chosen.estimates.get(goal.metric)
    if best is None or mine is None:
        return None
    saving = sign * (mine.value - best.estimates[goal.metric].value)
    if saving <= 1e-9 * abs(mine.value):
        return None
    outage = standing.outage[best.candidate.id]
    price = abs(before.value) * outage.value / DAY_S
    paid = saving > price
    return Stayed(
        candidate=best.candidate.id,
        goal=str(goal),
        saving=saving,
        price=price,
        unit=metric(goal.metric).unit,
        disruption_s=_disruption(outage),
        reason="there is no room for it, or it may not move" if paid else "moving costs more than it saves",
    )


def _keeps(intent: Intent, option: Priced) -> bool:
    """Say whether an option keeps all requirements, at the end of its estimates that the intent asks for."""
    for item in intent.require:
        found = option.estimates.get(item.metric)
        if found is None:
            return False
        below = metric(item.metric).relation == "<="
        value = found.value if intent.risk == "expected" else found.high if below else found.low
        slack = 1e-12 * abs(item.bound)
        if value > item.bound + slack if below else value < item.bound - slack:
            return False
    return True


def _disruption(found: Estimate) -> Disruption:
    return Disruption(value=found.value, low=found.low, high=found.high, source=found.source, basis=found.basis)


def _count(placement: Sequence[Placement]) -> Counter[_Place]:
    found: Counter[_Place] = Counter()
    for part in placement:
        found[part.node, part.devices] += part.replicas
    return found
