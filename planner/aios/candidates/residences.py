"""In which memory the parts of a model could live: the device's own, or a tier beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.candidates.hosts import Host, Tier
from aios.candidates.rejections import Rejections
from aios.records.fleet import STORAGE, DeviceType
from aios.records.model import MemoryPart
from aios.records.units import Dimension, format_quantity

__all__ = ["Residing", "residing"]

WORTH_MOVING = 0.1
"""Share of the device's memory from which on a part is worth moving to a slower tier: moving less frees little, and
would multiply the ways to run every small model."""


class Residing(NamedTuple):
    """One answer to where everything lives. tiers: part -> tier, where not its own · hosts: with the room."""

    tiers: Mapping[MemoryPart, str]
    hosts: tuple[Host, ...]

    def __str__(self) -> str:
        return "+".join(f"{part}@{tier}" for part, tier in self.tiers.items())


def residing(
    what: str,
    sizes: Mapping[MemoryPart, float],
    device: DeviceType,
    hosts: Sequence[Host],
    rejections: Rejections,
) -> tuple[Residing, ...]:
    """Return every answer for one replica, the device's own memory first; none where it has room nowhere.

    what: the family, for the rejections. A memory of unknown size holds anything.
    """
    found = [Residing({}, tuple(host for host in hosts if _fits(sum(sizes.values()), host.memory_bytes)))]
    tiers = {tier.name: tier for host in hosts for tier in host.tiers}
    for name, tier in sorted(tiers.items()):
        for parts in _movable(sizes, tier):
            able = tuple(host for host in hosts if _has_room(host, name, parts, sizes))
            if able and (not found[0].hosts or _worthwhile(sum(sizes[part] for part in parts), tier, device, hosts)):
                found.append(Residing(dict.fromkeys(parts, name), able))
            elif able:
                _say_not_worthwhile(tier, device, rejections)
    return tuple(answer for answer in found if answer.hosts) or _nowhere(what, sizes, device, hosts, rejections)


def _movable(sizes: Mapping[MemoryPart, float], tier: Tier) -> Iterator[tuple[MemoryPart, ...]]:
    """Yield the sets of parts that may live in a tier together."""
    yield ("weights",)
    if "kv_cache" in sizes:
        yield ("kv_cache",)
        yield ("weights", "kv_cache")
    if tier.kind not in STORAGE:
        yield tuple(sizes)


def _has_room(host: Host, name: str, parts: Sequence[MemoryPart], sizes: Mapping[MemoryPart, float]) -> bool:
    moved = sum(sizes[part] for part in parts)
    tier = next((tier for tier in host.tiers if tier.name == name), None)
    return tier is not None and _fits(moved, tier.bytes) and _fits(sum(sizes.values()) - moved, host.memory_bytes)


def _fits(need: float, has: float | None) -> bool:
    return has is None or need <= has


def _worthwhile(moved: float, tier: Tier, device: DeviceType, hosts: Sequence[Host]) -> bool:
    """Whether the tier is faster than the device's own memory, or what moves is much of what the smallest host has."""
    own = device.memory_bandwidth_bytes_per_s
    if tier.read is not None and own is not None and tier.read > own.value:
        return True
    known = [host.memory_bytes for host in hosts if host.memory_bytes is not None]
    return bool(known) and moved >= WORTH_MOVING * min(known)


def _say_not_worthwhile(tier: Tier, device: DeviceType, rejections: Rejections) -> None:
    reason = (
        f"it is not known to be faster; what takes less than {WORTH_MOVING:.0%} of {device.name}'s memory stays there"
    )
    rejections.add(f"{tier.name} for small parts of models on {device.name}", "worth moving", reason)


def _nowhere(
    what: str, sizes: Mapping[MemoryPart, float], device: DeviceType, hosts: Sequence[Host], rejections: Rejections
) -> tuple[Residing, ...]:
    largest = max(host.memory_bytes for host in hosts if host.memory_bytes is not None)
    need, has = (format_quantity(size, Dimension.BYTES) for size in (sum(sizes.values()), largest))
    parts = " + ".join(format_quantity(size, Dimension.BYTES) for size in sizes.values())
    names = ", ".join(sizes).replace("_", " ").replace(", activations", " and activations")
    tiers = sorted({tier.name for host in hosts for tier in host.tiers})
    beside = f", and {', '.join(tiers)} beside it cannot hold what is too much" if tiers else ""
    rejections.add(
        what, "memory", f"{names} need {need} ({parts}); {device.name} has {has}{beside}",
        resolvable=None if tiers else "state `memory_tiers` of the node if it has further memory",
    )  # fmt: skip
    return ()
