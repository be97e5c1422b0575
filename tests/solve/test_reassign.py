"""Moving processes between machines: costs worked by hand, optima by trying everything, searches that keep rules."""

import itertools
import random  # noqa: TID251 -- seeded: which problems are made

import numpy as np
import pytest

from aios.solve import Limits
from aios.solve.cpsat import Engine
from aios.solve.reassign import Balance, Machine, Prices, Problem, Process, Resource, Service, reassign
from aios.solve.reassign.again import Again
from aios.solve.reassign.anneal import Noise, anneal, settle
from aios.solve.reassign.standing import NEVER, Standing, Tables
from aios.solve.reassign.swaps import swap, swaps

PRICES = Prices(process=1, service=10, machine=100)


def solve(problem, work=5.0):
    return reassign(problem, Engine(Limits(deterministic_limit=work)))


def cost(problem, at):
    """The definition, term by term."""
    total, moved = 0, [0] * len(problem.services)
    for index, machine in enumerate(problem.machines):
        on = [process for process, where in zip(problem.processes, at, strict=True) if where == index]
        used = [sum(process.takes[kind] for process in on) for kind in range(len(problem.resources))]
        total += sum(r.price * max(0, u - s) for r, u, s in zip(problem.resources, used, machine.safety, strict=True))
        left = [has - taken for has, taken in zip(machine.capacity, used, strict=True)]
        total += sum(b.price * max(0, b.target * left[b.one] - left[b.other]) for b in problem.balances)
    for process, where in zip(problem.processes, at, strict=True):
        if where != process.home:
            total += problem.prices.process * process.move
            total += problem.prices.machine * problem.machines[process.home].moves[where]
            moved[process.service] += 1
    return total + problem.prices.service * max(moved)


def holds(problem, at):
    """The rules, one after the other."""
    for index, machine in enumerate(problem.machines):
        for kind, resource in enumerate(problem.resources):
            there = [
                process.takes[kind]
                for process, where in zip(problem.processes, at, strict=True)
                if where == index or (resource.transient and process.home == index)
            ]
            if sum(there) > machine.capacity[kind]:
                return False
    stands = [[] for _ in problem.services]
    for process, where in zip(problem.processes, at, strict=True):
        stands[process.service].append(where)
    near = [{problem.machines[index].neighbourhood for index in own} for own in stands]
    for service, own, here in zip(problem.services, stands, near, strict=True):
        places = {problem.machines[index].location for index in own}
        if len(set(own)) < len(own) or len(places) < service.locations:
            return False
        if any(not here <= near[other] for other in service.depends):
            return False
    return True


