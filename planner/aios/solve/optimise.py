"""Optimises the goals one level after the other, each within what the earlier ones leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import compress
from typing import NamedTuple

from aios.records.current import MOVES
from aios.records.selection import ObjectiveValue
from aios.solve.admitting import admissions_of, admit, is_fair
from aios.solve.clauses import Rule
from aios.solve.costs import Costs, float_costs, near, scaled
from aios.solve.cpsat import Engine
from aios.solve.dividing import Division
from aios.solve.goals import Level, Total, levels_of, total_of
from aios.solve.moving import disruptions, prices, with_prices
from aios.solve.problem import Option, Problem, size_of
from aios.solve.radix import chunks
from aios.solve.report import Report, Solved, scale_of, shortfall_of
from aios.solve.search import NoPlanError, Search, Seeking

__all__ = ["Chosen", "optimise", "settle"]

_PRECISION = 1e-7
"""Share of a sum by which rounding may be wrong about it: far less than estimates are off by."""
_TIES = 1 / 60
"""Share of the allowance for each step of breaking ties: a second of the usual minute. What is found then is taken."""

_CHUNK = 30
"""How many intents settle at once which of them have unknown values: keeps weights below 2**31."""


_Report = Callable[[Mapping[int, int]], list[ObjectiveValue]]
"""What tells the rows of a step, of the plan that is chosen in the end."""


class Chosen(NamedTuple):
    """What was found. picked: intent -> index of its option, None without a plan · rows: one or more per level."""

    status: str
    picked: Mapping[int, int] | None = None
    rows: tuple[ObjectiveValue, ...] = ()


def optimise(problem: Problem, rules: Sequence[Rule], engine: Engine) -> Chosen:
    """Choose an option for every intent: best in the goals' order, then with fewest cores, share, and by id.

    Ties between plans of several intents are broken as far as a small part of the allowance goes.
    status: ``optimal`` when every level is proved, ``feasible`` when the limit came first, else ``infeasible`` or
    ``unknown``.
    """
    return settle(Search(problem, rules, engine))


def settle(search: Seeking, *, ties: bool = True) -> Chosen:
    """Choose with a search that is ready to begin. ties: whether to break them between equally good plans"""
    problem = search.problem
    if not all(any(is_open) for is_open in search.open.values()):
        return Chosen("infeasible")
    try:
        reports = list(_reports(search))
        if problem.intents and not search.picked:  # there was no goal at all
            search.minimize(Costs(0.0, 1.0, {}))
    except NoPlanError as none:
        return Chosen(str(none))
    proved = search.proved
    if ties:
        _break_ties(search)
    told = [row for report in reports for row in report(search.picked)]
    return Chosen("optimal" if proved else "feasible", search.picked, tuple(_once(told)))


def _reports(search: Seeking) -> Iterator[_Report]:
    """Take one goal after the other: a fair policy, goals of the whole plan, intents' own."""
    problem = search.problem
    if is_fair(problem) and isinstance(search, Search):
        division = Division(search)
        division.settle()
        search.proved &= division.proved
        yield division.rows
    waiting = admissions_of(problem)
    levels = levels_of(problem.intents, problem.goals)
    for place in range(len(levels) + 1):
        yield from (admit(search, goal).rows for before, goal in waiting if before == place)
        if place < len(levels):
            yield partial(_optimise_level(search, levels[place]).rows, problem)


def _once(rows: Sequence[ObjectiveValue]) -> list[ObjectiveValue]:
    """Leave out what an earlier goal says already."""
    return list({row.goal: row for row in reversed(rows)}.values())[::-1]


def _optimise_level(search: Seeking, level: Level) -> Report:
    """Optimise one level and hold what was reached."""
    unknown = _fewest_unknown(search, level)
    parts = [float_costs(search.problem, total.metric, total.sign, total.intents) for total in level.totals]
    if len(level.totals) > 1:
        return _balance(search, level, parts, unknown)
    moves = disruptions(search.problem)
    if moves and level.totals[0].metric != MOVES:
        costs = scaled(parts[0], search.open)
        solved = _paying(search, level.totals[0], parts[0], moves)
    else:
        costs, solved = _exactly(search, level.totals[0], parts[0])
    search.hold(costs, level.totals[0].tolerance * abs(solved.value))
    return Report(level, (solved,), None, unknown)


def _exactly(search: Seeking, total: Total, part: Mapping[int, Sequence[float | None]]) -> tuple[Costs, Solved]:
    """Make a sum small that is held then; again in finer steps where options too dear to hold made them coarse.

    What is found is the least but for ``Costs.error``: for each intent 1e-10 of the sum, where no cost is negative.
    """
    costs = scaled(part, search.open)
    solved = search.minimize(costs, partial(_cost, search, total))
    if search.proved and costs.error > _PRECISION * abs(solved.value):
        most = solved.value + total.tolerance * abs(solved.value) + costs.error
        for index, allowed in near(part, search.open, most).items():
            search.restrict(index, allowed)
        finer = scaled(part, search.open)
        if finer.step < costs.step / 2:
            return finer, search.minimize(finer, partial(_cost, search, total))
    return costs, solved


