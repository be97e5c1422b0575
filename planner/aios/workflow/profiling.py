"""profile: measure, on this machine, what could change the choice, until the choice is proved or time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aios.records.candidate import Candidate, Priced, label_of
from aios.records.intent import Intent
from aios.records.measurement import Measurement
from aios.records.plan import Deployment
from aios.workflow import stopping
from aios.workflow.ledger import keep_profiled
from aios.workflow.measuring import Bench
from aios.workflow.planning import consider
from aios.workflow.profiled import Manner, Profiled, Proof, Settled, Unmade
from aios.workflow.profilingsubjects import Task, deployment_of_one, family, missing, named, work_of
from aios.workflow.profilingtimes import Durations
from aios.workflow.reading import Given, gather
from aios.workflow.setting import Setting
from aios.workflow.transforming import declared

if TYPE_CHECKING:
    from aios.fidelity import Contender, Pending, Standing

__all__ = ["Manner", "Profiled", "Proof", "Unmade", "profile"]

_MOST_REPEATS = {"accuracy": 0, "service": 2, "serving": 1}
"""How often a measurement that was disturbed is made again; the least disturbed one is kept."""

_DESCRIBED = "their device is only described"


@dataclass
class _Run:
    """A profiling run under way. before: digests of what was measured earlier · within: cuts off what runs after so
    many seconds, by OutOfTime"""

    setting: Setting
    manner: Manner
    bench: Bench
    given: Given
    clock: Callable[[], float]
    within: Callable[[float], AbstractContextManager[None]]
    started: float
    before: frozenset[str]
    durations: Durations
    measured: dict[str, Measurement] = field(default_factory=dict)
    reused: set[str] = field(default_factory=set)
    skipped: dict[str, set[str]] = field(default_factory=dict)
    unmade: dict[str, Unmade] = field(default_factory=dict)
    ready: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    tried: set[str] = field(default_factory=set)

    @property
    def left_s(self) -> float | None:
        """What is left of the budget; None where there is no end."""
        return None if self.manner.budget_s is None else self.manner.budget_s - (self.clock() - self.started)

    def has_time_for(self, what: str, seconds: float) -> bool:
        """Say whether something that is expected to take so long may be begun; if not, it is told what was left out."""
        left = self.left_s
        if left is None or seconds < left:
            return True
        self.unmade.setdefault(what, Unmade(what, seconds, cut=False))
        return False

    def until_cut(self, what: str) -> AbstractContextManager[None]:
        """Do what is to end with the budget; it is told of what was cut off."""
        left = self.left_s
        return nullcontext() if left is None else self._cut(what, left)

    @contextmanager
    def _cut(self, what: str, left: float) -> Iterator[None]:
        begun = self.clock()
        try:
            with self.within(left):
                yield
        except stopping.OutOfTime:
            self.unmade[what] = Unmade(what, self.clock() - begun, cut=True)
            raise

    def keep(self, measurement: Measurement) -> None:
        """Store a measurement, and plan with it from now on."""
        keep_profiled(self.setting, self.given, measurement)
        self.bench.store(measurement)
        self.measured[measurement.subject.digest] = measurement
        together = {**self.given.measurements, measurement.subject.digest: measurement}
        self.given = replace(self.given, measurements=together)


def profile(
    setting: Setting,
    manner: Manner,
    bench: Callable[..., Bench] = Bench,
    clock: Callable[[], float] = time.monotonic,
    within: Callable[[float], AbstractContextManager[None]] = stopping.within,
) -> Profiled:
    """Measure for each intent what could change its choice, and stop as soon as nothing could.

    bench: what measures · clock: seconds that never go back · within: cuts off what runs after so many of them. Every
    measurement is stored at once, so an interrupted run goes on where it stopped. What is expected to take longer than
    what is left of the budget is not begun, and what takes longer is cut off.
    """
    started = clock()
    given = gather(setting)
    before = frozenset() if manner.fresh else frozenset(given.measurements)
    if manner.fresh:
        given = replace(given, measurements={})
    made = bench(setting, given.executors, given.fleet.types, manner.seconds)
    run = _Run(setting, manner, made, given, clock, within, started, before, Durations(manner.seconds))
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
        measuring_s={kind: sum(seconds) for kind, seconds in sorted(run.durations.spent.items())},
        unmade=tuple(run.unmade.values()),
    )


def _settle(run: _Run, intent: Intent) -> Proof:
    """Measure what is decisive for one intent, until its choice is proved or time is up."""
    while True:
        options, alike, everything = _options(run, intent)
        if everything and not options:
            return Proof("described", 0, 0)
        tasks = {option.candidate.id: _tasks(run, intent, option.candidate) for option in options}
        contenders = [_contender(run, intent, option, alike, tasks[option.candidate.id]) for option in options]
        found = _standing(intent, contenders)
        following = _everything(contenders) if run.manner.exhaustive else _next(found)
        if not _made(run, intent, following, tasks):
            return _proof(run, intent, contenders, found)


def _made(
    run: _Run,
    intent: Intent,
    following: Sequence[tuple[Contender, Pending]],
    tasks: Mapping[str, Sequence[Task]],
) -> bool:
    """Measure what there is time for; say whether anything was begun."""
    begun = False
    for one, item in following:
        task = next(task for task in tasks[one.option.candidate.id] if task.name == item.name)
        made_of = family(run.given, intent, one.option.candidate)
        if task.name in run.tried or made_of in run.failed:
            continue
        if run.has_time_for(task.words(one.option.candidate), item.seconds + one.preparing_s):
            begun = True
            with suppress(stopping.OutOfTime):
                _measure(run, intent, one.option, task)
    return begun


def _standing(intent: Intent, contenders: Sequence[Contender]) -> Standing:
    from aios.fidelity import standing

    return standing(intent, contenders)


def _next(found: Standing) -> list[tuple[Contender, Pending]]:
    return [found.next] if found.next is not None else []


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


def _contender(
    run: _Run, intent: Intent, option: Priced, alike: Mapping[str, Priced], tasks: Sequence[Task]
) -> Contender:
    from aios.cost import falling
    from aios.fidelity import Contender, Pending
    from aios.solve.shapes import size_of

    pending = tuple(Pending(task.name, task.kind, run.durations.measuring(option, task)) for task in tasks)
    reach = alike.get(option.candidate.id, option).estimates
    is_ready = not tasks or family(run.given, intent, option.candidate) in run.ready
    preparing_s = 0.0 if is_ready else run.durations.preparing(option.candidate)
    return Contender(option, reach, pending, size_of(option), preparing_s, falling(option.candidate, declared()))


def _measure(run: _Run, intent: Intent, option: Priced, task: Task) -> None:
    """Prepare the candidate's model, if nobody did, then make one measurement. Raises OutOfTime where it is cut off."""
    candidate = option.candidate.model_copy(update={"batch": task.batch})
    deployment = deployment_of_one(run.given, intent, candidate)
    noted: dict[str, str] = {}
    made_of = family(run.given, intent, candidate)
    if made_of not in run.ready:
        prepared_s = _prepare(run, deployment, candidate)
        if prepared_s is None:
            run.failed.add(made_of)
            return
        run.ready.add(made_of)
        noted = {"preparing took": f"{prepared_s:.3g} s"}
        if not run.has_time_for(task.words(candidate), run.durations.measuring(option, task)):
            return
    run.setting.tell(task.words(candidate))
    begun = run.clock()
    best = _least_disturbed(run, intent, deployment, option, task)
    took = run.clock() - begun
    run.tried.add(task.name)
    run.durations.measured(option, task, took)
    conditions = {**best.conditions, **task.conditions, **noted, "measuring took": f"{took:.3g} s"}
    run.keep(best.model_copy(update={"conditions": conditions}))


