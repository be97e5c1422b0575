"""The act: choose by kinds of machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aios.records.joins import Joins
from aios.records.selection import Placement
from aios.solve.coarse.bounds import Whole, at_least, bounded
from aios.solve.coarse.packing import packed
from aios.solve.coarse.search import Bounding, CoarseSearch
from aios.solve.coarse.sifting import sift
from aios.solve.cpsat import Engine
from aios.solve.joint.choose import placed_in
from aios.solve.joint.grid import Grid
from aios.solve.joint.search import JointSearch
from aios.solve.joint.yard import Where, Yard
from aios.solve.optimise import Chosen, settle
from aios.solve.problem import Problem

__all__ = ["Coarse", "choose_coarsely"]

_TRIES, _LESS = 12, 0.95
"""Times that plans are sought until single machines hold one, and by what of what its machines hold together a node on
which some parts found no room may then be filled."""
_FEWEST, _TOGETHER, _MORE = 6, 400, (1, 4)
"""Options of a stage, and of all stages, at least, that are looked at to find a plan, the cheapest at prices; and by
how many times as many where these are too few."""
_LOOKING = 0.05
"""Share of the allowance for one of them, and for the bound."""


class Coarse(NamedTuple):
    """problem: with the options that were looked at · chosen: among them, by index there · placement: None without a
    plan"""

    problem: Problem
    chosen: Chosen
    placement: Mapping[str, tuple[Placement, ...]] | None


def choose_coarsely(problem: Problem, joins: Joins, engine: Engine) -> Coarse:
    """Choose for an outlined problem (see ``aios.solve.problem.outline``) with pipelines, and place what was chosen.

    Stages come first, whatever else there is beside them. status: ``unknown`` where no plan was found, ``infeasible``
    where even the quickest ways between machines allow none.
    """
    anywhere = tuple(tuple(option for option in row if not option.stays) for row in problem.options)
    problem = problem._replace(options=anywhere)
    stages = problem.only(problem.staged)
    whole = Whole(stages, Grid(stages), joins)
    sifted = sift(*whole)
    for times in _MORE:
        few = times * max(_FEWEST, _TOGETHER // len(stages.intents))
        small = sifted.kept(stages, whole.grid, 0.0, few)
        chosen, yard = _stood(small, joins, engine)
        if chosen.picked is None or yard is None:
            continue
        if len(stages.intents) < len(problem.intents):
            return _beside(problem, small, chosen.picked, yard, joins, engine)
        return Coarse(small, bounded(whole, sifted, small, chosen, engine), placed_in(small, yard.grid, yard))
    loose = settle(Bounding(*whole, engine.part(_LOOKING), {}), ties=False)
    return Coarse(problem, Chosen("infeasible" if loose.status == "infeasible" else "unknown"), None)


def _stood(problem: Problem, joins: Joins, engine: Engine) -> tuple[Chosen, Yard | None]:
    """Choose among few options, and put all parts on machines."""
    grid = Grid(problem)
    room = [1.0] * len(grid.stocks)
    for _ in range(_TRIES):
        search = CoarseSearch(problem, grid, joins, engine.part(_LOOKING), room)
        chosen = settle(search, ties=False)
        if chosen.picked is None:
            break
        yard, full = packed(search, grid)
        if not full:
            return chosen, yard
        room = [share * _LESS if node in full else share for node, share in enumerate(room)]
    return Chosen("unknown"), None


def _beside(
    problem: Problem, small: Problem, picked: Mapping[int, int], yard: Yard, joins: Joins, engine: Engine
) -> Coarse:
    """Choose for all that is no stage, beside the stages where they stand."""
    rows, fixed = list(problem.options), dict[int, list[Where]]()
    for own, intent in enumerate(problem.staged):
        rows[intent] = (small.options[own][picked[own]],)
        fixed[intent] = yard.wheres(own)
    settled = problem._replace(options=tuple(rows))
    search = JointSearch(settled, engine, fixed)
    chosen = settle(search, ties=False)
    if chosen.picked is None or search.yard is None:
        return Coarse(settled, Chosen("unknown"), None)
    whole = Whole(problem, Grid(problem), joins)
    return Coarse(settled, at_least(whole, sift(*whole), settled, chosen), placed_in(settled, search.grid, search.yard))
