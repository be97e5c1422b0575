"""Which larger batches are worth offering, once it is known what a replica can sustain."""

from typing import NamedTuple

from aios.records.candidate import Candidate, Priced, Rejection, label_of
from aios.records.intent import Intent
from aios.records.units import Dimension, format_quantity

__all__ = ["Worthwhile", "worthwhile"]

_IDLE = 0.5
"""Share of its pessimistic capacity up to which a replica is left alone: an arriving request then finds it busy less
than half of the time, and it takes two that wait at once to make a batch."""

_SEEN = 1.01
"""Factor on a time below which nobody sees a difference."""


class Worthwhile(NamedTuple):
    """What is left to choose from, and a row for every family that was left out."""

    options: tuple[Priced, ...]
    rejections: tuple[Rejection, ...]


def worthwhile(intent: Intent, options: tuple[Priced, ...]) -> Worthwhile:
    """Leave out batches that would not form, once options are priced; batches that the intent pins are kept.

    A network that keeps up with the load easily one request at a time gains nothing from larger batches: their
    estimates would differ by the uncertainty of both alone, and a plan would choose between equals by noise. Of a
    language model, whose requests join a batch that is under way, sizes beyond which no request sees a difference are
    left out. For training jobs see ``best_splits``.
    """
    if intent.train is not None:
        from aios.candidates.splits import best_splits

        return Worthwhile(*best_splits(intent, options))
    if intent.load is None or intent.pin.batch:
        return Worthwhile(options, ())
    if intent.load.output_tokens is not None:
        return _enough_sequences(intent, options)
    rate = intent.load.rate_per_s
    idle: dict[tuple[object, ...], float] = {}
    for option in options:
        throughput = option.estimates.get("throughput")
        if option.candidate.batch == 1 and throughput is not None and rate < _IDLE * throughput.low:
            idle[_alike(option.candidate)] = throughput.low
    kept: list[Priced] = []
    rejections: dict[str, Rejection] = {}
    for option in options:
        candidate = option.candidate
        capacity = idle.get(_alike(candidate)) if candidate.batch > 1 else None
        if capacity is None:
            kept.append(option)
            continue
        what = f"{candidate.model} {label_of(candidate)} on {candidate.device} in batches"
        sustained = format_quantity(capacity, Dimension.RATE)
        offered = format_quantity(rate, Dimension.RATE)
        reason = f"at {offered} no batch forms: one at a time sustains at least {sustained}"
        rejections.setdefault(
            what, Rejection(what=what, clause="batches form", reason=reason, by="candidates", resolvable="pin batch")
        )
    return Worthwhile(tuple(kept), tuple(rejections.values()))


def _enough_sequences(intent: Intent, options: tuple[Priced, ...]) -> Worthwhile:
    """Leave out engines set up for more sequences than are there at once: they keep memory for what never comes."""
    written = [item.metric for item in intent.require if item.implied_by is None]
    named = written + [item.metric for item in intent.goal]
    if "throughput" in named:  # which more sequences do raise
        return Worthwhile(options, ())
    enough: dict[tuple[object, ...], Priced] = {}
    kept: list[Priced] = []
    rejections: dict[str, Rejection] = {}
    for option in sorted(options, key=lambda item: item.candidate.batch):
        candidate = option.candidate
        smaller = enough.get(_alike(candidate))
        if smaller is None or not _as_good(intent, smaller, option):
            enough[_alike(candidate)] = option
            kept.append(option)
            continue
        what = f"{candidate.model} on {candidate.device} with more sequences than come together"
        reason = f"{smaller.candidate.batch} sequences at once leave no request waiting for a place"
        rejections.setdefault(
            what, Rejection(what=what, clause="batches form", reason=reason, by="candidates", resolvable="pin batch")
        )
    order = {option.candidate.id: place for place, option in enumerate(options)}
    kept.sort(key=lambda item: order[item.candidate.id])
    return Worthwhile(tuple(kept), tuple(rejections.values()))


def _as_good(intent: Intent, smaller: Priced, larger: Priced) -> bool:
    return _same_times(smaller, larger) and (_sustains(intent, smaller) or not _sustains(intent, larger))


def _sustains(intent: Intent, option: Priced) -> bool:
    """Say whether an option keeps up with the load, by the end of the estimate that the intent goes by."""
    throughput = option.estimates.get("throughput")
    if throughput is None or intent.load is None:
        return False
    return (throughput.value if intent.risk == "expected" else throughput.low) >= intent.load.rate_per_s


def _same_times(smaller: Priced, larger: Priced) -> bool:
    for name, estimate in larger.estimates.items():
        if not name.startswith("latency."):
            continue
        other = smaller.estimates.get(name)
        if other is None or other.high > _SEEN * estimate.high or other.value > _SEEN * estimate.value:
            return False
    return "latency.mean" in larger.estimates


def _alike(candidate: Candidate) -> tuple[object, ...]:
    """Return everything about a candidate but its batch."""
    return (
        candidate.model,
        candidate.device,
        candidate.executor,
        candidate.way,
        candidate.threads,
        candidate.replicas,
        candidate.power_mode,
        candidate.parallelism,
        candidate.nodes,
    )
