"""Where processes stand, what that costs, and what each single move would change: all machines looked at in one go.

Load over a safety capacity and imbalance are of one form: the positive part of a **level**, a number per machine that
is a constant plus what each process on it adds. A resource's level is its price times what is taken beyond the safety
capacity; a balance's is its price times (target times what is left of the one, less what is left of the other).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from aios.solve.reassign.problem import Problem

__all__ = ["NEVER", "Mask", "Standing", "Tables", "Whole"]

Whole: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

NEVER = 1 << 60
"""Change of cost of a move that may not be made: more than any that may."""


class Tables:
    """A problem as arrays: what does not change. Arrays end in machines or processes, so that rows are contiguous.

    takes, stays, capacity: [resource][...]; ``stays`` has 0 for transient resources · adds, base: [level][...], what a
    process adds to a level, what a level is on an empty machine · between, leaves: prices of moves, weighted
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        machines, processes = problem.machines, problem.processes
        self.takes = _rows((process.takes for process in processes), len(problem.resources))
        lasting = np.array([not resource.transient for resource in problem.resources], dtype=bool)
        self.stays = self.takes * lasting[:, None]
        self.capacity = _rows((machine.capacity for machine in machines), len(problem.resources))
        prices = np.array([resource.price for resource in problem.resources], dtype=np.int64)[:, None]
        safety = _rows((machine.safety for machine in machines), len(problem.resources))
        adds, base = [prices * self.takes], [-prices * safety]
        for one, other, target, price in problem.balances:
            adds.append(price * (self.takes[[other]] - target * self.takes[[one]]))
            base.append(price * (target * self.capacity[[one]] - self.capacity[[other]]))
        self.adds: Whole = np.concatenate(adds)
        self.base: Whole = np.concatenate(base)
        self.between: Whole = problem.prices.machine * np.array([m.moves for m in machines], dtype=np.int64)
        self.leaves = [problem.prices.process * process.move for process in processes]
        self.leaving: Whole = np.array(self.leaves, dtype=np.int64)
        self.transient = not lasting.all()
        self.home = [process.home for process in processes]
        self.homes: Whole = np.array(self.home, dtype=np.int64)
        self.service = [process.service for process in processes]
        self.location: Whole = np.array([machine.location for machine in machines])
        self.neighbourhood: Whole = np.array([machine.neighbourhood for machine in machines])
        self._relations(problem)

    def _relations(self, problem: Problem) -> None:
        """Note who belongs together: members of every service, what it depends on and what depends on it."""
        count = len(problem.services)
        members: list[list[int]] = [[] for _ in range(count)]
        for process, service in enumerate(self.service):
            members[service].append(process)
        self.members = [np.array(own, dtype=np.int64) for own in members]
        needs = [sorted(set(s.depends) - {index}) for index, s in enumerate(problem.services)]
        self.needs: list[Whole] = [np.array(own, dtype=np.int64) for own in needs]
        needed: list[list[int]] = [[] for _ in range(count)]
        for index, own in enumerate(needs):
            for other in own:
                needed[other].append(index)
        self.needed: list[Whole] = [np.array(own, dtype=np.int64) for own in needed]
        self.locations = [service.locations for service in problem.services]

    def bound(self) -> int:
        """Return what nothing costs less than: levels sum to the same wherever processes stand."""
        sums = self.base.sum(axis=1) + self.adds.sum(axis=1)
        return int(np.maximum(sums, 0).sum())


def _rows(columns: object, count: int) -> Whole:
    """Return columns as an array of so many contiguous rows."""
    rows = np.array(list(columns), dtype=np.int64)  # type: ignore[call-overload]  # any iterable of tuples
    return np.ascontiguousarray(rows.reshape(-1, count).T)


