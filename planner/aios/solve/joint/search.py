"""Makes one sum small after the other, each within what the earlier ones leave: many intents on a whole fleet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from aios.solve.costs import Costs
from aios.solve.cpsat import Engine
from aios.solve.joint.again import choose_again
from aios.solve.joint.cuts import add_cuts
from aios.solve.joint.dive import dive, sizes_of
from aios.solve.joint.grid import Grid
from aios.solve.joint.improve import Draw, Site, choose_some_again, shake
from aios.solve.joint.knapsacks import dive_into_knapsacks, with_knapsacks
from aios.solve.joint.prices import Prices, best_prices
from aios.solve.joint.standing import come_home, stand_again
from aios.solve.joint.target import Held, Target, spread_out, target_of
from aios.solve.joint.ways import Ways
from aios.solve.joint.yard import Where, Yard
from aios.solve.moving import moves_of
from aios.solve.problem import Problem
from aios.solve.report import Solved
from aios.solve.search import NoPlanError

__all__ = ["JointSearch"]

_ROOMS = (0.98, 0.96, 1.0)
"""Shares of all capacity that relaxed plans may take, tried in turn: single machines hold less than their sum."""
_CUTTING = 10
"""Times that rows are added which tell more than sums do."""
_GAINED = 1e-4
"""Share of the bound that such rows must gain for more to be looked for."""
_VAGUE = 1e-3
"""Share of the bound that prices may miss while rows are still added."""
_SHAKEN = 5
"""Times per intent that some choose again on single machines."""
_FIXED, _DIVING = (0.08, 0.05, 0.03, 0.02), 0.15
"""Share of intents that are fixed at once on the way into knapsacks, tried in turn; share of what is left of the
engine's allowance that each of these ways may take."""
_PIECE = 0.0015
"""What once is worth of the engine's allowance, in its deterministic seconds: about what it takes."""
_TOGETHER, _WORK = 30, 1 / 400
"""Intents that choose again at once by the engine, and what share of its allowance that may take."""
_LARGER = 1.25
"""By how much more intents choose again where fewer found nothing."""
_PROOF = 1 / 6
"""Share of the engine's allowance for a proof."""
_PROVABLE = 4000
"""Columns that may be in a better plan, up to which a proof is tried."""
_SOON, _TRIAL = 600, 0.5
"""Columns up to which it is tried whenever few that choose again found nothing, with that share of the work."""
_SURELY = 0.99
"""Share of a unit by which a better plan is cheaper, where costs are counted in units."""
_NEAR = 1e-4
"""Gap to the bound, as a share of the costs, from which on no search is worth its while."""
_WORTH = 0.02
"""Gap to the bound up to which what stands is left as it is: another search among so many would find other plans that
are hardly better, and what they move would hardly pay."""
_FEW = 20
"""Times that some choose again, at once, to make room beside what stands."""


