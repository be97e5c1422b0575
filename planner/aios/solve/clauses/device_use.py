"""Devices that stated demands take: a whole one belongs to one copy alone, and none is shared with a service.

Which of a machine's devices copies take whole does not matter, so they are taken from a pool: as many devices are set
aside as the copies there take.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from aios.records.demanded import Site
from aios.records.fleet import Node
from aios.solve.amounts import UNUSED
from aios.solve.clauses.capacity import capacity_clause, whose
from aios.solve.clauses.device_share import grown
from aios.solve.clauses.domains import merged
from aios.solve.clauses.rule import Rule
from aios.solve.model import Decisions, Load
from aios.solve.problem import Machine, Problem, devices_of

__all__ = ["rules"]


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per node and device type that demands may take there, ``capacity/<node>/<type>/demands``."""
    sites = {site for item in problem.stated.values() for site in item.sites}
    for node in problem.fleet.nodes if sites else ():
        for name, ids in devices_of(node).items():
            if Site(node.name, name) not in sites:
                continue
            text = f"{whose(node)} has {len(ids)} {name}, none for a service and a demand at once"
            grow = partial(grown, node=node, name=name, had=len(ids))
            yield Rule(
                capacity_clause(node, f"{name}/demands", text),
                None,
                partial(_add, node=node, name=name),
                grow=None if problem.fleet.types[name].kind == "cpu" else grow,
                node=None,
            )


def _add(decisions: Decisions, node: Node, name: str) -> None:
    problem = decisions.problem
    for machine in problem.machines_of(node):
        whole = [load for index in machine.bins if problem.bins[index].pool == name for load in decisions.loads[index]]
        given: list[int] = []
        for index in machine.bins:
            if problem.bins[index].type == name:
                given += _used_once(decisions, machine, index, bool(whole))
        takes = [(load.variable, _devices(problem, load)) for load in whole]
        if takes:
            decisions.sums_only = False
            decisions.model.linear([*takes, *((free, -1) for free in given)], high=0)


def _used_once(decisions: Decisions, machine: Machine, index: int, may_give: bool) -> Iterator[int]:
    """Let a device serve services, parts of it demands, or be given away whole; yield what says that it is given."""
    problem, place = decisions.problem, decisions.problem.bins[index]
    ids = devices_of(machine.node)[place.type]
    stated = [load.intent in problem.stated for load in decisions.loads[index]]
    kinds = [
        [load for load, is_copy in zip(decisions.loads[index], stated, strict=True) if is_copy is wanted]
        for wanted in (False, True)
    ]
    uses = [_present(decisions, loads) for loads in kinds if loads]
    if may_give and machine.node.free_share(ids[place.device]) >= UNUSED:
        uses.append(decisions.model.variable(0, 1))
        yield uses[-1]
    if len(uses) > 1:
        decisions.sums_only = False
        decisions.model.at_most_one(uses)


def _present(decisions: Decisions, loads: Sequence[Load]) -> int:
    """Return a 0-1 variable that is 1 where any of these stand."""
    there = decisions.model.variable(0, 1)
    terms = merged((load.variable, 1) for load in loads)
    decisions.model.linear([*terms, (there, -sum(load.most for load in loads))], high=0)
    return there


def _devices(problem: Problem, load: Load) -> int:
    wanted = problem.stated[load.intent].demand.accelerators
    return wanted.count if wanted else 0
