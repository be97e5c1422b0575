"""Random plans, failures, kills and ways to go on: what stands is always what a model says."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from killed_runs import KillingJournal, is_killed

from aios.plan import destroy_actions
from aios.records.base import digest_of
from aios.records.errors import WorldError
from aios.records.plan import Action, Deployment

NAMES = ("a", "b", "c", "d")
CALLS = {"a": ("b",), "b": ("d",), "c": ("d",)}
"""Stages: ``a`` calls ``b``, and so on; a stage that is not wanted is not called."""

wishes = st.dictionaries(
    st.sampled_from(NAMES), st.fixed_dictionaries({"batch": st.integers(1, 3), "threads": st.integers(1, 2)})
)
manners = st.fixed_dictionaries({"parallelism": st.integers(1, 4), "rollback_on_failure": st.booleans()})


def watching(executor: type[Any]) -> type[Any]:
    """Return an executor that fails where it is told to, and sees that stages are there while they are called."""

    class Watching(executor):  # type: ignore[misc] # the class comes through a fixture, so mypy cannot see it
        broken: frozenset[str] = frozenset()
        after_writing = False

        def __init__(self, world: Path) -> None:
            super().__init__(world)
            self.at_work: set[str] = set()
            self.most = 0
            self.wrong: list[str] = []
            self._lock = threading.Lock()

        def carry_out(self, action: Action, prior: Any, journal: Any, store: Any) -> Any:
            with self._lock:
                if action.address in self.at_work:
                    self.wrong.append(f"{action.address} twice at once")
                self.at_work.add(action.address)
                self.most = max(self.most, len(self.at_work))
            try:
                self._see_stages(action)
                breaks = action.address in self.broken and "takes the" not in action.reason
                if not breaks or self.after_writing:
                    outcome = super().carry_out(action, prior, journal, store)
                if breaks:
                    raise WorldError("told to fail")
                return outcome
            finally:
                with self._lock:
                    self.at_work.discard(action.address)

        def _see_stages(self, action: Action) -> None:
            if action.after is None or "takes the" in action.reason:
                return
            there = {path.name.partition("-")[0] for path in self.world.iterdir()}
            missing = set(action.after.next) - there
            if missing:
                self.wrong.append(f"{action.action} {action.address} before {missing}")

    return Watching


class Runs(RuleBasedStateMachine):
    """stands: what the model says · doubtful: addresses of which an action failed, and nobody says how far it came"""

    open_world: Callable[[Path], Any]
    deployment: Callable[..., Deployment]
    executor: type[Any]

    def __init__(self) -> None:
        super().__init__()
        shared = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(prefix="aios-runs-", dir=shared if os.access(shared, os.W_OK) else None))
        self.world = type(self).open_world(self.folder)
        self.files = self.executor(self.world.world)
        self.stands: dict[str, str] = {}
        self.doubtful: set[str] = set()
        self.number = 0

    def teardown(self) -> None:
        """Whatever happened: a plan that nothing keeps from being carried out leads to what it says."""
        self.files.broken = frozenset()
        wanted = {"a": type(self).deployment("a")}
        report = self._apply(self.world.plan(wanted), {"parallelism": 2})
        assert report.complete, report
        assert self.world.stands() == {"a": digest_of(wanted["a"])}
        shutil.rmtree(self.folder)

    def _apply(self, actions: Any, manner: Mapping[str, Any], plan: str = "last", journal: Any = None) -> Any:
        return self.world.apply(actions, plan, executors={"files": self.files}, journal=journal, **manner)

    def _wanted(self, wish: Mapping[str, Mapping[str, int]]) -> dict[str, Deployment]:
        """Return deployments that call the stages which are wanted too."""
        called = {name: tuple(other for other in CALLS.get(name, ()) if other in wish) for name in wish}
        return {name: type(self).deployment(name, next=called[name], **fields) for name, fields in wish.items()}

    @rule(
        wish=wishes,
        broken=st.frozensets(st.sampled_from(NAMES), max_size=2),
        after_writing=st.booleans(),
        manner=manners,
        kills=st.lists(st.integers(0, 75), max_size=2),
    )
    def change(
        self, wish: Any, broken: frozenset[str], after_writing: bool, manner: dict[str, Any], kills: list[int]
    ) -> None:
        self.number += 1
        plan, wanted = f"p{self.number}", self._wanted(wish)
        actions = self.world.plan(wanted)
        before = {name: item.deployment for name, item in self.world.state().resources.items()}
        whole = not any(item.unfinished for item in self.world.state().resources.values())
        self.files.broken, self.files.after_writing = broken, after_writing
        for point in kills:
            self._killed(point, actions, manner, plan)
        report = self._go_on(actions, manner, plan)
        if report.rolled_back:
            if whole:
                assert {name: item.deployment for name, item in self.world.state().resources.items()} == before
            self._learn()
            return
        failed = {result.address for result in report.results if result.status == "failed"}
        assert failed <= broken
        not_begun = {result.address for result in report.results if result.status == "not begun"}
        assert not not_begun or failed
        for result in report.results:
            if result.status in ("done", "kept"):
                self.doubtful.discard(result.address)
                if result.action == "delete":
                    self.stands.pop(result.address, None)
                else:
                    self.stands[result.address] = digest_of(wanted[result.address])
        self.doubtful |= failed
        assert self.files.most <= 4

    @rule()
    def destroy(self) -> None:
        self.files.broken = frozenset()
        assert self._apply(destroy_actions(self.world.state()), {"parallelism": 4}, "destroy").complete
        self.stands, self.doubtful = {}, set()

    @rule()
    def abort(self) -> None:
        run = self.world.state().run
        if run is not None:
            self.files.broken = frozenset()
            assert self.world.roll_back(executors={"files": self.files}).rolled_back
            self._learn()

    def _learn(self) -> None:
        """After a rollback nothing is half done, and the state says what stands: every file is looked at."""
        run = self.world.state().run
        assert run is None
        self.stands = {
            name: digest_of(item.deployment)
            for name, item in self.world.state().resources.items()
            if not item.unfinished
        }
        self.doubtful = {name for name, item in self.world.state().resources.items() if item.unfinished}

    def _go_on(self, actions: Any, manner: Mapping[str, Any], plan: str) -> Any:
        run = self.world.state().run
        if run is not None and run.back and run.plan == plan:
            return self.world.roll_back(executors={"files": self.files})
        return self._apply(actions, manner, plan)

    def _killed(self, point: int, actions: Any, manner: Mapping[str, Any], plan: str) -> None:
        def work() -> None:
            KillingJournal.left = point
            run = self.world.state().run
            if run is None or not run.back or run.plan != plan:
                self._apply(actions, manner, plan, self.world.journal(KillingJournal))

        is_killed(work)

    @invariant()
    def what_stands_is_what_the_model_says(self) -> None:
        assert self.files.wrong == []
        resources = self.world.state().resources
        finished = {name: digest_of(item.deployment) for name, item in resources.items() if not item.unfinished}
        sure = {name: digest for name, digest in self.stands.items() if name not in self.doubtful}
        assert {name: digest for name, digest in finished.items() if name not in self.doubtful} == sure
        for name, digest in finished.items():
            file = self.world.world / resources[name].handle["file"]
            assert file.read_text() == digest


def test_random_runs(
    open_world: Callable[[Path], Any], deployment: Callable[..., Deployment], file_executor: type[Any]
) -> None:
    case = type(
        "Case",
        (Runs,),
        {
            "open_world": staticmethod(open_world),
            "deployment": staticmethod(deployment),
            "executor": watching(file_executor),
        },
    )
    run_state_machine_as_test(
        case,
        settings=settings(
            max_examples=25, stateful_step_count=6, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