class JointSearch:
    """Does what ``aios.solve.search.Search`` does, for problems that are too large for one exact model.

    Bounds are certified all the same: by prices (see ``prices`` and ``knapsacks``), or by the engine over all columns
    that the prices do not rule out.
    """

    def __init__(self, problem: Problem, engine: Engine, fixed: Mapping[int, Sequence[Where]] | None = None) -> None:
        """fixed: intent of one option -> where its parts stand, and stay"""
        self.problem = problem
        self.fixed = fixed or {}
        self.engine = engine
        self.proved = True
        self.picked: Mapping[int, int] = {}
        self.grid = Grid(problem)
        self.yard: Yard | None = None
        self.held: list[Held] = []
        self.open = self._possible()
        self.stands = bool(self.grid.pins)
        self._keep_still()

    def _possible(self) -> dict[int, list[bool]]:
        grid = self.grid
        return {
            intent: grid.possible[grid.first_option[intent] : grid.first_option[intent + 1]].tolist()
            for intent in range(grid.count)
        }

    def _keep_still(self) -> None:
        """Let what is frozen stay as it is, and no more move than may."""
        problem, moving = self.problem, self.problem.moving
        for index, intent in enumerate(problem.intents):
            if intent.name in moving.frozen:
                same = moving.standing[intent.name].option
                self.restrict(index, [option.stays and option.id == same for option in problem.options[index]])
        if moving.most is not None:
            moves = {index: moves_of(problem, index) for index in range(self.grid.count)}
            for index, row in moves.items() if not moving.most else ():
                self.restrict(index, [not move for move in row])
            self.held.append(Held(spread_out(self.grid, Costs(0.0, 1.0, moves)), moving.most))

    def minimize(
        self, costs: Costs, real: Callable[[], float] | None = None, offset: float = 0.0, share: float = 1.0
    ) -> Solved:
        """Make the costs small; raises NoPlanError when this is the first step and there is no plan, or none was found.

        real: computes the real cost of the best plan from its figures · offset: what the real cost is less than the
        scaled one · share: of the whole allowance that may be used
        """
        found = real or (lambda: costs.real(costs.of(self.picked)) - offset)
        if self.picked and not costs.of(self.picked):
            return Solved(found(), found())  # nothing is below zero
        target = target_of(self.grid, spread_out(self.grid, costs), self.open, self.held)
        prices = best_prices(self.grid, target, close=_VAGUE) if self.picked or self.stands else self._priced(target)
        yard = self.yard or self._standing(target, prices)
        if yard is None:
            prices = self._priced(target) if self.stands else prices
            self.stands = False
            if prices.bound > self._dearest(target):
                raise NoPlanError("infeasible")
            yard = self._first(target, prices)
        self._keep(yard)
        if not self.stands:
            yard = self._packed(yard, target, prices)
            self._keep(yard)
        prices = with_knapsacks(self.grid, target, prices, yard.cost(target.costs))
        bound = prices.bound
        if not self.stands or costs.step * (yard.cost(target.costs) - bound) > _WORTH * abs(found()):
            bound = self._better(self._site(yard, target, prices), bound, share)
            come_home(self._site(yard, target, prices))
            self._keep(yard)
        if yard.cost(target.costs) <= bound + target.unit * 0.5:
            return Solved(found(), found())
        self.proved = False
        whole = max(bound - len(costs.whole) / 2, 0)
        return Solved(found(), min(costs.real(whole) - offset, found()))

    def hold(self, costs: Costs, allowance: float) -> None:
        """Let no later step worsen the costs of the best plan by more than the allowance."""
        limit = costs.of(self.picked) + math.floor(allowance / costs.step)
        for intent, row in costs.whole.items():
            self.restrict(intent, [cost <= limit for cost in row])
        self.held.append(Held(spread_out(self.grid, costs), limit))

    def restrict(self, intent: int, allowed: Sequence[bool]) -> None:
        """Close options of an intent."""
        self.open[intent] = [was and may for was, may in zip(self.open[intent], allowed, strict=True)]

    def _priced(self, target: Target) -> Prices:
        """Return the best prices with all rows that tell more than sums do."""
        prices = best_prices(self.grid, target, close=_VAGUE)
        for _ in range(_CUTTING):
            if not add_cuts(self.grid, prices.values * self.grid.parts[self.grid.option]):
                break
            before, prices = prices.bound, best_prices(self.grid, target, prices.pool, _VAGUE)
            if prices.bound > self._dearest(target) or prices.bound - before < _GAINED * abs(before):
                break
        return best_prices(self.grid, target, prices.pool) if target.is_counted else prices

    def _dearest(self, target: Target) -> float:
        """Return what no plan costs more than."""
        costs = np.where(target.open, target.costs, 0)
        return float(np.maximum.reduceat(costs, self.grid.first_option[:-1]).sum())

    def _keep(self, yard: Yard) -> None:
        self.yard = yard
        first = self.grid.first_option
        self.picked = {intent: yard.option(intent) - int(first[intent]) for intent in range(self.grid.count)}

    def _site(self, yard: Yard, target: Target, prices: Prices) -> Site:
        average = max(prices.bound, 1.0) / max(self.grid.count, 1)
        sizes = sizes_of(self.grid, prices.reduced)
        return Site(
            yard,
            target,
            Ways(self.grid, prices.reduced),
            sizes,
            average,
            Draw(self.engine.limits.seed),
            frozenset(self.fixed),
        )

    def _standing(self, target: Target, prices: Prices) -> Yard | None:
        """Return a plan that keeps what stands, as far as there is room beside it; None where nothing stands."""
        if not self.stands or prices.bound > self._dearest(target):
            return None
        site = self._site(Yard(self.grid), target, prices)
        if not stand_again(site):
            return None
        for _ in range(self.grid.count // _FEW):
            if not site.yard.waiting:
                break
            self._shake(site, _FEW)
        come_home(site)
        return site.yard if site.yard.keeps(target) else None

    def _first(self, target: Target, prices: Prices) -> Yard:
        """Return a plan that single machines hold."""
        sizes = sizes_of(self.grid, prices.reduced)
        best: Yard | None = None
        for room in _ROOMS:
            yard = Yard(self.grid)
            for intent, parts in self.fixed.items():
                yard.back(intent, yard.standing(intent, parts))
            dive(yard, target, prices.prices, room, sizes)
            if best is None or len(yard.waiting) < len(best.waiting):
                best = yard
            if not yard.waiting:
                return yard
        assert best is not None
        site = self._site(best, target, prices)
        for _ in range(_CUTTING):
            self._shake(site, self.grid.count)
            if not best.waiting:
                return best
        if len(self.grid.option) <= _PROVABLE:
            self._decide(site)
        if best.waiting:
            raise NoPlanError("unknown")
        return best

    def _packed(self, yard: Yard, target: Target, prices: Prices) -> Yard:
        """Return the best plan of this one and those to which knapsacks lead, where nodes are such."""
        for share in _FIXED:
            allowance = _DIVING * self.engine.left
            dived = dive_into_knapsacks(self.grid, target, prices, yard.cost(target.costs), share, allowance)
            if not dived.fixed:
                break
            self.engine.left -= dived.work
            new = Yard(self.grid)
            for intent, column in dived.fixed.items():
                new.stand(intent, [(column, 1)], 1)
            site = self._site(new, target, prices)
            for _ in range(_CUTTING):
                if not new.waiting:
                    break
                choose_some_again(site, self.engine, _TOGETHER, _WORK, prices.bound)
            if new.keeps(target) and new.cost(target.costs) < yard.cost(target.costs):
                yard = new
        return yard

    def _decide(self, site: Site) -> None:
        """Let the engine find a plan for all at once; raises NoPlanError where it proves that there is none."""
        grid = self.grid
        columns = {i: range(int(grid.first_column[i]), int(grid.first_column[i + 1])) for i in self._moving()}
        free = {i: [c for c in own if site.target.open[grid.option[c]]] for i, own in columns.items()}
        again = choose_again(site.yard, site.target, free, self.engine, _PROOF, waits=False)
        if again.status == "infeasible":
            raise NoPlanError("infeasible")

    def _moving(self) -> list[int]:
        return [intent for intent in range(self.grid.count) if intent not in self.fixed]

    def _shake(self, site: Site, pieces: int) -> None:
        """Let some intents choose again so many times, as far as the allowance goes."""
        pieces = min(pieces, int(self.engine.left / _PIECE))
        shake(site, pieces)
        self.engine.left -= pieces * _PIECE

    def _better(self, site: Site, bound: float, share: float) -> float:
        """Make the plan hardly worse than any; return a bound in whole steps."""
        costs = site.target.costs
        counted = site.target.is_counted
        least = _SURELY * site.target.unit if counted else _NEAR * max(bound, 1.0)
        stop = self.engine.left - share * self.engine.limits.deterministic_limit / 2
        if all(stock.is_single for stock in self.grid.stocks):
            number, vain, tried = float(_TOGETHER), 0, math.inf
            while site.yard.cost(costs) >= bound + least and self.engine.left > stop and number <= 2 * self.grid.count:
                beyond = site.yard.cost(costs) - bound
                better = choose_some_again(site, self.engine, round(number), _WORK * number / _TOGETHER, beyond)
                vain = 0 if better else vain + 1
                if vain >= len(self.grid.stocks):
                    number, vain = number * _LARGER, 0
                    if site.yard.cost(costs) < tried:
                        bound = self._proof(site, bound, share * _TRIAL, _SOON)
                        tried = site.yard.cost(costs)
        else:
            for _ in range(_SHAKEN):
                if site.yard.cost(costs) < bound + least or self.engine.left <= stop:
                    break
                self._shake(site, self.grid.count)
        if site.yard.cost(costs) < bound + least:
            return float(site.yard.cost(costs)) if counted else bound  # no plan costs less than a unit less
        return self._proof(site, bound, share, _PROVABLE)

    def _proof(self, site: Site, bound: float, share: float, most: int) -> float:
        """Let all intents choose among all columns that may be in a better plan, where these are few enough."""
        grid, target, reduced = self.grid, site.target, site.ways.reduced
        cost = float(site.yard.cost(target.costs))
        beyond = cost - bound - (target.unit * _SURELY if target.is_counted else 0.0)
        if np.count_nonzero(reduced <= beyond) > most:
            return bound
        free = {}
        for intent in self._moving():
            first, end = int(grid.first_column[intent]), int(grid.first_column[intent + 1])
            near = (first + np.flatnonzero(reduced[first:end] <= beyond)).tolist()
            free[intent] = sorted({*near, *(spot.column for spot in site.yard.of[intent])})
        again = choose_again(site.yard, target, free, self.engine, share * _PROOF)
        if again.bound is None:
            return bound
        rounding = 0.0 if target.is_counted else again.step * grid.count / 2
        return max(bound, min(again.bound - rounding, cost))
