"""Generic resources of a node -> its accelerators, whole or cut into parts, and how these are linked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from aios.records.fleet import DeviceType, Topology
from aios.spi.cutting import deal_out
from aios.spi.matrix import Matrix, islands
from aios.spi.probe import Found
from aios.spi.texts import Remarks
from aios_plugins.slurm.gres import AMOUNTS, KINDS, Gres
from aios_plugins.slurm.gresconf import Entry
from aios_plugins.slurm.nodes import Description

__all__ = ["Accelerators", "accelerators"]

_PART = re.compile(r"(?:(.+?)[_-])?(\d+g\.\d+gb)(?:[+.](me|gfx))?", re.IGNORECASE)
_NAMES_A_MODEL = re.compile(r"(?=.*[A-Za-z])(?=.*\d)[\w.+-]{3,40}")


class Accelerators(NamedTuple):
    """What a node has. topology: of its devices, by their ids."""

    found: tuple[Found, ...]
    topology: tuple[Topology, ...]


class _Group(NamedTuple):
    """Devices of one name and type.

    number: how many · first: index of the first among those of its name · taken: which, by index
    """

    name: str
    type: str | None
    number: int
    first: int
    taken: frozenset[int]


def accelerators(said: Description, entries: Sequence[Entry], notes: Remarks, left_out: Remarks) -> Accelerators:
    """Return the accelerators of nodes. entries: what ``gres.conf`` says of them."""
    groups = _groups(said, entries, notes, left_out)
    cut: dict[tuple[str, str], dict[str, list[_Group]]] = {}
    found: list[Found] = []
    for group in groups:
        part = _PART.fullmatch(group.type or "")
        if part is None:
            used = tuple(float(index in group.taken) for index in range(group.first, group.first + group.number))
            device = _type(group.name, group.type, said.features)
            found.append(Found(type=device, count=group.number, used=used if any(used) else ()))
        else:
            profile = part[2].lower() + (f"+{part[3].lower()}" if part[3] else "")
            model = part[1] or group.name
            cut.setdefault((group.name, model), {}).setdefault(profile, []).append(group)
    for (name, model), parts in cut.items():
        found += _cut(name, model, parts, said, notes)
    return Accelerators(tuple(found), () if cut else _links(groups, entries))


def _groups(said: Description, entries: Sequence[Entry], notes: Remarks, left_out: Remarks) -> list[_Group]:
    """Return the devices, in the order of their indices, each type apart."""
    groups: list[_Group] = []
    next_index: dict[str, int] = {}
    for gres in said.gres:
        if gres.name in AMOUNTS:
            notes.add(f"`{gres.name}` says how GPUs are shared; they are counted as `gpu`")
        elif gres.name not in KINDS:
            left_out.add(f"generic resource `{gres.name}`, which is no accelerator that is known here")
        else:
            for type_, count in _typed(gres, said.gres, entries, notes):
                first = next_index.get(gres.name, 0)
                next_index[gres.name] = first + count
                groups.append(_Group(gres.name, type_, count, first, frozenset()))
    for entry in entries:
        if entry.named and entry.name in KINDS and entry.name not in {gres.name for gres in said.gres}:
            left_out.add(f"`{entry.name}` of gres.conf, which slurm.conf does not give to its nodes")
    return [group for group in _with_taken(said, groups, notes) if group.number]


def _typed(gres: Gres, every: Sequence[Gres], entries: Sequence[Entry], notes: Remarks) -> list[tuple[str | None, int]]:
    """Return the types of one resource, each with how many; where slurm.conf only counts them, gres.conf may know."""
    counts: dict[str | None, int] = {}
    for entry in entries:
        if entry.name == gres.name:
            counts[entry.type] = counts.get(entry.type, 0) + entry.count
    stated = sum(counts.values()) if gres.type is None else counts.get(gres.type, counts.get(None, 0))
    if gres.type is None and any(other.type and other.name == gres.name for other in every):
        return []  # a total beside the types that it is made of
    if gres.type is None and counts and stated == gres.number:
        return list(counts.items())
    if counts and stated != gres.number:
        what = f"{gres.name}:{gres.type}" if gres.type else gres.name
        notes.add(f"slurm.conf counts {gres.number} {what}, gres.conf {stated}: slurm.conf is taken")
    return [(gres.type, gres.number)]


def _with_taken(said: Description, groups: Sequence[_Group], notes: Remarks) -> list[_Group]:
    """Return the groups with what is taken of them: by index where that is told, else the first ones."""
    if said.taken is None:
        if groups:
            notes.add("which accelerators are taken is not told (`scontrol show nodes -d` tells)")
        return list(groups)
    counted = []
    for group in groups:
        span = range(group.first, group.first + group.number)
        of_group = [gres for gres in said.taken if gres.name == group.name and gres.type in (group.type, None)]
        taken = {index for gres in of_group for index in gres.used if index in span}
        number = sum(gres.number for gres in of_group)
        if len(taken) < number and not any(gres.used for gres in of_group):
            taken |= set(span[:number])
            notes.add("which of its accelerators are taken is not told: the first ones count as taken")
        counted.append(group._replace(taken=frozenset(taken)))
    return counted


def _cut(name: str, model: str, parts: dict[str, list[_Group]], said: Description, notes: Remarks) -> list[Found]:
    counts = {profile: sum(group.number for group in groups) for profile, groups in parts.items()}
    left = {profile: float(sum(len(group.taken) for group in groups)) for profile, groups in parts.items()}
    cuts = deal_out(counts, model, None)
    if sum(cut.number for cut in cuts) > 1:
        notes.add("the parts are taken to be cut from as few devices as can hold them")
    found = []
    for cut in cuts:
        used = []
        for _ in range(cut.number):
            total = 0.0
            for profile in cut.parts:
                here = min(1.0, left[profile])
                left[profile] -= here
                total += here
            used.append(round(total / len(cut.parts), 6))
        if any(0 < share < 1 for share in used):
            notes.add("of a device that some parts are taken of, that share of every part counts as taken")
        found.append(
            Found(
                type=_type(name, model, said.features),
                count=cut.number,
                partitions=cut.parts,
                used=tuple(used) if any(used) else (),
            )
        )
    return found


def _type(name: str, model: str | None, features: Sequence[str]) -> DeviceType:
    """Return the type. Where the resource has none, or one that a feature tells more of, features are names as well."""
    further = [word for word in features if _NAMES_A_MODEL.fullmatch(word) and (model or "").lower() in word.lower()]
    identity = {"name": model or name, "compatible": " ".join(further)}
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", model or name).strip("-._")[:64] or "device"
    return DeviceType(name=safe, kind=KINDS[name], identity={key: text for key, text in identity.items() if text})


def _links(groups: Sequence[_Group], entries: Sequence[Entry]) -> tuple[Topology, ...]:
    """Return what the links of ``gres.conf`` make of a node's devices, if each of them has its own line of links."""
    total = sum(group.number for group in groups)
    linked = [entry for entry in entries if entry.links]
    if len({group.name for group in groups}) != 1 or len(linked) != total or total < 2:
        return ()
    if any(entry.count != 1 or len(entry.links) < total for entry in linked):
        return ()
    kind = (
        "XGMI" if all(re.match(r"(amd[_-])?(instinct[_-])?mi\d", group.type or "", re.I) for group in groups) else "NV"
    )
    cells: dict[str, dict[str, str]] = {str(index): {} for index in range(total)}
    for one, other in combinations(range(total), 2):
        if (number := max(linked[one].links[other], linked[other].links[one])) > 0:
            cells[str(one)][str(other)] = f"{kind}{number}"
    return islands(Matrix(devices=tuple(cells), cells=cells))
