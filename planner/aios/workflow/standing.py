"""status: what the state says stands, and what is true of it now."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from aios.records.errors import Diagnostic, InputError
from aios.records.state import Resource, State
from aios.spi.owner import Owner
from aios.workflow.keeping import load_state, state_of
from aios.workflow.observing import Seen, observe
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.verify.lately import Lately

__all__ = ["Standing", "load_at_work", "look", "pick", "seconds_since"]


@dataclass(frozen=True)
class Standing:
    """A resource and what is true of it now. lately: what it counted in the last minutes, where it counts · age_s:
    since it was applied"""

    resource: Resource
    seen: Seen
    lately: Lately | None = None
    age_s: float = field(default=0.0)


def load_at_work(setting: Setting) -> tuple[State, Owner | None]:
    """Read the state; return it with who is at work on it now, None where nobody is: an action that is not finished is
    then under way, or was cut short."""
    state = load_state(setting)
    if state.run is None:
        return state, None
    with closing(state_of(setting)) as backend:
        hold = backend.holder()
    if hold is not None and hold.alive is not False:
        return state, hold.owner
    return load_state(setting), None  # the run may have ended since the state was read


def pick(state: State, targets: Sequence[str]) -> tuple[Resource, ...]:
    """Return the resources of these addresses, or all. Raises InputError for an unknown one."""
    problems = []
    for name in targets:
        if name not in state.resources:
            near = difflib.get_close_matches(name, state.resources, n=1)
            known = ", ".join(sorted(state.resources))
            applied = f"applied: {known}" if known else "nothing is applied at all: `aios apply` first"
            remedy = f"did you mean {near[0]}?" if near else applied
            problems.append(Diagnostic(summary=f"nothing is applied under the name {name!r}", remedy=remedy))
    if problems:
        raise InputError(*problems)
    return tuple(state.resources[name] for name in sorted(set(targets) or set(state.resources)))


def look(setting: Setting, targets: Sequence[str] = (), state: State | None = None) -> tuple[Standing, ...]:
    """Return what stands of these addresses, or of all, each observed now. state: where it was read already"""
    resources = pick(load_state(setting) if state is None else state, targets)
    seen = observe(resources)
    return tuple(
        Standing(
            resource,
            seen[resource.address],
            lately=_lately(resource, seen[resource.address]),
            age_s=seconds_since(resource.applied_at, setting.now()),
        )
        for resource in resources
    )


def _lately(resource: Resource, seen: Seen) -> Lately | None:
    recent = seen.observation and seen.observation.recent
    if not recent:
        return None
    from aios.verify.lately import lately

    return lately(recent, resource.claims, resource.address)


def seconds_since(then: str, now: str) -> float:
    """Return the seconds between two times in ISO form; none where a clock was set back, or one is no time."""
    try:
        return max(0.0, (datetime.fromisoformat(now) - datetime.fromisoformat(then)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
