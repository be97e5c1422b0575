"""Huawei Ascend NPUs by ``npu-smi``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from aios.records.fleet import Topology
from aios.spi.checkup import Finding
from aios.spi.matrix import islands, pcie_tree, read_matrix
from aios.spi.probe import Discovery
from aios_plugins.vendortools.cards import Card, Unreadable, absent, discovery, in_order, read
from aios_plugins.vendortools.examining import examine
from aios_plugins.vendortools.running import ask
from aios_plugins.vendortools.tables import card_rows, pair

__all__ = ["Ascend", "parse_info", "parse_topology"]

_SHARE_IN_USE = 0.1  # an idle 910B shows 5 % of its memory taken, an idle 310P 9 %


_TOOLS = ("npu-smi",)
_VENDOR_IDS = ("0x19e5",)
_HINT = "npu-smi comes with Huawei's driver"


class Ascend:
    """Finds Ascend NPUs; every chip counts, also two on one card."""

    name: ClassVar[str] = "ascend"
    api_version: ClassVar[int] = 1

    def __init__(self, root: Path = Path("/")) -> None:
        """``root`` stands before /sys."""
        self._root = root

    def discover(self, measure: bool) -> Discovery:  # noqa: ARG002 - the tool answers without measurements
        """Return the NPUs; without npu-smi, a sentence that says so."""
        answer = ask("npu-smi", "info")
        cards, problem = read(answer, parse_info, "npu-smi info")
        if not cards:
            answer = answer._replace(problem=problem)
            return absent("Ascend NPU", answer, _HINT, _VENDOR_IDS, self._root)
        return discovery(cards, "npu-smi", parse_topology(ask("npu-smi", "info", "-t", "topo").text, cards))

    def examine(self) -> list[Finding]:
        """Return what keeps the NPUs from being seen."""
        return examine(self, _TOOLS, _VENDOR_IDS, _HINT, self._root)


def parse_info(text: str) -> Sequence[Card]:
    """Return the chips that ``npu-smi info`` prints. Raises Unreadable where it prints none."""
    version = re.search(r"Version: *(\S+)", text)
    cards = []
    for upper, lower in card_rows(text, "NPU "):
        match = re.fullmatch(r"(\d+) +(\S+)", upper[0])
        memory = pair(lower[2])
        if match is None or memory is None:
            continue
        share = round(memory[0] / memory[1], 2) if memory[1] else 0.0
        load = re.match(r"\d{1,3}", lower[2])
        cards.append(
            Card(
                name=match[2] if match[2].startswith("Ascend") else f"Ascend {match[2]}",
                maker="Huawei",
                kind="npu",
                memory_bytes=memory[1] * 2**20 or None,
                driver=version[1] if version else None,
                used=share if share > _SHARE_IN_USE else 0.0,
                busy=int(load[0]) / 100 if load else None,
            )
        )
    if not cards:
        raise Unreadable("no chip")
    return _with_one_memory_size(cards)


def _with_one_memory_size(cards: Sequence[Card]) -> list[Card]:
    """Return chips whose sizes differ by little with the smallest: the first chip of a card keeps some for itself."""
    sizes = [card.memory_bytes for card in cards if card.memory_bytes]
    least = min(sizes, default=None)
    if least is None or max(sizes) > 1.05 * least:
        return list(cards)
    return [card.model_copy(update={"memory_bytes": least}) for card in cards]


def parse_topology(text: str, cards: Sequence[Card]) -> tuple[Topology, ...]:
    """Return what ``npu-smi info -t topo`` says of ``cards``; nothing where it says nothing or other cards."""
    matrix = read_matrix(text, "NPU")
    if matrix is None or len(matrix.devices) != len(cards):
        return ()
    ids = {matrix.devices[position]: str(number) for number, position in enumerate(in_order(cards))}
    matrix = matrix.renamed(ids)
    return (*islands(matrix), *pcie_tree(matrix))
