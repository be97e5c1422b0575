"""hardware list, show, compare: the device types that are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceType, Fleet
from aios.workflow.setting import Setting
from aios.workflow.shipped import shipped_catalogue

if TYPE_CHECKING:
    from aios.fleet import Catalogue

__all__ = ["Known", "known_devices", "overridden"]


@dataclass(frozen=True)
class Known:
    """Device types by name. catalogue: what ships with aios · own: what a fleet file describes itself."""

    catalogue: Catalogue
    own: Mapping[str, DeviceType]

    def devices(self) -> tuple[DeviceType, ...]:
        """Return every type; an own one stands for the entry of the same name. Reads the whole catalogue."""
        entries = {name: self.own.get(name) or self.catalogue[name] for name in self.catalogue}
        return tuple((entries | dict(self.own)).values())

    def named(self, names: Sequence[str]) -> tuple[DeviceType, ...]:
        """Return the types that are meant by ``names``: their own, or what tools call them. Raises InputError."""
        found: list[DeviceType] = []
        problems: list[Diagnostic] = []
        for name in names:
            device = self.own.get(name) or self.catalogue.get(name) or self._part(name)
            device = device or self.catalogue.names.identify(name).type
            if device is None:
                problems.append(self._unknown(name))
            else:
                found.append(device)
        if problems:
            raise InputError(*problems)
        return tuple(found)

    def _part(self, name: str) -> DeviceType | None:
        """Return a part that devices can be cut into, which is called ``nvidia-a100-sxm4-80gb:3g.40gb``."""
        from aios.fleet.partitions import part_type

        whole = self._whole(name)
        found = [part for part in whole.partitions if part.name == name.partition(":")[2]] if whole else []
        return part_type(whole, found[0]) if whole and found else None

    def _whole(self, name: str) -> DeviceType | None:
        whole = name.partition(":")[0]
        return self.own.get(whole) or self.catalogue.get(whole)

    def _unknown(self, name: str) -> Diagnostic:
        import difflib

        whole = self._whole(name)
        if whole is not None:
            parts = ", ".join(f"`{whole.name}:{part.name}`" for part in whole.partitions)
            remedy = f"its parts are {parts}" if parts else f"nobody states any parts of {whole.name}"
            return Diagnostic(summary=f"there is no device type `{name}`", remedy=remedy)
        several = self.catalogue.names.identify(name).candidates
        if several:
            return Diagnostic(
                summary=f"`{name}` is not the name of one device",
                remedy=f"name one of: {', '.join(several)}",
            )
        near = difflib.get_close_matches(name, self.own, n=1) or list(self.catalogue.names.nearest(name))
        return Diagnostic(
            summary=f"there is no device type `{name}`",
            remedy=f"did you mean {', '.join(f'`{item}`' for item in near)}?" if near else None,
            command="aios hardware list",
        )


def overridden(fleet: Fleet) -> tuple[str, ...]:
    """Return the device types of a fleet that stand in place of entries of the catalogue and say something else."""
    entries = shipped_catalogue()
    return tuple(name for name, device in fleet.types.items() if name in entries and entries[name] != device)


def known_devices(fleet: str | None) -> Known:
    """Return the device catalogue and what the fleet file ``fleet`` describes beside it. Raises InputError."""
    from aios.workflow.reading import read_written

    entries = shipped_catalogue()
    if fleet is None:
        return Known(entries, {})
    described = read_written(Setting(fleet=fleet)).fleet
    types = described.types if described else {}
    own = {name: it for name, it in types.items() if it.part_of is None and entries.get(name) != it}
    return Known(entries, own)
