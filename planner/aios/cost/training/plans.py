"""Every way to spread the training of a transformer over equal devices, with the time of a step and what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from itertools import islice, product
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.training.capacity import capacity_bytes
from aios.cost.training.hardware import Hardware, hardware_of
from aios.cost.training.memory import Held, held_bytes
from aios.cost.training.steptime import Parts, Work, step_parts
from aios.cost.training.structure import structure_of
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceType
from aios.records.training import Job, TrainingPlan, TrainingPlans
from aios.records.transformer import Transformer
from aios.records.transformers.limits import most_tensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats

__all__ = ["USABLE", "Job", "TrainingPlan", "TrainingPlans", "plans"]

USABLE = 0.95
"""Share of a device's memory that a plan may take: closer to its end, allocators spend their time on freeing."""
_MOST_DEVICES = 1_000_000
_MOST_SPLITS = 200_000
_MICRO_BATCHES = (1, 2, 4, 8, 16)
_CONTEXTS = (1, 2, 4, 8, 16, 32)
_SHARDS = (0, 1, 2, 3)


def plans(
    model: Transformer,
    device: DeviceType,
    devices: int,
    job: Job,
    most: int = 20,
    hardware: Hardware | None = None,
    *,
    frontier: bool = False,
) -> TrainingPlans:
    """Return the ``most`` quickest plans on so many equal devices, and what was considered.

    hardware: one row of facts, where more is known of the connections than the device type tells · frontier: leave out
    plans that a quicker one needs no more memory than. Tensor parallelism stays within the devices that one switched
    fabric joins. Raises InputError for a device whose peak, bandwidth or memory is unknown, for a sequence longer than
    the model's positions, and for numbers below 1.
    """
    _check(model, devices, job)
    structure = structure_of(model)
    hardware = hardware or hardware_of({device.name: device}, _names(device), [job.precision])
    capacity = capacity_bytes(device)
    if capacity is None or not all(value[0] > 0 for value in (hardware.peak, hardware.bandwidth)):
        raise InputError(
            Diagnostic(
                summary=f"`{device.name}` lacks its peak rate, memory or bandwidth",
                reason="without them neither time nor memory of a training step can be computed",
                remedy="state `peak`, `memory` and `bandwidth` of the device type",
            )
        )
    usable = min(USABLE * capacity, device.memory_bytes.value if device.memory_bytes else capacity)
    splits = list(islice(_splits(model, devices, job, int(hardware.domain[0])), _MOST_SPLITS))
    if not splits:
        return TrainingPlans((), 0, None, capacity, usable)
    work = _work(splits, devices, job)
    held = held_bytes(structure, work)
    parts = step_parts(structure, work, hardware)
    rows = _quickest(parts.step_s(work), held.most, usable, most, frontier=frontier)
    found = tuple(_plan(splits[row], row, work, parts, held) for row in rows)
    return TrainingPlans(found, len(splits), float(held.most.min()), capacity, usable)


def _names(device: DeviceType) -> npt.NDArray[np.str_]:
    import numpy as np

    return np.array([device.name])


def _check(model: Transformer, devices: int, job: Job) -> None:
    wrong = []
    for what, value in (("devices", devices), ("sequence", job.sequence), ("global batch", job.global_batch)):
        if not 1 <= value <= (_MOST_DEVICES if what == "devices" else 10**9):
            wrong.append(Diagnostic(summary=f"{what} of {value} makes no training job", remedy=f"state {what} from 1"))
    if model.positions is not None and job.sequence > model.positions:
        wrong.append(
            Diagnostic(
                summary=f"{job.sequence} tokens are more than the {model.positions} positions of `{model.name}`",
                remedy=f"use at most {model.positions} tokens, or a model with more positions",
            )
        )
    if wrong:
        raise InputError(*wrong)


def _divisors(number: int, most: int) -> list[int]:
    return [size for size in range(1, min(number, most) + 1) if number % size == 0]


class _Split(NamedTuple):
    """A way to split a step, as ``TrainingPlan`` has it. recompute: 1 where the whole forward pass is done again"""

    tensor: int
    pipeline: int
    chunks: int
    context: int
    expert: int
    micro_batch: int
    recompute: int
    shard: int


