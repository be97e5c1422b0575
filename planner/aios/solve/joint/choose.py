"""The act: choose jointly."""

from __future__ import annotations

from typing import NamedTuple

from aios.records.selection import Placement
from aios.solve.cpsat import Engine
from aios.solve.joint.grid import Grid
from aios.solve.joint.search import JointSearch
from aios.solve.joint.yard import Yard
from aios.solve.optimise import Chosen, settle
from aios.solve.problem import Problem
from aios.solve.refusing import is_refusal

__all__ = ["Joint", "choose_jointly", "placed_in"]


class Joint(NamedTuple):
    """chosen: as the exact search says it · placement: intent name -> where its parts stand; None without a plan"""

    chosen: Chosen
    placement: dict[str, tuple[Placement, ...]] | None


def choose_jointly(problem: Problem, engine: Engine) -> Joint:
    """Choose for all intents of an outlined problem (see ``aios.solve.problem.outline``), and place what was chosen."""
    search = JointSearch(problem, engine)
    chosen = settle(search, ties=False)
    if chosen.picked is None or search.yard is None:
        return Joint(chosen, None)
    return Joint(chosen, placed_in(problem, search.grid, search.yard))


def placed_in(problem: Problem, grid: Grid, yard: Yard) -> dict[str, tuple[Placement, ...]]:
    """Return where all parts stand."""
    names = [stock.node.instances() for stock in grid.stocks]
    placed: dict[str, tuple[Placement, ...]] = {}
    for intent, standing in enumerate(yard.of):
        option = yard.option(intent)
        wide, device = grid.wide[option], grid.devices[option]
        priced = problem.options[intent][option - int(grid.first_option[intent])].priced
        rows = list[Placement]()
        spots = () if is_refusal(priced) else standing
        for column, machine, block, number in sorted(spots, key=lambda spot: (grid.node[spot.column], spot)):
            node = int(grid.node[column])
            ids = grid.stocks[node].devices[device].ids[block * wide : (block + 1) * wide]
            rows.append(Placement(node=names[node][machine], devices=ids, share=priced.demand.share, replicas=number))
        placed[problem.intents[intent].name] = tuple(rows)
    return placed
