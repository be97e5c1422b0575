"""Peak arithmetic rates that follow from the instruction set: operations per cycle and core, by precision.

A multiply-add counts as two operations. Sources: Intel 64 and IA-32 Architectures Optimization Reference Manual
(execution ports per microarchitecture; AMX: TDPBUSD is 16 x 16 x 64 multiply-adds in 16 cycles, 2048 int8 or 1024 bf16
operations a cycle), AMD Software Optimization Guides for families 17h, 19h and 1Ah (FP pipes and data path width;
Zen 4 passes 512 bits through 256-bit units, Zen 5 does not), Arm Neoverse and Cortex Software Optimization Guides
(FMLA, SDOT and SMMLA throughput). Where the unit count of a part is not known, the smaller number is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from aios_plugins.cpu.cpuinfo import CpuInfo

__all__ = ["operations_per_cycle"]

# Xeon server cores (Skylake-SP to Granite Rapids, by CPUID model) have two 512-bit FMA units; client cores have one.
_TWO_512_BIT_FMA = {"85", "106", "108", "143", "207", "173", "174"}
# Of Skylake-SP and Cascade Lake (model 85), these have one unit (but for a few such as the Gold 5122).
_ONE_512_BIT_FMA = re.compile(r"Bronze|Silver|Gold 5|Xeon\(R\) D-")
# Efficiency cores (Gracemont: Alder Lake-N) split 256-bit operations over 128-bit units.
_NARROW_256_BIT = {"190"}
# Zen and Zen+ (family 17h below model 30h) have 128-bit FP units.
_ZEN_1_FAMILY, _ZEN_2_FIRST_MODEL = 23, 0x30
# Zen 5 (family 1Ah): the full 512-bit data path in servers (models 00h-1Fh) and desktops (40h-4Fh), not in laptops.
_ZEN_5_FAMILY = 26

# Arm cores with two 128-bit FMA pipes do 16 fp32 operations a cycle, with four 32; smaller ones and those up to the
# Cortex-A75, whose two pipes the Cortex-A76 doubled in width, 8.
_ARM_WIDE = {"0xd40", "0xd4f", "0xd84", "0xd83", "0xd44"}
_ARM_MIDDLE = {"0xd0b", "0xd0c", "0xd0d", "0xd41", "0xd42", "0xd49", "0xd8e"}

_AMX_INT8, _AMX_BF16 = 2048, 1024


def operations_per_cycle(info: CpuInfo) -> dict[str, float]:
    """Return precision -> operations per cycle and core. Precisions that the core has no instructions for are absent.

    int8 without dot-product instructions takes three instructions where fp32 takes two half as wide (multiply-add
    pairs, widen, add on x86): 4/3 of the fp32 rate; on Arm it is taken to be no faster than fp32.
    """
    features = frozenset(info.features)
    fp32 = _arm(info) if info.vendor == "Arm" or "neon" in features else _x86(info)
    if fp32 is None:
        return {}
    rates = {"fp32": fp32, "int8": fp32 * _int8_factor(features)}
    if features & {"avx512_bf16", "bf16"}:
        rates["bf16"] = 2 * fp32
    if features & {"avx512_fp16"} or ("neon" in features and "fp16" in features):
        rates["fp16"] = 2 * fp32
    for feature, precision, rate in (
        ("amx_int8", "int8", _AMX_INT8),
        ("amx_bf16", "bf16", _AMX_BF16),
        ("amx_fp16", "fp16", _AMX_BF16),
    ):
        if feature in features:
            rates[precision] = float(rate)
    return rates


def _int8_factor(features: frozenset[str]) -> float:
    if "i8mm" in features:
        return 8.0
    if features & {"dotprod", "avx512_vnni", "avx_vnni"}:
        return 4.0
    return 1.0 if "neon" in features else 4 / 3


def _x86(info: CpuInfo) -> float | None:
    features = frozenset(info.features)
    if "avx512f" in features:
        return 64.0 if _has_two_512_bit_units(info) else 32.0
    if {"avx2", "fma"} <= features:
        return 16.0 if _has_narrow_units(info) else 32.0
    if "avx" in features:
        return 16.0  # one 256-bit multiply and one 256-bit add
    return 8.0 if "sse4_1" in features else None


def _has_two_512_bit_units(info: CpuInfo) -> bool:
    name = info.name or ""
    if info.vendor == "Intel":
        halved = info.model == "85" and _ONE_512_BIT_FMA.search(name) is not None
        return info.family == 6 and info.model in _TWO_512_BIT_FMA and not halved
    model = _int(info.model)
    return info.family == _ZEN_5_FAMILY and model is not None and (model < 0x20 or 0x40 <= model <= 0x4F)


def _has_narrow_units(info: CpuInfo) -> bool:
    model = _int(info.model)
    zen1 = info.family == _ZEN_1_FAMILY and model is not None and model < _ZEN_2_FIRST_MODEL
    return zen1 or (info.vendor == "Intel" and info.model in _NARROW_256_BIT)


def _int(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _arm(info: CpuInfo) -> float | None:
    if "neon" not in info.features:
        return None
    part: Mapping[bool, float] = {info.model in _ARM_WIDE: 32.0, info.model in _ARM_MIDDLE: 16.0}
    return part.get(True, 8.0)
