"""Probes of accelerators by what their makers' tools print: AMD, Huawei Ascend, Cambricon, Intel Gaudi, Intel GPUs."""

from __future__ import annotations

from aios_plugins.vendortools.amd import Amd
from aios_plugins.vendortools.ascend import Ascend
from aios_plugins.vendortools.cambricon import Cambricon
from aios_plugins.vendortools.gaudi import Gaudi
from aios_plugins.vendortools.intel import Intel

__all__ = ["Amd", "Ascend", "Cambricon", "Gaudi", "Intel"]