class Standing:
    """A placement that satisfies everything, and what it costs.

    at: machine of every process · level: [level][machine] · room: [resource][machine], what is still free, with what
    moved processes hold of transient resources at home · frees: [resource][process], what is free when it leaves ·
    price: of every machine's levels · spread, near: [service][location or neighbourhood], how many processes · moved:
    of every service, how many processes
    """

    def __init__(self, tables: Tables, at: Sequence[int]) -> None:
        self.tables = tables
        self.at: Whole = np.array(at, dtype=np.int64)
        self.level = tables.base.copy()
        self.room = tables.capacity.copy()
        services = len(tables.members)
        self.spread = np.zeros((services, int(tables.location.max()) + 1), dtype=np.int32)
        self.near = np.zeros((services, int(tables.neighbourhood.max()) + 1), dtype=np.int32)
        self.moved = [0] * services
        self.moves = 0
        for process, (machine, home) in enumerate(zip(at, tables.home, strict=True)):
            self.level[:, machine] += tables.adds[:, process]
            self.room[:, machine] -= tables.takes[:, process]
            service = tables.service[process]
            self.spread[service, tables.location[machine]] += 1
            self.near[service, tables.neighbourhood[machine]] += 1
            if machine != home:
                self.room[:, home] -= tables.takes[:, process] - tables.stays[:, process]
                self.moved[service] += 1
                self.moves += tables.leaves[process] + int(tables.between[home, machine])
        self.price: Whole = np.maximum(self.level, 0).sum(axis=0)
        self._most()
        self._buffer = np.empty_like(self.level)
        self.frees: Whole = np.where(self.at == tables.homes, tables.stays, tables.takes)

    def _most(self) -> None:
        """Note the most moves that a service makes, and how many services make so many."""
        self.most = max(self.moved, default=0)
        self.with_most = self.moved.count(self.most)

    @property
    def cost(self) -> int:
        """What it all costs."""
        return int(self.price.sum()) + self.moves + self.tables.problem.prices.service * self.most

    def shifts(self, process: int) -> Whole:
        """Return by machine what moving one process there changes of the cost; 0 where it stands."""
        tables, here, home = self.tables, int(self.at[process]), self.tables.home[process]
        adds, buffer = tables.adds[:, process], self._buffer
        np.add(self.level, adds[:, None], out=buffer)
        np.maximum(buffer, 0, out=buffer)
        change: Whole = buffer.sum(axis=0)
        change -= self.price
        change += tables.between[home]
        left = self.level[:, here] - adds
        base = int(left[left > 0].sum()) - int(self.price[here])
        base -= int(tables.between[home, here])
        weight, moved = tables.problem.prices.service, self.moved[tables.service[process]]
        if here == home:
            base += tables.leaves[process] + (weight if moved == self.most else 0)
        else:
            alone = moved == self.most and self.with_most == 1
            change[home] -= tables.leaves[process] + (weight if alone else 0)
        change += base
        change[~self._allowed(process, here, home)] = NEVER
        change[here] = 0
        return change

    def _allowed(self, process: int, here: int, home: int) -> Mask:
        """Return the machines onto which one process may move."""
        tables, service = self.tables, self.tables.service[process]
        allowed: Mask = np.logical_and.reduce(self.room >= tables.takes[:, process, None], axis=0)
        if here != home:
            allowed[home] = bool((self.room[:, home] >= tables.stays[:, process]).all())
        allowed[self.at[tables.members[service]]] = False
        least = tables.locations[service]
        if least > 1:
            spread, location = self.spread[service], tables.location[here]
            if spread[location] == 1 and np.count_nonzero(spread) <= least:
                fresh: Mask = np.equal(spread, 0)
                fresh[location] = True
                allowed &= fresh[tables.location]
        needs, needed, neighbourhood = tables.needs[service], tables.needed[service], tables.neighbourhood[here]
        if needs.size:
            near: Mask = np.logical_and.reduce(self.near[needs] > 0, axis=0)
            near[neighbourhood] = True
            allowed &= near[tables.neighbourhood]
        if needed.size and self.near[service, neighbourhood] == 1 and self.near[needed, neighbourhood].any():
            allowed &= tables.neighbourhood == neighbourhood
        return allowed

    def move(self, process: int, machine: int) -> None:
        """Move one process, whether it may or not."""
        tables, here, home = self.tables, int(self.at[process]), self.tables.home[process]
        if machine == here:
            return
        service = tables.service[process]
        adds, takes, stays = tables.adds[:, process], tables.takes[:, process], tables.stays[:, process]
        self.level[:, here] -= adds
        self.level[:, machine] += adds
        self.room[:, here] += self.frees[:, process]
        self.room[:, machine] -= stays if machine == home else takes
        for end in (here, machine):
            level = self.level[:, end]
            self.price[end] = level[level > 0].sum()
        for counts, where in ((self.spread, tables.location), (self.near, tables.neighbourhood)):
            counts[service, where[here]] -= 1
            counts[service, where[machine]] += 1
        self.at[process] = machine
        self.frees[:, process] = stays if machine == home else takes
        self.moves += int(tables.between[home, machine]) - int(tables.between[home, here])
        if home in (here, machine):
            self._left(service, 1 if here == home else -1)
            self.moves += tables.leaves[process] * (1 if here == home else -1)

    def valid(self) -> bool:
        """Say whether everything that must hold does."""
        if self.room.size and int(self.room.min()) < 0:
            return False
        tables = self.tables
        for service, members in enumerate(tables.members):
            if len(set(self.at[members].tolist())) < len(members):
                return False
            if np.count_nonzero(self.spread[service]) < tables.locations[service]:
                return False
            missing = self.near[tables.needs[service]] == 0
            if missing.size and (missing & (self.near[service] > 0)).any():
                return False
        return True

    def sound(self, process: int, before: int) -> bool:
        """Say whether the service of a process that came from another machine still stands as it must."""
        tables, service, here = self.tables, self.tables.service[process], self.at[process]
        if np.count_nonzero(self.at[tables.members[service]] == here) > 1:
            return False
        least = tables.locations[service]
        if least > 1 and np.count_nonzero(self.spread[service]) < least:
            return False
        came, left = tables.neighbourhood[here], tables.neighbourhood[before]
        needs, needed = tables.needs[service], tables.needed[service]
        if came == left:
            return True
        if needs.size and not self.near[needs, came].all():
            return False
        return not (needed.size and not self.near[service, left] and self.near[needed, left].any())

    def _left(self, service: int, more: int) -> None:
        """Note that a process of a service left its home, or came back."""
        self.moved[service] += more
        if self.moved[service] > self.most or (more < 0 and self.moved[service] == self.most - 1):
            self._most()
        elif self.moved[service] == self.most:
            self.with_most += 1
