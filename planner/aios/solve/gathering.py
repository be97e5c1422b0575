"""Chooses with equal machines counted as one, then finds single machines for what was chosen.

That model is small however many machines there are, and none of them can be exchanged for another in it. It promises
too much at times: what is free in pieces on several machines looks like one room. So its optimum is a bound, and a plan
of it is the best of all where single machines hold it. Where they do not, less is promised until they do.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from aios.records.selection import ObjectiveValue, Placement
from aios.solve.clauses import Rule, rules_of
from aios.solve.clauses.rule import Limit
from aios.solve.cpsat import Engine
from aios.solve.limits import Limits
from aios.solve.model import Decisions
from aios.solve.optimise import Chosen, settle
from aios.solve.placing import place_counted
from aios.solve.problem import Beside, Problem, pose
from aios.solve.search import Search

__all__ = ["Gathered", "choose_gathered"]

_ROUNDS = 40
"""Times that what is promised of machines is made less, so that it is nearer to what they hold."""
_LESS, _MORE = 0.01, 1.5
"""Share less that is promised first of machines on which no room was found, and how much more each further time."""
_MOST = 0.15
"""Share less at once of the whole fleet beyond which it is given up."""
_FULL = 0.7
"""Share of a resource that must be taken for patterns to be looked at."""
_TRIES = 6
"""The same, where it is chosen what runs and only where is sought."""
_STANDING = 1 / 30
"""Share of the allowance for finding failure domains for what was chosen."""
_PLACING = 1 / 600
"""Share of the allowance for finding single machines once."""
_FINE = 1000
"""Steps of how full machines are."""
_WHOLE = 10**6
"""Units of what one device or machine is worth in patterns."""
_LEAST = 1e-3
"""Share by which a sum of worths must be exceeded to be kept."""
_SMALL = 12
"""Sizes that fit more often than that are worth nothing in patterns: they fill whatever is left."""


class Gathered(NamedTuple):
    """chosen: as the exact search says it · placement: intent name -> where its parts stand; None without a plan"""

    chosen: Chosen
    placement: dict[str, tuple[Placement, ...]] | None


class _Cut(NamedTuple):
    """Sizes have a worth, such that what one device or machine holds is worth one at most (see ``joint.cuts``).

    kind: what of machines it is about · worth: by size, in units
    """

    kind: _Kind
    worth: Mapping[int, int]

    def add(self, decisions: Decisions, kinds: _Kinds) -> None:
        """Keep it on all machines alike. A size without a worth has that of the next smaller one."""
        sizes = sorted(self.worth)
        worths = list(accumulate((self.worth[size] for size in sizes), max))
        for limit, bins, many in kinds[self.kind]:
            terms = []
            for load in (load for index in bins for load in decisions.loads[index]):
                place = bisect_right(sizes, limit.amount(load.need))
                if place:
                    times = load.times * (load.wide if limit.each else 1)
                    terms.append((load.variable, worths[place - 1] * times))
            decisions.model.linear(terms, high=many * _WHOLE)


_Kind = tuple[str, int, int]
"""What is limited, apart from the node's name; which limit of that clause; the capacity."""

_Kinds = Mapping[_Kind, list[tuple[Limit, tuple[int, ...], int]]]
"""Limits that are alike, with devices that count together and how many of them, or of machines, these are."""


def _kinds(problem: Problem, rules: Sequence[Rule]) -> _Kinds:
    of = {machine.node.name: machine for machine in problem.machines}
    found: dict[_Kind, list[tuple[Limit, tuple[int, ...], int]]] = {}
    for rule in rules:
        machine = of.get(rule.node.name) if rule.node is not None else None
        if machine is None:
            continue
        what = rule.clause.id.removeprefix(f"capacity/{machine.node.name}/")
        for number, limit in enumerate(rule.limits):
            for bins in limit.groups(machine):
                many = machine.many * (problem.bins[bins[0]].many if limit.each else 1)
                found.setdefault((what, number, limit.capacity), []).append((limit, tuple(bins), many))
    return found


def choose_gathered(problem: Problem, limits: Limits) -> Gathered:
    """Choose for all intents of a problem in which equal machines of the whole fleet are counted together."""
    engine = Engine(limits)
    cuts = list[_Cut]()
    bounds: Sequence[ObjectiveValue] = ()
    values: Sequence[int] = ()
    less = 0.0
    for _ in range(_ROUNDS):
        search, kinds = _begun(problem, cuts, engine, values)
        chosen = settle(search)
        if chosen.picked is None:
            return Gathered(Chosen("unknown") if less else chosen, None)
        values = search.values
        if not less:
            bounds = chosen.rows
        new = _cuts(search, kinds)
        cuts += new
        if new:
            continue
        placement = _stood(problem, chosen.picked, cuts, limits)
        if placement is not None:
            return Gathered(_bounded(chosen, bounds) if less else chosen, placement)
        less = _MORE * less or _LESS
        if less > _MOST:
            break
        room = max(0.0, problem.machines[0].room - less)
        problem = problem._replace(machines=tuple(machine._replace(room=room) for machine in problem.machines))
    return Gathered(Chosen("unknown"), None)


