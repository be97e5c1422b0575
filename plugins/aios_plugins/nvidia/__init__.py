"""NVIDIA GPUs: the probe and the meter of their energy, both through NVML, the library that comes with the driver, and
the importer of what nvidia-smi prints."""

from __future__ import annotations

from aios_plugins.nvidia.importer import Importer
from aios_plugins.nvidia.meter import Meter
from aios_plugins.nvidia.probe import Probe

__all__ = ["Importer", "Meter", "Probe"]
