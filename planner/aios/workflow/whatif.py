"""whatif: the same intents and fleet with some values changed, planned beside the plan of now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from aios.records.candidate import Priced
from aios.records.differences import PlanDifference, ValueChange
from aios.records.document import Document
from aios.records.errors import Diagnostic, InputError
from aios.records.intent import Intent
from aios.records.metrics import find_metric, is_endless
from aios.records.units import Dimension, format_quantity
from aios.workflow.changes import read_changes
from aios.workflow.changing import changed
from aios.workflow.planning import Planned, consider, make_plan
from aios.workflow.ranking import broken
from aios.workflow.reading import gather
from aios.workflow.setting import Setting

__all__ = ["WhatIf", "what_if"]


class WhatIf(NamedTuple):
    """The plan of now, the plan with the changes, and how they compare. figures: of both plans as a whole"""

    now: Planned
    then: Planned
    figures: tuple[ValueChange, ...]
    difference: PlanDifference


def what_if(setting: Setting, options: Sequence[str]) -> WhatIf:
    """Plan twice, as the files stand and with the changes that ``options`` state, ``nodes.t4.count=3``.

    Raises InputError for what was given, in files or options; otherwise as ``make_plan`` does.
    """
    from aios.plan import differences, figures

    changes = read_changes(options)
    seen: dict[str, tuple[Document, ...]] = {}

    def note(documents: tuple[Document, ...]) -> tuple[Document, ...]:
        seen[documents[0].file] = documents
        return documents

    tell = setting.tell
    setting = replace(setting, stdin=lru_cache(setting.stdin))  # it is read twice
    given = gather(replace(setting, edit=note))
    problems: list[Diagnostic] = []
    files = changed(seen, changes, {name: device.kind for name, device in given.fleet.types.items()}, problems)
    try:
        other = gather(replace(setting, edit=lambda documents: files.get(documents[0].file, documents)))
    except InputError as error:
        problems += error.diagnostics
    if problems:
        raise InputError(*problems)
    # All that is wrong with what was given is known by now: before the long work, not after it.
    now, then = (
        make_plan(replace(setting, tell=say), consider(which, say))
        for which, say in (
            (given, lambda text: tell(f"as it is: {text}")),
            (other, lambda text: tell(f"what if: {text}")),
        )
    )
    difference = differences(now.plan, then.plan, dict(_reasons(now, then)))
    return WhatIf(now, then, figures(now.plan, then.plan), difference)


def _reasons(now: Planned, then: Planned) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield why intents are run in another way, where what was considered tells more than the plans do."""
    given = then.considered.given
    there = {slot.type for node in given.fleet.nodes for slot in node.devices}
    for intent in given.intents:
        old, new = now.selection.chosen.get(intent.name), then.selection.chosen.get(intent.name)
        if old is None or new is None or old.candidate == new.candidate:
            continue
        if old.candidate.device not in there:
            yield intent.name, (f"the fleet has no {old.candidate.device}",)
            continue
        options = then.considered.options[intent.name]
        same = next((item for item in options if item.candidate.id == old.candidate.id), None)
        if same is not None:
            yield intent.name, tuple(_against(same, new, intent))


def _against(old: Priced, new: Priced, intent: Intent) -> Iterator[str]:
    """Yield what speaks against the earlier choice, as it would do now."""
    rows = broken(old, intent)
    for row in rows:
        value = _said(str(row.clause.metric), row.value)
        yield f"{row.clause.text} is required, and the earlier choice would be held to {value}"
    if rows:
        return
    for goal in intent.goal:
        ends = [item.estimates.get(goal.metric) for item in (old, new)]
        was, now = (None if estimate is None else estimate.value for estimate in ends)
        if was is None or now is None or was == now:
            continue
        better = now < was if goal.direction == "minimize" else now > was
        compared = (
            f"{goal.metric} would be {_said(goal.metric, was)} with the earlier choice, {_said(goal.metric, now)}"
        )
        yield f"{compared} with this one" + ("" if better else ": there is no room for it, or the whole is better so")
        return


def _said(name: str, value: float | None) -> str:
    found = find_metric(name)
    if value is None:
        return "nothing known"
    if is_endless(name, value):
        return "an overload" if name.startswith("latency.") else "no known end"
    return format_quantity(value, found.dimension if found else Dimension.COUNT)
