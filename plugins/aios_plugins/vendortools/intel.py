"""Intel GPUs (Data Center GPU Max and Flex, Arc) by ``xpu-smi``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from aios.spi.checkup import Finding
from aios.spi.probe import Discovery
from aios_plugins.vendortools.cards import Card, Unreadable, absent, discovery, read
from aios_plugins.vendortools.examining import examine
from aios_plugins.vendortools.running import ask

__all__ = ["Intel", "parse_device", "parse_discovery"]

_MOST_ASKED = 16  # cards that are asked for their details one by one


_TOOLS = ("xpu-smi",)
_VENDOR_IDS: tuple[str, ...] = ()
_HINT = ""


class Intel:
    """Finds Intel GPUs."""

    name: ClassVar[str] = "xpu"
    api_version: ClassVar[int] = 1

    def __init__(self, root: Path = Path("/")) -> None:
        """``root`` stands before /sys."""
        self._root = root

    def discover(self, measure: bool) -> Discovery:  # noqa: ARG002 - the tool answers without measurements
        """Return the GPUs; without xpu-smi, a sentence that says so."""
        answer = ask("xpu-smi", "discovery", "-j")
        cards, problem = read(answer, parse_discovery, "xpu-smi discovery -j")
        if not cards:
            # Every Intel processor's display controller is a PCI device of Intel: the bus says nothing here.
            return absent("Intel GPU", answer._replace(problem=problem), _HINT, _VENDOR_IDS, self._root)
        detailed = []
        for number, card in enumerate(cards):
            told = ask("xpu-smi", "discovery", "-d", str(number), "-j") if number < _MOST_ASKED else None
            detailed.append(parse_device(told.text, card) if told else card)
        return discovery(detailed, "xpu-smi")

    def examine(self) -> list[Finding]:
        """Return what keeps the GPUs from being seen."""
        return examine(self, _TOOLS, _VENDOR_IDS, _HINT, self._root)


def parse_discovery(text: str) -> Sequence[Card]:
    """Return the GPUs that ``xpu-smi discovery -j`` lists, virtual functions left out. Raises Unreadable."""
    listed = json.loads(text)["device_list"]
    cards = [
        Card(name=_name(item), maker="Intel", kind="gpu", memory_bytes=_bytes(item), driver=item.get("driver_version"))
        for item in listed
        if item.get("device_type", "GPU") == "GPU" and item.get("device_function_type", "physical") == "physical"
    ]
    if not cards:
        raise Unreadable("no GPU")
    return cards


def parse_device(text: str, card: Card) -> Card:
    """Return ``card`` with what ``xpu-smi discovery -d NUMBER -j`` adds; unchanged where that cannot be read."""
    try:
        item = json.loads(text)
        return card.model_copy(
            update={
                "memory_bytes": _bytes(item) or card.memory_bytes,
                "driver": item.get("driver_version") or card.driver,
            }
        )
    except (ValueError, TypeError, AttributeError):
        return card


def _name(item: Mapping[str, Any]) -> str:
    return re.sub(r"\((?:R|TM)\)|^Intel\b", "", str(item["device_name"])).replace("Intel ", "").strip()


def _bytes(item: Mapping[str, Any]) -> float | None:
    written = str(item.get("memory_physical_size_byte", ""))
    return float(written) if re.fullmatch(r"[1-9]\d{0,15}", written) else None
