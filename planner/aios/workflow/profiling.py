"""profile: measure, on this machine, what could change the choice, until the choice is proved or time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from aios.records.candidate import Candidate, Priced, label_of
from aios.records.intent import Goal, Intent
from aios.records.measurement import Measurement
from aios.workflow.ledger import keep_profiled
from aios.workflow.measuring import Bench
from aios.workflow.planning import consider
from aios.workflow.profilingsubjects import Task, deployment_of_one, family, missing, named, work_of
from aios.workflow.reading import Given, gather
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.fidelity import Contender, Pending, Rival, Standing

__all__ = ["Manner", "Profiled", "Proof", "profile"]

Settled = Literal["measured", "open", "infeasible", "described"]
"""The choice is proved by measurements; rivals were left when time was up; nothing can meet the intent; none of its
devices is this machine's."""

_MOST_REPEATS = {"accuracy": 0, "service": 2, "serving": 1}
"""How often a measurement that was disturbed is made again; the least disturbed one is kept."""

_DESCRIBED = "their device is only described"


@dataclass(frozen=True)
class Manner:
    """How to profile. seconds: of measuring one engine setting, at most · budget_s: of the whole run; None: no end ·
    fresh: measure again what was measured before · exhaustive: measure everything, whatever it may change"""

    seconds: float = 1.0
    budget_s: float | None = None
    fresh: bool = False
    exhaustive: bool = False


@dataclass(frozen=True)
class Proof:
    """How far the choice of one intent rests on measurements.

    candidates: that this machine can run · measured: of these, with an engine or endpoint measurement of their own ·
    choice: id of the candidate that is chosen with what is known · close: measured ones whose first goal is within the
    intervals · rivals: what may still be better · out: requirement -> how many cannot meet it
    """

    settled: Settled
    candidates: int
    measured: int
    choice: str | None = None
    close: tuple[str, ...] = ()
    rivals: tuple[Rival, ...] = ()
    out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Profiled:
    """What a profiling run did.

    measured: in order · reused: how many measurements from before were asked for · skipped: why -> how many settings
    were left out · names: digest of a model -> its name, for people · goals: the first of each intent · proofs: by
    intent · seconds: in all · measuring_s: of these spent on measuring, by kind (``artefact``: preparing models,
    ``short``: engines for a part of their time)
    """

    measured: tuple[Measurement, ...]
    reused: int
    skipped: dict[str, int]
    names: dict[str, str]
    goals: Mapping[str, Goal]
    proofs: Mapping[str, Proof]
    seconds: float
    measuring_s: Mapping[str, float]

    @property
    def settled(self) -> dict[str, Settled]:
        """How far the choice of each intent rests on measurements."""
        return {name: proof.settled for name, proof in self.proofs.items()}


@dataclass
class _Run:
    """A profiling run under way. before: digests of what was measured earlier · spent: kind -> seconds each"""

    setting: Setting
    manner: Manner
    bench: Bench
    given: Given
    clock: Callable[[], float]
    started: float
    before: frozenset[str]
    measured: dict[str, Measurement] = field(default_factory=dict)
    reused: set[str] = field(default_factory=set)
    skipped: dict[str, set[str]] = field(default_factory=dict)
    spent: dict[str, list[float]] = field(default_factory=dict)
    ready: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    tried: set[str] = field(default_factory=set)

    @property
    def is_over(self) -> bool:
        return self.manner.budget_s is not None and self.clock() - self.started >= self.manner.budget_s

    def keep(self, measurement: Measurement) -> None:
        """Store a measurement, and plan with it from now on."""
        keep_profiled(self.setting, self.given, measurement)
        self.bench.store(measurement)
        self.measured[measurement.subject.digest] = measurement
        together = {**self.given.measurements, measurement.subject.digest: measurement}
        self.given = replace(self.given, measurements=together)

    def expected_s(self, task: Task) -> float:
        """Return how long a measurement is expected to take: as those of its kind did, else a guess."""
        key = task.kind if task.share == 1.0 else "short"
        known = self.spent.get(key)
        if known:
            return max(1e-3, sum(known) / len(known))
        guess = {"accuracy": 3.0, "serving": 8.0, "service": 0.5 + self.manner.seconds * task.share}
        return guess[task.kind]


