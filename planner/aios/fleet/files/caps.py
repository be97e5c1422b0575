"""Written power caps -> records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aios.fleet.files.places import Place, did_you_mean, known_names
from aios.fleet.forms.fleet import GroupCapForm, SpecForm
from aios.records.errors import Diagnostic
from aios.records.fleet import Node, PowerCap
from aios.records.where import REGION, domain_of

__all__ = ["power_caps"]


def power_caps(
    specs: Sequence[tuple[SpecForm, Place]], nodes: Sequence[Node], mistakes: list[Diagnostic]
) -> tuple[PowerCap, ...]:
    """Return the caps on several machines together, those on all of them first. mistakes: receives what is wrong"""
    whole = [(spec.power_cap, at / "power_cap") for spec, at in specs if spec.power_cap]
    mistakes.extend(
        place.mistake("the power of the fleet is capped twice", "keep one of the two", f"the first stands at {first}")
        for first in [place.span for _, place in whole[:1]]
        for _, place in whole[1:]
    )
    found = [PowerCap(cap_w=watts, where=place.span) for watts, place in whole[:1]]
    for spec, at in specs:
        for index, form in enumerate(spec.power_caps):
            place = at / "power_caps" / index
            mistakes.extend(_mistakes(form, place, nodes))
            cap = PowerCap(by=form.by, labels=form.where, cap_w=form.cap, where=place.span)
            first = next((other for other in found if (other.by, other.labels) == (cap.by, cap.labels)), None)
            if first is not None and (form.by or form.where):
                summary = f"the power of {cap.whose} is capped twice"
                mistakes.append(place.mistake(summary, "keep one of the two", f"the first stands at {first.where}"))
            found.append(cap)
    return tuple(found)


def _mistakes(form: GroupCapForm, at: Place, nodes: Sequence[Node]) -> Iterator[Diagnostic]:
    if (form.by is None) == (not form.where):
        both = "`by` and `where` are both written" if form.where else "this says neither `by` nor `where`"
        yield at.mistake(both, "write one of them: `{by: rack, cap: 12 kW}` or `{where: {rack: r1}, cap: 8 kW}`")
    keys = sorted({key for node in nodes for key in node.labels})
    if form.by is not None and not any(domain_of(node, form.by) is not None for node in nodes):
        what = "states a region" if form.by == REGION else f"has a label `{form.by}`"
        yield (at / "by").mistake(f"no node {what}", did_you_mean(form.by, keys) or known_names(keys))
    for key, value in form.where.items():
        values = sorted({node.labels[key] for node in nodes if key in node.labels})
        if not values:
            remedy = did_you_mean(key, keys) or known_names(keys)
            yield (at / "where" / key).mistake(f"no node has a label `{key}`", remedy)
        elif value not in values:
            remedy = did_you_mean(value, values) or known_names(values)
            yield (at / "where" / key).mistake(f"no node has `{key}: {value}`", remedy)
