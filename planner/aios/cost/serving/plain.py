"""What a pass takes more in plain PyTorch: attention that is not fused, products in whole tiles, modules that Python
calls, weights that stay with the host; and in compiled engines that fuse little: scores written out, weights unpacked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.cost.serving.shapes import Machine, Shape, Stored, Ways

if TYPE_CHECKING:
    from aios.records.observation import Floats

__all__ = ["attention_bytes", "called_s", "empty_rows", "offloaded_s", "unpacked_bytes", "written_bytes"]

VALUE_BYTES = 2.0
"""Keys and values are kept in 16 bits."""
CACHE_MOVES = 3.0
"""Times that the cache is moved: copied with one more token at its end (read, written) and read; keys and values of
grouped heads are copied for each head first, which comes to about as much."""
SCORE_BYTES = 24.0
"""Of memory that each score costs: written, scaled and masked in 16 bits, made probabilities in 32, which are written,
narrowed and read (2 + 4 + 4 + 6 + 6 + 2; ``LlamaAttention.forward`` of transformers 4.35)."""
PIECE = 512.0
"""Tokens of a prompt that are computed, and enter a pipeline, at once (llama.cpp's micro batch)."""
PACKED_TOKENS = 32.0
"""That quantised weights are multiplied with as they are stored, at most (llama.cpp's ``MMQ_MAX_BATCH_SIZE`` where
there are tensor cores, in 2024)."""
TILE_ROWS = 128.0
"""Of the tiles that libraries compute products of several tokens in, each as a whole; engines have kernels for few
rows. On a V100 in 32 bits, 25 to 80 tokens take the same time, which is that of 128 at the rate of long prompts."""
KEPT = 0.9
"""Of the memory of a device that is alone, in which weights find places; of several, all. On the first the place of one
layer is left free for others to visit, and layers that find none stay with the host and cross to the device in every
pass (Accelerate, ``get_balanced_memory`` and ``infer_auto_device_map``)."""
HOST_BYTES_PER_S = 2.5e9
"""At which they cross, from pageable memory in blocking copies: looked for on published measurements of one
model of 14.5 GB on a V100 of 16 GB, which takes 0.2 s more per pass than those that fit."""
HOOKED_S, EXPERT_S = 1e-3, 3e-4
"""Host time per layer and pass of a model that Python moves layer by layer between devices (hooks of Accelerate around
each module), and per routed expert, which it calls one by one (some ten kernels). Looked for on published measurements
of Llama-2 70B and Mixtral 8x7B on A100s."""


def attention_bytes(shape: Shape, stored: Stored, pairs: Floats, cached: Floats) -> Floats:
    """Return the bytes that attention moves, all devices together. pairs: of query and key · cached: see ``pass_of``"""
    import numpy as np

    copied = np.where(np.greater(stored.kv, 0), CACHE_MOVES * 2 * shape.width * VALUE_BYTES * cached, 0.0)
    found: Floats = copied + SCORE_BYTES * _heads(shape) * pairs
    return found


def _heads(shape: Shape) -> Floats:
    """Return the query heads of all blocks together, which are as wide as those of the cache."""
    return shape.width * 2 * shape.layers * shape.kv_heads / shape.kv_values


def written_bytes(shape: Shape, machine: Machine, pairs: Floats) -> Floats:
    """Return the bytes of scores that kernels beside attention's products move. pairs: of query and key"""
    import numpy as np

    found: Floats = np.where(np.greater(machine.score_bytes, 0), machine.score_bytes * _heads(shape) * pairs, 0.0)
    return found


def unpacked_bytes(shape: Shape, stored: Stored, machine: Machine, tokens: Floats) -> Floats:
    """Return the bytes that unpacking weights to 16 bits moves, once for each piece of a prompt."""
    import numpy as np

    each = np.minimum(tokens, PIECE)
    routed = np.where(each * shape.active / shape.experts > PACKED_TOKENS, shape.routed, 0.0)
    moved = shape.dense * (stored.dense + VALUE_BYTES) + routed * (stored.routed + VALUE_BYTES)
    unpacked = np.greater(machine.unpacks, 0) & np.less(stored.dense, VALUE_BYTES) & np.greater(each, PACKED_TOKENS)
    found: Floats = np.where(unpacked, np.ceil(tokens / PIECE) * moved, 0.0)
    return found


def empty_rows(tokens: Floats) -> Floats:
    """Return the rows of tiles that products of so many tokens leave empty, half a tile on average; one token is
    multiplied as a vector."""
    import numpy as np

    found: Floats = np.where(np.greater(tokens, 1), np.maximum(TILE_ROWS - tokens, TILE_ROWS / 2), 0.0)
    return found


def called_s(shape: Shape, ways: Ways, offloaded: Floats, tokens: Floats) -> Floats:
    """Return the seconds that Python adds to a pass: modules that move their inputs, experts called one by one."""
    import numpy as np

    hooked = np.greater(ways.devices, 1) | np.greater(offloaded, 0)
    experts = np.where(np.greater(shape.experts, 1), shape.experts * shape.touched(tokens), 0.0)
    found: Floats = shape.layers * (HOOKED_S * hooked + EXPERT_S * experts)
    return found


def offloaded_s(shape: Shape, stored: Stored, machine: Machine, ways: Ways) -> Floats:
    """Return the seconds of a pass in which layers that have no place on the devices cross from the host."""
    import numpy as np

    weights = shape.dense * stored.dense + shape.routed * stored.routed
    layer = weights / shape.layers
    share = np.where(np.greater(ways.devices, 1), 1.0, KEPT)
    kept = np.nan_to_num(machine.memory_bytes * share * ways.devices - layer, nan=np.inf)
    beyond = np.clip(weights - kept, 0.0, weights)
    found: Floats = np.ceil(beyond / layer) * layer / HOST_BYTES_PER_S
    return found
