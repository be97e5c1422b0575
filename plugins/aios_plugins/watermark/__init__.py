"""Owners' marks in the weights of ONNX models; ``onnx`` and numpy are imported by what uses them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from aios.spi.watermark import Mark

__all__ = ["OnnxWatermark"]


class OnnxWatermark:
    """A spread-spectrum mark: each weight moves a little, up or down as the owner's key says."""

    name: ClassVar[str] = "onnx"
    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)

    def embed(self, source: Path, target: Path, secret: bytes, owner: str, strength: float | None) -> Mapping[str, str]:
        """Write the marked model; see ``aios.spi.watermark``."""
        from aios_plugins.watermark.embedding import embed

        return embed(source, target, secret, owner, strength)

    def find(self, source: Path, secret: bytes, owner: str, chance: float) -> Mark:
        """Look for the mark; see ``aios.spi.watermark``."""
        from aios_plugins.watermark.finding import find

        return find(source, secret, owner, chance)
