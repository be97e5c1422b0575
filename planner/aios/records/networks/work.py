"""What a fixed network asks of hardware: named amounts of work, the same from a model's file and from its card.

The classes are those that devices run at different speeds; the further amounts are parts of them that common kernels
run slower than the rest, or that cost beside them.
"""

from collections.abc import Mapping

__all__ = ["CLASSES", "PER_CALL", "WORK", "scaled"]

WORK: Mapping[str, str] = {
    "convolution_macs": "multiply-accumulates of dense convolutions with kernels larger than 1 x 1",
    "pointwise_macs": "of 1 x 1 convolutions and products with weights",
    "grouped_macs": "of convolutions in groups of several channels",
    "depthwise_macs": "of convolutions channel by channel",
    "attention_macs": "of products of activations with activations",
    "wide_depthwise_macs": "of depthwise ones those with kernels of 64 positions (8 x 8) and more",
    "odd_grouped_macs": "of grouped ones those with more than 32 channels per group, no multiple of 32",
    "misaligned_macs": "of dense and pointwise ones those with channels in or out that are no multiple of 8",
    "convolution_values": "activations read and written by dense convolutions",
    "pointwise_values": "by 1 x 1 convolutions and products with weights",
    "grouped_values": "by convolutions in groups",
    "depthwise_values": "by convolutions channel by channel",
    "attention_values": "by products of activations with activations; where fused, scores are not among them",
    "normalization_values": "by norms that depend on the input: layer, group, RMS; batch norms are constants and fused",
    "elementwise_values": "by activation functions, sums, products",
    "softmax_values": "by softmax outside of fused attention",
    "pooling_values": "by pooling and other reductions",
    "movement_values": "by copies, concatenations, padding, permutations, resampling",
    "group_normalization_values": "of norms those over groups of channels",
    "strided_normalization_values": "of norms those whose input is not contiguous, and copied first",
    "thin_pointwise_values": "of pointwise ones those that sum up at most 128 products per value",
    "silu_values": "of elementwise ones those of SiLU",
    "strided_product_values": "of dense, pointwise and depthwise ones those whose input is not contiguous",
    "masked_scores": "scores of attention to which a mask or bias is added",
    "unfused_scores": "scores of attention on tensors of other than four axes, which fused kernels refuse",
    "pooling_taps": "values that average pooling adds up",
    "kernels": "operators, views not counted; per call",
    "weights": "weights of convolutions and products; per call",
    "convolution_weights": "of them those of dense convolutions; per call",
    "derived_weights": "weights that are computed anew in every call: standardised kernels, position biases; per call",
}
"""Name -> what it counts, per item unless it says per call. Macs are multiply-accumulates, values are numbers."""

PER_CALL = frozenset({"kernels", "weights", "convolution_weights", "derived_weights"})
"""Work that a batch shares."""

CLASSES = (
    "convolution",
    "pointwise",
    "grouped",
    "depthwise",
    "attention",
    "normalization",
    "elementwise",
    "softmax",
    "pooling",
    "movement",
)
"""What an operator mostly is; each has values, the first five have multiply-accumulates."""

_QUADRATIC = frozenset({"attention_macs", "softmax_values", "masked_scores", "unfused_scores"})


def scaled(work: Mapping[str, float], pixels: float, attention_power: float = 1.0) -> dict[str, float]:
    """Return the work at another input size.

    pixels: how many times as many · attention_power: of the pixels that scores grow with, 1 where windows are fixed,
    2 where every position sees every other. Everything else per item grows with the pixels.
    """
    found = {}
    for name, amount in work.items():
        power = 0.0 if name in PER_CALL else attention_power if name in _QUADRATIC else 1.0
        found[name] = amount * pixels**power
    return found
