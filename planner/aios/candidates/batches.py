"""Which larger batches are worth offering, once it is known what a replica can sustain."""

from typing import NamedTuple

from aios.records.candidate import Candidate, Priced, Rejection
from aios.records.intent import Intent
from aios.records.units import Dimension, format_quantity

__all__ = ["Worthwhile", "worthwhile"]

_IDLE = 0.5
"""Share of its pessimistic capacity up to which a replica is left alone: an arriving request then finds it busy less
than half of the time, and it takes two that wait at once to make a batch."""


class Worthwhile(NamedTuple):
    """What is left to choose from, and a row for every family that was left out."""

    options: tuple[Priced, ...]
    rejections: tuple[Rejection, ...]


def worthwhile(intent: Intent, options: tuple[Priced, ...]) -> Worthwhile:
    """Leave out batches that would not form: where one at a time keeps up with the load easily.

    Their estimates differ from those of single requests by nothing but the uncertainty of both, and choosing between
    equals by noise makes plans jump. Batches that the intent pins are kept.
    """
    if intent.load is None or intent.pin.batch:
        return Worthwhile(options, ())
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
        suffix = "" if candidate.quantization == "none" else f"-{candidate.quantization}"
        what = f"{candidate.model} {candidate.precision}{suffix} on {candidate.device} in batches"
        sustained = format_quantity(capacity, Dimension.RATE)
        offered = format_quantity(rate, Dimension.RATE)
        reason = f"at {offered} no batch forms: one at a time sustains at least {sustained}"
        rejections.setdefault(
            what, Rejection(what=what, clause="batches form", reason=reason, by="candidates", resolvable="pin batch")
        )
    return Worthwhile(tuple(kept), tuple(rejections.values()))


def _alike(candidate: Candidate) -> tuple[object, ...]:
    """Return everything about a candidate but its batch."""
    return (
        candidate.model,
        candidate.device,
        candidate.executor,
        candidate.precision,
        candidate.quantization,
        candidate.threads,
        candidate.replicas,
        candidate.power_mode,
    )
