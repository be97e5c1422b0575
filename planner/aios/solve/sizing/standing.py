"""What really stands on machines: every part whole, on one machine, within every capacity."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from aios.records.candidate import Priced
from aios.records.demanded import Demanded, Site
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.objective import Budget
from aios.solve.admission.stock import stocked
from aios.solve.admission.worth import worth_of
from aios.solve.clauses import rules_of
from aios.solve.cpsat import Engine
from aios.solve.limits import Limits
from aios.solve.model import Decisions
from aios.solve.packing import Short, pack
from aios.solve.problem import Beside, pose
from aios.solve.sizing.size import Held, Key

__all__ = ["Standing", "Wanted", "bought", "copies_stand"]


class Wanted(NamedTuple):
    """One intent that machines are sought for. amount: pieces that its load is cut into · options: every way to meet
    some of them, of which each is taken once at most · covers: how many pieces each meets"""

    intent: Intent
    amount: int
    options: Sequence[Priced]
    covers: Sequence[int]


class Standing:
    """Answers for machines of the shapes that are a fleet's nodes.

    limits: of each question; what is not found out within them counts as unknown · budgets: of all that stands
    """

    def __init__(self, wanted: Sequence[Wanted], fleet: Fleet, limits: Limits, budgets: Sequence[Budget] = ()) -> None:
        self._wanted = wanted
        self._fleet = fleet
        self._limits = limits
        self._budgets = budgets

    def __call__(self, machines: Sequence[int], taken: Mapping[Key, int], figures: Mapping[Key, int]) -> Held:
        """Say what stands: first whether ``taken`` does, which is as good as can be, else whatever costs least."""
        if not self._wanted:
            return Held(True)
        if taken:
            held = self._among(machines, {key for key, count in taken.items() if count}, figures)
            if held.fits:
                return held
        return self._among(machines, figures, figures)

    def _among(self, machines: Sequence[int], keys: Container[Key], figures: Mapping[Key, int]) -> Held:
        fleet = bought(self._fleet, machines)
        allowed = {node.name for node in fleet.nodes}
        options: dict[str, list[Priced]] = {}
        places: dict[str, Key] = {}
        for demand, wanted in enumerate(self._wanted):
            own = options.setdefault(wanted.intent.name, [])
            for position, priced in enumerate(wanted.options):
                if (demand, position) in keys and allowed.intersection(priced.candidate.nodes):
                    own.append(priced)
                    places[priced.candidate.id] = (demand, position)
        if not all(options.values()):
            return Held(False)
        problem = pose(
            [wanted.intent for wanted in self._wanted], options, fleet, Beside(budgets=self._budgets, by_hour=True)
        )
        decisions = Decisions(problem, range(len(problem.intents)))
        for rule in rules_of(problem):
            if not rule.runs and (rule.intent is None or rule.clause.metric is None):
                rule.add(decisions)
        chosen: dict[Key, int] = {}
        for index, variables in decisions.chosen.items():
            own_keys = [places[option.id] for option in problem.options[index]]
            chosen |= dict(zip(own_keys, variables, strict=True))
            demand = own_keys[0][0]
            covers = [(chosen[key], self._wanted[demand].covers[key[1]]) for key in own_keys]
            decisions.model.linear(covers, self._wanted[demand].amount, self._wanted[demand].amount)
        decisions.model.minimize([(variable, figures[key] * (len(chosen) + 1) + 1) for key, variable in chosen.items()])
        answer = Engine(self._limits).solve(decisions.model)
        if not answer.values:
            return Held(None if answer.status == "unknown" else False)
        found = {key: 1 for key, variable in chosen.items() if answer.values[variable]}
        return Held(True, found, sum(figures[key] for key in found)) if answer.status == "optimal" else Held(None)


def copies_stand(
    demands: Sequence[Demanded], sites: Mapping[str, Sequence[Site]], fleet: Fleet, limits: Limits
) -> bool | None:
    """Say whether all copies of stated demands stand on a fleet by themselves; None if that was not found out."""
    nodes = {node.name for node in fleet.nodes}
    there = {demand.name: [site for site in sites[demand.name] if site.node in nodes] for demand in demands}
    if not all(there.values()):
        return False
    answer = pack(stocked(demands, there, worth_of(demands, None).of, fleet, {}).problem, Engine(limits))
    if isinstance(answer, Short):
        return False if answer.proved else None
    return True


def bought(fleet: Fleet, machines: Sequence[int]) -> Fleet:
    """Return a fleet with so many machines of each node, without those of which there are none."""
    counted = zip(fleet.nodes, machines, strict=True)
    nodes = tuple(node.model_copy(update={"count": count}) for node, count in counted if count)
    return fleet.model_copy(update={"nodes": nodes})
