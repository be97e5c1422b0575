"""Turns a written device type into the record."""

from __future__ import annotations

from typing import Any

from aios.fleet.written import DeviceForm, Sourced
from aios.records.fleet import DeviceType, Fact, PowerMode
from aios.records.units import Dimension, si_unit

__all__ = ["completed", "device_type", "fact_of", "peak_unit"]


def device_type(form: DeviceForm) -> DeviceType:
    """Return the record of a written device type, without what its ``from`` would add."""
    return DeviceType(
        name=form.name,
        kind=form.kind,
        vendor=form.vendor,
        model=form.model,
        peak_ops_per_s={name: _fact(value, peak_unit(name)) for name, value in form.peak.items()},
        memory_bytes=fact_of(form.memory, Dimension.BYTES),
        memory_bandwidth_bytes_per_s=fact_of(form.bandwidth, Dimension.BANDWIDTH),
        cache_bytes={level: _fact(value, si_unit(Dimension.BYTES)) for level, value in form.cache.items()},
        cores=form.cores,
        frequency_hz=fact_of(form.frequency, Dimension.FREQUENCY),
        features=form.features,
        tdp_w=fact_of(form.tdp, Dimension.POWER),
        idle_w=fact_of(form.idle, Dimension.POWER),
        launch_overhead_s=fact_of(form.launch_overhead, Dimension.TIME),
        power_modes=tuple(
            PowerMode(
                name=mode.name,
                cap_w=_fact(mode.cap, si_unit(Dimension.POWER)),
                peak_scale=fact_of(mode.peak_scale, Dimension.FRACTION),
            )
            for mode in form.power_modes
        ),
        price_usd_per_h=fact_of(form.price, Dimension.COST_RATE),
        identity=form.identity,
    )


def fact_of(written: float | Sourced | None, dimension: Dimension) -> Fact | None:
    """Return the fact that was written, in the SI unit of ``dimension``; None where nothing was."""
    return None if written is None else _fact(written, si_unit(dimension))


def peak_unit(precision: str) -> str:
    """Return the unit of a peak rate: operations of integers are not floating point."""
    return "OP/s" if precision.startswith("int") else si_unit(Dimension.COMPUTE)


def completed(own: DeviceType, base: DeviceType) -> DeviceType:
    """Return ``own`` with every fact that it does not state taken over from ``base``; mappings entry by entry."""
    changes: dict[str, Any] = {}
    for field in DeviceType.model_fields:
        mine, theirs = getattr(own, field), getattr(base, field)
        if isinstance(mine, dict):
            changes[field] = {**theirs, **mine}
        elif mine is None or mine == ():
            changes[field] = theirs
    return own.model_copy(update=changes)


def _fact(written: float | Sourced, unit: str) -> Fact:
    if isinstance(written, Sourced):
        value = float(getattr(written, "value"))  # noqa: B009 - every subclass has it, each of its own dimension
        return Fact(value=value, unit=unit, source=written.source, ref=written.ref, as_of=written.as_of)
    return Fact(value=written, unit=unit)
