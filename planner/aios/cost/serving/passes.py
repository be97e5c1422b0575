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

from aios.cost.serving.plain import attention_bytes, called_s, empty_rows, offloaded_s
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
KERNELS, LATENT_KERNELS, ROUTED_KERNELS = 10.0, 16.0, 4.0
"""Of one layer: norms, projections, rotation, attention in two parts, feed-forward · more of them with latent
attention (compressed projections, absorbed matrices; looked for on published measurements of DeepSeek and Kimi) · with
routed experts (router, sorting, products, joining)."""
ROUNDING = 2.0
_VALUE_BYTES = 2.0
"""Activations travel in 16 bits."""
_BETWEEN = 6.0
"""Values as wide as the residual stream that a layer writes beside its products: norms, sums, their quantised copies"""


@dataclass(frozen=True)
class Pass(Arrays):
    """Seconds of one pass, by what takes them; arrays of length n. weights, cache: reading, and of scores that are
    written out · compute: of products, and of the kernels between them, which write and read what those put out ·
    scores: of attention · links: moving data between devices · offloaded: taking weights from the host that have no
    place on the devices · waits: fixed parts of collectives, layers and the pass, rows of tiles that stay empty, calls
    of modules from Python, and by how much starting kernels one by one takes longer than they do
    """

    weights: Floats
    cache: Floats
    compute: Floats
    scores: Floats
    links: Floats
    offloaded: Floats
    waits: Floats

    @property
    def total(self) -> Floats:
        """Seconds of the pass."""
        busy = (self.compute + self.scores) ** ROUNDING + (self.weights + self.cache) ** ROUNDING
        total: Floats = self.waits + self.links + self.offloaded + busy ** (1 / ROUNDING)
        return total

    def parts(self) -> dict[str, Floats]:
        """Return what the total is the sum of; work that overlaps shares what it takes together."""
        whole = self.compute + self.scores + self.weights + self.cache
        share = (self.total - self.waits - self.links - self.offloaded) / whole
        return {
            "weights": self.weights * share, "cache": self.cache * share, "compute": self.compute * share,
            "scores": self.scores * share, "links": self.links, "offloaded": self.offloaded, "waits": self.waits,
        }  # fmt: skip

    def shortened(self, overlap: Floats) -> Pass:
        """Return the pass with everything but its fixed parts divided by ``overlap``."""
        return Pass(
            self.weights / overlap, self.cache / overlap, self.compute / overlap, self.scores / overlap,
            self.links / overlap, self.offloaded, self.waits,
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
    per_layer = KERNELS + LATENT_KERNELS * shape.latent + ROUTED_KERNELS * (shape.experts > 1)
    collectives = 1.0 * (ways.tensor > 1) + ((ways.expert > 1) & (ways.data > 1))
    plain = machine.unfused > 0
    dense_bytes = shape.dense * stored.dense / ways.tensor
    routed_bytes = shape.routed * shape.touched(tokens) * stored.routed / experts
    cache_bytes = shape.kv_values * stored.kv * cached / (ways.data * np.minimum(ways.tensor, shape.kv_heads))
    if np.any(plain):
        cache_bytes = np.where(plain, attention_bytes(shape, stored, tokens * keys, cached) / within, cache_bytes)
    found = Pass(
        weights=dense_bytes / (rate * MEMORY_SHARE) + routed_bytes / (rate * ROUTED_SHARE),
        cache=cache_bytes / (rate * CACHE_SHARE),
        compute=_compute_s(shape, machine, ways, tokens),
        scores=4 * shape.width * tokens * keys / within / (machine.half_ops_per_s * SCORES_SHARE),
        links=_links_s(shape, machine, ways, tokens),
        offloaded=np.where(plain, offloaded_s(shape, stored, machine, ways), 0.0) + 0 * tokens,
        waits=machine.pass_s
        + machine.device_s * ways.devices
        + shape.layers * (per_layer * KERNEL_S + 2 * COLLECTIVE_S * collectives)
        + 0 * tokens,
    )
    busy = tiled = found.total - found.offloaded
    if np.any(plain):
        empty = np.where(plain, empty_rows(tokens / ways.data), 0.0) * 2 * shape.dense / ways.tensor
        empty_s = empty / COMPUTE_SHARE / (machine.ops_per_s * machine.products)
        tiled = replace(found, compute=found.compute + empty_s).total - found.offloaded
        called = np.where(plain, called_s(shape, ways, found.offloaded, tokens), 0.0)
        found = replace(found, waits=found.waits + called)
    started = shape.layers * np.where(plain, 1.0, FUSED) * machine.eager * per_layer * EAGER_KERNEL_S
    return replace(found, waits=found.waits + np.hypot(tiled, started) - busy)


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