def _paying(
    search: Seeking, total: Total, costs: Mapping[int, Sequence[float | None]], moves: Mapping[int, Sequence[float]]
) -> Solved:
    """Make a sum small by no move that does not pay; what is reported, with its bound, is the sum alone."""
    both = search.minimize(scaled(with_prices(search.problem, costs, moves), search.open))
    value = _cost(search, total)
    return Solved(value, value - (both.value - both.bound))


def _cost(search: Seeking, total: Total) -> float:
    return total.sign * total_of(total, search.problem, search.picked)[0]


def _balance(
    search: Seeking, level: Level, parts: Sequence[Mapping[int, Sequence[float | None]]], unknown: int
) -> Report:
    """Optimise each of unlike goals alone, then the sum of how far they fall short of that, as shares."""
    alone = tuple(
        search.minimize(scaled(part, search.open), partial(_cost, search, total))
        for part, total in zip(parts, level.totals, strict=True)
    )
    shares = {
        intent: [None if cost is None else cost / scale_of(best.bound) for cost in row]
        for part, best in zip(parts, alone, strict=True)
        for intent, row in part.items()
    }

    def shortfall() -> float:
        pairs = zip(level.totals, alone, strict=True)
        return sum(shortfall_of(_cost(search, total), best.bound) for total, best in pairs)

    costs = scaled(shares, search.open)
    offset = sum(best.bound / scale_of(best.bound) for best in alone)
    moves = disruptions(search.problem)
    if moves:
        both = search.minimize(scaled(with_prices(search.problem, shares, moves), search.open))
        solved = Solved(shortfall(), shortfall() - (both.value - both.bound))
    else:
        solved = search.minimize(costs, shortfall, offset)
    search.hold(
        costs,
        sum(
            total.tolerance * abs(_cost(search, total)) / scale_of(best.bound)
            for total, best in zip(level.totals, alone, strict=True)
        ),
    )
    return Report(level, alone, solved, unknown)


def _fewest_unknown(search: Seeking, level: Level) -> int:
    """Let as few intents as can be choose an option whose goal metric is unknown: worse than any known value.

    Among equally few, earlier intents are known. Returns how few; what is known then stays so.
    """
    known = {
        index: [total.metric in option.priced.estimates for option in search.problem.options[index]]
        for total in level.totals
        for index in total.intents
    }
    mixed = [index for index, row in sorted(known.items()) if len(set(compress(row, search.open[index]))) > 1]
    always = sum(not any(compress(row, search.open[index])) for index, row in known.items())
    for start in range(0, len(mixed), _CHUNK):
        chunk = mixed[start : start + _CHUNK]
        fewest = 1 << len(chunk)
        weights = {index: fewest + (fewest >> position + 1) for position, index in enumerate(chunk)}
        search.minimize(Costs(0.0, 1.0, {i: [0 if is_known else weights[i] for is_known in known[i]] for i in chunk}))
        for index in chunk:
            kept = known[index][search.picked[index]]
            search.restrict(index, [is_known == kept for is_known in known[index]])
    return always + sum(not known[index][search.picked[index]] for index in mixed)


def _break_ties(search: Seeking) -> None:
    """Among equally good plans let what stands stay, then each intent, in order, take the option with fewest cores,
    least share, most defaults, first id."""
    _stay(search)
    ranks: list[tuple[int, list[int], int]] = []
    for index, options in enumerate(search.problem.options):
        sizes = [_rank(search.problem, index, option) for option in options]
        order = sorted(compress(range(len(options)), search.open[index]), key=sizes.__getitem__)
        if len(order) > 1:
            position = {option: rank for rank, option in enumerate(order)}
            ranks.append((index, [position.get(option, len(order)) for option in range(len(options))], len(order) + 1))
    for weights in chunks([size for _, _, size in ranks]):
        chunk = {ranks[k][0]: [rank * weight for rank in ranks[k][1]] for k, weight in weights.items()}
        search.minimize(Costs(0.0, 1.0, chunk), share=_TIES)
        for index, row in chunk.items():
            search.restrict(index, [k == search.picked[index] for k in range(len(row))])


def _stay(search: Seeking) -> None:
    """Let as little be disrupted as can be, at the prices that moves have for the first goal."""
    problem, moves = search.problem, disruptions(search.problem)
    if not moves:
        return
    levels = levels_of(problem.intents, problem.goals)
    first = {k: v for t in levels[0].totals for k, v in float_costs(problem, t.metric, 1.0, t.intents).items()}
    for shares in (prices(problem, first, moves), moves):
        costs = scaled(shares, search.open)
        search.minimize(costs, share=_TIES)
        search.hold(costs, 0.0)


def _rank(problem: Problem, intent: int, option: Option) -> tuple[bool, bool, tuple[int, float, int, str]]:
    """Return what equally good options of an intent are ordered by: as it stands, where it stands, then by size."""
    standing = problem.moving.standing.get(problem.intents[intent].name)
    changes = standing is not None and not (option.stays and option.id == standing.option)
    return changes, not option.stays, size_of(option.priced)
