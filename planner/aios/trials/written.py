"""Documents of kind Test: their form, and the cases that they state."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from aios.records.base import Record, Span
from aios.records.document import Document, check
from aios.records.errors import BadValue, Diagnostic, InputError
from aios.records.forms import Many
from aios.records.names import Name
from aios.trials.bounds import GoalBound, MetricBound, NumberBound, PlanBound

__all__ = ["Case", "CaseForm", "Chosen", "Expected", "TestForm", "Trial", "compile_tests"]

_ON_FRAGMENTS = {"deny", "warn", "keep", "holds"}
"""What a case can expect of a fragment of a plan."""


def _words(text: str) -> str:
    if not text.strip() or len(text) > 200 or "\n" in text:
        raise BadValue("a name of one line is wanted here, of 1 to 200 characters", "say in a few words what holds")
    return text


Words = Annotated[str, AfterValidator(_words)]


class Chosen(Record):
    """What must have been chosen for an intent; of several values any will do."""

    device: Many[str] | None = Field(None, description="Device type.", examples=["nvidia-l4"])
    kind: Many[str] | None = Field(None, description="Kind of device.", examples=["npu"])
    node: Many[str] | None = Field(None, description="Nodes or machines; all of its places are among them.")
    model: Many[str] | None = Field(None, description="Model, by the name of its file.")
    precision: Many[str] | None = Field(None, description="Precision.", examples=["int8"])
    quantization: Many[str] | None = Field(None, description="Kind of quantisation.", examples=["static"])
    executor: Many[str] | None = Field(None, description="Executor.", examples=["onnxruntime"])
    power_mode: Many[str] | None = Field(None, description="Power mode of the device.", examples=["15W"])
    replicas: NumberBound | None = Field(None, description="How many replicas: a number, or a bound on it.")
    batch: NumberBound | None = Field(None, description="Largest batch: a number, or a bound on it.")
    threads: NumberBound | None = Field(None, description="CPU threads of a replica: a number, or a bound on it.")
    bounds: Many[MetricBound] | None = Field(
        None, description="Bounds on what is predicted of it, on the end of the interval that speaks against them."
    )
    refused: bool | None = Field(None, description="Whether it is refused, of an intent that may be.")


class Expected(Record):
    """What must be true of the plan of a case."""

    status: Literal["feasible", "infeasible"] | None = Field(None, description="Whether there must be a plan.")
    conflict: Many[str] | None = Field(
        None, description="Clauses that cannot hold together, by metric or as the plan tells them."
    )
    each: Chosen | None = Field(None, description="What must hold of every intent that runs.")
    intents: dict[str, Chosen] = Field({}, description="What must hold of single intents, by name.")
    total: Many[PlanBound] | None = Field(None, description="Bounds on all that runs, and on counts of the plan.")
    objective: Many[GoalBound] | None = Field(
        None, description="Bounds on the values of the plan's goals.", examples=["power <= 3 W"]
    )
    deny: Many[str] | None = Field(None, description="Rules of policies that must deny the plan; no others may.")
    warn: Many[str] | None = Field(None, description="Rules of policies that must warn.")
    keep: Many[str] | None = Field(None, description="Rules of policies that the plan must keep.")
    holds: Many[str] | None = Field(
        None, description="CEL that must be true of `plan`.", examples=["plan.decisions.all(d, d.replicas > 1)"]
    )


class _OfAWord:
    """Annotation of what is expected: a single word is its status."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_status, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"enum": ["feasible", "infeasible"]}, handler(schema)]}


def _status(value: Any) -> Any:
    return {"status": value} if isinstance(value, str) else value


Expectation: TypeAlias = Annotated[Expected, _OfAWord()]


class Without(Record):
    """What the fleet of a case has lost."""

    nodes: Many[str] = Field(description="Nodes, or single machines of one.", examples=[["edge-npu"]])


class CaseForm(Record):
    """One case: intents, a fleet that is only emulated, changes to both, and what is expected."""

    name: Words = Field(description="What is tested, in words; one in its file.")
    intents: Many[str] | None = Field(None, description="Intent files and folders, beside the test file.")
    fleet: str | dict[str, Any] | None = Field(None, description="Fleet file, or what stands under its `spec`.")
    policies: Many[str] | None = Field(None, description="Policy files and folders, beside those found with intents.")
    profiles: str | None = Field(None, description="Folder of measurements. Default: `profiles` beside the test file.")
    current: str | None = Field(None, description="A saved plan that stands; moves are counted from it.")
    plan: str | dict[str, Any] | None = Field(
        None, description="Instead of planning: a saved plan, or a fragment of one in the words of policies."
    )
    set: dict[str, Any] = Field({}, description="Changes, as `aios whatif --set` takes them: path -> value.")
    load: dict[str, dict[str, Any]] = Field({}, description="Another load: intent -> fields of its `load`.")
    without: Without | None = Field(None, description="What the fleet has lost.")
    risk: Literal["pessimistic", "expected"] = Field(
        "pessimistic", description="Which end of an estimate bounds are compared with."
    )
    expect: Expectation = Field(description="What must be true of the plan.", examples=["feasible"])


