"""Runs an ONNX graph in torch with its weights as parameters, so that it can be trained and written back as it is.

No export, no second description of the network: nodes are computed in the file's order, each by the function of torch
that ONNX's definition of the operator names. An operator, or an option of one, that is not here ends in an InputError.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aios.records.errors import Diagnostic, InputError
from aios_plugins.compression.network import Network, attributes_of
from aios_plugins.compression.torchoperators import OPERATORS

if TYPE_CHECKING:
    import onnx

__all__ = ["Trained"]

_LEARNT = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm"), (1, 2)),
    **dict.fromkeys(("BatchNormalization", "InstanceNormalization", "LayerNormalization"), (1, 2)),
    **dict.fromkeys(("MatMul", "Add", "Mul"), (0, 1)),
    "PRelu": (1,),
    "Gather": (0,),
}
"""Operator -> inputs that are learnt where they are weights; single numbers are constants of the operator's formula."""


class Trained:
    """A network in torch.

    weights: name -> tensor, every initialiser · learnt: names of those that training changes
    """

    def __init__(self, network: Network) -> None:
        import torch

        self.network = network
        self.steps = [(node, _function(network, node), attributes_of(node)) for node in network.model.graph.node]
        self.weights = {name: torch.from_numpy(value.copy()) for name, value in network.weights.items()}
        self.learnt = sorted(
            {
                node.input[index]
                for node, _, _ in self.steps
                for index in _LEARNT.get(node.op_type, ())
                if index < len(node.input) and self._learnable(node.input[index])
            }
        )
        for name in self.learnt:
            self.weights[name].requires_grad_()

    def _learnable(self, name: str) -> bool:
        import torch

        value = self.weights.get(name)
        return value is not None and value.dtype == torch.float32 and value.numel() > 1

    def run(self, feed: Mapping[str, Any], training: bool = False) -> list[Any]:
        """Return the outputs of the model as tensors. In ``training``, batch normalisation goes by the batch."""
        values: dict[str, Any] = {**self.weights, **feed, "": None}
        for node, function, given in self.steps:
            inputs = [values[name] for name in node.input]
            result = function(given, training, *inputs)
            results = result if isinstance(result, tuple | list) else (result,)
            values.update(zip((name for name in node.output if name), results, strict=False))
        return [values[item.name] for item in self.network.model.graph.output]

    def forget(self, seed: int) -> None:
        """Set the learnt weights to what untrained networks begin with (He et al., 2015), biases to zero."""
        import torch

        random = torch.Generator().manual_seed(seed)
        kinds = {node.input[index]: (node, index) for node, _, _ in self.steps for index in range(len(node.input))}
        with torch.no_grad():
            for name in self.learnt:
                (node, index), value = kinds[name], self.weights[name]
                if node.op_type.endswith("Normalization"):
                    value.fill_(1.0 if index == 1 else 0.0)
                elif value.ndim < 2:
                    value.zero_()
                else:
                    value.normal_(0.0, math.sqrt(2.0 / _inputs_of(node, value)), generator=random)

    def write_back(self) -> Network:
        """Return the network with the weights as they are now."""
        weights = {name: value.detach().numpy().copy() for name, value in self.weights.items()}
        return Network(self.network.model, weights, self.network.shapes, self.network.sizes)


def _inputs_of(node: onnx.NodeProto, value: Any) -> int:
    """Return how many numbers each output of the weight sums up."""
    if node.op_type == "MatMul" or (node.op_type == "Gemm" and not attributes_of(node).get("transB", 0)):
        return int(value.shape[-2])
    return int(value[0].numel())


def _function(network: Network, node: onnx.NodeProto) -> Callable[..., Any]:
    found = OPERATORS.get(node.op_type) if node.domain in {"", "ai.onnx"} else None
    if found is None:
        known: Sequence[str] = sorted(OPERATORS)
        raise InputError(
            Diagnostic(
                summary=f"this model cannot be trained: it holds the operator {node.op_type}",
                reason=f"trained can be what is made of {', '.join(known)}",
                remedy="leave out training: `prune` with `fine_tune: 0` needs none",
            )
        )
    if node.op_type in {"Softmax", "LogSoftmax"} and network.opset < 13:
        return OPERATORS["Flat" + node.op_type]
    return found
