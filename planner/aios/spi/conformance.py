"""The rules of the seam as tests: an executor's own tests subclass ExecutorConformance and provide the fixtures.

    class TestMine(ExecutorConformance):
        computes = True

        @pytest.fixture
        def executor(self): return mine.Executor()

        @pytest.fixture
        def store(self, tmp_path): ...

        @pytest.fixture
        def deployment(self): ...

        @pytest.fixture
        def changed(self, deployment): ...

        @pytest.fixture
        def inputs(self): ...

Every rule stands alone, starts from nothing and leaves nothing. Needs pytest, which aios itself does not depend on.
"""

# ruff: noqa: D102 - the name of a rule is what it says

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from aios.records.base import digest_of
from aios.records.errors import AiosError
from aios.records.measurement import PROBABILITIES, subject_of
from aios.records.plan import Deployment
from aios.spi.counting import BOUNDS_S
from aios.spi.executor import API_VERSION, Executor, Exercise, Store, Tensors, Watching
from aios.spi.rehearsal import STANDING, Interrupted, NotedJournal, World, action, tree
from aios.spi.taking_over_conformance import TakingOverRules

__all__ = ["ExecutorConformance", "Interrupted", "NotedJournal", "action"]


class ExecutorConformance(TakingOverRules):
    """Rules that every executor keeps.

    computes: it can measure, infer and exercise · reaches: it refuses nodes that have no address · engines: modules
    that importing the plugin must not import
    """

    computes: ClassVar[bool] = False
    reaches: ClassVar[bool] = True
    engines: ClassVar[tuple[str, ...]] = ()

    @pytest.fixture
    def inputs(self) -> Tensors:
        """Return inputs for the deployment's model; needed where ``computes``."""
        pytest.skip("this executor computes nothing")

    @pytest.fixture
    def world(self, executor: Executor, store: Store, deployment: Deployment) -> Iterator[World]:
        """Give the rule its world and clear it afterwards."""
        made = World(executor, store, deployment)
        yield made
        made.clean()

    def test_it_names_itself_and_the_seam_it_was_written_for(self, executor: Executor) -> None:
        assert executor.name, "no name"
        assert executor.api_version == API_VERSION, "written for another version of the seam"
        unknown = executor.in_place - set(Deployment.model_fields)
        assert not unknown, f"in_place names fields that a Deployment does not have: {sorted(unknown)}"
        assert executor.engine().strip(), "engine() says nothing"

    def test_its_module_imports_without_its_engine(self, executor: Executor) -> None:
        module = type(executor).__module__
        code = f"import sys; import {module}; print(sorted(set({list(self.engines)!r}) & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == "[]", f"importing {module} imports {done.stdout.strip()}"

    def test_validate_finds_nothing_in_a_good_action_and_changes_nothing(self, world: World) -> None:
        before = sorted(tree(world.store.runtime(world.address)))
        found = world.executor.validate(action("create", world.deployment))
        assert not found, f"a good action is refused: {found}"
        assert sorted(tree(world.store.runtime(world.address))) == before, "validate left something behind"

    def test_a_node_without_address_is_refused_by_name(
        self, executor: Executor, deployment: Deployment, store: Store
    ) -> None:
        if not self.reaches:
            pytest.skip("this executor reaches every node")
        lost = deployment.model_copy(update={"addresses": dict.fromkeys(deployment.addresses)})
        node = lost.placement[0].node
        found = executor.validate(action("create", lost))
        assert any(node in item.summary for item in found), f"validate does not say that {node} cannot be reached"
        with pytest.raises(AiosError):
            executor.carry_out(action("create", lost), None, NotedJournal(), store)

    def test_an_action_that_says_nothing_is_an_error_and_no_silent_skip(
        self, executor: Executor, deployment: Deployment, store: Store
    ) -> None:
        empty = action("create", deployment).model_copy(update={"after": None})
        with pytest.raises(AiosError):
            executor.carry_out(empty, None, NotedJournal(), store)

    def test_nothing_made_is_observed_as_absent(self, executor: Executor, deployment: Deployment) -> None:
        assert executor.observe(deployment.intent, None).condition == "absent"

    def test_prepare_builds_once_per_recipe(self, executor: Executor, deployment: Deployment, store: Store) -> None:
        first = executor.prepare(deployment, store)
        files = {name: (Path(first.path) / name).stat().st_mtime_ns for name in tree(Path(first.path))}
        second = executor.prepare(deployment, store)
        assert first == second, "the same deployment gave two artefacts"
        again = {name: (Path(second.path) / name).stat().st_mtime_ns for name in tree(Path(second.path))}
        assert files == again, "the artefact was built again"
        store.verify(first)

    def test_render_gives_the_same_bytes_in_any_order(self, executor: Executor, deployment: Deployment) -> None:
        other = deployment.model_copy(update={"intent": f"{deployment.intent}-2"})
        one = executor.render([deployment, other])
        assert one == executor.render([other, deployment]), "the order of deployments changes what is rendered"
        assert list(one.items()) == list(executor.render([other, deployment]).items()), "the order of files changes"
        for name in one:
            path = Path(name)
            inside = not path.is_absolute() and ".." not in path.parts
            assert inside, f"{name} points out of the folder"

    def test_after_create_observe_agrees(self, world: World) -> None:
        handle = world.create()
        json.dumps(handle)
        seen = world.observe(handle)
        assert seen.condition in STANDING, f"just made, it is {seen.condition}: {seen.detail}"
        assert seen.deployment_digest == digest_of(world.deployment), "it runs something else than it was told"
        assert seen.replicas_ready == world.deployment.replicas, "not all replicas are ready"

    def test_a_journal_note_comes_before_the_deed(self, world: World) -> None:
        with pytest.raises(Interrupted):
            world.carry_out("create", world.deployment, None, NotedJournal(crash_at=0))
        assert not list(tree(world.store.runtime(world.address))), "something was made before it was noted"

    def test_creating_twice_is_creating_once(self, world: World) -> None:
        handle = world.create()
        pids = world.observe(handle).pids
        again = world.carry_out("create", world.deployment, handle).handle
        assert again == handle, "the second time gave another handle"
        assert world.observe(again).pids == pids, "the second time started something"

    def test_a_handle_lost_in_a_crash_leaves_nothing_twice(self, world: World) -> None:
        first = world.create()
        pids = set(world.observe(first).pids)
        second = world.carry_out("create", world.deployment, None).handle
        seen = world.observe(second)
        assert seen.condition in STANDING, seen.detail
        assert set(seen.pids) == pids or not (pids & _alive(pids)), "two services stand for one address"

    def test_after_a_crash_at_any_note_the_next_attempt_succeeds(self, world: World) -> None:
        rehearsal = NotedJournal()
        world.carry_out("create", world.deployment, None, rehearsal)
        world.clean()
        for point in range(len(rehearsal.written)):
            world.notes.clear()
            with pytest.raises(Interrupted):
                world.carry_out("create", world.deployment, None, NotedJournal(crash_at=point))
            seen = world.observe(world.create())
            assert seen.condition in STANDING, f"after a crash at note {point} it is {seen.condition}: {seen.detail}"
            assert seen.deployment_digest == digest_of(world.deployment)
            world.clean()

    def test_a_change_in_place_keeps_the_endpoint(self, world: World, changed: Deployment) -> None:
        different = {
            name for name in Deployment.model_fields if getattr(changed, name) != getattr(world.deployment, name)
        }
        assert different, "the fixture `changed` is no change"
        assert different <= world.executor.in_place, f"the fixture `changed` changes {sorted(different)}"
        handle = world.create()
        before = world.observe(handle)
        seen = world.observe(world.carry_out("update", changed, handle).handle)
        assert seen.condition in STANDING, seen.detail
        assert seen.deployment_digest == digest_of(changed), "after the update it runs something else"
        assert seen.endpoint == before.endpoint, "a change in place moved the endpoint"
        assert seen.replicas_ready == changed.replicas

    def test_a_replace_leaves_only_the_new(self, world: World, changed: Deployment) -> None:
        handle = world.create()
        pids = set(world.observe(handle).pids)
        seen = world.observe(world.carry_out("replace", changed, handle).handle)
        assert seen.condition in STANDING, seen.detail
        assert seen.deployment_digest == digest_of(changed)
        assert not (pids & _alive(pids)), "a process of the old service lives"

    def test_after_delete_there_is_nothing(self, world: World) -> None:
        handle = world.create()
        pids = set(world.observe(handle).pids)
        outcome = world.carry_out("delete", None, handle)
        assert outcome.handle is None, "delete gave a handle"
        assert world.observe(handle).condition == "absent", "what was deleted is still seen"
        assert not _alive(pids), "a process of the deleted service lives"
        assert not list(tree(world.store.runtime(world.address))), "delete left files behind"

    def test_deleting_twice_is_deleting_once(self, world: World) -> None:
        handle = world.create()
        world.carry_out("delete", None, handle)
        assert world.carry_out("delete", None, handle).handle is None
        assert world.carry_out("delete", None, None).handle is None

    def test_it_computes_one_answer_per_item(self, world: World, inputs: Tensors) -> None:
        artefact = world.executor.prepare(world.deployment, world.store)
        count = len(next(iter(inputs.values())))
        outputs = world.executor.infer(world.deployment, artefact, inputs)
        assert outputs, "infer returned no outputs"
        assert all(len(value) == count for value in outputs.values()), "not one answer per item"

    def test_it_measures_what_it_was_asked_to(self, world: World, inputs: Tensors) -> None:
        artefact = world.executor.prepare(world.deployment, world.store)
        found = world.executor.measure(world.deployment, artefact, inputs, 0.3)
        calibration = world.deployment.calibrate_digest
        wanted = subject_of("service", world.deployment, engine=world.executor.engine(), calibration=calibration)
        assert found.subject == wanted, "the measurement is of something else"
        assert {"time", "throughput", "memory", "cpu_time"} <= found.values.keys()
        assert all(item.low <= item.value <= item.high for item in found.values.values())
        times = found.distributions["time"]
        assert len(times) == len(PROBABILITIES), "no quantiles at PROBABILITIES"
        assert sorted(times) == list(times), "quantiles that fall"

    def test_the_service_answers_as_infer_does(self, world: World, inputs: Tensors) -> None:
        import numpy as np

        count = len(next(iter(inputs.values())))
        artefact = world.executor.prepare(world.deployment, world.store)
        expected = world.executor.infer(world.deployment, artefact, inputs)
        load = Exercise(
            at_s=np.arange(count, dtype=np.float64) * 0.002, item=np.arange(count), inputs=inputs, keep_outputs=True
        )
        trace = world.executor.exercise(world.create(), load)
        assert not trace.errors, f"requests failed: {trace.errors}"
        assert np.isfinite(trace.latency_s).all()
        assert (trace.latency_s > 0).all()
        for name, value in expected.items():
            assert np.allclose(trace.outputs[name], value, rtol=1e-3, atol=1e-4), f"{name} differs when served"

    def test_what_it_counts_is_what_was_sent(self, world: World, inputs: Tensors) -> None:
        if not isinstance(world.executor, Watching):
            pytest.skip("this executor counts nothing")
        import numpy as np

        count = len(next(iter(inputs.values())))
        handle = world.create()
        load = Exercise(at_s=np.arange(count, dtype=np.float64) * 0.01, item=np.arange(count), inputs=inputs)
        trace = world.executor.exercise(handle, load)
        stretches = world.executor.counted(handle)
        assert sum(stretch.requests for stretch in stretches) == count, "not every request was counted once"
        assert sum(number for stretch in stretches for _, number in stretch.latency) == count, "not each has a latency"
        assert all(stretch.began_s >= stretch.ended_s for stretch in stretches), "a stretch ends before it begins"
        begins = [stretch.began_s for stretch in stretches]
        assert begins == sorted(begins, reverse=True), "the oldest does not come first"
        slowest = max(index for stretch in stretches for index, _ in stretch.latency)
        assert ([0.0, *BOUNDS_S][slowest]) <= float(trace.latency_s.max()), "it counted longer than the client waited"
        recent = world.observe(handle).recent
        assert recent is not None, "what was just counted is not shown"
        assert recent.requests == count
        world.carry_out("delete", None, handle)
        assert not world.executor.counted(handle), "what is gone still counts"

    def test_what_nobody_looks_after_is_found(self, world: World) -> None:
        if not isinstance(world.executor, Watching):
            pytest.skip("this executor cannot tell")
        handle = world.create()
        folder = world.store.runtime(world.address).parent
        assert not world.executor.strangers(folder, [handle]), "what is looked after is called a stranger"
        assert len(world.executor.strangers(folder, [])) == 1, "what nobody looks after is not found"
        assert not world.executor.strangers(folder / "elsewhere", []), "a service of elsewhere is called a stranger"
        world.carry_out("delete", None, handle)
        assert not world.executor.strangers(folder, []), "what is gone is still found"

    def test_a_load_on_a_dead_service_is_told_and_not_hidden(self, world: World, inputs: Tensors) -> None:
        import numpy as np

        handle = world.create()
        world.carry_out("delete", None, handle)
        load = Exercise(at_s=np.zeros(2), item=np.zeros(2, np.int64), inputs=inputs, timeout_s=1.0)
        try:
            trace = world.executor.exercise(handle, load)
        except AiosError:
            return
        assert np.isinf(trace.latency_s).all(), "a failed request has a latency"
        assert sum(trace.errors.values()) == 2, "failed requests are not counted"


def _alive(pids: set[int]) -> set[int]:
    """Return those of ``pids`` that are processes; a zombie is none."""

    def lives(pid: int) -> bool:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] not in "ZX"

    return {pid for pid in pids if lives(pid)}
