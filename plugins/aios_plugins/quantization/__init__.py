"""Transforms that change the precision that a network computes in: fp16, bf16, and 8 bits in several ways."""

from aios_plugins.quantization.bfloat16 import BFloat16
from aios_plugins.quantization.dynamic import Dynamic
from aios_plugins.quantization.half import Half
from aios_plugins.quantization.mixed import Mixed
from aios_plugins.quantization.static import Static
from aios_plugins.quantization.weight_only import WeightOnly

__all__ = ["BFloat16", "Dynamic", "Half", "Mixed", "Static", "WeightOnly"]
