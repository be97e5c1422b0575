"""What one item is made of, in seconds at the rates that ordinary kernels reach, by kind of work.

An item is a token of a language model, an image or video of a diffusion model, a sample of any other network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from aios.records.observation import Floats

__all__ = ["KINDS", "Kind", "Work"]

Kind = Literal["compute", "memory", "links", "waiting"]

KINDS: Mapping[str, Kind] = {
    "products": "compute",
    "scores": "compute",
    "dense": "compute",
    "depthwise": "compute",
    "prompts": "compute",
    "decoding": "compute",
    "watching": "links",
    "weights": "memory",
    "cache": "memory",
    "values": "memory",
    "links": "links",
    "launches": "waiting",
    "offloaded": "waiting",
    "host": "waiting",
    "sequences": "memory",
}
"""Part of an item -> what the device does meanwhile. products, scores: of transformers' weights and attention · dense,
depthwise: of other networks' operators · prompts: of requests before their tokens · weights, cache, values: moving them
through memory · links: between devices · watching: another device at work, in a loop that asks whether it is done ·
launches: starting kernels · offloaded: weights that come from the host · host: loading data · sequences: choosing
tokens."""


@dataclass(frozen=True)
class Work:
    """Arrays of one value per row. parts: name of ``KINDS`` -> seconds per item of the whole deployment; all that
    overlaps is shortened alike, so that their sum is the time of the item; NaN where the rows do not tell · turns:
    devices that take turns, one working while others wait
    """

    parts: Mapping[str, Floats]
    turns: Floats

    @property
    def seconds(self) -> Floats:
        """The time of an item; NaN where the rows do not tell."""
        total: Floats = sum(self.parts.values())  # type: ignore[assignment]  # there is always a part
        return total

    def share(self, kind: Kind) -> Floats:
        """Return which share of the time goes into work of a kind, 0 where nothing is known."""
        import numpy as np

        own = sum(part for name, part in self.parts.items() if KINDS[name] == kind)
        found: Floats = np.nan_to_num(own / np.maximum(self.seconds, 1e-30))
        return found
