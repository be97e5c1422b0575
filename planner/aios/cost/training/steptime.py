"""How long a training step of a transformer takes, part by part, for many jobs at once.

Seconds of one device per token add up to the step: each part is what all devices together spend on one token.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from aios.cost.training.hardware import Hardware
from aios.cost.training.structure import Structure

if TYPE_CHECKING:
    from aios.records.observation import Floats

__all__ = ["Kernels", "Parts", "Work", "kernels", "published_flops", "share_of_peak", "step_parts"]

_MACHINE = 8.0
"""Devices of a machine at most."""
_PRODUCTS = 0.8
"""Share of the dense peak that large matrix products reach: 75 to 90 % in ml-engineering's table of such."""
_GROUPED = 0.5
"""Of grouped ones; a round number, looked for on published measurements of mixtures."""
_SOFTMAX = 6.0
"""What softmax takes per score beside the products of attention, in the time of one exponential: the exponential
itself, scaling, largest value, sums, turning formats. With it causal attention over 128 channels reaches a third of the
16-bit peak on A100 and a quarter on H100, on long sequences, on which it was looked for on published measurements."""
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
_SCAN_FLOPS, _SCAN_BYTES = 768.0, 126.0
"""Of a state-space block per token and channel: operations forward (4 for each of 64 earlier tokens of a chunk of 128
in the mean and for each of 128 states; Mamba-2, arXiv 2405.21060 section 6), and bytes moved in both passes: forward 20
by projection, convolution, gate and norm, 16 by states (128 of 4 bytes for 128 tokens, written, passed on, read twice),
backward 2.5 times as much."""
_CAST_BYTES = 18.0
"""Moved per token, block and channel of inputs of products to turn them into fewer than 16 bits, rows and columns."""
_SCORE_BYTES = 32.0
_AGAIN_WRITTEN = 13 / 32
"""Moved per score of attention that is written to memory: 13 bytes forward (product, masked softmax, dropout with its
mask, product), 19 backward; the operations of arXiv 2205.05198 section 4.1. Share of the forward pass."""
_KERNELS = 60.0
_LAUNCH = 4e-6
"""Kernels per block and micro batch (both passes); seconds to start one, which a device with enough to do hides."""
_ROUTED, _ROUTED_IN_RACK = 5e-3, 2e-3
"""Seconds that a block with routed experts adds to a micro batch, whatever its size: the host waits until it knows how
many tokens go where, then starts some hundred kernels. Where a fabric joins more than a machine, less is left to the
host. Both were looked for on published measurements (NVIDIA's, of mixtures)."""
_HIDDEN_EXPERTS = 0.6
"""Share of the exchange with experts that hides behind computation; looked for on published measurements as well."""
_OVERLAP = 0.4
"""Share of the computation behind which gradients and shards travel."""
_EXPOSED = 0.8
"""Share of shards that is waited for in any case: what a block needs has to be there before it starts. It was
looked for on published measurements of fully sharded models with little work per micro batch."""
_EXPOSED_GRADIENTS = 0.05
"""Of gradients, which travel while earlier blocks are still computed."""
_WIRE = 0.75
"""Share of a link that large collectives reach (see hardware/interconnects.yaml: 66 to 78 %)."""
_SENDS_HIDDEN = 0.4
"""Share of the computation behind which interleaved stages send; others wait for what they send and receive
(``overlap_p2p_comm`` of Megatron-LM is there for the interleaved schedule alone)."""
_STATE_TRAFFIC = 30.0
"""Bytes that Adam reads and writes per parameter: gradient, two moments and the fp32 copy, and the 16-bit weights."""


