"""Documents of kind Objective: what holds for all intents together."""

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from aios.intents.goals import PlanGoal
from aios.intents.written import Metadata
from aios.records.base import Record
from aios.records.document import Document, check
from aios.records.errors import Diagnostic, InputError
from aios.records.forms import Many
from aios.records.metrics import metric
from aios.records.objective import Budget, Objective, Policy
from aios.records.quantity import CarbonRate, CostRate, Power, Price
from aios.records.units import format_exactly

__all__ = ["ObjectiveForm", "compile_objective"]


class BudgetForm(Record):
    """Bounds on what the whole plan takes."""

    power: Power | None = Field(None, description="Most power of all that stands.", examples=["2 kW"])
    cost: CostRate | None = Field(None, description="Highest price of all device shares used.", examples=["40 USD/h"])
    carbon: CarbonRate | None = Field(None, description="Most operational carbon.")
    expense: Price | None = Field(None, description="Most that all jobs may cost in all.")


class ObjectiveSpec(Record):
    """What is wanted of the plan as a whole."""

    goal: Many[PlanGoal] | None = Field(
        None,
        description="What to make best over the whole plan, most important first; the intents' own goals come after.",
    )
    policy: Policy | None = Field(None, description="How what cannot all be admitted is divided.")
    budget: BudgetForm = Field(default_factory=BudgetForm, description="What the whole plan may take.")


class ObjectiveForm(Record):
    """Goals, policy and budgets of the whole plan."""

    apiVersion: Literal["aios/v1"] = Field(description="Version of this form.")
    kind: Literal["Objective"] = Field(description="What this document is.")
    metadata: Metadata = Field(description="What identifies it.", examples=[{"name": "fleet-goals"}])
    spec: ObjectiveSpec = Field(description="What is wanted.")


def compile_objective(documents: Sequence[Document]) -> Objective | None:
    """Return the record of the one document of kind Objective, None without one.

    Raises InputError with every mistake, a second document included.
    """
    mistakes: list[Diagnostic] = []
    found: list[Objective] = []
    for document in documents:
        try:
            found.append(_compile(document))
        except InputError as error:
            mistakes += error.diagnostics
    if len(documents) > 1:
        first = documents[0].span(("metadata", "name"))
        mistakes += (_second(document, str(first)) for document in documents[1:])
    if mistakes:
        raise InputError(*mistakes)
    return found[0] if found else None


def _second(document: Document, first: str) -> Diagnostic:
    return document.diagnostic(
        ("kind",),
        "a plan has one objective, and this is another",
        reason=f"the first stands at {first}",
        remedy="put what both say into one document",
    )


def _compile(document: Document) -> Objective:
    form = check(document, ObjectiveForm)
    goals = form.spec.goal or ()
    mistakes = list(_doubled(document, [goal.metric for goal in goals]))
    if mistakes:
        raise InputError(*mistakes)
    written = document.data["spec"].get("goal")
    places = [("spec", "goal", index) if isinstance(written, list) else ("spec", "goal") for index in range(len(goals))]
    return Objective(
        name=form.metadata.name,
        goal=tuple(
            goal.model_copy(update={"where": document.span(place)}) for goal, place in zip(goals, places, strict=True)
        ),
        policy=form.spec.policy,
        budget=tuple(_budgets(document, form.spec.budget)),
        where=document.span(("metadata", "name")),
    )


def _doubled(document: Document, names: Sequence[str]) -> Iterator[Diagnostic]:
    for index, name in enumerate(names):
        if name in names[:index]:
            remedy = "keep the more important one"
            yield document.diagnostic(("spec", "goal", index), f"`{name}` is a goal twice", remedy=remedy)


def _budgets(document: Document, form: BudgetForm) -> Iterator[Budget]:
    for name, bound in form:
        if bound is not None:
            text = f"{name} <= {format_exactly(bound, metric(name).dimension)}"
            yield Budget(metric=name, bound=bound, text=text, where=document.span(("spec", "budget", name)))
