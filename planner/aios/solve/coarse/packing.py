"""A plan by kinds of machines, put on single ones."""

from __future__ import annotations

from collections.abc import Mapping

from aios.solve.coarse.search import CoarseSearch
from aios.solve.joint.grid import Grid
from aios.solve.joint.yard import Spot, Yard

__all__ = ["packed"]

Lot = Mapping[int, int]
"""Columns, and how many parts of each stand on one machine."""


def packed(search: CoarseSearch, grid: Grid) -> tuple[Yard, set[int]]:
    """Return the machines of every node with all parts on them, and the nodes on which some found no room.

    What one machine is to hold comes first, then part by part; the largest first, where it leaves least.
    """
    yard = Yard(grid)
    spots: dict[int, list[Spot]] = {}
    full: set[int] = set()
    for lot, together in _lots(search, grid):
        done = yard.put_together(lot) if together else [spot for c, n in lot.items() for spot in yard.put(c, n)]
        if sum(spot.number for spot in done) < sum(lot.values()):
            full |= {int(grid.node[column]) for column in lot}
        for spot in done:
            spots.setdefault(int(grid.of_intent[grid.option[spot.column]]), []).append(spot)
    for intent, own in spots.items():
        yard.of[intent] = tuple(own)
    return yard, full


def _lots(search: CoarseSearch, grid: Grid) -> list[tuple[Lot, bool]]:
    """Return what is to be put, in turn, and whether one machine holds it."""
    beside = search.beside()
    lots: dict[object, dict[int, int]] = {}
    for column, parts in sorted(search.counted().items()):
        pipeline = search.problem.intents[int(grid.of_intent[grid.option[column]])].pipeline
        key = (pipeline.name if pipeline else "", grid.stocks[int(grid.node[column])].node.name)
        lots.setdefault(key if key in beside else column, {})[column] = parts

    def size(lot: Lot) -> float:
        taken = {row: 0.0 for column in lot for row in grid.rows[column].tolist()}
        for column, parts in lot.items():
            for row, take in zip(grid.rows[column].tolist(), grid.takes[column].tolist(), strict=True):
                count = grid.stocks[int(grid.node[column])].node.count
                taken[row] += take * parts * count / max(int(grid.capacity[row]), 1)
        return max(taken.values(), default=0.0)

    def each(lot: Lot) -> float:
        """Return what the lot, or one part of it, takes of a machine."""
        return size(lot) / (1 if len(lot) > 1 else max(next(iter(lot.values())), 1))

    ranked = [(isinstance(key, tuple), each(lot), lot) for key, lot in lots.items()]
    return [(lot, together) for together, _, lot in sorted(ranked, key=lambda item: (not item[0], -item[1]))]
