"""status: what the state says stands, and what is true of it now."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from aios.records.errors import Diagnostic, InputError
from aios.records.state import Resource, State
from aios.spi.executor import Observation
from aios.workflow.keeping import state_of
from aios.workflow.setting import Setting
from aios.workflow.watching import watched_executors

__all__ = ["Standing", "load_state", "look", "pick"]


@dataclass(frozen=True)
class Standing:
    """A resource and what is true of it now."""

    resource: Resource
    seen: Observation


def load_state(setting: Setting) -> State:
    """Read the state. Raises ConflictError for one that is damaged or newer."""
    return state_of(setting).load()


def pick(state: State, targets: Sequence[str]) -> tuple[Resource, ...]:
    """Return the resources of these addresses, or all. Raises InputError for an unknown one."""
    problems = []
    for name in targets:
        if name not in state.resources:
            near = difflib.get_close_matches(name, state.resources, n=1)
            known = ", ".join(sorted(state.resources)) or "nothing is applied"
            remedy = f"did you mean {near[0]}?" if near else f"applied: {known}"
            problems.append(Diagnostic(summary=f"nothing is applied under the name {name!r}", remedy=remedy))
    if problems:
        raise InputError(*problems)
    return tuple(state.resources[name] for name in sorted(set(targets) or set(state.resources)))


def look(setting: Setting) -> tuple[Standing, ...]:
    """Return everything that stands, each observed now."""
    from aios.spi import registry

    state = load_state(setting)
    executors = watched_executors(registry.load_all("aios.executors")) if state.resources else {}
    return tuple(
        Standing(resource, executors[resource.executor].observe(resource.address, resource.handle))
        for resource in pick(state, ())
    )
