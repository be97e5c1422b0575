"""The intents, options and fleet in one canonical order, with symmetric machines and devices reduced.

The order in which intents and options were given is forgotten here, so nothing later can depend on it.

Symmetry. A node stands for ``count`` equal machines, and a slot for equal devices. All options together never need
more machines of a node than there can be replicas on it, so later ones are left out; and if there are at least as many
machines as replicas, every replica can have a machine of its own, so one *pooled* machine, on which each replica only
has to fit alone, stands for all of them. Neither loses a solution. Machines are not pooled where it matters which of
them something stands on (``told_apart``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from aios.records.candidate import Priced
from aios.records.current import MOVES, Moving
from aios.records.fleet import Fleet, Node
from aios.records.intent import Goal, Intent
from aios.records.joins import NOTHING_KNOWN, Joins
from aios.records.metrics import PLAN_METRICS
from aios.records.objective import Budget, Objective, Policy
from aios.solve.alike import equal_nodes, told_apart
from aios.solve.amounts import COARSE, FINE, SHARE_UNITS, Units
from aios.solve.layout import Bin, Machine, Yard, devices_of, gathered, layout, most_of, with_pools
from aios.solve.shapes import Need, Shape, Shapes, Stated, is_capped, need_of, periods_of, pools_of, size_of

__all__ = [
    "NOTHING",
    "NO_DEMANDS",
    "SHARE_UNITS",
    "Beside",
    "Bin",
    "Machine",
    "Machines",
    "Need",
    "Option",
    "Problem",
    "Shape",
    "devices_of",
    "need_of",
    "outline",
    "pose",
    "size_of",
]

NOTHING = Moving()
NO_STAYS: Mapping[str, Sequence[Priced]] = {}
NO_DEMANDS: Mapping[str, Stated] = {}

Machines = Literal["pooled", "unjoined", "single", "domain", "fleet"]
"""How machines are told apart: ``pooled`` where it matters on which of them something stands · ``unjoined``: there, but
not because stages hand data to each other · ``single``: always · ``domain``, ``fleet``: equal ones, of a failure domain
or of all the fleet, and equal devices count as one that has what all have; then nothing that is possible is lost, but
what is not may be promised."""


class Beside(NamedTuple):
    """What else a plan has to do with.

    budgets: what all of it may take · moving: what stands already · stays: intent -> options in which it stays where it
    stands, beside those in which it may stand anywhere · joins: between machines on which stages of pipelines may stand
    · stated: those intents (by name) that are demands · by_hour: whether replicas that do not run at the same time may
    share machines
    """

    budgets: Sequence[Budget] = ()
    moving: Moving = NOTHING
    stays: Mapping[str, Sequence[Priced]] = NO_STAYS
    joins: Joins = NOTHING_KNOWN
    stated: Mapping[str, Stated] = NO_DEMANDS
    by_hour: bool = True


NOTHING_BESIDE = Beside()


class Option(NamedTuple):
    """One way to run an intent. shape: index into the problem's shapes · stays: it goes on where it stands"""

    priced: Priced
    shape: int
    stays: bool = False

    @property
    def id(self) -> str:
        """The candidate's id."""
        return self.priced.candidate.id


class Problem(NamedTuple):
    """Everything to decide. options: per intent, in the intents' order (priority, then name), by id · budgets: what the
    whole plan may take · goals: of the whole plan, before the intents' own · policy: how what cannot all be admitted is
    divided · moving: what stands already, of which the options that stay come last · joins: between machines that
    stages of pipelines may stand on · stated: those intents that are stated demands · admissions: goals about who is
    admitted, each with the number of goals before it · periods: hours of the day in which no rate changes; empty where
    none ever does"""

    intents: tuple[Intent, ...]
    options: tuple[tuple[Option, ...], ...]
    shapes: tuple[Shape, ...]
    machines: tuple[Machine, ...]
    bins: tuple[Bin, ...]
    fleet: Fleet
    budgets: tuple[Budget, ...] = ()
    goals: tuple[Goal, ...] = ()
    policy: Policy | None = None
    moving: Moving = Moving()
    joins: Joins = NOTHING_KNOWN
    stated: Mapping[int, Stated] = {}
    admissions: tuple[tuple[int, Goal], ...] = ()
    periods: tuple[tuple[int, ...], ...] = ()

    @property
    def units(self) -> Units:
        """In what cores and DRAM are counted."""
        return FINE if self.stated else COARSE

    def under(self, objective: Objective | None) -> Problem:
        """Return the problem with goals and policy of the whole plan; its budgets are posed with it."""
        if objective is None:
            return self
        goals: list[Goal] = []
        admissions = []
        for goal in objective.goal:
            if goal.metric == MOVES or goal.metric not in PLAN_METRICS:
                goals.append(goal)
            else:
                admissions.append((len(goals), goal))
        return self._replace(goals=tuple(goals), policy=objective.policy, admissions=tuple(admissions))

    @property
    def plain(self) -> bool:
        """Whether requirements and what single machines have are all that restricts the choice."""
        return not self.staged and self.nearly_plain

    @property
    def nearly_plain(self) -> bool:
        """Whether that and bounds of pipelines are all."""
        ruled = any(intent.placement.domains for intent in self.intents)
        optional = any(not intent.required for intent in self.intents)
        split = any(intent.part is not None for intent in self.intents)
        return not (ruled or optional or split or self.stated or self.budgets or is_capped(self.fleet))

    @property
    def staged(self) -> tuple[int, ...]:
        """Intents (indexes) that are stages of pipelines."""
        return tuple(index for index, intent in enumerate(self.intents) if intent.pipeline is not None)

    def only(self, intents: Sequence[int]) -> Problem:
        """Return the outlined problem of some intents (indexes) alone."""
        rows = tuple(self.options[index] for index in intents)
        return self._replace(intents=tuple(self.intents[index] for index in intents), options=rows)

    def priced(self, intent: int) -> list[Priced]:
        """Return the options of an intent (its index) without their shapes."""
        return [option.priced for option in self.options[intent]]

    def machines_of(self, node: Node) -> list[Machine]:
        """Return the machines that stand for this node."""
        return [machine for machine in self.machines if machine.node is node]


