"""What the cores of a processor do per cycle, by the name of their kind."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Core", "core_named", "cores_stated", "kind_named", "spelt"]


class Core(NamedTuple):
    """Operations per cycle of one core, multiply and add counted as two. clock: cycles/s of an ordinary one"""

    fp32: float
    fp16: float
    int8: float
    clock: float

    def at(self, precision: str) -> float:
        """Return the operations per cycle at a precision; those without an own unit run as the next wider one."""
        narrow = {"int8": self.int8, "int4": self.int8, "fp8": self.fp16, "fp4": self.fp16, "fp64": self.fp32 / 2}
        return narrow.get(precision, self.fp16 if precision in ("fp16", "bf16") else self.fp32)

    @property
    def multiplies_bytes(self) -> bool:
        """Whether an instruction adds up products of four bytes at once; without a vector unit nothing is told."""
        return self.fp32 >= 2 and self.int8 >= 4 * self.fp32


def _plain(per_cycle: float, clock: float) -> Core:
    """Vector units of 32-bit floats alone: halves are widened, bytes take two or three instructions for 4 times as
    many products."""
    return Core(per_cycle, per_cycle, 1.5 * per_cycle, clock)


def _dot(per_cycle: float, clock: float) -> Core:
    """With arithmetic on halves and dot products of bytes (Armv8.2 ``asimdhp`` and ``asimddp``)."""
    return Core(per_cycle, 2 * per_cycle, 4 * per_cycle, clock)


_KINDS: tuple[tuple[str, Core], ...] = (
    (r"m(?:0|0plus|0\+|1)", Core(0.05, 0.05, 0.5, 6.4e7)),
    (r"m(?:3|23)", Core(0.1, 0.1, 1, 1e8)),
    (r"m(?:4|33)f?", Core(0.7, 0.7, 2, 1.2e8)),
    (r"m7", Core(2, 2, 4, 2.5e8)),
    (r"m(?:52|55|85)", Core(8, 16, 16, 4e8)),
    (r"a[578]", _plain(2, 1.2e9)),
    (r"a(?:9|15|17|32|35)", _plain(4, 1.5e9)),
    (r"a(?:53|57|72|73)", _plain(8, 1.8e9)),
    (r"a(?:55|65|75|510|520)(?:ae|c)?", _dot(8, 1.9e9)),
    (r"a(?:76|77|78|710|715|720|725)(?:ae|c)?", _dot(16, 2.4e9)),
    (r"x(?:1c?|2|3|4|925)", _dot(32, 2.9e9)),
    (r"neoverse.?[en][123]", _dot(16, 2.4e9)),
    (r"carmel", Core(16, 32, 24, 2.2e9)),
    (r"neoverse.?v[123]", _dot(32, 2.8e9)),
    (r"oryon", _dot(32, 3.4e9)),
    (r"apple.?a(?:7|8|9|10)", _plain(16, 1.8e9)),
    (r"apple.?(?:m[1-9]|a1[1-9])", _dot(32, 3.2e9)),
    (r"k[ry]{2}o.?(?:2\d\d)?", _plain(8, 2.3e9)),
    (r"k[ry]{2}o.?3\d\d", _dot(8, 2.5e9)),
    (r"k[ry]{2}o.?[4-9]\d\d", _dot(16, 2.5e9)),
    (r"c906", _plain(4, 1e9)),
    (r"zen.?[1+]?", _plain(16, 3.5e9)),
    (r"zen.?[23]", _plain(32, 3.8e9)),
    (r"zen.?4", Core(32, 32, 128, 4.5e9)),
    (r"zen.?5", Core(64, 64, 256, 4.5e9)),
)
"""Pattern of a name, in small letters -> that kind of core.

fp32 per cycle: WikiChip, "FLOPS" (Cortex-A57 8; A76 to A78, Neoverse N1 and N2 16, V1 32; Zen 16, Zen 2 and 3 32) and
Arm's software optimization guides; one 128-bit multiply-add unit makes 8. Microcontrollers: M4 and M33 make two 16-bit
products per cycle (SMLAD) and a 32-bit float in three, M7 issues two instructions, M55 and M85 make 8 products of bytes
(Helium). clock: what boards with such cores run at."""


def core_named(kind: str, device: str) -> Core | None:
    """Return what is known of a core. kind: its name, where that is stated · device: the name of a device, in which
    only whole names count (``Cortex-A72``, ``Apple M1``); of several kinds the first is meant."""
    apple = re.search(r"(?i)\bapple.?[am]\d+", device)
    if apple:
        return _named(apple[0])
    if kind:
        return _named(kind)
    found = re.search(
        r"(?i)\b(?:cortex\W{0,2}[amx]\d+\w*|neoverse.?[env]\d|carmel|oryon|k[ry]{2}o.?\d*|zen.?\d)", device
    )
    return _named(found[0]) if found else None


@lru_cache(4096)
def _named(name: str) -> Core | None:
    return next((core for pattern, core in _KINDS if re.fullmatch(pattern, spelt(name))), None)


def spelt(name: str) -> str:
    """Return the name of a kind of core as everybody may write it: ``Cortex-A76`` and ``A76`` are one."""
    return re.sub(r"cortex|[^a-z0-9+.]", "", name.casefold())


@lru_cache(4096)
def cores_stated(text: str) -> float | None:
    """Return how many cores a name such as ``Arm Cortex-A73 MP4`` states."""
    found = re.search(r"(?i)\bMP(\d+)\b", text)
    return float(found[1]) if found else None


_GRAPHICS = re.compile(r"(?i)\b(?:adreno|mali|immortalis|powervr|videocore)")
_CARDS = re.compile(r"(?i)\b(?:geforce|rtx|gtx|radeon|quadro|arc|uhd|iris|[id]?gpu)\b")


@lru_cache(4096)
def kind_named(core: str, device: str) -> str:
    """Return what kind of device a name tells of: ``cpu``, ``gpu``, ``mobile gpu``; empty where it does not."""
    if core_named(core, device if not core else ""):
        return "cpu"
    name = core or device
    return "mobile gpu" if _GRAPHICS.search(name) else "gpu" if _CARDS.search(name) else ""
