"""How rows of a table say that a step is split, as ``Work``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aios.cost.training.steptime import Work
from aios.cost.training.structure import Structure

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Observations, Texts

__all__ = ["work_in"]

_SEQUENCE = 2048.0
_TOKENS_AT_ONCE = 2.0**27
"""Channels times tokens that one micro batch is taken to have where nobody states its size."""
_USUAL_MICRO_BATCHES = 8.0
"""Per pipeline stage, where nobody states the batch: the bubble is 1/9 then."""


def work_in(observations: Observations, model: Structure) -> Work:
    """Return the split of each row; what a row leaves out is taken as usual for its size."""
    import numpy as np

    number = observations.number
    devices = np.maximum(number("devices", 1.0), 1.0)
    tensor, pipeline, context, expert = (
        np.maximum(number(role, 1.0), 1.0)
        for role in ("tensor_parallel", "pipeline_parallel", "context_parallel", "expert_parallel")
    )
    unsplit = np.isnan(number("tensor_parallel")) & (number("data_parallel") > 0)
    tensor, pipeline = _split(tensor, pipeline, unsplit, devices / number("data_parallel", 1.0))
    sequence = np.maximum(number("sequence", _SEQUENCE), 1.0)
    data = np.maximum(1.0, devices / (tensor * pipeline * context))
    micro = number("micro_batch")
    batch = number("global_batch")
    batch = np.where(batch > 0, batch, data * micro * number("gradient_accumulation", 1.0))
    guess = 2.0 ** np.floor(np.log2(np.maximum(1.0, _TOKENS_AT_ONCE * tensor / (sequence * model.hidden))))
    guess = np.where(pipeline > 1, 1.0, guess)
    micro = np.where(micro > 0, micro, np.fmax(1.0, np.fmin(guess, batch / data)))
    batch = np.where(batch > 0, batch, data * micro * np.where(pipeline > 1, _USUAL_MICRO_BATCHES * pipeline, 1.0))
    micro = np.where((pipeline > 1) & (batch <= data * micro), 1.0, micro)  # nobody feeds a pipeline one micro batch
    recompute = np.char.lower(observations.word("recompute"))
    full = np.isin(_first_words(recompute), ("full", "true", "all"))
    return Work(
        devices=devices,
        sequence=sequence,
        global_batch=batch,
        micro_batch=micro,
        tensor=tensor,
        pipeline=pipeline,
        chunks=np.maximum(number("virtual_pipeline", 1.0), 1.0),
        context=context,
        expert=expert,
        shard=_shard(np.char.lower(observations.word("sharding")), tensor * pipeline * context * expert > 1),
        recompute=np.where(_says(recompute, "alternate"), 0.5, full.astype(np.float64)),
        scores_again=_says(recompute, "selective").astype(np.float64),
        adapters=_says(np.char.lower(observations.word("task")), "lora", "adapter").astype(np.float64),
        sequence_parallel=np.maximum(number("sequence_parallel", 1.0), _says(recompute, "sequence")),
        unfused=_says(observations.word("software"), "unfused").astype(np.float64),
    )


def _split(tensor: Floats, pipeline: Floats, unsplit: npt.NDArray[np.bool_], together: Floats) -> tuple[Floats, Floats]:
    """Where only the data-parallel degree is known, take tensor parallelism within a machine of 8 first."""
    import numpy as np

    near = np.array([float(np.gcd(round(ways), 8)) for ways in np.maximum(together, 1.0)])
    return np.where(unsplit, near, tensor), np.where(unsplit, np.maximum(1.0, together / near), pipeline)


def _first_words(words: Texts) -> Texts:
    """Return what each cell begins with: ``selective`` of ``selective+sequence_parallel``."""
    import numpy as np

    return np.array([re.match("[a-z0-9]*", word)[0] for word in words.tolist()])  # type: ignore[index]  # matches ""


def _says(words: Texts, *parts: str) -> npt.NDArray[np.bool_]:
    import numpy as np

    found: npt.NDArray[np.bool_] = np.any([np.char.find(words, part) >= 0 for part in parts], axis=0)
    return found


def _shard(words: Texts, split: npt.NDArray[np.bool_]) -> Floats:
    """Return ZeRO stages; where nothing is said, 1, as engines begin, or 3 where nothing else splits a model."""
    import numpy as np

    stages = [
        (("zero1", "zero-1", "optimizer"), 1.0),
        (("zero2", "zero-2", "grad"), 2.0),
        (("zero3", "zero-3", "fsdp", "full"), 3.0),
    ]
    found = np.where(words == "", np.where(split, 1.0, 3.0), 0.0)
    for parts, stage in stages:
        found = np.where(_says(words, *parts), stage, found)
    return found
