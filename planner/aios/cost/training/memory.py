"""What a device holds while a transformer is trained: states, activations and what the runtime adds.

Sources: Korthikanti et al., arXiv 2205.05198 (activations, equations 1 to 6); Rajbhandari et al., arXiv 1910.02054
(ZeRO).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.cost.training.steptime import Work
from aios.cost.training.structure import Structure

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats

__all__ = ["Held", "held_bytes", "margin_bytes"]

_WEIGHTS, _GRADIENTS, _OPTIMIZER = 2.0, 4.0, 12.0
"""Bytes per parameter of mixed-precision Adam: 16-bit weights, fp32 gradients, fp32 copy and two moments. 18 together,
what the figures of arXiv 2205.05198 count."""
_ADAPTER_SHARE = 0.01
"""Of the parameters that adapters have and that are trained in place of the model's."""
_LOGIT, _LOGIT_LEAST = 10.0, 6.0
"""Bytes per logit: 16 bits, an fp32 copy for the loss and its gradient; the least that losses in one kernel need."""
_RUNTIME = 1.5e9
"""Context, kernels and the workspace of matrix products of one device."""
_CHANNEL = 0.1e9
"""Buffers of one communicator: NCCL keeps 4 MiB per channel and direction, on some dozen channels."""
_MOVING_OFF = 0.1
"""Relative error of what is allocated and freed in a step: activations, logits, gathered weights (arXiv 2205.05198,
checked on its measured rows)."""
_FRAGMENTATION = 0.02
"""Share of what is allocated and freed in every step that the allocator cannot reuse, and by how much it grows when
that fills 10 GB."""


@dataclass(frozen=True)
class Held:
    """Bytes of the fullest device; arrays of length n.

    weights, gradients, optimizer: states, shards as ZeRO leaves them · edge: what the first pipeline stage holds of
    them beyond an even share, the embedding · gathered: weights of a block that sharding brings back whole while it is
    computed, in a pipeline those of the stage with their gradients, until the step ends · activations: that the
    backward pass reads · logits: of the last block · runtime: context, communication buffers · margin: what the
    allocator loses
    """

    weights: Floats
    gradients: Floats
    optimizer: Floats
    edge: Floats
    gathered: Floats
    activations: Floats
    logits: Floats
    runtime: Floats
    margin: Floats

    @property
    def states(self) -> Floats:
        """Weights, gradients and optimizer, spread evenly over pipeline stages."""
        return self.weights + self.gradients + self.optimizer

    @property
    def least(self) -> Floats:
        """What it cannot do without: gradients in 16 bits, one block at a time, half of the runtime, no fragments."""
        logits = self.logits * (1 - _LOGIT_LEAST / _LOGIT)
        return self.total - self.margin - logits - (self.gradients + self.gathered + self.runtime) / 2

    @property
    def off(self) -> Floats:
        """By how much the total may be wrong, to either side."""
        return _MOVING_OFF * (self.activations + self.logits + self.gathered) + self.margin

    @property
    def most(self) -> Floats:
        """What it may come to: a device without so much may run out of memory."""
        return self.total + self.off

    @property
    def total(self) -> Floats:
        """Everything, on the first pipeline stage, which holds the most activations."""
        held = self.states + self.edge + self.gathered + self.activations + self.logits
        return held + self.runtime + self.margin


def held_bytes(model: Structure, work: Work, unfused: Floats | float = 0.0) -> Held:
    """Return what the fullest device holds. unfused: 1 where attention writes its scores out, as before 2022."""
    import numpy as np

    trained = np.where(work.adapters > 0, _ADAPTER_SHARE, 1.0)
    copies = np.maximum(1.0, work.data * work.context)
    weights = _WEIGHTS * _own_parameters(model, work, work.shard >= 3)
    gradients = _GRADIENTS * trained * _own_parameters(model, work, work.shard >= 2)
    optimizer = _OPTIMIZER * trained * _own_parameters(model, work, work.shard >= 1)
    table = model.vocabulary * model.hidden / work.tensor * (1 - 1 / work.pipeline)
    edge = table * (weights + gradients + optimizer) / (model.parameters / (work.tensor * work.pipeline))
    block = (model.parameters - model.expert_parameters) / model.layers / work.tensor
    stage = (_WEIGHTS + _GRADIENTS * trained) * _own_parameters(model, work, work.shard < 0)
    gathered = np.where(work.pipeline > 1, stage, 2 * _WEIGHTS * block)
    gathered = np.where((work.shard >= 3) & (copies > 1), gathered, 0.0)
    activations = _activations(model, work, unfused)
    tokens = work.micro_batch * work.sequence / work.context
    logits = np.where(work.pipeline > 1, 0.0, _LOGIT * tokens * model.vocabulary / work.tensor)
    groups = sum((degree > 1) * 1.0 for degree in (work.tensor, work.pipeline, work.context, work.expert, work.data))
    runtime = _RUNTIME + _CHANNEL * groups
    margin = margin_bytes(activations + logits + gathered)
    return Held(weights, gradients, optimizer, edge, gathered, activations, logits, runtime + 0 * weights, margin)


def margin_bytes(moving: Floats) -> Floats:
    """Return the bytes that an allocator loses to fragments: a share of ``moving``, what is allocated and freed in a
    step, that grows with it."""
    import numpy as np

    lost: Floats = _FRAGMENTATION * moving * np.log2(2.0 + moving / 1e10)
    return lost


def _own_parameters(model: Structure, work: Work, sharded: npt.NDArray[np.bool_]) -> Floats:
    """Parameters of an even share of the model; experts are spread over data-parallel devices in any case."""
    import numpy as np

    copies = np.maximum(1.0, work.data * work.context)
    spread = np.where(model.experts > 0, np.clip(work.expert, 1.0, copies), 1.0)
    dense = (model.parameters - model.expert_parameters) / np.where(sharded, copies, 1.0)
    experts = model.expert_parameters / np.where(sharded, copies, spread)
    own: Floats = (dense + experts) / (work.tensor * work.pipeline)
    return own


def _activations(model: Structure, work: Work, unfused: Floats | float) -> Floats:
    """Equations 1 to 6 of arXiv 2205.05198 for any widths: of a dense GPT, 10 sbh beside tensor parallelism (2 of them
    masks of dropout, of unfused models alone) and 24 sbh within, 5 as^2b for scores; as many micro batches as there are
    stages are in flight on the first one."""
    import numpy as np

    tokens = work.micro_batch * work.sequence / work.context
    beside = (8.0 + 2.0 * unfused) * model.hidden
    feed = np.where(model.matrices > 2, 8.0, 4.0) * model.intermediate
    within = 4.0 * model.attention_width + 4.0 * model.key_width + feed
    again = np.maximum(work.scores_again, work.recompute)
    scores = 5.0 * model.heads * work.sequence * unfused * (1 - again)
    split = np.where(work.sequence_parallel > 0, work.tensor, 1.0)
    block = tokens * (beside / split + (within + scores) / work.tensor)
    inputs = 2.0 * tokens * model.hidden / split
    kept = work.recompute * inputs + (1 - work.recompute) * block
    chunks = np.maximum(work.chunks, 1.0)
    flying = np.where(
        chunks > 1,
        1 + (work.pipeline - 1) / (work.pipeline * chunks),
        np.minimum(1.0, work.micro_batches / work.pipeline),
    )
    held: Floats = kept * model.layers * flying + np.where(work.recompute > 0, block, 0.0)
    return held
