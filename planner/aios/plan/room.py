"""What has to make room first: an action that takes what another one frees waits for it, where both do not fit at once;
and a replaced service serves beside its successor only where memory holds both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from aios.records.fleet import Fleet
from aios.records.plan import Action, Claim, Claims, Deployment, Disruption
from aios.records.state import State
from aios.records.units import Dimension, format_quantity

__all__ = ["with_room"]

_ROUNDING = 1e-9
"""Shares that add up to this much more than a whole device still fit: they are sums of fractions."""

_Space: TypeAlias = tuple[str, str, str]
"""What is taken: machine, device id or ``""`` for the machine itself, ``share`` or ``memory``."""


class _Step(NamedTuple):
    """An action with what its address takes before and after it."""

    action: Action
    before: Mapping[_Space, float]
    after: Mapping[_Space, float]

    def grows(self, space: _Space) -> float:
        return self.after.get(space, 0.0) - self.before.get(space, 0.0)


def with_room(
    actions: Sequence[Action], claims: Sequence[Claim], state: State, fleet: Fleet, restart: Disruption
) -> tuple[Action, ...]:
    """Return ``actions`` with what each waits for, and which replaced services end before their successors start.

    claims: of the plan; those of what stands are in the state. A memory of which nobody knows how much there is, or how
    much is taken, is taken to be large enough · restart: seconds without service of what ends first
    """
    standing = {name: _takes(item.deployment, item.claims, name) for name, item in state.resources.items()}
    promised = Claims(claims)
    steps = [
        _Step(
            action,
            (standing.get(action.address) or standing.get(action.moved_from or "", {})) if action.before else {},
            _takes(action.after, promised.concerning(action.address), action.address)
            if action.after is not None
            else {},
        )
        for action in actions
    ]
    room = _Room(steps, standing, fleet)
    callers = _callers(actions)
    return tuple(_placed(position, step, room, callers, restart) for position, step in enumerate(steps))


class _Room:
    """How full everything is: what stands, what grows and what shrinks."""

    def __init__(self, steps: Sequence[_Step], standing: Mapping[str, Mapping[_Space, float]], fleet: Fleet) -> None:
        self.steps = steps
        self._fleet = fleet
        self._nodes = {name: node for node in fleet.nodes for name in node.instances()}
        self.peak: dict[_Space, float] = defaultdict(float)
        self.shrinking: dict[_Space, list[int]] = defaultdict(list)
        self.leaving: dict[int, list[int]] = defaultdict(list)
        for taken in standing.values():
            for space, amount in taken.items():
                self.peak[space] += amount
        for position, step in enumerate(steps):
            for space in {*step.before, *step.after}:
                growth = step.grows(space)
                self.peak[space] += max(0.0, growth)
                if growth < 0.0:
                    self.shrinking[space].append(position)
            port = _port(step.action.before)
            if port is not None and port != _port(step.action.after):
                self.leaving[port].append(position)

    def holds(self, space: _Space) -> float | None:
        """Return how much there is; None where nobody knows."""
        machine, device, kind = space
        node = self._nodes.get(machine)
        if kind == "share":
            return 1.0 + _ROUNDING if node is None else node.free_share(device) + _ROUNDING
        if node is None or not device:
            return None if node is None else node.free_memory_bytes
        known = next((self._fleet.types.get(slot.type) for slot in node.devices if device in slot.ids), None)
        return None if known is None or known.memory_bytes is None else known.memory_bytes.value

    def tight(self, space: _Space, more: float = 0.0) -> bool:
        """Say whether all that stands and all that comes, and ``more``, do not fit at once."""
        has = self.holds(space)
        return has is not None and self.peak[space] + more > has


def _placed(
    position: int, step: _Step, room: _Room, callers: Mapping[str, frozenset[str]], restart: Disruption
) -> Action:
    action = step.action
    if action.after is None or action.action == "keep":
        return action
    tight = [space for space in step.after if step.grows(space) > 0.0 and room.tight(space)]
    first = {i for space in tight for i in room.shrinking[space] if i < position}
    port = _port(action.after)
    if port is not None and port != _port(action.before):
        first |= {i for i in room.leaving[port] if _meet(room.steps[i].action, action)}
    names = {room.steps[i].action.address for i in first - {position}} - {action.address}
    # What calls this one is changed after it, and what was called goes after its callers: that comes before room.
    names -= callers.get(action.address, frozenset())
    if action.before is not None:
        names -= set(action.before.next)
    update: dict[str, object] = {"waits_for": tuple(sorted(names))} if names else {}
    beside = {s: min(amount, step.before.get(s, 0.0)) for s, amount in step.after.items() if s[2] == "memory"}
    full = [space for space, more in beside.items() if room.tight(space, more)]
    if action.action == "replace" and full:
        has = format_quantity(room.holds(full[0]) or 0.0, Dimension.BYTES)
        why = f"the old and the new do not fit at once into {has} of memory of {full[0][0]}: the old one ends first, "
        update |= {"downtime_s": restart, "reason": f"{action.reason}; {why}about {restart.value:g} s without service"}
    return action.model_copy(update=update) if update else action


def _takes(deployment: Deployment, claims: Sequence[Claim], address: str) -> Mapping[_Space, float]:
    """Return what all replicas of a deployment take, as far as that is known."""
    memory = next((c.estimate.value for c in claims if c.address == address and c.metric == "memory"), 0.0)
    taken: dict[_Space, float] = defaultdict(float)
    for part in deployment.placement:
        for device in part.devices:
            taken[part.node, device, "share"] += part.share * part.replicas
            if memory and deployment.device_kind != "cpu":
                taken[part.node, device, "memory"] += memory * part.replicas
        if memory and deployment.device_kind == "cpu":
            taken[part.node, "", "memory"] += memory * part.replicas
    return taken


def _port(deployment: Deployment | None) -> int | None:
    return deployment.serve.port if deployment is not None else None


def _meet(leaving: Action, coming: Action) -> bool:
    """Say whether two services stand on one machine."""
    places = [{part.node for part in item.placement} for item in (leaving.before, coming.after) if item is not None]
    return len(places) == 2 and bool(places[0] & places[1])


def _callers(actions: Sequence[Action]) -> Mapping[str, frozenset[str]]:
    """Return address -> everything that calls it when the plan is carried out, directly or through others."""
    direct: dict[str, set[str]] = defaultdict(set)
    for action in actions:
        for name in action.after.next if action.after is not None else ():
            direct[name].add(action.address)
    return {name: frozenset(_reached(name, direct)) for name in direct}


def _reached(name: str, direct: Mapping[str, set[str]]) -> Iterator[str]:
    seen: set[str] = set()
    open_ = [name]
    while open_:
        for caller in direct.get(open_.pop(), ()):
            if caller not in seen:
                seen.add(caller)
                open_.append(caller)
                yield caller
