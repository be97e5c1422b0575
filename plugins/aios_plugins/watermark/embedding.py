"""Writes an owner's mark into the weights of a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from aios.records.errors import Diagnostic, InputError
from aios_plugins.watermark.carrier import canonical, needed_score, row_sizes, score, signs
from aios_plugins.watermark.tensors import load, marked, weights_of

__all__ = ["embed"]

_AIM = 16.0
"""Score of a fresh mark where nobody says how strong it shall be: far enough above what is needed (6.1 for a chance of
one in a hundred million) that quantising, pruning and training on may take more than half of it."""
_LEAST, _MOST = 0.01, 0.15
"""Shares of a row's size: the weakest change that survives 8-bit rounding (a step is about 1 % of a row's largest
weight), the strongest that is made unasked."""
_SURE = 1e-8
"""Chance of a false alarm below which a model is taken to be marked."""
_INLINE_BYTES = 1 << 31
"""From this size on weights stand in a file beside the graph: a protobuf message cannot be larger."""


def embed(source: Path, target: Path, secret: bytes, owner: str, strength: float | None) -> Mapping[str, str]:
    """Write ``source`` with the owner's mark to ``target``; returns what was done, in words.

    Raises InputError for a model with too few weights to bear a mark, and for one that is marked by the key already.
    """
    import numpy as np
    import onnx
    from onnx import numpy_helper

    model = load(source)
    before = score(secret, owner, weights_of(model))
    if before.score >= needed_score(_SURE):
        raise InputError(
            Diagnostic(
                summary=f"{source} bears the mark of {owner} already",
                reason=f"its score is {before.score:.1f}; a second mark would change its weights for nothing",
                remedy="use it as it is",
            )
        )
    count = sum(values.size for _, values in marked(model))
    share = strength if strength is not None else max(_LEAST, _AIM / math.sqrt(max(count, 1)))
    if not count or (strength is None and share > _MOST):
        raise InputError(
            Diagnostic(
                summary=f"{source} has too few weights for a mark that is found again",
                reason=f"{count} float weights of convolutions and matrix products bear one; a safe mark would change "
                f"each by {share:.0%} of its row's size"
                if count
                else "no float weights of convolutions or matrix products "
                "are in it: a quantised model is marked before it is quantised",
                remedy="mark the float model; or state how strong the mark shall be, and measure the accuracy",
            )
        )
    for tensor, values in list(marked(model)):
        weights = canonical(values.astype(np.float64))
        moved = weights + share * row_sizes(weights) * signs(secret, owner, weights.shape)
        back = moved.T if weights.shape != values.shape else moved
        made = numpy_helper.from_array(np.ascontiguousarray(back, dtype=values.dtype), tensor.name)
        tensor.CopyFrom(made)
    after = score(secret, owner, weights_of(model))
    large = model.ByteSize() >= _INLINE_BYTES
    onnx.save(model, str(target), save_as_external_data=large, location=f"{target.name}.data" if large else None)
    return {
        "weights": str(count),
        "change of each weight": f"{share:.2%} of its row's size ({20 * math.log10(share):.0f} dB)",
        "score before": f"{before.score:.1f}",
        "score": f"{after.score:.1f}",
    }
