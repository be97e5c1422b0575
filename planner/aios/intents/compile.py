"""Documents of kind Intent -> Intent records; every default becomes visible, every value keeps its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from aios.intents.contradicting import contradicting_choices
from aios.intents.demands import compile_demand, states_demand, too_many
from aios.intents.times import compile_when
from aios.intents.where import contradictions, rules_of, wrong_companions
from aios.intents.written import AnyOf, ConstraintsForm, IntentForm, LoadForm, ModelFile, Spec
from aios.records.base import Span
from aios.records.demanded import Demanded
from aios.records.document import Document, check
from aios.records.errors import Diagnostic, InputError
from aios.records.forms import nearest
from aios.records.intent import Constraints, Data, Goal, Intent, Load, ModelChoice, Requirement, Serve, Training
from aios.records.metrics import metric
from aios.records.units import Dimension, format_exactly

__all__ = ["Compiled", "compile_intents"]

Path = tuple[str | int, ...]


class Compiled(NamedTuple):
    """What documents of kind Intent say. intents: of models · demands: that state what they take in place of one"""

    intents: tuple[Intent, ...]
    demands: tuple[Demanded, ...]


def compile_intents(documents: Sequence[Document]) -> Compiled:
    """Return one record per document, in order.

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
            if states_demand(document):
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
    if not any(intent.placement.together or intent.placement.apart for intent in intents):
        return
    rules, others = {intent.name: intent.placement for intent in intents}, [demand.name for demand in demands]
    for document in documents:
        name = _value_at(document.data, ("metadata", "name"))
        if name in rules:
            yield from wrong_companions(document, name, rules, others)


def _compile(document: Document) -> Intent:
    form = check(document, IntentForm)
    spec, reader = form.spec, _Reader(document)
    models = reader.models(spec)
    names = [model.name for model in models]
    goals = reader.goals(spec)
    pin, exclude = (reader.constraints(name, getattr(spec, name), names) for name in ("pin", "exclude"))
    reader.mistakes += contradicting_choices(document, pin, exclude)
    rules = rules_of(spec.where, spec.spread or (), spec.together or (), spec.apart or (), spec.survive)
    reader.mistakes += contradictions(document, form.metadata.name, rules, spec.train is not None, pin.replicas)
    reader.refuse()
    load = spec.load
    return Intent(
        name=form.metadata.name,
        labels=form.metadata.labels,
        task=spec.task,
        models=models,
        data=Data(evaluate=reader.files(spec.data.evaluate), calibrate=reader.files(spec.data.calibrate)),
        load=_load(load) if load else None,
        train=Training(**dict(spec.train)) if spec.train else None,
        when=compile_when(document, spec.when),
        require=reader.requirements(spec),
        goal=goals,
        required=spec.required,
        priority=spec.priority,
        risk=spec.risk,
        pin=pin,
        exclude=exclude,
        placement=rules,
        serve=Serve(host=spec.serve.host, port=spec.serve.port),
        where=document.span(("metadata", "name")),
        spans=document.leaves(),
    )


