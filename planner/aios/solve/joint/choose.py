"""The act: choose jointly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aios.records.selection import Placement
from aios.solve.cpsat import Engine
from aios.solve.joint.fill import Filled
from aios.solve.joint.search import JointSearch
from aios.solve.optimise import Chosen, settle
from aios.solve.problem import Problem

__all__ = ["Joint", "choose_jointly"]


class Joint(NamedTuple):
    """chosen: as the exact search says it · placement: intent name -> where its parts stand; None without a plan"""

    chosen: Chosen
    placement: dict[str, tuple[Placement, ...]] | None


def choose_jointly(problem: Problem, engine: Engine) -> Joint:
    """Choose for all intents of an outlined problem (see ``aios.solve.problem.outline``), and place what was chosen."""
    search = JointSearch(problem, engine)
    chosen = settle(search, ties=False)
    if chosen.picked is None or search.plan is None:
        return Joint(chosen, None)
    return Joint(chosen, _placement(search, search.yard.filled(search.plan)))


def _placement(search: JointSearch, filled: Sequence[Filled]) -> dict[str, tuple[Placement, ...]]:
    problem, grid, plan = search.problem, search.grid, search.plan
    assert plan is not None
    placed: dict[str, list[Placement]] = {intent.name: [] for intent in problem.intents}
    for stock, own in zip(grid.stocks, filled, strict=True):
        names = stock.node.instances()
        for (intent, spot), parts in sorted(own.stands.items()):
            option = plan.option(intent)
            priced = problem.options[intent][option - int(grid.first_option[intent])].priced
            ids = stock.devices[spot.device].ids[spot.first : spot.first + grid.wide[option]]
            placed[problem.intents[intent].name].append(
                Placement(node=names[spot.machine], devices=ids, share=priced.demand.share, replicas=parts)
            )
    return {name: tuple(rows) for name, rows in placed.items()}
