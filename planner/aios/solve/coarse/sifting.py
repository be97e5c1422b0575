"""Leaves few of many options: those that look cheap at the prices of what is scarce, time among it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from aios.records.intent import Stage
from aios.records.joins import Joins
from aios.solve.clauses.budget import PARTS
from aios.solve.clauses.pipeline import Bound, bounds_of, handing
from aios.solve.coarse.ways import Ways
from aios.solve.costs import Costs, float_costs, scaled
from aios.solve.goals import levels_of
from aios.solve.joint.grid import Floats, Grid, Row
from aios.solve.joint.prices import Relaxation, best_prices
from aios.solve.joint.target import Held, spread_out, target_of
from aios.solve.problem import Problem

__all__ = ["Sifted", "sift"]

_PATHS = 64
"""Paths of a pipeline of which the sums are looked at."""


class Sifted(NamedTuple):
    """dearer: option, in the grid's order -> what a plan with it costs more, at least, than ``bound`` · bound: in
    whole steps of ``costs``, that no plan falls below · rows: row of capacity -> price of all of it, in whole steps ·
    open: see ``aios.solve.search.Seeking`` · ids: intent -> ids of all options"""

    dearer: Floats
    bound: float
    costs: Costs
    rows: Mapping[Row, float]
    open: dict[int, list[bool]]
    ids: tuple[tuple[str, ...], ...]

    def whole(self, problem: Problem, intent: int) -> list[int]:
        """Return the whole costs of the options that a problem left of an intent."""
        own = self.costs.whole.get(intent)
        known = dict(zip(self.ids[intent], own, strict=True)) if own else {}
        return [known.get(option.id, 0) for option in problem.options[intent]]

    def kept(self, problem: Problem, grid: Grid, most: float, few: int = 0) -> Problem:
        """Return the problem with those options alone that cost no more than ``most`` more; of each intent at least
        ``few``."""
        rows = []
        for intent, options in enumerate(problem.options):
            own = self.dearer[int(grid.first_option[intent]) :][: len(options)]
            least = np.sort(own)[min(few, len(own)) - 1] if few else 0.0
            kept = np.flatnonzero(np.isfinite(own) & (own <= max(most, float(least))))
            rows.append(tuple(options[place] for place in kept.tolist()))
        return problem._replace(options=tuple(rows))


def sift(problem: Problem, grid: Grid, joins: Joins) -> Sifted:
    """Price all options of an outlined problem for its first goals."""
    open_ = {
        intent: grid.possible[grid.first_option[intent] : grid.first_option[intent + 1]].tolist()
        for intent in range(grid.count)
    }
    costs = _costs(problem, open_)
    held = list(_sums(problem, grid, Ways(joins, problem.fleet, safe=False)))
    target = target_of(grid, spread_out(grid, costs), open_, held)
    prices = best_prices(grid, target)
    scale = Relaxation(grid, target, grid.capacity).scale
    rows = {name: scale * float(price) for name, price in zip(grid.names, prices.prices, strict=False) if price}
    ids = tuple(tuple(option.id for option in row) for row in problem.options)
    dearer = np.full(len(grid.of_intent), np.inf)
    np.minimum.at(dearer, grid.option, prices.reduced)
    return Sifted(dearer, prices.bound, costs, rows, open_, ids)


def _costs(problem: Problem, open_: dict[int, list[bool]]) -> Costs:
    """Return the costs of the most important goals; of unlike ones, each as a share of its sum at its best."""
    found: dict[int, list[float | None]] = {}
    level = levels_of(problem.intents, problem.goals)[0]
    for total in level.totals:
        own = float_costs(problem, total.metric, total.sign, total.intents)
        size = sum(min((abs(cost) for cost in row if cost is not None), default=0.0) for row in own.values()) or 1.0
        scale = size if len(level.totals) > 1 else 1.0
        found |= {i: [None if cost is None else cost / scale for cost in row] for i, row in own.items()}
    return scaled(found, open_)


def _sums(problem: Problem, grid: Grid, ways: Ways) -> Iterator[Held]:
    """Yield what bounds of pipelines say of sums over stages: along each path, with the quickest way to hand over."""
    posed = problem._replace(joins=ways)
    for bound in bounds_of(posed):
        stages = bound.pipeline.stages
        own = {stage.name: bound.amounts(posed, stage) for stage in stages}
        paths = _paths(stages) if bound.timed else [stages]
        quickest: dict[tuple[str, str], float] = {}
        for path in paths:
            costs = np.zeros(len(grid.of_intent), dtype=np.int64)
            for stage in path:
                start = int(grid.first_option[bound.members[stage.name]])
                row = [
                    PARTS if a is None else min(math.floor(a / bound.whole * PARTS), 2 * PARTS) for a in own[stage.name]
                ]
                costs[start : start + len(row)] = row
            sent = 0.0
            for first, then in pairwise(path) if bound.timed else ():
                key = (first.name, then.name)
                if key not in quickest:
                    quickest[key] = _quickest(posed, bound, first, then)
                sent += quickest[key]
            limit = math.ceil((bound.limit - sent) / bound.whole * PARTS)
            yield Held(costs, max(limit, 1))


def _quickest(problem: Problem, bound: Bound, first: Stage, then: Stage) -> float:
    """Return the least that handing over takes between machines that the two may stand on."""
    nodes = [
        {name for option in problem.options[bound.members[stage.name]] for name in option.priced.candidate.nodes}
        for stage in (first, then)
    ]
    if nodes[0] & nodes[1]:
        return 0.0
    seconds = handing(problem, first, then)
    return min((s for here in nodes[0] for there in nodes[1] if (s := seconds(here, there)) is not None), default=0.0)


def _paths(stages: Sequence[Stage]) -> list[tuple[Stage, ...]]:
    """Return the first paths through stages, each from one that takes the request to one that nobody takes from."""
    taken = {name for stage in stages for name in stage.after}
    to: dict[str, list[tuple[Stage, ...]]] = {}
    for stage in stages:
        before = [path for name in stage.after for path in to[name]] if stage.after else [()]
        to[stage.name] = [(*path, stage) for path in before[:_PATHS]]
    return [path for stage in stages if stage.name not in taken for path in to[stage.name]][:_PATHS]
