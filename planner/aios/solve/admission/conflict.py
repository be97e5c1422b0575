"""Says why required copies do not all stand: the smallest set that does not fit together, and what would."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aios.records.demanded import Demanded
from aios.records.selection import Clause, Conflict, Relaxation
from aios.records.units import Dimension, format_quantity
from aios.solve.admission.stock import Stocked
from aios.solve.amounts import CORE_UNITS, MEMORY_UNITS
from aios.solve.cpsat import Engine
from aios.solve.packing import WHOLE, Kind, Packing, Problem, Short, pack
from aios.solve.packing.problem import fits_alone
from aios.solve.packing.relaxed import lacks
from aios.solve.packing.units import normal

__all__ = ["conflict_of"]

_TESTS = 80
"""Sets of demands of which it is tested, by pools and again by packing, whether they fit."""
_WORK = 1 / 4
"""Share of the engine's allowance for these packings."""
_RELAXED = 4
"""Kinds of demands of which it is looked for how many copies would fit."""
_NAMED = 3
"""Names of demands that are alike that are told."""


def conflict_of(posed: Stocked, engine: Engine) -> Conflict:
    """Return the conflict of required demands of which it is proved that they do not all fit, largest first."""
    together, smallest = _core(posed.problem, Engine(engine.limits))
    core = sorted(together, key=lambda index: _size(posed.problem.kinds[index]), reverse=True)
    notes = [] if smallest else ["A smaller set of these may not fit either: the search for one was stopped."]
    clauses = [_stands(posed.alike[index], posed.problem.kinds[index].number) for index in core]
    relaxations, explaining = [], Engine(engine.limits)
    large = [index for index in core if not _fits(posed.problem, index)]
    notes += [f"Not one copy of {posed.alike[index][0].name} finds room." for index in large]
    for index in () if large or len(core) > _RELAXED else core:
        name, found = posed.alike[index][0].name, _most(posed, index, explaining)
        if found is None:
            notes.append(f"Fewer copies of {name} alone are not enough: others must give too.")
        elif not found.value:
            notes.append(f"Not one copy of {name} finds room.")
        else:
            relaxations.append(found)
    if large:
        clauses += (_largest(posed, index) for index in large)
        return Conflict(clauses=tuple(clauses), relaxations=(), notes=tuple(notes))
    rooms = [_room(posed, core)] if any(posed.problem.kinds[index].places for index in core) else []
    return Conflict(clauses=(*clauses, *rooms), relaxations=tuple(relaxations), notes=tuple(notes))


