"""What HAMi and Volcano write about each device into a node's annotations: model, memory, places, health.

Sources: Project-HAMi, protocol of device registration; volcano-vgpu-device-plugin.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

__all__ = ["Registered", "registered"]

_KEY = re.compile(r"(?:hami\.io|4pd\.io)/node-(?:(\w+)-register|register-(\w[\w-]*))|volcano\.sh/node-(vgpu)-register")
_DOMAINS = {
    "nvidia": "nvidia.com",
    "mlu": "cambricon.com",
    "dcu": "hygon.com",
    "iluvatar": "iluvatar.ai",
    "metax": "metax-tech.com",
    "mthreads": "mthreads.com",
    "enflame": "enflame.com",
    "vgpu": "volcano.sh",
}
_MAKER = re.compile(r"(?:NVIDIA|MLU|DCU|Ascend|Iluvatar|Metax|MTT)-(?=.)")
_MOST = 256  # devices of one node


class Registered(NamedTuple):
    """One device. domain: of the resources that count it · places: into how many it is shared out."""

    domain: str
    model: str
    memory_bytes: float | None
    places: int


def registered(annotations: Mapping[str, Any]) -> list[Registered]:
    """Return the healthy devices that annotations list, in order; what cannot be understood is not there."""
    found: list[Registered] = []
    for key, text in annotations.items():
        match = _KEY.fullmatch(key)
        if match is None or not isinstance(text, str) or len(text) > 100_000:
            continue
        name = match[1] or match[2] or match[3]
        domain = "huawei.com" if name.startswith("Ascend") else _DOMAINS.get(name)
        if domain is not None:
            found += list(_devices(text, domain))[:_MOST]
    return found


def _devices(text: str, domain: str) -> Iterator[Registered]:
    if text.lstrip().startswith("["):
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError):
            return
        for item in listed if isinstance(listed, list) else ():
            if isinstance(item, dict) and item.get("health", True) is True:
                yield from _device(domain, item.get("type"), item.get("devmem"), item.get("count"))
        return
    for record in text.split(":"):
        # id, places, memory in MiB, computing in percent (not Volcano's), model, NUMA node, healthy, ...
        fields = [field.strip() for field in record.split(",")]
        at = next((index for index in range(3, len(fields)) if not fields[index].isdigit()), None)
        if at is not None and "false" not in fields[at + 1 :]:
            yield from _device(domain, fields[at], fields[2], fields[1])


def _device(domain: str, model: Any, memory: Any, places: Any) -> Iterator[Registered]:
    if isinstance(model, str) and model and _whole(places):
        mebibytes = int(memory) if _whole(memory) else 0
        name = " ".join(_MAKER.sub("", model, count=1).split())
        yield Registered(domain, name, mebibytes * 2**20 or None, max(1, int(places)))


def _whole(value: Any) -> bool:
    return not isinstance(value, bool) and re.fullmatch(r"[0-9]{1,9}", str(value)) is not None
