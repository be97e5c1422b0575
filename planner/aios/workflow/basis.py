"""What a plan is made from, part by part, and where what the intents say stands in their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from aios.records.base import Span
from aios.records.intent import Intent
from aios.records.measurement import Measurement
from aios.records.state import State
from aios.workflow.corrections import digests_of
from aios.workflow.reading import Given

if TYPE_CHECKING:
    from aios.plan.basis import Basis, Parts
    from aios.plan.freshness import Places

__all__ = ["basis_of", "places_of", "relevant"]


def basis_of(given: Given, state: State) -> Basis:
    """Return what the fingerprints of a plan of ``given`` are taken of, in short."""
    from aios.plan import basis_of as parts

    models, stored, data = {}, {}, {}
    for intent in given.intents:
        profiles = given.profiles[intent.name]
        for choice in intent.models:
            models[f"model {choice.path}"] = profiles[choice.name].digest
            if choice.stored:
                stored[f"model {choice.path}"] = choice.stored.version
        for field, digests in (("evaluated", given.evaluation), ("calibrated", given.calibration)):
            for name, digest in digests[intent.name].items():
                data[f"the data that {name} of {intent.name} is {field} on"] = digest
    return parts(
        intents=given.intents,
        demands=given.demands,
        objective=given.objective,
        fleet=given.fleet,
        models=models,
        stored=stored,
        data=data,
        measurements=relevant(given),
        learnt={**given.calibrations.digests(), **digests_of(given.corrections)},
        state=state,
        rules={f"rule {item.name}": item.rule for item in given.rules},
    )


def relevant(given: Given) -> Mapping[str, Measurement]:
    """Return the measurements of the models that are planned: measuring others makes no plan stale."""
    models = {profile.digest for profiles in given.profiles.values() for profile in profiles.values()}
    return {key: found for key, found in sorted(given.measurements.items()) if found.subject.model in models}


def places_of(given: Given, stated: Parts) -> Places:
    """Return where the parts of intents stand. stated: the parts, by intent"""
    found: dict[tuple[str, str], Span] = {}
    for intent in given.intents:
        found[intent.name, ""] = intent.where
        for part in stated.get(intent.name, ()):
            found[intent.name, part] = _place(intent, part)
        if intent.pipeline is not None:
            whole = f"pipeline {intent.pipeline.name}"
            found[whole, ""] = intent.pipeline.where
            found |= {(whole, bound.metric): bound.where for bound in intent.pipeline.require}
    for demand in given.demands:
        found |= {(demand.name, part): demand.where for part in ("", *stated.get(demand.name, ()))}
    return found


def _place(intent: Intent, part: str) -> Span:
    """Return where a part of an intent stands, or what it belongs to; at worst the intent's name."""
    bounds = {bound.metric: bound.where for bound in intent.bounds}
    if part in bounds:
        return bounds[part]
    if part.startswith("models"):
        return next((model.where for model in intent.models if f"[{model.name}]" in part), intent.models[0].where)
    if part.startswith("goal") and intent.goal[0].where is not None:
        return intent.goal[0].where
    return next((intent.spans[key] for key in _written(part) if key in intent.spans), intent.where)


def _written(part: str) -> Iterator[str]:
    """Yield how files may call a part, what is closest first: records name units and defaults that files do not."""
    for head in ("spec.", "metadata."):
        name = part
        while name:
            yield head + name
            cut = max(name.rfind("."), name.rfind("_"), name.rfind("["))
            name = name[:cut] if cut > 0 else ""
