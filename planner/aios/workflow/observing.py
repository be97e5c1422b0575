"""Looking at many services at once: one that hangs keeps nobody waiting."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from aios.records.base import digest_of
from aios.records.errors import AiosError
from aios.records.state import Resource, State
from aios.spi.executor import Observation

__all__ = ["DEADLINE_S", "Seen", "at_once", "executors_of", "observe", "unhealthy"]

T = TypeVar("T")
U = TypeVar("U")

DEADLINE_S = 2.0
"""How long all looks together may take: executors give a service one second to answer."""

_WORKERS = 256
"""Threads at most: they wait, and as many services may hang at once."""


class Seen(NamedTuple):
    """What is true of a resource; ``observation`` is None when nobody can tell, ``why`` then says why."""

    observation: Observation | None
    why: str = ""


def executors_of(resources: Iterable[Resource]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the executors of these resources by name, and why others of theirs do not load; no other is imported."""
    from aios.spi import registry

    found: dict[str, Any] = {}
    lacking: dict[str, str] = {}
    for name in sorted({resource.executor for resource in resources}):
        try:
            found[name] = registry.load("aios.executors", name)
        except AiosError as error:
            lacking[name] = error.diagnostics[0].summary
    return found, lacking


def observe(resources: Sequence[Resource], deadline_s: float = DEADLINE_S) -> Mapping[str, Seen]:
    """Return address -> what is true of it now, looked at side by side."""
    executors, lacking = executors_of(resources)
    looks = {
        resource.address: _look(executors[resource.executor], resource)
        for resource in resources
        if resource.executor in executors
    }
    done = at_once(looks, deadline_s)
    seen = {}
    for resource in resources:
        if resource.executor in lacking:
            seen[resource.address] = Seen(None, lacking[resource.executor])
            continue
        answer = done.get(resource.address)
        if isinstance(answer, Observation):
            seen[resource.address] = Seen(answer)
        elif answer is None:
            seen[resource.address] = Seen(None, f"executor {resource.executor!r} did not answer in {deadline_s:g} s")
        else:
            seen[resource.address] = Seen(None, f"executor {resource.executor!r} failed: {answer}")
    return seen


def _look(executor: Any, resource: Resource) -> Callable[[], Observation]:
    return lambda: executor.observe(resource.address, resource.handle)


def at_once(work: Mapping[str, Callable[[], T]], deadline_s: float) -> dict[str, T | Exception]:
    """Return name -> result, or what it raised, of what was done by the deadline; what was not is left to itself.

    Its threads end with the process, whatever they wait for.
    """
    todo: queue.SimpleQueue[tuple[str, Callable[[], T]]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[str, T | Exception]] = queue.SimpleQueue()
    for item in work.items():
        todo.put(item)

    def run() -> None:
        while True:
            try:
                name, what = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((name, what()))
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything; it must end its own look alone
                done.put((name, error))

    for _ in range(min(_WORKERS, len(work))):
        threading.Thread(target=run, daemon=True).start()
    until = time.monotonic() + deadline_s
    found: dict[str, T | Exception] = {}
    while len(found) < len(work):
        try:
            name, result = done.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        found[name] = result
    return found


def unhealthy(executors: Collection[str], state: State) -> Mapping[str, str]:
    """Return address -> what is wrong, for every resource in the state that is not as it was applied.

    executors: those that are installed, by name
    """
    known = [resource for resource in state.resources.values() if resource.executor in executors]
    found = {}
    for address, (seen, _) in observe(known).items():
        if seen is None:
            continue
        if seen.condition in ("absent", "dead", "degraded"):
            found[address] = f"{seen.condition}: {seen.detail}"
        elif seen.differences:
            found[address] = "; ".join(seen.differences)
        elif seen.deployment_digest not in (None, digest_of(state.resources[address].deployment)):
            found[address] = "it runs another deployment than was applied"
    return found
