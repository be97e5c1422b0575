"""Turns a written device type into the record."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from aios.fleet.forms.device import (
    DeviceForm,
    InterconnectForm,
    PartitionForm,
    PowerModeForm,
    Provenance,
    Sourced,
    TierForm,
)
from aios.records.base import Source
from aios.records.fleet import DeviceType, Fact, Interconnect, MemoryTier, Partition, PowerMode, Trust
from aios.records.units import Dimension, si_unit

__all__ = ["completed", "device_type", "fact_of", "peak_unit", "tier_of"]

_SOURCE_OF: dict[Trust, Source] = {
    "datasheet": "datasheet",
    "vendor claim": "declared",
    "third-party": "declared",
    "derived": "analytic",
}


def device_type(form: DeviceForm) -> DeviceType:
    """Return the record of a written device type, without what its ``from`` would add."""
    said = form.provenance
    cap = form.power_cap
    return DeviceType(
        name=form.name,
        kind=form.kind,
        vendor=form.vendor,
        model=form.model,
        architecture=form.architecture,
        peak_ops_per_s={name: _fact(value, peak_unit(name), said) for name, value in form.peak.items()},
        sparse_peak_ops_per_s={name: _fact(value, peak_unit(name), said) for name, value in form.peak_sparse.items()},
        reached_ops_per_s={name: _fact(value, peak_unit(name), said) for name, value in form.peak_reached.items()},
        memory_bytes=fact_of(form.memory, Dimension.BYTES, said),
        memory_bandwidth_bytes_per_s=fact_of(form.bandwidth, Dimension.BANDWIDTH, said),
        memory_kind=form.memory_kind,
        memory_tiers=tuple(tier_of(tier, said) for tier in form.memory_tiers),
        cache_bytes={level: _fact(value, si_unit(Dimension.BYTES), said) for level, value in form.cache.items()},
        interconnects=tuple(_interconnect(item, said) for item in form.interconnects),
        cores=form.cores,
        frequency_hz=fact_of(form.frequency, Dimension.FREQUENCY, said),
        features=form.features,
        tdp_w=fact_of(form.tdp, Dimension.POWER, said),
        idle_w=fact_of(form.idle, Dimension.POWER, said),
        power_of=form.power_of,
        cap_low_w=fact_of(cap.low, Dimension.POWER, said) if cap else None,
        cap_high_w=fact_of(cap.high, Dimension.POWER, said) if cap else None,
        launch_overhead_s=fact_of(form.launch_overhead, Dimension.TIME, said),
        power_modes=tuple(_power_mode(mode, said) for mode in form.power_modes),
        partitions=tuple(_partition(part, said) for part in form.partitions),
        price_usd_per_h=fact_of(form.price, Dimension.COST_RATE, said),
        price_usd=fact_of(form.price_to_buy, Dimension.PRICE, said),
        identity=form.identity,
    )


def _interconnect(form: InterconnectForm, said: Provenance | None) -> Interconnect:
    bandwidth = _fact(form.bandwidth, si_unit(Dimension.BANDWIDTH), said)
    return Interconnect(kind=form.kind, links=form.links, bandwidth_bytes_per_s=bandwidth)


def _power_mode(form: PowerModeForm, said: Provenance | None) -> PowerMode:
    return PowerMode(
        name=form.name,
        cap_w=_fact(form.cap, si_unit(Dimension.POWER), said),
        peak_scale=fact_of(form.peak_scale, Dimension.FRACTION, said),
    )


def _partition(form: PartitionForm, said: Provenance | None) -> Partition:
    return Partition(
        name=form.name,
        compute_share=_fact(form.compute, si_unit(Dimension.FRACTION), said),
        memory_bytes=_fact(form.memory, si_unit(Dimension.BYTES), said),
        bandwidth_share=fact_of(form.bandwidth, Dimension.FRACTION, said),
        most=form.most,
    )


def tier_of(form: TierForm, said: Provenance | None = None) -> MemoryTier:
    """Return the record of a written memory tier."""
    return MemoryTier(
        name=form.name or form.kind,
        kind=form.kind,
        bytes=_fact(form.capacity, si_unit(Dimension.BYTES), said),
        read_bytes_per_s=fact_of(form.read, Dimension.BANDWIDTH, said),
        write_bytes_per_s=fact_of(form.write, Dimension.BANDWIDTH, said),
        latency_s=fact_of(form.latency, Dimension.TIME, said),
    )


def fact_of(written: float | Sourced | None, dimension: Dimension, said: Provenance | None = None) -> Fact | None:
    """Return the fact that was written, in the SI unit of ``dimension``; None where nothing was.

    said: the provenance of facts that state none themselves.
    """
    return None if written is None else _fact(written, si_unit(dimension), said)


def peak_unit(precision: str) -> str:
    """Return the unit of a peak rate: operations of integers are not floating point."""
    return "OP/s" if precision.startswith("int") else si_unit(Dimension.COMPUTE)


def completed(own: DeviceType, base: DeviceType) -> DeviceType:
    """Return ``own`` with every fact that it does not state taken over from ``base``.

    Mappings are taken over entry by entry, tiers, power modes and partitions by name, interconnects by what they are: a
    card that says it sits at ``pcie3-x16`` has no ``pcie4-x16`` beside it.
    """
    changes: dict[str, Any] = {}
    for field in DeviceType.model_fields:
        mine, theirs = getattr(own, field), getattr(base, field)
        if isinstance(mine, dict):
            changes[field] = {**theirs, **mine}
        elif field in _NAMED:
            name = _NAMED[field]
            stated = {name(item) for item in mine}
            changes[field] = (*mine, *(item for item in theirs if name(item) not in stated))
        elif mine is None or mine == ():
            changes[field] = theirs
    return own.model_copy(update=changes)


def _family(interconnect: Interconnect) -> str:
    """Return ``pcie`` of ``pcie4-x16``, ``nvlink`` of ``nvlink4``; ``nvlink-c2c`` is another one."""
    return re.sub(r"[\d.]*(-x\d+)?$", "", interconnect.kind)


def _name(item: MemoryTier | PowerMode | Partition) -> str:
    return item.name


_NAMED: Mapping[str, Callable[[Any], str]] = {
    "interconnects": _family,
    "memory_tiers": _name,
    "power_modes": _name,
    "partitions": _name,
}
"""Fields that hold several of a kind -> what tells these apart."""


def _fact(written: float | Sourced, unit: str, said: Provenance | None) -> Fact:
    if not isinstance(written, Sourced):
        return Fact(value=written, unit=unit, **_provenance(said))
    value = float(getattr(written, "value"))  # noqa: B009 - every subclass has it, each of its own dimension
    return Fact(value=value, unit=unit, **{**_provenance(said), **_provenance(written)})


def _provenance(said: Provenance | None) -> dict[str, Any]:
    if said is None:
        return {}
    source = said.source or (_SOURCE_OF[said.trust] if said.trust else None)
    fields = {"source": source, "trust": said.trust, "ref": said.ref, "as_of": said.as_of}
    return {name: value for name, value in fields.items() if value is not None}
