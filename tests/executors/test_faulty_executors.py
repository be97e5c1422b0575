"""The conformance suite catches each broken rule: executors that each break one, and the rule that must notice."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from aios.records.errors import Diagnostic
from aios.records.plan import Deployment
from aios.spi import conformance
from aios.spi.executor import Artefact, Found, Journal, Observation, Outcome, Store
from aios.spi.rehearsal import World
from aios_plugins.dryrun import Executor


class WrittenForAnotherSeam(Executor):
    api_version: ClassVar[int] = 99


class ChangesUnknownFields(Executor):
    in_place: ClassVar[frozenset[str]] = frozenset({"colour"})


class RefusesGoodActions(Executor):
    def validate(self, action: Any) -> Sequence[Diagnostic]:
        return [*super().validate(action), Diagnostic(summary="I would rather not")]


class ReachesEverything(Executor):
    """Claims to reach nodes, and runs at home what was placed elsewhere."""


class SkipsSilently(Executor):
    def carry_out(self, action: Any, prior: Any, journal: Journal, store: Store) -> Any:
        if action.after is None and action.action != "delete":
            return Outcome(address=action.address, handle=prior, note="nothing to do")
        return super().carry_out(action, prior, journal, store)


class ReturnsNothing(Executor):
    def carry_out(self, action: Any, prior: Any, journal: Journal, store: Store) -> Any:
        super().carry_out(action, prior, journal, store)


class SpeaksOfAnotherAddress(Executor):
    def carry_out(self, action: Any, prior: Any, journal: Journal, store: Store) -> Outcome:
        return super().carry_out(action, prior, journal, store).model_copy(update={"address": "other"})


class GivesNoHandle(Executor):
    def carry_out(self, action: Any, prior: Any, journal: Journal, store: Store) -> Outcome:
        return super().carry_out(action, prior, journal, store).model_copy(update={"handle": None})


class RunsSomethingElse(Executor):
    """Substitutes: one thread instead of those that were asked for."""

    def _write(self, runtime: Path, deployment: Deployment) -> None:
        super()._write(runtime, deployment.model_copy(update={"threads": 7}))


class SeesGhosts(Executor):
    def observe(self, address: str, handle: Mapping[str, Any] | None) -> Observation:
        seen = super().observe(address, handle)
        return seen.model_copy(update={"condition": "healthy"}) if seen.condition == "absent" else seen


class StartsAgain(Executor):
    """Every create makes another one."""

    numbers: ClassVar[Any] = itertools.count()

    def carry_out(self, action: Any, prior: Any, journal: Journal, store: Store) -> Outcome:
        outcome = super().carry_out(action, prior, journal, store)
        handle = outcome.handle and {**outcome.handle, "number": next(self.numbers)}
        return outcome.model_copy(update={"handle": handle})


class NotesAfterTheDeed(Executor):
    def carry_out(self, action: Any, prior: Any, journal: Journal, store: Store) -> Outcome:
        outcome = super().carry_out(action, prior, conformance.NotedJournal(), store)
        journal.note("done")
        return outcome


class CannotGoOn(Executor):
    """Takes what an interrupted attempt noted for somebody else's."""

    def carry_out(self, action: Any, prior: Any, journal: Journal, store: Store) -> Outcome:
        if journal.notes() or action.action == "delete":
            store.runtime(action.address)
            if action.action != "delete":
                return Outcome(address=action.address, handle={"runtime": "/nowhere"}, note="somebody is at it")
        return super().carry_out(action, prior, journal, store)


class ForgetsUpdates(Executor):
    def carry_out(self, action: Any, prior: Any, journal: Journal, store: Store) -> Outcome:
        if action.action in ("update", "replace"):
            return Outcome(address=action.address, handle=prior, note="done")
        return super().carry_out(action, prior, journal, store)


class MovesOnUpdate(Executor):
    def observe(self, address: str, handle: Mapping[str, Any] | None) -> Observation:
        seen = super().observe(address, handle)
        return seen.model_copy(update={"endpoint": f"http://127.0.0.1/{seen.deployment_digest}"})


class LeavesFiles(Executor):
    def carry_out(self, action: Any, prior: Any, journal: Journal, store: Store) -> Outcome:
        outcome = super().carry_out(action, prior, journal, store)
        if action.action == "delete":
            folder = store.runtime(action.address)
            folder.mkdir(exist_ok=True)
            (folder / "log").touch()
        return outcome


class DeletesOnlyOnce(Executor):
    def carry_out(self, action: Any, prior: Any, journal: Journal, store: Store) -> Outcome:
        if action.action == "delete" and not list(store.runtime(action.address).iterdir()):
            raise FileNotFoundError("there is nothing to delete")
        return super().carry_out(action, prior, journal, store)


