"""What is said beside a choice: what nobody judged, what was assumed for it, and what it was compared with unlike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from aios.records.candidate import Priced
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.model import ModelProfile

__all__ = ["notes_on"]

_DRAWN = frozenset({"power", "energy", "carbon"})
"""Metrics that follow from what devices draw."""


def notes_on(
    intent: Intent, chosen: Priced, options: Sequence[Priced], profiles: Mapping[str, ModelProfile], fleet: Fleet
) -> Iterator[str]:
    """Yield what else the choice keeps, and what its reader would not expect.

    options: what it was chosen from · profiles: by model
    """
    profile = profiles[chosen.candidate.model]
    if profile.transformer is not None:
        yield from (f"{chosen.candidate.model}: {guessed}" for guessed in profile.transformer.marked)
    if _quality_unjudged(intent, chosen, profile):
        yield (
            f"how well {chosen.candidate.model} answers in {chosen.candidate.precision} is not judged; "
            "`pin: {precision: bf16}` rules it out"
        )
    yield from intent.placement.texts(intent.name)
    yield from chosen.notes
    yield from _unlike_powers(intent, chosen, options, fleet)


def _quality_unjudged(intent: Intent, chosen: Priced, profile: ModelProfile) -> bool:
    """Say whether a language model was quantised without any accuracy that says what that costs."""
    candidate = chosen.candidate
    quantised = candidate.quantization != "none" and candidate.precision != profile.precision
    judged = any(name.startswith("accuracy.") for name in chosen.estimates)
    return profile.transformer is not None and intent.train is None and quantised and not judged


def _unlike_powers(intent: Intent, chosen: Priced, options: Sequence[Priced], fleet: Fleet) -> Iterator[str]:
    """Say that what is compared by power is of chips here and of whole boards there, where the facts say so."""
    asked = sorted(_DRAWN.intersection([*(goal.metric for goal in intent.goal), *(x.metric for x in intent.bounds)]))
    rivals = {item.candidate.device for item in (chosen, *options) if _DRAWN.intersection(item.estimates)}
    drawers: dict[str, list[str]] = {}
    for name in sorted(rivals):
        drawers.setdefault(_drawer(fleet, name), []).append(name)
    own = _drawer(fleet, chosen.candidate.device)
    others = [f"{drawer} for {_listed(names)}" for drawer, names in sorted(drawers.items()) if drawer != own]
    if asked and others:
        figures, name = " and ".join(asked), chosen.candidate.device
        yield f"unlike figures are compared: {figures} of {own} for {name}, of {' and '.join(others)}"


def _drawer(fleet: Fleet, device: str) -> str:
    part = fleet.types[device].power_of
    return "the device alone" if part is None else f"the whole {part}"


def _listed(names: Sequence[str]) -> str:
    """Return at most three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
