"""Cambricon MLUs by ``cnmon``."""

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

__all__ = ["Cambricon", "parse_cnmon"]


_TOOLS = ("cnmon",)
_VENDOR_IDS = ("0xcabc",)
_HINT = "cnmon comes with Cambricon's driver"


class Cambricon:
    """Finds Cambricon MLUs."""

    name: ClassVar[str] = "cambricon"
    api_version: ClassVar[int] = 1

    def __init__(self, root: Path = Path("/")) -> None:
        """``root`` stands before /sys."""
        self._root = root

    def discover(self, measure: bool) -> Discovery:  # noqa: ARG002 - the tool answers without measurements
        """Return the MLUs; without cnmon, a sentence that says so."""
        answer = ask("cnmon")
        cards, problem = read(answer, parse_cnmon, "cnmon")
        if not cards:
            answer = answer._replace(problem=problem)
            return absent("Cambricon MLU", answer, _HINT, _VENDOR_IDS, self._root)
        return discovery(cards, "cnmon")

    def examine(self) -> list[Finding]:
        """Return what keeps the MLUs from being seen."""
        return examine(self, _TOOLS, _VENDOR_IDS, _HINT, self._root)


def parse_cnmon(text: str) -> Sequence[Card]:
    """Return the cards that ``cnmon`` prints. Raises Unreadable where it prints none."""
    version = re.search(r"(?:Driver|CNMON) v(\S+)", text)
    cards = []
    for upper, lower in card_rows(text, "Card "):
        match = re.fullmatch(r"\d+ +\S+ +(MLU\S+) +\S+", upper[0])
        memory = pair(lower[1])
        if match is None or memory is None:
            continue
        power = pair(lower[0])
        load = re.match(r"(\d{1,3}) ?%", upper[2])
        cards.append(
            Card(
                name=match[1],
                maker="Cambricon",
                kind="npu",
                memory_bytes=memory[1] * 2**20 or None,
                power_limit_w=power[1] if power else None,
                driver=version[1] if version else None,
                used=round(memory[0] / memory[1], 2) if memory[1] else 0.0,
                busy=int(load[1]) / 100 if load else None,
            )
        )
    if not cards:
        raise Unreadable("no card")
    return cards
