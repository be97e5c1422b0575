"""drift: what is true and measured now against what was applied and promised."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any, NamedTuple

from aios.records.drift import Deviation
from aios.records.state import Resource
from aios.spi.executor import Counted, Stranger
from aios.verify.drift import Looked, deviations
from aios.workflow.configured import applied_plans, configuration_deviations, with_paths
from aios.workflow.keeping import artefacts_of, load_state, state_of
from aios.workflow.metering import resident_bytes
from aios.workflow.observing import DEADLINE_S, Seen, at_once, executors_of, observe
from aios.workflow.setting import Setting
from aios.workflow.standing import pick, seconds_since

__all__ = ["Drift", "drift"]


_WHOLE_SECOND = 1.0
"""What times without fractions may be off by."""


class Drift(NamedTuple):
    """What was found. addresses: of what was looked at · at: when, ISO, UTC"""

    addresses: tuple[str, ...]
    deviations: tuple[Deviation, ...]
    at: str


def drift(setting: Setting, targets: Sequence[str]) -> Drift:
    """Look at what stands of these addresses, or at all and at what nobody looks after.

    Raises InputError for an unknown target, ConflictError for a state that is damaged or newer.
    """
    from aios.spi.executor import Watching

    state, at = load_state(setting), setting.now()
    resources = pick(state, targets)
    setting.tell(f"looking at {len(resources)} services")
    seen = observe(resources)
    executors, _ = executors_of(resources)
    watching = {name: executor for name, executor in executors.items() if isinstance(executor, Watching)}
    counted = _counted(resources, seen, watching)
    looks = [_looked(resource, seen[resource.address], counted, at) for resource in resources]
    strangers = [] if targets or _at_work(setting) else _strangers(setting, state.resources.values())
    setting.tell("reading what it was planned from")
    plans = applied_plans(setting, [resource.address for resource in resources])
    found = (
        *with_paths(plans, deviations(looks, strangers, datetime.fromisoformat(at))),
        *configuration_deviations(setting, state, plans),
    )
    return Drift(tuple(resource.address for resource in resources), found, at)


def _counted(
    resources: Sequence[Resource], seen: Mapping[str, Seen], watching: Mapping[str, Any]
) -> Mapping[str, Sequence[Counted]]:
    """Return address -> what its service counted; nothing of those that do not answer."""

    def ask(resource: Resource) -> Callable[[], Sequence[Counted]]:
        return lambda: watching[resource.executor].counted(resource.handle)

    asked = {}
    for resource in resources:
        observation = seen[resource.address].observation
        if resource.executor in watching and observation is not None and observation.recent is not None:
            asked[resource.address] = ask(resource)
    answers = at_once(asked, DEADLINE_S + 0.05 * len(asked))
    return {name: answer for name, answer in answers.items() if not isinstance(answer, Exception)}


def _looked(resource: Resource, seen: Seen, counted: Mapping[str, Sequence[Counted]], at: str) -> Looked:
    """Put together what was found out of a resource. What was counted before it was applied was counted of another."""
    own = list(counted.get(resource.address, ()))
    if at > resource.applied_at:  # else the clock was set back, and nothing says which of it is older
        age_s = seconds_since(resource.applied_at, at) + _WHOLE_SECOND
        own = [stretch for stretch in own if stretch.began_s <= age_s]
    pids = seen.observation.pids if seen.observation else ()
    resident = resident_bytes(pids, mapped=bool(resource.deployment.tiers)) if pids else None
    return Looked(resource, seen.observation, seen.why, own, resident)


def _at_work(setting: Setting) -> bool:
    """Say whether somebody holds the state's lock: what is being made is nobody's stranger yet."""
    with closing(state_of(setting)) as backend:
        hold = backend.holder()
    if hold is None or hold.alive is False:
        return False
    who = f"{hold.owner.purpose} of {hold.owner.user}" if hold.owner else "somebody"
    setting.warn(f"{who} is at work: what it has begun and not ended shows as drift")
    return True


def _strangers(setting: Setting, resources: Iterable[Resource]) -> list[Stranger]:
    """Ask every installed executor that can tell: what it made may be all that is left of it."""
    from aios.spi import registry
    from aios.spi.executor import Watching

    folder = artefacts_of(setting).runtime_root
    handles = [resource.handle for resource in resources]
    names = [plugin.name for plugin in registry.installed("aios.executors")]

    def ask(name: str) -> Callable[[], Sequence[Stranger]]:
        def asked() -> Sequence[Stranger]:
            executor = registry.load("aios.executors", name)
            return executor.strangers(folder, handles) if isinstance(executor, Watching) else ()

        return asked

    found: list[Stranger] = []
    answers = at_once({name: ask(name) for name in names}, DEADLINE_S)
    for name in names:
        answer = answers.get(name)
        if answer is None or isinstance(answer, Exception):
            setting.warn(f"nobody can tell whether executor {name!r} left something: {answer or 'it does not answer'}")
        else:
            found += answer
    return found
