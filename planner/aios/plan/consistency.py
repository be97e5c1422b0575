"""Whether what a plan would do is what it decided, on what it was made from.

An id that is right says that a document is whole, not who wrote it: anybody can compute one. What could be done by
actions that say something else than the decisions beside them, or name files, hosts and services that no intent names,
is refused here. Who decides badly on purpose is found out by a signature alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.records.candidate import CALIBRATED
from aios.records.errors import Diagnostic
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.plan import Action, Decision, Deployment, Plan

__all__ = ["Asked", "astray", "contradictions"]

_DECIDED = (
    "model",
    "device",
    "precision",
    "quantization",
    "compression",
    "batch",
    "threads",
    "replicas",
    "devices",
    "machines",
    "degrees",
    "settings",
    "power_mode",
    "executor",
)
"""What a deployment and the decision that it carries out both say."""


class Asked(NamedTuple):
    """What the plan was made from, as it is now. models, calibration: intent -> model -> digest · standing: deployments
    that the state knows; None where an earlier run of the same plan has changed some of them"""

    intents: Sequence[Intent]
    models: Mapping[str, Mapping[str, str]]
    calibration: Mapping[str, Mapping[str, str]]
    fleet: Fleet
    standing: Collection[Deployment] | None
    training: Mapping[str, Mapping[str, str]] = {}


def contradictions(plan: Plan, asked: Asked) -> tuple[Diagnostic, ...]:
    """Return every way in which the actions of ``plan`` are not those of its decisions; empty when all is well."""
    found = [*_doubled(plan)]
    decisions = {decision.intent: decision for decision in plan.decisions}
    intents = {intent.name: intent for intent in asked.intents}
    reached = {name: node.address for node in asked.fleet.nodes for name in node.instances()}
    for action in plan.actions:
        said = [*_itself(action)]
        if asked.standing is not None and action.before is not None and action.before not in asked.standing:
            said.append("what it says stands before it does not stand")
        if action.after is not None and action.action != "keep":
            said += _decided(action.after, decisions.get(action.address))
            said += _wanted(action.after, _intent_of(action.after, intents), asked)
            said += _placed(action.after, reached)
        if action.moved_from is not None:
            said += _moved(action, intents)
        found += [_contradiction(action, text) for text in said]
    for name in decisions:
        intent = intents.get(name) or intents.get(name.partition("/")[0])
        if intent is not None and intent.prevent_destroy != (name in plan.protected):
            found.append(_diagnostic(f"it says something else than {name[:80]} of whether that may be destroyed"))
    for name, files in plan.evaluate.items():
        intent = intents.get(name) or intents.get(name.partition("/")[0])
        if intent is None or files != intent.data.evaluate:
            found.append(_diagnostic(f"it is verified on files that {name} does not name"))
    return tuple(found)


def astray(plan: Plan, right: Plan, standing: Collection[Deployment] | None) -> tuple[Diagnostic, ...]:
    """Return every way in which a plan that goes back says something else than ``right``, the same made anew; empty
    when all is well. Services may be well or unwell since, so that how they come to stand may differ.

    standing: deployments that the state knows; None where an earlier run of the same plan has changed some of them
    """
    found = [*_doubled(plan)]
    wanted = {action.address: action.after for action in right.actions if action.after is not None}
    made = {action.address for action in plan.actions if action.after is not None}
    for action in plan.actions:
        said = [*_itself(action)]
        if standing is not None and action.before is not None and action.before not in standing:
            said.append("what it says stands before it does not stand")
        if action.after is not None and action.after != wanted.get(action.address):
            said.append("that run wanted something else")
        found += [_contradiction(action, text) for text in said]
    missing = wanted.keys() - made
    found += [_diagnostic(f"that run wanted {name[:80]} as well") for name in sorted(missing)]
    for part in ("decisions", "claims", "evaluate", "pipelines", "protected"):
        if getattr(plan, part) != getattr(right, part):
            found.append(_diagnostic(f"its {part} are not those of that run"))
    return tuple(found)


def _moved(action: Action, intents: Mapping[str, Intent]) -> Iterator[str]:
    """Yield that a service is renamed that no intent says was its own."""
    service, _, part = action.address.partition("/")
    intent = intents.get(action.address) or intents.get(service)
    former = () if intent is None else intent.moved_from
    own = {*former, *(f"{name}/{part}" for name in former)}
    if action.moved_from not in own and (action.before is None or action.before.intent != action.moved_from):
        yield f"it renames {action.moved_from!r:.80}, which no intent says was its name"


def _doubled(plan: Plan) -> Iterator[Diagnostic]:
    for (address, kind), count in Counter((action.address, action.action) for action in plan.actions).items():
        if count > 1:
            yield _diagnostic(f"{address[:80]} has {count} actions `{kind}`")


def _itself(action: Action) -> Iterator[str]:
    after = action.after
    if (after is None) != (action.action == "delete"):
        yield "it does not say what shall stand" if after is None else "it says what shall stand after a delete"
    elif after is not None and action.action != "keep":
        if after.intent != action.address:
            yield f"it makes {after.intent[:80]!r} under the name of {action.address[:80]!r}"
        if after.executor != action.executor:
            yield f"it is carried out by {action.executor[:80]!r}, and made for {after.executor[:80]!r}"


def _decided(after: Deployment, decision: Decision | None) -> Iterator[str]:
    if decision is None:
        yield "no decision stands behind it"
        return
    for field in _DECIDED:
        if getattr(after, field) != getattr(decision, field):
            yield f"its {field} is not the one that was decided"
    places = [
        [(item.node, item.devices, item.share, item.replicas) for item in own.placement] for own in (after, decision)
    ]
    if places[0] != places[1]:
        yield "its placement is not the one that was decided"


def _intent_of(after: Deployment, intents: Mapping[str, Intent]) -> Intent | None:
    if after.part is not None:
        return intents.get(after.part.service) if after.intent.partition("/")[0] == after.part.service else None
    return intents.get(after.intent)


def _wanted(after: Deployment, intent: Intent | None, asked: Asked) -> Iterator[str]:
    """Yield what nobody asked for."""
    if intent is None:
        yield "no intent asks for it"
        return
    if after.model not in {choice.name for choice in intent.models if choice.file == after.model_path}:
        yield f"its model file {after.model_path[:80]!r} is not one that the intent names"
    elif asked.models[intent.name].get(after.model) != after.model_digest:
        yield "the content of its model file is not the one that it says"
    elif _name_of(after.stored) not in {
        _name_of(item.stored.version if item.stored else None) for item in intent.models
    }:
        yield f"no intent names {after.stored} of the model store"
    static = after.quantization in CALIBRATED
    learns = after.compression != "none"
    if after.calibrate != (intent.data.calibrate if static else ()):
        yield "its calibration files are not those of the intent"
    if after.calibrate_digest != (asked.calibration[intent.name].get(after.model) if static else None):
        yield "the content of its calibration files is not the one that it says"
    if after.train_data != (intent.data.train if learns else ()):
        yield "its training data is not that of the intent"
    if after.train_digest != (asked.training.get(intent.name, {}).get(after.model) if learns else None):
        yield "the content of its training data is not the one that it says"
    if after.serve != intent.serve:
        yield "its endpoint is not the one that the intent states"
    if after.task != intent.task:
        yield "its task is not the one of the intent"


def _name_of(version: str | None) -> str | None:
    """Return the name of a stored model. Its number may have changed with the same content since the plan was made."""
    return version.partition("@")[0] if version else None


def _placed(after: Deployment, reached: Mapping[str, str | None]) -> Iterator[str]:
    nodes = {item.node for item in after.placement}
    if not nodes <= reached.keys():
        yield "it stands on machines that the fleet does not have"
    elif dict(after.addresses) != {name: reached[name] for name in nodes}:
        yield "its machines are reached in another way than the fleet says"


def _contradiction(action: Action, text: str) -> Diagnostic:
    return _diagnostic(f"{action.action} {action.address[:80]}: {text}")


def _diagnostic(text: str) -> Diagnostic:
    return Diagnostic(
        summary="the plan would do something else than it decided",
        reason=text,
        remedy="do not apply it: aios writes no such plan. Ask who made it, or plan again",
        command="aios plan PATH -o plan.json",
    )
