"""Which ways to split a training step are worth offering, once they are priced."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import le

from aios.records.candidate import Candidate, Priced, Rejection
from aios.records.intent import Intent
from aios.records.metrics import metric

__all__ = ["best_splits"]


def best_splits(intent: Intent, options: Sequence[Priced]) -> tuple[tuple[Priced, ...], tuple[Rejection, ...]]:
    """Return the splits worth offering, in their order, and a rejection for the others of each model and device.

    A split is left out where a quicker one over the same devices, in the same precision, is no worse in any metric that
    the intent requires or has as a goal.
    """
    named = list(dict.fromkeys([*(item.metric for item in intent.require), *(item.metric for item in intent.goal)]))
    front: dict[tuple[object, ...], list[tuple[float, ...]]] = {}
    kept: dict[str, Priced] = {}
    rejections: dict[str, Rejection] = {}
    for option in sorted(options, key=lambda item: (_figures(item, ("time",)), item.candidate.id)):
        own, figures = front.setdefault(_place(option.candidate), []), _figures(option, named)
        if any(all(map(le, other, figures)) for other in own):
            what = f"slower splits of {option.candidate.model} on {option.candidate.device}"
            reason = f"quicker ones of the same devices are no worse in {', '.join(named)}"
            rejections.setdefault(what, Rejection(what=what, clause="the quickest", reason=reason, by="candidates"))
        else:
            own.append(figures)
            kept[option.candidate.id] = option
    return tuple(option for option in options if option.candidate.id in kept), tuple(rejections.values())


def _place(candidate: Candidate) -> tuple[object, ...]:
    return (
        candidate.model, candidate.device, candidate.executor, candidate.precision, candidate.nodes, candidate.devices,
        candidate.machines,
    )  # fmt: skip


def _figures(option: Priced, names: Sequence[str]) -> tuple[float, ...]:
    """Return low, value and high of metrics, signed so that less is better; infinite where nothing is known."""
    found: list[float] = []
    for name in names:
        estimate, side = option.estimates.get(name), 1.0 if metric(name).better == "lower" else -1.0
        found += (
            [math.inf] * 3 if estimate is None else [side * n for n in (estimate.low, estimate.value, estimate.high)]
        )
    return tuple(found)