def _stood(
    problem: Problem, picked: Mapping[int, int], cuts: Sequence[_Cut], limits: Limits
) -> dict[str, tuple[Placement, ...]] | None:
    """Find failure domains, then machines, for what was chosen; None where that takes too long."""
    best = {intent.name: [problem.options[k][picked[k]].priced] for k, intent in enumerate(problem.intents)}
    small = pose(problem.intents, best, problem.fleet, Beside(by_hour=False), "domain")
    classes = [frozenset(node.name for node in machine.nodes) for machine in small.machines]
    less = dict[int, float]()
    alone = dict.fromkeys(range(len(small.intents)), 0)
    engine = Engine(limits._replace(deterministic_limit=_STANDING * limits.deterministic_limit))
    for _ in range(_TRIES):
        search, kinds = _begun(small, cuts, engine)
        _level(search.decisions, kinds)
        answer = engine.solve(search.decisions.model, 1 / _TRIES)
        if not answer.values:
            return None
        counts = {machine: (classes[machine], own) for machine, own in search.decisions.counts(answer.values).items()}
        placing = Engine(limits._replace(deterministic_limit=_PLACING * limits.deterministic_limit))
        found = place_counted(small, alone, placing, counts)
        if found.placement is not None:
            return found.placement
        machines = list(small.machines)
        for place in found.failed:
            less[place] = _MORE * less.get(place, _LESS / _MORE)
            machines[place] = machines[place]._replace(room=max(0.0, machines[place].room - less[place]))
        small = small._replace(machines=tuple(machines))
    return None


def _level(decisions: Decisions, kinds: _Kinds) -> None:
    """Let machines that are alike be equally full, as far as can be: full ones are hard to fill."""
    levels = []
    for alike in (own for own in kinds.values() if len(own) > 1):
        levels.append(decisions.model.variable(0, _FINE))
        for limit, bins, many in alike:
            loads = [load for index in bins for load in decisions.loads[index]]
            terms = [(load.variable, load.taken(limit.amount) * load.times) for load in loads]
            decisions.model.linear([*terms, (levels[-1], -(many * limit.capacity // _FINE) - 1)], high=0)
    decisions.model.minimize([(level, 1) for level in levels])


def _begun(problem: Problem, cuts: Sequence[_Cut], engine: Engine, values: Sequence[int] = ()) -> tuple[Search, _Kinds]:
    """Return a search that keeps these cuts. values: of variables in a plan like the one that is sought"""
    rules = rules_of(problem)
    kinds, search = _kinds(problem, rules), Search(problem, rules, engine)
    search.values = values[: search.decisions.model.size]
    for cut in cuts:
        if cut.kind in kinds:
            cut.add(search.decisions, kinds)
    return search, kinds


def _cuts(search: Search, kinds: _Kinds) -> list[_Cut]:
    """Return, of what is limited, what the best plan so far breaks most of patterns."""
    from aios.solve.joint.cuts import pattern_prices

    decisions, values, found = search.decisions, search.values, list[_Cut]()
    for kind, alike in kinds.items():
        most, worst = 1 + _LEAST, dict[int, float]()
        for limit, bins, many in alike:
            amounts: dict[int, float] = {}
            for load in (load for index in bins for load in decisions.loads[index]):
                size = limit.amount(load.need)
                if values[load.variable] and size * _SMALL > limit.capacity:
                    count = load.times * values[load.variable] * (load.wide if limit.each else 1)
                    amounts[size] = amounts.get(size, 0.0) + count
            if sum(size * amount for size, amount in amounts.items()) < _FULL * many * limit.capacity:
                continue
            prices = pattern_prices(amounts, limit.capacity)
            worth = sum(prices.get(size, 0.0) * amount for size, amount in amounts.items()) / many
            most, worst = max((most, worst), (worth, prices), key=lambda item: item[0])
        if worst:
            found.append(_Cut(kind, {size: math.floor(price * _WHOLE) for size, price in worst.items()}))
    return found


def _bounded(chosen: Chosen, bounds: Sequence[ObjectiveValue]) -> Chosen:
    """Return a plan that was found with less room, with the bounds of all room there is: those up to the first goal
    that misses its own, within which later goals have theirs."""
    known = {row.goal: row.bound for row in bounds}
    rows = list[ObjectiveValue]()
    for row in chosen.rows:
        bound = known.get(row.goal, row.bound) if all(other.gap == 0 for other in rows) else row.bound
        largest = max(abs(row.value), abs(bound))
        gap = abs(row.value - bound) / largest if largest else 0.0
        rows.append(row.model_copy(update={"bound": bound, "gap": gap}))
    best = chosen.status == "optimal" and all(row.gap == 0 for row in rows)
    return Chosen("optimal" if best else "feasible", chosen.picked, tuple(rows))
