"""Where the copies of stated demands stand in a solution: on which machines, with which devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from aios.records.demanded import Demanded
from aios.records.selection import Placement
from aios.solve.amounts import UNUSED
from aios.solve.cpsat import Engine, Term
from aios.solve.model import Decisions
from aios.solve.problem import Problem, devices_of

__all__ = ["placed_copies", "standing_copies"]


def standing_copies(decisions: Decisions, values: Sequence[int], engine: Engine) -> Sequence[int]:
    """Return a solution like this one in which as many copies as can be are on the machines where they stand."""
    problem, model, terms = decisions.problem, decisions.model, list[Term]()
    for intent, stated in problem.stated.items():
        standing = problem.moving.standing.get(stated.demand.name)
        before = Counter[str]()
        for part in standing.placement if standing else ():
            before[part.node] += part.replicas
        for name, own in _on_machines(decisions, intent).items():
            if before[name]:
                stays = model.variable(0, before[name])
                model.linear([(stays, 1), *((variable, -1) for variable, _ in own)], high=0)
                terms.append((stays, -1))
    if not terms:
        return values
    model.minimize(terms)
    model.hint(values)
    return engine.solve(model).values or values


def _on_machines(decisions: Decisions, intent: int) -> dict[str, list[Term]]:
    """Return machine -> variables (and bins) of the copies that stand there."""
    problem = decisions.problem
    found: dict[str, list[Term]] = {}
    for index, loads in enumerate(decisions.loads):
        for load in loads:
            if load.intent == intent:
                found.setdefault(_name(problem, index), []).append((load.variable, index))
    return found


def _name(problem: Problem, index: int) -> str:
    machine = problem.machines[problem.bins[index].machine]
    return machine.node.instances()[machine.instance]


def placed_copies(decisions: Decisions, values: Sequence[int]) -> dict[str, tuple[Placement, ...]]:
    """Return demand -> where its copies stand; whole devices are given out in order, to who has them already first."""
    problem = decisions.problem
    free = _unused(decisions, values)
    found: dict[str, tuple[Placement, ...]] = {}
    waiting: list[tuple[Demanded, str, str, int]] = []
    stands: dict[str, Counter[tuple[str, tuple[str, ...]]]] = {}
    for intent, stated in problem.stated.items():
        own = stands.setdefault(stated.demand.name, Counter())
        for name, loads in _on_machines(decisions, intent).items():
            for variable, index in loads:
                place, copies = problem.bins[index], values[variable]
                if place.pool is None and copies:
                    own[name, (_id(problem, index),)] += copies
                elif place.pool == "" and copies:
                    own[name, ()] += copies
                elif place.pool and copies:
                    waiting.append((stated.demand, name, place.pool, copies))
    for demand, name, ids in _given(problem, waiting, free):
        stands[demand.name][name, ids] += 1
    for stated in problem.stated.values():
        wanted = stated.demand.accelerators
        found[stated.demand.name] = tuple(
            Placement(node=node, devices=ids, share=wanted.share if wanted else 0.0, replicas=copies)
            for (node, ids), copies in sorted(stands[stated.demand.name].items())
        )
    return found


def _given(
    problem: Problem, waiting: Sequence[tuple[Demanded, str, str, int]], free: Mapping[tuple[str, str], list[str]]
) -> list[tuple[Demanded, str, tuple[str, ...]]]:
    """Give whole devices to copies."""
    found, left = [], []
    for demand, name, device, copies in waiting:
        standing, own, kept = problem.moving.standing.get(demand.name), free[name, device], 0
        for part in standing.placement if standing else ():
            for _ in range(part.replicas):
                if kept < copies and part.node == name and part.devices and set(part.devices) <= set(own):
                    found.append((demand, name, part.devices))
                    own[:] = [id_ for id_ in own if id_ not in part.devices]
                    kept += 1
        left.append((demand, name, device, copies - kept))
    for demand, name, device, copies in left:
        own, wide = free[name, device], demand.accelerators.count if demand.accelerators else 0
        for _ in range(copies):
            found.append((demand, name, tuple(own[:wide])))
            del own[:wide]
    return found


def _unused(decisions: Decisions, values: Sequence[int]) -> dict[tuple[str, str], list[str]]:
    """Return (machine, device type) -> ids of its devices on which nothing stands."""
    problem = decisions.problem
    found: dict[tuple[str, str], list[str]] = {}
    for index, place in enumerate(problem.bins):
        if place.pool is None:
            own, id_ = found.setdefault((_name(problem, index), place.type), []), _id(problem, index)
            free = problem.machines[place.machine].node.free_share(id_) >= UNUSED
            if free and not any(values[load.variable] for load in decisions.loads[index]):
                own.append(id_)
    return found


def _id(problem: Problem, index: int) -> str:
    place = problem.bins[index]
    return devices_of(problem.machines[place.machine].node)[place.type][place.device]
