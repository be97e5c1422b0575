"""What a description calls its devices -> types of the catalogue, or types of their own that keep what it says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from aios.fleet.catalogue import Catalogue
from aios.fleet.facts import fact_text
from aios.fleet.files.plausible import clashes
from aios.fleet.matching import Identified
from aios.fleet.partitions import too_much
from aios.records.base import Record
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceType, Fact
from aios.spi.probe import Found

__all__ = ["Recognised", "Recogniser", "Row", "safe_name"]

_MOST_NEAREST = 20
"""For so many unknown names near ones are looked up; each takes some milliseconds, and a list may hold thousands."""
_DIFFERS = 0.05
"""A fact of the description that is this far from the catalogue's is another one: a power limit that was lowered."""
_STATED = ("memory_bandwidth_bytes_per_s", "tdp_w", "idle_w", "cap_low_w", "cap_high_w", "price_usd_per_h", "price_usd")
_NAMES = ("name", "product", "board", "compatible")
"""Keys of an identity that hold names, the most telling first; ``compatible`` may hold several, divided by blanks."""


class Row(Record):
    """Devices that the description calls the same.

    written: how · type: what they are in the fleet · machines, devices: how many · why: they match no one type of the
    catalogue · candidates: what they could be · nearest: names that look like it
    """

    written: str
    type: str
    machines: int
    devices: int
    why: str | None = None
    candidates: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()


class Recognised(NamedTuple):
    """What some devices are. type: whole devices · each: how many of it one of them is (sockets of a cpu)."""

    written: str
    type: DeviceType
    each: int = 1
    why: str | None = None
    candidates: tuple[str, ...] = ()


class Recogniser:
    """Looks devices up and keeps the types that come of it. types: by name · notes: one sentence each, for people."""

    def __init__(self, catalogue: Catalogue, aliases: Mapping[str, str]) -> None:
        """``aliases``: what a device is written as -> its type in the catalogue; raises InputError for unknown ones."""
        self._catalogue = catalogue
        self._aliases = {_key(written): _aliased(name, catalogue) for written, name in aliases.items()}
        self._unused = {_key(written): written for written in aliases}
        self._known: dict[str, Recognised] = {}
        self._near = 0
        self.types: dict[str, DeviceType] = {}
        self.notes: list[str] = []

    def recognise(self, found: Found, memory_bytes: float | None = None) -> Recognised:
        """Return what the devices are; equal ones are looked up once. memory_bytes: what their machine has."""
        own = found.type.memory_bytes.value if found.type.memory_bytes is not None else None
        has = memory_bytes if found.type.kind == "cpu" else own
        key = f"{found.type.model_dump_json()}{found.partitions}{has}"
        if key not in self._known:
            recognised = self._recognise(found, has)
            type_ = self._kept(recognised.type)
            self._known[key] = recognised._replace(type=type_)
        return self._known[key]

    def unused_aliases(self) -> tuple[str, ...]:
        """Return the aliases whose device does not occur."""
        return tuple(self._unused.values())

    def nearest(self, item: Recognised) -> tuple[str, ...]:
        """Return names of the catalogue that look like the device's; empty when many were asked for before."""
        self._near += 1
        if item.candidates or self._near > _MOST_NEAREST:
            return ()
        return self._catalogue.names.nearest(item.written, item.type.kind)

    def _recognise(self, found: Found, memory_bytes: float | None) -> Recognised:
        names = list(_names(found.type))
        identified = self._identify(names, found.type, memory_bytes)
        entry = identified.type
        if entry is None:
            own = self._own(found.type, names[0], found.partitions)
            return Recognised(names[0], own, 1, identified.why, identified.candidates)
        missing = set(found.partitions) - {partition.name for partition in entry.partitions}
        unknown = f"the catalogue does not say what part {', '.join(sorted(missing))} of {entry.name} is"
        why = unknown if missing else too_much(entry, found.partitions)
        if why is not None:
            own = self._own(DeviceType(name=entry.name, kind=entry.kind), entry.name, found.partitions)
            return Recognised(f"{names[0]}, cut into {' + '.join(found.partitions)}", own, 1, why)
        if entry.kind == "cpu":
            return Recognised(names[0], *_processors(found.type, entry))
        return Recognised(names[0], self._as_stated(found.type, entry))

    def _identify(self, names: list[str], device: DeviceType, memory: float | None) -> Identified:
        for name in names:
            if _key(name) in self._aliases:
                self._unused.pop(_key(name), None)
                return Identified(self._aliases[_key(name)])
        maker = device.vendor or device.identity.get("vendor")
        tried = [self._catalogue.names.identify(name, device.kind, memory, maker) for name in names]
        return next((found for found in tried if found.type), next((it for it in tried if it.candidates), tried[0]))

    def _own(self, device: DeviceType, written: str, parts: tuple[str, ...]) -> DeviceType:
        """Return a type of its own with what the description says, under a name that the catalogue does not have."""
        name = safe_name("-cut-".join((written, "-".join(parts))) if parts else written, "device")
        return device.model_copy(update={"name": f"unmatched-{name}" if name in self._catalogue else name})

    def _as_stated(self, device: DeviceType, entry: DeviceType) -> DeviceType:
        """Return the entry, with what the description states otherwise, unless that contradicts all else of it."""
        changes = list(_changes(device, entry))
        together = _changed(entry, changes)
        if next(clashes(together), None) is None:
            for change in changes:
                self.notes.append(f"{entry.name}: {change.what} is {change.said}")
            return together
        kept = entry
        for change in changes:
            clash = next(clashes(_changed(kept, [change])), None)
            if clash is None:
                kept = _changed(kept, [change])
            why = "" if clash is None else f", which stands: {clash.summary}"
            self.notes.append(f"{entry.name}: {change.what} is {change.said}{why}")
        return kept

    def _kept(self, device: DeviceType) -> DeviceType:
        """Return ``device`` under a name that no different type has; what only names itself otherwise is no other."""
        name, number = device.name, 2
        while name in self.types and not _same(self.types[name], device):
            name, number = f"{device.name}-{number}", number + 1
        return self.types.setdefault(name, device.model_copy(update={"name": name}))


