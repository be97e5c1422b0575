"""Turns the parts of one checked document of kind Intent into records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from aios.intents.rates import hourly_of
from aios.intents.written import AnyOf, ConstraintsForm, LoadForm, ModelFile, RequireForm
from aios.records.document import Document, dotted
from aios.records.errors import BadValue, Diagnostic, InputError
from aios.records.forms import nearest
from aios.records.intent import Constraints, Goal, Load, ModelChoice, Requirement
from aios.records.metrics import metric
from aios.records.modelstore import SCHEME, parse_reference
from aios.records.quantity import Quantity
from aios.records.units import Dimension, format_exactly

__all__ = ["Path", "Reader", "load_of", "value_at"]

Path = tuple[str | int, ...]


class Reader:
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
        """Return a path as records hold it."""
        return str(self.folder / written if self.folder else PurePosixPath(written))

    def models(self, written: AnyOf | Sequence[str | ModelFile], base: Path) -> tuple[ModelChoice, ...]:
        """Return the models written at ``base``."""
        listed: Sequence[str | ModelFile]
        if isinstance(written, AnyOf):
            base, listed = (*base, "anyOf"), written.anyOf
        else:
            listed = written
        many = isinstance(value_at(self.document.data, base), list)
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
        stored = (file.path or "").startswith(SCHEME)
        path = file.card or (file.path or "" if stored else self.path(file.path or ""))
        own = parse_reference(path).name if stored else _of_card(path) if file.card else _of_path(PurePosixPath(path))
        return ModelChoice(
            name=file.name or own,
            path=path,
            card=file.card is not None,
            declared={f"accuracy.{measure}": value for measure, value in sorted(file.declared.accuracy.items())},
            where=self.document.span(where if isinstance(item, str) else (*where, "card" if file.card else "path")),
        )

    def _doubled_model(self, first: ModelChoice, second: ModelChoice, where: Path) -> None:
        same = first.path == second.path
        item = value_at(self.document.data, where)
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

    def requirements(self, form: RequireForm, load: LoadForm | None) -> tuple[Requirement, ...]:
        """Return every bound; that of the load first, as what cannot keep up with it has no latency to speak of."""
        written = self.bounds(form)
        if load is None or any(item.metric == "throughput" and item.bound >= load.highest for item in written):
            return written
        return (self.sustained(load.highest), *written)

    def bounds(self, form: RequireForm) -> tuple[Requirement, ...]:
        """Return every bound that is written."""
        return tuple(self._requirement(path, bound) for path, bound in _bounds(form))

    def sustained(self, rate: float) -> Requirement:
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
        if path[0] == "accuracy":  # whether a share or a bare number is meant, the measure says
            base = ("spec", "require", *path)
            try:
                Quantity(wanted.dimension, zero=True, most=wanted.most).read(value_at(self.document.data, base))
            except BadValue as wrong:
                summary = f"`{dotted(base)}`: {wrong.summary}"
                self.mistakes.append(self.document.diagnostic(base, summary, remedy=wrong.remedy))
        return Requirement(
            metric=wanted.name,
            bound=bound,
            text=f"{wanted.name} {wanted.relation} {format_exactly(bound, wanted.dimension)}",
            where=self.document.span(("spec", "require", *path)),
        )

    def goals(self, form: Sequence[Goal], *, bill: bool = False) -> tuple[Goal, ...]:
        """Return the goals with their places. bill: what a job costs in all is meant by its cost: by the hour it says
        little"""
        written = value_at(self.document.data, ("spec", "goal"))
        if written is None:
            return tuple(form)
        goals: dict[str, Goal] = {}
        for index, wanted in enumerate(form):
            where: Path = ("spec", "goal", index) if isinstance(written, list) else ("spec", "goal")
            renamed = bill and wanted.metric == "cost"
            goal = wanted.model_copy(update={"metric": "expense"}) if renamed else wanted
            if goal.metric in goals:
                remedy = "keep the more important one"
                self.mistakes.append(self.document.diagnostic(where, f"`{goal.metric}` is a goal twice", remedy=remedy))
            goals.setdefault(goal.metric, goal.model_copy(update={"where": self.document.span(where)}))
        return tuple(goals.values())

    def constraints(self, base: Path, form: ConstraintsForm, models: Sequence[str]) -> Constraints:
        """Return the choices written at ``base``. models: of the intent, by name"""
        written = {name: value for name, value in form if value is not None}
        for index, name in enumerate(written.get("model", ())):
            if name not in models:
                self._unknown_model((*base, "model"), index, name, models)
        return Constraints(**written)

    def _unknown_model(self, path: Path, index: int, name: str, models: Sequence[str]) -> None:
        where = (*path, index) if isinstance(value_at(self.document.data, path), list) else path
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


def load_of(form: LoadForm) -> Load:
    """Return the record of a load."""
    return Load(
        rate_per_s=form.highest,
        hourly_per_s=hourly_of(form.rate),
        arrivals=form.arrivals,
        prompt_tokens=form.prompt,
        output_tokens=form.output,
        split=form.pieces,
    )


def _of_card(card: str) -> str:
    """Return a name of files and plans for a published model: what follows the publisher's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", card.rpartition("/")[2]).strip("-._") or "model"


def _of_path(path: PurePosixPath) -> str:
    """Return the name of a file without its suffix; of a configuration, which all bear one name, that of its folder."""
    if path.name == "config.json" and path.parent.name:
        return path.parent.name
    return path.stem if re.fullmatch(r"\.[A-Za-z]\w*", path.suffix) else path.name


def value_at(data: Any, path: Path) -> Any:
    """Return what stands at a path of plain data; None where nothing does."""
    for step in path:
        data = data[step] if isinstance(step, int) else data.get(step) if isinstance(data, dict) else None
    return data