def invented(seed, machines=3, processes=6, full=0.7, prices=PRICES):
    """A random problem, around processes that stand somewhere already."""
    draw = random.Random(seed)
    services = [draw.randrange(1 + processes // 2) for _ in range(processes)]
    homes = []
    for index, service in enumerate(services):
        taken = {homes[other] for other in range(index) if services[other] == service}
        homes.append(draw.choice([m for m in range(machines) if m not in taken] or [None]))
    if None in homes:
        return invented(seed + 1_000, machines, processes, full, prices)
    takes = [tuple(draw.randint(0, 9) for _ in range(2)) for _ in range(processes)]
    used = [[sum(t[k] for t, h in zip(takes, homes, strict=True) if h == m) for k in range(2)] for m in range(machines)]
    there = [
        Machine(
            machine % 2,
            draw.randrange(2),
            tuple(int(u / full) + draw.randint(2, 9) for u in used[machine]),
            tuple(draw.randint(0, max(1, u)) for u in used[machine]),
            tuple(0 if machine == other else draw.randint(0, 2) for other in range(machines)),
        )
        for machine in range(machines)
    ]
    linked = min(0.4, 4 / processes)
    own = [[homes[p] for p in range(processes) if services[p] == s] for s in range(1 + processes // 2)]
    near = [{there[m].neighbourhood for m in hosts} for hosts in own]
    kinds = [
        Service(
            draw.randint(0, len({there[m].location for m in hosts})),
            tuple(o for o in range(len(own)) if o != s and near[s] <= near[o] and draw.random() < linked),
        )
        for s, hosts in enumerate(own)
    ]
    resources = (Resource(draw.random() < 0.5, 3), Resource(False, 5))
    made = [Process(*row) for row in zip(services, takes, [draw.randint(0, 3) for _ in takes], homes, strict=True)]
    return Problem(resources, tuple(there), tuple(kinds), tuple(made), (Balance(0, 1, 2, 1),), prices)


def test_a_cost_worked_by_hand():
    """Both on the first: 2 x (9 - 5) = 8 of load, and 2 x 1 - 0 = 2 of imbalance on it, 2 x 10 - 5 = 15 on the other.
    The second moves: loads cost nothing, imbalances 2 x 5 - 0 = 10 and 2 x 6 - 5 = 7; the move 3 + 10 + 200."""
    machines = (Machine(0, 0, (10, 0), (5, 0), (0, 2)), Machine(0, 0, (10, 5), (5, 5), (1, 0)))
    processes = (Process(0, (5, 0), 1, 0), Process(1, (4, 0), 3, 0))
    problem = Problem(
        (Resource(False, 2), Resource(False, 1)), machines, (Service(), Service()), processes, (Balance(0, 1, 2, 1),),
        PRICES,
    )  # fmt: skip
    tables = Tables(problem)
    assert Standing(tables, [0, 0]).cost == cost(problem, [0, 0]) == 25
    assert Standing(tables, [0, 1]).cost == cost(problem, [0, 1]) == 17 + 213
    assert Standing(tables, [0, 0]).shifts(1).tolist() == [0, 205]
    answer = solve(problem)
    assert (list(answer.machines), answer.cost, answer.before, answer.bound) == ([0, 0], 25, 25, 25)


@pytest.mark.parametrize("seed", range(40))
def test_the_optimum_is_that_of_trying_everything(seed):
    problem = invented(seed)
    ways = itertools.product(range(len(problem.machines)), repeat=len(problem.processes))
    best = min(cost(problem, at) for at in ways if holds(problem, at))
    answer = solve(problem)
    assert holds(problem, answer.machines)
    assert answer.cost == cost(problem, answer.machines) == best == answer.bound


@pytest.mark.parametrize("seed", range(12))
def test_changes_are_what_the_definition_says_and_no_rule_is_broken(seed):
    """Every single move and every swap, from a standing in which some have moved already."""
    problem = invented(seed, machines=4, processes=9, full=0.6)
    standing = Standing(Tables(problem), [process.home for process in problem.processes])
    for process in range(0, 9, 2):
        change = standing.shifts(process)
        standing.move(process, int(change[change < NEVER].argmax()) if change.max() < NEVER else int(change.argmin()))
    at, before = standing.at.tolist(), standing.cost
    assert holds(problem, at)
    assert before == cost(problem, at)
    for process in range(9):
        for machine, change in enumerate(standing.shifts(process).tolist()):
            there = [*at[:process], machine, *at[process + 1 :]]
            assert (change < NEVER) == holds(problem, there)
            assert change == NEVER or before + change == cost(problem, there)
        for other, change in enumerate(swaps(standing, process, slice(0, 9)).tolist()):
            there = list(at)
            there[process], there[other] = at[other], at[process]
            if change == NEVER:
                assert at[other] == at[process] or not holds(problem, there)
                continue
            traded = swap(standing, process, other)
            assert traded == holds(problem, there)
            assert standing.cost == cost(problem, standing.at.tolist())
            if traded:
                assert abs(before + change - standing.cost) <= PRICES.service * len(problem.processes)
                assert swap(standing, process, other)
            assert standing.at.tolist() == at
            assert standing.cost == before


@pytest.mark.parametrize("seed", range(4))
def test_each_search_keeps_every_rule_and_its_own_sums(seed):
    problem = invented(seed, machines=6, processes=30, full=0.8)
    standing = Standing(Tables(problem), [process.home for process in problem.processes])
    before, engine, noise = standing.cost, Engine(Limits(deterministic_limit=0.4)), Noise(0, 40)
    settle(standing, engine, 0.3)
    settled = standing.cost
    anneal(standing, engine, noise, 0.2)
    annealed = standing.cost
    free = np.flatnonzero(np.isin(standing.at, [0, 2, 3])).tolist()
    answer = Again(standing, [0, 2, 3], free).solve(engine, 0.5)
    assert settled <= before
    assert standing.cost <= annealed
    assert answer.bound <= standing.cost
    assert holds(problem, standing.at.tolist())
    fresh = Standing(standing.tables, standing.at.tolist())
    assert (fresh.cost, fresh.most, fresh.with_most) == (standing.cost, standing.most, standing.with_most)
    for name in ("level", "room", "price", "frees", "spread", "near"):
        assert (getattr(fresh, name) == getattr(standing, name)).all(), name
    assert fresh.cost == cost(problem, standing.at.tolist())


def test_large_ones_are_improved_within_the_work_and_bounded():
    problem = invented(3, machines=30, processes=200, full=0.8, prices=Prices(1, 1, 1))
    answer = solve(problem, work=0.3)
    assert holds(problem, answer.machines)
    assert answer.bound <= answer.cost == cost(problem, answer.machines) < answer.before
    assert answer == solve(problem, work=0.3)


def test_what_breaks_a_rule_already_is_refused():
    machines = (Machine(0, 0, (1,), (1,), (0,)),)
    problem = Problem((Resource(False, 1),), machines, (Service(),), (Process(0, (2,), 0, 0),))
    with pytest.raises(ValueError, match="breaks a rule"):
        solve(problem)
