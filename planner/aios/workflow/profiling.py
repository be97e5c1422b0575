"""profile: measure, on this machine, the candidates that could win."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Literal

from aios.records.candidate import Candidate, Priced
from aios.records.intent import Intent
from aios.records.measurement import Measurement, Subject, subject_of
from aios.records.metrics import metric
from aios.records.model import ModelProfile
from aios.records.plan import Deployment
from aios.workflow.ledger import keep_profiled
from aios.workflow.measuring import Bench
from aios.workflow.planning import Considered, consider
from aios.workflow.reading import Given, gather
from aios.workflow.setting import Setting

__all__ = ["Profiled", "profile"]

Settled = Literal["measured", "open", "infeasible", "described"]
"""The chosen candidate was measured; rivals too close to tell were left at the limit; nothing meets the intent; none of
its devices is this machine's."""

_MOST_SERVED = 12
"""Candidates of one intent that are measured behind their endpoint at most; the choice is rarely open for so long."""


@dataclass(frozen=True)
class Profiled:
    """What a profiling run did.

    measured: in order · reused: subjects that had been measured before · skipped: why -> how many subjects were left
    out ·
    names: digest of a model -> its name, for people · settled: intent name -> how far its choice rests on measurements
    """

    measured: tuple[Measurement, ...]
    reused: int
    skipped: dict[str, int]
    names: dict[str, str]
    settled: dict[str, Settled]
    seconds: float


@dataclass
class _Run:
    """A profiling run under way."""

    setting: Setting
    bench: Bench
    given: Given
    measured: list[Measurement] = field(default_factory=list)
    reused: set[str] = field(default_factory=set)
    skipped: dict[str, set[str]] = field(default_factory=dict)

    def missing(self, subject: Subject) -> bool:
        """Whether ``subject`` has to be measured; one that was measured earlier counts as reused."""
        if subject.digest not in self.given.measurements:
            return True
        if all(done.subject != subject for done in self.measured):
            self.reused.add(subject.digest)
        return False

    def keep(self, measurement: Measurement) -> None:
        """Store a measurement, and plan with it from now on."""
        keep_profiled(self.setting, self.given, measurement)
        self.bench.store(measurement)
        self.measured.append(measurement)
        together = {**self.given.measurements, measurement.subject.digest: measurement}
        self.given = replace(self.given, measurements=together)

    def skip(self, why: str, candidate: Candidate) -> None:
        """Note that a candidate is left out."""
        self.skipped.setdefault(why, set()).add(_work(candidate))


def profile(setting: Setting, budget_s: float, fresh: bool = False) -> Profiled:
    """Measure what could win for each intent: accuracy first, then the engine, then the served endpoint of the winners.

    budget_s: time for measuring one engine setting · fresh: measure again what has been measured before. Every
    measurement is stored at once, so an interrupted run goes on where it stopped.
    """
    started = time.perf_counter()
    given = gather(setting)
    if fresh:
        given = replace(given, measurements={})
    run = _Run(setting, Bench(setting, given.executors, given.fleet.types, budget_s), given)
    settled: dict[str, Settled] = {}
    with run.bench:
        for intent in given.intents:
            _prepare(run, intent)
            _measure_accuracy(run, intent)
            _measure_engines(run, intent)
            settled[intent.name] = _measure_winners(run, intent)
    return Profiled(
        measured=tuple(run.measured),
        reused=len(run.reused),
        skipped={why: len(works) for why, works in sorted(run.skipped.items())},
        names={p.digest: name for found in given.profiles.values() for name, p in found.items()},
        settled=settled,
        seconds=time.perf_counter() - started,
    )


def _options(run: _Run, intent: Intent) -> tuple[Considered, tuple[Priced, ...]]:
    """Price the intent alone with what is known now; return it with the options that this machine can run."""
    considered = consider(replace(run.given, intents=(intent,)))
    local = {node.name for node in run.given.fleet.nodes if node.address == "local"}
    reachable = []
    for option in considered.options[intent.name]:
        if local.intersection(option.candidate.nodes):
            reachable.append(option)
        else:
            run.skip("their device is only described", option.candidate)
    return considered, tuple(reachable)


def _prepare(run: _Run, intent: Intent) -> None:
    """Prepare every distinct precision of every model; one that cannot be is no candidate any more."""
    _considered, options = _options(run, intent)
    families = {_family(option.candidate): option.candidate for option in reversed(options)}
    for name, candidate in sorted(families.items()):
        run.setting.tell(f"prepare {' '.join(name)}")
        failure = run.bench.failure(_deployment(run, intent, candidate))
        if failure is not None:
            run.keep(failure)
            run.skip("their model could not be prepared so (`aios plan --all` says why)", candidate)


