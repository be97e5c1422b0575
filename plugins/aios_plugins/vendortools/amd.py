"""AMD GPUs by ``amd-smi``, else by ``rocm-smi``, which it replaces."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

from aios.records.fleet import Topology
from aios.spi.checkup import Finding
from aios.spi.matrix import Matrix, islands, pcie_tree
from aios.spi.probe import Discovery
from aios_plugins.vendortools.cards import Card, Unreadable, absent, discovery, in_order, mebibytes, read
from aios_plugins.vendortools.examining import examine
from aios_plugins.vendortools.running import ask

__all__ = ["Amd", "parse_amd_smi", "parse_rocm_smi", "parse_rocm_topology"]

_ROCM_QUESTIONS = ("--showproductname", "--showmeminfo", "vram", "--showuse", "--showmaxpower", "--showdriverversion")
_LINK = re.compile(r"\(Topology\) Link type between DRM devices (\d+) and (\d+)")
_SHARE_IN_USE = 0.02  # an idle card shows below 1 % of its memory taken


_TOOLS = ("amd-smi", "rocm-smi")
_VENDOR_IDS = ("0x1002",)
_HINT = "the tools come with ROCm"


class Amd:
    """Finds AMD GPUs."""

    name: ClassVar[str] = "amd"
    api_version: ClassVar[int] = 1

    def __init__(self, root: Path = Path("/")) -> None:
        """``root`` stands before /sys."""
        self._root = root

    def discover(self, measure: bool) -> Discovery:  # noqa: ARG002 - the tools answer without measurements
        """Return the GPUs; without a tool, a sentence that says so."""
        new = ask("amd-smi", "static", "--json")
        cards, problem = read(new, parse_amd_smi, "amd-smi static --json")
        old = ask("rocm-smi", *_ROCM_QUESTIONS, "--showtopo", "--json")
        if cards:
            return discovery(cards, "amd-smi", parse_rocm_topology(old.text, cards))
        cards, problem_of_old = read(old, parse_rocm_smi, "rocm-smi --json")
        if cards:
            return discovery(cards, "rocm-smi", parse_rocm_topology(old.text, cards))
        both = new.absent and old.absent
        told = "neither `amd-smi` nor `rocm-smi` is on PATH" if both else problem if old.absent else problem_of_old
        answer = old._replace(problem=told, absent=both)
        return absent("AMD GPU", answer, _HINT, _VENDOR_IDS, self._root)

    def examine(self) -> list[Finding]:
        """Return what keeps the GPUs from being seen."""
        return examine(self, _TOOLS, _VENDOR_IDS, _HINT, self._root)


def parse_amd_smi(text: str) -> Sequence[Card]:
    """Return the GPUs that ``amd-smi static --json`` prints, old (a list) and new. Raises Unreadable."""
    told = json.loads(text)
    cards = []
    for item in told["gpu_data"] if isinstance(told, Mapping) else told:
        name = item["asic"].get("market_name", "N/A")
        if name == "N/A":
            name = item.get("board", {}).get("product_name", "N/A")
        limit = item.get("limit") or {}
        cards.append(
            Card(
                name=re.sub(r"^AMD ", "", str(name)),
                maker="AMD",
                kind="gpu",
                memory_bytes=_size(item.get("vram", {}).get("size")),
                power_limit_w=_watts(limit.get("max_power")),
                driver=str(item.get("driver", {}).get("version", "")).partition("(")[0] or None,
                place=str(item.get("numa", {}).get("node", "")) or None,
            )
        )
    if not cards:
        raise Unreadable("no GPU")
    return cards


def parse_rocm_smi(text: str) -> Sequence[Card]:
    """Return the GPUs that ``rocm-smi ... --json`` prints. Raises Unreadable."""
    told = json.loads(text)
    driver = told.get("system", {}).get("Driver version")
    cards = []
    for key in sorted((key for key in told if re.fullmatch(r"card\d{1,3}", key)), key=lambda key: int(key[4:])):
        item = told[key]
        total, used = (_number(item.get(f"VRAM Total {part}(B)")) for part in ("Memory ", "Used Memory "))
        share = round(used / total, 2) if total and used else 0.0
        cards.append(
            Card(
                name=_series(item),
                maker="AMD",
                kind="gpu",
                memory_bytes=total,
                power_limit_w=_number(item.get("Max Graphics Package Power (W)")),
                driver=driver,
                used=share if share > _SHARE_IN_USE else 0.0,
                busy=(_number(item.get("GPU use (%)")) or 0.0) / 100,
                place=item.get("(Topology) Numa Node"),
            )
        )
    if not cards:
        raise Unreadable("no GPU")
    return cards


def parse_rocm_topology(text: str, cards: Sequence[Card]) -> tuple[Topology, ...]:
    """Return how ``rocm-smi --showtopo --json`` says that ``cards`` are joined; nothing where it does not."""
    try:
        system = json.loads(text)["system"]
        links = {(match[1], match[2]): str(kind) for key, kind in system.items() if (match := _LINK.fullmatch(key))}
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()
    names = [str(position) for position in range(len(cards))]
    if len(cards) < 2 or any(pair not in links for pair in combinations(names, 2)):
        return ()
    cells: dict[str, dict[str, str]] = {name: {} for name in names}
    for (a, b), kind in links.items():
        if kind == "XGMI" and a in cells:
            cells[a][b] = kind
    places = {name: card.place for name, card in zip(names, cards, strict=True) if card.place is not None}
    matrix = Matrix(devices=tuple(names), cells=cells, places=places)
    matrix = matrix.renamed({names[position]: str(number) for number, position in enumerate(in_order(cards))})
    return (*islands(matrix), *pcie_tree(matrix))


def _series(item: Mapping[str, Any]) -> str:
    """Return what a card is called: ``Arcturus GL-XL [Instinct MI100]`` is an ``Instinct MI100``."""
    written = str(item.get("Card series") or item.get("Card Series") or item["Card model"])
    inside = re.search(r"\[([^\[\]]+)\]", written)
    return re.sub(r"^AMD ", "", inside[1] if inside else written)


def _number(text: object) -> float | None:
    return float(str(text)) or None if re.fullmatch(r"\d{1,15}(?:\.\d+)?", str(text)) else None


def _size(quantity: object) -> float | None:
    """Return a size in bytes; ``MB`` of amd-smi are MiB."""
    return mebibytes(quantity.get("value")) if isinstance(quantity, Mapping) else mebibytes(quantity)


def _watts(quantity: object) -> float | None:
    written = quantity.get("value") if isinstance(quantity, Mapping) else str(quantity).removesuffix(" W")
    return _number(written)
