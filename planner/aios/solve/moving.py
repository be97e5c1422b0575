"""What moves cost, so that none is made that does not pay.

A move pays where the share of what its intent costs that it saves exceeds the share of a day in which it does not
serve: ``saving / cost now > seconds without service / seconds of a day``. So each move has a price in the figures of
every goal, ``cost now x seconds / day``, and what is made small is the goal's sum and the prices of the moves together:
then no move, and no set of moves that need each other, is in the plan that saves less than it costs. What must move,
because nothing that its intent could run as holds where it stands, has no price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aios.records.current import DAY_S
from aios.solve.problem import Option, Problem
from aios.solve.refusing import is_refusal

__all__ = ["disruptions", "moves_of", "prices", "with_prices"]

_MORE = 1 + 1e-6
"""How much larger a price is than what is disrupted: of what saves as much as it disrupts nothing moves."""

_Costs = Mapping[int, Sequence[float | None]]


def moves_of(problem: Problem, intent: int) -> list[int]:
    """Return per option of an intent whether it moves: one that stands, still runs, and does not stay."""
    stands = problem.intents[intent].name in problem.moving.standing and intent not in problem.stated
    return [int(stands and not option.stays and not is_refusal(option.priced)) for option in problem.options[intent]]


def disruptions(problem: Problem) -> dict[int, list[float]]:
    """Return intent -> per option, the share of a day without service; without those for which moving is free."""
    found = {}
    for index, (intent, options) in enumerate(zip(problem.intents, problem.options, strict=True)):
        standing = problem.moving.standing.get(intent.name)
        if standing is not None and any(option.stays for option in options):
            found[index] = [
                0.0 if option.stays or option.id not in standing.outage else standing.outage[option.id].value / DAY_S
                for option in options
            ]
    return found


def with_prices(
    problem: Problem, costs: _Costs, shares: Mapping[int, Sequence[float]]
) -> dict[int, list[float | None]]:
    """Return what options cost with the prices of their moves. costs: intent -> per option · shares: see ``prices``"""
    found: dict[int, list[float | None]] = {index: list(row) for index, row in costs.items()}
    for index, row in prices(problem, costs, shares).items():
        base = found.get(index, [0.0] * len(row))
        found[index] = [None if cost is None else cost + price for cost, price in zip(base, row, strict=True)]
    return found


def prices(problem: Problem, costs: _Costs, shares: Mapping[int, Sequence[float]]) -> dict[int, list[float]]:
    """Return intent -> per option, the price of moving to it.

    costs: intent -> per option · shares: of a day, see ``disruptions``; of an intent that has no part in the costs, a
    move is priced as that of an average one that has
    """
    now = {index: _now(problem, index, row) for index, row in costs.items() if index in shares}
    average = sum(now.values()) / len(now) if now else _average(costs)
    return {index: [now.get(index, average) * share * _MORE for share in row] for index, row in shares.items()}


def _now(problem: Problem, intent: int, row: Sequence[float | None]) -> float:
    """Return the size of what an intent costs as it stands; of the least that it could where nobody knows."""
    options = problem.options[intent]
    option = problem.moving.standing[problem.intents[intent].name].option
    own = [cost for cost, item in zip(row, options, strict=True) if _is(item, option) and cost is not None]
    known = own or [cost for cost, item in zip(row, options, strict=True) if item.stays and cost is not None]
    return abs(min(known, default=0.0))


def _is(item: Option, option: str | None) -> bool:
    return item.stays and item.id == option


def _average(costs: _Costs) -> float:
    least = [min((abs(cost) for cost in row if cost is not None), default=0.0) for row in costs.values()]
    return sum(least) / len(least) if least else 0.0