def _core(problem: Problem, engine: Engine) -> tuple[list[int], bool]:
    """Return required kinds that do not fit together, and whether it is known that any fewer of them do.

    First by pools, which is quick; what they leave is tested by packing.
    """
    required = [index for index, kind in enumerate(problem.kinds) if kind.required]
    least, sure = (1 - _WORK) * engine.left, True

    def part(kinds: Sequence[int]) -> Problem:
        return problem._replace(kinds=tuple(_asked(problem.kinds[index]) for index in kinds))

    def overfill(kinds: Sequence[int]) -> bool:
        return lacks(normal(part(kinds)).problem)

    def fail(kinds: Sequence[int]) -> bool:
        nonlocal sure
        if overfill(kinds):
            return True
        answer = pack(part(kinds), engine) if engine.left > least else Short({}, False)
        sure &= isinstance(answer, Packing) or answer.proved
        return isinstance(answer, Short) and answer.proved

    # Demands that no node holds at all need no others.
    alone = next((index for index in required[:_TESTS] if overfill([index])), None)
    if alone is not None:
        return [alone], True
    kept = sorted(required, key=lambda index: (_size(problem.kinds[index]), index))
    if overfill(kept):
        kept, _ = _fewer(kept, overfill, len(kept) // 2)
        step = 1
    else:
        step = len(kept) // 2
    kept, complete = _fewer(kept, fail, step)
    return sorted(kept), complete and sure


def _fewer(kept: list[int], fail: Callable[[Sequence[int]], bool], step: int) -> tuple[list[int], bool]:
    """Return some of a set that fail too, and whether all were tried that a smallest such set takes.

    More and more of them are left out one after the other; in the end single ones: who is needed in a set is needed in
    any part of it that fails.
    """
    tests, step = 0, max(1, step)
    while step:
        position = 0
        while position < len(kept):
            if tests == _TESTS:
                return kept, False
            rest = [*kept[:position], *kept[position + step :]]
            tests += 1
            if rest and fail(rest):
                kept = rest
            else:
                position += step
        step //= 2
    return kept, True


def _asked(kind: Kind) -> Kind:
    return kind._replace(value=0, required=True)


def _size(kind: Kind) -> tuple[int, int]:
    return kind.devices * kind.share * kind.number, kind.takes[0] * kind.number


def _most(posed: Stocked, index: int, engine: Engine) -> Relaxation | None:
    """Return how many copies of one kind fit beside all others that are required."""
    kinds = [_asked(kind) for kind in posed.problem.kinds if kind.required]
    place = sum(kind.required for kind in posed.problem.kinds[:index])
    kinds[place] = kinds[place]._replace(required=False, value=1)
    found = pack(posed.problem._replace(kinds=tuple(kinds)), engine)
    if not isinstance(found, Packing):
        return None
    first = posed.alike[index][0]
    perhaps = f", at most {found.bound:,}" if found.bound > found.value else ""
    to = f"{found.value:,} {'copy' if found.value == 1 else 'copies'} instead of {kinds[place].number:,}{perhaps}"
    return Relaxation(clause=f"{first.name}/stands", to=to, value=float(found.value), where=first.where)


def _stands(alike: Sequence[Demanded], number: int) -> Clause:
    first = alike[0]
    names = ", ".join(item.name for item in alike[:_NAMED])
    more = f" and {len(alike) - _NAMED:,} more" if len(alike) > _NAMED else ""
    whose = f" ({names}{more})" if len(alike) > 1 else ""
    text = f"{number:,} {'copy' if number == 1 else 'copies'} of {first.takes} stand{'s' if number == 1 else ''}{whose}"
    return Clause(id=f"{first.name}/stands", intent=first.name, text=text, where=first.where)


def _fits(problem: Problem, index: int) -> bool:
    """Say whether some empty machine holds one copy; a copy without a place at all is told of elsewhere."""
    kind = problem.kinds[index]
    return not kind.places or any(fits_alone(problem, kind, place) for place in kind.places)


def _largest(posed: Stocked, index: int) -> Clause:
    """Say that one copy takes more than one machine has, and what the largest ones have."""
    kind, demand = posed.problem.kinds[index], posed.alike[index][0]
    nodes = [posed.problem.nodes[place] for place, _ in kind.places]
    devices = [posed.problem.nodes[place].groups[group] for place, group in kind.places if group >= 0]
    most = [
        f"{max(devices):,} {'device' if max(devices) == 1 else 'devices'}" if devices else "",
        f"{max(item.has[0] for item in nodes) / CORE_UNITS:,.6g} cores" if demand.cores else "",
        format_quantity(max(item.has[1] for item in nodes) / MEMORY_UNITS, Dimension.BYTES)
        if demand.memory_bytes
        else "",
    ]
    text = f"on one machine where {demand.name} may stand at most {' and '.join(filter(None, most))} are free"
    return Clause(id=f"{demand.name}/machine", intent=None, text=text)


def _room(posed: Stocked, core: Sequence[int]) -> Clause:
    """Say what is free where these demands may stand, and what they ask for."""
    kinds = [posed.problem.kinds[index] for index in core]
    places = {place for kind in kinds for place in kind.places}
    stocks = [posed.stocks[index] for index in sorted({nodes for nodes, _ in places})]
    machines = sum(stock.nodes.number for stock in stocks)
    cores = sum(stock.nodes.has[0] * stock.nodes.number for stock in stocks) / CORE_UNITS
    memory = sum(stock.nodes.has[1] * stock.nodes.number for stock in stocks) / MEMORY_UNITS
    rooms = [(posed.stocks[nodes].nodes, group) for nodes, group in sorted(places) if group >= 0]
    devices = sum(own.groups[group] * own.room(group) * own.number for own, group in rooms) / WHOLE
    asked = sum(kind.devices * kind.share * kind.number for kind in kinds) / WHOLE
    asked_cores = sum(kind.takes[0] * kind.number for kind in kinds) / CORE_UNITS
    asked_memory = sum(kind.takes[1] * kind.number for kind in kinds) / MEMORY_UNITS
    has = f"{_amounts(devices, cores, memory)} free; {_amounts(asked, asked_cores, asked_memory)} are asked for"
    pairs = {"devices": (asked, devices), "cores": (asked_cores, cores), "memory": (asked_memory, memory)}
    short = " and ".join(what for what, (wanted, there) in pairs.items() if wanted > there)
    why = f"not enough {short}" if short else "enough in all, but not on machines that hold them"
    text = f"{machines:,} machines where they may stand have {has}: {why}"
    return Clause(id="capacity/fleet", intent=None, text=text)


def _amounts(devices: float, cores: float, memory: float) -> str:
    return f"{devices:,.6g} devices, {cores:,.6g} cores and {format_quantity(memory, Dimension.BYTES)}"
