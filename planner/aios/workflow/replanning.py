"""What stands, brought before planning: read from the state or a plan, and priced against what may run now."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aios.records.candidate import Candidate, Estimate
from aios.records.current import CHOICE, Current, Footing, Moving, Standing, choice_of
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import Fleet
from aios.records.selection import Placement
from aios.records.state import State

if TYPE_CHECKING:
    from aios.cost.moving import Way
    from aios.plan.moving import Account
    from aios.records.selection import Selection
    from aios.workflow.planning import Considered
    from aios.workflow.reading import Given

__all__ = ["Replanning", "Wished", "account", "current_of", "replanning"]

_LISTED = 8
"""Names of what stands that a mistaken one is answered with."""


class Wished(NamedTuple):
    """What a command says of moves. current: a saved plan that says what stands, else the state does · freeze: intents
    that must stay as they are · most: moves at most"""

    current: Path | None = None
    freeze: tuple[str, ...] = ()
    most: int | None = None


class Replanning(NamedTuple):
    """What stands, as it was told and as planning sees it."""

    current: Current
    moving: Moving


def current_of(state: State, plan: Path | None) -> Current:
    """Return what stands. Raises InputError for a plan that cannot be read."""
    if plan is None:
        footings = {
            name: Footing(
                choice=choice_of(item.deployment),
                placement=item.deployment.placement,
                pieces=item.deployment.part.pieces if item.deployment.part else 0,
            )
            for name, item in state.resources.items()
        }
        return Current(origin="the state", footings=footings)
    from aios.workflow.planfiles import read_plan_file

    made = read_plan_file(str(plan))
    footings = {
        item.intent: Footing(
            choice=choice_of(item) if item.executor else (),
            placement=item.placement,
            pieces=item.part.pieces if item.part else 0,
        )
        for item in made.decisions
    }
    return Current(origin=str(plan), footings=footings)


def replanning(considered: Considered, state: State, wished: Wished) -> Replanning:
    """Return what stands, and what planning may do with it. Raises InputError for what cannot stay."""
    given = considered.given
    current = _as_named_now(current_of(state, wished.current), given.fleet)
    names = [*(intent.name for intent in given.intents), *(demand.name for demand in given.demands)]
    problems = [
        _unknown(name, names, current) for name in wished.freeze if name not in names or name not in current.footings
    ]
    if problems:
        raise InputError(*problems)
    places = _Places(given)
    standing = {}
    for name in names:
        footing = current.footings.get(name)
        if footing is not None:
            there = places.left(footing.placement)
            standing[name] = _standing(considered, name, footing, there, places)
    return Replanning(current, Moving(standing, frozenset(wished.freeze), wished.most))


def _as_named_now(current: Current, fleet: Fleet) -> Current:
    """Return what stands with machines called as the fleet calls them.

    The first of several equal machines is ``gpu-0``, and ``gpu`` where it is the only one: machines that come or go
    beside it do not make it another.
    """
    now = {f"{node.name}-0": node.name for node in fleet.nodes if node.count == 1}
    now |= {node.name: f"{node.name}-0" for node in fleet.nodes if node.count > 1}
    for name in {name for node in fleet.nodes for name in node.instances()}:
        now.pop(name, None)

    def renamed(part: Placement) -> Placement:
        return part.model_copy(update={"node": now[part.node]}) if part.node in now else part

    footings = {
        name: footing.model_copy(update={"placement": tuple(map(renamed, footing.placement))})
        for name, footing in current.footings.items()
    }
    return Current(origin=current.origin, footings=footings)


class _Places:
    """The machines and devices of a fleet, and what going from one to another takes. node_of: machine -> node"""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.node_of = {name: node.name for node in given.fleet.nodes for name in node.instances()}
        self.ids = {node.name: {id_ for slot in node.devices for id_ in slot.ids} for node in given.fleet.nodes}
        self._intents = {intent.name: intent for intent in given.intents}
        self._ways: dict[tuple[str, str], Way] = {}
        self._outages: dict[tuple[object, ...], Estimate] = {}

    def left(self, placement: Sequence[Placement]) -> tuple[Placement, ...]:
        """Return those of some places that are still there."""
        return tuple(
            part
            for part in placement
            if part.node in self.node_of and set(part.devices) <= self.ids[self.node_of[part.node]]
        )

    def nodes(self, placement: Sequence[Placement]) -> tuple[str, ...]:
        """Return the nodes that places are on, those that are gone under the machine's own name."""
        return tuple(sorted({self.node_of.get(part.node, part.node) for part in placement}))

    def outage(
        self, candidate: Candidate, source: Sequence[str], target: Sequence[str], replicas: float = 1.0
    ) -> Estimate:
        """Return the time without service of replicas that go from some nodes to others: by the slowest of the ways."""
        from aios.cost.moving import outage, state_bytes

        key = (candidate.intent, candidate.model, candidate.precision, tuple(source), tuple(target), replicas)
        if key not in self._outages:
            intent = self._intents[candidate.intent]
            profile = self.given.profiles[intent.name][candidate.model]
            ways = [self._way(one, other) for one in source for other in target]
            slowest = min(ways, key=lambda way: math.inf if way.bytes_per_s is None else way.bytes_per_s.value)
            size = state_bytes(profile, candidate, trained=intent.train is not None)
            self._outages[key] = outage(size, slowest, replicas)
        return self._outages[key]

    def _way(self, source: str, target: str) -> Way:
        from aios.cost.moving import way_between

        if (source, target) not in self._ways:
            self._ways[source, target] = way_between(self.given.fleet, source, target)
        return self._ways[source, target]


