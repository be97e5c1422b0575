"""Says what the options of a conflict's intents lack: estimates that nobody has, or options at all."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from aios.records.candidate import Priced
from aios.records.intent import Intent
from aios.records.metrics import metric
from aios.records.units import Dimension, format_quantity
from aios.solve.clauses import Rule
from aios.solve.clauses.requirement import compared
from aios.solve.problem import Option, Problem
from aios.solve.wording import sufficient

__all__ = ["notes_on_options"]

_FIGURE = re.compile(r"\d+(?:\.\d+)?")

_MOST_REASONS = 3
"""Reasons of one unknown metric that are told, the most frequent first; `aios candidates --json` has them all."""


def notes_on_options(problem: Problem, core: Sequence[Rule]) -> list[str]:
    """Return a sentence for each intent of the conflict that has no option, no place, or no known value to bound."""
    notes = []
    for index in sorted({rule.intent for rule in core if rule.intent is not None}):
        intent, options = problem.intents[index], problem.options[index]
        if not options:
            notes.append(
                f"{intent.name} has no option at all: every way to run it was left out before (see `rejections`)."
            )
            continue
        if not any(problem.shapes[option.shape].places for option in options):
            notes.append(f"No option of {intent.name} names a node of the fleet that has its device.")
        metrics = dict.fromkeys(r.clause.metric for r in core if r.intent == index and r.clause.metric is not None)
        notes.extend(note for name in metrics for note in _unknown(intent, name, options))
        if any(rule.of_load and rule.intent == index for rule in core):
            notes.extend(_overloaded(intent, [option.priced for option in options]))
    return notes


def _overloaded(intent: Intent, options: Sequence[Priced]) -> Iterable[str]:
    """Say which option comes nearest to the load where none sustains it, and how many such replicas would."""
    (required,) = (item for item in intent.require if item.implied_by == "load")
    ends = zip(compared(options, intent, required.metric), options, strict=True)
    known = [(end, option) for end, option in ends if end is not None and end > 0]
    end, nearest = max(known, key=lambda item: (item[0], item[1].candidate.id), default=(math.inf, None))
    if nearest is None or end >= required.bound:
        return
    estimate, candidate = nearest.estimates[required.metric], nearest.candidate
    sure = sufficient(end, metric(required.metric))
    if intent.risk == "pessimistic":
        sure += f" at the pessimistic end ({format_quantity(estimate.value, Dimension.RATE)} expected)"
    many = "1 replica" if candidate.replicas == 1 else f"{candidate.replicas} replicas"
    yield (
        f"No option sustains the load of {intent.name}. Nearest is {many} of {candidate.model} on {candidate.device}, "
        f"with {sure}; it would take at least {math.ceil(candidate.replicas * required.bound / end):,} of them."
    )


def _unknown(intent: Intent, name: str, options: Sequence[Option]) -> Iterable[str]:
    lacking = [option.priced for option in options if name not in option.priced.estimates]
    if not lacking:
        return
    measurable = not all(_beyond(intent, priced) for priced in lacking)
    reasons = sorted(priced.unknown.get(name, "no estimate") for priced in lacking)
    # Reasons that differ in their figures alone are one; the first stands for all.
    alike = {_FIGURE.sub("#", reason): reason for reason in reversed(reasons)}
    often = Counter(_FIGURE.sub("#", reason) for reason in reasons)
    ranked = [alike[shape] for shape in sorted(often, key=lambda shape: (-often[shape], shape))]
    why = "; ".join(ranked[:_MOST_REASONS])
    if len(ranked) > _MOST_REASONS:
        why += f"; and {len(ranked) - _MOST_REASONS} more such reasons"
    which = "every option" if len(lacking) == len(options) else f"{len(lacking)} of {len(options)} options"
    yield (
        f"{name} is unknown for {which} of {intent.name}, and an unknown value keeps no bound ({why})."
        + (_remedy(intent, name) if measurable else "")
    )


def _beyond(intent: Intent, priced: Priced) -> bool:
    """Say whether the load is more than an option is expected to sustain: its times then have no end to measure."""
    throughput = priced.estimates.get("throughput")
    return intent.load is not None and throughput is not None and throughput.value <= intent.load.rate_per_s


def _remedy(intent: Intent, name: str) -> str:
    """Say what makes a metric known; nothing where a model has no file that could be run."""
    if not all(model.card for model in intent.models):
        return f" To measure it, run: aios profile {intent.where.file}"
    if name.startswith("accuracy."):
        measure = name.removeprefix("accuracy.")
        return (
            f" What is known of the model may be written beside its card: `declared: {{accuracy: {{{measure}: ...}}}}`."
        )
    return ""
