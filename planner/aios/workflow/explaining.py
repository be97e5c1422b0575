"""explain: where the time, memory and watts of the chosen candidates go."""

from __future__ import annotations

from typing import NamedTuple

from aios.records.explanation import Explanation
from aios.records.objective import ShadowValue
from aios.workflow.joining import joins_of
from aios.workflow.planning import Considered, Planned, consider, evidence_of, make_plan
from aios.workflow.ranking import ranked
from aios.workflow.reading import gather
from aios.workflow.setting import Setting

__all__ = ["Explained", "explain"]


class Explained(NamedTuple):
    """A plan and the explanation of each of its choices; where there is no plan, of each intent's nearest miss.

    binding: what more of each budget of the plan would be worth
    """

    planned: Planned
    explanations: tuple[Explanation, ...]
    binding: tuple[ShadowValue, ...]


def explain(setting: Setting) -> Explained:
    """Plan, and account for what was chosen, or comes nearest to it. Raises as ``make_plan`` does."""
    from aios.cost import explain as account

    planned = make_plan(setting, consider(gather(setting), setting.tell))
    considered = planned.considered
    given = considered.given
    found = []
    for intent in given.intents:
        nearest = ranked(considered.options[intent.name], intent)[:1] if planned.plan.conflict else []
        chosen = planned.selection.chosen.get(intent.name) or next(iter(nearest), None)
        if chosen is not None:
            profile = given.profiles[intent.name][chosen.candidate.model]
            found.append(account(intent, chosen, profile, given.fleet, evidence_of(given, intent)))
    return Explained(planned, tuple(found), _binding(considered, setting))


def _binding(considered: Considered, setting: Setting) -> tuple[ShadowValue, ...]:
    from aios.solve import shadow_values

    given = considered.given
    if given.objective is None or not given.objective.budget or not given.intents:
        return ()
    setting.tell("choosing again with more of each budget")
    joins = joins_of(given.intents, considered.options, given.fleet)
    return shadow_values(given.intents, considered.options, given.fleet, given.objective, setting.limits(), joins)
