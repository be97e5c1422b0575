"""How many devices the parts (MIG, vNPU) that a cluster counts are cut from, and which parts stand together on one.

A cluster only says how many parts of each profile a machine has. They are dealt out to as few devices as can hold them:
equal devices where the numbers allow it, the largest parts first where they do not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["Cut", "deal_out", "partition_name"]

_MIG = re.compile(r"(\d{1,3})g\.(\d{1,4})gb(?:\+.*)?")
_FOUR_SLICES = re.compile(r"A30(?!\d)|RTX[-_ ]PRO[-_ ]6000", re.IGNORECASE)
_CORES = re.compile(r"(\d{1,3})c((?:\.\w+)*)")
# AI cores of a chip, of which the makers' profiles take a whole number. Source: Project-HAMi, device configuration.
_AI_CORES = {"Ascend310P": 8, "Ascend310P3": 8, "Ascend910": 30, "Ascend910A": 30}
_AI_CORES |= {"Ascend910B2": 24, "Ascend910B3": 20, "Ascend910B4": 20, "Ascend910B4-1": 20}
# Compute dies that a part of an AMD Instinct has, as shares of a device: single, dual, triple, quad, core (MI300X: 8).
_AMD_PARTS = {"spx": 1, "dpx": 2, "tpx": 3, "qpx": 4, "cpx": 8}
_SLACK = 1.03
"""Memory of profiles is rounded to whole GB, up as well as down: two of 71 GB are cut from 141 GB."""


class Cut(NamedTuple):
    """Equal devices, ``number`` of them, each cut into ``parts``, by profile."""

    number: int
    parts: tuple[str, ...]


class _Room(NamedTuple):
    """What a profile takes, or a device has."""

    slices: float
    gigabytes: float


def partition_name(profile: str, model: str | None) -> str:
    """Return what the catalogue calls a part: ``vir04`` for Huawei's ``4c``, ``vir12_3c_32g`` for ``12c.3cpu.32g``."""
    found = _CORES.fullmatch(profile)
    if found is None or not (model or "").startswith("Ascend"):
        return profile
    further = [re.sub(r"(\d+)cpu", r"\1c", word) for word in found[2].split(".") if word]
    return "_".join([f"vir{int(found[1]):02d}", *further])


def deal_out(counts: Mapping[str, int], model: str, memory_gb: float | None) -> list[Cut]:
    """Return the devices that ``counts`` (profile -> how many parts) are cut from.

    memory_gb: of one whole device, where that is known
    """
    needs = {profile: _need(profile) for profile, count in counts.items() if count}
    whole = _whole(counts, model, memory_gb)
    slices = sum(needs[profile].slices * counts[profile] for profile in needs)
    memory = sum(needs[profile].gigabytes * counts[profile] for profile in needs)
    least = max(1, -(-round(slices * 1000) // round(whole.slices * 1000)), -int(-memory // (whole.gigabytes * _SLACK)))
    even = {profile: counts[profile] // least for profile in needs}
    if all(count % least == 0 for count in counts.values()) and _fits(even, needs, whole):
        return [Cut(least, _listed(even))]
    return _packed(counts, needs, whole)


def _need(profile: str) -> _Room:
    mig = _MIG.fullmatch(profile)
    cores = _CORES.fullmatch(profile)
    amd = re.fullmatch(rf"({'|'.join(_AMD_PARTS)})_nps\d", profile)
    fraction = re.fullmatch(r"(\d{1,3})-([1-9]\d{0,2})", profile)
    if mig:
        return _Room(int(mig[1]), int(mig[2]))
    if cores:
        return _Room(max(1, int(cores[1])), 0)
    if amd:
        return _Room(1 / _AMD_PARTS[amd[1]], 0)
    if fraction:
        return _Room(int(fraction[1]) / int(fraction[2]), 0)
    return _Room(1, 0)


def _whole(counts: Mapping[str, int], model: str, memory_gb: float | None) -> _Room:
    """Return what a whole device has; of a kind whose parts are not understood, room for one part."""
    if any(_MIG.fullmatch(profile) for profile in counts):
        stated = re.search(r"(\d{2,3})\s?GB", model, re.IGNORECASE)
        memory = memory_gb or (float(stated[1]) if stated else float("inf"))
        return _Room(4 if _FOUR_SLICES.search(model) else 7, memory)
    if any(_CORES.fullmatch(profile) for profile in counts):
        return _Room(_AI_CORES.get(model, max(_need(profile).slices for profile in counts)), float("inf"))
    return _Room(1, float("inf"))


def _fits(parts: Mapping[str, int], needs: Mapping[str, _Room], whole: _Room) -> bool:
    slices = sum(needs[profile].slices * count for profile, count in parts.items())
    memory = sum(needs[profile].gigabytes * count for profile, count in parts.items())
    return slices <= whole.slices * 1.001 and memory <= whole.gigabytes * _SLACK


def _packed(counts: Mapping[str, int], needs: Mapping[str, _Room], whole: _Room) -> list[Cut]:
    """Return devices filled one after the other, the largest parts first."""
    bins: list[dict[str, int]] = []
    for profile in sorted(needs, key=lambda name: (-needs[name].slices, -needs[name].gigabytes, name)):
        at = 0  # bins before it are too full for one more
        for _ in range(counts[profile]):
            while at < len(bins) and not _fits({**bins[at], profile: bins[at].get(profile, 0) + 1}, needs, whole):
                at += 1
            if at == len(bins):
                bins.append({})
            bins[at][profile] = bins[at].get(profile, 0) + 1
    equal: dict[tuple[str, ...], int] = {}
    for held in bins:
        equal[_listed(held)] = equal.get(_listed(held), 0) + 1
    return [Cut(count, parts) for parts, count in equal.items()]


def _listed(parts: Mapping[str, int]) -> tuple[str, ...]:
    order: Sequence[str] = sorted(parts, key=lambda name: (-_need(name).slices, -_need(name).gigabytes, name))
    return tuple(profile for profile in order for _ in range(parts[profile]))
