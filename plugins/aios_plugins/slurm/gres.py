"""Generic resources as Slurm writes them: ``gpu:a100:8(S:0-1)``, ``gpu:a100:3(IDX:0-2)``, ``shard:16``.

Source: Slurm, gres.conf and slurm.conf manuals: name, type and number divided by colons, the last two optional.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from aios.records.errors import BadValue
from aios.records.fleet import DeviceKind

__all__ = ["KINDS", "MOST_DEVICES", "Gres", "gres_list", "indices", "of_tres"]

KINDS: dict[str, DeviceKind] = {
    "gpu": "gpu",
    "dcu": "gpu",
    "npu": "npu",
    "ascend": "npu",
    "mlu": "npu",
    "hpu": "npu",
    "gaudi": "npu",
    "gcu": "npu",
    "xpu": "npu",
    "tpu": "tpu",
    "fpga": "fpga",
    "ve": "other",
    "mic": "other",
}
"""Names that clusters give to generic resources that are accelerators."""
AMOUNTS = ("mps", "shard")
"""Resources by which jobs share the GPUs that another resource counts."""
MOST_DEVICES = 4096
_ITEM = re.compile(r"([^,()]+)((?:\([^)]*\))*)(?:,|$)")
_COUNT = re.compile(r"([0-9]{1,12})([KMGTP]?)", re.IGNORECASE)
_SUFFIX = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4, "P": 1024**5}


class Gres(NamedTuple):
    """Some of a generic resource.

    type: None where it has none · number: how many · used: indices that are taken, where they are told
    """

    name: str
    type: str | None
    number: int
    used: tuple[int, ...] = ()


def gres_list(text: str) -> list[Gres]:
    """Return what a list such as ``gpu:a100:8(S:0-1),shard:16`` holds; raises BadValue for what is none."""
    text = text.strip()
    if text.lower() in ("", "(null)", "n/a", "none"):
        return []
    found: list[Gres] = []
    at = 0
    while at < len(text):
        item = _ITEM.match(text, at)
        if item is None:
            raise BadValue(f"`{text[at : at + 40]}` is no generic resource", "write it as `gpu:a100:8`")
        found.append(_gres(item[1].strip(), item[2]))
        at = item.end()
    return found


def _gres(text: str, notes: str) -> Gres:
    parts = [part for part in text.split(":") if part.lower() != "no_consume"]
    number = 1
    if len(parts) > 1 and (counted := _COUNT.fullmatch(parts[-1])):
        number = int(counted[1]) * _SUFFIX[counted[2].upper()]
        parts = parts[:-1]
    if not parts[0] or len(parts) > 2:
        raise BadValue(f"`{text[:60]}` is no generic resource", "write name, type and number: `gpu:a100:8`")
    name = parts[0].lower()
    if name in KINDS and number > MOST_DEVICES:
        raise BadValue(f"`{text[:60]}`: {number} are more than any machine has")
    idle = re.search(r"\(IDX:([^)]*)\)", notes)
    return Gres(name, parts[1] if len(parts) == 2 else None, number, indices(idle[1]) if idle else ())


def indices(text: str) -> tuple[int, ...]:
    """Return the numbers of ``0-2,5``, as many as a machine may have; none for ``N/A`` or anything else."""
    found: list[int] = []
    for part in text.split(","):
        if len(found) > MOST_DEVICES:
            break
        match = re.fullmatch(r"\s*([0-9]{1,5})(?:-([0-9]{1,5}))?\s*", part)
        if match is None:
            return ()
        found += range(int(match[1]), min(int(match[2] or match[1]), MOST_DEVICES) + 1)
    return tuple(found)


def of_tres(text: str) -> Iterator[Gres]:
    """Yield the generic resources of a list such as ``cpu=8,mem=4G,gres/gpu=3,gres/gpu:a100=3``."""
    for item in text.split(","):
        match = re.fullmatch(r"\s*gres/([^:=]+)(?::([^=]+))?=([0-9]{1,9})\s*", item)
        if match:
            yield Gres(match[1].lower(), match[2], int(match[3]))