class _Reader:
    """Turns the parts of one checked document into records; mistakes that only show between parts are collected."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.folder = None if document.file == "-" else PurePosixPath(document.file).parent
        self.mistakes: list[Diagnostic] = []

    def refuse(self) -> None:
        """Raise InputError if anything was wrong."""
        if self.mistakes:
            raise InputError(*self.mistakes)

    def path(self, written: str) -> str:
        return str(self.folder / written if self.folder else PurePosixPath(written))

    def files(self, written: Sequence[str] | None) -> tuple[str, ...]:
        return tuple(self.path(item) for item in written or ())

    def models(self, spec: Spec) -> tuple[ModelChoice, ...]:
        listed: Sequence[str | ModelFile]
        if isinstance(spec.model, AnyOf):
            base: Path = ("spec", "model", "anyOf")
            listed = spec.model.anyOf
        else:
            base, listed = ("spec", "model"), spec.model
        many = isinstance(_value_at(self.document.data, base), list)
        choices: dict[str, ModelChoice] = {}
        for index, item in enumerate(listed):
            where = (*base, index) if many else base
            choice = self._model(item, where)
            if choice.name in choices:
                self._doubled_model(choices[choice.name], choice, where)
            choices.setdefault(choice.name, choice)
        return tuple(choices.values())

    def _model(self, item: str | ModelFile, where: Path) -> ModelChoice:
        file = ModelFile(path=item) if isinstance(item, str) else item
        if (file.path is None) == (file.card is None):
            summary = "a model is a `path` or a `card`, " + ("not both" if file.path else "and neither is written")
            self.mistakes.append(self.document.diagnostic(where, summary, remedy="write one of them"))
        path = file.card or self.path(file.path or "")
        return ModelChoice(
            name=file.name or (_of_card(file.card) if file.card else _of_path(PurePosixPath(path))),
            path=path,
            card=file.card is not None,
            declared={f"accuracy.{measure}": value for measure, value in sorted(file.declared.accuracy.items())},
            where=self.document.span(where if isinstance(item, str) else (*where, "card" if file.card else "path")),
        )

    def _doubled_model(self, first: ModelChoice, second: ModelChoice, where: Path) -> None:
        same = first.path == second.path
        item = _value_at(self.document.data, where)
        key = "card" if second.card else "path"
        written = item[key] if isinstance(item, dict) else item
        self.mistakes.append(
            self.document.diagnostic(
                where,
                f"`{second.path}` is listed twice" if same else f"two models are called `{first.name}`",
                reason=f"the first stands on line {first.where.line}" + ("" if same else f": `{first.path}`"),
                remedy="keep one of the two" if same else f"give one a name: `{{{key}: {written}, name: ...}}`",
            )
        )

    def requirements(self, spec: Spec) -> tuple[Requirement, ...]:
        """Return every bound; that of the load first, as what cannot keep up with it has no latency to speak of."""
        written = tuple(self._requirement(path, bound) for path, bound in _bounds(spec.require))
        load = spec.load
        if load is None or any(item.metric == "throughput" and item.bound >= load.rate for item in written):
            return written
        return (self._sustained(load.rate), *written)

    def _sustained(self, rate: float) -> Requirement:
        """Return what a load of this rate (1/s) asks of the service: to answer as many requests as come."""
        return Requirement(
            metric="throughput",
            bound=rate,
            text=f"throughput >= {format_exactly(rate, Dimension.RATE)} (implied by load)",
            where=self.document.span(("spec", "load", "rate")),
            implied_by="load",
        )

    def _requirement(self, path: Path, bound: float) -> Requirement:
        wanted = metric(".".join(str(step) for step in path))
        return Requirement(
            metric=wanted.name,
            bound=bound,
            text=f"{wanted.name} {wanted.relation} {format_exactly(bound, wanted.dimension)}",
            where=self.document.span(("spec", "require", *path)),
        )

    def goals(self, spec: Spec) -> tuple[Goal, ...]:
        written = _value_at(self.document.data, ("spec", "goal"))
        if written is None:
            return spec.goal
        goals: dict[str, Goal] = {}
        for index, wanted in enumerate(spec.goal):
            where: Path = ("spec", "goal", index) if isinstance(written, list) else ("spec", "goal")
            bill = spec.train is not None and wanted.metric == "cost"  # what a job costs by the hour says little
            goal = wanted.model_copy(update={"metric": "expense"}) if bill else wanted
            if goal.metric in goals:
                remedy = "keep the more important one"
                self.mistakes.append(self.document.diagnostic(where, f"`{goal.metric}` is a goal twice", remedy=remedy))
            goals.setdefault(goal.metric, goal.model_copy(update={"where": self.document.span(where)}))
        return tuple(goals.values())

    def constraints(self, field: str, form: ConstraintsForm, models: Sequence[str]) -> Constraints:
        written = {name: value for name, value in form if value is not None}
        for index, name in enumerate(written.get("model", ())):
            if name not in models:
                self._unknown_model(("spec", field, "model"), index, name, models)
        return Constraints(**written)

    def _unknown_model(self, path: Path, index: int, name: str, models: Sequence[str]) -> None:
        where = (*path, index) if isinstance(_value_at(self.document.data, path), list) else path
        near = nearest(name, models)
        meant = f"did you mean `{near}`? " if near else ""
        known = ", ".join(f"`{model}`" for model in models)
        self.mistakes.append(
            self.document.diagnostic(where, f"this intent has no model `{name}`", remedy=f"{meant}known: {known}")
        )


def _bounds(form: Any, path: Path = ()) -> Iterator[tuple[Path, float]]:
    """Yield every bound that a form holds, with its path."""
    for name, value in sorted(form.items()) if isinstance(form, dict) else form:
        if isinstance(value, float):
            yield (*path, name), value
        elif value is not None:
            yield from _bounds(value, (*path, name))


def _load(form: LoadForm) -> Load:
    return Load(rate_per_s=form.rate, arrivals=form.arrivals, prompt_tokens=form.prompt, output_tokens=form.output)


def _of_card(card: str) -> str:
    """Return a name of files and plans for a published model: what follows the publisher's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", card.rpartition("/")[2]).strip("-._") or "model"


def _of_path(path: PurePosixPath) -> str:
    """Return the name of a file without its suffix; of a configuration, which all bear one name, that of its folder."""
    if path.name == "config.json" and path.parent.name:
        return path.parent.name
    return path.stem if re.fullmatch(r"\.[A-Za-z]\w*", path.suffix) else path.name


def _value_at(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step] if isinstance(step, int) else data.get(step) if isinstance(data, dict) else None
    return data


def _doubled_name(document: Document, named: dict[str, Span]) -> list[Diagnostic]:
    """Say so if an earlier intent has this name, whatever else is wrong with either; ``named`` takes the new one."""
    path = ("metadata", "name")
    name = _value_at(document.data, path)
    if not isinstance(name, str):
        return []
    first = named.setdefault(name, document.span(path))
    if first == document.span(path):
        return []
    summary, reason = f"two intents are called `{name}`", f"the first stands at {first}"
    return [document.diagnostic(path, summary, reason=reason, remedy="give each its own name")]
