"""A model without a file: the few figures that its publishers, or tables about it, state."""

from collections.abc import Mapping
from typing import Literal

from aios.records.base import Record

__all__ = ["ModelCard", "NetworkKind", "OperatorClass", "OperatorWork"]

NetworkKind = Literal["convolutional", "attention", "hybrid", "recurrent", "perceptron", "other"]
"""What a network mostly consists of."""

OperatorClass = Literal[
    "convolution",
    "pointwise",
    "grouped",
    "depthwise",
    "attention",
    "normalization",
    "elementwise",
    "pooling",
    "movement",
    "softmax",
]
"""convolution: dense, kernels larger than 1 x 1 · pointwise: 1 x 1 convolutions and products with weights · grouped,
depthwise: convolutions that see some channels, or one · attention: products of activations with activations ·
elementwise: activation functions, sums, products · movement: copies, concatenations, permutations, resampling"""


class OperatorWork(Record):
    """What all operators of one class ask, per item at batch 1. macs: multiply-accumulates · values_in, values_out:
    activations read and written · weights: trained numbers read · kernels: how many operators there are"""

    macs: float = 0.0
    values_in: float = 0.0
    values_out: float = 0.0
    weights: float = 0.0
    kernels: int = 0


class ModelCard(Record):
    """A few numbers of a published network, per item; None where nobody states it.

    aliases: what else it is called · image_size: root of height times width of its input in pixels · macs:
    multiply-accumulates · activations: values that convolutions and matrix products put out · parameters: trained
    numbers · operators: work by class, where the graph is known · work: amounts of ``networks.WORK``, where it is
    known; those that it lacks are 0 · attention_power: of the pixels that attention grows with, 1 or 2 · source: where
    the figures are from
    """

    name: str
    aliases: tuple[str, ...] = ()
    kind: NetworkKind | None = None
    image_size: float | None = None
    macs: float | None = None
    activations: float | None = None
    parameters: float | None = None
    operators: Mapping[OperatorClass, OperatorWork] = {}
    work: Mapping[str, float] = {}
    attention_power: float = 1.0
    source: str = ""
