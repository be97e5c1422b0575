"""What handing data from one intent to another takes, by where their parts stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aios.records.where import NODE
from aios.solve.clauses.domains import merged, parts_of, presence
from aios.solve.cpsat import Term
from aios.solve.model import Decisions

__all__ = ["Levels", "Seconds", "crossing", "keep_joined"]

Seconds = Callable[[str, str], float | None]
"""How long data takes between two machines, by name; None where nobody knows."""

Levels = list[tuple[int, float]]
"""0-1 variables just one of which is 1, each with the seconds that it stands for; none where nothing is added."""


def crossing(decisions: Decisions, first: int, then: int, seconds: Seconds) -> Levels:
    """Return how long the slowest known way takes between a machine with parts of ``first`` and one of ``then``.

    Machines are told apart. Where all ways take the same no variable of a pair is needed; else a level says that no way
    that takes longer is in use.
    """
    here, there = decisions.standing(first, NODE), decisions.standing(then, NODE)
    times = {one: {other: seconds(one, other) for other in there} for one in here}
    beside = _beside(decisions, first, times)
    every = [time for row in times.values() for time in row.values()]
    known = sorted({time for time in every if time is not None} | ({0.0} if beside else set()))
    if not known or known == [0.0]:
        return []
    if len(known) == 1 and None not in every:
        return [(decisions.model.variable(1, 1), known[0])]
    levels = [(decisions.model.variable(0, 1), time) for time in known]
    decisions.model.exactly_one([variable for variable, _ in levels])
    for machine, row in times.items():
        stands = _stands(decisions, first, here[machine])
        for place, (_, least) in enumerate(levels[:-1], start=1):
            further = [other for other, time in row.items() if time is not None and time > least]
            unless = [variable for variable, _ in levels[place:]]
            _keep_away(decisions, stands, then, there, [other for other in further if other != machine], unless)
            if machine in further:
                _keep_away(decisions, stands, then, there, [machine], [*unless, *beside.get(machine, ())])
    return levels


def keep_joined(decisions: Decisions, first: int, then: int, seconds: Seconds) -> None:
    """Let no parts of the two stand on machines between which nobody knows how long data takes."""
    here, there = decisions.standing(first, NODE), decisions.standing(then, NODE)
    times = {one: {other: seconds(one, other) for other in there} for one in here}
    beside = _beside(decisions, first, times)
    for machine, row in times.items():
        apart = [other for other, time in row.items() if time is None]
        if apart:
            stands = _stands(decisions, first, here[machine])
            _keep_away(decisions, stands, then, there, [other for other in apart if other != machine], [])
            if machine in apart:
                _keep_away(decisions, stands, then, there, [machine], beside.get(machine, ()))


def _beside(
    decisions: Decisions, intent: int, times: Mapping[str, Mapping[str, float | None]]
) -> dict[str, tuple[int, ...]]:
    """Return what stands for several machines, between which data takes time -> that one of them holds all parts."""
    found: dict[str, tuple[int, ...]] = {}
    for machine, row in times.items():
        variable = decisions.gathered(intent, machine) if row.get(machine, 0.0) != 0.0 else None
        if variable is not None:
            found[machine] = (variable,)
    return found


def _stands(decisions: Decisions, intent: int, terms: Sequence[Term]) -> int:
    """Return a 0-1 variable that is 1 just where parts of an intent stand on a machine. terms: their sum"""
    return presence(decisions, terms, max(parts_of(decisions, intent), default=0))


def _keep_away(
    decisions: Decisions,
    stands: int,
    intent: int,
    there: Mapping[str, Sequence[Term]],
    machines: Sequence[str],
    unless: Sequence[int],
) -> None:
    """Let no part of an intent stand on these machines while ``stands`` is 1, but where one of ``unless`` is.

    there: machine -> how many of its parts stand on it, as a sum
    """
    decisions.sums_only = False
    parts = parts_of(decisions, intent)
    most = max(parts, default=0)
    kept = frozenset(machines)
    terms = [term for machine in machines for term in there[machine]]
    near = [term for machine in there if machine not in kept for term in there[machine]]
    if len(near) + len(parts) < len(terms):  # all of its parts, less those that stand elsewhere
        terms = merged(
            [*zip(decisions.chosen[intent], parts, strict=True), *((variable, -count) for variable, count in near)]
        )
    if terms:
        decisions.model.linear([*terms, (stands, most), *((variable, -most) for variable in unless)], high=most)
