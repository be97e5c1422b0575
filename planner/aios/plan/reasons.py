"""Why a choice differs between two plans, as far as their documents tell: only what they state, no guess."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aios.records.candidate import Estimate, label_of
from aios.records.metrics import find_metric
from aios.records.plan import Claim, Decision, Plan
from aios.records.units import Dimension, format_quantity

__all__ = ["reasons_for"]

_GOAL = re.compile(r"(?:(?!minimize |maximize )(\S.*): )?(?:minimize|maximize) (\S+)")
"""A goal of a plan, with the intents whose goal it is where not all of them have it."""


def reasons_for(
    before: Decision, after: Decision, requirements: Mapping[str, Claim], old: Plan, new: Plan
) -> tuple[str, ...]:
    """Return why ``after`` was chosen where ``before`` had been; empty where the documents do not say.

    requirements: metric -> claim that the later plan has to keep · old, new: the plans of the two decisions
    """
    moved = [after.moved.reason] if after.moved is not None and after.moved.before == before.candidate else []
    found = moved or [*_closed(before, old, new), *_broken(before, requirements)]
    return tuple(found or _goals(before, after, new))


def _closed(choice: Decision, old: Plan, new: Plan) -> Iterator[str]:
    """Yield that the later plan leaves the earlier choice out, or that its fleet seems not to have its device."""
    kind = label_of(choice)
    named = {
        f"device {choice.device}",
        f"executor {choice.executor}",
        f"{kind} on {choice.device}",
        f"{choice.model} on {choice.device}",
        f"{choice.model} {kind} on {choice.device}",
    }
    earlier = {(row.what, row.reason) for row in old.rejections}
    for row in new.rejections:
        if row.what in named and (row.what, row.reason) not in earlier:
            yield f"{row.what} is left out: {row.reason}"
    if old.inputs.fleet != new.inputs.fleet and _speaks_of(old, choice.device) and not _speaks_of(new, choice.device):
        yield f"{choice.device} is named nowhere in the later plan, whose fleet is another"


def _of(decision: Decision, owners: str | None) -> bool:
    return owners is None or decision.intent in owners.split(", ")


def _speaks_of(plan: Plan, device: str) -> bool:
    """Say whether a plan names a device type in what it considered; without rejections it says nothing of any."""
    words = re.compile(rf"(?<![\w-]){re.escape(device)}(?![\w-])")
    return any(words.search(row.what) for row in plan.rejections)


def _broken(choice: Decision, requirements: Mapping[str, Claim]) -> Iterator[str]:
    """Yield the requirements that the earlier choice was not predicted to keep."""
    for name in sorted(requirements):
        claim, estimate = requirements[name], choice.estimates.get(name)
        found = find_metric(name)
        if claim.bound is None or estimate is None or found is None:
            continue
        sign = 1 if found.better == "lower" else -1
        end = estimate.high if sign == 1 else estimate.low
        if sign * end > sign * claim.bound:
            certain = sign * estimate.value > sign * claim.bound
            text = _said(name, estimate.value) if certain else f"{_said(name, estimate.value)}, {_ends(name, estimate)}"
            yield f"{claim.clause} is required, and the earlier choice was predicted {text}"


def _ends(name: str, estimate: Estimate) -> str:
    return f"between {_said(name, estimate.low)} and {_said(name, estimate.high)}"


def _goals(before: Decision, after: Decision, new: Plan) -> Iterator[str]:
    """Yield which goals of the plan the new choice does better in, or worse."""
    metrics = dict.fromkeys(
        match[2] for goal in new.goals for match in [_GOAL.match(goal)] if match and _of(after, match[1])
    )
    for name in metrics:
        old, now, found = before.estimates.get(name), after.estimates.get(name), find_metric(name)
        if old is None or now is None or found is None or old.value == now.value:
            continue
        change = f"{name} {_said(name, old.value)} -> {_said(name, now.value)}"
        if (now.value < old.value) == (found.better == "lower"):
            yield f"it does better in what is asked for: {change}"
        else:
            yield f"{change}: the earlier choice does no better now, is closed to it, or in the way of a better whole"
        return


def _said(name: str, value: float) -> str:
    found = find_metric(name)
    return format_quantity(value, found.dimension if found else Dimension.COUNT)
