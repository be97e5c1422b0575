"""Time of one pass over a transformer, prefill or decode, split over devices.

A pass reads the weights that it uses once, reads the keys and values of all its sequences, computes two operations per
parameter and token plus four per head width, token and key, waits for collectives, and pays for each kernel it starts:

    time = start + layers x kernels + communication + ((compute)^p + (memory)^p)^(1/p)

The last is the roofline (Williams, Waterman, Patterson 2009) with its corner rounded. Of routed experts those are read
that at least one token chose: 1 - (1 - active / experts)^tokens of them on average. An all-reduce moves 2 (n - 1) / n
times its message over each device's links (Patarasuk and Yuan 2009); two of them stand in each layer split by tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.cost.serving.shapes import Arrays, Machine, Shape, Stored, Ways

if TYPE_CHECKING:
    from aios.records.observation import Floats

__all__ = ["Pass", "least_s", "pass_of"]

COMPUTE_SHARE, ROUTED_COMPUTE_SHARE = 0.51, 0.31
"""Of the peak that products reach end to end, of weights that every token uses and of routed experts: those see few
tokens each, and unevenly many."""
SCORES_SHARE = 0.45
"""The same of attention, which computes in 16 bits at least."""
MEMORY_SHARE = 0.88
"""Of the nominal bandwidth that weights are read with."""
ROUTED_SHARE = 0.83
"""The same of routed experts, of which each sees few tokens."""
CACHE_SHARE = 0.59
"""The same of keys and values."""
LINK_SHARE = 0.40
"""Of the nominal link rate that collectives inside a layer reach."""
KERNEL_S = 2.8e-6
"""Starting a kernel, its ramp and its drain, within a captured graph."""
EAGER_KERNEL_S = 65e-6
"""The same from Python, one by one: about 30 ms for a token of 32 layers."""
EAGER_CACHE = 6.0
"""Times that the cache is moved where attention is not fused: appended to by copying, read, its scores written and
read in 32 bits; keys and values of grouped heads are copied for each head first."""
COLLECTIVE_S = 19e-6
"""Fixed part of one collective within a node."""
PASS_S = 0.1e-3
"""Scheduling, sampling and detokenising, once per pass."""
KERNELS, LATENT_KERNELS, ROUTED_KERNELS = 10.0, 18.0, 6.0
"""Of one layer: norms, projections, rotation, attention in two parts, feed-forward · more of them with latent
attention (compressed projections, absorbed matrices) · with routed experts (router, sorting, products, joining)."""
ROUNDING = 2.0
_VALUE_BYTES = 2.0
"""Activations travel in 16 bits."""


@dataclass(frozen=True)
class Pass(Arrays):
    """Seconds of one pass, by what takes them; arrays of length n. weights, cache: reading · compute: of products ·
    scores: of attention · links: moving data between devices · waits: fixed parts of collectives, layers and the pass
    """

    weights: Floats
    cache: Floats
    compute: Floats
    scores: Floats
    links: Floats
    waits: Floats

    @property
    def total(self) -> Floats:
        """Seconds of the pass."""
        busy = (self.compute + self.scores) ** ROUNDING + (self.weights + self.cache) ** ROUNDING
        total: Floats = self.waits + self.links + busy ** (1 / ROUNDING)
        return total

    def parts(self) -> dict[str, Floats]:
        """Return what the total is the sum of; work that overlaps shares what it takes together."""
        whole = self.compute + self.scores + self.weights + self.cache
        share = (self.total - self.waits - self.links) / whole
        return {
            "weights": self.weights * share, "cache": self.cache * share, "compute": self.compute * share,
            "scores": self.scores * share, "links": self.links, "waits": self.waits,
        }  # fmt: skip

    def shortened(self, overlap: Floats) -> Pass:
        """Return the pass with everything but its fixed parts divided by ``overlap``."""
        return Pass(
            self.weights / overlap, self.cache / overlap, self.compute / overlap, self.scores / overlap,
            self.links / overlap, self.waits,
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
    ops = machine.ops_per_s
    rate = machine.memory_bytes_per_s
    kernels = KERNELS + LATENT_KERNELS * shape.latent + ROUTED_KERNELS * (shape.experts > 1)
    own = tokens / ways.data
    dense_bytes = shape.dense * stored.dense / ways.tensor
    routed_bytes = shape.routed * shape.touched(tokens) * stored.routed / experts
    cache_bytes = shape.kv_values * stored.kv * cached / (ways.data * np.minimum(ways.tensor, shape.kv_heads))
    copied = EAGER_CACHE * 2 * shape.width * _VALUE_BYTES * cached / within
    cache_bytes = np.where(machine.eager > 0, np.maximum(copied, cache_bytes), cache_bytes)
    kernel_s = np.where(machine.eager > 0, EAGER_KERNEL_S, KERNEL_S)
    dense_ops = 2 * shape.dense * own / ways.tensor
    routed_ops = 2 * (shape.used - shape.dense) * tokens / experts
    scores = 4 * shape.width * tokens * keys / within
    message = own * shape.hidden * _VALUE_BYTES
    split, spread = 1.0 * (ways.tensor > 1), 1.0 * ((ways.expert > 1) & (ways.data > 1))
    reduced = 2 * split * 2 * (ways.tensor - 1) / ways.tensor * message
    exchanged = 2 * spread * message / ways.tensor * np.minimum(shape.active, ways.expert)
    return Pass(
        weights=dense_bytes / (rate * MEMORY_SHARE) + routed_bytes / (rate * ROUTED_SHARE),
        cache=cache_bytes / (rate * CACHE_SHARE),
        compute=(dense_ops / COMPUTE_SHARE + routed_ops / ROUTED_COMPUTE_SHARE) / ops,
        scores=scores / (ops * SCORES_SHARE),
        links=shape.layers * (reduced + exchanged) / (machine.link_bytes_per_s * LINK_SHARE),
        waits=PASS_S + shape.layers * (kernels * kernel_s + 2 * COLLECTIVE_S * (split + spread)) + 0 * tokens,
    )


def least_s(shape: Shape, stored: Stored, machine: Machine, devices: Floats, tokens: Floats) -> Floats:
    """Return the seconds below which no pass of ``tokens`` tokens on ``devices`` devices can be: the nominal rates
    alone, the parameters of one token read and those of all tokens computed with."""
    import numpy as np

    reading = (shape.dense * stored.dense + (shape.used - shape.dense) * stored.routed) / machine.memory_bytes_per_s
    found: Floats = np.maximum(reading, 2 * shape.used * tokens / machine.ops_per_s) / devices
    return found
