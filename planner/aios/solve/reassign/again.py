"""Some processes choose again, exactly, among some machines or all; everything else stays where it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from aios.solve.cpsat import Answer, Engine, Model, Term
from aios.solve.reassign.standing import Standing

__all__ = ["Again"]


class Again:
    """The exact model of some processes. machines: among which they move; they stand there · free: the processes"""

    def __init__(self, standing: Standing, machines: Sequence[int], free: Sequence[int]) -> None:
        self.standing, self.machines, self.free, self.tables = standing, machines, free, standing.tables
        self.model = Model()
        self.at: dict[tuple[int, int], int] = {}
        self.hints: list[int] = []
        self.objective: list[Term] = []
        self.own: dict[int, list[int]] = {}
        for process in self.free:
            self.own.setdefault(self.tables.service[process], []).append(process)
        self.fixed = {service: self._fixed(service) for service in self.own}
        self._places()
        for machine in self.machines:
            self._machine(machine)
        for service in self.fixed:
            self._apart(service)
            self._spread(service)
        self._near()
        self._moves()
        self.model.minimize(self.objective)
        self.model.hint(self.hints)

    def _fixed(self, service: int) -> list[int]:
        """Return the machines of what stays of a service."""
        members = self.tables.members[service].tolist()
        return [self._now(process) for process in members if process not in self.own[service]]

    def _variable(self, low: int, high: int, hint: int) -> int:
        self.hints.append(hint)
        return self.model.variable(low, high)

    def _places(self) -> None:
        """Let every free process stand on one machine, at the price of its move."""
        tables = self.tables
        for process in self.free:
            here, home = self._now(process), tables.home[process]
            taken = set(self.fixed[tables.service[process]])
            for machine in self.machines:
                if machine in taken:
                    continue
                at = self.at[process, machine] = self._variable(0, 1, machine == here)
                if machine != home:
                    self.objective.append((at, tables.leaves[process] + int(tables.between[home, machine])))
            self.model.exactly_one([self.at[process, m] for m in self.machines if (process, m) in self.at])

    def _on(self, machine: int, processes: Iterable[int]) -> list[tuple[int, int]]:
        return [(p, self.at[p, machine]) for p in processes if (p, machine) in self.at]

    def _machine(self, machine: int) -> None:
        """Keep capacities, and price levels."""
        standing, tables = self.standing, self.tables
        now = np.array([process for process in self.free if standing.at[process] == machine], dtype=np.int64)
        room = standing.room[:, machine] + standing.frees[:, now].sum(axis=1)
        level = standing.level[:, machine] - tables.adds[:, now].sum(axis=1)
        on = self._on(machine, self.free)
        for resource, free in enumerate(room.tolist()):
            stays, takes = tables.stays[resource], tables.takes[resource]
            terms = [(at, int((stays if tables.home[p] == machine else takes)[p])) for p, at in on]
            if sum(weight for _, weight in terms) > free:
                self.model.linear(terms, high=free)
        for index, empty in enumerate(level.tolist()):
            adds = tables.adds[index]
            terms = [(at, int(adds[p])) for p, at in on if adds[p]]
            most = empty + sum(weight for _, weight in terms if weight > 0)
            if most <= 0:
                continue
            over = self._variable(0, most, max(0, int(standing.level[index, machine])))
            self.model.linear([(over, -1), *terms], high=-empty)
            self.objective.append((over, 1))

    def _apart(self, service: int) -> None:
        """Keep processes of a service on different machines."""
        own = self.own[service]
        if len(own) > 1:
            for machine in self.machines:
                self.model.at_most_one([at for _, at in self._on(machine, own)])

    def _spread(self, service: int) -> None:
        """Keep a service in enough locations."""
        least, location = self.tables.locations[service], self.tables.location
        held = {int(location[machine]) for machine in self.fixed[service]}
        if len(held) >= least:
            return
        places: dict[int, list[int]] = {}
        for machine in self.machines:
            if (place := int(location[machine])) not in held:
                places.setdefault(place, []).extend(at for _, at in self._on(machine, self.own[service]))
        found: list[Term] = []
        for place, ats in places.items():
            here = self._variable(0, 1, int(self.standing.spread[service, place] > 0))
            self.model.linear([(here, 1), *((at, -1) for at in ats)], high=0)
            found.append((here, 1))
        self.model.linear(found, low=least - len(held))

    def _near(self) -> None:
        """Keep what services depend on in their neighbourhoods."""
        tables, groups = self.tables, dict[int, list[int]]()
        for machine in self.machines:
            groups.setdefault(int(tables.neighbourhood[machine]), []).append(machine)
        for group, machines in groups.items():
            left = {s: self._left(s, group) for s in self.own}
            stand = {s: [at for m in machines for _, at in self._on(m, self.own[s])] for s in self.own}
            for service in self.own:
                for need in tables.needs[service].tolist():
                    if left.get(need, self.standing.near[need, group]) == 0:
                        other = [(at, -1) for at in stand.get(need, ())]
                        for at in stand[service]:
                            self.model.linear([(at, 1), *other], high=0)
                for other_service in tables.needed[service].tolist():
                    there = left.get(other_service, self.standing.near[other_service, group])
                    if left[service] == 0 and there > 0:
                        self.model.linear([(at, 1) for at in stand[service]], low=1)

    def _left(self, service: int, group: int) -> int:
        """Return how many processes of a service stay in a neighbourhood."""
        free = sum(int(self.tables.neighbourhood[self._now(process)]) == group for process in self.own[service])
        return int(self.standing.near[service, group]) - free

    def _now(self, process: int) -> int:
        return int(self.standing.at[process])

    def _moves(self) -> None:
        """Price the most moves of one service."""
        standing, tables = self.standing, self.tables
        weight = tables.problem.prices.service
        if not weight:
            return
        others = max((moved for s, moved in enumerate(standing.moved) if s not in self.own), default=0)
        most = self._variable(others, max(standing.most, others, *map(len, tables.members)), standing.most)
        self.objective.append((most, weight))
        for service, own in self.own.items():
            home = [self.at[p, tables.home[p]] for p in own if (p, tables.home[p]) in self.at]
            fixed = standing.moved[service] - sum(self._now(p) != tables.home[p] for p in own)
            if fixed + len(own) > others:
                self.model.linear([(most, 1), *((at, 1) for at in home)], low=fixed + len(own))

    def solve(self, engine: Engine, share: float) -> Answer:
        """Place what is free again, as long as that costs less; the answer's bound is for these processes."""
        answer = engine.solve(self.model, share, numbers=True)
        if answer.values:
            new = {process: machine for (process, machine), at in self.at.items() if answer.values[at]}
            before = self.standing.cost
            old = {process: self._now(process) for process in self.free}
            for process, machine in new.items():
                self.standing.move(process, machine)
            if self.standing.cost > before:
                for process, machine in old.items():
                    self.standing.move(process, machine)
        return answer
