"""How a training step is split over devices, and what such a split comes to."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from aios.records.fleet import DeviceType
from aios.records.transformer import Transformer

__all__ = ["Job", "Search", "Spot", "TrainingPlan", "TrainingPlans"]


class Job(NamedTuple):
    """What is trained.

    sequence: tokens · global_batch: sequences per step · precision: of products · adapters: nothing but low-rank
    adapters is trained
    """

    sequence: int
    global_batch: int
    precision: str = "bf16"
    adapters: bool = False


class Spot(NamedTuple):
    """Where a job runs. nodes: names of the fleet's nodes that it may use · devices: on each machine · machines"""

    nodes: tuple[str, ...]
    devices: int
    machines: int

    @property
    def total(self) -> int:
        """Devices of all machines together."""
        return self.devices * self.machines


class TrainingPlan(NamedTuple):
    """One way to split a step.

    tensor, pipeline, chunks, context, expert, data: degrees; chunks are model parts per pipeline stage · shard: ZeRO
    stage · step_s: time of a step · parts_s: what it goes to · memory_bytes: of the fullest device, at most ·
    held_bytes: what that is, as expected
    """

    tensor: int
    pipeline: int
    chunks: int
    context: int
    expert: int
    data: int
    micro_batch: int
    recompute: Literal["none", "full"]
    shard: int
    step_s: float
    parts_s: Mapping[str, float]
    memory_bytes: float
    held_bytes: Mapping[str, float]


class TrainingPlans(NamedTuple):
    """What was found.

    plans: that fit, quickest first · considered: splits that divide evenly · least_bytes: that any of them may come to,
    per device; None where none divides evenly · capacity_bytes: of one device · usable_bytes: of it, what a plan may
    take
    """

    plans: tuple[TrainingPlan, ...]
    considered: int
    least_bytes: float | None
    capacity_bytes: float
    usable_bytes: float


Search = Callable[[Transformer, DeviceType, Spot, Job], TrainingPlans]
"""Finds the splits of a job over the devices of a spot that nothing quicker needs less memory than."""
