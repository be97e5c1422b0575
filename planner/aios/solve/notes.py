"""Says what the options of a conflict's intents lack: estimates that nobody has, or options at all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from aios.records.intent import Intent
from aios.solve.clauses import Rule
from aios.solve.problem import Option, Problem

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
    return notes


def _unknown(intent: Intent, name: str, options: Sequence[Option]) -> Iterable[str]:
    lacking = [option.priced for option in options if name not in option.priced.estimates]
    if not lacking:
        return
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
        f"{name} is unknown for {which} of {intent.name}, and an unknown value keeps no bound ({why}). "
        f"To measure it, run: aios profile {intent.where.file}"
    )
