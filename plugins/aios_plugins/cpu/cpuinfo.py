"""Reads /proc/cpuinfo, whatever the processor, and names what it says in one vocabulary."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from aios.records.base import Record

__all__ = ["CpuInfo", "parse_cpuinfo", "slug"]

# /proc/cpuinfo flag -> the name used in `DeviceType.features`. Flags that mean nothing for inference are left out.
_X86 = {
    name: name
    for name in (
        *("sse4_1", "sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx_vnni_int8", "amx_tile", "amx_int8"),
        *("amx_bf16", "amx_fp16", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni", "avx512_bf16"),
        "avx512_fp16",
    )
}
_ARM = {
    "neon": "neon",
    "asimd": "neon",
    "asimddp": "dotprod",
    "asimdhp": "fp16",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
    "sve2": "sve2",
    "sme": "sme",
    "sme2": "sme2",
}

# "CPU implementer" and "CPU part" of Arm processors: the table that util-linux prints names from
# (sys-utils/lscpu-arm.c).
_ARM_VENDORS = {
    "0x41": "Arm",
    "0x61": "Apple",
    "0x51": "Qualcomm",
    "0xc0": "Ampere",
    "0x48": "HiSilicon",
    "0x4e": "NVIDIA",
}
_ARM_PARTS = {
    "0xd03": "Cortex-A53",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd0d": "Cortex-A77",
    "0xd40": "Neoverse-V1",
    "0xd41": "Cortex-A78",
    "0xd42": "Cortex-A78AE",
    "0xd44": "Cortex-X1",
    "0xd49": "Neoverse-N2",
    "0xd4f": "Neoverse-V2",
    "0xd83": "Neoverse-V3AE",
    "0xd84": "Neoverse-V3",
    "0xd8e": "Neoverse-N3",
}
_X86_VENDORS = {"AuthenticAMD": "AMD", "GenuineIntel": "Intel", "HygonGenuine": "Hygon", "CentaurHauls": "Zhaoxin"}


class CpuInfo(Record):
    """What /proc/cpuinfo says.

    vendor: ``AMD``, ``Intel``, ``Arm``... · family, model, stepping: x86 numbers in decimal; of Arm processors,
    ``model`` is the part number (``0xd0c``) · name: model name as printed, or the core's name · board: the line
    ``Model`` of boards such as the Raspberry Pi · features: of all processors, sorted, in our names · cores: logical
    processor -> physical core (``socket.core``), where told · nominal_hz: from a name such as ``@ 2.70GHz`` ·
    current_hz: mean of the lines ``cpu MHz`` · hypervisor: the processor says that it is virtual
    """

    vendor: str | None = None
    family: int | None = None
    model: str | None = None
    stepping: str | None = None
    name: str | None = None
    board: str | None = None
    features: tuple[str, ...] = ()
    cores: Mapping[int, str] = {}
    nominal_hz: float | None = None
    current_hz: float | None = None
    hypervisor: bool = False


def parse_cpuinfo(text: str) -> CpuInfo:
    """Return what ``text`` (of /proc/cpuinfo) says; what it does not say stays absent. Never raises."""
    blocks = [_fields(block) for block in re.split(r"\n\s*\n", text)]
    processors = [block for block in blocks if _number(block.get("processor")) is not None]
    everything = {key: value for block in reversed(blocks) for key, value in block.items()}
    flags = [frozenset((block.get("flags") or block.get("Features") or "").split()) for block in processors]
    common = frozenset.intersection(*flags) if flags else frozenset()
    arm = "CPU part" in everything
    name = _arm_name(processors) if arm else _x86_name(everything)
    return CpuInfo(
        vendor=_vendor(everything, arm),
        family=None if arm else _number(everything.get("cpu family")),
        model=_most_common(block.get("CPU part") for block in processors) if arm else everything.get("model") or None,
        stepping=everything.get("CPU revision" if arm else "stepping") or None,
        name=name,
        board=everything.get("Model") or None,
        features=tuple(sorted({known for flag, known in (_ARM if arm else _X86).items() if flag in common})),
        cores=_cores(processors),
        nominal_hz=_nominal(name),
        current_hz=_current(processors),
        hypervisor="hypervisor" in common,
    )


def slug(text: str) -> str:
    """Return ``text`` as part of a device type name: lower case, digits, hyphens; trademarks and noise left out."""
    plain = re.sub(r"\((?:r|tm)\)|\bcpu\b|\bprocessor\b|\b\d+-core\b|@.*$", " ", text.lower())
    plain = plain.replace("+", "plus")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _fields(block: str) -> dict[str, str]:
    pairs = (line.split(":", 1) for line in block.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else None


def _vendor(fields: Mapping[str, str], arm: bool) -> str | None:
    if arm:
        written = fields.get("CPU implementer")
        return _ARM_VENDORS.get(written, written) if written else None
    written = fields.get("vendor_id")
    return _X86_VENDORS.get(written, written) if written else None


def _x86_name(fields: Mapping[str, str]) -> str | None:
    return re.sub(r"\s+", " ", fields.get("model name", "")).strip() or None


def _arm_name(processors: Iterable[Mapping[str, str]]) -> str | None:
    """Return the name of the core that most processors have; big.LITTLE parts say both, as ``A76 + A55``."""
    parts = Counter(block["CPU part"] for block in processors if block.get("CPU part"))
    names = [_ARM_PARTS.get(part, f"part {part}") for part, _ in parts.most_common()]
    return " + ".join(names) or None


def _most_common(values: Iterable[str | None]) -> str | None:
    known = Counter(value for value in values if value)
    return known.most_common(1)[0][0] if known else None


def _cores(processors: Iterable[Mapping[str, str]]) -> dict[int, str]:
    return {
        int(block["processor"]): f"{block.get('physical id', '0')}.{block['core id']}"
        for block in processors
        if block.get("core id")
    }


def _nominal(name: str | None) -> float | None:
    match = re.search(r"@\s*(\d{1,2}\.\d{1,3})\s*GHz", name or "", re.IGNORECASE)
    return round(float(match[1]) * 1e9) if match else None


def _current(processors: Iterable[Mapping[str, str]]) -> float | None:
    lines = [block.get("cpu MHz", "") for block in processors]
    shown = [float(line) for line in lines if re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", line)]
    known = [value for value in shown if value > 0]
    return sum(known) / len(known) * 1e6 if known else None
