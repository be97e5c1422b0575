"""Intents that were renamed, and those whose services are not to be destroyed: what planning asks of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aios.records.base import Span
from aios.records.intent import Intent
from aios.records.state import State

__all__ = ["as_named_now", "protects"]


def as_named_now(intents: Sequence[Intent], state: State) -> State:
    """Return the state as it would be if everything stood under the name that its intent has now: to choose by."""
    if not any(intent.moved_from for intent in intents):
        return state
    resources = dict(state.resources)
    for intent in intents:
        if _standing(intent.name, resources):
            continue
        before = next((name for name in intent.moved_from if _standing(name, resources)), None)
        for name in _standing(before, resources) if before else ():
            resources[intent.name + name.removeprefix(before or "")] = resources.pop(name)
    return state if resources == dict(state.resources) else state.model_copy(update={"resources": resources})


def _standing(name: str, known: Iterable[str]) -> list[str]:
    """Return the addresses of an intent, or of the groups of its service."""
    return [address for address in known if address == name or address.startswith(f"{name}/")]


def protects(intent: Intent) -> Span | None:
    """Return where an intent says that its service is not to be destroyed; None where it does not."""
    if not intent.prevent_destroy:
        return None
    return intent.spans.get("spec.lifecycle.prevent_destroy", intent.where)
