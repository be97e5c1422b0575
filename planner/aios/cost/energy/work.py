"""How long one item takes, in the roofline's parts, as far as rows tell what it is made of.

Language models: a decoding step reads all weights that its tokens touch and the keys and values of its sequences, and
computes two operations per active weight and token. Diffusion models: every denoising step computes two operations per
weight and latent token, and attention between all of them, twice with guidance. Other networks: two operations per
multiply-accumulate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.records.model import VALUE_BYTES

if TYPE_CHECKING:
    from aios.cost.energy.ratings import Ratings
    from aios.records.observation import Floats, Observations

__all__ = ["Work", "macs_of", "work_of"]

_COMPUTE, _MEMORY = 0.5, 0.7
"""Shares of the peak rates that ordinary kernels reach."""
_STEP_S, _SEQUENCE_S = 4e-3, 1e-4
"""Host and launch time of one decoding step of an engine that launches whole graphs, and what each sequence adds to it,
mostly its share of new prompts. With them small models do not look infinitely fast, nor large batches free."""
_EAGER_STEP_S, _EAGER = 2.5e-2, "transformers"
"""The same of a framework that launches every operator from Python: some thousand of them at 10 to 20 microseconds. It
spreads a model over devices by layers, of which one works at a time (``device_map="auto"``)."""
_EAGER_COPIES = 20.0
"""How often such a framework moves keys and values where others read them once: four times as many without groups of
heads, and about five passes (append, expand, multiply, softmax in fp32)."""
_TRAINING_STEP_S = 2e-2
"""Host and launch time of one training step: some thousand launches of about 5 microseconds, and the data loader."""
_KEYS_PER_ROOT = 1.4
"""Bytes of keys and values per token and root of active weights, at 2 bytes: Llama-3 8B 131 kB, 70B 328 kB."""
_LATENT = 16.0 * 16.0
"""Pixels per latent token: 8 x 8 by the autoencoder, 2 x 2 by the patches (diffusion transformers: FLUX, SD 3, Wan)."""
_FRAMES_PER_LATENT = 4.0
"""Frames of a video per latent frame (causal video autoencoders: Wan 2.1, HunyuanVideo, CogVideoX)."""
_WIDTH_PER_BLOCK = 128.0
"""Width of a transformer divided by its number of blocks: 77 (Wan 14B: 3072/40) to 162 (FLUX: 3072/19)."""
_PASSES = 2.0
"""Of a denoising network per step where nobody says: one with and one without the prompt (Ho and Salimans 2022)."""
_SCALED_IMAGE = 224.0
"""Height of the image at which the work of a scaled network is stated: of ImageNet."""
_IMAGE_PIXELS = 512.0
"""Height and width of a diffusion model's images where nobody states them: of Stable Diffusion 1."""


@dataclass(frozen=True)
class Work:
    """Seconds per item of the whole deployment; NaN where the rows do not tell. compute, memory: at ordinary shares of
    the peak rates · waiting: for host and launches · turns: devices that take turns, one working while others
    wait; NaN where only the arithmetic is known
    """

    compute: Floats
    memory: Floats
    waiting: Floats
    turns: Floats

    @property
    def seconds(self) -> Floats:
        """Computing and reading overlap in part: the root of the sum of squares, and the waiting."""
        import numpy as np

        both: Floats = np.hypot(self.compute, self.memory) + self.waiting
        return both


def work_of(rows: Observations, ratings: Ratings) -> Work:
    """Return the work of one item of each row: per request where output tokens are stated, else per token."""
    import numpy as np

    language, diffusion = _language(rows, ratings), _diffusion(rows, ratings)
    training = rows.word("mode") == "training"
    passes = np.where(training, 3.0, 1.0)  # backwards: the products for inputs and for weights
    plain = passes * 2 * macs_of(rows) / (ratings.peak * _COMPUTE * rows.number("devices", 1.0))
    steps_s = np.where(training, _TRAINING_STEP_S, 0.0) / rows.number("batch", 1.0)
    steps, phase = rows.number("steps"), rows.word("phase")

    def chosen(of_language: Floats, of_diffusion: Floats, else_: Floats) -> Floats:
        found: Floats = np.where(phase != "", of_language, np.where(np.isnan(steps), else_, of_diffusion))
        return found

    nothing = np.zeros(len(rows))
    return Work(
        compute=chosen(language.compute, diffusion, plain),
        memory=chosen(language.memory, nothing, nothing),
        waiting=chosen(language.waiting, nothing, steps_s),
        turns=chosen(language.turns, nothing + 1, np.where(training, 1.0, np.nan)),
    )


def macs_of(rows: Observations) -> Floats:
    """Return multiply-accumulates per item; a scaled network's grow with the squares of its widths and its image."""
    import numpy as np

    scale = rows.number("channel_multiplier") * rows.number("image_size", _SCALED_IMAGE) / _SCALED_IMAGE
    macs: Floats = rows.number("macs") * np.where(np.isnan(scale), 1.0, scale) ** 2
    return macs


def _language(rows: Observations, ratings: Ratings) -> Work:
    import numpy as np

    size = rows.number("parameters")
    active = np.where(np.isnan(rows.number("active_parameters")), size, rows.number("active_parameters"))
    together = rows.number("concurrency", 1.0)
    width = np.array([VALUE_BYTES.get(str(name), 2.0) for name in rows.word("precision")])
    devices = rows.number("devices", 1.0)
    eager = np.char.startswith(rows.word("software").astype(str), _EAGER)
    step, copies = np.where(eager, _EAGER_STEP_S, _STEP_S), np.where(eager, _EAGER_COPIES, 1.0)
    turns = np.where(eager, devices, 1.0)
    rate, band = ratings.peak * _COMPUTE * devices / turns, ratings.bandwidth * _MEMORY * devices / turns
    out = rows.number("output_tokens")
    asked = rows.number("prompt_tokens", 0.0)
    context = asked + np.where(np.isnan(out), rows.number("sequence", 500.0), out) / 2
    touched = size * (1 - (1 - np.minimum(active / size, 1.0)) ** together)
    read = touched * width / together + context * copies * _KEYS_PER_ROOT * np.sqrt(active)
    tokens = np.where(np.isnan(out), 1.0, out)
    prompt = np.where(np.isnan(out), 0.0, asked)
    return Work(
        compute=2 * active * (tokens + prompt) / rate + tokens * _SEQUENCE_S,
        memory=tokens * read / band,
        waiting=tokens * step / together,
        turns=turns,
    )


def _diffusion(rows: Observations, ratings: Ratings) -> Floats:
    import numpy as np

    size = rows.number("active_parameters")
    size = np.where(np.isnan(size), rows.number("parameters"), size)
    frames = 1 + (rows.number("frames", 1.0) - 1) / _FRAMES_PER_LATENT
    height = rows.number("image_size", _IMAGE_PIXELS)
    tokens = (
        height * np.where(np.isnan(rows.number("image_width")), height, rows.number("image_width")) / _LATENT * frames
    )
    width = np.cbrt(size * _WIDTH_PER_BLOCK / 12)  # blocks of 12 width^2 weights
    attention = 4 * tokens**2 * width**2 / _WIDTH_PER_BLOCK
    passes = rows.number("passes", _PASSES) * rows.number("steps")
    work: Floats = (2 * size * tokens + attention) * passes
    return work / (ratings.peak * _COMPUTE * rows.number("devices", 1.0))