@dataclass(frozen=True)
class Work:
    """How a step is split; arrays that broadcast.

    devices · sequence: tokens · global_batch, micro_batch: sequences · tensor, pipeline, chunks, context, expert:
    degrees (chunks: virtual pipeline stages per device) · shard: ZeRO stage, 3 for fully sharded · recompute: share of
    the forward pass that is done again (0 none, 1 full; selective recomputes scores alone, 0 here) · scores_again: 1
    where the scores of attention are computed again · adapters: 1 where only small adapters are trained, so that
    weights have no gradients · sequence_parallel: 1 where norms are split along the sequence · unfused: 1 where
    attention writes its scores to memory, as before 2022
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
    unfused: Floats

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
    again · tensor, context, expert, pipeline, data: communication of each kind that computation does not hide ·
    bubble: waiting for other pipeline stages · optimizer: update of the states
    """

    compute: Floats
    recompute: Floats
    tensor: Floats
    context: Floats
    expert: Floats
    pipeline: Floats
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
    again = spent.again(work)
    compute = spent.forward + spent.backward(work) + spent.launch
    tensor = _tensor_s(model, work, hardware)
    context = _context_s(model, work, hardware)
    expert = _expert_s(model, work, hardware)
    busy = compute + again + tensor + context + expert
    sends = _pipeline_s(model, work, hardware, compute + again)
    busy = busy + sends
    data = _data_s(model, work, hardware, busy)
    states = model.parameters / (work.tensor * work.pipeline) / np.where(work.shard > 0, work.data, 1.0)
    update = states * (1 - work.adapters) * _STATE_TRAFFIC / (hardware.bandwidth * _MEMORY)
    waiting = (work.pipeline - 1) / (work.micro_batches * np.maximum(work.chunks, 1.0))
    optimizer = update * work.devices / work.tokens
    return Parts(compute, again, tensor, context, expert, sends, data, busy * waiting, optimizer)


@dataclass(frozen=True)
class Kernels:
    """Seconds of one device per token; arrays of length n. products, scores: of a forward pass, with weights and of
    attention · elementwise: of both passes · written: of scores that are written to memory, both passes · launch: that
    devices wait for kernels to be started"""

    products: Floats
    scores: Floats
    elementwise: Floats
    written: Floats
    launch: Floats

    @property
    def forward(self) -> Floats:
        """Of a forward pass."""
        return self.products + self.scores + self.elementwise / 3 + self.written * _AGAIN_WRITTEN

    def backward(self, work: Work) -> Floats:
        """Of a backward pass; weights that are not trained need no gradient."""
        moved = self.elementwise * 2 / 3 + self.written * (1 - _AGAIN_WRITTEN)
        return (2 - work.adapters) * self.products + _BACKWARD_SCORES * self.scores + moved

    def again(self, work: Work) -> Floats:
        """Of what is computed again before the backward pass."""
        scores = self.scores + self.written * _AGAIN_WRITTEN
        return work.recompute * self.forward + (1 - work.recompute) * work.scores_again * scores


def kernels(model: Structure, work: Work, hardware: Hardware) -> Kernels:
    """Return what kinds of kernels take."""
    import numpy as np

    spent = Kernels(
        products=_products_s(model, work, hardware),
        scores=_scores_s(model, work, hardware),
        elementwise=_moved(model, work, hardware) / (hardware.bandwidth * _MEMORY),
        written=work.unfused * _SCORE_BYTES * model.score_heads * work.sequence / (hardware.bandwidth * _MEMORY),
        launch=0.0 * work.tensor * model.layers,
    )
    each = work.tensor * work.context / (work.micro_batch * work.sequence)
    hidden = spent.forward + spent.backward(work)
    routed = np.where(hardware.domain > _MACHINE, _ROUTED_IN_RACK, _ROUTED)
    launch = np.maximum(model.layers * _KERNELS * _LAUNCH * each - hidden, 0.0) + model.expert_layers * routed * each
    return replace(spent, launch=launch)


def share_of_peak(model: Structure, work: Work, hardware: Hardware) -> Floats:
    """Return the share of what no product runs above that products with weights are taken to reach."""
    ideal: Floats = model.forward_flops(work.sequence)[0] / hardware.ceiling
    return ideal / _products_s(model, work, hardware)


