"""rollback: a plan that makes stand again what an earlier run wanted, checked against what there is now."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios import __version__
from aios.records.base import digest_of
from aios.records.data import DataFile, said
from aios.records.errors import AiosError, ConflictError, Diagnostic, InputError
from aios.records.fleet import Fleet
from aios.records.plan import Deployment, Plan, Return
from aios.records.state import State
from aios.workflow.documents import documents_of, fleet_beside
from aios.workflow.keeping import state_of
from aios.workflow.reading import fleet_of
from aios.workflow.ruling import Evaluator, check_rules, judged
from aios.workflow.runs import find_run, renamed_since, whole_plan
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.plan.basis import Basis
    from aios.policy import Stated
    from aios.records.history import Run
    from aios.spi.backend import Backend
    from aios.spi.executor import Executor

__all__ = ["check_return", "plan_return"]


def plan_return(setting: Setting, text: str) -> Plan:
    """Return the plan that goes back to run ``text`` (``@2``). Changes nothing.

    Raises InputError for an unknown run, and with everything that keeps what it wanted from standing again.
    """
    from aios.plan import forbidden

    with closing(state_of(setting)) as backend:
        run = find_run(backend, text)
        target, state = whole_plan(backend, run.number), backend.load()
        renamed = renamed_since(backend, run.number)
    if not target.at_once:
        summary = f"{text} cannot be gone back to: not all of what it wanted stands at the same time"
        raise InputError(Diagnostic(summary=summary, remedy="plan its intents again", command="aios plan PATH"))
    files = _files(setting, target)
    fleet = _fleet(setting, files)
    rules = _rules(setting, files)
    now = _Now(state, fleet, files, rules, renamed)
    plan = _planned(target, run.number, now)
    problems = [*_problems(plan, fleet), *forbidden(plan, state, {}, now.unhealthy)]
    if problems:
        raise InputError(*problems)
    _warn(setting, run, target, plan)
    with Evaluator() as evaluator:
        check_rules(rules, evaluator)
        return judged(plan, rules, evaluator)


def check_return(plan: Plan, setting: Setting, backend: Backend, state: State, *, resumes: bool) -> None:
    """Raise ConflictError unless a plan that goes back still fits, saying what changed; InputError where it would do
    something else than what that run wanted, or what it wanted can no longer stand.

    state: as it is now · resumes: it is an earlier run of the same plan that has changed the state
    """
    from aios.plan import astray, stale

    assert plan.back_to is not None, "only asked of a plan that goes back"
    try:
        target, renamed = whole_plan(backend, plan.back_to.run), renamed_since(backend, plan.back_to.run)
    except AiosError as error:
        raise ConflictError(*error.diagnostics) from None
    if target.id != plan.back_to.plan:
        raise ConflictError(_another_history(plan.back_to))
    fleet = _fleet(setting, plan.files)
    rules = _rules(setting, plan.files)
    now = _planned(target, plan.back_to.run, _Now(state, fleet, plan.files, rules, renamed))
    inputs = now.inputs.model_copy(update={"state": plan.inputs.state}) if resumes else now.inputs
    command = shlex.join(["aios", "rollback", f"@{plan.back_to.run}"])
    problems = stale(plan, inputs, now.made_from)
    if problems:
        raise ConflictError(*(item.model_copy(update={"command": command}) for item in problems))
    standing = None if resumes else [resource.deployment for resource in state.resources.values()]
    wrong = [*astray(plan, now, standing), *_problems(now, fleet)]
    if wrong:
        raise InputError(*wrong)


def _files(setting: Setting, target: Plan) -> dict[str, Any]:
    """Return where the files of the plan lie: as the earlier plan says, but for what is named now."""
    files = dict(target.files)
    intents = [path for path in files.get("intents", ()) if path != "-"]
    files["intents"] = intents
    files["fleet"] = setting.fleet or files.get("fleet") or fleet_beside(intents)
    files["profiles"] = files.get("profiles") or str(setting.profiles)
    files["state"] = str(setting.state)
    policies = list(dict.fromkeys([*files.get("policies", ()), *setting.policies]))
    return {**files, **({"policies": policies} if policies else {})}


def _fleet(setting: Setting, files: Mapping[str, Any]) -> Fleet:
    """Return the fleet as it is now. What the intents say now does not matter, unless the fleet stands among them."""
    if files["fleet"] is not None:
        return fleet_of(replace(setting, paths=(), fleet=files["fleet"], policies=()))
    return fleet_of(replace(setting, paths=tuple(_there(files["intents"])), fleet=None, policies=()))


def _rules(setting: Setting, files: Mapping[str, Any]) -> tuple[Stated, ...]:
    """Return the rules of the policies that hold now: those that are named, and those beside the intents."""
    named = tuple(files.get("policies", ()))
    documents, problems = documents_of(replace(setting, paths=tuple(_there(files["intents"])), policies=named))
    rules = [document for document in documents if document.kind == "Policy"]
    if problems:
        raise InputError(*problems)
    if not rules:
        return ()
    from aios.policy import compile_policies

    return compile_policies(rules)


def _there(paths: Sequence[str]) -> list[str]:
    return [path for path in paths if Path(path).exists()]


@dataclass(frozen=True)
class _Now:
    """What there is to go back in. renamed: address -> address, of what was renamed since"""

    state: State
    fleet: Fleet
    files: Mapping[str, Any]
    rules: Sequence[Stated]
    renamed: Sequence[tuple[str, str]]

    @cached_property
    def executors(self) -> Mapping[str, Executor]:
        """Those that are installed, by name."""
        from aios.spi import registry

        return registry.load_all("aios.executors")

    @cached_property
    def unhealthy(self) -> Mapping[str, str]:
        """Address -> what is wrong with what stands there."""
        from aios.workflow.observing import unhealthy

        return unhealthy(self.executors, self.state)

    def names(self, address: str) -> tuple[str, ...]:
        """Return the names that what stood at an address has had since, the last one first."""
        found = [address]
        for before, after in self.renamed:
            if before == found[-1]:
                found.append(after)
        return tuple(reversed(found[1:]))


def _planned(target: Plan, run: int, now: _Now) -> Plan:
    from aios.plan import going_back, wanted_by
    from aios.policy import digest_of_rules
    from aios.workflow.planning import restart

    state, fleet = now.state, now.fleet
    wanted = wanted_by(target, fleet)
    inputs = {
        "fleet": fleet.digest,
        "catalogue": digest_of(dict(fleet.types)),
        "state": f"{state.lineage}:{state.serial}",
        "current": None,
        "policies": digest_of_rules(now.rules) if now.rules else None,
    }
    return going_back(
        target,
        Return(run=run, plan=target.id),
        wanted=wanted,
        state=state,
        inputs=target.inputs.model_copy(update=inputs),
        made_from=_basis(fleet, state),
        in_place={name: executor.in_place for name, executor in now.executors.items()},
        unhealthy=now.unhealthy,
        files=now.files,
        version=__version__,
        fleet=fleet,
        restart=restart(),
        moved={address: names for address in wanted if (names := now.names(address))},
    )


def _basis(fleet: Fleet, state: State) -> Basis:
    from aios.plan import basis_of

    parts = basis_of(
        intents=(),
        demands=(),
        objective=None,
        fleet=fleet,
        models={},
        data={},
        measurements={},
        learnt={},
        rules={},
        state=state,
    )
    return {name: parts[name] for name in ("fleet", "catalogue", "state")}


def _problems(plan: Plan, fleet: Fleet) -> Iterator[Diagnostic]:
    """Yield everything that keeps what is wanted from standing: places that are gone, files that are not the same."""
    from aios.plan import misfits

    wanted = {action.address: action.after for action in plan.actions if action.after is not None}
    yield from misfits(wanted, fleet)
    known: dict[str, str | AiosError] = {}
    for action in plan.actions:
        if action.after is not None and action.action != "keep":
            yield from _changed_files(action.after, known)


def _changed_files(deployment: Deployment, known: dict[str, str | AiosError]) -> Iterator[Diagnostic]:
    """Yield which files of a deployment are gone or not what they were. known: digests of files that were read"""
    path = deployment.model_path
    if path not in known:
        try:
            known[path] = _model_digest(deployment)
        except AiosError as error:
            known[path] = error
    found = known[path]
    if isinstance(found, AiosError):
        yield _lost(deployment, path, "; ".join(item.summary for item in found.diagnostics))
    elif found != deployment.model_digest:
        yield _lost(deployment, path, f"its content is {found[:19]}, and was {deployment.model_digest[:19]}")
    if deployment.calibrate_digest is not None:
        digests = [_data_digest(data) for data in deployment.calibrate]
        if deployment.calibrate_digest not in digests:
            names = ", ".join(map(said, deployment.calibrate))
            yield _lost(deployment, names, f"none has the content {deployment.calibrate_digest[:19]} any more")


def _model_digest(deployment: Deployment) -> str:
    from aios.workflow.inspecting import inspect_deployed

    if deployment.train is not None:
        return deployment.model_digest
    return inspect_deployed(deployment).digest


def _data_digest(data: DataFile) -> str | None:
    from aios.models.data_files import data_digest

    try:
        return data_digest(data)
    except InputError:
        return None


def _lost(deployment: Deployment, path: str, reason: str) -> Diagnostic:
    return Diagnostic(
        summary=f"{deployment.intent} cannot stand again as it did: {path} is not what it was then",
        reason=reason,
        remedy="put the file back as it was, such as from version control, then go back",
        command=shlex.join(["git", "checkout", "REVISION", "--", path]),
    )


def _another_history(back_to: Return) -> Diagnostic:
    return Diagnostic(
        summary=f"run @{back_to.run} is not the one that the plan goes back to",
        reason=f"the plan was made for the history of another state, in which that run wanted {back_to.plan[:19]}",
        remedy="plan the rollback again",
        command=f"aios rollback @{back_to.run}",
    )


def _warn(setting: Setting, run: Run, target: Plan, plan: Plan) -> None:
    """Say what the reader of the plan would not expect."""
    if run.outcome != "complete":
        setting.warn(f"run @{run.number} itself was {run.outcome}: this goes to what it wanted, not to what it reached")
    if target.inputs.fleet not in ("", plan.inputs.fleet):
        setting.warn(f"the fleet has changed since run @{run.number}: what is promised was predicted for that fleet")
    changes = [action for action in plan.actions if action.action != "keep"]
    if changes and plan.files["intents"]:
        paths = " ".join(plan.files["intents"])
        setting.warn(
            f"the next `aios apply` of {paths} goes by what the files say then: put them back as well (`git revert`)"
        )