def profile(
    setting: Setting,
    manner: Manner,
    bench: Callable[..., Bench] = Bench,
    clock: Callable[[], float] = time.monotonic,
) -> Profiled:
    """Measure for each intent what could change its choice, and stop as soon as nothing could.

    bench: what measures · clock: seconds that never go back. Every measurement is stored at once, so an interrupted run
    goes on where it stopped. A measurement that was begun is ended, whatever the budget.
    """
    started = clock()
    given = gather(setting)
    before = frozenset() if manner.fresh else frozenset(given.measurements)
    if manner.fresh:
        given = replace(given, measurements={})
    made = bench(setting, given.executors, given.fleet.types, manner.seconds)
    run = _Run(setting, manner, made, given, clock, started, before)
    with run.bench:
        proofs = {intent.name: _settle(run, intent) for intent in given.intents}
    return Profiled(
        measured=tuple(run.measured.values()),
        reused=len(run.reused),
        skipped={why: len(works) for why, works in sorted(run.skipped.items())},
        names={p.digest: name for found in given.profiles.values() for name, p in found.items()},
        goals={intent.name: intent.goal[0] for intent in given.intents},
        proofs=proofs,
        seconds=clock() - started,
        measuring_s={kind: sum(seconds) for kind, seconds in sorted(run.spent.items())},
    )


def _settle(run: _Run, intent: Intent) -> Proof:
    """Measure what is decisive for one intent, until its choice is proved or time is up."""
    while True:
        options, alike, everything = _options(run, intent)
        if everything and not options:
            return Proof("described", 0, 0)
        tasks = {option.candidate.id: _tasks(run, intent, option.candidate) for option in options}
        contenders = [_contender(run, option, alike, tasks[option.candidate.id]) for option in options]
        found = _standing(intent, contenders)
        following = _everything(contenders) if run.manner.exhaustive else _next(found)
        if not following or run.is_over:
            return _proof(run, intent, contenders, found)
        for one, item in following:
            own = tasks[one.option.candidate.id]
            task = next(task for task in own if task.name == item.name)
            made = family(run.given, intent, one.option.candidate)
            if task.name not in run.tried and made not in run.failed and not run.is_over:
                _measure(run, intent, one.option.candidate, task)


def _standing(intent: Intent, contenders: Sequence[Contender]) -> Standing:
    from aios.fidelity import standing

    return standing(intent, contenders)


def _next(found: Standing) -> list[tuple[Contender, Pending]]:
    return [(found.leader, found.next)] if found.leader is not None and found.next is not None else []


def _everything(contenders: Sequence[Contender]) -> list[tuple[Contender, Pending]]:
    """Return all that is missing, those of one kind after the other."""
    left = [(item.kind, one.size, item.name, one, item) for one in contenders for item in one.pending]
    return [(one, item) for *_, one, item in sorted(left, key=lambda row: row[:3])]


def _options(run: _Run, intent: Intent) -> tuple[list[Priced], Mapping[str, Priced], bool]:
    """Price the intent alone with what is known now. Return the options that this machine can run, by id how they
    compare with each other, and whether there are any at all."""
    from aios.cost import compared_alike

    given = replace(run.given, intents=(intent,))
    priced = consider(given).options[intent.name]
    fleet = compared_alike(given.fleet)
    alike = priced if fleet is given.fleet else consider(replace(given, fleet=fleet)).options[intent.name]
    local = {node.name for node in given.fleet.nodes if node.address == "local"}
    reachable = []
    for option in priced:
        if local.intersection(option.candidate.nodes):
            reachable.append(option)
        else:
            run.skipped.setdefault(_DESCRIBED, set()).add(work_of(option.candidate))
    return reachable, {option.candidate.id: option for option in alike}, bool(priced)


