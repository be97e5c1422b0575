"""Places the chosen options: the first of all placements, so that the answer is one and the same every time.

In order of intents (priority, then name), as many replicas as can be stand on the first device, then on the second, and
so on; machines in fleet order, devices in the order of the node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aios.records.current import Moving
from aios.records.selection import Placement
from aios.solve.clauses import rules_of
from aios.solve.copying import placed_copies, standing_copies
from aios.solve.cpsat import Engine
from aios.solve.hours import first_stay
from aios.solve.model import Decisions, Load
from aios.solve.problem import Problem, devices_of, pose
from aios.solve.radix import chunks

__all__ = ["place"]


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
    intents = problem.intents
    if not intents:
        return {}
    best = {intent.name: problem.options[index][picked[index]] for index, intent in enumerate(intents)}
    stated = {intents[index].name: item for index, item in problem.stated.items()}
    anywhere = {name: [option.priced] for name, option in best.items() if not option.stays}
    stays = {name: [option.priced] for name, option in best.items() if option.stays}
    moving = Moving(problem.moving.standing)
    small = pose(
        intents,
        anywhere,
        problem.fleet,
        False,
        moving=moving,
        stays=stays,
        joins=problem.joins,
        stated=stated,
        by_hour=by_hour,
    )
    decisions = Decisions(small, range(len(intents)))
    for rule in rules_of(small):
        rule.add(decisions)
    every = _places(decisions.loads)
    places = [place for place in every if place[0] not in small.stated]
    loads = [load for _, _, load in every]
    if {load.intent for load in loads} != {index for index in range(len(intents)) if _parts(problem, picked, index)}:
        return None
    loads = [load for _, _, load in places]
    if small.stated:
        first = _first(decisions, loads, engine)
        if first is None:
            return None
        both = standing_copies(decisions, first, engine)
        return {**_placed(small, places, both), **placed_copies(decisions, both)}
    filled = _filled(decisions, loads) if decisions.sums_only else None
    running = [_places(period) for period in decisions.periods] if small.periods else []
    known = {load.variable for load in loads}
    fewer = {load.variable: load for period in running for _, _, load in period if load.variable not in known}
    values = _first(decisions, [*loads, *fewer.values()], engine) if filled is None else filled
    if values is None:
        return None
    return _placed(small, places, values, running)


def _placed(
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


def _places(devices: Sequence[Sequence[Load]]) -> list[tuple[int, int, Load]]:
    """Return what may stand where: intent, device, load, in order of the first two."""
    listed = ((load.intent, index, load) for index, loads in enumerate(devices) for load in loads if not load.beside)
    return sorted(listed, key=lambda place: place[:2])


def _parts(problem: Problem, picked: Mapping[int, int], intent: int) -> int:
    return problem.options[intent][picked[intent]].priced.candidate.parts


def _filled(decisions: Decisions, loads: Sequence[Load]) -> Mapping[int, int] | None:
    """Fill one place after the other as far as capacities let; None if that leaves a part without a place.

    Where it leaves none there is no earlier placement: each place holds all that it can after the ones before it.
    """
    room = [capacity for _, capacity in decisions.sums]
    takes: dict[int, list[tuple[int, int]]] = {}
    for index, (terms, _) in enumerate(decisions.sums):
        for variable, each in terms:
            takes.setdefault(variable, []).append((index, each))
    small = decisions.problem
    left = {load.intent: small.options[load.intent][0].priced.candidate.parts for load in loads}
    values: dict[int, int] = {}

    def put(load: Load, count: int) -> None:
        values[load.variable] = values.get(load.variable, 0) + count
        left[load.intent] -= count * load.times
        for index, each in takes.get(load.variable, ()):
            room[index] -= each * count

    for load in loads:  # what stays has its place before all others
        put(load, load.least)
    for load in loads:
        fits = (room[index] // each for index, each in takes.get(load.variable, ()) if each)
        put(load, min(left[load.intent] // load.times, *fits, load.most - load.least))
    return None if any(left.values()) else values


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
