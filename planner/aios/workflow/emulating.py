"""What one case of a test asks for: a plan of its intents on its fleet, changed as it says, and what policies say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.records.document import Document
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import Fleet
from aios.records.forms import nearest
from aios.records.plan import Plan
from aios.records.policy import Ruling
from aios.workflow.changes import Change, read_changes
from aios.workflow.changing import changed
from aios.workflow.ruling import Evaluator, judge
from aios.workflow.setting import Setting
from aios.workflow.shipped import shipped_catalogue

if TYPE_CHECKING:
    from aios.trials import Case
    from aios.workflow.planning import Planned

__all__ = ["Emulated", "emulated"]


@dataclass(frozen=True)
class Emulated:
    """What a case comes to. plan: None of a mere fragment · view: the plan in the words of policies · kinds: device
    type -> kind · chosen: how each intent would run, in words"""

    plan: Plan | None
    view: Mapping[str, Any]
    rulings: tuple[Ruling, ...]
    kinds: Mapping[str, str]
    chosen: tuple[str, ...] = ()


def emulated(case: Case, home: Path, evaluator: Evaluator) -> Emulated:
    """Return what a case comes to. home: where what planning keeps may be kept. Raises AiosError."""
    return _stated(case, evaluator) if case.form.plan is not None else _planned(case, home, evaluator)


def _stated(case: Case, evaluator: Evaluator) -> Emulated:
    """Return a plan that the case states, as a file or as a fragment."""
    from aios.policy import view_of
    from aios.workflow.planfiles import read_plan_file
    from aios.workflow.rulingsaved import rules_of

    stated, plan = case.form.plan, None
    if isinstance(stated, str):
        plan = read_plan_file(_beside(case, stated))
    view = view_of(plan) if plan is not None else stated
    assert isinstance(view, dict)
    named = case.stated("policies")
    beside = (str(Path(case.document.file).parent),) if named is None else ()
    setting = Setting(policies=tuple(_beside(case, path) for path in named or ()))
    rules = rules_of(setting) if named else rules_of(Setting(paths=beside), beside=True)
    try:
        rulings = judge(rules, view, evaluator) if rules else ()
    except InputError as error:
        where = case.document.span((*case.path, "plan"))
        placed = (item if item.where else item.model_copy(update={"where": where}) for item in error.diagnostics)
        raise InputError(*placed) from None
    kinds = {item.after.device: item.after.device_kind for item in plan.actions if item.after} if plan else {}
    return Emulated(plan, view, rulings, kinds, _told(plan) if plan else ())


def _planned(case: Case, home: Path, evaluator: Evaluator) -> Emulated:
    from aios.policy import view_of
    from aios.workflow.planning import consider, make_plan
    from aios.workflow.reading import gather
    from aios.workflow.replanning import Wished

    setting = _setting(case, home)
    fleet, setting = _fleet(case, setting)
    given = gather(setting, fleet)
    current = case.form.current
    wished = Wished(Path(_beside(case, current))) if current else Wished()
    planned: Planned = make_plan(setting, consider(given), wished=wished, evaluator=evaluator)
    plan = planned.plan
    view = view_of(plan)
    kinds = {name: device.kind for name, device in fleet.types.items()}
    return Emulated(plan, view, plan.rulings, kinds, _told(plan))


def _setting(case: Case, home: Path) -> Setting:
    intents = case.stated("intents")
    if not intents:
        what, remedy = "the case names no intents", "add `intents: [intent.yaml]` to it, or to the `spec` of the file"
        raise InputError(case.document.diagnostic(case.path, what, remedy=remedy))
    fleet, profiles = case.stated("fleet"), case.stated("profiles")
    return Setting(
        paths=tuple(_beside(case, path) for path in intents),
        fleet=_beside(case, fleet) if isinstance(fleet, str) else None,
        state=home / "state.json",
        profiles=Path(_beside(case, profiles or "profiles")),
        policies=tuple(_beside(case, path) for path in case.stated("policies") or ()),
    )


def _beside(case: Case, path: str) -> str:
    """Return a path that stands in a test file, as the working directory sees it."""
    return str(Path(case.document.file).parent / path)


def _fleet(case: Case, setting: Setting) -> tuple[Fleet, Setting]:
    """Return the fleet of a case, and the setting whose files are changed as the case says. Raises InputError."""
    from aios.workflow.reading import read_written

    seen: dict[str, tuple[Document, ...]] = {}

    def note(documents: tuple[Document, ...]) -> tuple[Document, ...]:
        seen[documents[0].file] = documents
        return documents

    written = read_written(replace(setting, edit=note))
    stated = case.stated("fleet")
    inline = case.document.part(case.place("fleet"), "Fleet", "test") if isinstance(stated, dict) else None
    fleet = written.fleet if inline is None else _compiled(inline)
    if fleet is None:
        what, remedy = "the case names no fleet, and none stands beside its intents", "add `fleet: fleet.yaml`"
        raise InputError(case.document.diagnostic(case.path, what, remedy=remedy))
    changes = _changes(case)
    if changes:
        mark = f"{case.document.file}\0fleet"
        before = seen if inline is None else {**_without_fleets(seen), mark: (inline,)}
        problems: list[Diagnostic] = []
        kinds = {name: device.kind for name, device in fleet.types.items()}
        files = changed(before, [change for _, change in changes], kinds, problems)
        if problems:
            raise InputError(*(_replaced(case, changes, item) for item in problems))
        setting = replace(setting, edit=lambda documents: files.get(documents[0].file, documents))
        try:
            again = read_written(setting).fleet if inline is None else _compiled(files[mark][0])
        except InputError as error:
            raise InputError(*(_replaced(case, changes, item) for item in error.diagnostics)) from None
        assert again is not None
        fleet = again
    lost = case.form.without
    return (fleet if lost is None else _without(case, fleet, lost.nodes)), setting


def _without_fleets(files: Mapping[str, tuple[Document, ...]]) -> dict[str, tuple[Document, ...]]:
    return {file: items for file, items in files.items() if not any(item.kind == "Fleet" for item in items)}


def _compiled(document: Document) -> Fleet:
    from aios.fleet import compile_fleet
    from aios.workflow.documents import IncludedFiles

    known = shipped_catalogue()
    return compile_fleet([document], known, origin=document.file, reader=IncludedFiles(Setting()))


def _changes(case: Case) -> list[tuple[tuple[str, ...], Change]]:
    """Return the changes of a case, each with its path in it. Raises InputError, placed in the test file."""
    stated: list[tuple[tuple[str, ...], str]] = [
        (("set", path), f"{path}={json.dumps(value)}") for path, value in case.form.set.items()
    ]
    for intent, fields in case.form.load.items():
        for field, value in fields.items():
            stated.append((("load", intent, field), f"intents.{intent}.load.{field}={json.dumps(value)}"))
    found = []
    problems = []
    for path, text in stated:
        try:
            (change,) = read_changes([text], called=_CALLED)
        except InputError as error:
            problems += [_placed(case, path, item) for item in error.diagnostics]
            continue
        found.append((path, change))
    if problems:
        raise InputError(*problems)
    return found


_CALLED = "set"
"""What changes are called until their places in the test file are known."""


def _placed(case: Case, path: tuple[str, ...], item: Diagnostic) -> Diagnostic:
    place = (*case.path, *path)
    return case.document.diagnostic(place, item.summary, key=True, reason=item.reason, remedy=item.remedy)


def _replaced(case: Case, changes: list[tuple[tuple[str, ...], Change]], item: Diagnostic) -> Diagnostic:
    """Return a mistake of a changed value at the place of the change in the test file."""
    if item.where is None or not item.where.file.startswith(f"{_CALLED} "):
        return item
    own = next((path for path, change in changes if change.value.text == item.line_text), ("set",))
    return _placed(case, own, item)


def _without(case: Case, fleet: Fleet, lost: tuple[str, ...]) -> Fleet:
    """Return the fleet without nodes, or without single machines of one. Raises InputError for unknown ones."""
    nodes = {node.name: node for node in fleet.nodes}
    machines = {machine: node.name for node in fleet.nodes for machine in node.instances()}
    problems = []
    for index, name in enumerate(lost):
        if name in lost[:index]:
            continue
        if name in nodes:
            del nodes[name]
        elif machines.get(name) in nodes:
            node = nodes[machines[name]]
            nodes[node.name] = node.model_copy(update={"count": node.count - 1, "hosts": None})
        else:
            near = nearest(name, [*machines, *nodes])
            known = ", ".join(list({**nodes, **machines})[:8])
            remedy = (f"did you mean `{near}`? " if near else "") + f"known: {known}"
            path = (*case.path, "without", "nodes", index)
            problems.append(case.document.diagnostic(path, f"the fleet has no node `{name}`", remedy=remedy))
    if problems:
        raise InputError(*problems)
    kept = tuple(node for node in nodes.values() if node.count > 0)
    standing = {*(node.name for node in kept), *(machine for node in kept for machine in node.instances())}
    links = tuple(link for link in fleet.links if all(end.partition("/")[0] in standing for end in link.ends))
    joined = tuple(
        item.model_copy(update={"members": tuple(name for name in item.members if name in standing)})
        for item in fleet.topology
    )
    return fleet.model_copy(update={"nodes": kept, "links": links, "topology": joined})


def _told(plan: Plan) -> tuple[str, ...]:
    """Say how each intent would run."""
    found = []
    for item in plan.decisions:
        nodes = ", ".join(sorted({place.node for place in item.placement})) or "no node"
        how = f"{item.model} {item.precision} on {item.device}" if item.device else "a demand"
        copies = f"{item.replicas} replica{'' if item.replicas == 1 else 's'}"
        found.append(f"{item.intent}: {how}, {copies} at {nodes}")
    return tuple(found)