def _splits(model: Transformer, devices: int, job: Job, domain: int) -> Iterator[_Split]:
    """Yield the splits that divide evenly.

    A tensor degree divides the heads (or channels) of every block, a pipeline's stages times chunks divide blocks, an
    expert degree divides experts and replicas, micro batches divide what a replica gets; interleaved stages take micro
    batches in rounds of the pipeline (arXiv 2104.04473 section 2.2).
    """
    experts = model.experts.count if model.experts else 1
    for tensor, pipeline, context in _degrees(model, devices, job, domain):
        replicas = devices // (tensor * pipeline)
        share = job.global_batch // (replicas // context)
        chunks = [size for size in (1, 2, 3, 4) if pipeline > 1 and model.layers // pipeline % size == 0] or [1]
        spread = [size for size in _divisors(experts, replicas) if replicas % size == 0]
        batches = [size for size in _MICRO_BATCHES if share % size == 0]
        shards = [stage for stage in _SHARDS if stage == 0 or (replicas > 1 and (stage == 1 or pipeline == 1))]
        for chunk, expert, micro, recompute, shard in product(chunks, spread, batches, (0, 1), shards):
            if chunk > 1 and share // micro % pipeline:
                continue
            if shard == 2 and share > micro:  # shards of gradients would travel after every micro batch
                continue
            yield _Split(tensor, pipeline, chunk, context, expert, micro, recompute, shard)


def _degrees(model: Transformer, devices: int, job: Job, domain: int) -> Iterator[tuple[int, int, int]]:
    """Yield the tensor, pipeline and context-parallel degrees whose replicas share the batch evenly."""
    for tensor in [size for size in _divisors(most_tensor(model), domain) if devices % size == 0]:
        for pipeline in [size for size in _divisors(model.layers, model.layers) if devices // tensor % size == 0]:
            rest = devices // (tensor * pipeline)
            for context in _CONTEXTS:
                if (
                    rest % context == 0
                    and job.sequence % (2 * context) == 0
                    and job.global_batch % (rest // context) == 0
                ):
                    yield tensor, pipeline, context


def _work(splits: list[_Split], devices: int, job: Job) -> Work:
    import numpy as np

    columns = dict(zip(_Split._fields, np.array(splits, dtype=float).T, strict=True))
    same = np.ones(len(splits))
    return Work(
        devices=same * devices,
        sequence=same * job.sequence,
        global_batch=same * job.global_batch,
        scores_again=0.0 * same,
        adapters=same * job.adapters,
        sequence_parallel=same,
        unfused=0.0 * same,
        **columns,
    )


def _quickest(step: Floats, needed: Floats, usable: float, most: int, *, frontier: bool) -> list[int]:
    """Return the rows of splits that fit, quickest first, of equally quick ones the leaner."""
    import numpy as np

    fitting = np.flatnonzero(needed <= usable)
    order = fitting[np.lexsort((needed[fitting], step[fitting]))]
    if frontier and len(order):
        before = np.concatenate([[np.inf], np.minimum.accumulate(needed[order])[:-1]])
        order = order[needed[order] < before]
    chosen: list[int] = order[:most].tolist()
    return chosen


def _plan(split: _Split, row: int, work: Work, parts: Parts, held: Held) -> TrainingPlan:
    scale = float(work.tokens[row] / work.devices[row])
    parts_s = {item.name: float(getattr(parts, item.name)[row]) * scale for item in fields(parts)}
    held_bytes = {item.name: float(getattr(held, item.name)[row]) for item in fields(held)}
    return TrainingPlan(
        tensor=split.tensor,
        pipeline=split.pipeline,
        chunks=split.chunks,
        context=split.context,
        expert=split.expert,
        data=int(work.data[row]),
        micro_batch=split.micro_batch,
        recompute="full" if split.recompute else "none",
        shard=split.shard,
        step_s=sum(parts_s.values()),
        parts_s=parts_s,
        memory_bytes=float(held.most[row]),
        held_bytes=held_bytes,
    )
