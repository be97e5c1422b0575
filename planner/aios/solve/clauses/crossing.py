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
    every = [time for row in times.values() for time in row.values()]
    known = sorted({time for time in every if time is not None})
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
            _keep_away(decisions, stands, then, there, further, levels[place:])
    return levels


def keep_joined(decisions: Decisions, first: int, then: int, seconds: Seconds) -> None:
    """Let no parts of the two stand on machines between which nobody knows how long data takes."""
    there = decisions.standing(then, NODE)
    for machine, terms in decisions.standing(first, NODE).items():
        apart = [other for other in there if seconds(machine, other) is None]
        if apart:
            _keep_away(decisions, _stands(decisions, first, terms), then, there, apart, [])


def _stands(decisions: Decisions, intent: int, terms: Sequence[Term]) -> int:
    """Return a 0-1 variable that is 1 just where parts of an intent stand on a machine. terms: their sum"""
    return presence(decisions, terms, max(parts_of(decisions, intent), default=0))


def _keep_away(
    decisions: Decisions,
    stands: int,
    intent: int,
    there: Mapping[str, Sequence[Term]],
    machines: Sequence[str],
    unless: Levels,
) -> None:
    """Let no part of an intent stand on these machines while ``stands`` is 1, but where one of the levels is in use.

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
        slower = [(variable, -most) for variable, _ in unless]
        decisions.model.linear([*terms, (stands, most), *slower], high=most)
