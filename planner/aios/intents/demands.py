"""Documents of kind Intent that state a demand in place of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Annotated, Literal

from pydantic import Field, Strict

from aios.intents.contradicting import contradicting_choices, nothing_left
from aios.intents.times import WhenForm, compile_when
from aios.intents.where import WhereForm, where_of
from aios.intents.written import Metadata, Spec
from aios.records.base import Record
from aios.records.demanded import Accelerators, Demanded
from aios.records.document import Document, check
from aios.records.errors import Diagnostic, InputError
from aios.records.forms import Many
from aios.records.intent import Constraints
from aios.records.quantity import Quantity, Time, Whole
from aios.records.units import Dimension
from aios.records.where import Where

__all__ = ["DemandIntentForm", "compile_demand", "states_demand", "too_many"]

MOST_COPIES = 10**6
"""Copies that one intent, and all of a plan together, may ask for, and devices of one copy: each is placed and told."""

Copies = Annotated[int, Strict(), Field(ge=1, le=MOST_COPIES)]
Cores = Annotated[float, Quantity(Dimension.COUNT, zero=True, most=1e9)]
Memory = Annotated[float, Quantity(Dimension.BYTES, zero=True, most=2.0**70)]
Share = Annotated[float, Quantity(Dimension.FRACTION, most=1.0)]


class AcceleratorsForm(Record):
    """Devices that one copy takes, all of one type on one node."""

    count: Copies = Field(1, description="Devices that one copy takes.")
    share: Share = Field(1.0, description="Share of the device that one copy takes, where it takes a single one.")
    types: Many[str] | None = Field(
        None, description="Device types of which any will do; any accelerator by default.", examples=[["nvidia-t4"]]
    )


class DemandForm(Record):
    """What one copy takes of the node that it stands on."""

    cpu: Cores | None = Field(None, description="CPU cores, parts of one included.", examples=[4])
    memory: Memory | None = Field(None, description="Memory of the node (DRAM).", examples=["16 GiB"])
    accelerator: AcceleratorsForm | None = Field(
        None, description="Accelerators.", examples=[{"count": 1, "share": 0.5, "types": ["nvidia-t4"]}]
    )
    count: Copies | None = Field(None, description="Equal copies; the same as `count` beside `demand`.")


class PlacesForm(Record):
    """Where copies may stand, by name; each a single one or a list."""

    device: Many[str] | None = Field(None, description="Device types, by name.", examples=["nvidia-t4"])
    node: Many[str] | None = Field(None, description="Nodes of the fleet, by name.")


class DemandSpec(Record):
    """A workload that is no model: what it takes, and how often."""

    task: str | None = Field(None, description="What the workload does, in words.")
    demand: DemandForm = Field(description="What one copy takes.", examples=[{"cpu": 4, "memory": "16 GiB"}])
    count: Copies | None = Field(None, description="Equal copies, one by default.", examples=[20])
    required: Annotated[bool, Strict()] = Field(
        True, description="Whether all copies must stand; else as many as there is room for."
    )
    priority: Whole = Field(0, description="What one copy weighs among those that may be refused; at least 1.")
    pin: PlacesForm = Field(default_factory=PlacesForm, description="Only there.", examples=[{"node": "t4"}])
    exclude: PlacesForm = Field(default_factory=PlacesForm, description="Not there.")
    where: WhereForm = Field(default_factory=WhereForm, description="Where copies may stand, by what nodes state.")
    duration: Time | None = Field(
        None, description="How long a copy runs; it stands all the time by default.", examples=["3 h"]
    )
    when: WhenForm | None = Field(
        None, description="When a copy that ends may run.", examples=[{"earliest": "18:00", "deadline": "12 h"}]
    )


class DemandIntentForm(Record):
    """One workload whose demand is stated."""

    apiVersion: Literal["aios/v1"] = Field(description="Version of this form.")
    kind: Literal["Intent"] = Field(description="What this document is.")
    metadata: Metadata = Field(description="What identifies the intent.", examples=[{"name": "nightly-etl"}])
    spec: DemandSpec = Field(description="What is wanted.")


def states_demand(document: Document) -> bool:
    """Say whether a document of kind Intent states a demand in place of a model."""
    spec = document.data.get("spec")
    return isinstance(spec, dict) and "demand" in spec


def compile_demand(document: Document) -> Demanded:
    """Return the record of a document that states a demand. Raises InputError with every mistake in it."""
    form = _checked(document)
    spec, demand = form.spec, form.spec.demand
    mistakes = [*_mistakes(document, spec), *_contradictions(document, spec)]
    if mistakes:
        raise InputError(*mistakes)
    wanted = demand.accelerator
    return Demanded(
        name=form.metadata.name,
        labels=form.metadata.labels or _NO_LABELS,
        cores=demand.cpu or 0.0,
        memory_bytes=demand.memory or 0.0,
        accelerators=wanted and _accelerators(wanted.count, wanted.share, wanted.types or ()),
        copies=spec.count or demand.count or 1,
        required=spec.required,
        priority=spec.priority,
        pin=_places(spec.pin),
        exclude=_places(spec.exclude),
        allowed=where_of(spec.where) if spec.where.model_fields_set else _anywhere(),
        duration_s=spec.duration,
        when=compile_when(document, spec.when),
        where=document.span(("metadata", "name")),
    )


def too_many(document: Document, before: int, demanded: Demanded) -> Iterator[Diagnostic]:
    """Yield what is wrong where the copies of all demands become too many. before: copies of those before this one"""
    if before <= MOST_COPIES < before + demanded.copies:
        yield document.diagnostic(
            ("spec", "count"),
            f"up to this intent {before + demanded.copies:,} copies are asked for; at most {MOST_COPIES:,} are planned",
            remedy="plan fewer at a time, or larger ones",
        )


def _checked(document: Document) -> DemandIntentForm:
    """Return the form; fields of intents with a model are told apart from unknown ones."""
    try:
        return check(document, DemandIntentForm)
    except InputError as error:
        foreign = {f"unknown field `{name}` in `spec`": name for name in Spec.model_fields}
        raise InputError(*(_apart(item, foreign.get(item.summary)) for item in error.diagnostics)) from None


def _apart(item: Diagnostic, name: str | None) -> Diagnostic:
    if name is None:
        return item
    summary = f"an intent that states its `demand` has no `{name}`"
    return item.model_copy(update={"summary": summary, "remedy": f"delete `{name}`, or `demand` and state a model"})


def _places(form: PlacesForm) -> Constraints:
    return Constraints(device=form.device or (), node=form.node or ()) if form.device or form.node else _any_place()


# Demands are many, and most are alike in these: what is equal is one record.
_NO_LABELS: dict[str, str] = {}


@cache
def _accelerators(count: int, share: float, types: tuple[str, ...]) -> Accelerators:
    return Accelerators(count=count, share=share, types=types)


@cache
def _any_place() -> Constraints:
    return Constraints()


@cache
def _anywhere() -> Where:
    return Where()


def _contradictions(document: Document, spec: DemandSpec) -> Iterator[Diagnostic]:
    pin, exclude, wanted = _places(spec.pin), _places(spec.exclude), spec.demand.accelerator
    yield from contradicting_choices(document, pin, exclude)
    types = wanted.types if wanted is not None else None
    yield from nothing_left(document, ("spec", "demand", "accelerator", "types"), "device", types or (), pin, exclude)


def _mistakes(document: Document, spec: DemandSpec) -> Sequence[Diagnostic]:
    """Return what only shows between fields."""
    found, demand, path = [], spec.demand, ("spec", "demand")
    if not demand.cpu and not demand.memory and demand.accelerator is None:
        remedy = "state at least one of `cpu`, `memory` and `accelerator`"
        found.append(document.diagnostic(path, "this demand asks for nothing", remedy=remedy))
    if spec.count is not None and demand.count is not None:
        found.append(document.diagnostic((*path, "count"), "`count` is written twice", remedy="keep one of the two"))
    wanted = demand.accelerator
    if wanted is not None and wanted.count > 1 and wanted.share < 1:
        found.append(
            document.diagnostic(
                (*path, "accelerator", "share"),
                f"a share of {wanted.share:g} of each of {wanted.count} devices",
                reason="a part of a device is taken of one device alone",
                remedy="ask for whole devices, or for one with `count: 1`",
            )
        )
    return found