class TestMetadata(Record):
    """What identifies a test file."""

    name: Name = Field(description="Name of the tests.")


class TestSpec(Record):
    """Cases, and what they share."""

    intents: Many[str] | None = Field(None, description="Intent files and folders of cases that name none.")
    fleet: str | dict[str, Any] | None = Field(None, description="Fleet of cases that name none.")
    policies: Many[str] | None = Field(None, description="Policies of cases that name none.")
    profiles: str | None = Field(None, description="Measurements of cases that name none.")
    cases: Many[CaseForm] = Field(description="The cases.")


class TestForm(Record):
    """Tests of intents and of policies."""

    apiVersion: Literal["aios/v1"] = Field(description="Version of this form.")
    kind: Literal["Test"] = Field(description="What this document is.")
    metadata: TestMetadata = Field(description="What identifies it.")
    spec: TestSpec = Field(description="The cases.")


class Case(NamedTuple):
    """A case with what it takes over from its file.

    path: of it in the document · spec: what it shares with others · form: what it states itself
    """

    form: CaseForm
    spec: TestSpec
    document: Document
    path: tuple[str | int, ...]

    @property
    def expected(self) -> Expected:
        """What it expects."""
        return self.form.expect

    @property
    def where(self) -> Span:
        """Where its name stands."""
        return self.document.span((*self.path, "name"))

    def place(self, field: str) -> tuple[str | int, ...]:
        """Return the path of a field, its own or that of its file."""
        own = getattr(self.form, field) is not None
        return (*self.path, field) if own else ("spec", field)

    def stated(self, field: str) -> Any:
        """Return what it states for a field, or its file does; None where neither does."""
        own = getattr(self.form, field)
        return own if own is not None else getattr(self.spec, field)


class Trial(NamedTuple):
    """A file of tests. file: as it was given"""

    file: str
    cases: tuple[Case, ...]


def compile_tests(documents: Sequence[Document]) -> Trial:
    """Return the cases of the documents of one file. Raises InputError with every mistake."""
    mistakes: list[Diagnostic] = []
    cases: dict[str, Case] = {}
    for document in documents:
        try:
            form = check(document, TestForm, _taken_away(document))
        except InputError as error:
            mistakes += error.diagnostics
            continue
        for index, item in enumerate(form.spec.cases):
            case = Case(item, form.spec, document, ("spec", "cases", index))
            mistakes += _mistakes(case)
            first = cases.setdefault(item.name, case)
            if first is not case:
                reason = f"the first stands at {first.where}"
                what = f"two cases are called `{item.name}`"
                mistakes.append(document.diagnostic((*case.path, "name"), what, reason=reason, remedy="rename one"))
    if mistakes:
        raise InputError(*mistakes)
    return Trial(documents[0].file, tuple(cases.values()))


def _taken_away(document: Document) -> list[tuple[str | int, ...]]:
    """Return the mappings of changes, in which nothing stands for what is taken away."""
    cases = (document.data.get("spec") or {}).get("cases") if isinstance(document.data.get("spec"), dict) else None
    return [("spec", "cases", index, "set") for index in range(len(cases) if isinstance(cases, list) else 0)]


def _mistakes(case: Case) -> Iterator[Diagnostic]:
    form, expected = case.form, case.expected
    asked = {name for name, value in expected if value not in (None, {})}
    if not asked:
        yield case.document.diagnostic((*case.path, "expect"), "nothing is expected", remedy="write `feasible`")
    if form.plan is not None:
        planning = [
            name for name in ("intents", "fleet", "profiles", "current", "without") if getattr(form, name) is not None
        ]
        planning += [name for name in ("set", "load") if getattr(form, name)]
        for name in planning:
            what = f"`{name}` is of a case that plans, and this one states its plan"
            yield case.document.diagnostic((*case.path, name), what, key=True, remedy="leave one of them out")
    if isinstance(form.plan, dict):
        for name in sorted(asked - _ON_FRAGMENTS):
            what = f"`{name}` cannot be expected of a fragment of a plan"
            known = ", ".join(f"`{item}`" for item in sorted(_ON_FRAGMENTS))
            yield case.document.diagnostic((*case.path, "expect", name), what, key=True, remedy=f"use {known}")
    if expected.status == "infeasible" and (beside := sorted(asked - {"status", "conflict"})):
        for name in beside:
            what = f"`{name}` is expected of a plan, and none is expected"
            yield case.document.diagnostic((*case.path, "expect", name), what, key=True, remedy="leave one of them out")
    if expected.conflict is not None and expected.status == "feasible":
        what = "a conflict is expected of a case that must be feasible"
        yield case.document.diagnostic((*case.path, "expect", "conflict"), what, key=True)