def _prepare(run: _Run, deployment: Deployment, candidate: Candidate) -> float | None:
    """Prepare a model and return the seconds that it took; None where it cannot be, which is remembered."""
    what = f"{candidate.model} {label_of(candidate)} for {candidate.executor}"
    run.setting.tell(f"prepare {what}")
    begun = run.clock()
    with run.until_cut(f"preparing {what}"):
        failure = run.bench.failure(deployment)
    prepared_s = run.clock() - begun
    run.durations.prepared(candidate, prepared_s)
    if failure is None:
        return prepared_s
    run.keep(failure)
    run.skipped.setdefault(failure.conditions["failed"], set()).add(work_of(candidate))
    return None


def _least_disturbed(run: _Run, intent: Intent, deployment: Deployment, option: Priced, task: Task) -> Measurement:
    """Measure; what was disturbed is measured again while there is time, and the least disturbed one is returned."""
    best: Measurement | None = None
    what = task.words(option.candidate)
    for _attempt in range(1 + _MOST_REPEATS[task.kind]):
        left = run.left_s
        if best is not None and left is not None and run.durations.measuring(option, task) >= left:
            break
        try:
            with run.until_cut(what):
                made = _once(run, intent, deployment, task)
        except stopping.OutOfTime:
            if best is None:
                raise
            del run.unmade[what]  # it was measured, if disturbed
            break
        if best is None or _disturbance(made) < _disturbance(best):
            best = made
        if "disturbed" not in best.conditions:
            break
    assert best is not None
    return best


def _once(run: _Run, intent: Intent, deployment: Deployment, task: Task) -> Measurement:
    profile = run.given.profiles[intent.name][deployment.model]
    if task.kind == "accuracy":
        return run.bench.accuracy(deployment, intent, profile, run.given.evaluation[intent.name][deployment.model])
    if task.kind == "service":
        return run.bench.engine(deployment, intent, profile, task.share)
    return run.bench.serving(deployment, intent, profile)


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
        leaning=_leaning(contenders),
        required=intent.required,
    )


def _leaning(contenders: Sequence[Contender]) -> tuple[str, ...]:
    from aios.cost import leans_on

    unmeasured = [one for one in contenders if any(item.kind == "accuracy" for item in one.pending)]
    found = (leans_on(estimate) for one in unmeasured for estimate in one.option.estimates.values())
    return tuple(sorted({words for words in found if words is not None}))
