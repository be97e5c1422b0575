"""From form files to forms, or to everything that is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from aios.records.document import Document, check, kind_mistake, parse
from aios.records.errors import Diagnostic, InputError
from aios.records.forms import nearest
from aios.records.observation import MEASURED, NUMBERS, WORDS
from aios.records.units import Dimension, UnitError, parse_quantity, si_unit
from aios.tables import form as ready
from aios.tables import written

__all__ = ["load_forms", "read_forms"]

Path_ = tuple[str | int, ...]


def load_forms(folder: Path, predictors: Collection[str] | None = None) -> tuple[ready.TableForm, ...]:
    """Return the forms of a folder: ``tables/*.yaml`` below it, ``*.table.yaml`` in it, in order of their paths.

    predictors: names that are known; None: any. Raises InputError with everything that is wrong in all files.
    """
    paths = [*sorted((folder / "tables").glob("*.yaml")), *sorted(folder.glob("*.table.yaml"))]
    if folder.name == "tables":
        paths = sorted(folder.glob("*.yaml"))
    return read_forms(paths, predictors)


def read_forms(paths: Iterable[Path], predictors: Collection[str] | None = None) -> tuple[ready.TableForm, ...]:
    """Return the forms of these files; see ``load_forms``."""
    forms: list[ready.TableForm] = []
    mistakes: list[Diagnostic] = []
    for path in paths:
        try:
            for document in parse(path.read_bytes(), str(path)):
                forms.append(_form(document, predictors))
        except InputError as error:
            mistakes += error.diagnostics
        except OSError as error:
            mistakes.append(Diagnostic(summary=f"{path} cannot be read: {error.strerror}"))
    if mistakes:
        raise InputError(*mistakes)
    return tuple(forms)


def _form(document: Document, predictors: Collection[str] | None) -> ready.TableForm:
    wrong = kind_mistake(document, ("Table",))
    if wrong is not None:
        raise InputError(wrong)
    form = check(document, written.FormDocument, nothing_at=[("spec", "devices")])
    compiler = _Compiler(document)
    found = compiler.form(form, predictors)
    if compiler.mistakes:
        raise InputError(*compiler.mistakes)
    return found


class _Compiler:
    """Turns written sources into ready ones; mistakes are collected, not raised."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.mistakes: list[Diagnostic] = []

    def mistake(self, path: Path_, summary: str, remedy: str, key: bool = False) -> None:
        self.mistakes.append(self.document.diagnostic(path, summary, remedy=remedy, key=key))

    def form(self, form: written.FormDocument, predictors: Collection[str] | None) -> ready.TableForm:
        spec, at = form.spec, ("spec",)
        family, pivot = spec.family, spec.pivot
        return ready.TableForm(
            name=form.metadata.name,
            file=self.document.file,
            files=spec.files,
            columns=spec.columns,
            where=_conditions(spec.where),
            pivot=None if pivot is None else ready.Pivot(pivot.index, pivot.name, pivot.value),
            words=self.words(spec.words, (*at, "words")),
            numbers=self.numbers(spec.numbers, (*at, "numbers")),
            joins=tuple(_join(item) for item in spec.joins),
            family=None if family is None else _part(family),
            devices=spec.devices,
            metrics=tuple(
                self.metric(item, predictors, (*at, "metrics", place)) for place, item in enumerate(spec.metrics)
            ),
            choices=tuple(self.choice(item, (*at, "choices", place)) for place, item in enumerate(spec.choices)),
        )

    def words(self, sources: Mapping[str, str | written.WordForm], at: Path_) -> dict[str, ready.WordSource]:
        return {role: self.word(source, (*at, role)) for role, source in sources.items()}

    def word(self, source: str | written.WordForm, at: Path_) -> ready.WordSource:
        if isinstance(source, str):
            return ready.WordSource((source,))
        given = [name for name in ("column", "join", "value") if getattr(source, name) is not None]
        if len(given) != 1:
            self.mistake(at, "one source is wanted", "write one of `column`, `join` and `value`", key=True)
        columns = (source.column,) if source.column is not None else source.join or ()
        return ready.WordSource(
            columns=columns,
            value=source.value or "",
            pattern=_compiled(source.pattern),
            values=source.values,
            only=source.only,
            default=source.default,
            optional=source.optional,
        )

    def numbers(self, sources: Mapping[str, written.NumberForm], at: Path_) -> dict[str, ready.NumberSource]:
        return {role: self.number(source, NUMBERS[role][0], (*at, role)) for role, source in sources.items()}

    def number(self, source: written.NumberForm, dimension: Dimension, at: Path_) -> ready.NumberSource:
        if (source.column is None) == (source.value is None):
            self.mistake(at, "one source is wanted", "write one of `column` and `value`", key=True)
        return ready.NumberSource(
            column=source.column,
            factor=self.factor(source.unit, dimension, (*at, "unit")),
            value=source.value,
            pattern=_compiled(source.pattern),
            values=source.values,
            times=source.times,
            over=source.over,
            minus=source.minus,
            default=source.default,
            optional=source.optional,
        )

    def factor(self, unit: str | float, dimension: Dimension, at: Path_) -> float:
        """Return what a number in this unit is multiplied with for SI."""
        if not isinstance(unit, str):
            if not 0 < unit < float("inf"):
                self.mistake(at, f"a factor of {unit:g} makes no sense", "write a number above zero, or a unit")
            return float(unit)
        if unit == si_unit(dimension) or (dimension is Dimension.COUNT and unit == "1"):
            return 1.0
        try:
            return parse_quantity(f"1 {unit}", dimension)
        except UnitError as error:
            self.mistake(at, f"`{unit[:40]}` is no unit here: {error.summary}", error.remedy)
            return 1.0

    def metric(self, item: written.MetricForm, predictors: Collection[str] | None, at: Path_) -> ready.MetricSource:
        dimension = MEASURED[item.metric][0]
        if predictors is not None and item.predictor not in predictors:
            near = nearest(item.predictor, tuple(predictors))
            known = ", ".join(f"`{name}`" for name in predictors)
            self.mistake(
                (*at, "predictor"),
                f"unknown predictor `{item.predictor[:60]}`",
                f"did you mean `{near}`?" if near else f"known: {known}",
            )
        return ready.MetricSource(
            metric=item.metric,
            unit=si_unit(dimension),
            predictor=item.predictor,
            number=self.number(item, dimension, at),
            words=self.words(item.words, (*at, "words")),
            numbers=self.numbers(item.numbers, (*at, "numbers")),
            where=_conditions(item.where),
        )

    def choice(self, item: written.ChoiceForm, at: Path_) -> ready.Choice:
        roles = {"device_type", *WORDS, *NUMBERS}
        for place, role in enumerate(item.within):
            if role not in roles:
                near = nearest(role, sorted(roles))
                remedy = f"did you mean `{near}`?" if near else "write a role of a column"
                self.mistake((*at, "within", place), f"unknown role `{role[:60]}`", remedy)
        if not item.bound and not item.first:
            remedy = "add `bound`, a metric that intents limit, or `first`, a goal that comes before"
            self.mistake(at, "nothing limits what is chosen", remedy)
        return ready.Choice(item.within, item.bound, item.goal, item.first)


def _join(item: written.JoinForm) -> ready.Join:
    on = {here: _part(there) for here, there in item.on.items()}
    return ready.Join(item.table, on, _conditions(item.where), item.columns)


def _part(item: str | written.PartForm) -> ready.WordSource:
    if isinstance(item, str):
        return ready.WordSource((item,))
    return ready.WordSource((item.column,), pattern=_compiled(item.pattern))


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    return None if pattern is None else re.compile(pattern)


def _conditions(wanted: Mapping[str, Sequence[str] | written.ConditionForm]) -> dict[str, ready.Condition]:
    found = {}
    for column, item in wanted.items():
        if isinstance(item, written.ConditionForm):
            found[column] = ready.Condition(
                only=None if item.only is None else frozenset(item.only),
                none_of=frozenset(item.not_ or ()),
                pattern=_compiled(item.pattern),
                stated=item.stated,
            )
        else:
            found[column] = ready.Condition(only=frozenset(item))
    return found
