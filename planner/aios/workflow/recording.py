"""The history: every apply and destroy recorded as it begins and as it ends, however it ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from aios.records.errors import AiosError
from aios.records.history import Run, RunOutcome, Step, Who
from aios.records.plan import Action, Plan
from aios.spi.owner import user_name
from aios.workflow.keeping import Opened, state_of
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.apply import Event, Report
    from aios.spi.backend import Backend

__all__ = ["Recording", "history", "job_of", "recorded", "seen_now"]

_JOBS = ("AIOS_JOB", "CI_JOB_URL", "BUILD_URL", "TRAVIS_JOB_WEB_URL", "CIRCLE_BUILD_URL", "BUILDKITE_BUILD_URL")
"""Variables in which pipelines name their run: our own, then GitLab's, Jenkins', Travis', CircleCI's, Buildkite's."""


def history(setting: Setting, last: int | None = None) -> Sequence[Run]:
    """Return what was carried out, or so many of the last runs, oldest first. Raises ConflictError for a damaged
    record."""
    with closing(state_of(setting)) as backend:
        return seen_now(backend, backend.runs(last), setting)


def seen_now(backend: Backend, runs: Sequence[Run], setting: Setting) -> Sequence[Run]:
    """Return the runs as they are now: the last one, where it was killed, says that it is at work until the next run
    closes its record, and is told as what it will be closed as."""
    if not runs or runs[-1].outcome != "running":
        return runs
    hold = backend.holder()
    if hold is not None and hold.alive is not False:
        return runs
    (last,) = backend.runs(1)  # it may have ended by itself since it was read
    if last.number != runs[-1].number:
        return runs
    if last.outcome == "running":
        last = _cut_short(last, _reached_by(backend, last, setting))
    return (*runs[:-1], last)


def _reached_by(backend: Backend, run: Run, setting: Setting) -> Mapping[str, str]:
    """Return how far a run came, by address; nothing where the journal is damaged, which is for `apply` to refuse."""
    from aios.state import RunJournal

    try:
        with RunJournal(backend.lines(), setting.now) as journal:
            return journal.reached(run.journal)
    except AiosError:
        return {}


class Recording:
    """What is known of a run so far. report: once it has ended by itself"""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.report: Report | None = None
        self._steps = {(step.address, step.action): step for step in run.steps}

    def note(self, event: Event) -> None:
        """Take in what apply tells."""
        status = "begun" if event.phase == "begin" else event.phase
        self._steps[event.address, event.action] = Step(
            address=event.address, action=event.action, status=status, note=event.text
        )

    def noting(self, on_event: Callable[[Event], None]) -> Callable[[Event], None]:
        """Return what takes in each event before it hands it on."""

        def tell(event: Event) -> None:
            self.note(event)
            on_event(event)

        return tell

    def ended(self, kept: Opened, now: str, outcome: RunOutcome, error: str | None) -> Run:
        """Return the record of the run as it ended."""
        state = kept.state.load()
        return self.run.model_copy(
            update={
                "ended": now,
                "steps": tuple(self._steps.values()),
                "lineage": state.lineage,
                "serial_after": state.serial,
                "outcome": outcome,
                "error": error,
            }
        )


@contextmanager
def recorded(
    kept: Opened, setting: Setting, actions: Sequence[Action], *, command: str, plan: str, made: Plan | None
) -> Iterator[Recording]:
    """Record a run of ``actions``: before anything is done, and how it ended. A run that was killed and never came to
    say so is closed first. Give the report to what this yields.

    command: what was run, in words · plan, made: id, or a word for what is no plan, and the plan itself
    """
    from aios.plan import plan_text

    _close_killed(kept, setting)
    state = kept.state.load()
    begun = Run(
        command=command,
        plan=plan,
        who=Who(user=user_name(), host=os.uname().nodename, job=job_of(os.environ)),
        begun=setting.now(),
        inputs=made.inputs if made else None,
        steps=tuple(Step(address=a.address, action=a.action, status="not begun", note=a.reason) for a in actions),
        journal=kept.journal.next_run,
        lineage=state.lineage,
        serial_before=state.serial,
    )
    recording = Recording(kept.state.record(begun, plan_text(made) if made else None))
    try:
        yield recording
    except BaseException as error:
        outcome: RunOutcome = "failed" if isinstance(error, AiosError) else "interrupted"
        with suppress(AiosError):  # what ended the run may be what keeps its record; the next run then closes it
            kept.state.record(recording.ended(kept, setting.now(), outcome, str(error) or type(error).__name__))
        raise
    assert recording.report is not None, "give it the report"
    try:
        kept.state.record(recording.ended(kept, setting.now(), *_outcome(recording.report)))
    except AiosError as error:
        setting.warn(f"what the run came to could not be recorded, and the next run will do so: {error}")


def _outcome(report: Report) -> tuple[RunOutcome, str | None]:
    if report.complete:
        return "complete", None
    if report.rolled_back:
        return "rolled back", "; ".join(item.summary for item in report.diagnostics) or None
    if report.interrupted:
        return "interrupted", "asked to stop"
    return "failed", "; ".join(item.summary for item in report.diagnostics) or None


def _close_killed(kept: Opened, setting: Setting) -> None:
    """Close the record of a run that was killed: as we hold the lock, none that says it is at work is."""
    for run in kept.state.runs(last=1):
        if max(run.begun, run.ended or "") > setting.now():
            setting.warn(
                f"the clock says {setting.now()}, and run @{run.number} was at work at {run.ended or run.begun}: one "
                "of the two clocks is wrong. What counts is the order of numbers and serials, not of times"
            )
        if run.outcome == "running":
            state = kept.state.load()
            closed = {"ended": setting.now(), "lineage": state.lineage, "serial_after": state.serial}
            told = _cut_short(run, kept.journal.reached(run.journal))
            kept.state.record(told.model_copy(update=closed))


def _cut_short(run: Run, reached: Mapping[str, str]) -> Run:
    """Return the record of a run that was killed. reached: how far it came, by address"""
    changes = {
        "steps": tuple(_reached(step, reached) for step in run.steps),
        "outcome": "interrupted",
        "error": "it ended without a word: killed, or cut off from its state",
    }
    return run.model_copy(update=changes)


def _reached(step: Step, reached: Mapping[str, str]) -> Step:
    status = reached.get(step.address)
    if status is None or step.action == "keep":
        return step
    return step.model_copy(update={"status": status})


def job_of(environment: Mapping[str, str]) -> str | None:
    """Return what a pipeline calls the run that this is part of, None at a desk."""
    if "GITHUB_RUN_ID" in environment:
        server, place = environment.get("GITHUB_SERVER_URL", "https://github.com"), environment.get("GITHUB_REPOSITORY")
        return f"{server}/{place}/actions/runs/{environment['GITHUB_RUN_ID']}"
    return next((environment[name] for name in _JOBS if environment.get(name)), None)