def _products_s(model: Structure, work: Work, hardware: Hardware) -> Floats:
    """Products with weights forward, slower the narrower they are; those of routed experts are many small ones in one
    kernel, as wide as one expert."""
    import numpy as np

    some = np.where(model.experts > 0, model.active_experts / np.maximum(model.experts, 1.0), 0.0)
    routed = 2.0 * model.expert_parameters * some
    each = np.minimum(model.expert_width, model.intermediate / np.maximum(model.active_experts, 1.0)) / work.tensor
    side = np.where(model.experts > 0, model.hidden, np.minimum(model.hidden, model.intermediate)) / work.tensor
    shared = np.maximum(model.forward_flops(work.sequence)[0] - routed, 0.0)
    found: Floats = shared / _PRODUCTS * (1 + _SMALL / side) + routed / _GROUPED * (1 + _SMALL / each)
    return found / hardware.peak


def _scores_s(model: Structure, work: Work, hardware: Hardware) -> Floats:
    """Attention and state-space blocks forward: products of 16 bits, then softmax in special function units."""
    import numpy as np

    window = np.minimum(model.window, work.sequence)
    far, near = work.sequence / 2, window * (1 - window / work.sequence / 2)  # keys in the mean under a causal mask
    keys = (1 - model.near) * far + model.near * near
    products = model.forward_flops(keys)[1] + _SCAN_FLOPS * model.linear_width
    softmax: Floats = _SOFTMAX * keys * model.score_heads / hardware.exponentials
    return products / (hardware.wide_peak * _PRODUCTS) + softmax


def _moved(model: Structure, work: Work, hardware: Hardware) -> Floats:
    """Return the bytes that kernels other than products move per token."""
    import numpy as np

    moved = model.layers * (
        _NORM_BYTES * model.hidden * np.where(work.sequence_parallel > 0, 1.0, work.tensor)
        + _WIDE_BYTES * (model.attention_width + 2 * model.key_width + model.intermediate)
    )
    moved = moved + _SCAN_BYTES * model.linear_width
    moved = moved + _SORT_BYTES * model.expert_layers * model.expert_width * model.active_experts
    channels = 2 * model.hidden + model.attention_width + model.intermediate
    total: Floats = moved + np.where(hardware.peak > hardware.wide_peak, _CAST_BYTES * model.layers * channels, 0.0)
    return total


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
    exchanged = 4 * 2 * model.expert_width * (1 - _HIDDEN_EXPERTS) / _WIRE
    inside = np.minimum(model.active_experts, near) * (near - 1) / near / hardware.link
    outside = np.minimum(model.active_experts, far) * (far - 1) / far / hardware.port
    total: Floats = model.expert_layers * exchanged * (inside + outside)
    return total


def _pipeline_s(model: Structure, work: Work, hardware: Hardware, computing: Floats) -> Floats:
    """What a stage sends of each micro batch: activations to the next one, their gradients to the one before, for each
    of its chunks (arXiv 2104.04473 section 2.2); tensor-parallel devices send a part each (section 4.1).

    Replicas fill a machine first, so that stages are what lies apart: if several of them share a domain, its ports
    carry one direction each.
    """
    import numpy as np

    stage = work.tensor * work.context * work.data
    chunks = np.maximum(work.chunks, 1.0)
    both = np.maximum(2 * chunks - (work.pipeline == 2), 0.0) * (work.pipeline > 1)
    one = chunks * (work.pipeline > 1)
    apart = stage * work.pipeline > hardware.domain
    rate = np.where(apart, hardware.port, hardware.link) * _WIRE
    sent = np.where(apart & (stage < hardware.domain), one, both) * 2 * model.hidden / work.tensor
    travel = sent / rate * work.tensor * work.pipeline
    hidden = np.where(chunks > 1, _SENDS_HIDDEN * computing, 0.0)
    found: Floats = np.maximum(travel - hidden, 0.0)
    return found


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
    return np.maximum(travel - hidden, np.where(work.shard >= 3, _EXPOSED, _EXPOSED_GRADIENTS) * travel)
