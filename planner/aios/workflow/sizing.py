"""size: the cheapest fleet for the given intents, out of machines that may be bought."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from aios.candidates import sites_of
from aios.records.candidate import Priced, Rejection
from aios.records.demanded import Demanded
from aios.records.errors import Diagnostic, InputError, UsageError
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.selection import ObjectiveValue
from aios.records.where import place_of
from aios.solve.sizing import (
    Alone,
    Held,
    Holds,
    Key,
    Problem,
    Sized,
    Standing,
    Wanted,
    alone,
    bought,
    copies_stand,
    kept,
    merged,
    numbered,
    problem_of,
    standable,
    undominated,
    watched,
    within,
)
from aios.solve.sizing import size as choose_machines
from aios.workflow.joining import refuse_pipelines, refuse_splits
from aios.workflow.pieces import Group, cut, grouped, serves
from aios.workflow.planning import Planned, consider, make_plan
from aios.workflow.ranking import ranked
from aios.workflow.reading import Given, gather
from aios.workflow.setting import Setting
from aios.workflow.shapes import MINIMIZED, Shapes, Sought, idle_w, shapes_of, with_nodes

__all__ = ["Alternative", "Impossible", "Sizing", "size"]

_MOST_MACHINES = 10_000
_MOST_PIECES = 64
_EQUALS = 4
"""Equally good fleets that are compared by the goals of the intents."""
_ALONE = 12
"""Shapes of which a fleet of that shape alone is sought: those that could be cheapest."""
_QUESTION = 1 / 6
"""Share of the work for a plan that finding out once takes what stands on given machines."""
_SAME = 1e-9
"""Relative difference of figures that is rounding: see ``solve.sizing.figures``."""


class Alternative(NamedTuple):
    """The best fleet of one shape alone. value: what it comes to · bound: that no such fleet goes below."""

    shape: str
    machines: int
    value: float
    bound: float


class Impossible(NamedTuple):
    """Something that no shape can serve. intent: None for a stated demand · nearest: the option that comes closest;
    None where there is none at all · rejections: why"""

    name: str
    intent: Intent | None
    nearest: Priced | None
    rejections: tuple[Rejection, ...]


class Sizing(NamedTuple):
    """The answer. fleet: what is to be bought, None where nothing was found · objective: what was made small ·
    planned: what stands on it; without a fleet, why not even all machines hold everything, where that is so · groups:
    services and parts of services in the plan · alternatives: fleets of one shape, best first · equal: machines of
    other fleets as good · impossible: intents that no shape serves · uncounted: options of unknown figure, which were
    left out · notes: why it is not proved best · seconds: of searching, for people"""

    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    given: Given
    shapes: Shapes
    fleet: Fleet | None = None
    objective: ObjectiveValue | None = None
    planned: Planned | None = None
    groups: tuple[Group, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    equal: tuple[Mapping[str, int], ...] = ()
    impossible: tuple[Impossible, ...] = ()
    uncounted: int = 0
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


def size(setting: Setting, sought: Sought) -> Sizing:
    """Return the best fleet for the intents of ``setting``.

    Raises InputError and UsageError for what was given, as ``make_plan`` does.
    """
    for name, value, most in (("max-nodes", sought.machines, _MOST_MACHINES), ("split", sought.split, _MOST_PIECES)):
        if not 1 <= value <= most:
            remedy = f"give a whole number from 1 to {most}"
            raise UsageError(Diagnostic(summary=f"--{name} {value} makes no sense", remedy=remedy))
    shapes = shapes_of(sought, setting)
    read = gather(setting, shapes.fleet)
    refuse_pipelines(read.intents, "size")
    refuse_splits(read.intents, "size", "--split N")
    if sought.split > 1:
        _refuse_rules(read.intents)
    intents = tuple(sorted(read.intents, key=_name))
    given = replace(read, intents=intents, demands=tuple(sorted(read.demands, key=_name)))
    everything: tuple[Intent | Demanded, ...] = (*given.intents, *given.demands)
    if not any(item.required for item in everything):
        raise InputError(
            Diagnostic(
                summary="nothing is required, so that no machine is needed",
                where=everything[0].where,
                reason="all of it may be refused",
                remedy="take `required: false` away from what is to stand",
            )
        )
    return _Sizer(replace(setting, fleet=None), sought, shapes, given).size()


def _refuse_rules(intents: Sequence[Intent]) -> None:
    """Raise InputError where rules of placement would hold of each group of replicas alone."""
    found = [
        Diagnostic(
            summary=f"`{field}` of `{intent.name}` would hold of each group alone, not of the whole service",
            where=place_of(intent.spans, intent.where, field, key=key),
            reason="--split cuts the loads of services into groups that are planned each by itself",
            remedy=f"leave `{field}` or --split out",
        )
        for intent in intents
        for field, key in (("spread", "over"), ("together", "with"), ("apart", "from"), ("survive", "losses"))
        if serves(intent) and getattr(intent.placement, field)
    ]
    if found:
        raise InputError(*found)


def _name(item: Intent | Demanded) -> str:
    return item.name


class _Best(NamedTuple):
    machines: tuple[int, ...]
    planned: Planned
    groups: tuple[Group, ...]


class _Sizer:
    """One search for a fleet."""

    def __init__(self, setting: Setting, sought: Sought, shapes: Shapes, given: Given) -> None:
        self.setting, self.sought, self.shapes, self.given = setting, sought, shapes, given
        self.uncounted = 0
        self._work, self._question = setting.limits(), setting.limits(_QUESTION)
        self._services = tuple(intent for intent in given.intents if intent.required)
        self._required = tuple(demand for demand in given.demands if demand.required)
        self._sites = sites_of(self._required, shapes.fleet).sites
        self._watch = watched(given.intents, shapes.fleet, given.objective.budget if given.objective else ())
        self._planned: dict[tuple[tuple[int, ...], object], tuple[Planned, tuple[Group, ...]]] = {}

    def size(self) -> Sizing:
        started = time.perf_counter()
        wanted = self._wanted()
        impossible = [self._impossible(item.intent) for item in wanted if not item.options]
        impossible += self._without_place()
        if impossible:
            return Sizing("infeasible", self.given, self.shapes, impossible=tuple(impossible), uncounted=self.uncounted)
        figures = [offer.figure for offer in self.shapes.offers]
        most, demands = self.sought.machines, self._required
        fleet, budgets = self.shapes.fleet, self._watch.budgets
        problem = problem_of(wanted, fleet, figures, self._added, most, demands, self._sites, budgets)
        standing = Standing(wanted, fleet, self._question, budgets)
        holds = self._holds(standing, wanted)
        self.setting.tell(f"looking at fleets of one shape, of {len(figures)}")
        others = alone(problem, self._work, holds if self._required else self._looks(standing), _ALONE)
        self.setting.tell("choosing the machines")
        found = self._chosen(problem, holds, others)
        best = self._best(found, wanted)
        if best is None:
            status = found.status if not found.machines else "unknown"
            planned = self._on_all() if status == "infeasible" else None
            return Sizing(status, self.given, self.shapes, planned=planned, uncounted=self.uncounted)
        objective = self._objective(found, best)
        return Sizing(
            "feasible" if objective.gap else "optimal",
            self.given,
            self.shapes,
            best.planned.considered.given.fleet,
            objective,
            best.planned,
            best.groups,
            tuple(self._alternatives(others, best.machines)),
            tuple(self._by_name(other) for other in (found.machines, *found.equal) if other != best.machines),
            uncounted=self.uncounted,
            notes=tuple(self._notes(found, objective)),
            seconds=time.perf_counter() - started,
        )

    def _wanted(self) -> list[Wanted]:
        """Return every way to run each intent, and pieces of it, on the machines that may be taken."""
        options: dict[str, list[Priced]] = {intent.name: [] for intent in self._services}
        covers: dict[str, list[int]] = {intent.name: [] for intent in self._services}
        whole, fleet = self.sought.split, self.shapes.fleet
        for pieces in range(1, whole + 1):
            self.setting.tell("finding ways to run" + (f" {pieces} of {whole} pieces" if whole > 1 else ""))
            intents = tuple(cut(i, pieces / whole) for i in self._services if pieces == whole or serves(i))
            considered = consider(replace(self.given, intents=intents, demands=(), fleet=fleet))
            for intent in intents:
                able = standable(kept(intent, considered.options[intent.name]), fleet)
                own = [item for item in able if self._known(item)]
                self.uncounted += len(able) - len(own)
                options[intent.name] += own
                covers[intent.name] += [pieces] * len(own)
        return [self._of(intent, options[intent.name], covers[intent.name]) for intent in self._services]

    def _on_all(self) -> Planned | None:
        """Return why there is no plan on all that may be taken; None where there is one."""
        self.setting.tell("finding out why there is no fleet")
        planned = make_plan(self.setting, consider(replace(self.given, fleet=self.shapes.fleet)))
        return planned if planned.plan.conflict is not None else None

    def _of(self, intent: Intent, options: Sequence[Priced], covers: Sequence[int]) -> Wanted:
        options, covers = merged(options, covers)
        left = undominated(intent, options, covers, self._added, self._watch)
        own = numbered([options[place] for place in left])
        return Wanted(intent, self.sought.split, own, [covers[place] for place in left])

    def _known(self, priced: Priced) -> bool:
        return self.sought.minimize != "power" or "power" in priced.estimates

    def _added(self, priced: Priced) -> float:
        """Return what an option adds to the figures of machines: of power, what it draws above idle devices."""
        if self.sought.minimize != "power":
            return 0.0
        candidate = priced.candidate
        idle = idle_w(self.shapes.fleet.types[candidate.device]) or 0.0
        held = priced.demand.share * candidate.devices * candidate.parts
        return float(f"{max(0.0, priced.estimates['power'].value - idle * held):.9g}")

    def _impossible(self, intent: Intent) -> Impossible:
        """Say what comes nearest to serving an intent, on all shapes together."""
        considered = consider(replace(self.given, intents=(intent,), demands=()))
        nearest = next(iter(ranked(considered.options[intent.name], intent)), None)
        return Impossible(intent.name, intent, nearest, considered.rejections)

    def _without_place(self) -> Iterator[Impossible]:
        """Yield demands of which no machine holds a single copy."""
        fleet = self.shapes.fleet
        ones = fleet.model_copy(update={"nodes": tuple(n.model_copy(update={"count": 1}) for n in fleet.nodes)})
        rejections = sites_of(self._required, fleet).rejections
        stands: dict[object, bool | None] = {}
        for demand in self._required:
            one = demand.model_copy(update={"copies": 1})
            alike = (demand.cores, demand.memory_bytes, demand.accelerators, self._sites[demand.name])
            if alike not in stands:
                stands[alike] = copies_stand([one], self._sites, ones, self._question)
            if stands[alike] is False:
                own = tuple(row for row in rejections if row.what.startswith(demand.name))
                yield Impossible(demand.name, None, None, own)

    def _looks(self, standing: Standing) -> Holds:
        """Return what says whether machines hold the services, and the stated demands, each by themselves."""

        def holds(machines: Sequence[int], taken: Mapping[Key, int], figures: Mapping[Key, int]) -> Held:
            held = standing(machines, taken, figures)
            if not held.fits or not self._required:
                return held
            fleet = bought(self.shapes.fleet, machines)
            copies = copies_stand(self._required, self._sites, fleet, self._question)
            return held if copies else Held(copies)

        return holds

    def _holds(self, standing: Standing, wanted: Sequence[Wanted]) -> Holds:
        """Return what says whether machines hold everything: where they could be bought, a plan has the last word."""
        looks, mixed = self._looks(standing), bool(wanted and self._required)

        def holds(machines: Sequence[int], taken: Mapping[Key, int], figures: Mapping[Key, int]) -> Held:
            held = looks(machines, taken, figures)
            if not held.fits or not (taken or mixed):
                return held
            status = self._plan(tuple(machines), held.taken, wanted)[0].plan.status
            return held if status in ("optimal", "feasible") else Held(False if status == "infeasible" else None)

        return holds

    def _plan(
        self, machines: tuple[int, ...], taken: Mapping[Key, int], wanted: Sequence[Wanted]
    ) -> tuple[Planned, tuple[Group, ...]]:
        """Return a plan of the intents, split as in ``taken``, on machines that were bought."""
        shares: dict[str, list[float]] = {}
        services = {key: count for key, count in taken.items() if key[0] < len(wanted)}
        for (demand, way), count in sorted(services.items()):
            item = wanted[demand]
            shares.setdefault(item.intent.name, []).extend([item.covers[way] / item.amount] * count)
        key = machines, tuple((name, *sorted(own)) for name, own in sorted(shares.items()))
        if key not in self._planned:
            whole = bought(self.shapes.fleet, machines)
            fleet = with_nodes(self.shapes.fleet, whole.nodes)
            given, groups = grouped(replace(self.given, fleet=fleet), shares)
            self._planned[key] = make_plan(self.setting, consider(given)), groups
        return self._planned[key]

    def _best(self, found: Sized, wanted: Sequence[Wanted]) -> _Best | None:
        """Return the fleet, of equally good ones, on which the goals of the intents are reached best; None without."""
        best: _Best | None = None
        for machines, taken in ({found.machines: found.taken} | dict(found.equal)).items() if found.machines else ():
            planned, groups = self._plan(machines, taken, wanted)
            if planned.plan.conflict is None and (best is None or _better(planned, best.planned)):
                best = _Best(machines, planned, groups)
        return best

    def _objective(self, found: Sized, best: _Best) -> ObjectiveValue:
        """Return what the fleet comes to with what is planned on it, which the intents' own goals decide."""
        figures = (offer.figure * count for offer, count in zip(self.shapes.offers, best.machines, strict=True))
        optional = {intent.name for intent in self.given.intents if not intent.required}
        chosen = (own for name, own in best.planned.selection.chosen.items() if name not in optional)
        value = math.fsum([*figures, *map(self._added, chosen)])
        near = value - found.bound <= _SAME * abs(value)
        bound = value if near else found.bound
        goal, unit = f"minimize {self.sought.minimize}", MINIMIZED[self.sought.minimize]
        return ObjectiveValue(
            goal=goal, value=value, bound=bound, gap=(value - bound) / value if value else 0.0, unit=unit
        )

    def _notes(self, found: Sized, objective: ObjectiveValue) -> Iterator[str]:
        """Say why what was found is not proved to be best."""
        if found.status == "feasible":
            yield "the search ended before every better fleet was ruled out"
        if objective.gap and objective.value > found.figure * (1 + _SAME):
            what, unit = self.sought.minimize, objective.unit
            yield (
                f"the goals of the intents choose ways to run that come to more than the least {what} on this fleet, "
                f"{found.figure:.4g} {unit}; an intent whose first goal is `minimize {what}` does not"
            )

    def _chosen(self, problem: Problem, holds: Holds, others: Sequence[Alone]) -> Sized:
        """Return the best fleet; what a fleet of one shape comes to leaves out all that costs more."""
        if not others:
            return choose_machines(problem, self._work, holds, _EQUALS)
        _, alone_ = others[0]
        found = choose_machines(within(problem, alone_.figure), self._work, holds, _EQUALS)
        if found.machines and found.figure <= alone_.figure * (1 + _SAME):
            return found
        return alone_._replace(status="feasible", bound=min(found.bound, alone_.figure))

    def _alternatives(self, others: Sequence[Alone], machines: tuple[int, ...]) -> Iterator[Alternative]:
        """Yield the best fleet of each shape alone, but for the one that was chosen."""
        for shape, sized in others:
            if sized.machines != machines:
                name = self.shapes.offers[shape].node.name
                yield Alternative(name, sized.machines[shape], sized.figure, sized.bound)

    def _by_name(self, machines: Sequence[int]) -> dict[str, int]:
        pairs = zip(self.shapes.offers, machines, strict=True)
        return {offer.node.name: count for offer, count in pairs if count}


def _better(one: Planned, other: Planned) -> bool:
    """Say whether a plan reaches the goals better, the most important first."""
    for mine, theirs in zip(one.plan.objective, other.plan.objective, strict=False):
        if mine.goal == theirs.goal and not math.isclose(mine.value, theirs.value, rel_tol=_SAME):
            return (mine.value < theirs.value) == ("minimize" in mine.goal)
    return False
