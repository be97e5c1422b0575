"""The device types that a fleet describes itself, completed by what they say they are like (``from``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aios.fleet.devices import completed, device_type
from aios.fleet.files.places import Place
from aios.fleet.files.plausible import contradictions, implausible_device
from aios.fleet.files.typenames import types_meant
from aios.fleet.forms.device import DeviceForm
from aios.records.errors import Diagnostic
from aios.records.fleet import DeviceType

__all__ = ["own_types"]


class _Own(NamedTuple):
    form: DeviceForm
    place: Place


def own_types(
    written: Iterable[tuple[DeviceForm, Place]], catalogue: Mapping[str, DeviceType], mistakes: list[Diagnostic]
) -> Mapping[str, DeviceType]:
    """Return the described types by name. One with the name of a catalogue type stands in its place.

    ``from`` names another described type or one of the catalogue; a type that is ``from`` its own name takes over what
    the catalogue says under that name. mistakes: receives types described twice, a ``from`` that names nothing or leads
    back to itself, and facts that are impossible or contradict each other.
    """
    own: dict[str, _Own] = {}
    for form, place in written:
        if form.name in own:
            first = own[form.name].place / "name"
            reason = f"first at {first.span}"
            summary, remedy = f"device type `{form.name}` is described twice", "keep one, or give one another name"
            mistakes.append((place / "name").mistake(summary, remedy, reason))
        else:
            own[form.name] = _Own(form, place)
            mistakes.extend(implausible_device(form, place))
    resolved: dict[str, DeviceType] = {}
    for name in own:
        for step in reversed(_chain(name, own, resolved, mistakes)):
            resolved[step] = _completed(own[step], own, resolved, catalogue, mistakes)
    for name, (_, place) in own.items():
        mistakes.extend(contradictions(resolved[name], place))
    return resolved


def _chain(
    name: str, own: Mapping[str, _Own], resolved: Mapping[str, DeviceType], mistakes: list[Diagnostic]
) -> Sequence[str]:
    """Return the types that have to be resolved for ``name``, itself first; each is ``from`` the next."""
    chain: dict[str, None] = {}
    step: str | None = name
    while step in own and step not in resolved and step is not None:
        chain[step] = None
        base = own[step].form.base
        if base in chain and base != step:
            around = [*list(chain)[list(chain).index(base) :], base]
            summary = f"`{base}` is described by way of itself"
            remedy = "let one of them state its facts itself, without `from`"
            mistakes.append((own[step].place / "from").mistake(summary, remedy, " -> ".join(around)))
        step = None if base in chain else base
    return list(chain)


def _completed(
    one: _Own,
    own: Mapping[str, _Own],
    resolved: Mapping[str, DeviceType],
    catalogue: Mapping[str, DeviceType],
    mistakes: list[Diagnostic],
) -> DeviceType:
    """Return a type with the facts that it takes over, where those are to be had."""
    form, place = one
    device = device_type(form)
    if form.base is None:
        return device
    if form.base in own and form.base != form.name:
        base = resolved.get(form.base)  # None in a circle, which has been told
    elif form.base in catalogue:
        base = catalogue[form.base]
    else:
        base = None
        remedy = types_meant(form.base, (name for name in own if name != form.name), catalogue)
        mistakes.append((place / "from").mistake(f"the catalogue has no device type `{form.base}`", remedy))
    if base is None:
        return device
    if base.kind != form.kind:
        summary = f"`{form.name}` is of kind {form.kind}, but takes over facts of `{base.name}`, of kind {base.kind}"
        mistakes.append((place / "kind").mistake(summary, f"write `kind: {base.kind}`, or leave `from` out"))
    return completed(device, base)
