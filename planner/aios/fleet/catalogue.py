"""The device catalogue: one file per device type, read when its name is asked for and not before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from aios.fleet.devices import device_type
from aios.fleet.forms.device import DeviceForm, MatchForm
from aios.fleet.matching import Names
from aios.fleet.ordering import type_in_order
from aios.records.document import check, parse
from aios.records.errors import InputError
from aios.records.fleet import DeviceKind, DeviceType

__all__ = ["Catalogue", "Match", "load_catalogue"]


class Match(NamedTuple):
    """A catalogue entry that fits discovered hardware.

    type: None where none does · by_name: it is this part; else one of the same generation · doubt: why none of those
    that are called so was taken, for people
    """

    type: DeviceType | None
    by_name: bool = False
    doubt: str | None = None


class Catalogue(Mapping[str, DeviceType]):
    """Device types by name; ``nvidia-t4`` stands in ``nvidia/nvidia-t4.yaml``, below the vendor that its name begins
    with.

    Looking a name up reads one file; listing names reads none. A broken file raises InputError when it is read.
    """

    def __init__(self, folder: Path) -> None:
        """``folder`` holds one folder per vendor; one that does not exist is an empty catalogue."""
        self._folder = folder
        self._read: dict[str, tuple[DeviceType, MatchForm | None]] = {}

    def __getitem__(self, name: str) -> DeviceType:
        """Return the type ``name``; raises KeyError where there is none."""
        return self._entry(name)[0]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._path(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)

    @cached_property
    def _listed(self) -> tuple[str, ...]:
        return tuple(sorted(path.stem for path in self._folder.glob("*/*.yaml")))

    @cached_property
    def names(self) -> Names:
        """What the entries are called by tools and people. Reads the whole catalogue: for discovery, not for plans."""
        entries = [self._entry(name) for name in self]
        return Names((device, form.name if form else ()) for device, form in entries)

    def match(self, kind: DeviceKind, identity: Mapping[str, str], memory_bytes: float | None = None) -> Match:
        """Return the entry that discovered hardware is, by the name it gives itself; else one of its generation.

        memory_bytes: what the device has, of a cpu what its machine has. Reads the whole catalogue, as ``names`` does.
        """
        doubt: str | None = None
        for name in (identity[key] for key in ("name", "board") if key in identity):
            known = self.names.identify(name, kind, memory_bytes)
            if known.type is not None and known.type.kind == kind:
                return Match(known.type, by_name=True)
            if known.candidates and doubt is None:
                doubt = f"{name}: {known.why}: {', '.join(known.candidates)}"
        for device, form in map(self._entry, self):
            if form and device.kind == kind and _same_generation(form, identity):
                return Match(device)
        return Match(None, doubt=doubt)

    def _path(self, name: str) -> Path | None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
            return None
        path = self._folder / name.split("-", maxsplit=1)[0] / f"{name}.yaml"
        return path if path.is_file() else None

    def _entry(self, name: str) -> tuple[DeviceType, MatchForm | None]:
        if name not in self._read:
            path = self._path(name)
            if path is None:
                raise KeyError(name)
            self._read[name] = _read_entry(path)
        return self._read[name]


def load_catalogue(folder: Path) -> Catalogue:
    """Return the device types below ``folder``; nothing is read yet."""
    return Catalogue(folder)


def _read_entry(path: Path) -> tuple[DeviceType, MatchForm | None]:
    try:
        document, *more = parse(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if more:
        raise InputError(more[0].diagnostic((), f"{path.name} must hold one device type, but holds {1 + len(more)}"))
    form = check(document, DeviceForm)
    if form.name != path.stem:
        raise InputError(document.diagnostic(("name",), f"`name` is `{form.name}`, but the file is called {path.name}"))
    return type_in_order(device_type(form)), form.match


def _same_generation(form: MatchForm, identity: Mapping[str, str]) -> bool:
    wanted, model = form.per_core, identity.get("model", "")
    if wanted is None or not (model.isascii() and model.isdigit()):
        return False
    first, last = wanted.models
    same = wanted.vendor == identity.get("vendor") and str(wanted.family) == identity.get("family")
    return same and first <= int(model) <= last
