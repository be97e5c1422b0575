"""Documents of kind Intent that state a pipeline in place of a model: several models that answer a request together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, Strict

from aios.intents.contradicting import contradicting_choices
from aios.intents.data import DataForm, read_data
from aios.intents.goals import DEFAULT_GOAL, WrittenGoal, read_goal
from aios.intents.moving import former_names
from aios.intents.protecting import RequiresForm, SecurityForm, protection_of, wrong_protection
from aios.intents.reader import Path, Reader, load_of, value_at
from aios.intents.transforms import transforms_of, unknown_compressions
from aios.intents.where import WhereForm, where_of
from aios.intents.written import (
    AnyOf,
    ConstraintsForm,
    IntentMetadata,
    Lifecycle,
    LoadForm,
    Model,
    ModelFile,
    RequireForm,
    Spec,
    TransformsForm,
)
from aios.records.base import Record, Span
from aios.records.document import Document, check
from aios.records.errors import Diagnostic, InputError
from aios.records.forms import Many, nearest
from aios.records.intent import Goal, Intent, Pipeline, Requirement, Stage
from aios.records.names import Name
from aios.records.quantity import Quantity, Whole
from aios.records.units import Dimension, format_exactly
from aios.records.where import PlacementRules

__all__ = ["PipelineIntentForm", "compile_pipeline", "states_pipeline"]

_SUMS = ("power", "energy", "cost", "carbon", "memory")
"""Metrics of which a pipeline takes what its stages take together."""

_MOST_STAGES = 100
"""Stages of a pipeline."""

Times: TypeAlias = Annotated[int, Strict(), Field(ge=1, le=1_000_000)]
Produced: TypeAlias = Annotated[float, Quantity(Dimension.BYTES, zero=True, most=2.0**50)]
Others: TypeAlias = Annotated[
    tuple[Name, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
]


class StageForm(Record):
    """One model of a pipeline."""

    name: Name = Field(description="Name of the stage, unique in its pipeline.", examples=["detect"])
    model: AnyOf | Many[Model | ModelFile] = Field(
        description="The model file, or several of which any may be chosen.", examples=["./models/detect.onnx"]
    )
    after: Others | None = Field(
        None,
        description="Stages whose output it takes; the one written before it by default, none for `[]`.",
        examples=[["detect"]],
    )
    per: Times = Field(1, description="Items of this stage that one request of the pipeline makes.", examples=[8])
    produces: Produced | None = Field(
        None, description="What one item hands to each stage behind it.", examples=["40 KiB"]
    )
    data: DataForm = Field(default_factory=DataForm, description="Data of this stage's models.")
    pin: ConstraintsForm = Field(default_factory=ConstraintsForm, description="Only these may be chosen.")
    exclude: ConstraintsForm = Field(default_factory=ConstraintsForm, description="These may not be chosen.")
    transforms: TransformsForm = Field({}, description="Transforms to plan with as well, by name.")


class PipelineSpec(Record):
    """A workload of several models."""

    task: str = Field(description="What the models do together, in words.", examples=["ocr"])
    pipeline: Many[StageForm] = Field(description="The stages.")
    load: LoadForm | None = Field(None, description="Requests of the whole pipeline.", examples=[{"rate": "5/s"}])
    require: RequireForm = Field(default_factory=RequireForm, description="Bounds on the whole that must all hold.")
    requires: RequiresForm = Field(
        default_factory=RequiresForm,
        description="What must be true of the model's files before they are loaded.",
        examples=[{"encrypted": True}],
    )
    security: SecurityForm = Field(
        default_factory=SecurityForm,
        description="The keys by which that is kept: where they stand.",
        examples=[{"key": "env:MODEL_KEY"}],
    )
    goal: Many[WrittenGoal] = Field(
        default_factory=lambda: (read_goal(DEFAULT_GOAL),), description="What the whole is to be best at."
    )
    priority: Whole = Field(0, description="Goals of intents with a higher priority come first.")
    risk: Literal["pessimistic", "expected"] = Field("pessimistic", description="Which end of an estimate counts.")
    where: WhereForm = Field(default_factory=WhereForm, description="Where stages may stand, by what nodes state.")
    lifecycle: Lifecycle = Field(
        default_factory=Lifecycle, description="What may become of the stages once they stand."
    )


class PipelineIntentForm(Record):
    """One workload of several models that answer a request together."""

    apiVersion: Literal["aios/v1"] = Field(description="Version of this form.")
    kind: Literal["Intent"] = Field(description="What this document is.")
    metadata: IntentMetadata = Field(description="What identifies the intent.", examples=[{"name": "ocr"}])
    spec: PipelineSpec = Field(description="What is wanted.")


def states_pipeline(document: Document) -> bool:
    """Say whether a document of kind Intent states a pipeline in place of a model."""
    spec = document.data.get("spec")
    return isinstance(spec, dict) and "pipeline" in spec


def compile_pipeline(document: Document) -> tuple[Intent, ...]:
    """Return one intent per stage, each behind those that it takes from. Raises InputError with every mistake."""
    form = _checked(document)
    spec, reader = form.spec, Reader(document)
    goals = reader.goals(spec.goal)
    bounds = reader.bounds(spec.require)
    reader.mistakes += _wrong_goals(document, goals)
    reader.mistakes += _wrong_bounds(document, bounds)
    reader.mistakes += wrong_protection(document, spec.requires, spec.security)
    stages = _Stages(document, spec.pipeline)
    reader.mistakes += stages.mistakes
    if spec.load is not None and spec.load.pieces is not None:
        summary = "the load of a pipeline is not split over groups of replicas"
        remedy = "leave `split` out, or plan the stage as an intent of its own"
        reader.mistakes.append(document.diagnostic(("spec", "load", "split"), summary, key=True, remedy=remedy))
    intents = {stage.name: _stage(form, index, reader, goals, bounds) for index, stage in enumerate(spec.pipeline)}
    reader.refuse()
    pipeline = Pipeline(
        name=form.metadata.name,
        stages=stages.in_order(),
        require=tuple(bound for bound in bounds if bound.metric != "throughput"),
        where=document.span(("metadata", "name")),
    )
    if pipeline.branches:
        _refuse_means(document, pipeline)
    return tuple(intents[stage.name].model_copy(update={"pipeline": pipeline}) for stage in pipeline.stages)


def _stage(
    form: PipelineIntentForm, index: int, reader: Reader, goals: tuple[Goal, ...], bounds: Sequence[Requirement]
) -> Intent:
    """Return the intent of one stage; what is said of the whole pipeline holds of it."""
    spec, stage, base = form.spec, form.spec.pipeline[index], ("spec", "pipeline", index)
    models = reader.models(stage.model, (*base, "model"))
    names = [model.name for model in models]
    pin, exclude = (reader.constraints((*base, field), getattr(stage, field), names) for field in ("pin", "exclude"))
    reader.mistakes += unknown_compressions(reader.document, pin, base)
    reader.mistakes += contradicting_choices(reader.document, pin, exclude, base)
    load = load_of(spec.load) if spec.load else None
    return Intent(
        name=f"{form.metadata.name}/{stage.name}",
        labels=form.metadata.labels,
        task=spec.task,
        models=models,
        data=read_data(reader, stage.data, (*base, "data")),
        load=load and load.times(stage.per),
        require=tuple(_sustained(reader, spec.load, bounds, stage.per)),
        goal=goals,
        priority=spec.priority,
        risk=spec.risk,
        pin=pin,
        exclude=exclude,
        transforms=transforms_of(reader.document, (*base, "transforms"), stage.transforms, reader.mistakes),
        placement=PlacementRules(where=where_of(spec.where)),
        moved_from=tuple(f"{name}/{stage.name}" for name in former_names(form.metadata)),
        prevent_destroy=spec.lifecycle.prevent_destroy,
        protection=protection_of(spec.requires, spec.security, reader.path),
        where=reader.document.span((*base, "name")),
        spans=_spans(reader.document, index),
    )


def _sustained(reader: Reader, load: LoadForm | None, bounds: Sequence[Requirement], per: int) -> Iterator[Requirement]:
    """Yield what a stage must sustain for the pipeline to: so many items for each request."""
    written = [bound for bound in bounds if bound.metric == "throughput"]
    if load is not None and not any(bound.bound >= load.highest for bound in written):
        yield reader.sustained(load.highest * per)
    for bound in written:
        times = "" if per == 1 else f" ({per} for each request)"
        text = f"throughput >= {format_exactly(bound.bound * per, Dimension.RATE)}{times}"
        yield bound.model_copy(update={"bound": bound.bound * per, "text": text})


def _spans(document: Document, index: int) -> Mapping[str, Span]:
    """Return the places of what is said of the whole and of one stage, under the paths that an intent has."""
    own, others = f"spec.pipeline[{index}].", "spec.pipeline"
    leaves = document.leaves()
    whole = {path: span for path, span in leaves.items() if not path.startswith(others)}
    return whole | {f"spec.{path.removeprefix(own)}": span for path, span in leaves.items() if path.startswith(own)}


def _checked(document: Document) -> PipelineIntentForm:
    """Return the form; fields of intents with one model are told apart from unknown ones."""
    spec: Any = document.data.get("spec")
    if isinstance(spec, dict) and isinstance(spec.get("pipeline"), dict):
        summary = "a pipeline is a list of stages, not a mapping"
        remedy = "write `- {name: detect, model: ./detect.onnx}`, one line for each stage"
        raise InputError(document.diagnostic(("spec", "pipeline"), summary, remedy=remedy))
    _refuse_many(document, spec)
    try:
        return check(document, PipelineIntentForm)
    except InputError as error:
        foreign = {f"unknown field `{name}` in `spec`": name for name in (*Spec.model_fields, "demand", "count")}
        raise InputError(*(_apart(item, foreign.get(item.summary)) for item in error.diagnostics)) from None


def _refuse_many(document: Document, spec: Any) -> None:
    """Raise InputError for more stages than anybody can look at together, before each of them is read."""
    written = spec.get("pipeline") if isinstance(spec, dict) else None
    if isinstance(written, list) and len(written) > _MOST_STAGES:
        summary = f"{len(written):,} stages are more than a pipeline may have (at most {_MOST_STAGES})"
        remedy = "make several pipelines of it, or one model of what runs together anyway"
        raise InputError(document.diagnostic(("spec", "pipeline"), summary, remedy=remedy))


def _apart(item: Diagnostic, name: str | None) -> Diagnostic:
    if name is None:
        return item
    summary = f"an intent that states a `pipeline` has no `{name}` of its own"
    told = name in StageForm.model_fields
    remedy = f"write `{name}` in the stages that it is meant for" if told else f"delete `{name}`"
    return item.model_copy(update={"summary": summary, "remedy": remedy})


def _wrong_goals(document: Document, goals: Sequence[Goal]) -> Iterator[Diagnostic]:
    listed = isinstance(value_at(document.data, ("spec", "goal")), list)
    for index, goal in enumerate(goals):
        if goal.metric not in _SUMS:
            known = ", ".join(f"`{name}`" for name in _SUMS)
            yield document.diagnostic(
                ("spec", "goal", index) if listed else ("spec", "goal"),
                f"`{goal.metric}` is no goal of a pipeline",
                reason="what its stages take together is made small, and this is no sum over stages",
                remedy=f"bound it with `require`, and make one of these small: {known}",
            )


def _wrong_bounds(document: Document, bounds: Sequence[Requirement]) -> Iterator[Diagnostic]:
    for bound in bounds:
        words = bound.metric.split(".")
        if bound.metric in ("time", "expense") or words[:2] in (["latency", "ttft"], ["latency", "tpot"]):
            yield document.diagnostic(
                ("spec", "require", *words),
                f"`{bound.metric}` is nothing that requests of a pipeline have",
                remedy="bound `latency`, `throughput`, `accuracy`, or what the stages take together",
            )


def _refuse_means(document: Document, pipeline: Pipeline) -> None:
    """Raise InputError for bounds on means where a request waits for the slower of several branches."""
    wrong = [bound.metric.split(".") for bound in pipeline.require if bound.metric in ("latency.mean", "latency.p50")]
    if wrong:
        raise InputError(
            *(
                document.diagnostic(
                    ("spec", "require", *words),
                    f"`{'.'.join(words)}` of a pipeline with branches cannot be bounded",
                    reason="the mean of the slower of two branches is more than either mean",
                    remedy="bound `latency.p90`, `latency.p95` or `latency.p99`",
                )
                for words in wrong
            )
        )


class _Stages:
    """The graph of the stages. mistakes: what is wrong with it"""

    def __init__(self, document: Document, forms: Sequence[StageForm]) -> None:
        self.document = document
        self.forms = forms
        self.after = {form.name: self._after(index) for index, form in enumerate(forms)}
        self.mistakes = [*self._doubled(), *self._unknown()]
        if not self.mistakes:
            self.mistakes += self._cyclic()

    def _after(self, index: int) -> tuple[str, ...]:
        written = self.forms[index].after
        if written is None:
            return (self.forms[index - 1].name,) if index else ()
        return written

    def in_order(self) -> tuple[Stage, ...]:
        """Return the stages, each behind those that it takes from; else as they are written."""
        ordered = [name for name, _ in _sorted(self.after)]
        index = {form.name: index for index, form in enumerate(self.forms)}
        return tuple(self._stage(index[name]) for name in ordered)

    def _stage(self, index: int) -> Stage:
        form = self.forms[index]
        return Stage(
            name=form.name,
            after=self.after[form.name],
            per=form.per,
            produces_bytes=form.produces,
            where=self.document.span(("spec", "pipeline", index, "name")),
        )

    def _path(self, index: int, *rest: str | int) -> Path:
        return ("spec", "pipeline", index, *rest)

    def _doubled(self) -> Iterator[Diagnostic]:
        first: dict[str, int] = {}
        for index, form in enumerate(self.forms):
            if first.setdefault(form.name, index) != index:
                there = self.document.span(self._path(first[form.name], "name"))
                summary = f"two stages are called `{form.name}`"
                path, remedy = self._path(index, "name"), "give each its own name"
                yield self.document.diagnostic(path, summary, reason=f"the first stands at {there}", remedy=remedy)

    def _unknown(self) -> Iterator[Diagnostic]:
        names = [form.name for form in self.forms]
        for index, form in enumerate(self.forms):
            listed = isinstance(value_at(self.document.data, self._path(index, "after")), list)
            for place, name in enumerate(form.after or ()):
                path = self._path(index, "after", *((place,) if listed else ()))
                if name == form.name:
                    yield self.document.diagnostic(
                        path, f"stage `{name}` is to stand after itself", remedy="name another stage, or none: `[]`"
                    )
                elif name not in names:
                    near = nearest(name, names)
                    meant = f"did you mean `{near}`? " if near else ""
                    known = ", ".join(f"`{other}`" for other in names if other != form.name)
                    summary = f"this pipeline has no stage `{name}`"
                    yield self.document.diagnostic(path, summary, remedy=f"{meant}others: {known or 'none'}")
                elif name in (form.after or ())[:place]:
                    yield self.document.diagnostic(path, f"`after` names `{name}` twice", remedy="keep one of the two")

    def _cyclic(self) -> Iterator[Diagnostic]:
        ordered = dict(_sorted(self.after))
        left = {name: [other for other in after if other not in ordered] for name, after in self.after.items()}
        left = {name: after for name, after in left.items() if name not in ordered}
        if not left:
            return
        cycle = _cycle(left)
        index = {form.name: index for index, form in enumerate(self.forms)}
        told = ", ".join(
            f"`{name}` after `{before}` at {self.document.span(self._path(index[name], 'after'))}"
            for name, before in zip(cycle, (*cycle[1:], cycle[0]), strict=True)
        )
        first = min(cycle, key=index.__getitem__)
        yield self.document.diagnostic(
            self._path(index[first], "after"),
            f"the stages {', '.join(f'`{name}`' for name in cycle)} wait for each other",
            reason=told,
            remedy="take one of these away: data flows from the request to the answer, and never back",
        )


def _sorted(after: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield stages as soon as all that they take from were: none of a cycle, nor what takes from one (Kahn)."""
    left, behind = {name: len(others) for name, others in after.items()}, {name: list[str]() for name in after}
    for name, others in after.items():
        for other in others:
            behind[other].append(name)
    order = list(after)
    ready = [name for name in order if not left[name]]
    for name in ready:
        yield name, after[name]
        for other in behind[name]:
            left[other] -= 1
            if not left[other]:
                ready.append(other)


def _cycle(left: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a cycle among stages that all wait for another: each after the next one, the last after the first."""
    seen: dict[str, int] = {}
    name = next(iter(left))
    while name not in seen:
        seen[name] = len(seen)
        name = left[name][0]
    return list(seen)[seen[name] :]