class BuildsEveryTime(Executor):
    numbers: ClassVar[Any] = itertools.count()

    def prepare(self, deployment: Deployment, store: Store) -> Artefact:
        number = str(next(self.numbers))
        return store.fetch(
            {"number": number, "model": deployment.model_digest},
            lambda folder: (folder / "model").write_text(number) and None,
        )


class RendersInOrderOfGiving(Executor):
    def render(self, deployments: Sequence[Deployment]) -> Mapping[str, str]:
        return {f"{index}.json": json.dumps(item.intent) for index, item in enumerate(deployments)}


class RendersOutside(Executor):
    def render(self, deployments: Sequence[Deployment]) -> Mapping[str, str]:
        return {f"../{name}": text for name, text in super().render(deployments).items()}


class RenamesNothing(Executor):
    def carry_out(self, action: Any, prior: Any, journal: Journal, store: Store) -> Outcome:
        return super().carry_out(action.model_copy(update={"moved_from": None}), prior, journal, store)


class FindsWhateverIsThere(Executor):
    def find(self, address: str, hint: Any, store: Store) -> Found:
        folder = store.runtime(address)
        (file,) = (path for path in folder.glob("*.json") if path.name != "standing.json")
        deployment = Deployment.model_validate_json(file.read_bytes())
        return Found(handle={"runtime": str(folder)}, deployment=deployment, folder=str(folder), note=str(hint))


class LeavesItWhereItWas(Executor):
    def take_over(self, address: str, found: Found, store: Store) -> Mapping[str, Any]:
        store.runtime(address)
        return found.handle


FAULTS = [
    (RenamesNothing, "test_a_service_is_renamed_as_it_runs"),
    (FindsWhateverIsThere, "test_what_was_changed_by_hand_is_not_taken_over"),
    (LeavesItWhereItWas, "test_what_nobody_looks_after_is_found_and_taken_over_as_it_is"),
    (WrittenForAnotherSeam, "test_it_names_itself_and_the_seam_it_was_written_for"),
    (ChangesUnknownFields, "test_it_names_itself_and_the_seam_it_was_written_for"),
    (RefusesGoodActions, "test_validate_finds_nothing_in_a_good_action_and_changes_nothing"),
    (ReachesEverything, "test_a_node_without_address_is_refused_by_name"),
    (SkipsSilently, "test_an_action_that_says_nothing_is_an_error_and_no_silent_skip"),
    (ReturnsNothing, "test_after_create_observe_agrees"),
    (SpeaksOfAnotherAddress, "test_after_create_observe_agrees"),
    (GivesNoHandle, "test_after_create_observe_agrees"),
    (RunsSomethingElse, "test_after_create_observe_agrees"),
    (SeesGhosts, "test_nothing_made_is_observed_as_absent"),
    (SeesGhosts, "test_after_delete_there_is_nothing"),
    (StartsAgain, "test_creating_twice_is_creating_once"),
    (NotesAfterTheDeed, "test_a_journal_note_comes_before_the_deed"),
    (CannotGoOn, "test_after_a_crash_at_any_note_the_next_attempt_succeeds"),
    (ForgetsUpdates, "test_a_change_in_place_keeps_the_endpoint"),
    (ForgetsUpdates, "test_a_replace_leaves_only_the_new"),
    (MovesOnUpdate, "test_a_change_in_place_keeps_the_endpoint"),
    (LeavesFiles, "test_after_delete_there_is_nothing"),
    (DeletesOnlyOnce, "test_deleting_twice_is_deleting_once"),
    (BuildsEveryTime, "test_prepare_builds_once_per_recipe"),
    (RendersInOrderOfGiving, "test_render_gives_the_same_bytes_in_any_order"),
    (RendersOutside, "test_render_gives_the_same_bytes_in_any_order"),
]


@pytest.mark.parametrize(("faulty", "rule"), FAULTS, ids=[f"{fault.__name__}-{rule[5:25]}" for fault, rule in FAULTS])
def test_the_suite_notices(faulty: Any, rule: str, tmp_path: Path, kit: Any, store: Any) -> None:
    deployment = kit.deployment_of(kit.convolutional(tmp_path / "small.onnx"), executor="dryrun")
    given = {
        "executor": faulty(),
        "store": store,
        "deployment": deployment,
        "changed": deployment.model_copy(update={"threads": 2}),
        "world": World(faulty(), store, deployment),
    }
    method = getattr(conformance.ExecutorConformance(), rule)
    wanted = [name for name in given if name in method.__code__.co_varnames[: method.__code__.co_argcount]]
    with pytest.raises((AssertionError, pytest.fail.Exception, FileNotFoundError)):
        method(**{name: given[name] for name in wanted})
