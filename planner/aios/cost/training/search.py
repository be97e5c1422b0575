"""Ways to split a training step over the devices of a fleet."""

from __future__ import annotations

from aios.records.fleet import DeviceType, Fleet
from aios.records.training import Job, Search, Spot, TrainingPlans
from aios.records.transformer import Transformer

__all__ = ["search_in"]

_MOST = 1_000
"""Splits on the frontier of time and memory that are kept; a job has a few dozen of them at most."""


def search_in(fleet: Fleet) -> Search:
    """Return a search for splits of a step over devices of this fleet: those on the frontier of time and memory.

    It remembers what it found: every executor is asked about the same splits. It raises InputError as ``plans`` and
    ``hardware_at`` do.
    """
    known: dict[tuple[object, ...], TrainingPlans] = {}

    def search(model: Transformer, device: DeviceType, spot: Spot, job: Job) -> TrainingPlans:
        from aios.cost.training.plans import plans
        from aios.cost.training.surroundings import hardware_at

        key = (model.name, model.digest, device.name, spot, job)
        if key not in known:
            hardware = hardware_at(fleet, device, spot, job.precision)
            known[key] = plans(model, device, spot.total, job, most=_MOST, hardware=hardware, frontier=True)
        return known[key]

    return search
