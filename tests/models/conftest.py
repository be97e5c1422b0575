"""Builds small ONNX files and reads them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aios.records.model import ModelProfile
from aios_plugins.onnx import Reader

Shape = Sequence[int | str | None] | None


def value(name: str, shape: Shape, dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def weights(**shapes: Sequence[int]) -> list[onnx.TensorProto]:
    return [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in shapes.items()]


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[str],
    constants: Sequence[onnx.TensorProto] = (),
    opset: int = 18,
    functions: Sequence[onnx.FunctionProto] = (),
    domains: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    ends = [value(name, None) for name in outputs]
    graph = helper.make_graph(list(nodes), "graph", list(inputs), ends, list(constants))
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(*item) for item in (domains or {}).items())]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=9)


class Build:
    value = staticmethod(value)
    weights = staticmethod(weights)
    model = staticmethod(model)
    node = staticmethod(helper.make_node)


@pytest.fixture
def build() -> Build:
    return Build()


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., ModelProfile]:
    def reader(proto: onnx.ModelProto, **sizes: int) -> ModelProfile:
        path = tmp_path / "made.onnx"
        path.write_bytes(proto.SerializeToString())
        return Reader().read(path, sizes).profile

    return reader
