"""Extended resources of a node -> its accelerators: whole, shared out, or cut into parts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aios.records.fleet import DeviceType, Fact
from aios.spi.cutting import deal_out, partition_name
from aios.spi.probe import Found
from aios.spi.texts import Remarks
from aios_plugins.kubernetes.registered import Registered, registered
from aios_plugins.kubernetes.vendors import Meaning, meaning_of
from aios_plugins.kubernetes.view import View

__all__ = ["MOST_DEVICES", "accelerators"]

MOST_DEVICES = 4096
"""Most devices, places or parts of one kind on a node; more is no machine that is built."""


class _Counted(NamedTuple):
    """A resource that counts devices, places on them or their parts. taken: of ``number``, by pods."""

    resource: str
    meaning: Meaning
    number: int
    taken: float

    @property
    def domain(self) -> str:
        return self.resource.partition("/")[0]


def accelerators(view: View, notes: Remarks, left_out: Remarks) -> list[Found]:
    """Return the accelerators of a node, in the order of the names of the resources that count them."""
    counted = list(_counted(view, left_out))
    listed = registered(view.annotations)
    found: list[Found] = []
    parts: dict[tuple[str, str], list[_Counted]] = {}
    for item in counted:
        cut_alike = view.cut_alike() if item.resource in ("nvidia.com/gpu", "nvidia.com/gpu.shared") else None
        if item.meaning.role == "part" or cut_alike:
            group = parts.setdefault((item.domain, view.model(item.resource, item.meaning)), [])
            group.append(item._replace(meaning=item.meaning._replace(profile=item.meaning.profile or cut_alike)))
        elif of_domain := [device for device in listed if device.domain == item.domain]:
            found += _as_registered(view, item, of_domain, notes)
            listed = [device for device in listed if device.domain != item.domain]
        else:
            found += _devices(view, item, notes, left_out)
    for (_, model), items in parts.items():
        found += _parts(view, model, items, notes)
    return found


def _counted(view: View, left_out: Remarks) -> Iterator[_Counted]:
    """Yield the resources that count something; of the others say that they are left out."""
    meanings = {name: meaning_of(name) for name in sorted(view.counts) if view.counts[name]}
    makers = {meaning.vendor.maker for meaning in meanings.values() if meaning and meaning.role != "amount"}
    for resource, meaning in meanings.items():
        count = view.counts[resource]
        if meaning is None:
            left_out.add(f"`{resource}` is no accelerator that is known here", view.node)
        elif meaning.role == "amount":
            if meaning.vendor.maker not in makers:
                left_out.add(f"`{resource}` says how much there is, but nothing says on how many devices", view.node)
        elif count > MOST_DEVICES:
            left_out.add(f"{count} of `{resource}` are more than any machine has", view.node)
        else:
            yield _Counted(resource, meaning, count, min(view.taken.get(resource, 0.0), count))


def _devices(view: View, item: _Counted, notes: Remarks, left_out: Remarks) -> Iterator[Found]:
    number = _number(view, item)
    if number is None:
        left_out.add(f"`{item.resource}` counts places on devices, and nothing says on how many", view.node)
        return
    places = item.number // number
    if places > 1:
        notes.add(f"`{item.resource}` counts places that share devices, {places} on each", view.node)
    device = _type(item, view.model(item.resource, item.meaning), view.memory_bytes(item.meaning), item.resource)
    yield Found(type=device, count=number, used=_spread(item.taken, [places] * number))


def _number(view: View, item: _Counted) -> int | None:
    """Return how many devices the places are on; None if that cannot be known."""
    nvidia = item.meaning.vendor.maker == "NVIDIA"
    shared = item.meaning.role == "shared" or (nvidia and view.shared())
    replicas = view.number(f"{item.resource.removesuffix('.shared')}.replicas") or 1
    if shared and replicas > 1 and item.number % replicas == 0:
        return item.number // replicas
    stated = view.devices() if nvidia else 0
    if stated and item.number % stated == 0 and (shared or item.number > stated):
        return stated
    return None if shared else item.number


def _as_registered(view: View, item: _Counted, listed: Sequence[Registered], notes: Remarks) -> Iterator[Found]:
    """Yield the devices that an annotation lists one by one."""
    if item.number != len(listed):
        notes.add(f"`{item.resource}` counts places; how many devices there are says an annotation", view.node)
    groups: dict[tuple[str, float | None], list[int]] = {}
    for device in listed:
        on_it = 1 if item.number == len(listed) else device.places
        groups.setdefault((device.model, device.memory_bytes), []).append(on_it)
    taken = item.taken
    for (model, memory), places in groups.items():
        yield Found(
            type=_type(item, model, memory, "annotation of the node"),
            count=len(places),
            used=_spread(taken, places),
        )
        taken = max(0.0, taken - sum(places))


def _parts(view: View, model: str, items: Sequence[_Counted], notes: Remarks) -> Iterator[Found]:
    """Yield the devices that the parts of one model are cut from."""
    counts: dict[str, int] = {}
    taken: dict[str, float] = {}
    for item in items:
        profile, number = item.meaning.profile or "", _part_number(view, item)
        counts[profile] = counts.get(profile, 0) + number
        taken[profile] = taken.get(profile, 0.0) + item.taken * number / item.number
    memory = view.memory_bytes(items[0].meaning)
    cuts = deal_out(counts, model, None if memory is None else memory / 1e9)
    if sum(cut.number for cut in cuts) > 1:
        notes.add("the parts are taken to be cut from as few devices as can hold them", view.node)
    for cut in cuts:
        used = [_share_taken(cut.parts, taken) for _ in range(cut.number)]
        if any(0 < share < 1 for share in used):
            notes.add("of a device that some parts are taken of, that share of every part counts as taken", view.node)
        yield Found(
            type=_type(items[0], model, memory, "nvidia.com/gpu.memory"),
            count=cut.number,
            partitions=tuple(partition_name(profile, model) for profile in cut.parts),
            used=tuple(used) if any(used) else (),
        )


def _part_number(view: View, item: _Counted) -> int:
    """Return how many parts there are, where each of them may be shared out as well."""
    if item.meaning.role == "part":
        stated = view.number(f"{item.resource.removesuffix('.shared')}.count")
        return stated if stated and item.number % stated == 0 else item.number
    replicas = view.number("nvidia.com/gpu.replicas") or 1
    return item.number // replicas if view.shared() and item.number % replicas == 0 else item.number


def _share_taken(parts: Sequence[str], left: dict[str, float]) -> float:
    """Return the share of a device's parts that is taken; ``left``, by profile, becomes less by as much."""
    total = 0.0
    for profile in parts:
        here = min(1.0, left.get(profile, 0.0))
        left[profile] = left.get(profile, 0.0) - here
        total += here
    return round(total / len(parts), 6)


def _spread(taken: float, places: Sequence[int]) -> tuple[float, ...]:
    """Return the share of each device that is taken when its places are filled one device after the other."""
    shares = []
    for number in places:
        here = min(taken, float(number))
        shares.append(round(here / number, 6))
        taken -= here
    return tuple(shares) if any(shares) else ()


def _type(item: _Counted, model: str, memory: float | None, ref: str) -> DeviceType:
    vendor = item.meaning.vendor
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", model).strip("-._")[:64] or "device"
    identity = {"name": model, "vendor": vendor.maker, "resource": item.resource}
    return DeviceType(
        name=safe,
        kind=vendor.kind,
        memory_bytes=None if memory is None else Fact(value=memory, unit="B", source="declared", ref=ref),
        identity={key: text for key, text in identity.items() if text},
    )