def _measure_accuracy(run: _Run, intent: Intent) -> None:
    """Measure the accuracy of every distinct precision of every model, where there is data."""
    _considered, options = _options(run, intent)
    for option in options:
        candidate = option.candidate
        data = run.given.evaluation[intent.name].get(candidate.model)
        if data is None:
            continue
        if run.missing(_subject(run, intent, candidate, "accuracy")):
            run.setting.tell(f"accuracy of {candidate.model} {_precision(candidate)}")
            run.keep(
                run.bench.accuracy(_deployment(run, intent, candidate), intent, _profile(run, intent, candidate), data)
            )


def _measure_engines(run: _Run, intent: Intent) -> None:
    """Measure the engine for every setting that can still meet the intent: larger batches last, if any are left."""
    for largest in (False, True):
        _considered, options = _options(run, intent)
        for option in options:
            candidate = option.candidate
            if (candidate.batch > 1) != largest:
                continue
            why = _cannot_win(intent, option)
            if why is not None:
                run.skip(why, candidate)
            elif run.missing(_subject(run, intent, candidate, "service")):
                run.setting.tell(f"engine: {_work(candidate)}")
                run.keep(
                    run.bench.engine(_deployment(run, intent, candidate), intent, _profile(run, intent, candidate))
                )


def _measure_winners(run: _Run, intent: Intent) -> Settled:
    """Measure the endpoint of the candidate that would be chosen, until the chosen one has been measured."""
    from aios.solve import Limits, choose

    for _attempt in range(_MOST_SERVED):
        considered, options = _options(run, intent)
        if considered.options[intent.name] and not options:
            return "described"
        selection = choose((intent,), {intent.name: options}, considered.given.fleet, Limits())
        if intent.name not in selection.chosen:
            return "infeasible"
        candidate = selection.chosen[intent.name].candidate
        if not run.missing(_subject(run, intent, candidate, "serving")):
            return "measured"
        run.setting.tell(f"endpoint: {_work(candidate)}")
        run.keep(run.bench.serving(_deployment(run, intent, candidate), intent, _profile(run, intent, candidate)))
    return "open"


def _cannot_win(intent: Intent, option: Priced) -> str | None:
    """Say why the option cannot be chosen even if every estimate turns out at its better end."""
    for requirement in intent.require:
        estimate = option.estimates.get(requirement.metric)
        if estimate is None:
            continue
        lower_is_better = metric(requirement.metric).better == "lower"
        best = estimate.low if lower_is_better else estimate.high
        if estimate.source == "measured" and intent.risk == "pessimistic":
            best = estimate.high if lower_is_better else estimate.low
        if (best > requirement.bound) if lower_is_better else (best < requirement.bound):
            return f"they cannot meet {requirement.text}"
    return None


def _subject(
    run: _Run, intent: Intent, candidate: Candidate, kind: Literal["service", "serving", "accuracy"]
) -> Subject:
    executor = run.given.executors[candidate.executor]
    return subject_of(
        kind,
        candidate,
        engine=executor.engine(),
        calibration=run.given.calibration[intent.name].get(candidate.model),
        data=run.given.evaluation[intent.name].get(candidate.model),
    )


def _deployment(run: _Run, intent: Intent, candidate: Candidate) -> Deployment:
    """Return the deployment of one replica of the candidate on this machine."""
    from aios.plan import deployment_of
    from aios.records.selection import Placement

    fleet = run.given.fleet
    node = next(node for node in fleet.nodes if node.address == "local" and node.name in candidate.nodes)
    slot = next(slot for slot in node.devices if slot.type == candidate.device)
    one = candidate.model_copy(update={"replicas": 1})
    cores = fleet.types[candidate.device].cores
    placement = Placement(
        node=node.instances()[0],
        devices=slot.ids[:1],
        share=candidate.threads / cores if cores else 1.0,
        replicas=1,
    )
    profile = _profile(run, intent, candidate)
    return deployment_of(intent, one, (placement,), profile, run.given.calibration[intent.name], fleet)


def _profile(run: _Run, intent: Intent, candidate: Candidate) -> ModelProfile:
    return run.given.profiles[intent.name][candidate.model]


def _family(candidate: Candidate) -> tuple[str, str, str, str]:
    return candidate.model, candidate.precision, candidate.quantization, candidate.executor


def _precision(candidate: Candidate) -> str:
    return candidate.precision + (f"-{candidate.quantization}" if candidate.quantization != "none" else "")


def _work(candidate: Candidate) -> str:
    """Name what is measured of a candidate, whatever its number of replicas."""
    mode = f" mode {candidate.power_mode}" if candidate.power_mode else ""
    threads = f" threads {candidate.threads}" if candidate.threads else f" on {candidate.device}"
    return f"{candidate.model} {_precision(candidate)}{threads} batch {candidate.batch}{mode}"
