"""Places the chosen options: the first of all placements, so that the answer is one and the same every time.

In order of intents (priority, then name), as many replicas as can be stand on the first device, then on the second, and
so on; machines in fleet order, devices in the order of the node.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from aios.records.candidate import Priced
from aios.records.current import Moving
from aios.records.intent import Intent
from aios.records.selection import Placement
from aios.records.where import NODE
from aios.solve.clauses import rules_of
from aios.solve.copying import placed_copies, standing_copies
from aios.solve.cpsat import Engine
from aios.solve.fitting import Room, fitted
from aios.solve.hours import first_stay
from aios.solve.model import Decisions, Load
from aios.solve.problem import Beside, Problem, devices_of, pose
from aios.solve.radix import chunks

__all__ = ["Counted", "Counts", "place", "place_counted"]


Counts = Mapping[int, tuple[frozenset[str], Mapping[int, int]]]
"""Machine -> names of the nodes that it stands for, and intent -> parts that stand there."""


def place(problem: Problem, picked: Mapping[int, int], engine: Engine) -> dict[str, tuple[Placement, ...]] | None:
    """Return where the replicas of each intent's chosen option stand; None if the limit came before any was found.

    Where all of them have room at the same time none share machines by the hour.
    """
    together = _place(problem, picked, engine, by_hour=False)
    if not problem.periods:
        return together
    if together is None:
        return _place(problem, picked, engine, by_hour=True)
    return first_stay({i.name: problem.options[k][picked[k]].priced for k, i in enumerate(problem.intents)}, together)


def _place(
    problem: Problem, picked: Mapping[int, int], engine: Engine, *, by_hour: bool
) -> dict[str, tuple[Placement, ...]] | None:
    if not problem.intents:
        return {}
    small, decisions, places, complete = _posed(problem, picked, problem.intents, {}, by_hour=by_hour)
    if not complete:
        return None
    loads = [load for _, _, load in places]
    if small.stated:
        first = _first(decisions, loads, engine)
        if first is None:
            return None
        both = standing_copies(decisions, first, engine)
        return {**_told(small, places, both), **placed_copies(decisions, both)}
    running = [_places(period) for period in decisions.periods] if small.periods else []
    known = {load.variable for load in loads}
    fewer = {load.variable: load for period in running for _, _, load in period if load.variable not in known}
    filled = _filled(decisions, loads) if decisions.sums_only else None
    values = _first(decisions, [*loads, *fewer.values()], engine) if filled is None else filled
    return None if values is None else _told(small, places, values, running)


class Counted(NamedTuple):
    """placement: intent name -> where its parts stand; None where none was found, for the machines of ``failed``"""

    placement: dict[str, tuple[Placement, ...]] | None
    failed: frozenset[int] = frozenset()


def place_counted(problem: Problem, picked: Mapping[int, int], engine: Engine, counts: Counts) -> Counted:
    """Find single machines for the chosen options, where equal ones were counted together.

    counts: machine of the problem -> the nodes that it stands for, and how many parts of each intent stand there. Rules
    that tell no two of these machines apart are kept by that.
    """
    near: dict[str, set[str]] = {}
    for names, own in counts.values():
        for intent in own:
            near.setdefault(problem.intents[intent].name, set()).update(names)
    of_machines = [_of_machines(intent) for intent in problem.intents]
    small, decisions, places, complete = _posed(problem, picked, of_machines, near, by_hour=False)
    if not complete:
        return Counted(None, frozenset(counts))
    groups = []
    for machine, (names, own) in sorted(counts.items()):
        for intent, count in sorted(own.items()):
            here = [load for which, place, load in places if which == intent and _node(small, place) in names]
            decisions.keep([(load.variable, load.times) for load in here], count)
            groups.append((machine, count, here))
    found = fitted(decisions, groups)
    if decisions.sums_only and not found.failed:
        return Counted(_told(small, places, found.values))
    if decisions.sums_only:
        for machine, _, here in groups:
            for load in here if machine not in found.failed else ():
                value = found.values.get(load.variable, 0)
                decisions.model.bound(load.variable, value, value)
    values = engine.solve(decisions.model).values
    return Counted(_told(small, places, values)) if values else Counted(None, found.failed or frozenset(counts))


def _node(problem: Problem, place: int) -> str:
    return problem.machines[problem.bins[place].machine].node.name


class _Posed(NamedTuple):
    """problem: single machines, and one way to run each intent · places: what may stand where, but for copies of stated
    demands: intent, device, load · complete: whether all that runs may stand somewhere"""

    problem: Problem
    decisions: Decisions
    places: list[tuple[int, int, Load]]
    complete: bool


def _posed(
    problem: Problem,
    picked: Mapping[int, int],
    intents: Sequence[Intent],
    near: Mapping[str, Collection[str]],
    *,
    by_hour: bool,
) -> _Posed:
    """near: intent name -> on which nodes; anywhere where it is not named"""
    best = {intent.name: problem.options[index][picked[index]] for index, intent in enumerate(intents)}
    anywhere = {name: [_near(option.priced, near.get(name))] for name, option in best.items() if not option.stays}
    beside = Beside(
        moving=Moving(problem.moving.standing),
        stays={name: [option.priced] for name, option in best.items() if option.stays},
        joins=problem.joins,
        stated={intents[index].name: item for index, item in problem.stated.items()},
        by_hour=by_hour,
    )
    small = pose(intents, anywhere, problem.fleet, beside, "single")
    decisions = Decisions(small, range(len(intents)))
    for rule in rules_of(small):
        rule.add(decisions)
    places = _places(decisions.loads)
    wanted = {index for index in picked if best[intents[index].name].priced.candidate.parts}
    own = [place for place in places if place[0] not in small.stated]
    return _Posed(small, decisions, own, {intent for intent, _, _ in places} == wanted)


def _places(devices: Sequence[Sequence[Load]]) -> list[tuple[int, int, Load]]:
    """Return what may stand where: intent, device, load, in order of the first two."""
    listed = ((load.intent, index, load) for index, loads in enumerate(devices) for load in loads if not load.beside)
    return sorted(listed, key=lambda place: place[:2])


def _of_machines(intent: Intent) -> Intent:
    """Return an intent with those of its rules alone that tell machines apart."""
    rules = intent.placement
    if not rules.domains:
        return intent
    kept = {
        "spread": tuple(item for item in rules.spread if item.over == NODE),
        "together": tuple(item for item in rules.together if item.by == NODE),
        "apart": tuple(item for item in rules.apart if item.by == NODE),
        "survive": rules.survive if rules.survive and rules.survive.of == NODE else None,
    }
    return intent.model_copy(update={"placement": rules.model_copy(update=kept)})


def _near(priced: Priced, nodes: Collection[str] | None) -> Priced:
    """Return an option on some of its nodes."""
    if nodes is None:
        return priced
    few = tuple(name for name in priced.candidate.nodes if name in nodes)
    return priced.model_copy(update={"candidate": priced.candidate.model_copy(update={"nodes": few})})


def _told(
    small: Problem,
    places: Sequence[tuple[int, int, Load]],
    values: Mapping[int, int] | Sequence[int],
    running: Sequence[Sequence[tuple[int, int, Load]]] = (),
) -> dict[str, tuple[Placement, ...]]:
    """Return what stands where. running: per period, the same places with what runs there"""
    placed: dict[str, list[Placement]] = {intent.name: [] for intent in small.intents}
    for number, (intent, index, load) in enumerate(places):
        if replicas := load.times * values[load.variable]:
            own = [period[number][2] for period in running]
            at = [item.times * values[item.variable] for item in own]
            placed[small.intents[intent].name].append(_placement(small, intent, index, replicas, at))
    return {name: tuple(rows) for name, rows in placed.items()}


def _filled(decisions: Decisions, loads: Sequence[Load]) -> Mapping[int, int] | None:
    """Fill one place after the other as far as capacities let; None if that leaves a part without a place.

    Where it leaves none there is no earlier placement: each place holds all that it can after the ones before it.
    """
    yard = Room(decisions, loads)
    for load in loads:
        yard.put(load, yard.most(load))
    return None if any(yard.left.values()) else yard.values


def _first(decisions: Decisions, loads: Sequence[Load], engine: Engine) -> Sequence[int] | None:
    """Return the solution whose loads, read in order, are the largest."""
    model = decisions.model
    values: Sequence[int] | None = None
    for weights in chunks([load.most // load.times + 1 for load in loads]):
        model.minimize([(loads[k].variable, -weight) for k, weight in weights.items()])
        answer = engine.solve(model)
        if not answer.values:
            return values
        values = answer.values
        for k in weights:
            model.linear([(loads[k].variable, 1)], values[loads[k].variable], values[loads[k].variable])
        model.hint(values)
    return engine.solve(model).values or None if values is None else values


def _placement(problem: Problem, intent: int, index: int, replicas: int, at: Sequence[int]) -> Placement:
    """Return replicas on a device. at: how many of them run in each period"""
    hours = {hour: count for own, count in zip(problem.periods, at, strict=True) for hour in own}
    changes = any(count != replicas for count in at)
    place = problem.bins[index]
    machine = problem.machines[place.machine]
    wide = problem.options[intent][0].priced.candidate.devices
    return Placement(
        node=machine.node.instances()[machine.instance],
        devices=devices_of(machine.node)[place.type][place.device : place.device + wide],
        share=problem.options[intent][0].priced.demand.share,
        replicas=replicas,
        hourly=tuple(hours[hour] for hour in sorted(hours)) if changes else (),
    )
