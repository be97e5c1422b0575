"""Makes the plan: decisions, deployments, claims and actions, in an order that depends on names alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aios.plan.actions import actions_for
from aios.plan.basis import Basis
from aios.plan.demands import decisions_on
from aios.plan.deployment import deployment_of
from aios.plan.document import with_id
from aios.plan.moving import Account
from aios.plan.notes import OF_THE_DAY, notes_on
from aios.plan.room import with_room
from aios.plan.timing import OF_THE_HOURS, in_time
from aios.records.candidate import Priced, Rejection
from aios.records.demanded import Demanded
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.model import ModelProfile
from aios.records.plan import (
    Claim,
    Decision,
    Deployment,
    Disruption,
    Inputs,
    PipelineDecision,
    Plan,
    Refusal,
    SolverNote,
)
from aios.records.schedule import Schedule
from aios.records.selection import Placement, Selection, Termination
from aios.records.state import State

__all__ = ["make_plan"]

_PREDICTED = ("latency.p99", "throughput", "power", "energy", "memory", "cost", "carbon")
"""Metrics that are claimed even when nobody requires them, beside every ``accuracy.*``: predictions worth measuring."""


def make_plan(
    *,
    selection: Selection,
    intents: Sequence[Intent],
    demands: Sequence[Demanded] = (),
    profiles: Mapping[str, Mapping[str, ModelProfile]],
    fleet: Fleet,
    rejections: Sequence[Rejection],
    calibration: Mapping[str, Mapping[str, str]],
    training: Mapping[str, Mapping[str, str]] | None = None,
    state: State,
    inputs: Inputs,
    made_from: Basis | None = None,
    in_place: Mapping[str, frozenset[str]],
    version: str,
    unhealthy: Mapping[str, str] | None = None,
    files: Mapping[str, Any] | None = None,
    keep_others: bool = False,
    options: Mapping[str, Sequence[Priced]] | None = None,
    account: Account | None = None,
    pipelines: Sequence[PipelineDecision] = (),
    at_once: bool = True,
    schedule: Schedule | None = None,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    moved: Mapping[str, Sequence[str]] | None = None,
    restart: Disruption | None = None,
) -> Plan:
    """Return the plan; a selection that found nothing gives one without actions, with the conflict.

    profiles, calibration, training: intent name -> model name -> profile, digest of data · in_place: executor name
    -> fields of Deployment that it changes without replacing the service · unhealthy: address -> what is wrong with
    it now · made_from: what the fingerprints were taken of, in short · files: paths that the plan was made from ·
    version: of aios · options: intent name -> what was chosen from · account: what is told of moves ·
    pipelines: what the decisions on their stages come to · at_once: whether all replicas have room at the same
    time · schedule: when jobs run, of a plan in time · labels: intent name -> labels · moved: intent name -> names that
    it had before · restart: seconds without service of what ends before its successor starts; None where room is not
    looked at

    The given intents are the whole truth: a service in the state whose intent is not given is deleted, and the plan
    says so. Leaving it would keep it running for ever once its file is gone, on capacity that the plan gave to
    others. ``keep_others`` leaves such services alone; whoever passes it sees to their capacity.
    """
    found = selection.status in ("optimal", "feasible")
    chosen = sorted((i for i in intents if found and i.name in selection.chosen), key=lambda intent: intent.name)
    wanted = {
        intent.name: _deployment(intent, selection, profiles, calibration, training or {}, fleet) for intent in chosen
    }
    claims = tuple(claim for intent in chosen for claim in _claims(intent, selection.chosen[intent.name]))
    claims += tuple(claim for whole in pipelines for claim in _claims_of_whole(whole, chosen))
    actions = actions_for(
        wanted,
        claims,
        state,
        in_place=in_place,
        unhealthy=unhealthy or {},
        refused=frozenset(selection.refused),
        keep_others=keep_others,
        moved=moved,
    )
    if restart is not None:
        actions = with_room(actions, claims, state, fleet, restart)
    notes = {}
    for i in chosen:
        own, among = selection.chosen[i.name], (options or {}).get(i.name, ())
        notes[i.name] = tuple(notes_on(i, own, among, profiles[i.name], fleet, at_once=at_once))
    decisions = [_decision(i, selection.chosen[i.name], selection.placement[i.name], notes[i.name]) for i in chosen]
    if found:
        decisions += decisions_on(demands, selection.placement, fleet)
        decisions.sort(key=lambda decision: decision.intent)
    if schedule is not None:
        timed = {run.intent for run in schedule.runs}
        claims = tuple(claim for claim in claims if claim.address not in timed or claim.metric not in OF_THE_HOURS)
        decisions = [in_time(decision, schedule.runs) for decision in decisions]
    if account is not None:
        decisions = [_told(decision, account) for decision in decisions]
    return with_id(
        Plan(
            id="",
            aios_version=version,
            inputs=inputs,
            made_from=made_from or {},
            status=selection.status,
            goals=tuple(objective.goal for objective in selection.objective),
            objective=selection.objective,
            decisions=tuple(decisions),
            pipelines=tuple(pipelines),
            rejections=tuple(sorted(rejections, key=lambda item: (item.what, item.clause, item.reason, item.by))),
            refused=tuple(Refusal(intent=name, count=n) for name, n in sorted(selection.refused.items())),
            at_once=at_once,
            frame=None if schedule is None else schedule.frame,
            conflict=selection.conflict,
            actions=actions if found else (),
            claims=claims,
            evaluate={intent.name: intent.data.evaluate for intent in chosen},
            protected=tuple(intent.name for intent in chosen if intent.prevent_destroy),
            labels=labels or {},
            files=files or {},
            solver=_note(selection.termination),
        )
    )


def _deployment(
    intent: Intent,
    selection: Selection,
    profiles: Mapping[str, Mapping[str, ModelProfile]],
    calibration: Mapping[str, Mapping[str, str]],
    training: Mapping[str, Mapping[str, str]],
    fleet: Fleet,
) -> Deployment:
    candidate = selection.chosen[intent.name].candidate
    placement, profile = selection.placement[intent.name], profiles[intent.name][candidate.model]
    return deployment_of(
        intent, candidate, placement, profile, calibration.get(intent.name, {}), fleet, training.get(intent.name)
    )


def _note(termination: Termination) -> SolverNote:
    return SolverNote(
        termination=termination.stopped,
        seed=termination.seed,
        workers=termination.workers,
        deterministic_limit=termination.deterministic_limit,
        version=termination.version,
    )


def _decision(intent: Intent, priced: Priced, placement: tuple[Placement, ...], notes: tuple[str, ...]) -> Decision:
    candidate = priced.candidate
    return Decision(
        intent=candidate.intent,
        candidate=candidate.id,
        model=candidate.model,
        device=candidate.device,
        precision=candidate.precision,
        quantization=candidate.quantization,
        compression=candidate.compression,
        batch=candidate.batch,
        threads=candidate.threads,
        replicas=candidate.replicas,
        parallelism=candidate.parallelism,
        devices=candidate.devices,
        machines=candidate.machines,
        degrees=candidate.degrees,
        settings=candidate.settings,
        power_mode=candidate.power_mode,
        executor=candidate.executor,
        placement=placement,
        memory=priced.residences,
        estimates=priced.estimates,
        notes=notes,
        periods=priced.periods,
        part=intent.part,
    )


def _told(decision: Decision, account: Account) -> Decision:
    moved, stayed = account.moved.get(decision.intent), account.stayed.get(decision.intent)
    if moved is None and stayed is None:
        return decision
    return decision.model_copy(update={"moved": moved, "stayed": stayed})


def _claims(intent: Intent, priced: Priced) -> Iterable[Claim]:
    """Yield what is promised: every requirement, then what is merely predicted."""
    required = {requirement.metric for requirement in intent.require}
    of_day = OF_THE_DAY if priced.periods else ()  # which no measurement at one rate shows
    for requirement in intent.require:
        if requirement.metric not in of_day:
            yield Claim(
                address=intent.name,
                metric=requirement.metric,
                estimate=priced.estimates[requirement.metric],
                clause=requirement.text,
                bound=requirement.bound,
                confidence=intent.confidence,
            )
    accuracies = sorted(metric for metric in priced.estimates if metric.startswith("accuracy."))
    for metric in (*_PREDICTED, "expense", *accuracies):
        if metric in priced.estimates and metric not in (*required, *of_day):
            promised = priced.estimates[metric]
            yield Claim(address=intent.name, metric=metric, estimate=promised, confidence=intent.confidence)


def _claims_of_whole(whole: PipelineDecision, intents: Sequence[Intent]) -> Iterable[Claim]:
    """Yield what is promised of a pipeline as a whole: its bounds, then how long a request takes."""
    pipeline = next(intent.pipeline for intent in intents if intent.name == whole.stages[0])
    bounds = pipeline.require if pipeline else ()
    for bound in bounds:
        yield Claim(
            address=whole.intent,
            metric=bound.metric,
            estimate=whole.estimates[bound.metric],
            clause=bound.text,
            bound=bound.bound,
        )
    for metric in _PREDICTED:
        if metric in whole.estimates and metric not in {bound.metric for bound in bounds}:
            yield Claim(address=whole.intent, metric=metric, estimate=whole.estimates[metric])
