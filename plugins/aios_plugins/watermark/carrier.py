"""The secret pattern of a mark, and how strongly weights follow it.

Every weight has a sign, +1 or -1, that only the owner's key tells. Marking moves each weight by its sign times a small
share of its row's size; looking adds up weights times signs. Of weights that know nothing of the key, that sum divided
by the weights' length is above t with a probability of at most exp(-t^2 / 2), whatever the weights are (Hoeffding, JASA
58, 1963, theorem 2, for a sum of independent signs): the stated chance of a false alarm is a bound, not an estimate.

Signs belong to a shape, not to a name or a place in the file: tools rename and reorder weights, and hardly ever reshape
them. A matrix and its transpose have the same signs. Rows are taken at unit size, so that scaling a channel, as folding
a batch normalisation into a convolution does, changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Weights = NDArray[np.float64]

__all__ = ["FEWEST", "Strength", "canonical", "needed_score", "row_sizes", "score", "signs"]

_DOMAIN = b"aios-watermark-1\0"
FEWEST = 256
"""Weights of the smallest tensor that is marked: smaller ones add nothing to the score and may matter much."""


class Strength(NamedTuple):
    """How clearly a mark stands out. score: see ``score`` · weights, tensors: that it was looked for in"""

    score: float
    weights: int
    tensors: int


def signs(secret: bytes, owner: str, shape: tuple[int, ...]) -> Weights:
    """Return the sign of each weight of a tensor, in its canonical form: SHAKE-256, keyed by HMAC-SHA-256."""
    import numpy as np

    count = math.prod(shape)
    said = "x".join(map(str, shape)).encode()
    seed = hmac.new(secret, _DOMAIN + owner.encode() + b"\0" + said, hashlib.sha256).digest()
    stream = np.frombuffer(hashlib.shake_256(seed).digest((count + 7) // 8), dtype=np.uint8)
    found: Weights = np.unpackbits(stream)[:count].reshape(shape).astype(np.float64) * 2 - 1
    return found


def canonical(weights: NDArray[Any]) -> NDArray[Any]:
    """Return a view in which a matrix has its longer axis first: libraries transpose weights of products at will."""
    return weights.T if weights.ndim == 2 and weights.shape[0] < weights.shape[1] else weights


def row_sizes(weights: Weights) -> Weights:
    """Return the root mean square of each row, along the first axis, shaped to divide the weights."""
    import numpy as np

    axes = tuple(range(1, weights.ndim))
    sizes: Weights = np.sqrt(np.mean(weights**2, axis=axes, keepdims=True))
    return sizes


def score(secret: bytes, owner: str, tensors: Iterable[NDArray[Any]]) -> Strength:
    """Return how strongly weights follow an owner's signs.

    Tensors of one shape share their signs, so they are added up first: the bound holds for the sum as for one tensor.
    """
    import numpy as np

    together: dict[tuple[int, ...], Weights] = {}
    count = number = 0
    for tensor in tensors:
        weights = canonical(tensor).astype(np.float64)
        if weights.size < FEWEST or not np.isfinite(weights).all():
            continue
        even = weights / np.maximum(row_sizes(weights), np.finfo(np.float64).tiny)
        together[even.shape] = together[even.shape] + even if even.shape in together else even
        count, number = count + weights.size, number + 1
    along = sum(float((signs(secret, owner, shape) * both).sum()) for shape, both in together.items())
    length = math.sqrt(sum(float((both**2).sum()) for both in together.values()))
    return Strength(along / length if length else 0.0, count, number)


def needed_score(chance: float) -> float:
    """Return the score that a model without the mark reaches with a probability of at most ``chance``."""
    return math.sqrt(-2 * math.log(chance))
