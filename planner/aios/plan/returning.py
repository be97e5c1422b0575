"""Going back: a plan whose target is what an earlier plan wanted, as far as that can still stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aios.plan.actions import actions_for
from aios.plan.basis import Basis
from aios.plan.document import with_id
from aios.plan.room import with_room
from aios.records.errors import Diagnostic
from aios.records.fleet import Fleet
from aios.records.plan import Action, Deployment, Disruption, Inputs, Plan, Return
from aios.records.state import State

__all__ = ["going_back", "misfits", "wanted_by"]

_ROUNDING = 1e-6
"""Part of a device that sums of shares may be off by."""


def wanted_by(plan: Plan, fleet: Fleet) -> Mapping[str, Deployment]:
    """Return address -> what a plan wanted there, its machines reached as the fleet says now."""
    reached = {name: node.address for node in fleet.nodes for name in node.instances()}
    return {
        action.address: action.after.model_copy(
            update={"addresses": {name: reached.get(name) for name in action.after.addresses}}
        )
        for action in plan.actions
        if action.after is not None
    }


def going_back(
    target: Plan,
    back_to: Return,
    *,
    wanted: Mapping[str, Deployment],
    state: State,
    inputs: Inputs,
    made_from: Basis,
    in_place: Mapping[str, frozenset[str]],
    unhealthy: Mapping[str, str],
    files: Mapping[str, Any],
    version: str,
    moved: Mapping[str, Sequence[str]],
    fleet: Fleet,
    restart: Disruption,
) -> Plan:
    """Return the plan that makes ``wanted`` stand again, with what ``target`` decided and promised of it.

    files: paths of the plan, as they hold now · the others: as `make_plan` takes them
    """
    actions = actions_for(
        wanted,
        target.claims,
        state,
        in_place=in_place,
        unhealthy=unhealthy,
        refused=frozenset(),
        keep_others=False,
        moved=moved,
        unwanted=f"it was not wanted after run @{back_to.run}",
    )
    actions = with_room(actions, target.claims, state, fleet, restart)
    update = {
        "aios_version": version,
        "inputs": inputs,
        "back_to": back_to,
        "made_from": made_from,
        "actions": actions,
        "files": files,
        "valid": None,
        "signature": None,
        "rulings": (),
        "protected": _still_protected(target, actions, state),
    }
    return with_id(target.model_copy(update=update))


def _still_protected(target: Plan, actions: Sequence[Action], state: State) -> tuple[str, ...]:
    """Return what is not to be destroyed: as the earlier plan said, and what stands now; going back lifts nothing."""
    now = {
        action.address
        for action in actions
        for name in (action.address, action.moved_from or "")
        if name in state.resources and state.resources[name].prevent_destroy
    }
    return tuple(sorted({*target.protected, *now}))


def misfits(wanted: Mapping[str, Deployment], fleet: Fleet) -> Iterator[Diagnostic]:
    """Yield why deployments can no longer stand where they did."""
    nodes = {name: node for node in fleet.nodes for name in node.instances()}
    taken: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for address, deployment in wanted.items():
        for place in deployment.placement:
            node = nodes.get(place.node)
            if node is None:
                yield _misfit(address, f"it stood on {place.node}, which the fleet no longer has", fleet)
                continue
            kinds = {id_: slot.type for slot in node.devices for id_ in slot.ids}
            for id_ in place.devices:
                if id_ not in kinds:
                    yield _misfit(address, f"it stood on {id_} of {place.node}, which that no longer has", fleet)
                elif kinds[id_] != deployment.device:
                    was = f"{id_} of {place.node} was a {deployment.device}, and is a {kinds[id_]} now"
                    yield _misfit(address, was, fleet)
                else:
                    own = taken[place.node, id_]
                    own[address] = own.get(address, 0.0) + place.share * place.replicas
    for (name, id_), shares in taken.items():
        free = nodes[name].free_share(id_)
        if sum(shares.values()) > free + _ROUNDING:
            yield _overfull(name, id_, sum(shares.values()), free, sorted(shares))


def _misfit(address: str, reason: str, fleet: Fleet) -> Diagnostic:
    return Diagnostic(
        summary=f"{address} cannot stand again as it did",
        reason=reason,
        remedy=f"bring the fleet ({fleet.origin}) back, such as with `git checkout`; or plan the earlier intents again",
        command="aios plan PATH",
    )


def _overfull(node: str, id_: str, sum_: float, free: float, names: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        summary=f"{', '.join(names)} cannot stand again as they did",
        reason=f"they take {sum_:.3g} of {id_} of {node}, of which {free:.3g} is free now",
        remedy="bring the fleet back as it was; or plan the earlier intents again",
        command="aios plan PATH",
    )
