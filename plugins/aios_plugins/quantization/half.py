"""Half precision: every fp32 number of a model becomes fp16, its inputs and outputs stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from aios_plugins.quantization.graphs import nothing_to_change, quiet, save, versions_of

if TYPE_CHECKING:
    from aios.spi.transform import Progress, Work

__all__ = ["Half"]


class Half:
    """Converts with onnxruntime's converter."""

    name: ClassVar[str] = "half"
    api_version: ClassVar[int] = 1

    def versions(self) -> Mapping[str, str]:
        """Return the libraries that the result depends on."""
        return versions_of("onnx", "onnxruntime")

    def make(self, work: Work, progress: Progress) -> Mapping[str, str]:
        """Write the model in fp16; raises InputError where it holds no fp32 weights."""
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16
        from onnxruntime.transformers.onnx_model import OnnxModel

        progress(0.0, "reading the model")
        model = onnx.load(str(work.source))
        before = sum(item.data_type == onnx.TensorProto.FLOAT for item in model.graph.initializer)
        if not before:
            raise nothing_to_change("half", "it holds no fp32 weights", "use the model's file as it is")
        progress(0.2, "converting to fp16")
        with quiet():
            made = convert_float_to_float16(model, keep_io_types=True)
            OnnxModel.graph_topological_sort(made.graph)  # the converter appends its casts at the end
        save(made, work.folder)
        after = sum(item.data_type == onnx.TensorProto.FLOAT for item in made.graph.initializer)
        return {"constants in fp16": str(before - after), "constants left in fp32": str(after)}
