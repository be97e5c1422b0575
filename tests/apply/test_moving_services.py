"""A service that is renamed: kept, known under the new name alone, whatever the run ends at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from killed_runs import KillingJournal, is_killed

from aios.plan.actions import actions_for
from aios.records.base import digest_of
from aios.records.errors import WorldError
from aios.records.plan import Action, Deployment
from aios.records.state import State

Make = Callable[..., Deployment]
IN_PLACE = {"files": frozenset({"batch", "intent"})}
MOVED = {"new": ("older", "old")}


def plan(state: State, wanted: Mapping[str, Deployment], moved: Mapping[str, tuple[str, ...]] = MOVED) -> Any:
    return actions_for(
        wanted, (), state, in_place=IN_PLACE, unhealthy={}, refused=frozenset(), keep_others=False, moved=moved
    )


def made(world: Any) -> list[str]:
    return [line for line in world.made() if "create" in line or "replace" in line]


def test_a_renamed_service_is_kept_under_its_new_name_alone(world: Any, deployment: Make) -> None:
    world.apply(world.plan({"old": deployment("old")}), "p0")
    (action,) = plan(world.state(), {"new": deployment("new", batch=2)})
    assert (action.action, action.address, action.moved_from) == ("update", "new", "old")
    assert action.reason == "moved old -> new, batch 1 -> 2"
    assert world.apply([action], "p1").complete
    assert world.stands() == {"new": digest_of(deployment("new", batch=2))}
    assert made(world) == ["create old"]
    (kept,) = plan(world.state(), {"new": deployment("new", batch=2)})
    assert (kept.action, kept.moved_from) == ("keep", None), "what was renamed is renamed once"


def test_what_cannot_be_renamed_goes_and_comes(world: Any, deployment: Make) -> None:
    world.apply(world.plan({"old": deployment("old")}), "p0")
    found = actions_for(
        {"new": deployment("new")},
        (),
        world.state(),
        in_place={"files": frozenset({"batch"})},
        unhealthy={},
        refused=frozenset(),
        keep_others=False,
        moved=MOVED,
    )
    assert [(item.action, item.address, item.moved_from) for item in found] == [
        ("delete", "old", None),
        ("create", "new", None),
    ]
    assert "moved old -> new" in found[0].reason
    assert world.apply(found, "p1").complete
    assert world.stands() == {"new": digest_of(deployment("new"))}


def test_where_both_names_stand_the_new_one_is_meant(world: Any, deployment: Make) -> None:
    world.apply(world.plan({"old": deployment("old"), "new": deployment("new")}), "p0")
    found = {item.address: item.action for item in plan(world.state(), {"new": deployment("new")})}
    assert found == {"new": "keep", "old": "delete"}


class Failing:
    """Fake: an executor that fails on one address."""

    def __init__(self, real: Any, address: str) -> None:
        self._real, self._address = real, address

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def carry_out(self, action: Action, prior: Any, journal: Any, store: Any) -> Any:
        if action.address == self._address and action.action == "create":
            raise WorldError("it does not come up")
        return self._real.carry_out(action, prior, journal, store)


def test_a_failed_run_that_is_taken_back_gives_the_old_name_back(world: Any, deployment: Make) -> None:
    world.apply(world.plan({"old": deployment("old")}), "p0")
    before = world.state().resources
    wanted = {"new": deployment("new", batch=2), "zoo": deployment("zoo")}
    executors = {"files": Failing(world.executor, "zoo")}
    report = world.apply(plan(world.state(), wanted), "p1", executors=executors, rollback_on_failure=True)
    assert report.rolled_back
    assert {item.address: item.status for item in report.results} == {"new": "rolled back", "zoo": "failed"}
    assert world.stands() == {"old": digest_of(deployment("old"))}
    assert world.state().resources["old"].deployment == before["old"].deployment
    assert made(world) == ["create old"]


@pytest.mark.parametrize("way", ["again", "another plan", "abort", "another name", "gone"])
def test_killed_at_every_line_nothing_is_lost_or_made_anew(
    way: str, world: Any, open_world: Callable[[Path], Any], deployment: Make
) -> None:
    for point in count():
        folder = world.folder / f"at-{point}"
        folder.mkdir()
        own = open_world(folder)
        own.apply(plan(own.state(), {"old": deployment("old")}, {}), "p0")
        wanted = {"new": deployment("new", batch=2)}
        actions = plan(own.state(), wanted)

        def work(own: Any = own, actions: Any = actions, point: int = point) -> None:
            KillingJournal.left = point
            own.apply(actions, "p1", journal=own.journal(KillingJournal))

        if not is_killed(work):
            assert point > 8
            break
        if way == "again":
            assert own.apply(actions, "p1").complete
        elif way == "abort":
            if own.state().run is None:
                continue
            assert own.roll_back().rolled_back
            wanted = {"old": deployment("old")}
        elif way == "another name":
            wanted = {"newest": deployment("newest")}
            assert own.apply(plan(own.state(), wanted, {"newest": ("old", "new")}), "p2").complete
        elif way == "gone":
            wanted = {}
            assert own.apply(plan(own.state(), wanted), "p2").complete
        else:
            wanted = {"new": deployment("new", batch=4)}
            assert own.apply(plan(own.state(), wanted), "p2").complete
        assert own.stands() == {name: digest_of(item) for name, item in wanted.items()}, f"killed at {point}"
        assert made(own) == ["create old"]
        assert own.state().run is None
