"""What is asked of a choice, in one record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.records.candidate import Priced
from aios.records.current import Moving
from aios.records.demanded import Demanded, Site
from aios.records.fleet import Fleet
from aios.records.intent import Goal, Intent
from aios.records.joins import NOTHING_KNOWN, Joins
from aios.records.metrics import PLAN_METRICS
from aios.records.objective import Budget, Objective
from aios.solve.limits import Limits
from aios.solve.problem import NOTHING, Beside, Machines, Problem, pose
from aios.solve.shapes import Stated, periods_of
from aios.solve.stating import stated_by, with_copies

__all__ = ["Asked"]

NO_SITES: Mapping[str, Sequence[Site]] = {}


class Asked(NamedTuple):
    """All that is to be chosen for.

    options: intent name -> its priced options · objective: goals, policy and budgets of all of them together · moving:
    what stands already, see ``aios.solve.moving`` · joins: between the machines that stages of pipelines may stand on ·
    demands, sites: stated demands that are placed with them, and where copies of each may stand · by_hour: whether
    replicas that do not run at the same time may share machines; never beside demands, whose copies stand all day
    """

    intents: Sequence[Intent]
    options: Mapping[str, Sequence[Priced]]
    fleet: Fleet
    limits: Limits
    objective: Objective | None = None
    moving: Moving = NOTHING
    joins: Joins = NOTHING_KNOWN
    demands: Sequence[Demanded] = ()
    sites: Mapping[str, Sequence[Site]] = NO_SITES
    by_hour: bool = True

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """What the whole plan may take."""
        return self.objective.budget if self.objective else ()

    @property
    def goals(self) -> list[Goal]:
        """The goals of the whole plan that options differ by."""
        return [goal for goal in (self.objective.goal if self.objective else ()) if goal.metric not in PLAN_METRICS]

    @property
    def staged(self) -> bool:
        """Whether any intent is a stage of a pipeline."""
        return any(intent.pipeline is not None for intent in self.intents)

    @property
    def hourly(self) -> bool:
        """Whether replicas that do not run at the same time may share machines, and there are such."""
        return self.by_hour and not self.demands and bool(periods_of(self.intents))

    @property
    def stated(self) -> dict[str, Stated]:
        """Demand -> it and where it may stand."""
        return stated_by(self.demands, self.sites)

    def with_budgets(self, fleet: Fleet, budgets: tuple[Budget, ...]) -> Asked:
        """Return the same of a fleet with other caps, and with other budgets."""
        objective = self.objective.model_copy(update={"budget": budgets}) if self.objective else None
        return self._replace(fleet=fleet, objective=objective)

    def within(self, share: float) -> Asked:
        """Return the same with a share of the allowance."""
        limits = self.limits
        return self._replace(limits=limits._replace(deterministic_limit=share * limits.deterministic_limit))

    def posed(self, stays: Mapping[str, Sequence[Priced]], machines: Machines = "pooled") -> Problem:
        """Return the problem of it all. stays: intent -> options in which it stays where it stands"""
        metrics = [item.metric for item in self.budgets]
        everyone, options = with_copies(self.intents, self.options, self.stated, metrics)
        return pose(everyone, options, self.fleet, self.beside(stays), machines).under(self.objective)

    def beside(self, stays: Mapping[str, Sequence[Priced]]) -> Beside:
        """Return what a plan has to do with beside intents, options and fleet."""
        return Beside(self.budgets, self.moving, stays, self.joins, self.stated, self.hourly)
