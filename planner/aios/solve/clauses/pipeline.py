"""Bounds on pipelines: on what a request sees of all stages together, and on what all stages take together.

The time of a request is that of its slowest path: along a path, the times of its stages add up, each as often as the
request makes items of it, and what handing data from machine to machine takes. Percentiles of stages add up to more
than that of their sum where their times are independent of each other and no heavier in their tails than exponential
ones, but for the median, for which means stand in. Sums are compared in parts of the bound (``PARTS``), rounded down,
as for budgets; the checker allows just that. Accuracies are multiplied: their logarithms add up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

from aios.records.intent import Pipeline, Requirement, Stage
from aios.records.metrics import is_endless, metric
from aios.records.selection import Clause
from aios.solve.clauses.budget import PARTS
from aios.solve.clauses.crossing import Levels, Seconds, crossing, keep_joined
from aios.solve.clauses.requirement import compared
from aios.solve.clauses.rule import Eased, Rule
from aios.solve.cpsat import Answer, Term
from aios.solve.model import Decisions
from aios.solve.problem import Problem
from aios.solve.wording import sufficient

__all__ = ["Bound", "bounds_of", "counted", "handing", "rules"]


class Bound(NamedTuple):
    """A bound of a pipeline. members: stage -> index of its intent"""

    pipeline: Pipeline
    members: Mapping[str, int]
    requirement: Requirement

    @property
    def timed(self) -> bool:
        """Whether it bounds a time."""
        return self.requirement.metric.startswith("latency.")

    @property
    def limit(self) -> float:
        """The most that the amounts of options may add up to."""
        bound = self.requirement.bound
        return -math.log(bound) if self._multiplied else bound

    @property
    def whole(self) -> float:
        """What is cut into parts."""
        return 1.0 if self._multiplied else self.requirement.bound

    @property
    def _multiplied(self) -> bool:
        return self.requirement.metric.startswith("accuracy.")

    def amounts(self, problem: Problem, stage: Stage) -> list[float | None]:
        """Return what each option of a stage adds; None where nobody knows."""
        index, name = self.members[stage.name], self.requirement.metric
        values = compared(problem.priced(index), problem.intents[index], counted(name))
        if self._multiplied:
            return [None if value is None or value <= 0 else -math.log(value) for value in values]
        endless = [value is None or is_endless(name, value) for value in values]
        times = problem.intents[index].times(name)
        return [None if out or v is None else times * v for v, out in zip(values, endless, strict=True)]

    def told(self, amount: float) -> float:
        """Return the value of the metric that amounts add up to."""
        return math.exp(-amount) if self._multiplied else amount


def counted(name: str) -> str:
    """Return the metric of stages that adds up to one of pipelines: medians do not, and stay below means."""
    return "latency.mean" if name == "latency.p50" else name


def bounds_of(problem: Problem) -> list[Bound]:
    """Return every bound of every pipeline, in the order of the intents."""
    members: dict[str, dict[str, int]] = {}
    found: dict[str, Pipeline] = {}
    for index in problem.staged:
        intent = problem.intents[index]
        assert intent.pipeline is not None
        assert intent.stage is not None
        found.setdefault(intent.pipeline.name, intent.pipeline)
        members.setdefault(intent.pipeline.name, {})[intent.stage.name] = index
    return [Bound(own, members[name], requirement) for name, own in found.items() for requirement in own.require]


def rules(problem: Problem) -> Iterator[Rule]:
    """Yield one clause per bound of a pipeline, ``<pipeline>/<metric>``, and where a time is bounded one per edge,
    ``<pipeline>/<first>/<then>``: it is known how long handing over takes."""
    joined: set[str] = set()
    for bound in bounds_of(problem):
        pipeline, requirement = bound.pipeline, bound.requirement
        clause = Clause(
            id=f"{pipeline.name}/{requirement.metric}",
            intent=pipeline.name,
            metric=requirement.metric,
            bound=requirement.bound,
            text=pipeline.said(requirement),
            where=requirement.where,
        )
        yield Rule(clause, None, partial(_add, bound=bound), ease=partial(_ease, bound=bound))
        if bound.timed and pipeline.name not in joined:
            joined.add(pipeline.name)
            yield from (_handing_rule(pipeline, bound.members, *edge) for edge in pipeline.edges)


def _handing_rule(pipeline: Pipeline, members: Mapping[str, int], first: Stage, then: Stage) -> Rule:
    clause = Clause(
        id=f"{pipeline.name}/{first.name}/{then.name}",
        intent=pipeline.name,
        text=pipeline.known_handing(first, then),
        where=first.where,
    )

    def add(decisions: Decisions) -> None:
        source, target = members.get(first.name), members.get(then.name)
        if source in decisions.chosen and target in decisions.chosen:
            keep_joined(decisions, source, target, handing(decisions.problem, first, then))

    return Rule(clause, None, add)


def _add(decisions: Decisions, bound: Bound) -> None:
    if bound.timed:
        ends = _Paths(decisions, bound, bound.whole, PARTS)
        decisions.model.forbid(ends.out)
        return
    terms, out = _terms(decisions, bound, bound.whole, bound.limit)
    decisions.model.forbid(out)
    if terms:
        decisions.model.linear(terms, high=math.ceil(bound.limit / bound.whole * PARTS))


def _terms(decisions: Decisions, bound: Bound, whole: float, most: float) -> tuple[list[Term], list[int]]:
    """Return what the chosen options of all stages add up to, in parts, and those that are out for themselves."""
    terms: list[Term] = []
    out: list[int] = []
    for stage in _present(decisions, bound):
        own, lost = _of_stage(decisions, bound, stage, whole, most)
        terms += own
        out += lost
    return terms, out


def _of_stage(
    decisions: Decisions, bound: Bound, stage: Stage, whole: float, most: float
) -> tuple[list[Term], list[int]]:
    variables = decisions.chosen[bound.members[stage.name]]
    terms, out = [], []
    for variable, amount in zip(variables, bound.amounts(decisions.problem, stage), strict=True):
        if amount is None or amount > most * (1 + 1 / PARTS) + 1 / PARTS:
            out.append(variable)
        else:
            terms.append((variable, math.floor(amount / whole * PARTS)))
    return terms, out


def _present(decisions: Decisions, bound: Bound) -> list[Stage]:
    """Return the stages that are planned at all: the others restrict nothing."""
    return [stage for stage in bound.pipeline.stages if bound.members.get(stage.name) in decisions.chosen]


class _Paths:
    """When each stage has answered, in parts of ``whole``: no sooner than the stages before it, and its own time.

    end: stage -> variable, no greater than ``most`` · out: variables of options whose time nobody knows, or which take
    too long alone · levels: of each edge, see ``crossing``
    """

    def __init__(self, decisions: Decisions, bound: Bound, whole: float, most: int) -> None:
        self.end: dict[str, int] = {}
        self.out: list[int] = []
        self.levels: dict[tuple[str, str], Levels] = {}
        present = {stage.name for stage in _present(decisions, bound)}
        named = {stage.name: stage for stage in bound.pipeline.stages}
        for stage in bound.pipeline.stages:
            own: list[Term] = []
            if stage.name in present:
                own, lost = _of_stage(decisions, bound, stage, whole, whole * most / PARTS)
                self.out += lost
            self.end[stage.name] = end = decisions.model.variable(0, most)
            taken = [(variable, -size) for variable, size in own]
            decisions.model.linear([(end, 1), *taken], low=0)
            for before in stage.after:
                sent: list[Term] = []
                if stage.name in present and before in present:
                    levels = self._crossing(decisions, bound, named[before], stage)
                    sent = [(level, -math.floor(seconds / whole * PARTS)) for level, seconds in levels]
                decisions.model.linear([(end, 1), (self.end[before], -1), *sent, *taken], low=0)

    def _crossing(self, decisions: Decisions, bound: Bound, first: Stage, then: Stage) -> Levels:
        seconds = handing(decisions.problem, first, then)
        levels = crossing(decisions, bound.members[first.name], bound.members[then.name], seconds)
        self.levels[first.name, then.name] = levels
        return levels


def handing(problem: Problem, first: Stage, then: Stage) -> Seconds:
    """Return how long one stage takes to hand to another all that a request makes, between two machines by name.

    On one machine nothing is added: a stage's time runs from sending the request to having the answer.
    """
    times = max(first.per, then.per)

    def seconds(source: str, target: str) -> float | None:
        join = problem.joins.between(source, target)
        if join is not None and math.isinf(join.bandwidth):
            return times * join.latency
        if join is None or first.produces_bytes is None:
            return None
        return join.seconds(times, first.per * first.produces_bytes)

    return seconds


def _ease(decisions: Decisions, bound: Bound) -> Eased | None:
    """Find the tightest bound that would do."""
    known = {
        stage.name: bound.amounts(decisions.problem, stage) for stage in _present(decisions, bound)
    }  # per stage and option
    largest = sum(max((a for a in row if a is not None), default=0.0) for row in known.values())
    if bound.timed:
        return _ease_time(decisions, bound, known, largest)
    terms, out = _terms(decisions, bound, largest or 1.0, math.inf)
    decisions.model.forbid(out)

    def read(answer: Answer) -> tuple[str, float]:
        value = bound.told(sum(_picked(decisions, bound, known, answer).values()))
        return sufficient(value, metric(bound.requirement.metric)), value

    return Eased(tuple(terms), read)


def _ease_time(decisions: Decisions, bound: Bound, known: Mapping[str, list[float | None]], largest: float) -> Eased:
    ends = _Paths(decisions, bound, largest or 1.0, _LONGEST * PARTS)
    decisions.model.forbid(ends.out)
    last = decisions.model.variable(0, _LONGEST * PARTS)
    for end in ends.end.values():
        decisions.model.linear([(last, 1), (end, -1)], low=0)

    def read(answer: Answer) -> tuple[str, float]:
        own = _picked(decisions, bound, known, answer)
        done: dict[str, float] = {}
        for stage in bound.pipeline.stages:
            before = [
                done[name] + sum(s for level, s in ends.levels.get((name, stage.name), ()) if answer.values[level])
                for name in stage.after
            ]
            done[stage.name] = max(before, default=0.0) + own.get(stage.name, 0.0)
        value = max(done.values())
        return sufficient(value, metric(bound.requirement.metric)), value

    return Eased(((last, 1),), read)


_LONGEST = 1000
"""Times the longest that all stages can take, that handing over may take when the tightest bound is sought."""


def _picked(
    decisions: Decisions, bound: Bound, known: Mapping[str, list[float | None]], answer: Answer
) -> dict[str, float]:
    """Return what the chosen option of each stage adds."""
    found = {}
    for name, amounts in known.items():
        variables = decisions.chosen[bound.members[name]]
        found[name] = sum(
            amount or 0.0 for variable, amount in zip(variables, amounts, strict=True) if answer.values[variable]
        )
    return found
