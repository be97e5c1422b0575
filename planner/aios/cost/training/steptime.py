"""How long a training step of a transformer takes, part by part, for many jobs at once.

Seconds of one device per token add up to the step: each part is what all devices together spend on one token.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from aios.cost.training.hardware import Hardware
from aios.cost.training.structure import Structure

if TYPE_CHECKING:
    from aios.records.observation import Floats

__all__ = ["Kernels", "Parts", "Work", "kernels", "published_flops", "step_parts"]

_PRODUCTS = 0.8
"""Share of the dense peak that large matrix products reach: 75 to 90 % in ml-engineering's table of such."""
_SCORES = 0.25
"""Of the 16-bit peak that fused causal attention reaches in both passes: 0.55 on Ampere and 0.35 on Hopper with
FlashAttention-2 (arXiv 2307.08691 figures 5 and 7), less without it."""
_SMALL = 256.0
"""Narrowest side of a product, split over devices, at which it reaches half of that: two tiles of 128."""
_MEMORY = 0.8
"""Share of memory bandwidth that element-wise kernels reach."""
_BACKWARD_SCORES = 2.5
"""Backward pass of fused attention relative to forward: five products for two (arXiv 2205.14135 section 3)."""
_NORM_BYTES = 150.0
"""Moved per token, block and channel of the residual stream by norms, dropout and residual sums, both passes."""
_WIDE_BYTES = 26.0
"""Moved per token, block and channel of attention and feed-forward by activation functions and copies, both passes."""
_SORT_BYTES = 24.0
"""Moved per token, block, channel and expert that it goes to: sorted to experts and back, in both passes."""
_CAST_BYTES = 18.0
"""Moved per token, block and channel of inputs of products to turn them into fewer than 16 bits, rows and columns."""
_KERNELS, _MIXTURE_KERNELS = 60.0, 250.0
_LAUNCH = 4e-6
"""Kernels per block and micro batch (both passes), more where tokens are sorted to experts; seconds to start one."""
_HIDDEN_EXPERTS = 0.2
"""Share of the exchange with experts that hides behind computation."""
_OVERLAP = 0.4
"""Share of the computation behind which gradients and shards travel."""
_WIRE = 0.75
"""Share of a link that large collectives reach (see hardware/interconnects.yaml: 66 to 78 %)."""
_STATE_TRAFFIC = 30.0
"""Bytes that Adam reads and writes per parameter: gradient, two moments and the fp32 copy, and the 16-bit weights."""


@dataclass(frozen=True)
class Work:
    """How a step is split; arrays that broadcast.

    devices · sequence: tokens · global_batch, micro_batch: sequences · tensor, pipeline, chunks, context, expert:
    degrees (chunks: virtual pipeline stages per device) · shard: ZeRO stage, 3 for fully sharded · recompute: share of
    the forward pass that is done again (0 none, 1 full; selective recomputes scores alone, 0 here) · scores_again: 1
    where the scores of attention are computed again · adapters: 1 where only small adapters are trained, so that
    weights have no gradients · sequence_parallel: 1 where norms are split along the sequence
    """

    devices: Floats
    sequence: Floats
    global_batch: Floats
    micro_batch: Floats
    tensor: Floats
    pipeline: Floats
    chunks: Floats
    context: Floats
    expert: Floats
    shard: Floats
    recompute: Floats
    scores_again: Floats
    adapters: Floats
    sequence_parallel: Floats

    @property
    def data(self) -> Floats:
        """Data-parallel degree."""
        import numpy as np

        return np.maximum(1.0, self.devices / (self.tensor * self.pipeline * self.context))

    @property
    def micro_batches(self) -> Floats:
        """Micro batches per step of one replica."""
        import numpy as np

        return np.maximum(1.0, self.global_batch / (self.data * self.micro_batch))

    @property
    def tokens(self) -> Floats:
        """Tokens of a step."""
        return self.global_batch * self.sequence


@dataclass(frozen=True)
class Parts:
    """Seconds of one device per token of a step, by what they go to; arrays of length n.

    compute: products, attention and element-wise kernels of forward and backward pass · recompute: of what is done
    again · tensor, context, expert, data: communication of each kind that computation does not hide · bubble: waiting
    for other pipeline stages · optimizer: update of the states
    """

    compute: Floats
    recompute: Floats
    tensor: Floats
    context: Floats
    expert: Floats
    data: Floats
    bubble: Floats
    optimizer: Floats

    @property
    def total(self) -> Floats:
        """All parts together."""
        total: Floats = sum((getattr(self, item.name) for item in fields(self)), start=0.0 * self.compute)
        return total

    def step_s(self, work: Work) -> Floats:
        """Return the time of a step."""
        return self.total * work.tokens / work.devices


def published_flops(model: Structure, work: Work) -> Floats:
    """Return operations per token as papers count them: three forward passes, every query against every key, nothing
    that is done again (arXiv 2104.04473 equation 3 without recomputation, arXiv 2204.02311 appendix B); two passes
    where only adapters are trained."""
    products, scores = model.forward_flops(work.sequence)
    return (3 - work.adapters) * products + 3 * scores


def step_parts(model: Structure, work: Work, hardware: Hardware) -> Parts:
    """Return where the time of a step goes."""
    import numpy as np

    spent = kernels(model, work, hardware)
    again = work.recompute * spent.forward + (1 - work.recompute) * work.scores_again * spent.scores
    compute = np.maximum(spent.forward + spent.backward(work), spent.launch)
    tensor = _tensor_s(model, work, hardware)
    context = _context_s(model, work, hardware)
    expert = _expert_s(model, work, hardware)
    busy = compute + again + tensor + context + expert
    waiting = (work.pipeline - 1) / (work.micro_batches * np.maximum(work.chunks, 1.0))
    data = _data_s(model, work, hardware, busy)
    states = model.parameters / (work.tensor * work.pipeline) / np.where(work.shard > 0, work.data, 1.0)
    update = states * (1 - work.adapters) * _STATE_TRAFFIC / (hardware.bandwidth * _MEMORY)
    return Parts(compute, again, tensor, context, expert, data, busy * waiting, update * work.devices / work.tokens)