def _tasks(run: _Run, intent: Intent, candidate: Candidate) -> tuple[Task, ...]:
    tasks, known = missing(run.given, intent, candidate, short=not run.manner.exhaustive)
    run.reused |= known & run.before - run.measured.keys()
    return tuple(task for task in tasks if task.name not in run.tried)


def _contender(run: _Run, option: Priced, alike: Mapping[str, Priced], tasks: Sequence[Task]) -> Contender:
    from aios.fidelity import Contender, Pending
    from aios.solve.shapes import size_of

    pending = tuple(Pending(task.name, task.kind, run.expected_s(task)) for task in tasks)
    reach = alike.get(option.candidate.id, option).estimates
    return Contender(option, reach, pending, size_of(option))


def _measure(run: _Run, intent: Intent, candidate: Candidate, task: Task) -> None:
    """Prepare the candidate's model, if nobody did, then make one measurement; a disturbed one is made again."""
    candidate = candidate.model_copy(update={"batch": task.batch})
    deployment = deployment_of_one(run.given, intent, candidate)
    profile = run.given.profiles[intent.name][candidate.model]
    noted: dict[str, str] = {}
    made_of = family(run.given, intent, candidate)
    if made_of not in run.ready:
        run.setting.tell(f"prepare {candidate.model} {label_of(candidate)} {candidate.executor}")
        begun = run.clock()
        failure = run.bench.failure(deployment)
        prepared_s = run.clock() - begun
        run.spent.setdefault("artefact", []).append(prepared_s)
        if failure is not None:
            run.keep(failure)
            run.failed.add(made_of)
            run.skipped.setdefault(failure.conditions["failed"], set()).add(work_of(candidate))
            return
        run.ready.add(made_of)
        noted = {"preparing took": f"{prepared_s:.3g} s"}
    run.setting.tell(task.words(candidate))
    run.tried.add(task.name)
    best: Measurement | None = None
    begun = run.clock()
    for _attempt in range(1 + _MOST_REPEATS[task.kind]):
        if task.kind == "accuracy":
            data = run.given.evaluation[intent.name][candidate.model]
            made = run.bench.accuracy(deployment, intent, profile, data)
        elif task.kind == "service":
            made = run.bench.engine(deployment, intent, profile, task.share)
        else:
            made = run.bench.serving(deployment, intent, profile)
        if best is None or _disturbance(made) < _disturbance(best):
            best = made
        if "disturbed" not in best.conditions or run.is_over:
            break
    assert best is not None
    took = run.clock() - begun
    run.spent.setdefault(task.kind if task.share == 1.0 else "short", []).append(took)
    conditions = {**best.conditions, **task.conditions, **noted, "measuring took": f"{took:.3g} s"}
    run.keep(best.model_copy(update={"conditions": conditions}))


def _disturbance(made: Measurement) -> tuple[bool, float]:
    """Return how much a measurement was disturbed: whether, and the width of its widest interval."""
    widths = [(item.high - item.low) / abs(item.value) for item in made.values.values() if item.value]
    return "disturbed" in made.conditions, max(widths, default=0.0)


def _proof(run: _Run, intent: Intent, contenders: Sequence[Contender], found: Standing) -> Proof:
    """Return how far the choice rests on what was measured."""
    from aios.fidelity import close_to

    works = {one.option.candidate.id: work_of(one.option.candidate) for one in contenders}
    for text, ids in found.out.items():
        run.skipped.setdefault(f"they cannot meet {text}", set()).update(works[name] for name in ids)
    settled: Settled = "infeasible" if found.leader is None else "open" if found.next is not None else "measured"
    touched = [one for one in contenders if named(run.given, intent, one.option.candidate)]
    chosen = found.incumbent
    return Proof(
        settled=settled,
        candidates=len(contenders),
        measured=len(touched),
        choice=chosen.option.candidate.id if chosen is not None else None,
        close=close_to(intent, chosen, contenders) if chosen is not None else (),
        rivals=found.rivals,
        out={text: len(ids) for text, ids in found.out.items()},
    )
