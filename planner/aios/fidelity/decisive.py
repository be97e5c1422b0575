"""What to measure next so that a choice rests on measurements, and whether it does already.

The rule is optimism: suppose that whatever was not measured turns out at its best. The option that would then be
chosen, the leader, is measured next; of what is missing of it, what is the most likely to rule it out per second comes
first, an endpoint only after its engine, which tells much of it. A leader of which nothing is missing is the choice:
every other option was given the benefit of every doubt and is no better, or not by more than the interval of what was
measured, within which another run may prefer either. That is the whole proof, and it holds where true figures lie
inside their intervals. The rule never measures an option whose best end is worse than a figure that is known of a
feasible one: the branch and bound of Lawler and Wood (1966), with measuring in the place of branching.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Literal, NamedTuple

from aios.records.candidate import Estimate, Priced
from aios.records.intent import Goal, Intent, Requirement
from aios.records.metrics import is_endless, metric

__all__ = ["Contender", "Pending", "Rival", "Standing", "close_to", "standing"]

Kind = Literal["accuracy", "service", "serving"]

_ROUNDING = 1e-12
"""Relative error of arithmetic that breaks no bound, as the solver has it."""

_LIKELY = 0.5
"""Chance that a figure of which nothing is known breaks a bound."""

_UNLIKELY = 0.01
"""Least chance that is reckoned with: what can hardly rule anything out is put in order of its cost."""


class Pending(NamedTuple):
    """A measurement that is missing. name: the same for options that share it · seconds: that it is expected to take"""

    name: str
    kind: Kind
    seconds: float


class Contender(NamedTuple):
    """An option that may be chosen.

    option: as a plan prices it now · reach: its estimates, without what no measurement of it changes · pending: what is
    missing of it; of figures on which nothing of that bears, the plan's own hold · size: what breaks ties, the smaller
    first · preparing_s: that making its model is expected to take before any of that; 0 where it was made · falling: of
    those that share the first part, whoever has less of the second is taken to be no more right; None: nothing of the
    kind is known
    """

    option: Priced
    reach: Mapping[str, Estimate]
    pending: tuple[Pending, ...]
    size: tuple[object, ...]
    preparing_s: float = 0.0
    falling: tuple[Hashable, float] | None = None


class Rival(NamedTuple):
    """An option that may still turn out better than the best that is known. best: of the first goal, None: anything is
    possible · missing: what would decide · preparing_s: as in Contender"""

    id: str
    best: float | None
    missing: tuple[Pending, ...]
    preparing_s: float = 0.0

    @property
    def seconds(self) -> float:
        """How long all of what would decide is expected to take."""
        return self.preparing_s + sum(item.seconds for item in self.missing)


class Standing(NamedTuple):
    """leader: who would be chosen if all turned out at its best; None: nothing can meet the intent · next: what to
    measure, and of whom: of the leader, or of one that would rule it out with others; None: the choice is proved ·
    incumbent: the best of those of which nothing is missing · rivals: what may
    still be better than that, the most hopeful first · out: text of a requirement -> ids of
    those that cannot meet it"""

    leader: Contender | None
    next: tuple[Contender, Pending] | None
    incumbent: Contender | None
    rivals: tuple[Rival, ...]
    out: Mapping[str, tuple[str, ...]]


def standing(intent: Intent, contenders: Sequence[Contender]) -> Standing:
    """Return who leads and what to measure next. The choice is that of a plan of the intent alone."""
    hopeful: list[Contender] = []
    out: dict[str, tuple[str, ...]] = {}
    for one in contenders:
        broken = next((item for item in intent.require if not _can_keep(one, intent, item)), None)
        if broken is None:
            hopeful.append(one)
        else:
            out[broken.text] = (*out.get(broken.text, ()), one.option.candidate.id)
    known = _leader(intent, [one for one in hopeful if not one.pending])
    if not hopeful:
        return Standing(None, None, None, (), out)
    leader = _leader(intent, hopeful)
    assert leader is not None
    if not leader.pending:
        return Standing(leader, None, leader, (), out)
    engine = any(item.kind == "service" for item in leader.pending)
    ready = [item for item in leader.pending if not (engine and item.kind == "serving")]
    worth = {item: _chance(leader, intent, item, known) / item.seconds for item in ready}
    rivals = _rivals(intent, hopeful, known)
    following = max(ready, key=lambda item: (worth[item], -item.seconds, item.name))
    return Standing(leader, _telling_more(intent, hopeful, leader, following), known, rivals, out)


def _telling_more(
    intent: Intent, hopeful: Sequence[Contender], leader: Contender, item: Pending
) -> tuple[Contender, Pending]:
    """Return what to measure, and of whom, in the place of the leader's accuracy: that of one which is changed less in
    the same way, where it is likely to rule out more per second, as it bounds all that are changed more."""
    is_doubtful = item.kind == "accuracy" and _chance(leader, intent, item, None) > _UNLIKELY
    own = _accuracies(leader, hopeful) if is_doubtful else {}

    def worth(share: float) -> float:
        one, pending = own[share]
        ruled_out = sum(other <= share for other in own)
        return _chance(one, intent, pending, None) * ruled_out / (pending.seconds + one.preparing_s)

    return own[max(sorted(own), key=worth)] if own else (leader, item)


def _accuracies(leader: Contender, hopeful: Sequence[Contender]) -> dict[float, tuple[Contender, Pending]]:
    """Return, by what their transform leaves, whose accuracy is missing of the leader and those that are changed less;
    nothing where one does not bound the other."""
    if leader.falling is None:
        return {}
    kin, least = leader.falling
    found: dict[float, tuple[Contender, Pending]] = {}
    for one in (leader, *hopeful):
        if one.falling is not None and one.falling[0] == kin and one.falling[1] >= least:
            for item in one.pending:
                if item.kind == "accuracy":
                    found.setdefault(one.falling[1], (one, item))
    return found


def close_to(intent: Intent, chosen: Contender, contenders: Sequence[Contender]) -> tuple[str, ...]:
    """Return ids of measured options that meet the intent and whose first goal differs from that of the chosen one by
    less than the intervals of both: another run may prefer them."""
    goal = intent.goal[0]
    mine = chosen.reach.get(goal.metric)
    if mine is None or mine.low == mine.high:
        return ()
    found = []
    for one in contenders:
        its = one.reach.get(goal.metric)
        if one is chosen or one.pending or its is None or its.low == its.high:
            continue
        if mine.low <= its.high and its.low <= mine.high and all(_can_keep(one, intent, b) for b in intent.require):
            found.append(one.option.candidate.id)
    return tuple(sorted(found))


def _leader(intent: Intent, pool: Sequence[Contender]) -> Contender | None:
    """Return the first by goals, then by size, of those that can keep every bound. A goal that may be worsened is
    first brought to its best: whoever has that is measured before anybody is admitted for being near it."""
    for goal in intent.goal:
        if goal is intent.goal[-1]:
            pool = _worth_telling(goal, pool)
        if not pool:
            return None
        best = min(pool, key=lambda one: (_reached(one, goal), len(one.pending), one.size))
        if best.pending:
            equals = [one for one in pool if _reached(one, goal) == _reached(best, goal)]
            return min(equals, key=lambda one: (*(_reached(one, other) for other in intent.goal), one.size))
        least = _reached(best, goal)
        most = least + goal.tolerance * abs(least) if math.isfinite(least) else least
        pool = [one for one in pool if _reached(one, goal) <= most]
    return min(pool, key=lambda one: (_reached(one, intent.goal[-1]), one.size), default=None)


def _worth_telling(goal: Goal, pool: Sequence[Contender]) -> Sequence[Contender]:
    """Return what is measured, and what at its best is better than the best of that by more than its interval: a figure
    inside it would not be told apart from what is measured already."""
    known = min((one for one in pool if not one.pending), key=lambda one: (_reached(one, goal), one.size), default=None)
    found = None if known is None else known.reach.get(goal.metric)
    if found is None:
        return pool
    least = found.low if goal.direction == "minimize" else -found.high
    return [one for one in pool if not one.pending or _reached(one, goal) < least]


def _rivals(intent: Intent, hopeful: Sequence[Contender], known: Contender | None) -> tuple[Rival, ...]:
    goal = intent.goal[0]
    most = math.inf if known is None else _reached(known, goal)
    most += goal.tolerance * abs(most) if math.isfinite(most) else 0.0
    found = [one for one in hopeful if one.pending and _reached(one, goal) <= most]
    found.sort(key=lambda one: (*(_reached(one, other) for other in intent.goal), one.size))
    told = []
    for one in found:
        best = _reached(one, goal)
        value = None if not math.isfinite(best) else best if goal.direction == "minimize" else -best
        told.append(Rival(one.option.candidate.id, value, one.pending, one.preparing_s))
    return tuple(told)


def _bears(kind: Kind, name: str) -> bool:
    """Say whether such a measurement changes a metric. What a device costs depends on neither."""
    if name.startswith("accuracy."):
        return kind == "accuracy"
    return kind != "accuracy" and name not in ("cost", "expense", "time")


def _is_open(one: Contender, name: str) -> bool:
    return any(_bears(item.kind, name) for item in one.pending)


def _can_keep(one: Contender, intent: Intent, bound: Requirement) -> bool:
    """Say whether the bound may be kept: as a plan compares it where it is measured, at its best end else."""
    below = metric(bound.metric).relation == "<="
    is_open = _is_open(one, bound.metric)
    found = (one.reach if is_open else one.option.estimates).get(bound.metric)
    if found is None:
        return is_open
    best, worst = (found.low, found.high) if below else (found.high, found.low)
    value = best if is_open else found.value if intent.risk == "expected" else worst
    slack = _ROUNDING * abs(bound.bound)
    return value <= bound.bound + slack if below else value >= bound.bound - slack


def _reached(one: Contender, goal: Goal) -> float:
    """Return what a goal is at best, the smaller the better: its value where it is measured."""
    is_open = _is_open(one, goal.metric)
    found = (one.reach if is_open else one.option.estimates).get(goal.metric)
    if found is None:
        return -math.inf if is_open else math.inf
    if goal.direction == "minimize":
        return found.low if is_open else found.value
    return -(found.high if is_open else found.value)


def _chance(leader: Contender, intent: Intent, item: Pending, known: Contender | None) -> float:
    """Return how likely a measurement is to rule the leader out: the share of an interval that breaks its bound, or
    that is worse than the best that is known."""
    chances = [_UNLIKELY]
    for bound in intent.require:
        if _bears(item.kind, bound.metric):
            sign = 1.0 if metric(bound.metric).relation == "<=" else -1.0
            chances.append(_beyond(leader.reach.get(bound.metric), sign, sign * bound.bound))
    goal = intent.goal[0]
    if known is not None and _bears(item.kind, goal.metric):
        sign = 1.0 if goal.direction == "minimize" else -1.0
        chances.append(_beyond(leader.reach.get(goal.metric), sign, _reached(known, goal)))
    return max(chances)


def _beyond(found: Estimate | None, sign: float, most: float) -> float:
    """Return the share of an interval, turned so that less is better, that lies above a value."""
    if found is None or is_endless(found.metric, found.high):
        return _LIKELY
    low, high = sorted((sign * found.low, sign * found.high))
    if high <= low:
        return 1.0 if low > most else 0.0
    return min(1.0, max(0.0, (high - most) / (high - low)))
