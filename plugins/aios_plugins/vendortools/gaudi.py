"""Intel Gaudi accelerators by ``hl-smi``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from aios.spi.checkup import Finding
from aios.spi.probe import Discovery
from aios_plugins.vendortools.cards import Card, Unreadable, absent, discovery, read
from aios_plugins.vendortools.examining import examine
from aios_plugins.vendortools.running import ask
from aios_plugins.vendortools.tables import card_rows, pair

__all__ = ["Gaudi", "parse_hl_smi"]

_SHARE_IN_USE = 0.02  # an idle card shows 768 of 98304 MiB or 512 of 32768 MiB taken


_TOOLS = ("hl-smi",)
_VENDOR_IDS = ("0x1da3",)
_HINT = "hl-smi comes with the package habanalabs-firmware-tools"


class Gaudi:
    """Finds Gaudi accelerators."""

    name: ClassVar[str] = "gaudi"
    api_version: ClassVar[int] = 1

    def __init__(self, root: Path = Path("/")) -> None:
        """``root`` stands before /sys."""
        self._root = root

    def discover(self, measure: bool) -> Discovery:  # noqa: ARG002 - the tool answers without measurements
        """Return the accelerators; without hl-smi, a sentence that says so."""
        answer = ask("hl-smi")
        cards, problem = read(answer, parse_hl_smi, "hl-smi")
        if not cards:
            answer = answer._replace(problem=problem)
            return absent("Gaudi accelerator", answer, _HINT, _VENDOR_IDS, self._root)
        return discovery(cards, "hl-smi")

    def examine(self) -> list[Finding]:
        """Return what keeps the accelerators from being seen."""
        return examine(self, _TOOLS, _VENDOR_IDS, _HINT, self._root)


def parse_hl_smi(text: str) -> Sequence[Card]:
    """Return the cards that ``hl-smi`` prints. Raises Unreadable where it prints none."""
    version = re.search(r"Driver Version: *(\S+)", text)
    cards = []
    for upper, lower in card_rows(text, "AIP "):
        match = re.match(r"\d+ +(HL-\S+)", upper[0])
        memory = pair(lower[1])
        if match is None or memory is None:
            continue
        power = pair(lower[0])
        share = round(memory[0] / memory[1], 2) if memory[1] else 0.0
        load = re.match(r"(\d{1,3})%", lower[2])
        cards.append(
            Card(
                name=match[1],
                maker="Intel",
                kind="npu",
                memory_bytes=memory[1] * 2**20 or None,
                power_limit_w=power[1] if power else None,
                driver=version[1] if version else None,
                used=share if share > _SHARE_IN_USE else 0.0,
                busy=int(load[1]) / 100 if load else None,
            )
        )
    if not cards:
        raise Unreadable("no card")
    return cards
