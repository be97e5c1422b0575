"""tune: when what stands disappoints, try the next best, keep what is better, go back from what is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from aios.records.base import digest_of
from aios.records.candidate import Candidate, Priced
from aios.records.errors import AiosError, ConflictError, Diagnostic, InputError
from aios.records.intent import Intent
from aios.records.measurement import Verdict
from aios.records.metrics import metric
from aios.records.plan import Deployment, Plan
from aios.records.tuning import Trial, Tuning
from aios.workflow.applying import apply_plan
from aios.workflow.goingback import plan_return
from aios.workflow.keeping import load_state, locked, state_of
from aios.workflow.planning import Considered, consider, make_plan
from aios.workflow.reading import gather
from aios.workflow.setting import Setting, silent
from aios.workflow.verifying import Verified, verify

if TYPE_CHECKING:
    from aios.apply import Event

__all__ = ["Limits", "Verifier", "tune", "what_next"]

Verifier = Callable[[Setting, tuple[str, ...], float, int], tuple[Verified, ...]]
"""Measures what stands, as `verify` does."""


class Limits(NamedTuple):
    """explore: candidates that are tried at most · budget_s: after which no further one is · seconds: of load that each
    is measured under · seed: of load and choice"""

    explore: int = 3
    budget_s: float = 600.0
    seconds: float = 10.0
    seed: int = 0


class _Ends(NamedTuple):
    """A figure that was measured, with its interval."""

    value: float
    low: float
    high: float


class _Judged(NamedTuple):
    """What was measured of what stands. broken: promises, in words · objective: None where it was not measured ·
    worse: why it is beyond its interval, None where it is not"""

    broken: tuple[str, ...]
    objective: _Ends | None
    worse: str | None


class _Tune:
    """A tuning under way."""

    def __init__(
        self, setting: Setting, address: str, limits: Limits, on_event: Callable[[Event], None], measure: Verifier
    ) -> None:
        self.setting, self.address, self.limits = setting, address, limits
        self.on_event, self.measure = on_event, measure
        self.considered = consider(gather(setting), setting.tell)
        intents = [item for item in self.considered.given.intents if item.name == address]
        if not intents:
            summary = f"no intent of these files is called {address!r}"
            raise InputError(Diagnostic(summary=summary, remedy="name the files that it was applied from"))
        self.intent: Intent = intents[0]
        self.goal = self.intent.goal[0].metric if self.intent.goal else ""

    @property
    def file(self) -> Path:
        return _file(self.setting, self.address)

    def keep(self, tuning: Tuning) -> Tuning:
        """Write down how far tuning is, before anything else is done."""
        from aios.state import write_atomically

        write_atomically(self.file, tuning.model_dump_json(indent=2) + "\n")
        return tuning

    def standing(self) -> Deployment:
        return load_state(self.setting).resources[self.address].deployment

    def judged(self) -> _Judged:
        """Measure what stands."""
        every = self.measure(self.setting, (self.address,), self.limits.seconds, self.limits.seed)
        verdicts = {item.metric: item for one in every if one.address == self.address for item in one.verdicts}
        broken = tuple(_broken(item) for item in verdicts.values() if item.verdict == "broken")
        goal = verdicts.get(self.goal)
        found = goal.measured if goal else None
        measured = _Ends(found.value, found.low, found.high) if found else None
        return _Judged(broken, measured, _beyond(goal) if goal else None)

    def options(self, tried: Sequence[str]) -> list[Priced]:
        """Return the candidates that are left to try."""
        standing = self.standing()
        return [
            option
            for option in self.considered.options[self.address]
            if option.candidate.id not in tried and not _is(option.candidate, standing)
        ]

    def plan(self, option: Priced) -> Plan:
        """Return the plan that has this candidate stand, and everything else stay."""
        given, state = self.considered.given, load_state(self.setting)
        options = {}
        for name, found in self.considered.options.items():
            stands = state.resources.get(name)
            same = [item for item in found if stands and _is(item.candidate, stands.deployment)]
            options[name] = (option,) if name == self.address else (tuple(same) or found)
        only = Considered(given, options, self.considered.sites, self.considered.rejections)
        return make_plan(self.setting, only, keep_others=True).plan

    def apply(self, plan: Plan, why: str) -> None:
        """Carry out a plan. Raises WorldError or ConflictError when it does not come to its end."""
        report = apply_plan(plan, self.setting, self.on_event, command=why)
        if not report.complete:
            raise ConflictError(*report.diagnostics or (Diagnostic(summary="tuning was asked to stop"),))

    def back(self, tuning: Tuning, why: str) -> None:
        """Have stand again what stood first."""
        plan = plan_return(replace(self.setting, warn=silent), f"@{tuning.home_run}")
        if plan.has_changes:
            self.apply(plan, why)


def tune(
    setting: Setting,
    address: str,
    limits: Limits,
    on_event: Callable[[Event], None],
    measure: Verifier = verify,
) -> Tuning:
    """Measure what stands; where it disappoints, try candidates within the intent and end with the best one measured.

    measure: what judges. A tuning that was cut short is ended first: its trial is gone back from, and counts as tried.
    Raises InputError for an unknown address, ConflictError when somebody else tunes or applies.
    """
    with locked(setting.home / "tune" / "tune.lock", setting, "aios tune"):
        started, run = time.monotonic(), _Tune(setting, _known(setting, address), limits, on_event, measure)
        tuning = _resumed(run) or _begun(run)
        if tuning.disappointed is None:
            return run.keep(tuning.model_copy(update={"ended": setting.now()}))
        best = _best(tuning, run.goal)
        normal = _normal(limits.seed)
        tried = [trial.candidate for trial in tuning.trials]
        while len(tried) < limits.explore and time.monotonic() - started < limits.budget_s:
            from aios.verify.bandit import next_arm

            arm = next_arm(run.intent, run.options([*tried, tuning.home]), normal)
            if arm is None:
                break
            tried.append(arm.option.candidate.id)
            tuning, best = _tried(run, tuning, arm.option, best)
        return run.keep(tuning.model_copy(update={"ended": setting.now()}))


def what_next(setting: Setting, address: str, limits: Limits) -> tuple[Priced, ...]:
    """Return the candidates that tuning would try, in their order, if each one disappoints. Changes nothing."""
    from aios.verify.bandit import next_arm

    def untold(_event: Event) -> None:
        """Nothing is carried out."""

    run = _Tune(setting, _known(setting, address), limits, untold, verify)
    normal = _normal(limits.seed)
    found: list[Priced] = []
    while len(found) < limits.explore:
        arm = next_arm(run.intent, run.options([item.candidate.id for item in found]), normal)
        if arm is None:
            break
        found.append(arm.option)
    return tuple(found)


def _normal(seed: int) -> Callable[[], float]:
    import numpy as np

    generator = np.random.default_rng(seed)
    return lambda: float(generator.standard_normal())


def _known(setting: Setting, address: str) -> str:
    from aios.workflow.standing import pick

    return pick(load_state(setting), (address,))[0].address


def _file(setting: Setting, address: str) -> Path:
    return setting.home / "tune" / f"{digest_of(address.encode()).removeprefix('sha256:')[:16]}.json"


def _resumed(run: _Tune) -> Tuning | None:
    """Return the tuning that was cut short, gone back from what it tried; None where none was."""
    if not run.file.exists():
        return None
    tuning = Tuning.model_validate_json(run.file.read_bytes())
    if tuning.ended is not None:
        return None
    trials = tuple(
        item.model_copy(update={"outcome": "interrupted"}) if item.outcome == "trying" else item
        for item in tuning.trials
    )
    if trials != tuning.trials:
        last = trials[-1].candidate
        run.back(tuning, f"tune: went back from {last}, whose trial was cut short")
    return run.keep(tuning.model_copy(update={"trials": trials}))


def _best(tuning: Tuning, goal: str) -> _Judged:
    """Return what was measured of the best so far, which stands: of the last trial that was kept, else of the first."""
    kept = [trial for trial in tuning.trials if trial.outcome == "better"]
    if kept:
        ends = kept[-1].measured, kept[-1].measured_low, kept[-1].measured_high
    else:
        ends = tuning.measured.get(goal), tuning.low.get(goal), tuning.high.get(goal)
    value, low, high = ends
    objective = None if value is None or low is None or high is None else _Ends(value, low, high)
    return _Judged(("what stands",) if tuning.still_broken else (), objective, None)


def _begun(run: _Tune) -> Tuning:
    """Measure what stands and say whether, and why, it disappoints."""
    found = run.judged()
    standing = run.standing()
    with closing(state_of(run.setting)) as backend:
        newest = backend.runs(last=1)
    options = run.considered.options[run.address]
    home = next((item.candidate.id for item in options if _is(item.candidate, standing)), standing.model)
    reasons = [*found.broken, *([found.worse] if found.worse else [])]
    return run.keep(
        Tuning(
            address=run.address,
            begun=run.setting.now(),
            home=home,
            home_run=newest[-1].number,
            disappointed="; ".join(reasons) or None,
            still_broken=bool(found.broken),
            measured={run.goal: found.objective.value} if found.objective else {},
            low={run.goal: found.objective.low} if found.objective else {},
            high={run.goal: found.objective.high} if found.objective else {},
            stands=home,
        )
    )


def _tried(run: _Tune, tuning: Tuning, option: Priced, best: _Judged) -> tuple[Tuning, _Judged]:
    """Move to a candidate and measure it; stay if it is better than the best so far, else go back to that."""
    estimate = option.estimates.get(run.goal)
    name = option.candidate.id
    last = tuning.trials[-1] if tuning.trials else None
    blamed = f"{last.candidate} {last.outcome}" if last else f"{tuning.home} {tuning.disappointed}"
    why = f"tune: {blamed}, moved to {name}"
    trial = Trial(
        candidate=name,
        why=why,
        metric=run.goal,
        predicted=estimate.value if estimate else None,
        low=estimate.low if estimate else None,
        high=estimate.high if estimate else None,
    )
    before = tuning
    tuning = run.keep(tuning.model_copy(update={"trials": (*tuning.trials, trial)}))
    run.setting.tell(why)
    try:
        run.apply(run.plan(option), why)
        found = run.judged()
    except AiosError as error:
        failed = trial.model_copy(update={"outcome": "failed", "broken": (str(error),)})
        run.back(tuning, f"tune: {name} failed, went back")
        return run.keep(before.model_copy(update={"trials": (*before.trials, failed)})), best
    outcome = _outcome(found, best, run.goal)
    told = {"outcome": outcome, "broken": found.broken, **_told(found.objective)}
    changes: dict[str, object] = {"trials": (*before.trials, trial.model_copy(update=told))}
    if outcome != "better":
        run.back(tuning, f"tune: {name} measured {_NO_BETTER[outcome]}, went back")
        return run.keep(before.model_copy(update=changes)), best
    with closing(state_of(run.setting)) as backend:  # from now on this is what is gone back to
        changes["home_run"] = backend.runs(last=1)[-1].number
    changes |= {"stands": name, "still_broken": bool(found.broken)}
    return run.keep(before.model_copy(update=changes)), found


_Outcome = Literal["better", "worse", "not told apart"]

_NO_BETTER: Mapping[_Outcome, str] = {"worse": "worse", "not told apart": "no different within the intervals"}


def _told(objective: _Ends | None) -> dict[str, float]:
    """Return what was measured of an objective, as a trial has it."""
    if objective is None:
        return {}
    return {"measured": objective.value, "measured_low": objective.low, "measured_high": objective.high}


def _outcome(found: _Judged, best: _Judged, goal: str) -> _Outcome:
    """Say whether fewer promises are broken, or as many and the objective is better: one interval beyond the other."""
    if bool(found.broken) != bool(best.broken):
        return "worse" if found.broken else "better"
    if found.objective is None or best.objective is None or not goal:
        return "not told apart"
    one, other = found.objective, best.objective
    if metric(goal).better == "higher":
        one, other = other, one
    return "better" if one.high < other.low else "worse" if other.high < one.low else "not told apart"


def _broken(verdict: Verdict) -> str:
    measured = "no answer" if verdict.measured is None else f"{verdict.measured.value:.4g} {verdict.measured.unit}"
    return f"{verdict.metric} {measured} breaks {verdict.clause or 'its promise'}"


def _beyond(verdict: Verdict) -> str | None:
    """Return in words that an objective was measured worse than its interval, with its own interval; None if not."""
    measured = verdict.measured
    if measured is None or verdict.low is None or verdict.high is None:
        return None
    lower = metric(verdict.metric).better == "lower"
    if (measured.low > verdict.high) if lower else (measured.high < verdict.low):
        end = verdict.high if lower else verdict.low
        return f"{verdict.metric} {measured.value:.4g} {measured.unit}, predicted no worse than {end:.4g}"
    return None


def _is(candidate: Candidate, deployment: Deployment) -> bool:
    """Say whether a deployment runs a candidate."""
    names = ("model_digest", "precision", "quantization", "compression", "device", "batch", "threads", "replicas",
             "power_mode", "tiers", "settings", "executor")  # fmt: skip
    return all(getattr(candidate, name) == getattr(deployment, name) for name in names)
