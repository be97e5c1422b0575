"""The decisions by kinds of machines: which option of each stage, and how many of its parts stand on each node.

What machines hold is added up per node, as in ``aios.solve.joint.grid``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from aios.records.where import NODE
from aios.solve.cpsat import Term
from aios.solve.joint.grid import Grid, Row
from aios.solve.model import Decisions
from aios.solve.problem import Problem

__all__ = ["CoarseDecisions"]


class CoarseDecisions(Decisions):
    """A model of an outlined problem.

    columns: column of the grid -> how many parts stand there, as a term · beside: (pipeline, node) -> a variable that
    may be 1 only if one machine of the node holds all parts of the pipeline there, by sums
    """

    def __init__(self, problem: Problem, grid: Grid, room: Sequence[float], *, gathering: bool) -> None:
        """room: of every node, share of all capacity that may be taken · gathering: whether parts may be said to share
        a machine"""
        self.grid = grid
        self.columns: dict[int, Term] = {}
        self.beside: dict[tuple[str, str], int] = {}
        self._gathering = gathering
        self._on: dict[tuple[int, int], list[int]] = {}
        super().__init__(problem, range(len(problem.intents)))
        for row, terms in sorted(self._rows(self.columns).items()):
            self.model.linear(terms, high=int(grid.capacity[row] * room[grid.names[row][0]]))

    def _add_intent(self, intent: int) -> None:
        grid, first = self.grid, int(self.grid.first_option[intent])
        options = self.problem.options[intent]
        self.chosen[intent] = variables = [self.model.variable(0, 1) for _ in options]
        own: dict[int, list[int]] = {}
        for column in range(int(grid.first_column[intent]), int(grid.first_column[intent + 1])):
            own.setdefault(int(grid.option[column]) - first, []).append(column)
            self._on.setdefault((intent, int(grid.node[column])), []).append(column)
        self.model.forbid([v for k, v in enumerate(variables) if not grid.possible[first + k]])
        for option, columns in own.items():
            parts = int(grid.parts[first + option])
            if len(columns) == 1:
                self.columns[columns[0]] = (variables[option], parts)
                continue
            counts = [self.model.variable(0, min(parts, int(grid.most[column]))) for column in columns]
            self.model.linear([*((count, 1) for count in counts), (variables[option], -parts)], 0, 0)
            self.columns.update({column: (count, 1) for column, count in zip(columns, counts, strict=True)})

    def _rows(self, columns: Iterable[int]) -> dict[int, list[Term]]:
        """Return row of the grid -> what is taken of it."""
        found: dict[int, list[Term]] = {}
        for column in columns:
            variable, times = self.columns[column]
            for row, take in zip(self.grid.rows[column].tolist(), self.grid.takes[column].tolist(), strict=True):
                if take:
                    found.setdefault(row, []).append((variable, take * times))
        return found

    def priced(self, prices: Mapping[Row, float]) -> list[Term]:
        """Return what is paid for what parts take, rounded down. prices: row -> of all of it"""
        grid, found = self.grid, list[Term]()
        each = [prices.get(name, 0.0) / int(size) for name, size in zip(grid.names, grid.capacity, strict=False)]
        each.append(0.0)
        for column, (variable, times) in self.columns.items():
            rows = zip(grid.rows[column].tolist(), grid.takes[column].tolist(), strict=True)
            paid = sum(each[row] * take for row, take in rows)
            if paid:
                found.append((variable, math.floor(paid * times)))
        return found

    def standing(self, intent: int, over: str) -> dict[str, list[Term]]:
        """Return node -> how many parts of an intent stand there, as a sum."""
        assert over == NODE
        names = [stock.node.name for stock in self.grid.stocks]
        nodes = sorted(node for own, node in self._on if own == intent)
        return {names[node]: [self.columns[column] for column in self._on[intent, node]] for node in nodes}

    def gathered(self, intent: int, machine: str) -> int | None:
        """Return a variable that is 1 only if all parts of a pipeline on a node stand on one machine."""
        pipeline = self.problem.intents[intent].pipeline
        if not self._gathering or pipeline is None:
            return None
        key = (pipeline.name, machine)
        if key not in self.beside:
            self.beside[key] = self._gather(*key)
        return self.beside[key]

    def _gather(self, pipeline: str, machine: str) -> int:
        node = next(place for place, stock in enumerate(self.grid.stocks) if stock.node.name == machine)
        count = self.grid.stocks[node].node.count
        stages = [k for k, item in enumerate(self.problem.intents) if item.pipeline and item.pipeline.name == pipeline]
        columns = [column for stage in stages for column in self._on.get((stage, node), ())]
        variable = self.model.variable(0, 1)
        for row, terms in sorted(self._rows(columns).items()):
            whole = int(self.grid.capacity[row])
            self.model.linear([*terms, (variable, whole - whole // count)], high=whole)
        return variable
