"""Real architectures against figures that others published for them.

The onnx package carries these graphs with their real shapes; their weights are made by ConstantOfShape.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import onnx
import pytest

from aios.records.model import ModelProfile
from aios_plugins.onnx import Reader

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


class Published(NamedTuple):
    """macs: multiply-accumulates per image · parameters · extra: numbers in the file that the count leaves out."""

    file: str
    macs: float
    macs_tolerance: float
    parameters: int
    extra: int
    parameters_tolerance: float


# Batch normalisation keeps a mean and a variance per channel, which frameworks do not count as parameters: `extra`.
PUBLISHED = (
    # torchvision ResNet50_Weights: 4.09 GFLOPS (of multiply-accumulates), 25,557,032; rounded to two decimals.
    Published("light_resnet50", 4.09e9, 0.002, 25_557_032, 2 * 26_560, 0.0),
    # torchvision VGG19_Weights: 19.63, 143,667,240; the same graph, so only the rounding is left.
    Published("light_vgg19", 19.63e9, 0.001, 143_667_240, 0, 0.0),
    # torchvision DenseNet121_Weights: 2.83, 7,978,856. This graph, from Caffe, has a second scale and bias each time.
    Published("light_densenet121", 2.83e9, 0.002, 7_978_856, 4 * 41_824, 0.0),
    # torchvision SqueezeNet1_1_Weights: 0.35, 1,235,496.
    Published("light_squeezenet", 0.35e9, 0.005, 1_235_496, 0, 0.0),
    # Szegedy et al. 2015, introduction: a budget of 1.5 billion multiply-adds, not a count; the count here is of the
    # graph without its two training-time classifiers. Parameters of Caffe's bvlc_googlenet: 7.0 million.
    Published("light_inception_v1", 1.5e9, 0.05, 7_000_000, 0, 0.001),
    # ptflops' table, bninception: 2.05 with normalisation, activations and pooling counted, 11.3 million.
    Published("light_inception_v2", 2.05e9, 0.02, 11_300_000, 0, 0.01),
    # convnet-burden, alexnet: 727 million at 227 x 227, its own input size; this graph is cut to 224 x 224, which
    # takes the first layers from 55 x 55 to 54 x 54 and from 27 and 13 to 26 and 12. Krizhevsky et al.: 60 million.
    Published("light_bvlc_alexnet", 0.727e9, 0.11, 60_965_224, 0, 0.0),
)


def profile_of(name: str) -> ModelProfile:
    return Reader().read(LIGHT / f"{name}.onnx", {}).profile


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda item: item.file)
def test_published_figure(published: Published) -> None:
    profile = profile_of(published.file)
    assert profile.macs == pytest.approx(published.macs, rel=published.macs_tolerance)
    counted = profile.parameters - published.extra
    assert counted == pytest.approx(published.parameters, rel=published.parameters_tolerance, abs=0)
    assert profile.weight_bytes == 4 * profile.parameters
    assert not profile.unknown_operators
    assert (profile.batch_axis, profile.fixed_batch) == (None, 1)


def test_resnet50_is_what_its_table_says() -> None:
    """He et al. 2016, table 1, with the stride in the 3 x 3 convolution, worked out stage by stage."""
    macs = 112 * 112 * 64 * 3 * 49 + 1000 * 2048
    channels = 64
    for size, width, blocks in ((56, 64, 3), (28, 128, 4), (14, 256, 6), (7, 512, 3)):
        before = 56 if size == 56 else 2 * size
        macs += size * size * channels * 4 * width  # projection shortcut of the first block
        for block in range(blocks):
            first = before if block == 0 else size
            macs += first * first * channels * width + size * size * (width * width * 9 + width * 4 * width)
            channels = 4 * width
    assert profile_of("light_resnet50").macs == macs


def test_vgg19_operations_to_the_last_one() -> None:
    """Sixteen 3 x 3 convolutions, five 2 x 2 poolings, three matrix products, 18 ReLUs, one softmax."""
    products = bias = pooled = 0
    channels = 3
    for size, width, count in ((224, 64, 2), (112, 128, 2), (56, 256, 4), (28, 512, 4), (14, 512, 4)):
        for _ in range(count):
            products += size * size * width * channels * 9
            bias += size * size * width
            channels = width
        pooled += (size // 2) ** 2 * width
    activations = bias + 2 * 4096
    for rows, columns in ((25088, 4096), (4096, 4096), (4096, 1000)):
        products += rows * columns
        bias += columns
    softmax = 1000 * (10 + 4 + 3)
    profile = profile_of("light_vgg19")
    assert profile.macs == products
    assert profile.flops == 2 * products + bias + 4 * pooled + activations + softmax


def test_zfnet512_by_hand() -> None:
    """Zeiler and Fergus 2014 with 512 feature maps: no count was published for it, so its layers are multiplied out."""
    layers = (109**2 * 96 * 3 * 49, 25**2 * 256 * 96 * 25, 12**2 * 512 * 256 * 9, 2 * 12**2 * 512 * 512 * 9)
    dense = (18432 * 4096, 4096 * 1024, 1024 * 1000)
    profile = profile_of("light_zfnet512")
    assert profile.macs == sum(layers) + sum(dense)
    biases = 96 + 256 + 3 * 512 + 4096 + 1024 + 1000
    kernels = 96 * 3 * 49 + 256 * 96 * 25 + 512 * 256 * 9 + 2 * 512 * 512 * 9
    assert profile.parameters == kernels + sum(dense) + biases


def test_shufflenet_grouped_and_depthwise_by_hand() -> None:
    """A variant (four groups, 136-272-544 channels) that the paper does not list: its units are multiplied out."""
    macs = 112 * 112 * 24 * 27 + 544 * 1000
    before, channels = 56, 24
    for size, width, units in ((28, 136, 4), (14, 272, 8), (7, 544, 4)):
        for unit in range(units):
            first = before if unit == 0 else size
            # The unit that halves the image is concatenated with its pooled input, so it makes fewer channels.
            made = width - channels if unit == 0 else width
            inner = made
            macs += first**2 * inner * channels // 4 + size**2 * inner * 9 + size**2 * made * inner // 4
            channels = width
        before = size
    assert profile_of("light_shufflenet").macs == macs


def test_every_model_that_onnx_carries_is_read() -> None:
    """Its conformance models: some 150 small graphs of every age. What is not costed handles text, or is training."""
    paths = sorted(LIGHT.parent.glob("*/*/model.onnx"))
    assert len(paths) > 100
    unknown = {kind for path in paths for kind in Reader().read(path, {}).profile.unknown_operators}
    expected = {"StringNormalizer", "ai.onnx.preview.training.Gradient", "SequenceAt", "ConcatFromSequence"}
    assert unknown <= expected


@pytest.mark.parametrize("path", sorted(LIGHT.glob("*.onnx")), ids=lambda path: path.stem)
def test_every_light_model_is_read_whole(path: Path) -> None:
    profile = Reader().read(path, {}).profile
    assert not profile.unknown_operators
    assert len(profile.operators) <= sum(item.count for item in profile.operators)
    assert profile.flops == pytest.approx(sum(item.count * item.flops for item in profile.operators))
    assert profile.macs * 2 <= profile.flops
    assert profile.precision == "fp32"
