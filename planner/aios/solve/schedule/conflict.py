"""Why no schedule exists: a smallest set of clauses that cannot hold together, and what each would need.

A clause is left out for good where the others still contradict each other without it; what is left at the end is
needed, every one of it. Ways and lengths of jobs are no clauses: they always hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aios.records.schedule import Job
from aios.records.selection import Clause, Conflict, Relaxation
from aios.solve.cpsat import Engine
from aios.solve.schedule.decisions import Decisions, Ruled
from aios.solve.schedule.problem import Pool, Problem

__all__ = ["explain"]


_UNITS = {"d": 86400, "h": 3600, "min": 60, "s": 1}
_MOST_NAMED = 5
"""Jobs that a note names."""


class _Rule(NamedTuple):
    """A clause and what of the problem it is about. kind: a field of ``Ruled`` · numbers: its indexes there"""

    kind: str
    numbers: tuple[int, ...]
    clause: Clause


def explain(problem: Problem, engine: Engine, *, exact: bool) -> Conflict:
    """Return the conflict of a problem that has no schedule. exact: only no schedule on machines in particular"""
    idle = [task.job for task in problem.tasks if not task.modes]
    if idle:
        clauses = [
            Clause(id=f"{job.name}/runs", intent=job.intent, text=f"{job.name} runs", where=job.where) for job in idle
        ]
        return Conflict(clauses=tuple(clauses), relaxations=(), notes=tuple(map(_why_idle, clauses)))
    rules = list(_rules(problem))
    kept, proved = _needed(problem, rules, engine, exact)
    relaxations = [found for rule in kept if (found := _relaxed(problem, kept, rule, engine, exact)) is not None]
    notes = tuple(_notes(problem, kept, proved))
    return Conflict(clauses=tuple(rule.clause for rule in kept), relaxations=tuple(relaxations), notes=notes)


def _notes(problem: Problem, kept: Sequence[_Rule], proved: bool) -> Iterator[str]:
    if not proved:
        yield "The limit came before every clause was tried: fewer of them may contradict each other."
    caps = [number for rule in kept if rule.kind == "groups" for number in rule.numbers]
    pools = {pool for number in caps for pool in problem.groups[number].pools}
    dark = [
        task.job.name for task in problem.tasks if any(mode.pool in pools and mode.watts is None for mode in task.modes)
    ]
    if dark:
        names = ", ".join(dark[:_MOST_NAMED]) + (
            f" and {len(dark) - _MOST_NAMED} more" if len(dark) > _MOST_NAMED else ""
        )
        yield f"An unknown power keeps no cap, and nobody knows that of {names}: state `tdp` of what it runs on."


def _why_idle(clause: Clause) -> str:
    return (
        f"{clause.intent} has no way to run at all: every one was left out before, breaks a requirement, or draws a "
        "power that nobody knows where a cap holds."
    )


def _rules(problem: Problem) -> Iterator[_Rule]:
    """Yield every clause; what was written once, of all copies of a job, is one."""
    copies: dict[str, list[int]] = {}
    for number, task in enumerate(problem.tasks):
        copies.setdefault(task.job.intent, []).append(number)
    for numbers in copies.values():
        first = problem.tasks[numbers[0]]
        if first.after:
            yield _Rule("orders", tuple(numbers), _order(first.job))
        if first.latest is not None and not first.standing:
            yield _Rule("deadlines", tuple(numbers), _deadline(problem, numbers[0]))
    for number, group in enumerate(problem.groups):
        text = f"power cap of {group.name}"
        yield _Rule("groups", (number,), Clause(id=f"cap/{group.name}", intent=None, text=text, where=group.where))
    for number, pool in enumerate(problem.pools):
        yield _Rule("pools", (number,), _capacity(pool))


def _order(job: Job) -> Clause:
    text = f"starts after {', '.join(job.after)}"
    where = job.after_at[0] if job.after_at else job.where
    return Clause(id=f"{job.intent}/after", intent=job.intent, text=text, where=where)


def _capacity(pool: Pool) -> Clause:
    what = "devices, cores and memory" + (" and power cap" if pool.cap else "")
    many = "1 machine" if len(pool.machines) == 1 else f"{len(pool.machines)} machines"
    text = f"{what} of {pool.node.name} ({many})"
    return Clause(id=f"capacity/{pool.node.name}", intent=None, text=text, where=pool.node.where)


def _deadline(problem: Problem, number: int) -> Clause:
    task = problem.tasks[number]
    assert task.latest is not None
    within = task.job.deadline_s is None or task.job.deadline_s > task.latest * problem.step_s + problem.step_s
    text = f"ends by {_time(problem, task.latest)} after the start" + (" (all jobs do)" if within else "")
    return Clause(
        id=f"{task.job.intent}/deadline",
        intent=task.job.intent,
        text=text,
        where=task.job.deadline_at or task.job.where,
    )


def _time(problem: Problem, steps: int) -> str:
    """Return a time in the largest unit of which it is a whole number, so that it reads back as it is."""
    seconds = steps * problem.step_s
    unit = next(name for name, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds // _UNITS[unit]} {unit}"


def _needed(problem: Problem, rules: Sequence[_Rule], engine: Engine, exact: bool) -> tuple[list[_Rule], bool]:
    """Return the rules without those that the contradiction does not need, and whether each was tried."""
    kept, proved = list(rules), True
    for rule in rules:
        fewer = [other for other in kept if other is not rule]
        status = engine.solve(_model(problem, fewer, exact).model, 1 / (len(rules) + 1)).status
        if status == "infeasible":
            kept = fewer
        proved = proved and status != "unknown"
    return kept, proved


def _model(problem: Problem, rules: Sequence[_Rule], exact: bool) -> Decisions:
    """Return the model of these rules; a horizon that no deadline stands for gives way."""
    sets = {kind: frozenset(n for rule in rules if rule.kind == kind for n in rule.numbers) for kind in Ruled._fields}
    every = sum(max((mode.length for mode in task.modes), default=0) for task in problem.tasks if not task.standing)
    far = problem.horizon + every + problem.day
    longer = problem._replace(horizon=far)
    return Decisions(longer, Ruled(**sets), exact=exact)


def _relaxed(problem: Problem, kept: Sequence[_Rule], rule: _Rule, engine: Engine, exact: bool) -> Relaxation | None:
    """Return the earliest end that a job could keep in place of its deadline, all others as they are."""
    if rule.kind != "deadlines":
        return None
    others = [other for other in _rules(problem) if other.clause.id != rule.clause.id]
    decisions = _model(problem, others, exact)
    last = decisions.model.variable(0, decisions.problem.horizon)
    for number in rule.numbers:
        length = [(variable, -steps) for variable, steps in decisions.length(number)]
        decisions.model.linear([(last, 1), (decisions.starts[number], -1), *length], low=0)
    decisions.model.minimize([(last, 1)])
    answer = engine.solve(decisions.model, 1 / (len(kept) + 1))
    if answer.status != "optimal":
        return None
    end = answer.values[last]
    return Relaxation(
        clause=rule.clause.id,
        to=f"{_time(problem, end)} after the start",
        value=float(end * problem.step_s),
        where=rule.clause.where,
    )
