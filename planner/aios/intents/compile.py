"""Documents of kind Intent -> Intent records; every default becomes visible, every value keeps its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aios.intents.contradicting import contradicting_choices, nothing_left
from aios.intents.demands import compile_demand, states_demand, too_many
from aios.intents.moving import former_names, wrong_moves
from aios.intents.pipelines import compile_pipeline, states_pipeline
from aios.intents.protecting import protection_of, wrong_protection
from aios.intents.reader import Reader, load_of, value_at
from aios.intents.splits import wrong_splits
from aios.intents.times import compile_when
from aios.intents.transforms import transforms_of, unknown_compressions
from aios.intents.where import contradictions, rules_of, wrong_companions
from aios.intents.windows import waiting_mistakes
from aios.intents.written import IntentForm
from aios.records.base import Span
from aios.records.demanded import Demanded
from aios.records.document import Document, check
from aios.records.errors import Diagnostic, InputError
from aios.records.intent import Data, Intent, Serve, Training

__all__ = ["Compiled", "compile_intents"]


class Compiled(NamedTuple):
    """What documents of kind Intent say. intents: of models · demands: that state what they take in place of one"""

    intents: tuple[Intent, ...]
    demands: tuple[Demanded, ...]


def compile_intents(documents: Sequence[Document]) -> Compiled:
    """Return one record per document, in order; of a pipeline one per stage.

    Paths of models and data become relative to where ``Document.file`` is relative to; for ``-`` (standard input) they
    stay as written. Raises InputError with every mistake of all documents, doubled names across files included.
    """
    mistakes: list[Diagnostic] = []
    intents: list[Intent] = []
    demands: list[Demanded] = []
    named: dict[str, Span] = {}
    copies = 0
    for document in documents:
        mistakes += _doubled_name(document, named)
        try:
            if states_pipeline(document):
                intents += compile_pipeline(document)
            elif states_demand(document):
                demand = compile_demand(document)
                mistakes += too_many(document, copies, demand)
                copies += demand.copies
                demands.append(demand)
            else:
                intents.append(_compile(document))
        except InputError as error:
            mistakes += error.diagnostics
    if not mistakes:
        mistakes += _between(documents, intents, demands)
    if mistakes:
        raise InputError(*mistakes)
    return Compiled(tuple(intents), tuple(demands))


def _between(
    documents: Sequence[Document], intents: Sequence[Intent], demands: Sequence[Demanded]
) -> Iterator[Diagnostic]:
    """Yield what is wrong between intents that are each well written."""
    yield from waiting_mistakes(intents, demands)
    yield from wrong_moves(documents)
    if not any(intent.placement.together or intent.placement.apart for intent in intents):
        return
    rules, others = {intent.name: intent.placement for intent in intents}, [demand.name for demand in demands]
    for document in documents:
        name = value_at(document.data, ("metadata", "name"))
        if name in rules:
            yield from wrong_companions(document, name, rules, others)


def _compile(document: Document) -> Intent:
    form = check(document, IntentForm)
    spec, reader = form.spec, Reader(document)
    models = reader.models(spec.model, ("spec", "model"))
    names = [model.name for model in models]
    goals = reader.goals(spec.goal, bill=spec.train is not None)
    pin, exclude = (reader.constraints(("spec", name), getattr(spec, name), names) for name in ("pin", "exclude"))
    reader.mistakes += contradicting_choices(document, pin, exclude)
    reader.mistakes += nothing_left(document, ("spec", "model"), "model", names, pin, exclude)
    reader.mistakes += unknown_compressions(document, pin)
    transforms = transforms_of(document, ("spec", "transforms"), spec.transforms, reader.mistakes)
    rules = rules_of(spec.where, spec.spread or (), spec.together or (), spec.apart or (), spec.survive)
    reader.mistakes += contradictions(document, form.metadata.name, rules, spec.train is not None, pin.replicas)
    reader.mistakes += wrong_protection(document, spec.requires, spec.security)
    reader.mistakes += wrong_splits(document, spec, goals, rules)
    reader.refuse()
    load = spec.load
    return Intent(
        name=form.metadata.name,
        labels=form.metadata.labels,
        task=spec.task,
        models=models,
        data=Data(evaluate=reader.files(spec.data.evaluate), calibrate=reader.files(spec.data.calibrate)),
        load=load_of(load) if load else None,
        train=Training(**dict(spec.train)) if spec.train else None,
        when=compile_when(document, spec.when),
        require=reader.requirements(spec.require, spec.load),
        goal=goals,
        required=spec.required,
        priority=spec.priority,
        risk=spec.risk,
        pin=pin,
        exclude=exclude,
        transforms=transforms,
        placement=rules,
        serve=Serve(host=spec.serve.host, port=spec.serve.port),
        moved_from=former_names(form.metadata),
        prevent_destroy=spec.lifecycle.prevent_destroy,
        protection=protection_of(spec.requires, spec.security, reader.path),
        where=document.span(("metadata", "name")),
        spans=document.leaves(),
    )


def _doubled_name(document: Document, named: dict[str, Span]) -> list[Diagnostic]:
    """Say so if an earlier intent has this name, whatever else is wrong with either; ``named`` takes the new one."""
    path = ("metadata", "name")
    name = value_at(document.data, path)
    if not isinstance(name, str):
        return []
    first = named.setdefault(name, document.span(path))
    if first == document.span(path):
        return []
    summary, reason = f"two intents are called `{name}`", f"the first stands at {first}"
    return [document.diagnostic(path, summary, reason=reason, remedy="give each its own name")]
