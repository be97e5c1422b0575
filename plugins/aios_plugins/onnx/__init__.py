"""Reads ONNX model files with the ``onnx`` package: shapes, operations, bytes and parameters; nothing is executed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from aios.spi.checkup import Finding, tried_apart
from aios.spi.model_reader import ReadModel
from aios.spi.weights import Constants

__all__ = ["Reader"]


class Reader:
    """The model reader for ``.onnx`` files; ``onnx`` itself is imported by the first ``read``."""

    name: ClassVar[str] = "onnx"
    api_version: ClassVar[int] = 1
    revision: ClassVar[int] = 4
    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)

    def examine(self) -> list[Finding]:
        """Import ``onnx``, in a process of its own."""
        works, said = tried_apart("import onnx; print(onnx.__version__)")
        if works:
            return [Finding(check="model-reader.onnx", status="ok", seen=f"onnx {said}")]
        return [
            Finding(
                check="model-reader.onnx",
                status="fail",
                seen=f"onnx cannot be imported: {said}",
                remedy="install it anew: no ONNX model can be read without",
                command="pip install --force-reinstall onnx",
            )
        ]

    def read(self, path: Path, sizes: Mapping[str, int]) -> ReadModel:
        """Return the model's profile, per item, with dynamic dimensions at ``sizes`` or at stated assumptions.

        ``sizes`` names a dimension by its name in the file, or by input and axis (``x.2``). Raises InputError for a
        file that is damaged, hostile or no model.
        """
        from aios_plugins.onnx.profile import read_model

        return read_model(path, sizes)

    def computation(self, path: Path) -> str:
        """Return the digest of what the model computes."""
        from aios_plugins.onnx.computation import computation

        return computation(path)

    def weights(self, path: Path) -> Constants:
        """Yield name and values of every numeric constant of the main graph."""
        from aios_plugins.onnx.weights import weights_of

        return weights_of(path)
