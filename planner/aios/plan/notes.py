"""What is said beside a choice: what nobody judged, what was assumed for it, and what it was compared with unlike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from aios.records.candidate import Priced
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.model import ModelProfile
from aios.records.transformers import KV_CACHE, KV_PRECISION

__all__ = ["OF_THE_DAY", "notes_on"]

OF_THE_DAY = ("power", "energy", "cost", "carbon")
"""Metrics that are means over the day where the load changes."""
_DRAWN = frozenset({"power", "energy", "carbon"})
"""Metrics that follow from what devices draw."""


def notes_on(
    intent: Intent,
    chosen: Priced,
    options: Sequence[Priced],
    profiles: Mapping[str, ModelProfile],
    fleet: Fleet,
    *,
    at_once: bool = True,
) -> Iterator[str]:
    """Yield what else the choice keeps, and what its reader would not expect.

    options: what it was chosen from · profiles: by model · at_once: whether all replicas have room at the same time
    """
    profile = profiles[chosen.candidate.model]
    if profile.transformer is not None:
        yield from (f"{chosen.candidate.model}: {guessed}" for guessed in profile.transformer.marked)
    unjudged = dict(_unjudged(intent, chosen, profile))
    if unjudged:
        how, remedies = " ".join(unjudged), " and ".join(unjudged.values())
        rule = "rules" if len(unjudged) == 1 else "rule"
        yield f"how well {chosen.candidate.model} answers {how} is not judged; {remedies} {rule} it out"
    if chosen.periods:
        yield from _over_the_day(intent, chosen, at_once=at_once)
    yield from intent.placement.texts(intent.name)
    yield from chosen.notes
    yield from _unlike_powers(intent, chosen, options, fleet)


def _over_the_day(intent: Intent, chosen: Priced, *, at_once: bool) -> Iterator[str]:
    """Say what of a load that changes over the day is a mean, and what is deployed."""
    replicas = chosen.candidate.replicas
    if not at_once:
        yield (
            "replicas share machines by the hour with those of others, so that `aios apply`, which starts all of them, "
            "refuses this plan; which ones run when is `hourly` of each place in its JSON"
        )
    elif any(period.replicas < replicas for period in chosen.periods):
        yield (
            f"`aios apply` starts all {replicas} replicas, as many as the highest rate needs, and stops none; which "
            "ones are needed when is `hourly` of each place in the plan's JSON"
        )
    means = [item.text for item in intent.require if item.metric in OF_THE_DAY]
    if means:
        yield f"{' and '.join(means)}: of the whole day, which `aios verify` does not measure"


def _unjudged(intent: Intent, chosen: Priced, profile: ModelProfile) -> Iterator[tuple[str, str]]:
    """Yield (what, what rules it out) of each way in which a language model was made smaller, where no accuracy says
    what that costs."""
    candidate = chosen.candidate
    judged = any(name.startswith("accuracy.") for name in chosen.estimates)
    if profile.transformer is None or intent.train is not None or judged:
        return
    if candidate.quantization != "none" and candidate.precision != profile.precision:
        yield f"in {candidate.precision}", "`pin: {precision: bf16}`"
    if KV_CACHE in candidate.settings:
        kept = candidate.settings[KV_CACHE]
        yield f"with keys and values in {kept}", f"`transforms: {{kv-cache: {{precision: {KV_PRECISION}}}}}`"


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