@dataclass(frozen=True)
class Kernels:
    """Seconds of one device per token; arrays of length n. products, scores: of a forward pass, with weights and of
    attention · elementwise: of both passes · launch: least time in which kernels start, whatever they do"""

    products: Floats
    scores: Floats
    elementwise: Floats
    launch: Floats

    @property
    def forward(self) -> Floats:
        """Of a forward pass."""
        return self.products + self.scores + self.elementwise / 3

    def backward(self, work: Work) -> Floats:
        """Of a backward pass; weights that are not trained need no gradient."""
        return (2 - work.adapters) * self.products + _BACKWARD_SCORES * self.scores + self.elementwise * 2 / 3


def kernels(model: Structure, work: Work, hardware: Hardware) -> Kernels:
    """Return what kinds of kernels take."""
    import numpy as np

    products = model.forward_flops(work.sequence)[0]
    side = np.minimum(model.hidden, model.intermediate / np.maximum(model.active_experts, 1.0)) / work.tensor
    reached = hardware.peak * _PRODUCTS * side / (side + _SMALL)
    moved = model.layers * (
        _NORM_BYTES * model.hidden * np.where(work.sequence_parallel > 0, 1.0, work.tensor)
        + _WIDE_BYTES * (model.attention_width + 2 * model.key_width + model.intermediate)
    )
    moved = moved + _SORT_BYTES * model.layers * model.hidden * model.active_experts
    channels = 2 * model.hidden + model.attention_width + model.intermediate
    moved = moved + np.where(hardware.peak > hardware.wide_peak, _CAST_BYTES * model.layers * channels, 0.0)
    scores = model.forward_flops(work.sequence)[1] / 2  # a causal mask leaves half
    per_micro = work.micro_batch * work.sequence / work.context
    many = np.where(model.experts > 0, _MIXTURE_KERNELS, _KERNELS)
    return Kernels(
        products=products / reached,
        scores=scores / (hardware.wide_peak * _SCORES),
        elementwise=moved / (hardware.bandwidth * _MEMORY),
        launch=work.tensor * model.layers * many * _LAUNCH / per_micro,
    )


def _wire(size: Floats, hardware: Hardware, ranks: Floats) -> Floats:
    """Return seconds of one direction's bytes between ranks, over the link within a domain, else the port."""
    import numpy as np

    return size / (np.where(ranks <= hardware.domain, hardware.link, hardware.port) * _WIRE)


def _tensor_s(model: Structure, work: Work, hardware: Hardware) -> Floats:
    """Two all-reduces of the activations per block and pass, 2 (t - 1) / t of them on each wire; arXiv 1909.08053."""
    passes = 2 + work.recompute
    each = 2 * (work.tensor - 1) / work.tensor * 2 * model.hidden
    return work.tensor * model.layers * 2 * passes * _wire(each, hardware, work.tensor)


def _context_s(model: Structure, work: Work, hardware: Hardware) -> Floats:
    """Keys and values pass every rank of the ring, gradients of them on the way back; half hides behind scores."""
    ranks = work.tensor * work.context
    each = 2 * 2 * model.key_width / work.tensor * (work.context - 1)
    return 0.5 * work.tensor * model.layers * 3 * _wire(each, hardware, ranks)


def _expert_s(model: Structure, work: Work, hardware: Hardware) -> Floats:
    """Tokens go to their experts and back, in both passes, once to each device or machine that has one of theirs."""
    import numpy as np

    spread = np.where(model.experts > 0, work.expert, 1.0)
    near, far = np.minimum(spread, hardware.domain), np.maximum(1.0, spread / hardware.domain)
    exchanged = 4 * 2 * model.hidden * (1 - _HIDDEN_EXPERTS) / _WIRE
    inside = np.minimum(model.active_experts, near) * (near - 1) / near / hardware.link
    outside = np.minimum(model.active_experts, far) * (far - 1) / far / hardware.port
    total: Floats = model.layers * exchanged * (inside + outside)
    return total


def _data_s(model: Structure, work: Work, hardware: Hardware, busy: Floats) -> Floats:
    """Gradients of a step, or shards of every micro batch, less what hides behind computation.

    Experts that are spread have fewer copies: their gradients travel among ``data / expert`` replicas.
    """
    import numpy as np

    copies = work.data * work.context
    ways = work.tensor * work.pipeline
    spread = np.where(model.experts > 0, np.minimum(work.expert, copies), 1.0)
    own = (model.parameters - model.expert_parameters) / ways + model.expert_parameters / (ways * spread)
    near = np.maximum(1.0, np.minimum(copies, hardware.domain / work.tensor))
    inside = 2 * (near - 1) / near * 2 * own / (hardware.link * _WIRE)
    far = copies / near
    outside = 2 * (far - 1) / far * 2 * own / (near * hardware.port * _WIRE)
    rounds = np.where(work.shard >= 3, 1.5 * work.micro_batches, 1.0) * (1 - work.adapters)
    travel = (inside + outside) * rounds * work.devices / work.tokens
    hidden = _OVERLAP * np.where(work.pipeline > 1, busy / work.micro_batches, busy)
    return np.maximum(travel - hidden, 0.05 * travel)
