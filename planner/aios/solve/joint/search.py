"""Makes one sum small after the other, each within what the earlier ones leave: many intents on a whole fleet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from aios.solve.costs import Costs
from aios.solve.cpsat import Engine
from aios.solve.joint.again import Limited
from aios.solve.joint.cuts import add_cuts
from aios.solve.joint.grid import Grid
from aios.solve.joint.improve import Site, all_again, mended, some_again
from aios.solve.joint.plan import Plan
from aios.solve.joint.prices import Prices, best_prices
from aios.solve.joint.target import Held, Target, spread_out, target_of
from aios.solve.joint.yard import Yard
from aios.solve.problem import Problem
from aios.solve.report import Solved
from aios.solve.search import NoPlanError

__all__ = ["JointSearch"]

_PER_INTENT = (1.5, 2.0, 3.0, 5.0, 8.0, 16.0)
"""Columns per intent among which all choose at once, until there is a plan."""
_AT_ONCE = 400
"""Intents up to which all choose at once; of more, those on the nodes that hold too much, node by node."""
_FIRST = 1 / 60
"""Share of the engine's allowance for letting all intents choose at once."""
_PROOF = 1 / 6
"""Share of it for a proof."""
_SURELY = 0.99
"""Share of a unit by which a better plan is cheaper, where costs are counted in units."""
_PROVABLE = 4000
"""Columns that may be in a better plan, up to which a proof is tried."""
_FINE = 2.0
"""What exceeding a row costs at first, in its price; of one without a price, in what an intent pays on average."""
_ROOM = 0.994
"""Share of all capacity that a relaxed plan of more intents may take: rounding it then exceeds little."""
_TRIES = 10
"""Times that all intents choose at once before a plan is mended."""
_MENDINGS = 60
"""Times that a plan is mended because single machines do not hold it."""
_CUTTING = 10
"""Times that rows are added which tell more than sums do."""
_NEAR = 1e-4
"""Gap to the bound, as a share of the costs, from which on no search is worth its while."""


