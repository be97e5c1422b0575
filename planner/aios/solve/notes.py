"""Says what the options of a conflict's intents lack: estimates that nobody has, or options at all."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from aios.records.candidate import Priced
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.metrics import PLAN_METRICS, is_endless, metric
from aios.records.sampling import too_few
from aios.records.units import Dimension, format_quantity
from aios.solve.clauses import Rule
from aios.solve.clauses.requirement import compared, keep
from aios.solve.problem import Option, Problem
from aios.solve.wording import sufficient

__all__ = ["notes_on_options", "without_end"]

_FIGURE = re.compile(r"\d+(?:\.\d+)?(?: replicas?)?")

_MOST_PINS = 6
"""Pins that are told."""
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
        # A rule of the fleet or of the plan that bounds a metric bounds that of each intent of the conflict.
        own = (rule.clause.metric for rule in core if rule.intent in (index, None))
        metrics = dict.fromkeys(name for name in own if name is not None and name not in PLAN_METRICS)
        notes.extend(note for name in metrics for note in _unknown(intent, name, options, problem.fleet))
        notes.extend(_undecided(intent, options))
        notes.extend(_disturbed(intent, [option.priced for option in options], tuple(metrics)))
        if any(rule.of_load and rule.intent == index for rule in core):
            notes.extend(_overloaded(intent, [option.priced for option in options]))
    if any(rule.intent is None and rule.clause.metric not in (None, *PLAN_METRICS) for rule in core):
        notes.extend(_pinned(problem.intents))
    return list(dict.fromkeys(notes))


def _pinned(intents: Sequence[Intent]) -> Iterable[str]:
    """Say what is pinned where the plan as a whole is to stay within a bound: cheaper ways may be ruled out by that."""
    told = []
    for intent in intents:
        for field, names in intent.pin:
            if names:
                spans = (intent.spans.get(f"spec.pin.{field}{item}") for item in ("", "[0]"))
                where = next(filter(None, spans), intent.where)
                told.append(f"{intent.name}: {field} {' or '.join(map(str, names))} ({where})")
    if told:
        more = f"; and {len(told) - _MOST_PINS} more" if len(told) > _MOST_PINS else ""
        yield f"Pinned, so that no other way was tried: {'; '.join(told[:_MOST_PINS])}{more}."


def without_end(problem: Problem, rule: Rule) -> str | None:
    """Say that a latency has no end whatever is chosen, where that is so: no other bound would help then."""
    name = rule.clause.metric or ""
    if rule.intent is None or not name.startswith("latency."):
        return None
    intent = problem.intents[rule.intent]
    ends = compared(problem.priced(rule.intent), intent, name)
    known = [end for end in ends if end is not None]
    if intent.load is None or not known or not all(is_endless(name, end) for end in known):
        return None
    surely = intent.risk == "expected"
    return (
        f"At {_load(intent)} every option of {intent.name} {'is' if surely else 'may be'} overloaded, so that no bound "
        f"on {name} is kept: a smaller load or more devices help{'' if surely else ', or `risk: expected`'}."
    )


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


def _unknown(intent: Intent, name: str, options: Sequence[Option], fleet: Fleet) -> Iterable[str]:
    lacking = [option.priced for option in options if name not in option.priced.estimates]
    beyond = [priced for priced in lacking if name.startswith("latency.") and _beyond(intent, priced)]
    if beyond:
        which = _share(len(beyond), len(options))
        verb = "is" if len(beyond) in (1, len(options)) else "are"
        yield f"{which} of {intent.name} {verb} overloaded by {_load(intent)}."
    over = {id(priced) for priced in beyond}
    unknown = [priced for priced in lacking if id(priced) not in over]
    if unknown:
        yield (
            f"{name} is unknown for {_share(len(unknown), len(options))} of {intent.name}, and an unknown value keeps "
            f"no bound ({_reasons(name, unknown)})." + _remedy(intent, name, unknown, fleet)
        )


def _undecided(intent: Intent, options: Sequence[Option]) -> Iterable[str]:
    """Say of each bound on accuracy how many items would show the option to keep it that needs the fewest of those that
    keep it by their value."""
    for bound in intent.require:
        named = {
            (found.items or 0, found.low if metric(bound.metric).better == "higher" else -found.high, text): option
            for option in options
            if (found := option.priced.estimates.get(bound.metric)) is not None
            and (text := too_few(found, bound.bound, intent.confidence)) is not None
        }
        if named and intent.risk == "pessimistic":
            key = max(named, key=lambda key: key[:2])
            candidate = named[key].priced.candidate
            value = format_quantity(named[key].priced.estimates[bound.metric].value, metric(bound.metric).dimension)
            yield (
                f"{bound.metric} of {candidate.model} in {candidate.precision} was measured as {value}, on too few "
                f"items to show {bound.text} at {100 * intent.confidence:.4g} % confidence: {key[2]}."
            )


def _disturbed(intent: Intent, options: Sequence[Priced], metrics: Sequence[str]) -> Iterable[str]:
    """Say of which options that break a bound of the conflict a disturbed measurement says so."""
    for bound in intent.require:
        if bound.metric not in metrics:
            continue
        estimates = [option.estimates.get(bound.metric) for option in options]
        kept = keep(options, intent, bound)
        broken = [item.disturbed for item, keeps in zip(estimates, kept, strict=True) if item and not keeps]
        found = [text for text in broken if text]
        if found:
            often = min(Counter(found).items(), key=lambda item: (-item[1], item[0]))[0]
            which = _share(len(found), len(options))
            yield (
                f"{bound.metric} of {which} of {intent.name} was measured on a machine that was not at rest ({often}): "
                f"measure again once it is, with `aios profile {intent.where.file} --fresh`."
            )


def _share(some: int, of: int) -> str:
    return "every option" if some == of else f"{some} of {of} options"


def _load(intent: Intent) -> str:
    assert intent.load is not None
    return f"{intent.load.rate_per_s:g} requests/s"


def _reasons(name: str, lacking: Sequence[Priced]) -> str:
    """Return why a metric is unknown, the most frequent reasons first."""
    reasons = sorted(priced.unknown.get(name, "no estimate") for priced in lacking)
    # Reasons that differ in their figures alone are one; the first stands for all.
    alike = {_FIGURE.sub("#", reason): reason for reason in reversed(reasons)}
    often = Counter(_FIGURE.sub("#", reason) for reason in reasons)
    ranked = [alike[shape] for shape in sorted(often, key=lambda shape: (-often[shape], shape))]
    why = "; ".join(ranked[:_MOST_REASONS])
    if len(ranked) > _MOST_REASONS:
        why += f"; and {len(ranked) - _MOST_REASONS} more such reasons"
    return why


def _beyond(intent: Intent, priced: Priced) -> bool:
    """Say whether the load is more than an option is expected to sustain: its times then have no end to measure."""
    return intent.load is not None and priced.overloaded_by(intent.load.rate_per_s)


def _remedy(intent: Intent, name: str, unknown: Sequence[Priced], fleet: Fleet) -> str:
    """Say what makes a metric known: measuring, where a model has a file and a machine is at hand to run it; of an
    accuracy, stating it."""
    told = ""
    if name.startswith("accuracy."):
        measure = name.removeprefix("accuracy.")
        told = f" What is known of a model may be written beside it: `declared: {{accuracy: {{{measure}: ...}}}}`."
    filed = {model.name for model in intent.models if not model.card}
    here = {node.name for node in fleet.nodes if node.address == "local"}
    if any(item.candidate.model in filed and here.intersection(item.candidate.nodes) for item in unknown):
        told += f" To measure it, run: aios profile {intent.where.file}"
    return told
