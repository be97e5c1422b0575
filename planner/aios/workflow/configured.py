"""What the files said that each service was planned from, and whether they still do."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aios.records.base import Record
from aios.records.drift import Deviation
from aios.records.errors import AiosError
from aios.records.plan import Inputs, Plan
from aios.records.state import State
from aios.workflow.setting import Setting

__all__ = ["configuration_deviations", "remember_inputs"]


class _Applied(Record):
    """An apply that some services stand by. files: of the plan"""

    plan: str
    inputs: Inputs
    files: dict[str, Any]
    addresses: tuple[str, ...]


def remember_inputs(plan: Plan, setting: Setting) -> None:
    """Keep beside the state what the plan's services were planned from, also of those that stay as they were."""
    from aios.state import write_atomically

    own = tuple(sorted(decision.intent for decision in plan.decisions))
    if not own:
        return
    kept = []
    for item in _read(setting):
        left = tuple(name for name in item.addresses if name not in own)
        kept += [item.model_copy(update={"addresses": left})] if left else []
    kept.append(_Applied(plan=plan.id, inputs=plan.inputs, files=dict(plan.files), addresses=own))
    text = json.dumps([item.model_dump(mode="json") for item in kept], indent=1, sort_keys=True)
    write_atomically(_path(setting), text + "\n")


def _path(setting: Setting) -> Path:
    return setting.home / "applied.json"


def _read(setting: Setting) -> list[_Applied]:
    """Return what was kept; nothing where it cannot be read: what stands does not depend on it."""
    try:
        return [_Applied.model_validate(item) for item in json.loads(_path(setting).read_bytes())]
    except (OSError, ValueError, TypeError, ValidationError):
        return []


_CHANGED = {
    "intents": "the intents say something else than when it was applied",
    "fleet": "the fleet is described otherwise than when it was applied",
    "models": "the models or their data are not those that it was planned from",
    "profiles": "there are other measurements than when it was planned: planning again may choose better",
    "catalogue": "the device catalogue says something else than when it was planned",
}
_EVIDENCE = ("profiles", "catalogue")
"""Inputs that people do not state: what stands is still what was asked for."""


def configuration_deviations(setting: Setting, state: State, addresses: Sequence[str]) -> tuple[Deviation, ...]:
    """Return how the files differ that these services were planned from."""
    found: list[Deviation] = []
    for applied in _read(setting):
        own = [name for name in applied.addresses if name in addresses and name in state.resources]
        if own:
            found += _compare(setting, state, applied, ", ".join(own))
    return tuple(found)


def _compare(setting: Setting, state: State, applied: _Applied, whose: str) -> list[Deviation]:
    from aios.workflow.planning import inputs_of
    from aios.workflow.reading import gather

    files = applied.files
    again = shlex.join(["aios", "plan", *files["intents"]])
    given = replace(
        setting,
        paths=tuple(files["intents"]),
        fleet=files["fleet"],
        profiles=Path(files["profiles"]),
        state=setting.state,
    )
    try:
        now = inputs_of(gather(given), state)
    except AiosError as error:
        text = f"the files that it was planned from cannot be read: {error.diagnostics[0].summary}"
        return [Deviation(address=whose, kind="configuration", what="files", text=text, command=again)]
    return [
        Deviation(
            address=whose,
            kind="configuration",
            what=name,
            text=text,
            matters=name not in _EVIDENCE,
            command=again,
        )
        for name, text in _CHANGED.items()
        if getattr(applied.inputs, name) != getattr(now, name)
    ]
