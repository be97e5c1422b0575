"""Physics of single operators on one device: seconds from shapes and facts, before anything is learnt.

time = fixed + streams + (compute^p + memory^p)^(1/p)

compute: arithmetic, padded to whole tiles, over the share of the peak that such kernels reach · memory: least traffic
over the share of the bandwidth that they reach · streams: traffic of kernels before and after it that
only read and write · fixed: kernels that start one after the other. All arguments are
numbers or arrays that broadcast against each other; results have the broadcast shape.
"""

from aios.cost.kernels.attention import attention
from aios.cost.kernels.formats import FORMATS, Format, format_of, format_rows
from aios.cost.kernels.hardware import Hardware, hardware_of, hardware_rows
from aios.cost.kernels.matrix import elementwise, gemm
from aios.cost.kernels.moe import Loads, loads_of, moe
from aios.cost.kernels.work import Work

__all__ = [
    "FORMATS",
    "Format",
    "Hardware",
    "Loads",
    "Work",
    "attention",
    "elementwise",
    "format_of",
    "format_rows",
    "gemm",
    "hardware_of",
    "hardware_rows",
    "loads_of",
    "moe",
]
