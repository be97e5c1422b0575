"""Intents, priced options and shapes as a problem of counts: what each part takes of a machine, in pooled resources."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import compress
from operator import le
from typing import NamedTuple

from aios.records.base import canonical_json
from aios.records.candidate import Estimate, Priced
from aios.records.demanded import Demanded, Site
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.objective import Budget
from aios.solve.clauses.budget import PARTS, concerns
from aios.solve.clauses.requirement import compared, keep
from aios.solve.shapes import is_capped, periods_of, running_in, size_of, watts_of
from aios.solve.sizing.apart import apart_of
from aios.solve.sizing.problem import Demand, Footprint, Problem, Shape, Spent, Way
from aios.solve.sizing.scales import Part, Scale, copies_of, footprint_of, part_of
from aios.solve.sizing.standing import Wanted

__all__ = ["kept", "merged", "numbered", "problem_of", "standable", "undominated", "watched"]


def kept(intent: Intent, options: Sequence[Priced]) -> list[Priced]:
    """Return the options that keep every requirement of an intent."""
    found = list(options)
    for requirement in intent.require:
        found = list(compress(found, keep(found, intent, requirement)))
    return found


def standable(options: Sequence[Priced], fleet: Fleet) -> list[Priced]:
    """Return the options of which at least one part has room on an empty machine."""
    scales = [Scale(node, fleet) for node in fleet.nodes]
    return [priced for priced in options if footprint_of(part_of(priced), scales)]


def merged(options: Sequence[Priced], covers: Sequence[int]) -> tuple[list[Priced], list[int]]:
    """Return the options with those that differ in nothing but where they may stand, and what that costs, as one."""
    found: dict[str, tuple[Priced, int, list[str]]] = {}
    for priced, count in zip(options, covers, strict=True):
        candidate = priced.candidate.model_copy(update={"id": "", "nodes": ()})
        alike = canonical_json([candidate, priced.demand, count])
        found.setdefault(alike, (priced, count, []))[2].extend(priced.candidate.nodes)
    rows = [(_on(priced, tuple(sorted(set(nodes)))), count) for priced, count, nodes in found.values()]
    return [priced for priced, _ in rows], [count for _, count in rows]


def numbered(options: Sequence[Priced]) -> list[Priced]:
    """Return the options under ids that tell pieces of the same candidate apart."""
    return [
        priced.model_copy(
            update={"candidate": priced.candidate.model_copy(update={"id": f"{priced.candidate.id}#{number}"})}
        )
        for number, priced in enumerate(options)
    ]


def _on(priced: Priced, nodes: tuple[str, ...]) -> Priced:
    return priced.model_copy(update={"candidate": priced.candidate.model_copy(update={"nodes": nodes})})


class Watched(NamedTuple):
    """What matters of ways to run beside what they take of machines, and what they add to what is made small.

    capped: whether power is, of machines · budgets: of the whole plan · ruled: intents whose number of parts matters to
    where they or others may stand
    """

    capped: bool = False
    budgets: tuple[Budget, ...] = ()
    ruled: frozenset[str] = frozenset()

    def kind(self, intent: Intent, priced: Priced) -> tuple[object, ...]:
        """Return what options must have in common to be compared."""
        candidate = priced.candidate
        copies = (candidate.replicas, candidate.machines) if intent.name in self.ruled else ()
        return candidate.device, candidate.devices, copies, tuple(sorted(priced.demand.tier_bytes))

    def figures(self, intent: Intent, priced: Priced) -> Iterator[float]:
        """Yield figures that are the better the smaller they are."""
        demand = priced.demand
        yield from (priced.candidate.parts, demand.share, demand.cores)
        yield from (demand.device_memory_bytes, demand.node_memory_bytes)
        yield from (size for _, size in sorted(demand.tier_bytes.items()))
        yield from (period.replicas for period in priced.periods)
        for period in priced.periods if self.capped else ():
            yield _high(period.estimates.get("power"))
        if self.capped:
            watts = watts_of(priced)
            yield math.inf if watts is None else watts
        yield from (_high(priced.estimates.get(item.metric)) for item in self.budgets)
        if intent.placement.survive:
            yield -(compared([priced], intent, "throughput")[0] or 0.0)


def watched(intents: Sequence[Intent], fleet: Fleet, budgets: Sequence[Budget] = ()) -> Watched:
    """Return what matters on machines of a fleet."""
    rules = [(intent.name, intent.placement) for intent in intents if intent.placement.domains]
    beside = {other.intent for _, own in rules for other in (*own.together, *own.apart)}
    return Watched(is_capped(fleet), tuple(budgets), frozenset({name for name, _ in rules} | beside))


def _high(estimate: Estimate | None) -> float:
    return math.inf if estimate is None else estimate.high


def undominated(
    intent: Intent,
    options: Sequence[Priced],
    covers: Sequence[int],
    figure: Callable[[Priced], float],
    watch: Watched,
) -> list[int]:
    """Return which options are left when another of the same device takes no more, costs no more, and covers as much.

    Nothing but machines, figures and what is watched is compared: whatever else the options are good for, another one
    does here.
    """
    fronts: dict[tuple[object, ...], list[tuple[tuple[float, ...], frozenset[str]]]] = {}
    found = []
    order = sorted(range(len(options)), key=lambda k: (-covers[k], figure(options[k]), *size_of(options[k])))
    for index in order:
        option = options[index]
        takes = (figure(option), *watch.figures(intent, option))
        front = fronts.setdefault((covers[index], *watch.kind(intent, option)), [])
        nodes = frozenset(option.candidate.nodes)
        if not any(all(map(le, other, takes)) and nodes <= allowed for other, allowed in front):
            front.append((takes, nodes))
            found.append(index)
    return sorted(found)


def problem_of(
    wanted: Sequence[Wanted],
    fleet: Fleet,
    figures: Sequence[float],
    figure: Callable[[Priced], float],
    machines: int,
    demands: Sequence[Demanded] = (),
    sites: Mapping[str, Sequence[Site]] | None = None,
    budgets: Sequence[Budget] = (),
) -> Problem:
    """Return the problem of counts.

    fleet: its nodes are the shapes, their counts the most that may be taken · figures: of one machine of each ·
    figure: what an option adds to them · machines: the most in all · demands: stated ones, whose copies all stand ·
    sites: where they may · budgets: of the whole plan
    """
    # Beside stated demands services have their machines all day.
    periods = () if demands else periods_of([item.intent for item in wanted])
    scales = [Scale(node, fleet) for node in fleet.nodes]
    shapes = [
        Shape(node.name, node.count, own, tuple(scale.has))
        for node, own, scale in zip(fleet.nodes, figures, scales, strict=True)
    ]
    footprints: dict[Footprint, int] = {}

    def way(part: Part, covers: int, adds: float, times: int, parts: int, at: tuple[int, ...] = ()) -> Way:
        place = footprints.setdefault(footprint_of(part, scales), len(footprints))
        return Way(covers, adds, parts, place, times, at)

    rows = []
    for item in wanted:
        pairs = zip(item.options, item.covers, strict=True)
        ways = [
            way(part_of(own), covers, figure(own), 1, own.candidate.parts, _running(own, periods))
            for own, covers in pairs
        ]
        rows.append(Demand(item.intent.name, item.amount, tuple(ways)))
    for demand in demands:
        ways = [way(part, 1, 0.0, demand.copies, 1) for part in copies_of(demand, (sites or {})[demand.name])]
        rows.append(Demand(demand.name, demand.copies, tuple(ways)))
    listed = tuple(footprints)
    apart = apart_of(wanted, [row.ways for row in rows[: len(wanted)]], listed, fleet)
    spent = tuple(_spent(budget, wanted) for budget in budgets)
    return Problem(tuple(shapes), listed, tuple(rows), machines, max(1, len(periods)), tuple(apart), spent)


def _running(priced: Priced, periods: Sequence[Sequence[int]]) -> tuple[int, ...]:
    return tuple(parts for parts, _ in running_in(priced, periods, False))


def _spent(budget: Budget, wanted: Sequence[Wanted]) -> Spent:
    """Return what each way takes of a budget, rounded down; what alone takes too much, or nobody knows what, is out."""
    most = budget.bound * (1 + 1 / PARTS)
    spent: dict[tuple[int, int], int] = {}
    for index, item in enumerate(wanted):
        for way, priced in enumerate(item.options if concerns(budget, item.intent) else ()):
            value = _high(priced.estimates.get(budget.metric))
            spent[index, way] = math.floor(value / budget.bound * PARTS) if value <= most and value > 0 else 0
            if value > most:
                spent[index, way] = PARTS + 1
    return Spent(PARTS, spent)
