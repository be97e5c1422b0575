"""plan and candidates: intents in, a proved plan out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from aios import __version__
from aios.records.base import digest_of
from aios.records.candidate import Candidate, Priced, Rejection, label_of
from aios.records.current import Current
from aios.records.demanded import Site
from aios.records.errors import InputError
from aios.records.intent import Intent
from aios.records.joins import Joins
from aios.records.plan import Disruption, Inputs, PipelineDecision, Plan
from aios.records.schedule import Frame, Schedule
from aios.records.selection import Ledger, Selection
from aios.records.state import State
from aios.workflow.basis import basis_of, relevant
from aios.workflow.corrections import digests_of
from aios.workflow.joining import joins_of
from aios.workflow.keeping import load_state
from aios.workflow.moving import as_named_now, protects
from aios.workflow.observing import unhealthy
from aios.workflow.parts import groups_of, is_split, served
from aios.workflow.reading import Given, fingerprint, gather
from aios.workflow.replanning import Replanning, Wished, account, replanning
from aios.workflow.ruling import Evaluator, check_rules, judged
from aios.workflow.setting import Setting, silent
from aios.workflow.stages import of_command, stage
from aios.workflow.timing import takes_time
from aios.workflow.watching import found_by, tell_rejected

if TYPE_CHECKING:
    from aios.cost import Evidence

__all__ = ["Considered", "Planned", "consider", "evidence_of", "inputs_of", "make_plan", "restart"]

NOTHING_WISHED = Wished()
ANY_DAY = Frame()
"""From midnight UTC of no particular day on."""


class Considered(NamedTuple):
    """Every way to run every intent, priced. options: intent name -> ... · sites: demand -> where it may stand"""

    given: Given
    options: Mapping[str, tuple[Priced, ...]]
    sites: Mapping[str, tuple[Site, ...]]
    rejections: tuple[Rejection, ...]


class Planned(NamedTuple):
    """A plan with all that stood behind it. seconds: what solving took, for people; no part of the plan ·
    schedule: when jobs run, of a plan in time."""

    plan: Plan
    considered: Considered
    selection: Selection
    ledger: Ledger
    state: State
    seconds: float
    replanning: Replanning
    schedule: Schedule | None = None


def consider(given: Given, tell: Callable[[str], None] = silent) -> Considered:
    """Enumerate and price every candidate of every intent. tell: receives progress, one line each"""
    from aios.candidates import enumerate_candidates, sites_of, with_fewest, worthwhile
    from aios.cost import search_in

    engines = {name: executor.engine() for name, executor in given.executors.items()}
    options: dict[str, tuple[Priced, ...]] = {}
    rejections: list[Rejection] = []
    accompanied = {other.intent for intent in given.intents for other in intent.placement.together}
    for intent in given.intents:
        profiles = given.profiles[intent.name]
        failed = _failed(given, intent, engines)
        search = search_in(given.fleet)
        with stage("candidates", tell, f"finding candidates of {intent.name}", intent=intent.name) as at:
            found = enumerate_candidates(
                intent, profiles, given.fleet, given.executors, failed, search, given.transforms
            )
            at.note(candidates=len(found.candidates), rejected=len(found.rejections))
        told = f"pricing {len(found.candidates):,} candidates of {intent.name}"
        with stage("pricing", tell, told, intent=intent.name, candidates=len(found.candidates)) as at:
            evidence = evidence_of(given, intent)
            steady = intent.placement.survive is not None or intent.name in accompanied
            pricing = _pricing(given, intent, evidence, steady=steady)
            kept = worthwhile(intent, with_fewest(intent, pricing(found.candidates), _keeps, pricing))
            at.note(kept=len(kept.options), rejected=len(kept.rejections))
        options[intent.name] = kept.options
        rejections.extend((*found.rejections, *kept.rejections))
        tell_rejected((*found.rejections, *kept.rejections))
    sited = sites_of(given.demands, given.fleet)
    return Considered(given, options, sited.sites, (*rejections, *sited.rejections))


def _pricing(
    given: Given, intent: Intent, evidence: Evidence, *, steady: bool
) -> Callable[[Sequence[Candidate]], tuple[Priced, ...]]:
    """Return what prices candidates of an intent. steady: all replicas run all day"""
    from aios.cost import price, price_daily

    profiles, fleet = given.profiles[intent.name], given.fleet
    if intent.load is not None and intent.load.hourly_per_s:
        return lambda some: price_daily(intent, some, profiles, fleet, evidence, _keeps, steady=steady)
    return lambda some: price(intent, some, profiles, fleet, evidence)


def _keeps(intent: Intent, options: Sequence[Priced]) -> Sequence[bool]:
    from aios.solve import keep_all  # imports much, and not every intent asks for it

    return keep_all(intent, options)


def evidence_of(given: Given, intent: Intent) -> Evidence:
    """Return what was measured and learnt of what an intent may run."""
    from aios.cost import Evidence

    return Evidence(
        measurements=given.measurements,
        engines={name: executor.engine() for name, executor in given.executors.items()},
        calibration=given.calibration[intent.name],
        evaluation=given.evaluation[intent.name],
        training=given.training[intent.name],
        calibrations=given.calibrations,
        transforms=given.transforms,
        corrections=given.corrections,
    )


def _failed(given: Given, intent: Intent, engines: Mapping[str, str]) -> Mapping[tuple[str, str, str], str]:
    """Return (model, label of its precision, executor) -> why preparing it failed when that was last tried."""
    found = {}
    for measurement in given.measurements.values():
        subject = measurement.subject
        if subject.kind != "artefact" or engines.get(subject.executor) != subject.engine:
            continue
        for name, profile in given.profiles[intent.name].items():
            calibration = given.calibration[intent.name].get(name)
            learnt = subject.training in (None, given.training[intent.name].get(name))
            if subject.model == profile.digest and subject.calibration in (None, calibration) and learnt:
                key = (name, label_of(subject), subject.executor)
                found[key] = measurement.conditions["failed"]
    return found


def inputs_of(given: Given, state: State, current: Current | None = None) -> Inputs:
    """Return the fingerprints of everything that a plan of ``given`` depends on; current: what stands, if a saved plan
    and not the state says so"""
    models = {
        intent.name: {
            "models": {name: profile.digest for name, profile in given.profiles[intent.name].items()},
            "calibration": given.calibration[intent.name],
            "evaluation": given.evaluation[intent.name],
            **({"training": given.training[intent.name]} if given.training[intent.name] else {}),
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
        current=None if current is None else digest_of(dict(current.footings)),
        policies=_policies(given),
    )


def _policies(given: Given) -> str | None:
    if not given.rules:
        return None
    from aios.policy import digest_of_rules

    return digest_of_rules(given.rules)


def _evidence(given: Given) -> object:
    """Return all that was measured or learnt and that estimates follow from."""
    learnt = {**given.calibrations.digests(), **digests_of(given.corrections)}
    return {"measurements": relevant(given), "calibrations": learnt} if learnt else relevant(given)


def make_plan(
    setting: Setting,
    considered: Considered | None = None,
    *,
    keep_others: bool = False,
    wished: Wished = NOTHING_WISHED,
    frame: Frame = ANY_DAY,
    evaluator: Evaluator | None = None,
    state: State | None = None,
) -> Planned:
    """Plan the intents of ``setting``, and ask their policies of the plan. wished: of moves · frame: where the plan
    stands in time, where that matters · evaluator: of rules, that goes on after this plan · state: what stands, where
    that is not what is kept

    Raises InputError for what was given, ConflictError for a state that cannot be read.
    """
    with Evaluator() if evaluator is None else nullcontext(evaluator) as asked:
        given = considered.given if considered else gather(setting)
        check_rules(given.rules, asked)
        considered = considered or consider(given, setting.tell)
        standing = load_state(setting) if state is None else state
        planned = _drafted(setting, considered, standing, keep_others=keep_others, wished=wished, frame=frame)
        return planned._replace(plan=judged(planned.plan, given.rules, asked))


def _drafted(
    setting: Setting, considered: Considered, state: State, *, keep_others: bool, wished: Wished, frame: Frame
) -> Planned:
    from aios.plan import forbidden
    from aios.plan import make_plan as draft

    whole = considered.given
    choose = _in_time if takes_time(whole) else _choice
    choice = choose(setting, considered, as_named_now(whole.intents, state), wished, frame)
    considered, selection = choice.considered, choice.selection
    given = considered.given
    ill = unhealthy(given.executors, state)
    plan = draft(
        selection=selection,
        intents=given.intents,
        demands=given.demands,
        profiles=given.profiles,
        fleet=given.fleet,
        rejections=considered.rejections,
        calibration=given.calibration,
        training=given.training,
        state=state,
        inputs=inputs_of(whole, state, choice.before.current if wished.current else None),
        made_from=basis_of(whole, state),
        in_place={name: executor.in_place for name, executor in given.executors.items()},
        unhealthy=ill,
        files={
            "intents": list(setting.paths),
            "fleet": setting.fleet,
            "profiles": str(setting.profiles),
            "state": str(setting.state),
            **({"policies": list(setting.policies)} if setting.policies else {}),
        },
        version=__version__,
        keep_others=keep_others,
        options=considered.options,
        account=account(considered, selection, choice.before) if choice.schedule is None else None,
        pipelines=_pipelines(given.intents, selection, choice.joins),
        at_once=choice.at_once,
        schedule=choice.schedule,
        labels=_labels(whole),
        moved={intent.name: intent.moved_from for intent in given.intents if intent.moved_from},
        restart=restart(),
    )
    wrong = tuple(forbidden(plan, state, {intent.name: protects(intent) for intent in given.intents}, ill))
    if wrong:
        raise InputError(*wrong)
    of_command(plan=plan.id, status=plan.status, serial=state.serial)
    return Planned(plan, considered, selection, choice.ledger, state, choice.seconds, choice.before, choice.schedule)


def _labels(given: Given) -> Mapping[str, Mapping[str, str]]:
    """Return intent name -> labels, of those that have any."""
    labels = {intent.name: intent.labels for intent in given.intents}
    labels |= {demand.name: demand.labels for demand in given.demands}
    return {name: found for name, found in labels.items() if found}


def restart() -> Disruption:
    """Return how long a service is away that ends before its successor starts, on its own machine."""
    from aios.cost.moving import Way, outage

    found = outage(0.0, Way(None, "analytic", "nothing travels within one machine"))
    return Disruption(value=found.value, low=found.low, high=found.high, source=found.source, basis=found.basis)


class _Choice(NamedTuple):
    """What was chosen, checked. seconds: of solving · at_once: whether all of it has room at the same time"""

    considered: Considered
    selection: Selection
    ledger: Ledger
    before: Replanning
    joins: Joins
    seconds: float
    at_once: bool
    schedule: Schedule | None = None


def _choice(setting: Setting, considered: Considered, state: State, wished: Wished, _frame: Frame) -> _Choice:
    """Choose for what stands all the time."""
    from aios.check import audit, fits_at_once
    from aios.solve import choose_together

    whole = considered
    if any(map(is_split, whole.given.intents)):
        considered = groups_of(considered, consider, setting.tell)
    given = considered.given
    before = replanning(considered, state, wished)
    started = time.perf_counter()
    joins = joins_of(given.intents, considered.options, given.fleet)
    asked = given.intents, considered.options, given.demands, considered.sites, given.objective, given.fleet
    with stage("solving", setting.tell, "choosing", intents=len(given.intents), demands=len(given.demands)) as at:
        selection = choose_together(*asked, setting.limits(), before.moving, joins)
        at.note(**found_by(selection))
    if considered is not whole and selection.status == "infeasible":
        selection, considered = _unsplit(whole, selection), whole
        before = replanning(considered, state, wished)
    elif considered is not whole:
        considered = served(whole, considered, selection)
    given = considered.given
    if selection.status == "infeasible" and not all(considered.options.values()):
        from aios.workflow.barring import with_rules

        selection = with_rules(considered, selection, consider, partial(_is_possible, setting))
    seconds = time.perf_counter() - started
    with stage("checking", setting.tell, "checking the choice"):
        ledger = audit(given.intents, selection, given.fleet, given.demands, given.objective, before.moving, joins)
    if not ledger.holds:
        broken = ", ".join(row.clause.text for row in ledger.rows if not row.holds)
        raise AssertionError(f"the solver's choice breaks what the checker recomputed: {broken}")
    at_once = fits_at_once(given.intents, selection, given.fleet)
    return _Choice(considered, selection, ledger, before, joins, seconds, at_once)


def _is_possible(setting: Setting, considered: Considered) -> bool:
    """Say whether the services have a plan at all."""
    from aios.solve.asked import Asked
    from aios.solve.choose import choose_for

    given = considered.given
    joins = joins_of(given.intents, considered.options, given.fleet)
    asked = Asked(given.intents, considered.options, given.fleet, setting.limits(), given.objective, joins=joins)
    found = choose_for(asked, why=False)
    return found.status in ("optimal", "feasible")


def _in_time(setting: Setting, considered: Considered, state: State, wished: Wished, frame: Frame) -> _Choice:
    """Choose for what stands all the time and when jobs run beside it."""
    from aios.workflow.timing import in_time, jobs_only, selected

    given = considered.given
    before = replanning(considered, state, wished)
    with stage("solving", intents=len(given.intents), demands=len(given.demands)):
        found = in_time(setting, considered, frame, before.moving)
    services = [intent for intent in given.intents if intent.train is None]
    joins = joins_of(services, considered.options, given.fleet)
    schedule = jobs_only(given, found.schedule)
    trained = {intent.name for intent in given.intents if intent.train is not None}
    now = all(run.start_s == 0 for run in schedule.runs if run.intent in trained)
    return _Choice(considered, selected(found), found.ledger, before, joins, found.seconds, now, schedule)


def _unsplit(whole: Considered, selection: Selection) -> Selection:
    """Return a selection that found no way to split, with why one kind of device alone does not do either."""
    from aios.solve import choose_together

    given = whole.given
    joins = joins_of(given.intents, whole.options, given.fleet)
    asked = (
        given.intents,
        whole.options,
        given.demands,
        whole.sites,
        given.objective,
        given.fleet,
        given.setting.limits(),
    )
    alone = choose_together(*asked, joins=joins)
    if alone.conflict is None:
        return selection
    split = ", ".join(intent.name for intent in given.intents if is_split(intent))
    note = f"This is of one kind of device for each service; no split of the load of {split} fits either."
    conflict = alone.conflict.model_copy(update={"notes": (*alone.conflict.notes, note)})
    return selection.model_copy(update={"conflict": conflict})


def _pipelines(intents: Sequence[Intent], selection: Selection, joins: Joins) -> tuple[PipelineDecision, ...]:
    """Return what the choices for the stages of each pipeline come to."""
    from aios.cost import pipeline_decision

    found = {i.pipeline.name: i.pipeline for i in intents if i.pipeline is not None and i.name in selection.chosen}
    return tuple(
        pipeline_decision(pipeline, selection.chosen, selection.placement, joins)
        for _, pipeline in sorted(found.items())
    )
