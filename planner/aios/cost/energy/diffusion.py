"""An image or video of a diffusion model: every denoising step computes two operations per weight and latent token and
attention between all of them, twice with guidance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aios.cost.energy.work import Work
from aios.cost.networks.rates import rates_of
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Observations

__all__ = ["diffusion_work"]

_SCORES = 0.85
"""Of the rate that products with weights keep up, what attention reaches: looked for on published measurements
(ML.ENERGY)."""
_LATENT_PIXELS, _LATENT_FRAMES = 16.0, 4.0
"""Side in pixels and number of frames of one token where nobody states them: 8 by the autoencoder x 2 by the patches,
and causal video autoencoders (FLUX, Stable Diffusion 3, Wan 2.1, HunyuanVideo)."""
_WIDTH_PER_BLOCK = 128.0
"""Width of a transformer divided by its number of blocks: 77 (Wan 14B: 3072/40) to 162 (FLUX: 3072/19)."""
_PASSES = 2.0
"""Of a denoising network per step where nobody says: one with and one without the prompt (Ho and Salimans 2022)."""
_IMAGE_PIXELS = 512.0
"""Height and width of a diffusion model's images where nobody states them: of Stable Diffusion 1."""
_DECODER_FLOP, _DECODER_SHARE = 1e7, 0.15
"""Operations per pixel of an autoencoder that turns latents into images: an estimate, some 2.5e12 for 512 x 512 · of
the rate of products with weights, what its convolutions reach; looked for on published measurements (ML.ENERGY).
One device decodes, the others watch (xDiT)."""
_LAUNCHES_PER_BLOCK, _LAUNCH_S = 30.0, 6e-6
"""Kernels of one block with two attentions, and what starting one from Python takes where it is not overlapped."""
_EXCHANGES, _EXCHANGE_S, _LINK_RATE = 4.0, 3e-5, 1e11
"""All-to-alls of one block whose tokens are spread over devices (queries, keys, values, result: DeepSpeed Ulysses,
arXiv 2309.14509), the fixed part of one, and bytes per second and device that they reach."""


def diffusion_work(rows: Observations, types: Mapping[str, DeviceType]) -> Work:
    """Return what each item takes; NaN where the rows do not tell."""
    import numpy as np

    size = rows.number("active_parameters")
    size = np.where(np.isnan(size), rows.number("parameters"), size)
    frames = 1 + (rows.number("frames", 1.0) - 1) / rows.number("latent_frames", _LATENT_FRAMES)
    height = rows.number("image_size", _IMAGE_PIXELS)
    across = np.where(np.isnan(rows.number("image_width")), height, rows.number("image_width"))
    tokens = height * across / rows.number("latent_pixels", _LATENT_PIXELS) ** 2 * frames
    width = np.cbrt(size * _WIDTH_PER_BLOCK / 12)  # blocks of 12 width^2 weights
    blocks = width / _WIDTH_PER_BLOCK
    passes = rows.number("passes", _PASSES) * rows.number("steps")
    devices = rows.number("devices", 1.0)
    rates, items = rates_of(rows, types), rows.number("batch", 1.0) * devices
    rate = np.where(rates.known > 0, rates.peak, np.nan) * devices
    moved = tokens * width * 2 / (_LINK_RATE * devices)
    exchanged = np.where(devices > 1, _EXCHANGES * (moved + _EXCHANGE_S / items), 0.0)
    decoding = _DECODER_FLOP * height * across * rows.number("frames", 1.0) / (rate * _DECODER_SHARE)
    return Work(
        {
            "products": 2 * size * tokens * passes / rate,
            "scores": 4 * tokens**2 * width * blocks * passes / (rate * _SCORES),
            "weights": size * 2 * passes / (rates.bandwidth * items),
            "decoding": decoding,
            "watching": decoding * (devices - 1),
            "links": passes * blocks * exchanged,
            "launches": passes * blocks * _LAUNCHES_PER_BLOCK * _LAUNCH_S / items,
        },
        np.ones(len(rows)),
    )
