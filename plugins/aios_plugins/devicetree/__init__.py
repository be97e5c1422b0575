"""Reads device trees: descriptions of a device in that style, ``.dts`` source, and compiled ``.dtb`` files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from aios.spi.importer import Inventory

__all__ = ["Importer"]


class Importer:
    """The importer for device trees; each file is a machine, files that others include are part of those."""

    name: ClassVar[str] = "devicetree"
    api_version: ClassVar[int] = 1
    title: ClassVar[str] = "device trees: .dts source, compiled .dtb, or nodes that describe a device by its features"
    example: ClassVar[str] = "/sys/firmware/fdt, or a file with `npu_device { peak_flops = <1024>; // TFLOPS ... };`"
    options: ClassVar[Mapping[str, str]] = {
        "topology": '`devices` (default): `topology = <"2D_MESH", 4, 4>` connects 16 devices; `inside`: cores of one'
    }

    def read(self, texts: Mapping[str, bytes], options: Mapping[str, str]) -> Inventory:
        """Return the machines that ``texts`` describe; raises InputError with every mistake of a file."""
        from aios_plugins.devicetree.machines import read_machines

        return read_machines(texts, options)
