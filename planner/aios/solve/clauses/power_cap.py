"""Power caps: what stands on a machine, on a group of machines or on the whole fleet draws no more than its cap.

Each part counts with an equal share of its option's power, at the pessimistic end; an unknown power keeps no cap. Watts
are compared in parts of the cap (``PARTS``), rounded down, as whole numbers: a plan may exceed a cap by one of these
for each part of an intent that stands there, and the checker allows just that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from aios.records.base import Span
from aios.records.fleet import Fleet, Node, PowerCap
from aios.records.metrics import metric
from aios.records.selection import Clause
from aios.records.units import Dimension, format_exactly, format_quantity
from aios.records.where import domain_of
from aios.solve.clauses.capacity import whose
from aios.solve.clauses.rule import Eased, Rule
from aios.solve.cpsat import Answer
from aios.solve.model import Decisions, Load
from aios.solve.problem import Problem
from aios.solve.wording import sufficient

__all__ = ["PARTS", "rules"]

PARTS = 10**9
"""Whole parts of a cap, and of the largest draw where the cap itself is sought: sums of a billion of them stay far from
the engine's 63 bits, and a thousand replicas are off by a millionth of the cap at most."""


class _Cap(NamedTuple):
    """What draws together at most ``watts``, at all times. nodes: names; each machine of them keeps it alone where
    ``each`` · hourly: the cap, one value or one for each hour"""

    id: str
    whose: str
    watts: float
    where: Span | None
    nodes: frozenset[str]
    hourly: tuple[float, ...]
    each: bool = False

    def then(self, problem: Problem, period: int) -> float:
        """Return the cap of a period of the problem: of its hours the lowest."""
        if not problem.periods or len(self.hourly) == 1:
            return self.watts
        return min(self.hourly[hour] for hour in problem.periods[period])


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per cap and group of machines: ``capacity/<node>/power``, ``capacity/power/<label>/<value>`` (of
    ``by``), ``capacity/power/<label>=<value>`` (of ``where``) or ``capacity/power/fleet``."""
    for cap in _caps(problem.fleet):
        text = f"{cap.whose} draws at most {format_exactly(cap.watts, Dimension.POWER)}"
        clause = Clause(id=cap.id, intent=None, metric="power", bound=cap.watts, text=text, where=cap.where)
        yield Rule(clause, None, partial(_add, cap=cap), ease=partial(_ease, cap=cap))


def _caps(fleet: Fleet) -> Iterator[_Cap]:
    """Yield every cap; of hourly ones the lowest, as services stand all day."""
    for node in fleet.nodes:
        if node.power_cap_w:
            watts, nodes = min(node.power_cap_w), frozenset((node.name,))
            yield _Cap(
                f"capacity/{node.name}/power", whose(node), watts, node.where, nodes, node.power_cap_w, each=True
            )
    for cap in fleet.power_caps:
        for id, name, members in _groups(fleet, cap):
            nodes = frozenset(node.name for node in members)
            yield _Cap(f"capacity/power/{id}", name, min(cap.cap_w), cap.where, nodes, cap.cap_w)


def _groups(fleet: Fleet, cap: PowerCap) -> Iterator[tuple[str, str, list[Node]]]:
    """Yield each group of machines that keeps a cap together: id, name for people, nodes."""
    if cap.by is None:
        wanted = cap.labels.items()
        name = ",".join(f"{key}={value}" for key, value in wanted) or "fleet"
        yield name, name if wanted else "the fleet", [node for node in fleet.nodes if wanted <= node.labels.items()]
        return
    groups: dict[str, list[Node]] = {}
    for node in fleet.nodes:
        value = domain_of(node, cap.by)
        if value is not None:
            groups.setdefault(value, []).append(node)
    for value, members in groups.items():
        yield f"{cap.by}/{value}", f"{cap.by} {value}", members


Running = Sequence[Sequence[Load]]
"""Device -> what may run there at once."""


def _loads(problem: Problem, running: Running, cap: _Cap) -> Iterator[tuple[list[Load], int]]:
    """Yield what may stand on the machines that keep the cap together, and how many such caps they keep."""
    together: list[Load] = []
    for machine in problem.machines:
        if machine.node.name in cap.nodes:
            own = [load for index in machine.bins for load in running[index] if not load.beside]
            if cap.each and not machine.pooled:
                yield own, machine.many
            together += own
    if not cap.each:
        yield together, 1


def _alone(problem: Problem, running: Running, cap: _Cap) -> list[Load]:
    """Return what may stand on machines that keep the cap alone and are pooled, where each part has one to itself."""
    pooled = [machine for machine in problem.machines if machine.pooled and machine.node.name in cap.nodes and cap.each]
    return [load for machine in pooled for index in machine.bins for load in running[index] if not load.beside]


def _add(decisions: Decisions, cap: _Cap) -> None:
    for period, running in enumerate(decisions.periods):
        watts, alone = cap.then(decisions.problem, period), _alone(decisions.problem, running, cap)
        decisions.model.forbid([load.variable for load in alone if _draws(load._replace(times=1), watts) > PARTS])
        for loads, many in _loads(decisions.problem, running, cap):
            if many == 1:
                decisions.keep(((load.variable, _draws(load, watts)) for load in loads), PARTS)
                continue
            drawn = [(load.variable, _draws(load._replace(times=1), watts), load.times) for load in loads]
            decisions.model.forbid([variable for variable, each, _ in drawn if each > PARTS])
            decisions.keep(((variable, each * times) for variable, each, times in drawn if each <= PARTS), many * PARTS)


def _draws(load: Load, watts: float) -> int:
    """Return what all parts that one unit of a load's variable stands for draw, in parts of so many watts.

    More than all of them where it is more, or where nobody knows.
    """
    if load.need.watts is None:
        return PARTS + 1
    drawn = load.need.watts * load.times
    return PARTS + 1 if drawn > watts * (1 + load.times / PARTS) else min(PARTS, math.floor(drawn / watts * PARTS))


def _ease(decisions: Decisions, cap: _Cap) -> Eased | None:
    """Find the lowest cap that would do."""
    groups = [loads for running in decisions.periods for loads, _ in _loads(decisions.problem, running, cap)]
    for load in (load for running in decisions.periods for load in _alone(decisions.problem, running, cap)):
        there = decisions.model.variable(0, 1)
        decisions.model.linear([(load.variable, 1), (there, -load.most)], high=0)
        groups.append([load._replace(variable=there, times=1, most=1)])
    decisions.model.forbid([load.variable for loads in groups for load in loads if load.need.watts is None])
    known = [[(load, load.need.watts) for load in loads if load.need.watts is not None] for loads in groups]
    largest = max((watts for loads in known for _, watts in loads), default=0.0)
    if largest <= 0:
        return None
    step = largest / PARTS
    level = decisions.model.variable(0, sum(PARTS * load.most for loads in known for load, _ in loads))
    for loads in known:
        terms = [(load.variable, math.floor(watts / step) * load.times) for load, watts in loads]
        decisions.model.linear([*terms, (level, -1)], high=0)

    def read(answer: Answer) -> tuple[str, float]:
        drawn = max(sum(watts * load.times * answer.values[load.variable] for load, watts in loads) for loads in known)
        text = sufficient(drawn, metric("power"))
        return f"{text} instead of {format_quantity(cap.watts, Dimension.POWER)}", drawn

    return Eased(((level, 1),), read)