def _standing(
    considered: Considered, name: str, footing: Footing, there: tuple[Placement, ...], places: _Places
) -> Standing:
    options = considered.options.get(name, ())
    choice = dict(footing.choice)
    told = [field for field in CHOICE if field in choice]
    alike, same = set(), None
    for option in options:
        own = dict(choice_of(option.candidate))
        differs = {field for field in told if own[field] != choice[field]}
        if not differs and option.pieces == footing.pieces:
            same = same or option.candidate.id
        if differs <= _in_place(considered, option.candidate):
            alike.add(option.candidate.id)
    source = places.nodes(footing.placement)
    outage = {
        option.candidate.id: places.outage(option.candidate, source, option.candidate.nodes) for option in options
    }
    return Standing(there, same, frozenset(alike), outage)


def _in_place(considered: Considered, candidate: Candidate) -> frozenset[str]:
    """Return what of a choice an executor changes without a restart; never where it runs."""
    executor = considered.given.executors.get(candidate.executor)
    found: frozenset[str] = frozenset() if executor is None else executor.in_place
    return found - {"device", "devices", "machines", "executor"}


def account(considered: Considered, selection: Selection, found: Replanning) -> Account:
    """Return what is told of moves."""
    from aios.plan.moving import account_of

    given, places = considered.given, _Places(considered.given)

    def outage(name: str, before: Sequence[Placement], after: Sequence[Placement], replicas: int) -> Estimate:
        priced = selection.chosen.get(name)
        source, target = places.nodes(before), places.nodes(after)
        if priced is None:
            from aios.cost.moving import RESTART_S

            low, value, high = RESTART_S.times(replicas)
            basis = "restart 10 s, anything from 1 to 60; what state a stated demand holds is unknown"
            return Estimate(
                metric="disruption", value=value, low=low, high=high, unit="s", source="assumed", basis=basis
            )
        return places.outage(priced.candidate, source, target, replicas)

    goals = given.objective.goal if given.objective else ()
    return account_of(given.intents, selection, considered.options, found.current, found.moving, goals, outage)


def _unknown(name: str, names: Sequence[str], current: Current) -> Diagnostic:
    standing = sorted(item for item in names if item in current.footings)
    near = difflib.get_close_matches(name, standing, n=1)
    what = (
        "is none of the given intents" if name not in names else f"does not stand: {current.origin} knows nothing of it"
    )
    listed = ", ".join(standing[:_LISTED]) + (", …" if len(standing) > _LISTED else "")
    known = f"what stands: {listed}" if listed else "nothing stands yet: leave the option out"
    return Diagnostic(
        summary=f"`--freeze {name}`: {name} {what}", remedy=f"did you mean `{near[0]}`?" if near else known
    )