class JointSearch:
    """Does what ``aios.solve.search.Search`` does, for problems that are too large for one exact model.

    Bounds are certified all the same: by prices (see ``prices``), or by the engine over all columns that the prices do
    not rule out.
    """

    def __init__(self, problem: Problem, engine: Engine) -> None:
        self.problem = problem
        self.engine = engine
        self.proved = True
        self.picked: Mapping[int, int] = {}
        self.grid = Grid(problem)
        self.yard = Yard(self.grid)
        self.plan: Plan | None = None
        self.held: list[Held] = []
        self.open = self._possible()

    def _possible(self) -> dict[int, list[bool]]:
        grid = self.grid
        return {
            intent: grid.possible[grid.first_option[intent] : grid.first_option[intent + 1]].tolist()
            for intent in range(grid.count)
        }

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
        prices = self._priced(target)
        if not self.picked and prices.bound > self._dearest(target):
            raise NoPlanError("infeasible")
        plan = self.plan or self._first(target, prices)
        if self.plan is None:
            prices = best_prices(self.grid, target, prices.pool)
        site = self._site(target, prices)
        plan, bound = self._better(site, plan, share)
        self._keep(plan)
        if plan.cost(target.costs) <= bound + target.unit * 0.5:
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
        """Return the best prices; the first time with all rows that tell more than sums do."""
        prices = best_prices(self.grid, target)
        if self.plan is None:
            for _ in range(_CUTTING):
                if not add_cuts(self.grid, prices.values * self.grid.parts[self.grid.option]):
                    break
                prices = best_prices(self.grid, target, prices.pool)
            self.yard = Yard(self.grid)
        return prices

    def _dearest(self, target: Target) -> float:
        """Return what no plan costs more than."""
        costs = np.where(target.open, target.costs, 0)
        return float(np.maximum.reduceat(costs, self.grid.first_option[:-1]).sum())

    def _keep(self, plan: Plan) -> None:
        self.plan = plan
        chosen = plan.options() - self.grid.first_option[:-1]
        self.picked = dict(enumerate(chosen.tolist()))

    def _first(self, target: Target, prices: Prices) -> Plan:
        """Return a plan that single machines hold: all intents choose at once, with rows for what was found not to."""
        site = self._site(target, self._roomier(target, prices))
        for _ in range(_TRIES):
            plan = Plan.near(self.grid, site.prices.values.tolist())
            for times, per_intent in enumerate(_PER_INTENT):
                stricter = site.stricter(2.0**times)
                if self.grid.count <= _AT_ONCE:
                    plan = all_again(stricter, plan, site.beyond(per_intent), _FIRST).plan
                else:
                    plan = mended(stricter, plan)
                if not plan.excess(site.limits.capacity):
                    break
            if self._stands(site, plan):
                return plan
            add_cuts(self.grid, plan.parts())
            site = self._site(target, self._roomier(target, prices))
        plan = Plan(self.grid, plan.of)
        for number in range(_MENDINGS):
            if self._stands(site, plan):
                return plan
            plan = mended(self._site(target, site.prices).stricter(1.5**number), plan)
            if plan.excess(self.yard.capacity) and self.grid.count <= _AT_ONCE:
                plan = all_again(
                    self._site(target, site.prices).stricter(1.5**number), plan, site.beyond(3.0), _FIRST
                ).plan
        raise NoPlanError("unknown")

    def _roomier(self, target: Target, prices: Prices) -> Prices:
        """Return prices, and a relaxed plan, that keep what single machines are thought to hold."""
        capacity = self.yard.capacity
        if self.grid.count > _AT_ONCE:
            capacity = (capacity * _ROOM).astype(np.int64)
        return best_prices(self.grid, target, prices.pool, capacity)

    def _site(self, target: Target, prices: Prices) -> Site:
        fines = _FINE * np.maximum(prices.row_prices, prices.bound / self.grid.count)
        return Site(self.grid, target, prices, Limited(self.yard.capacity, fines), self.engine)

    def _stands(self, site: Site, plan: Plan) -> bool:
        return not plan.excess(site.limits.capacity) and self.yard.holds(plan)

    def _better(self, site: Site, plan: Plan, share: float) -> tuple[Plan, float]:
        """Return a plan that is hardly worse than any, and a bound in whole steps."""
        target, bound = site.target, site.prices.bound
        least = target.unit if target.is_counted else _NEAR * max(bound, 1.0)
        stop = self.engine.left - share * self.engine.limits.deterministic_limit / 2
        vain, step = 0, 0
        beyond = site.beyond(3.0)
        while vain < 4 * len(self.grid.stocks) and self.engine.left > stop:
            if plan.cost(target.costs) < bound + least:
                return plan, bound
            new = some_again(site, plan, step, beyond)
            step += 1
            vain += 1
            if new is not plan and self.yard.holds(new):
                plan, vain = new, 0
        return self._proof(site, plan, bound, share)

    def _proof(self, site: Site, plan: Plan, bound: float, share: float) -> tuple[Plan, float]:
        """Let all intents choose among all columns that may be in a better plan, where these are few enough."""
        costs, reach = site.target.costs, site.target.unit * _SURELY if site.target.is_counted else 0.0
        beyond = plan.cost(costs) - bound - reach
        if np.count_nonzero(site.prices.reduced <= beyond) > _PROVABLE:
            return plan, bound
        whole = site._replace(limits=site.limits._replace(capacity=self.grid.capacity))
        again = all_again(whole, plan, beyond, share * _PROOF)
        if again.bound is not None:
            rounding = 0.0 if site.target.is_counted else again.step * self.grid.count / 2
            bound = max(bound, min(again.bound - rounding, float(plan.cost(costs))))
        return (again.plan if self.yard.holds(again.plan) else plan), bound
