"""Plans as accounts of what was to stand: of nothing, without some services, with what others say of the rest."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aios.plan.document import with_id
from aios.records.plan import Action, Inputs, Plan, SolverNote
from aios.records.state import Resource

__all__ = ["as_stood", "completed", "empty_plan", "without"]


def empty_plan() -> Plan:
    """Return the plan of nothing at all: what stood before anything was applied."""
    nothing = Inputs(intents="", fleet="", models="", profiles="", catalogue="", state="new:0")
    note = SolverNote(termination="", seed=0, workers=0, deterministic_limit=0.0, version="")
    return with_id(Plan(id="", aios_version="", inputs=nothing, status="optimal", solver=note))


def without(plan: Plan, addresses: Collection[str]) -> Plan:
    """Return ``plan`` as if these services had not been part of it."""
    if not addresses:
        return plan
    gone = {*addresses}
    wholes = [whole for whole in plan.pipelines if not gone & {*whole.stages}]
    lost = {whole.intent for whole in plan.pipelines} - {whole.intent for whole in wholes}
    return with_id(
        plan.model_copy(
            update={
                "decisions": tuple(item for item in plan.decisions if item.intent not in gone),
                "actions": tuple(item for item in plan.actions if item.address not in gone),
                "claims": tuple(item for item in plan.claims if item.address not in gone | lost),
                "evaluate": {name: files for name, files in plan.evaluate.items() if name not in gone},
                "pipelines": tuple(wholes),
                "protected": tuple(name for name in plan.protected if name not in gone),
                "objective": (),
                "rejections": (),
            }
        )
    )


def as_stood(plan: Plan, resources: Sequence[Resource]) -> Plan:
    """Return ``plan`` as an account of what stood: without what did not stand as it says, and with what stood beside
    it."""
    stood = {item.address: item.deployment for item in resources}
    wanted = {action.address: action.after for action in plan.actions if action.after is not None}
    told = {name for name, deployment in stood.items() if wanted.get(name) == deployment}
    named = {decision.intent for decision in plan.decisions if decision.executor} | wanted.keys()
    more = tuple(_kept(item) for item in resources if item.address not in told)
    rest = without(plan, (named - told) | {action.address for action in plan.actions if action.after is None})
    return with_id(rest.model_copy(update={"actions": (*rest.actions, *more)}))


def _kept(resource: Resource) -> Action:
    return Action(
        address=resource.address,
        action="keep",
        reason="it stood",
        executor=resource.executor,
        before=resource.deployment,
        after=resource.deployment,
        undo="nothing to take back",
    )


def completed(plan: Plan, earlier: Plan, addresses: Collection[str]) -> Plan:
    """Return ``plan`` with what an earlier one decided and promised of services that it kept without planning them."""
    wanted = {action.address: action.after for action in plan.actions if action.address in addresses}
    made = {action.address: action.after for action in earlier.actions}
    decided = {decision.intent for decision in earlier.decisions}
    own = {name for name, after in wanted.items() if name in decided and made.get(name) == after}
    if not own:
        return plan
    wholes = [whole for whole in earlier.pipelines if {*whole.stages} <= own]
    told = own | {whole.intent for whole in wholes}
    return with_id(
        plan.model_copy(
            update={
                "decisions": (*plan.decisions, *(item for item in earlier.decisions if item.intent in own)),
                "claims": (*plan.claims, *(claim for claim in earlier.claims if claim.address in told)),
                "evaluate": {
                    **plan.evaluate,
                    **{name: files for name, files in earlier.evaluate.items() if name in own},
                },
                "pipelines": (*plan.pipelines, *wholes),
                "protected": (*plan.protected, *(name for name in earlier.protected if name in own)),
            }
        )
    )
