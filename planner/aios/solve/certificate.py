"""Proofs, by prices of capacities, that intents do not fit together.

If every cell of a family has a price, and the cheapest ways to run all intents cost more than all cells together are
worth, no plan exists (weak duality: Farkas' lemma for the relaxed problem). A proof names what it rests on: clauses
whose cells have a price, and intents whose cheapest way has one; it is checked by adding up figures none of which is
negative, so that rounding cannot make it wrong beyond the margin.

Each cell counts its parts also by rounded sizes, the dual feasible functions u(k) of Fekete and Schepers (2001): no
more than one part of over a half stands on a device. And of options that take n whole devices each, k devices of a type
hold no more than k/n, rounded down (a cut of Chvatal and Gomory).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.solve.cells import Cells, Profile
from aios.solve.lp import LinearProgram

__all__ = ["Asked", "Certificate", "Relaxed", "relaxed"]

_MARGIN = 1e-7
"""By how much, relatively, a proof must exceed what it is compared with: far more than sums of doubles are off."""
_ROUNDINGS = (0, 1, 2, 3)
"""Which u(k) are used; 0 is the size itself."""
_NOTHING = 1e-9
"""Prices that are no more than noise of the engine."""
_WHOLE = 1e-6
"""How far from all intents the optimum must be for a proof to be worth looking for."""

_Row = tuple[int, int]
"""A family of cells and which u(k) counts; or a zone, and minus how many parts are counted as one."""


_Weights = dict[Profile, list[tuple[_Row, float]]]
"""What was found of profiles while one problem is made."""


class Asked(NamedTuple):
    """Which clauses must hold. choices: intent -> shapes it may run as · off: capacity clauses that need not hold ·
    given: clause -> its own figure, changed"""

    choices: Mapping[int, tuple[int, ...]]
    off: frozenset[int] = frozenset()
    given: Mapping[int, int] = {}


class Certificate:
    """Prices. worth: of all cells together · clauses: whose cells have a price"""

    def __init__(self, cells: Cells, prices: Mapping[_Row, float], given: Mapping[int, int]) -> None:
        self._cells = cells
        self._prices = prices
        self._given = dict(given)
        self._costs: dict[tuple[int, frozenset[int]], float] = {}
        self._least: dict[tuple[tuple[int, ...], frozenset[int]], float] = {}
        self.worth = sum(price * _supply(cells, row) for row, price in prices.items())
        self.clauses = frozenset(rule for row in prices for rule in _rules(cells, row))

    def proves(self, asked: Asked) -> bool:
        """Say whether it proves that what is asked for cannot be."""
        if self.clauses & asked.off or self._given != asked.given:
            return False
        return sum(self.least(shapes, asked.off) for shapes in asked.choices.values()) > self.worth * (1 + _MARGIN)

    def least(self, shapes: tuple[int, ...], off: frozenset[int]) -> float:
        """Return what the cheapest of some shapes costs."""
        key = (shapes, off)
        if key not in self._least:
            self._least[key] = min((self._cost(shape, off) for shape in shapes), default=0.0)
        return self._least[key]

    def _cost(self, shape: int, off: frozenset[int]) -> float:
        key = (shape, off)
        if key not in self._costs:
            parts = self._cells.problem.shapes[shape].parts
            each = [self._priced(item) for item in self._cells.profiles(shape) if _stands(item, off, self._given)]
            zone = self._cells.zone(shape)
            dozens = ((n, price) for (of, n), price in self._prices.items() if n < 0 and of == zone)
            once = sum(price * (parts // -n) for n, price in dozens)
            # What cannot stand anywhere is dearer than everything.
            self._costs[key] = once + parts * min(each) if each else 2 * self.worth + 1
        return self._costs[key]

    def _priced(self, profile: Profile) -> float:
        total = 0.0
        for family, amount in profile.weights:
            capacity = _capacity(self._cells, family, self._given)
            for rounding in _ROUNDINGS:
                price = self._prices.get((family, rounding))
                if price:
                    total += price * _rounded(amount, capacity, rounding)
        return total


def _supply(cells: Cells, row: _Row) -> int:
    """Return how many cells a row counts, or (of a zone) dozens of them."""
    of, rounding = row
    if rounding >= 0:
        return cells.families[of].cells
    return sum(cells.families[family].cells for family in cells.zone_families(of)) // -rounding


def _rules(cells: Cells, row: _Row) -> set[int]:
    families = [row[0]] if row[1] >= 0 else cells.zone_families(row[0])
    return {cells.families[family].rule for family in families}


def _capacity(cells: Cells, family: int, given: Mapping[int, int]) -> int:
    found = cells.families[family]
    return given[found.rule] * found.scale if found.rule in given else found.capacity


def _rounded(amount: int, capacity: int, rounding: int) -> float:
    """Return u(k) of an amount as a share of the capacity."""
    if capacity <= 0:
        return 0.0
    if not rounding:
        return amount / capacity
    whole, rest = divmod((rounding + 1) * amount, capacity)
    return whole / rounding if rest else amount / capacity


class Relaxed(NamedTuple):
    """The optimum of the relaxed problem. shares: intent -> shape -> how much of it · certificate: of infeasibility"""

    shares: Mapping[int, Mapping[int, float]]
    certificate: Certificate | None


def relaxed(cells: Cells, asked: Asked) -> Relaxed:
    """Let as many intents as can be run in parts, on all equal cells together."""
    program = LinearProgram()
    rows: dict[_Row, int] = {}
    variables: list[tuple[int, int, int]] = []
    dozens, known = _dozens(cells, asked), _Weights()
    for intent, shapes in asked.choices.items():
        once = program.row((), high=1.0)
        for shape in shapes:
            parts = cells.problem.shapes[shape].parts
            for profile in cells.profiles(shape):
                if not _stands(profile, asked.off, asked.given):
                    continue
                variable = program.variable(1.0, 1.0)
                variables.append((intent, shape, variable))
                program.extend(once, variable, 1.0)
                taken = [(key, parts * weight) for key, weight in _weights(cells, profile, asked, known)]
                for key, weight in (*taken, *dozens.get(shape, ())):
                    if key not in rows:
                        rows[key] = program.row((), high=float(_supply(cells, key)))
                    program.extend(rows[key], variable, weight)
    solution = program.maximize()
    if solution is None:
        return Relaxed({}, None)
    shares: dict[int, dict[int, float]] = {}
    for intent, shape, variable in variables:
        own = shares.setdefault(intent, {})
        own[shape] = own.get(shape, 0.0) + solution.values[variable]
    if solution.objective > len(asked.choices) - _WHOLE:
        return Relaxed(shares, None)
    prices = {key: solution.prices[index] for key, index in rows.items() if solution.prices[index] > _NOTHING}
    found = Certificate(cells, prices, asked.given)
    return Relaxed(shares, found if found.proves(asked) else None)


def _dozens(cells: Cells, asked: Asked) -> dict[int, list[tuple[_Row, float]]]:
    """Return shape -> how many dozens of its zone's cells it takes, for each size of a dozen that some shape needs."""
    shapes = {shape for own in asked.choices.values() for shape in own}
    sizes: dict[int, set[int]] = {}
    for shape in shapes:
        zone = cells.zone(shape)
        if zone is not None and not _rules(cells, (zone, -1)).intersection((*asked.off, *asked.given)):
            sizes.setdefault(zone, set()).add(cells.problem.shapes[shape].parts)
    found: dict[int, list[tuple[_Row, float]]] = {}
    for shape in shapes:
        zone, parts = cells.zone(shape), cells.problem.shapes[shape].parts
        if zone in sizes:
            found[shape] = [((zone, -n), float(parts // n)) for n in sizes[zone] if 1 < n <= parts]
    return found


def _stands(profile: Profile, off: frozenset[int], given: Mapping[int, int]) -> bool:
    """Say whether a part may stand at such a place, as far as is known."""
    return all(rule in off or rule in given for rule in profile.broken)


def _weights(cells: Cells, profile: Profile, asked: Asked, known: _Weights) -> Sequence[tuple[_Row, float]]:
    """Return how much of a cell a part takes, by its size and by rounded ones."""
    if profile not in known:
        known[profile] = [
            ((family, rounding), weight)
            for family, amount in profile.weights
            if cells.families[family].rule not in asked.off
            for capacity in (_capacity(cells, family, asked.given),)
            for rounding in _ROUNDINGS
            if (weight := _rounded(amount, capacity, rounding))
        ]
    return known[profile]
