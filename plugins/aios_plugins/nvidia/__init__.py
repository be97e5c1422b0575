"""The probe of NVIDIA GPUs and the meter of their energy, both through NVML, the library that comes with the driver."""

from __future__ import annotations

from aios_plugins.nvidia.meter import Meter
from aios_plugins.nvidia.probe import Probe

__all__ = ["Meter", "Probe"]
