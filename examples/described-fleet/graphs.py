"""Write the graphs of ResNet-18, ResNet-50 and ResNet-101 without their trained numbers: a few kilobytes each.

    python graphs.py        # needs onnx only; the same bytes every time

A plan for hardware that is not here needs to know what a model asks of it (operators, shapes, bytes, arithmetic), not
what its weights are. So every weight is a ConstantOfShape of the published shape, as in the ``light`` models that the
onnx package carries. Such a file can be planned with and inspected; what it answers means nothing. For the same reason
``calibrate.npz`` is one black picture of the right shape: it says that static quantisation is open, and calibrates
nothing.

Architecture: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, table 1, with the
stride of a bottleneck on its 3x3 convolution, as torchvision builds it, and each normalisation folded into the
convolution before it.
Declared accuracy: torchvision's published top-1 of its IMAGENET1K_V1 weights on the 50,000 validation images.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

SIZE = 224
OPSET = 18
STAGES = (64, 128, 256, 512)
WIDENING = 4  # outputs of a bottleneck over its inner width

# name -> (blocks of each stage, bottlenecks?, published top-1)
FAMILY: dict[str, tuple[Sequence[int], bool, float]] = {
    "resnet18": ((2, 2, 2, 2), False, 0.69758),
    "resnet50": ((3, 4, 6, 3), True, 0.76130),
    "resnet101": ((3, 4, 23, 3), True, 0.77374),
}


class Graph:
    """A graph under construction; every method returns the name of the tensor it adds."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def operator(self, kind: str, inputs: Sequence[str], **attributes: object) -> str:
        """Add one operator."""
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def weight(self, *shape: int) -> str:
        """Add a float32 tensor of this shape that stands for trained numbers."""
        sizes = helper.make_tensor(f"shape_{len(self.constants)}", TensorProto.INT64, [len(shape)], shape)
        self.constants.append(sizes)
        return self.operator(
            "ConstantOfShape", [sizes.name], value=helper.make_tensor("", TensorProto.FLOAT, [1], [0.01])
        )

    def convolution(self, image: str, inputs: int, outputs: int, kernel: int, stride: int = 1) -> str:
        """Add a convolution that keeps the size (over ``stride``)."""
        parameters = [self.weight(outputs, inputs, kernel, kernel), self.weight(outputs)]
        side = [kernel, kernel]
        pads = [kernel // 2] * 4
        return self.operator("Conv", [image, *parameters], kernel_shape=side, strides=[stride, stride], pads=pads)

    def block(self, image: str, inputs: int, width: int, stride: int, bottleneck: bool) -> str:
        """Add a residual block."""
        outputs = width * WIDENING if bottleneck else width
        kernels = [(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)]
        if not bottleneck:
            kernels = [(inputs, width, 3, stride), (width, width, 3, 1)]
        inner = image
        for index, (before, after, kernel, step) in enumerate(kernels):
            inner = self.operator("Relu", [inner]) if index else inner
            inner = self.convolution(inner, before, after, kernel, step)
        if stride != 1 or inputs != outputs:
            image = self.convolution(image, inputs, outputs, 1, stride)
        return self.operator("Relu", [self.operator("Add", [inner, image])])


def resnet(name: str) -> onnx.ModelProto:
    """Return the model: image float32 [batch,3,224,224] -> logits [batch,1000]."""
    blocks, bottleneck, top1 = FAMILY[name]
    graph = Graph()
    image = graph.operator("Relu", [graph.convolution("image", 3, STAGES[0], kernel=7, stride=2)])
    image = graph.operator("MaxPool", [image], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = STAGES[0]
    for stage, (width, count) in enumerate(zip(STAGES, blocks, strict=True)):
        for index in range(count):
            stride = 2 if stage and not index else 1
            image = graph.block(image, channels, width, stride, bottleneck)
            channels = width * WIDENING if bottleneck else width
    flat = graph.operator("Flatten", [graph.operator("GlobalAveragePool", [image])])
    classifier = [flat, graph.weight(1000, channels), graph.weight(1000)]
    graph.nodes.append(helper.make_node("Gemm", classifier, ["logits"], name="classifier", transB=1))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            name,
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1000])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
        producer_name="aios examples",
    )
    note = "graph only, no trained numbers; top-1 as published by torchvision for IMAGENET1K_V1"
    helper.set_model_props(model, {"aios.accuracy.top1": repr(top1), "aios.note": note})
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Write the three models and a calibration file of the right shape beside this script."""
    here = Path(__file__).parent
    (here / "models").mkdir(exist_ok=True)
    for name in FAMILY:
        onnx.save(resnet(name), here / "models" / f"{name}.onnx")
    np.savez_compressed(here / "calibrate.npz", image=np.zeros((1, 3, SIZE, SIZE), dtype=np.float16))


if __name__ == "__main__":
    main()
