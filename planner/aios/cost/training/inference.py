"""What a device holds while it answers: weights, keys and values, activations, runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.cost.training.hardware import arithmetic
from aios.cost.training.memory import margin_bytes
from aios.cost.training.structure import Structure
from aios.records.model import VALUE_BYTES

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations

__all__ = ["answering_bytes", "network_bytes", "weights_in"]

_RUNTIME = 0.25e9
"""Context and kernels of a lean engine; engines with allocators of their own add theirs, which is learnt."""
_CHUNK = 512.0
"""Tokens of a prompt that are computed at once where nobody states it."""
_NETWORK_LIVE = 2.0
"""Layers of a plain network whose outputs are alive at once, relative to the largest; of those that ``activations``
counts, a quarter is taken to be the largest."""


def weights_in(observations: Observations, model: Structure) -> Floats:
    """Return the bytes of all weights: as stated, else by bits per weight, else by precision."""
    import numpy as np

    precisions = [VALUE_BYTES.get(arithmetic(word), 2.0) for word in observations.word("precision").tolist()]
    bits = observations.number("bits_per_weight")
    each = np.where(bits > 0, bits / 8, np.array(precisions))
    stated = observations.number("weight_bytes")
    return np.where(stated > 0, stated, model.parameters * each)


def answering_bytes(observations: Observations, model: Structure) -> Floats:
    """Return what one of the devices that share a language model holds.

    Keys and values of every sequence's prompt and answer: 2 x 2 bytes per channel of keys and block.
    """
    import numpy as np

    number = observations.number
    shared = np.maximum(number("devices", 1.0), 1.0)
    sequences = np.fmax(np.fmax(number("batch"), number("concurrency")), 1.0)
    stated = number("prompt_tokens", 0.0) + number("output_tokens", 0.0)
    length = np.fmax(np.where(stated > 0, stated, np.nan), number("sequence"))
    length = np.where(length > 0, length, _CHUNK)
    keys = sequences * length * 4.0 * model.key_width * model.layers
    at_once = np.minimum(_CHUNK, np.fmax(number("prompt_tokens"), 1.0)) * np.minimum(sequences, 8.0)
    working = at_once * (2.0 * (4 * model.hidden + 2 * model.intermediate)) + 4.0 * sequences * model.vocabulary
    per_device = (weights_in(observations, model) + keys) / shared + working
    return per_device + margin_bytes(working) + _RUNTIME


def network_bytes(observations: Observations) -> Floats:
    """Return what a plain network holds: weights, and activations of a batch; NaN where neither is known."""
    import numpy as np

    number = observations.number
    each = np.array([VALUE_BYTES.get(arithmetic(word), 4.0) for word in observations.word("precision").tolist()])
    stated = number("weight_bytes")
    weights = np.where(stated > 0, stated, number("parameters") * each)
    live = number("activations", 0.0) * _NETWORK_LIVE / 4 * each * np.fmax(number("batch"), 1.0)
    held: Floats = weights + live + margin_bytes(live)
    return held + _RUNTIME
