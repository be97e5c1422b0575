"""The room's one act: choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from aios.records.candidate import Priced
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.selection import Selection, Termination
from aios.solve.clauses import rules_of
from aios.solve.contenders import contenders
from aios.solve.cpsat import Engine
from aios.solve.explain import explain
from aios.solve.limits import Limits
from aios.solve.optimise import optimise
from aios.solve.placing import place
from aios.solve.problem import pose

__all__ = ["choose"]


def choose(
    intents: Sequence[Intent], options: Mapping[str, Sequence[Priced]], fleet: Fleet, limits: Limits
) -> Selection:
    """Choose one option for every intent and place its replicas on the fleet.

    options: intent name -> its priced options. Every requirement and capacity holds in the result, the goals are
    optimised in order (see ``aios.solve.goals``), and ties are broken by fewest cores, least share, first id, so that
    the order of the arguments does not matter. Status ``infeasible`` comes with the conflict; ``feasible`` and
    ``unknown`` mean that the limit was reached.
    """
    problem = pose(intents, contenders(intents, options), fleet)
    rules = rules_of(problem)
    engine = Engine(limits)
    chosen = optimise(problem, rules, engine)
    if chosen.status == "infeasible":
        return Selection(
            status="infeasible",
            termination=_termination(limits, "infeasible", found=False),
            conflict=explain(pose(intents, options, fleet), limits),
        )
    # Placing has its own allowance: a plan that was found is not lost because finding a better one took long.
    picked = chosen.picked
    placement = None if picked is None else place(problem, picked, Engine(limits))
    if picked is None or placement is None:
        return Selection(status="unknown", termination=_termination(limits, "limit", found=False))
    names = [intent.name for intent in problem.intents]
    return Selection(
        status="optimal" if chosen.status == "optimal" else "feasible",
        chosen={name: problem.options[i][picked[i]].priced for i, name in sorted(enumerate(names), key=_name)},
        placement={name: placement[name] for name in sorted(names)},
        objective=chosen.rows,
        termination=_termination(limits, "optimal" if chosen.status == "optimal" else "limit", found=True),
    )


def _name(numbered: tuple[int, str]) -> str:
    return numbered[1]


def _termination(limits: Limits, stopped: Literal["optimal", "infeasible", "limit"], *, found: bool) -> Termination:
    return Termination(
        stopped=stopped,
        found=found,
        seed=limits.seed,
        workers=limits.workers,
        deterministic_limit=limits.deterministic_limit,
        version=Engine.version(),
    )
