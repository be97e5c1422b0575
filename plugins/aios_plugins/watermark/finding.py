"""Looks for an owner's mark in the weights of a model."""

from __future__ import annotations

import math
from pathlib import Path

from aios.spi.watermark import Mark
from aios_plugins.watermark.carrier import needed_score, score
from aios_plugins.watermark.tensors import load, weights_of

__all__ = ["find"]


def find(source: Path, secret: bytes, owner: str, chance: float) -> Mark:
    """Return what is found of the mark of ``owner``; see ``aios.spi.watermark.Mark``."""
    seen = score(secret, owner, weights_of(load(source)))
    needed = needed_score(chance)
    bound = math.exp(-(max(seen.score, 0.0) ** 2) / 2)
    return Mark(
        found=seen.score >= needed,
        score=seen.score,
        needed=needed,
        chance=max(bound, math.nextafter(0, 1)),
        weights=seen.weights,
        tensors=seen.tensors,
    )
