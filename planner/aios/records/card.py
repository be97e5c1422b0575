"""A model without a file: the few figures that its publishers, or tables about it, state."""

from collections.abc import Mapping
from typing import Literal

from aios.records.base import Record

__all__ = ["ModelCard", "NetworkKind"]

NetworkKind = Literal["convolutional", "attention", "hybrid", "recurrent", "perceptron", "other"]
"""What a network mostly consists of."""


class ModelCard(Record):
    """A few numbers of a published network, per item; None where nobody states it.

    aliases: what else it is called · image_size: root of height times width of its input in pixels · macs:
    multiply-accumulates · activations: values that convolutions and matrix products put out · parameters: trained
    numbers · work: amounts of ``networks.WORK``, those that it lacks are 0; empty where nobody counted the graph ·
    attention_power: of the pixels that attention grows with, 1 or 2 · source: where the figures are from
    """

    name: str
    aliases: tuple[str, ...] = ()
    kind: NetworkKind | None = None
    image_size: float | None = None
    macs: float | None = None
    activations: float | None = None
    parameters: float | None = None
    work: Mapping[str, float] = {}
    attention_power: float = 1.0
    source: str = ""
