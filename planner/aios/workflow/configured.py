"""Whether the files that each service was planned from still say the same."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from aios.records.drift import Deviation
from aios.records.errors import AiosError
from aios.records.plan import Plan
from aios.records.state import State
from aios.workflow.keeping import state_of
from aios.workflow.setting import Setting

__all__ = ["applied_plans", "configuration_deviations", "with_paths"]

_LOOKED_AT = 64
"""Runs that are looked through for the plan that a service stands by: the last ones; reading thousands takes long."""

_STANDS = ("done", "kept")


def applied_plans(setting: Setting, addresses: Sequence[str]) -> Mapping[str, Plan]:
    """Return address -> the last plan that was applied to it, as the history has it; of some there may be none."""
    from aios.plan import read_plan

    found: dict[str, Plan] = {}
    try:
        with closing(state_of(setting)) as backend:
            for run in reversed(backend.runs(last=_LOOKED_AT)):
                own = {step.address for step in run.steps if step.status in _STANDS}
                if run.outcome == "rolled back" or not own.intersection(addresses) - found.keys():
                    continue
                text = backend.plan_of(run.number)
                if text is not None:
                    plan = read_plan(text, f"the plan of run {run.number}")
                    decided = own.intersection(decision.intent for decision in plan.decisions)
                    found |= {name: plan for name in decided.intersection(addresses) if name not in found}
    except AiosError as error:
        setting.warn(f"what was applied is not told by the history: {error.diagnostics[0].summary}")
    return found


_CHANGED = {
    "intents": "the intents say something else than when it was applied",
    "fleet": "the fleet is described otherwise than when it was applied",
    "models": "the models or their data are not those that it was planned from",
    "profiles": "there are other measurements than when it was planned: planning again may choose better",
    "catalogue": "the device catalogue says something else than when it was planned",
}
_EVIDENCE = ("profiles", "catalogue")
"""Inputs that people do not state: what stands is still what was asked for."""


def configuration_deviations(setting: Setting, state: State, plans: Mapping[str, Plan]) -> tuple[Deviation, ...]:
    """Return how the files differ that services were planned from. plans: address -> the plan that it stands by"""
    whose: dict[str, list[str]] = {}
    by_id = {plan.id: plan for plan in plans.values()}
    for address, plan in sorted(plans.items()):
        whose.setdefault(plan.id, []).append(address)
    return tuple(
        deviation for key, own in whose.items() for deviation in _compare(setting, state, by_id[key], ", ".join(own))
    )


def _compare(setting: Setting, state: State, plan: Plan, whose: str) -> list[Deviation]:
    from aios.plan import changes
    from aios.workflow.basis import basis_of, places_of
    from aios.workflow.planning import inputs_of
    from aios.workflow.reading import gather

    files = plan.files
    paths, profiles = tuple(files["intents"]), Path(files["profiles"])
    try:
        given = gather(replace(setting, paths=paths, fleet=files["fleet"], profiles=profiles))
    except AiosError as error:
        text = f"the files that it was planned from cannot be read ({error.diagnostics[0].summary}): put them back, "
        text += "or destroy what they asked for"
        return [Deviation(address=whose, kind="configuration", what="files", text=text)]
    inputs, now = inputs_of(given, state), basis_of(given, state)
    found = []
    for name, text in _CHANGED.items():
        if getattr(plan.inputs, name) != getattr(inputs, name):
            told = changes(name, plan, now, places_of(given, now["intents"]))
            found.append(
                Deviation(
                    address=whose,
                    kind="configuration",
                    what=name,
                    text=f"{text}: {'; '.join(told)}" if told else text,
                    matters=name not in _EVIDENCE,
                    command=f"aios plan {_options(plan)}",
                )
            )
    return found


def with_paths(plans: Mapping[str, Plan], found: Sequence[Deviation]) -> tuple[Deviation, ...]:
    """Return deviations whose commands name what each service was planned from."""

    def named(deviation: Deviation) -> Deviation:
        if deviation.command not in ("aios apply", "aios plan"):
            return deviation
        plan = plans.get(deviation.address)
        return deviation.model_copy(update={"command": f"{deviation.command} {_options(plan) if plan else 'PATH'}"})

    return tuple(map(named, found))


def _options(plan: Plan) -> str:
    files, usual = plan.files, Setting()
    words = [*files["intents"]]
    words += ["--fleet", files["fleet"]] if files["fleet"] else []
    for option, default in (("profiles", usual.profiles), ("state", usual.state)):
        words += [f"--{option}", files[option]] if files[option] != str(default) else []
    for policy in files.get("policies", ()):
        words += ["--policy", policy]
    return shlex.join(words)
