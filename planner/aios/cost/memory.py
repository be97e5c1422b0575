"""What replicas occupy: weights, activations, workspace and the runtime itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aios.cost.interval import Interval, interval_of
from aios.records.base import Source
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceType
from aios.records.measurement import Measured
from aios.records.model import MemoryPart

__all__ = ["Memory", "memory_of"]

_RUNTIME_BYTES: Mapping[str, Interval] = {
    "cpu": Interval(30e6, 70e6, 160e6),
    "gpu": Interval(150e6, 400e6, 900e6),
    "other": Interval(10e6, 60e6, 200e6),
}
"""A process with its runtime and libraries before it holds a model; on a gpu, the context and its kernels."""

_PROCESS_BYTES = 400e6
"""DRAM that the process driving an accelerator takes, with staging buffers."""

_WORKSPACE = Interval(0.0, 0.5, 1.5)
"""Scratch space of kernels and the allocator's slack, relative to the activations alive at once."""

_SLACK = Interval(1.0, 1.05, 1.25)
"""Everything that grows with size and is not counted (packed copies of weights, fragmentation), as a factor."""


class Memory(NamedTuple):
    """replica: bytes of one replica alone in the device's own memory · shared: of that, what replicas on one machine
    hold together · beside, beside_shared: the same of what lives in further memory of the device"""

    replica: Interval
    shared: float
    source: Source
    basis: str
    beside: float = 0.0
    beside_shared: float = 0.0

    def total(self, replicas: int) -> Interval:
        """Return the bytes of all replicas on their devices; what they share counts once."""
        further = replicas - 1
        beside = self.beside + further * (self.beside - self.beside_shared)
        return Interval(*(size + further * max(0.0, size - self.shared) + beside for size in self.replica))

    def node_bytes(self, device: DeviceType, moved: Mapping[str, float]) -> float:
        """Return the DRAM that one replica asks of its node: all of it, as it may stand alone there.

        moved: tier -> bytes that live in it
        """
        return self.replica.high if device.kind == "cpu" else _PROCESS_BYTES + moved.get("dram", 0.0)


def memory_of(
    candidate: Candidate, sizes: Mapping[MemoryPart, float], device: DeviceType, measured: Measured | None
) -> Memory:
    """Return what one replica takes of its device's memory. sizes: part -> bytes, wherever it lives.

    Replicas on a cpu map one copy of the weights; elsewhere each has its own.
    """
    here = {part: size for part, size in sizes.items() if part not in candidate.tiers}
    weights, others = here.get("weights", 0.0), sum(size for part, size in here.items() if part != "weights")
    shared = weights if device.kind == "cpu" else 0.0
    own_tiers = {tier.name for tier in device.memory_tiers}
    aside = {part: sizes[part] for part, tier in candidate.tiers.items() if tier in own_tiers and part in sizes}
    if measured is not None:
        basis = f"peak of one replica measured with {measured.meter}"
        return Memory(interval_of(measured), min(shared, measured.value), "measured", basis)
    runtime = _RUNTIME_BYTES.get(device.kind, _RUNTIME_BYTES["other"])
    ends = [
        (weights + others * (1 + workspace)) * slack + base
        for workspace, slack, base in zip(_WORKSPACE, _SLACK, runtime, strict=True)
    ]
    held = here | aside
    parts = ", ".join(f"{part.replace('_', ' ')} {size / 1e6:.3g} MB" for part, size in held.items())
    basis = f"{parts or 'no part of the model'}, workspace and runtime assumed"
    beside_shared = aside.get("weights", 0.0) if device.kind == "cpu" else 0.0
    return Memory(Interval(*ends), shared, "analytic", basis, sum(aside.values()), beside_shared)