class _Change(NamedTuple):
    """A fact of a description that is not the catalogue's. key: of a rate, its precision · what, said: for people."""

    field: str
    key: str | None
    fact: Fact
    what: str
    said: str


def _changes(device: DeviceType, entry: DeviceType) -> Iterator[_Change]:
    for field in _STATED:
        yield from _change(field, None, getattr(device, field), getattr(entry, field))
    for field in ("peak_ops_per_s", "sparse_peak_ops_per_s"):
        for name, stated in getattr(device, field).items():
            yield from _change(field, name, stated, getattr(entry, field).get(name))


def _change(field: str, key: str | None, stated: Fact | None, known: Fact | None) -> Iterator[_Change]:
    if stated is not None and _differs(stated, known):
        what = f"peak {key}" if key else field.rsplit("_", 1)[0].replace("_", " ")
        catalogue = fact_text(known) if known else "nothing"
        said = f"{fact_text(stated)} as described; the catalogue says {catalogue}"
        yield _Change(field, key, stated, what, said)


def _changed(entry: DeviceType, changes: Iterable[_Change]) -> DeviceType:
    update: dict[str, Any] = {}
    for change in changes:
        if change.key is None:
            update[change.field] = change.fact
        else:
            rates = update.get(change.field, getattr(entry, change.field))
            update[change.field] = {**rates, change.key: change.fact}
    return entry.model_copy(update=update) if update else entry


def safe_name(text: str, otherwise: str) -> str:
    """Return ``text`` as a name that a fleet file can hold; ``otherwise`` if nothing of it can be kept."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:100].strip("-._") or otherwise


def _key(written: str) -> str:
    return " ".join(written.split()).casefold()


def _aliased(name: str, catalogue: Catalogue) -> DeviceType:
    known = catalogue.get(name)
    if known is not None:
        return known
    near = catalogue.names.nearest(name)
    raise InputError(
        Diagnostic(
            summary=f"there is no device type `{name}` in the catalogue",
            remedy=f"did you mean {', '.join(f'`{item}`' for item in near)}?" if near else None,
            command="aios hardware list",
        )
    )


def _names(device: DeviceType) -> Iterator[str]:
    """Yield what a device is called, the most telling first; at least one."""
    said = [device.identity[key] for key in _NAMES if device.identity.get(key, "").strip()]
    more = device.identity.get("compatible", "").split()
    yield from dict.fromkeys((*said, *more) or (device.model or device.name,))


def _processors(device: DeviceType, entry: DeviceType) -> tuple[DeviceType, int]:
    """Return the processor and how many of it there are, by the cores that the description counts together.

    Cores that are no multiple of the processor's are a share of it, as a virtual machine gets.
    """
    counted = device.identity.get("physical_cores", "")
    here = int(counted) if counted.isascii() and counted.isdigit() and len(counted) < 7 else device.cores
    if not here or not entry.cores:
        return entry, 1
    if here % entry.cores == 0:
        return entry, here // entry.cores
    return _share_of(entry, here, entry.cores), 1


def _share_of(entry: DeviceType, here: int, cores: int) -> DeviceType:
    """Return what ``here`` cores of a processor are taken to be: their share of its rates, bandwidth and power."""

    def share(fact: Fact) -> Fact:
        ref = f"{here} of {cores} cores with {fact_text(fact)} in all ({fact.trust or fact.source}: {fact.ref})"
        value = float(f"{fact.value * here / cores:.4g}")
        return Fact(value=value, unit=fact.unit, source="assumed", ref=ref, as_of=fact.as_of)

    fields = ("memory_bandwidth_bytes_per_s", "tdp_w", "idle_w")
    single: dict[str, Any] = {name: getattr(entry, name) and share(getattr(entry, name)) for name in fields}
    return DeviceType(
        name=f"{entry.name}-{here}-cores",
        kind=entry.kind,
        vendor=entry.vendor,
        model=entry.model,
        architecture=entry.architecture,
        peak_ops_per_s={name: share(fact) for name, fact in entry.peak_ops_per_s.items()},
        frequency_hz=entry.frequency_hz,
        features=entry.features,
        cores=here,
        memory_kind=entry.memory_kind,
        power_of=entry.power_of,
        **single,
    )


def _differs(stated: Fact, known: Fact | None) -> bool:
    return known is None or abs(stated.value - known.value) > _DIFFERS * abs(known.value)


def _same(one: DeviceType, other: DeviceType) -> bool:
    return one == other.model_copy(update={"name": one.name, "identity": one.identity})
