"""Time of one pass over a transformer, prefill or decode, split over devices.

A pass reads the weights that it uses once, reads the keys and values of all its sequences, computes two operations per
parameter and token plus four per head width, token and key, waits for collectives, and pays for each kernel it starts:

    time = start + layers x kernels + communication + ((compute)^p + (memory)^p)^(1/p)

Tokens of one expert are filled up to whole tiles. Where kernels are started one by one, the device works on those
before meanwhile, and the pass lasts about as long as the slower of the two (with its corner rounded as well).

The last is the roofline (Williams, Waterman, Patterson 2009) with its corner rounded. Of routed experts those are read
that at least one token chose: 1 - (1 - active / experts)^tokens of them on average. An all-reduce moves 2 (n - 1) / n
times its message over each device's links (Patarasuk and Yuan 2009); two of them stand in each layer split by tensors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aios.cost.serving.plain import (
    attention_bytes,
    called_s,
    empty_rows,
    offloaded_s,
    unpacked_bytes,
    written_bytes,
)
from aios.cost.serving.shapes import Arrays, Machine, Shape, Stored, Ways

if TYPE_CHECKING:
    from aios.records.observation import Floats

__all__ = ["Pass", "least_s", "pass_of"]

COMPUTE_SHARE, ROUTED_COMPUTE_SHARE = 0.65, 0.4
"""Of the peak that products reach, of weights that every token uses and of routed experts, which see unevenly many."""
PADDED_ROWS = 32.0
"""By which the tokens of one expert are filled up to whole tiles on average: half of the 64 rows of a usual one."""
SCORES_SHARE = 0.45
"""The same of attention, of the peak for 16 bits."""
MEMORY_SHARE = 0.85
"""Of the nominal bandwidth that weights are read with."""
ROUTED_SHARE = 0.9
"""The same of routed experts, of which each sees few tokens."""
CACHE_SHARE = 0.6
"""The same of keys and values."""
LINK_SHARE = 0.4
"""Of the nominal link rate that collectives inside a layer reach."""
KERNEL_S = 3e-6
"""Starting a kernel, its ramp and its drain, within a captured graph."""
EAGER_KERNEL_S = 65e-6
"""The same from Python, one by one, while the device works on those before: 20 ms for a token of 32 layers."""
FUSED = 0.55
"""Of the kernels of a layer that an engine starts which fuses attention, rotation and norms."""
COLLECTIVE_S = 15e-6
"""Fixed part of one collective within a node."""
KERNELS, LATENT_KERNELS, ROUTED_KERNELS, INDEX_KERNELS = 10.0, 16.0, 4.0, 18.0
"""Of one layer: norms, projections, rotation, attention in two parts, feed-forward · more of them with latent
attention (compressed projections, absorbed matrices; looked for on published measurements of DeepSeek and Kimi) · with
routed experts (router, sorting, products, joining) · with an indexer that selects keys: three projections, a norm, and
two each of rotating, joining, Hadamard transforms, quantising, writing to its cache and scaling, then scores and the
largest of them (``Indexer`` of github.com/deepseek-ai/DeepSeek-V3.2-Exp, inference/model.py)."""
ROUNDING = 2.0
_VALUE_BYTES = 2.0
"""Activations travel in 16 bits."""
_BETWEEN = 6.0
"""Values as wide as the residual stream that a layer writes beside its products: norms, sums, their quantised copies"""


@dataclass(frozen=True)
class Pass(Arrays):
    """Seconds of one pass, by what takes them; arrays of length n. weights, cache: reading, and of scores that are
    written out · compute: of products, and of the kernels between them, which write and read what those put out ·
    scores: of attention · unpacked, written: unpacking weights to 16 bits, and moving them and scores through memory in
    kernels of their own, which overlap with nothing · links: moving data between devices · offloaded: taking weights
    from the host that have no place on the devices · waits: fixed parts of collectives, layers and the pass, rows of
    tiles that stay empty, calls of modules from Python, and by how much starting kernels one by one takes longer than
    they do
    """

    weights: Floats
    cache: Floats
    compute: Floats
    scores: Floats
    unpacked: Floats
    written: Floats
    links: Floats
    offloaded: Floats
    waits: Floats

    @property
    def busy(self) -> Floats:
        """Seconds of products and of reading, which overlap."""
        found: Floats = (self.compute + self.scores) ** ROUNDING + (self.weights + self.cache) ** ROUNDING
        return found ** (1 / ROUNDING)

    @property
    def total(self) -> Floats:
        """Seconds of the pass."""
        return self.busy + self.unpacked + self.written + self.links + self.offloaded + self.waits

    def parts(self) -> dict[str, Floats]:
        """Return what the total is the sum of; work that overlaps shares what it takes together, and what is moved in
        kernels of its own is told with what else is moved of its kind."""
        share = self.busy / (self.compute + self.scores + self.weights + self.cache)
        return {
            "weights": self.weights * share + self.unpacked, "cache": self.cache * share + self.written,
            "compute": self.compute * share, "scores": self.scores * share, "links": self.links,
            "offloaded": self.offloaded, "waits": self.waits,
        }  # fmt: skip

    def shortened(self, overlap: Floats) -> Pass:
        """Return the pass with everything but its fixed parts divided by ``overlap``."""
        return Pass(
            self.weights / overlap, self.cache / overlap, self.compute / overlap, self.scores / overlap,
            self.unpacked / overlap, self.written / overlap, self.links / overlap, self.offloaded, self.waits,
        )  # fmt: skip


def pass_of(
    shape: Shape, stored: Stored, machine: Machine, ways: Ways, tokens: Floats, keys: Floats, cached: Floats
) -> Pass:
    """Return how long one pass takes from the first stage to the last.

    tokens: of all sequences of the engine together · keys: that each of them attends to, on average · cached: numbers
    of tokens whose keys and values are read, all sequences together
    """
    import numpy as np

    within = ways.tensor * ways.data
    experts = np.maximum(ways.expert * ways.expert_tensor, 1.0)
    rate = machine.memory_bytes_per_s * machine.reading
    plain = machine.unfused > 0
    dense_bytes = shape.dense * stored.dense / ways.tensor
    routed_bytes = shape.routed * shape.touched(tokens) * stored.routed / experts
    cache_bytes = _cache_bytes(shape, stored, ways, tokens, cached)
    if np.any(plain):
        cache_bytes = np.where(plain, attention_bytes(shape, stored, tokens * keys, cached) / within, cache_bytes)
    scores = 4 * shape.width * np.minimum(keys, shape.selected) + 2 * shape.index_width * keys
    moved_s = unpacked_bytes(shape, stored, machine, tokens) / ways.tensor / (rate * MEMORY_SHARE)
    narrow = np.where(stored.dense < _VALUE_BYTES, dense_bytes / stored.dense, 0.0)  # experts are unpacked while read
    found = Pass(
        weights=dense_bytes / (rate * MEMORY_SHARE) + routed_bytes / (rate * ROUTED_SHARE),
        cache=cache_bytes / (rate * CACHE_SHARE),
        compute=_compute_s(shape, machine, ways, tokens),
        scores=scores * tokens / within / (machine.half_ops_per_s * SCORES_SHARE),
        unpacked=moved_s + narrow * machine.unpacking_s,
        written=written_bytes(shape, machine, tokens * keys) / within / (rate * MEMORY_SHARE),
        links=_links_s(shape, machine, ways, tokens),
        offloaded=np.where(plain, offloaded_s(shape, stored, machine, ways), 0.0) + 0 * tokens,
        waits=machine.pass_s + machine.device_s * ways.devices + _started_s(shape, ways) + 0 * tokens,
    )
    return replace(found, waits=found.waits + _later_s(found, shape, machine, ways, tokens))


def _kernels(shape: Shape) -> Floats:
    """Return the kernels of a layer."""
    import numpy as np

    indexed = INDEX_KERNELS * np.greater(shape.index_values, 0)
    found: Floats = KERNELS + LATENT_KERNELS * shape.latent + ROUTED_KERNELS * (shape.experts > 1) + indexed
    return found


def _started_s(shape: Shape, ways: Ways) -> Floats:
    """Return the seconds in which kernels and collectives of captured graphs start."""
    collectives = 1.0 * (ways.tensor > 1) + ((ways.expert > 1) & (ways.data > 1))
    found: Floats = shape.layers * (_kernels(shape) * KERNEL_S + 2 * COLLECTIVE_S * collectives)
    return found


def _later_s(found: Pass, shape: Shape, machine: Machine, ways: Ways, tokens: Floats) -> Floats:
    """Return by how much a pass lasts longer where kernels are started one by one, and in plain PyTorch."""
    import numpy as np

    plain = machine.unfused > 0
    busy = tiled = found.total - found.offloaded
    called: Floats | float = 0.0
    if np.any(plain):
        empty = np.where(plain, empty_rows(tokens / ways.data), 0.0) * 2 * shape.dense / ways.tensor
        empty_s = empty / COMPUTE_SHARE / (machine.ops_per_s * machine.products)
        tiled = replace(found, compute=found.compute + empty_s).total - found.offloaded
        called = np.where(plain, called_s(shape, ways, found.offloaded, tokens), 0.0)
    started = shape.layers * np.where(plain, 1.0, FUSED) * machine.eager * _kernels(shape) * EAGER_KERNEL_S
    later: Floats = np.hypot(tiled, started) - busy + called
    return later


def _cache_bytes(shape: Shape, stored: Stored, ways: Ways, tokens: Floats, cached: Floats) -> Floats:
    """Return the bytes of keys and values that a device reads, each query at most those that are selected for it; the
    indexer that selects them reads its own, of 8 bits, of all tokens."""
    import numpy as np

    read = shape.kv_values * stored.kv * np.minimum(cached, tokens * shape.selected) + shape.index_values * cached
    found: Floats = read / (ways.data * np.minimum(ways.tensor, shape.kv_heads))
    return found


def _compute_s(shape: Shape, machine: Machine, ways: Ways, tokens: Floats) -> Floats:
    """Return the seconds of products, and of the kernels between them."""
    import numpy as np

    experts = np.maximum(ways.expert * ways.expert_tensor, 1.0)
    own = tokens / ways.data
    dense_ops = 2 * shape.dense * own / ways.tensor
    filled = shape.experts * shape.touched(tokens) * PADDED_ROWS
    routed_ops = 2 * shape.routed / shape.experts * (tokens * shape.active + filled) / experts
    written = (own * shape.dense / ways.tensor + (shape.used - shape.dense) * tokens / experts) / shape.hidden
    written = (written + _BETWEEN * own * shape.hidden * shape.layers) * 2 * _VALUE_BYTES
    products = dense_ops / COMPUTE_SHARE + routed_ops / ROUTED_COMPUTE_SHARE
    found: Floats = products / (machine.ops_per_s * machine.products) + written / (
        machine.memory_bytes_per_s * machine.reading * MEMORY_SHARE
    )
    return found


def _links_s(shape: Shape, machine: Machine, ways: Ways, tokens: Floats) -> Floats:
    """Return the seconds in which tokens' activations move between devices."""
    import numpy as np

    message = tokens / ways.data * shape.hidden * _VALUE_BYTES
    split, spread = 1.0 * (ways.tensor > 1), 1.0 * ((ways.expert > 1) & (ways.data > 1))
    reduced = 2 * split * 2 * (ways.tensor - 1) / ways.tensor * message
    exchanged = 2 * spread * message / ways.tensor * np.minimum(shape.active, ways.expert)
    found: Floats = shape.layers * (reduced + exchanged) / (machine.link_bytes_per_s * LINK_SHARE)
    return found


def least_s(shape: Shape, stored: Stored, machine: Machine, devices: Floats, tokens: Floats) -> Floats:
    """Return the seconds below which no pass of ``tokens`` tokens on ``devices`` devices can be: the nominal rates
    alone, the parameters of one token read and those of all tokens computed with."""
    import numpy as np

    reading = (shape.dense * stored.dense + (shape.used - shape.dense) * stored.routed) / machine.memory_bytes_per_s
    found: Floats = np.maximum(reading, 2 * shape.used * tokens / machine.ops_per_s) / devices
    return found
