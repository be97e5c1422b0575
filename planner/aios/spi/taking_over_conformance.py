"""The rules of the seam about services that run already: renamed, and taken over, as they are."""

# ruff: noqa: D102 - the name of a rule is what it says

from __future__ import annotations

import pytest

from aios.records.base import digest_of
from aios.records.errors import AiosError
from aios.spi.executor import Adopting, Hint
from aios.spi.rehearsal import STANDING, NotedJournal, World, action, tree

__all__ = ["TakingOverRules"]


class TakingOverRules:
    """Rules of executors that rename what runs (``intent`` is in ``in_place``) and that take it over (`Adopting`)."""

    def test_a_service_is_renamed_as_it_runs(self, world: World) -> None:
        if "intent" not in world.executor.in_place:
            pytest.skip("this executor renames nothing")
        handle = world.create()
        before = world.observe(handle)
        renamed = world.deployment.model_copy(update={"intent": f"{world.address}-renamed"})
        step = action("update", renamed, world.deployment).model_copy(update={"moved_from": world.address})
        for prior in (handle, None):  # the second time as after a crash that lost the handle
            outcome = world.executor.carry_out(step, prior, NotedJournal(), world.store)
            seen = world.executor.observe(renamed.intent, outcome.handle)
            assert seen.condition in STANDING, seen.detail
            assert seen.deployment_digest == digest_of(renamed), "it runs under its old name"
            assert seen.endpoint == before.endpoint, "renaming moved the endpoint"
            assert set(seen.pids[:1]) == set(before.pids[:1]), "renaming started it anew"
        assert not list(tree(world.store.runtime(world.address))), "something stays under the old name"
        back = action("update", world.deployment, renamed).model_copy(update={"moved_from": renamed.intent})
        world.handle = world.executor.carry_out(back, outcome.handle, NotedJournal(), world.store).handle
        assert world.observe(world.handle).deployment_digest == digest_of(world.deployment)

    def test_what_nobody_looks_after_is_found_and_taken_over_as_it_is(self, world: World) -> None:
        if not isinstance(world.executor, Adopting):
            pytest.skip("this executor takes nothing over")
        with pytest.raises(AiosError):
            world.executor.find(world.address, Hint(), world.store)
        handle = world.create()
        before = world.observe(handle)
        hints = [Hint(), Hint(handle=handle), *([Hint(endpoint=before.endpoint)] if before.endpoint else [])]
        for hint in hints:
            found = world.executor.find(world.address, hint, world.store)
            assert found.deployment == world.deployment, f"by {hint} something else is found"
            assert world.executor.is_same(found.handle, handle), "it is not known again by its handle"
        other = f"{world.address}-other"
        for _ in range(2):
            moved = world.executor.take_over(other, found, world.store)
            seen = world.executor.observe(other, moved)
            assert (seen.condition, seen.pids) == (before.condition, before.pids), "taking over touched what runs"
            assert list(tree(world.store.runtime(other))), "its files are not where those of the address belong"
            found = world.executor.find(other, Hint(), world.store)
        world.handle = world.executor.take_over(world.address, found, world.store)
        assert world.observe(world.handle).pids == before.pids

    def test_what_was_changed_by_hand_is_not_taken_over(self, world: World) -> None:
        if not isinstance(world.executor, Adopting):
            pytest.skip("this executor takes nothing over")
        world.create()
        runtime = world.store.runtime(world.address)
        kept = {path: path.read_text(encoding="utf-8") for path in runtime.glob("*.json")}
        for path, text in kept.items():
            path.write_text(text.replace(world.deployment.model_digest, "sha256:forged"), encoding="utf-8")
        with pytest.raises(AiosError):
            world.executor.find(world.address, Hint(), world.store)
        for path, text in kept.items():
            path.write_text(text, encoding="utf-8")
