"""plan and candidates: intents in, a proved plan out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from aios import __version__
from aios.records.base import digest_of
from aios.records.candidate import Priced, Rejection
from aios.records.demanded import Site
from aios.records.intent import Intent
from aios.records.joins import Joins
from aios.records.measurement import Measurement
from aios.records.plan import Inputs, PipelineDecision, Plan
from aios.records.selection import Ledger, Selection
from aios.records.state import State
from aios.workflow.joining import joins_of
from aios.workflow.keeping import state_of
from aios.workflow.reading import Given, fingerprint, gather
from aios.workflow.replanning import Replanning, Wished, account, replanning
from aios.workflow.setting import Setting, silent

if TYPE_CHECKING:
    from aios.cost import Evidence

__all__ = ["Considered", "Planned", "consider", "evidence_of", "inputs_of", "make_plan"]

NOTHING_WISHED = Wished()


class Considered(NamedTuple):
    """Every way to run every intent, priced. options: intent name -> ... · sites: demand -> where it may stand"""

    given: Given
    options: Mapping[str, tuple[Priced, ...]]
    sites: Mapping[str, tuple[Site, ...]]
    rejections: tuple[Rejection, ...]


class Planned(NamedTuple):
    """A plan with all that stood behind it. seconds: what solving took, for people; no part of the plan."""

    plan: Plan
    considered: Considered
    selection: Selection
    ledger: Ledger
    state: State
    seconds: float
    replanning: Replanning


def consider(given: Given, tell: Callable[[str], None] = silent) -> Considered:
    """Enumerate and price every candidate of every intent. tell: receives progress, one line each"""
    from aios.candidates import enumerate_candidates, sites_of, worthwhile
    from aios.cost import price, search_in

    engines = {name: executor.engine() for name, executor in given.executors.items()}
    options: dict[str, tuple[Priced, ...]] = {}
    rejections: list[Rejection] = []
    for intent in given.intents:
        profiles = given.profiles[intent.name]
        failed = _failed(given, intent, engines)
        search = search_in(given.fleet)
        tell(f"finding candidates of {intent.name}")
        found = enumerate_candidates(intent, profiles, given.fleet, given.executors, failed, search)
        evidence = evidence_of(given, intent)
        tell(f"pricing {len(found.candidates):,} candidates of {intent.name}")
        kept = worthwhile(intent, price(intent, found.candidates, profiles, given.fleet, evidence))
        options[intent.name] = kept.options
        rejections.extend((*found.rejections, *kept.rejections))
    sited = sites_of(given.demands, given.fleet)
    return Considered(given, options, sited.sites, (*rejections, *sited.rejections))


def evidence_of(given: Given, intent: Intent) -> Evidence:
    """Return what was measured and learnt of what an intent may run."""
    from aios.cost import Evidence

    return Evidence(
        measurements=given.measurements,
        engines={name: executor.engine() for name, executor in given.executors.items()},
        calibration=given.calibration[intent.name],
        evaluation=given.evaluation[intent.name],
        calibrations=given.calibrations,
    )


def _failed(given: Given, intent: Intent, engines: Mapping[str, str]) -> Mapping[tuple[str, str, str, str], str]:
    """Return (model, precision, quantization, executor) -> why preparing it failed when that was last tried."""
    found = {}
    for measurement in given.measurements.values():
        subject = measurement.subject
        if subject.kind != "artefact" or engines.get(subject.executor) != subject.engine:
            continue
        for name, profile in given.profiles[intent.name].items():
            calibration = given.calibration[intent.name].get(name)
            if subject.model == profile.digest and subject.calibration in (None, calibration):
                key = (name, subject.precision, subject.quantization, subject.executor)
                found[key] = measurement.conditions["failed"]
    return found


def inputs_of(given: Given, state: State) -> Inputs:
    """Return the fingerprints of everything that a plan of ``given`` depends on."""
    models = {
        intent.name: {
            "models": {name: profile.digest for name, profile in given.profiles[intent.name].items()},
            "calibration": given.calibration[intent.name],
            "evaluation": given.evaluation[intent.name],
        }
        for intent in given.intents
    }
    return Inputs(
        intents=fingerprint(given.intents, given.demands, given.objective),
        fleet=given.fleet.digest,
        models=digest_of(models),
        profiles=digest_of(_evidence(given)),
        catalogue=digest_of(dict(given.fleet.types)),
        state=f"{state.lineage}:{state.serial}",
    )


def _evidence(given: Given) -> object:
    """Return all that was measured or learnt and that estimates follow from."""
    learnt = given.calibrations.digests()
    return {"measurements": _relevant(given), "calibrations": learnt} if learnt else _relevant(given)


def _relevant(given: Given) -> Mapping[str, Measurement]:
    """Return the measurements of the models that are planned: measuring others makes no plan stale."""
    models = {profile.digest for profiles in given.profiles.values() for profile in profiles.values()}
    return {key: found for key, found in sorted(given.measurements.items()) if found.subject.model in models}


def make_plan(
    setting: Setting,
    considered: Considered | None = None,
    *,
    keep_others: bool = False,
    wished: Wished = NOTHING_WISHED,
) -> Planned:
    """Plan the intents of ``setting``. wished: of moves

    Raises InputError for what was given, ConflictError for a state that cannot be read.
    """
    from aios.check import audit
    from aios.plan import make_plan as draft
    from aios.solve import choose_together

    considered = considered or consider(gather(setting), setting.tell)
    given = considered.given
    state = state_of(setting).load()
    before = replanning(considered, state, wished)
    setting.tell("choosing")
    started = time.perf_counter()
    joins = joins_of(given.intents, considered.options, given.fleet)
    selection = choose_together(
        given.intents,
        considered.options,
        given.demands,
        considered.sites,
        given.objective,
        given.fleet,
        setting.limits(),
        before.moving,
        joins,
    )
    seconds = time.perf_counter() - started
    setting.tell("checking the choice")
    ledger = audit(given.intents, selection, given.fleet, given.demands, given.objective, before.moving, joins)
    if not ledger.holds:
        broken = ", ".join(row.clause.text for row in ledger.rows if not row.holds)
        raise AssertionError(f"the solver's choice breaks what the checker recomputed: {broken}")
    plan = draft(
        selection=selection,
        intents=given.intents,
        demands=given.demands,
        profiles=given.profiles,
        fleet=given.fleet,
        rejections=considered.rejections,
        calibration=given.calibration,
        state=state,
        inputs=inputs_of(given, state),
        in_place={name: executor.in_place for name, executor in given.executors.items()},
        unhealthy=unhealthy(given, state),
        files={
            "intents": list(setting.paths),
            "fleet": setting.fleet,
            "profiles": str(setting.profiles),
            "state": str(setting.state),
        },
        version=__version__,
        keep_others=keep_others,
        options=considered.options,
        account=account(considered, selection, before),
        pipelines=_pipelines(given.intents, selection, joins),
    )
    return Planned(plan, considered, selection, ledger, state, seconds, before)


def _pipelines(intents: Sequence[Intent], selection: Selection, joins: Joins) -> tuple[PipelineDecision, ...]:
    """Return what the choices for the stages of each pipeline come to."""
    from aios.cost import pipeline_decision

    found = {i.pipeline.name: i.pipeline for i in intents if i.pipeline is not None and i.name in selection.chosen}
    return tuple(
        pipeline_decision(pipeline, selection.chosen, selection.placement, joins)
        for _, pipeline in sorted(found.items())
    )


def unhealthy(given: Given, state: State) -> Mapping[str, str]:
    """Return address -> what is wrong, for every resource in the state that is not as it was applied."""
    found = {}
    for address, resource in state.resources.items():
        executor = given.executors.get(resource.executor)
        if executor is None:
            continue
        seen = executor.observe(address, resource.handle)
        if seen.condition in ("absent", "dead", "degraded"):
            found[address] = f"{seen.condition}: {seen.detail}"
    return found
