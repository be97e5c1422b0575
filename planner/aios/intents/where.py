"""Where a workload may stand, how its replicas spread, beside whom: the written forms, and what contradicts itself."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, Strict

from aios.records.base import Record
from aios.records.document import Document
from aios.records.errors import BadValue, Diagnostic
from aios.records.forms import Many, nearest
from aios.records.quantity import Quantity
from aios.records.units import Dimension
from aios.records.where import KEEPING_OUT, NODE, Companion, PlacementRules, Spread, Survive, Where

__all__ = [
    "ApartForm",
    "AtLeastOne",
    "SpreadForm",
    "SurviveForm",
    "TogetherForm",
    "WhereForm",
    "contradictions",
    "rules_of",
    "where_of",
    "wrong_companions",
]

_EFFECTS = (*KEEPING_OUT, "PreferNoSchedule")


def _toleration(text: str) -> str:
    key, colon, effect = text.strip().partition(":")
    if not key.partition("=")[0] or (colon and effect not in _EFFECTS):
        raise BadValue(
            f"`{text[:80]}` is no taint that could be tolerated",
            f"write `key`, `key=value` or `key=value:Effect`; effects: {', '.join(f'`{item}`' for item in _EFFECTS)}",
        )
    return text.strip()


def _domain(text: str) -> str:
    if not text.strip():
        raise BadValue("an empty text is no failure domain", "write `node`, `region` or a label such as `rack`")
    return text.strip()


Domain: TypeAlias = Annotated[str, AfterValidator(_domain)]
Toleration: TypeAlias = Annotated[str, AfterValidator(_toleration)]
AtLeastOne: TypeAlias = Annotated[int, Strict(), Field(ge=1, le=10**6)]
Share: TypeAlias = Annotated[float, Quantity(Dimension.FRACTION, most=1.0)]


class WhereForm(Record):
    """Where the workload may stand; each a single one or a list of which any will do."""

    labels: dict[str, Many[str]] = Field(
        {}, description="Label of a node -> values, one of which it must have.", examples=[{"zone": "a"}]
    )
    regions: Many[str] | None = Field(None, description="Regions of nodes.", examples=["eu-west"])
    vendors: Many[str] | None = Field(None, description="Makers of the devices.", examples=["NVIDIA"])
    residency: Many[str] | None = Field(
        None, description="Jurisdictions in which the data may lie, as the fleet states them.", examples=["EU"]
    )
    tolerate: Many[Toleration] | None = Field(
        None,
        description="Taints of nodes that do not keep it away: `key`, `key=value` or `key=value:Effect`.",
        examples=["dedicated=ml:NoSchedule"],
    )


class SpreadForm(Record):
    """At most so many replicas in one failure domain."""

    over: Domain = Field(description="`node`, `region`, or a label of nodes such as `rack`.", examples=["rack"])
    max: AtLeastOne | None = Field(None, description="Most replicas in one domain.", examples=[2])
    max_share: Share | None = Field(None, description="Most of all replicas in one domain.", examples=["50 %"])


class TogetherForm(Record):
    """Another intent beside which every replica stands."""

    intent: str = Field(alias="with", description="Name of the other intent.", examples=["cache"])
    by: Domain = Field(NODE, description="What they share: `node`, `region`, or a label of nodes such as `rack`.")


class ApartForm(Record):
    """Another intent beside which no replica stands."""

    intent: str = Field(alias="from", description="Name of the other intent, or of this one.", examples=["batch"])
    by: Domain = Field(NODE, description="What they do not share: `node`, `region`, or a label such as `rack`.")


class SurviveForm(Record):
    """How many failure domains may be lost, any of them, while the load is still sustained."""

    losses: AtLeastOne = Field(description="How many may be lost at once.", examples=[1])
    of: Domain = Field(NODE, description="What is lost: `node`, `region`, or a label of nodes such as `rack`.")


def where_of(form: WhereForm) -> Where:
    """Return the record of a form."""
    return Where(
        labels=dict(sorted(form.labels.items())),
        regions=form.regions or (),
        vendors=form.vendors or (),
        residency=form.residency or (),
        tolerate=form.tolerate or (),
    )


def rules_of(
    where: WhereForm,
    spread: Sequence[SpreadForm],
    together: Sequence[str | TogetherForm],
    apart: Sequence[str | ApartForm],
    survive: int | SurviveForm | None,
) -> PlacementRules:
    """Return the record of what was written."""
    losses = SurviveForm(losses=survive) if isinstance(survive, int) else survive
    return PlacementRules(
        where=where_of(where),
        spread=tuple(Spread(over=item.over, most=item.max, share=item.max_share) for item in spread),
        together=tuple(_companion(item) for item in together),
        apart=tuple(_companion(item) for item in apart),
        survive=losses and Survive(losses=losses.losses, of=losses.of),
    )


def _companion(item: str | TogetherForm | ApartForm) -> Companion:
    return Companion(intent=item) if isinstance(item, str) else Companion(intent=item.intent, by=item.by)


def contradictions(
    document: Document, name: str, rules: PlacementRules, job: bool, replicas: Sequence[int]
) -> Iterator[Diagnostic]:
    """Yield what cannot be meant. job: whether the intent is one that ends · replicas: that are pinned, if any are"""
    yield from _of_spread(document, rules)
    yield from _of_companions(document, name, rules)
    survive = rules.survive
    if survive is not None and job:
        summary, remedy = "a training job has no load that it could still sustain", "leave `survive` out"
        yield _at(document, ("survive",), summary, remedy)
    elif survive is not None and replicas and max(replicas) <= survive.losses:
        lost, pinned = f"{survive.losses} x {survive.of}", _replicas(max(replicas))
        summary = f"nothing may be left of {pinned} after the loss of {lost}"
        reason = f"more are not pinned, at {document.span(('spec', 'pin', 'replicas'))}"
        remedy = f"pin {survive.losses + 1} replicas or more, or survive fewer losses"
        yield _at(document, ("survive",), summary, remedy, reason)


def _of_spread(document: Document, rules: PlacementRules) -> Iterator[Diagnostic]:
    for index, item in enumerate(rules.spread):
        path = ("spread", index)
        if (item.most is None) == (item.share is None):
            both = item.most is not None
            summary = "`max` and `max_share` are both written" if both else "neither `max` nor `max_share` is written"
            yield _at(document, path, summary, "write one of them: `{over: rack, max: 2}`")
        if any(other.over == item.over for other in rules.spread[:index]):
            yield _at(document, path, f"`spread` over `{item.over}` is written twice", "keep the stricter one")


def _of_companions(document: Document, name: str, rules: PlacementRules) -> Iterator[Diagnostic]:
    for field, companions in (("together", rules.together), ("apart", rules.apart)):
        for index, item in enumerate(companions):
            if item in companions[:index]:
                yield _at(document, (field, index), f"`{field}` names `{item.intent}` twice", "keep one of the two")
    for index, item in enumerate(rules.together):
        if item.intent == name:
            yield _at(
                document, ("together", index), f"`{name}` cannot but stand together with itself", "name another intent"
            )
        for other in rules.apart:
            if excludes(item, other):
                there = _at(document, ("apart", rules.apart.index(other)), "", "").where
                summary = f"`{name}` is to stand together with `{item.intent}` and apart from it"
                yield _at(document, ("together", index), summary, "keep one of the two", f"`apart` stands at {there}")


def excludes(together: Companion, apart: Companion) -> bool:
    """Say whether no placement keeps both: what stands on one machine shares everything."""
    return together.intent == apart.intent and together.by in (NODE, apart.by)


def wrong_companions(
    document: Document, name: str, intents: Mapping[str, PlacementRules], demands: Sequence[str]
) -> Iterator[Diagnostic]:
    """Yield what is wrong between intents: companions that are not there, or that will not be companions.

    intents: name -> rules of those with a model · demands: names of the others
    """
    rules = intents[name]
    yield from _unknown(document, rules, intents, demands)
    beside = _beside(intents, name, None)
    for by in sorted({item.by for other in beside for item in intents[other].apart}):
        for other, chain in _beside(intents, name, by).items():
            theirs = Companion(intent=name, by=by) in intents[other].apart
            own = Companion(intent=other, by=by) in rules.apart and len(chain) > 2
            if other == name or not (theirs or own):
                continue
            index = [item.intent for item in rules.together].index(chain[1])
            through = f", by way of {', '.join(f'`{item}`' for item in chain[1:-1])}" if len(chain) > 2 else ""
            summary = f"`{name}` is to stand together with `{other}`{through}, " + (
                "which is to stand apart from it" if theirs else "and apart from it"
            )
            remedy = "delete one of the rules" if through else "delete one of the two"
            yield _at(document, ("together", index), summary, remedy)


def _beside(intents: Mapping[str, PlacementRules], name: str, by: str | None) -> Mapping[str, tuple[str, ...]]:
    """Return the intents that share a failure domain with every replica of one, and by way of whom.

    by: the domain; what stands on one node shares all of them; None: whichever they share
    """
    found: dict[str, tuple[str, ...]] = {name: (name,)}
    queue = [name]
    for here in queue:  # grows as it goes
        for item in intents[here].together:
            if item.intent in intents and item.intent not in found and (by is None or item.by in (NODE, by)):
                found[item.intent] = (*found[here], item.intent)
                queue.append(item.intent)
    return found


def _unknown(
    document: Document, rules: PlacementRules, intents: Mapping[str, PlacementRules], demands: Sequence[str]
) -> Iterator[Diagnostic]:
    for field, companions in (("together", rules.together), ("apart", rules.apart)):
        for index, item in enumerate(companions):
            if item.intent in intents:
                continue
            if item.intent in demands:
                reason, remedy = f"`{item.intent}` states a demand", "name an intent with a model"
                yield _at(document, (field, index), f"`{field}` takes intents with a model alone", remedy, reason)
                continue
            near = nearest(item.intent, list(intents))
            remedy = f"did you mean `{near}`?" if near else "plan it together with this one, or delete the name"
            yield _at(document, (field, index), f"there is no intent `{item.intent}` in this plan", remedy)


def _replicas(count: int) -> str:
    return "1 replica" if count == 1 else f"{count} replicas"


def _at(
    document: Document, path: tuple[str | int, ...], summary: str, remedy: str, reason: str | None = None
) -> Diagnostic:
    """Return a diagnostic at a field of ``spec``, or at the one item that was written there without a list."""
    field, *rest = path
    spec = document.data.get("spec")
    listed = isinstance(spec, dict) and isinstance(spec.get(field), list)
    steps = ("spec", field, *(rest if listed else ()))
    return document.diagnostic(steps, summary, remedy=remedy, reason=reason)
