"""Devices that their hardware cuts into parts (MIG, vNPU): the parts as device types of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from aios.records.fleet import DeviceSlot, DeviceType, Fact, Partition
from aios.records.units import Dimension, format_quantity

__all__ = ["ROUNDED", "SIZES_DIFFER", "part_name", "part_type", "parts_of", "slots_of", "too_much"]

ROUNDED = 1.02
"""Shares may add up to this: seven times one seventh, written as 14.3 %, is more than the whole."""
SIZES_DIFFER = 1.08
"""Memory of parts may add up to so much of the device's: some sizes are stated in GB, others in GiB, 7.4 % apart."""


def part_name(whole: str, partition: str) -> str:
    """Return the name of the device type of a part, ``nvidia-a100-sxm4-80gb:3g.40gb``."""
    return f"{whole}:{partition}"


def parts_of(whole: DeviceType, names: Iterable[str]) -> Mapping[str, DeviceType]:
    """Return the types of the parts that ``names`` name. Raises KeyError for one that the device does not have."""
    known = {partition.name: partition for partition in whole.partitions}
    return {part_name(whole.name, name): part_type(whole, known[name]) for name in dict.fromkeys(names)}


def part_type(whole: DeviceType, partition: Partition) -> DeviceType:
    """Return the type of one part: its own memory, and its share of the device's rates, marked as derived.

    It is reached over the device's PCIe connection, which all parts share; other links are of whole devices only. What
    a part draws and costs, and its share of the caches, nobody states: it stays unknown.
    """
    share, bandwidth = partition.compute_share, partition.bandwidth_share
    return DeviceType(
        name=part_name(whole.name, partition.name),
        kind=whole.kind,
        vendor=whole.vendor,
        model=None if whole.model is None else f"{whole.model} {partition.name}",
        architecture=whole.architecture,
        peak_ops_per_s=_scaled(whole.peak_ops_per_s, share),
        sparse_peak_ops_per_s=_scaled(whole.sparse_peak_ops_per_s, share),
        reached_ops_per_s=_scaled(whole.reached_ops_per_s, share),
        memory_bytes=partition.memory_bytes,
        memory_bandwidth_bytes_per_s=_times(whole.memory_bandwidth_bytes_per_s, bandwidth),
        memory_kind=whole.memory_kind,
        interconnects=tuple(item for item in whole.interconnects if item.kind.startswith("pcie")),
        frequency_hz=whole.frequency_hz,
        features=whole.features,
        launch_overhead_s=whole.launch_overhead_s,
        part_of=whole.name,
    )


def slots_of(whole: str, numbers: Iterable[int], names: Sequence[str]) -> tuple[DeviceSlot, ...]:
    """Return the slots of devices ``numbers`` that are each cut into parts ``names``; part k of device n is ``n.k``."""
    ids: dict[str, list[str]] = {part_name(whole, name): [] for name in names}
    for number in numbers:
        for index, name in enumerate(names):
            ids[part_name(whole, name)].append(f"{number}.{index}")
    return tuple(DeviceSlot(type=name, ids=tuple(found)) for name, found in ids.items())


def too_much(whole: DeviceType, names: Sequence[str]) -> str | None:
    """Return why one device cannot hold these parts at once, as far as its facts say; None if it can."""
    known = {partition.name: partition for partition in whole.partitions}
    for name, count in Counter(names).items():
        if count > known[name].most:
            return f"one {whole.name} holds at most {known[name].most} of `{name}`, not {count}"
    memory = sum(known[name].memory_bytes.value for name in names)
    if whole.memory_bytes is not None and memory > whole.memory_bytes.value * SIZES_DIFFER:
        has = format_quantity(whole.memory_bytes.value, Dimension.BYTES)
        return f"together they take {format_quantity(memory, Dimension.BYTES)} of memory, but {whole.name} has {has}"
    if sum(known[name].compute_share.value for name in names) > ROUNDED:
        return f"together they take more than all of the computing of one {whole.name}"
    return None


def _scaled(facts: Mapping[str, Fact], share: Fact) -> dict[str, Fact]:
    return {name: _of(fact, share) for name, fact in facts.items()}


def _times(fact: Fact | None, share: Fact | None) -> Fact | None:
    return None if fact is None or share is None else _of(fact, share)


def _of(fact: Fact, share: Fact) -> Fact:
    ref = f"{share.value:.4g} of {fact.value:.6g} {fact.unit}" + (f" ({fact.ref})" if fact.ref else "")
    return Fact(
        value=float(f"{fact.value * share.value:.6g}"),
        unit=fact.unit,
        source="analytic",
        trust="derived",
        ref=ref,
        as_of=fact.as_of,
    )