def pose(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    beside: Beside = NOTHING_BESIDE,
    machines: Machines = "pooled",
) -> Problem:
    """Put everything into canonical order and reduce symmetry."""
    moving, stated = beside.moving, beside.stated
    rows = _rows(intents, options, beside.stays)
    yard = _yard(rows, fleet, beside, machines)
    periods = periods_of([row.intent for row in rows]) if beside.by_hour else ()
    shapes = Shapes(yard, is_capped(fleet), FINE if stated else COARSE, periods)
    posed = []
    for intent, may, kept in rows:
        if intent.name in stated:
            posed.append(tuple(Option(priced, shapes.of_copies(stated[intent.name], priced)) for priced in may))
            continue
        standing = moving.standing.get(intent.name)
        row = [Option(priced, shapes.add(priced, None)) for priced in may]
        own_stays = ((priced, shapes.add(priced, standing)) for priced in kept)
        posed.append((*row, *(Option(priced, shape, True) for priced, shape in own_stays if shape is not None)))
    return _problem(rows, posed, fleet, beside)._replace(
        shapes=shapes.told(),
        machines=tuple(yard[0]),
        bins=tuple(yard[1]),
        joins=beside.joins,
        stated={index: stated[row.intent.name] for index, row in enumerate(rows) if row.intent.name in stated},
        periods=periods,
    )


def outline(
    intents: Sequence[Intent],
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    beside: Beside = NOTHING_BESIDE,
) -> Problem:
    """Put everything into canonical order, without machines or where anything may stand on them.

    Of what is beside, budgets and what stands count alone.
    """
    rows = _rows(intents, options, beside.stays)
    posed = [(*(Option(p, 0) for p in may), *(Option(p, 0, True) for p in kept)) for _, may, kept in rows]
    return _problem(rows, posed, fleet, beside)


class _Row(NamedTuple):
    """An intent with its options: those in which it may stand anywhere, and those in which it stays."""

    intent: Intent
    may: list[Priced]
    kept: list[Priced]


def _rows(
    intents: Sequence[Intent], options: Mapping[str, Sequence[Priced]], stays: Mapping[str, Sequence[Priced]]
) -> list[_Row]:
    """Return all intents, and the options of each, in canonical order."""

    def own(given: Mapping[str, Sequence[Priced]], intent: Intent) -> list[Priced]:
        return sorted(given.get(intent.name, ()), key=lambda priced: priced.candidate.rank)

    ordered = sorted(intents, key=lambda intent: (-intent.priority, intent.name))
    return [_Row(intent, own(options, intent), own(stays, intent)) for intent in ordered]


def _problem(rows: Sequence[_Row], posed: Sequence[tuple[Option, ...]], fleet: Fleet, beside: Beside) -> Problem:
    whole = tuple(row.intent for row in rows), tuple(posed), (), (), (), fleet, tuple(beside.budgets)
    return Problem(*whole, moving=beside.moving)


def _yard(rows: Sequence[_Row], fleet: Fleet, beside: Beside, machines: Machines) -> Yard:
    """Return the machines that all options together may need, and their devices."""
    intents = [row.intent for row in rows]
    if machines in ("domain", "fleet"):
        return gathered(equal_nodes(fleet, intents, [row.may for row in rows], told_apart=machines == "domain"))
    both = [[*row.may, *row.kept] for row in rows]
    pools = pools_of(beside.stated.values())
    told = told_apart(intents, both, handing=machines != "unjoined") | pools.keys()
    alone = {node.name for node in fleet.nodes} if machines == "single" else told
    own = [beside.moving.standing[row.intent.name] for row in rows if row.kept]
    held = {part.node for standing in own for part in standing.placement}
    return with_pools(layout(fleet, most_of(both), alone, held, pools), pools)
