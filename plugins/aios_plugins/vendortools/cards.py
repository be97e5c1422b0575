"""Cards as tools describe them -> what a probe returns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aios.records.base import Record
from aios.records.fleet import DeviceKind, DeviceType, Fact, Topology
from aios.spi.matrix import in_words
from aios.spi.probe import Discovery, Found
from aios_plugins.vendortools.running import Answer

__all__ = ["Card", "Unreadable", "absent", "discovery", "in_order", "mebibytes", "plugged_in", "read"]


class Unreadable(ValueError):
    """A tool printed something that cannot be what it prints."""


class Card(Record):
    """One accelerator, as its tool calls it.

    name: ``910B3`` · maker: put before the name · memory_bytes: of the card · power_limit_w: the largest that may be
    set, else the limit that holds · driver: version · used: share of the memory that is taken now, 0 to 1 · busy: share
    of the time in this moment, which takes nothing from anybody · place: NUMA node
    """

    name: str
    maker: str
    kind: DeviceKind
    memory_bytes: float | None = None
    power_limit_w: float | None = None
    driver: str | None = None
    used: float | None = None
    busy: float | None = None
    place: str | None = None


def read(answer: Answer, parse: Callable[[str], Sequence[Card]], tool: str) -> tuple[Sequence[Card], str | None]:
    """Return the cards in what a tool printed, or a sentence on why there are none."""
    if answer.problem is not None:
        return (), answer.problem
    try:
        return parse(answer.text), None
    except (ValueError, KeyError, TypeError, AttributeError):  # nonsense, or JSON of another shape
        return (), f"`{tool}` printed nothing that can be read"


def in_order(cards: Sequence[Card]) -> list[int]:
    """Return the positions of ``cards`` in the order of the ids that they get: equal cards stand together."""
    kinds = list(dict.fromkeys(_kind_of(card) for card in cards))
    return sorted(range(len(cards)), key=lambda position: kinds.index(_kind_of(cards[position])))


def discovery(cards: Sequence[Card], tool: str, topology: Sequence[Topology] = ()) -> Discovery:
    """Return the cards that ``tool`` showed, equal ones as one type."""
    groups: dict[Card, list[Card]] = {}
    for position in in_order(cards):
        groups.setdefault(_kind_of(cards[position]), []).append(cards[position])
    return Discovery(
        devices=tuple(_found(kind, members, tool) for kind, members in groups.items()),
        topology=tuple(topology),
        seen=(
            *(_seen(kind, members, tool) for kind, members in groups.items()),
            *(in_words(item) for item in topology),
        ),
    )


def absent(what: str, answer: Answer, hint: str, vendor_ids: Sequence[str], root: Path) -> Discovery:
    """Return the sentence on cards that could not be seen: whether any is plugged in, and what would show it.

    vendor_ids: of PCI · root: stands before /sys
    """
    plugged = plugged_in(vendor_ids, root)
    if plugged:
        count = f"{plugged} PCI device{'s' if plugged > 1 else ''}"
        return Discovery(missing=(f"{what}: {count} of this maker, but {answer.problem}; {hint}",))
    if answer.absent:
        return Discovery(missing=(f"no {what}: {answer.problem}, and no such PCI device is visible",))
    return Discovery(missing=(f"no {what}: {answer.problem}",))


def mebibytes(text: object) -> float | None:
    """Return a number of MiB, as tools print it, in bytes; None for what is no number or zero."""
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d+)?)\s*(?:[Mm][Ii]?[Bb])?\s*", str(text))
    return float(match[1]) * 2**20 or None if match else None


def _kind_of(card: Card) -> Card:
    return card.model_copy(update={"used": None, "busy": None, "place": None})


def _found(card: Card, members: Sequence[Card], tool: str) -> Found:
    ref = f"{tool}, driver {card.driver}" if card.driver else tool
    identity: Mapping[str, str | None] = {"vendor": card.maker, "name": card.name, "driver": card.driver}
    slug = re.sub(r"[^a-z0-9]+", "-", f"{card.maker} {card.name}".lower()).strip("-")
    type_ = DeviceType(
        name=slug,
        kind=card.kind,
        vendor=card.maker,
        model=card.name,
        memory_bytes=_fact(card.memory_bytes, "B", ref),
        tdp_w=_fact(card.power_limit_w, "W", f"{ref}, power limit"),
        identity={key: value for key, value in identity.items() if value},
    )
    taken = tuple(member.used or 0.0 for member in members)
    return Found(type=type_, count=len(members), used=taken if any(taken) else ())


def _fact(value: float | None, unit: str, ref: str) -> Fact | None:
    return None if value is None else Fact(value=value, unit=unit, source="measured", ref=ref)


def _seen(card: Card, members: Sequence[Card], tool: str) -> str:
    known = [
        card.memory_bytes and f"{card.memory_bytes / 2**30:.1f} GiB",
        card.power_limit_w and f"power limit {card.power_limit_w:g} W",
        card.driver and f"driver {card.driver}",
        _shares("memory taken now", [member.used for member in members if member.used]),
        _shares("busy now", [member.busy for member in members if member.busy]),
    ]
    told = ", ".join(words for words in known if words)
    return f"{len(members)} x {card.maker} {card.name}{': ' if told else ''}{told} ({tool})"


def _shares(what: str, shares: Sequence[float]) -> str | None:
    told = ", ".join(f"{share:.0%}".replace("%", " %") for share in shares)
    return f"{what}: {told} of {len(shares)} of them" if shares else None


def plugged_in(vendor_ids: Sequence[str], root: Path) -> int:
    """Return how many accelerators of a maker the PCI bus shows: display controllers (03), accelerators (12)."""
    count = 0
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        try:
            vendor = (device / "vendor").read_text(encoding="ascii").strip()
            kind = (device / "class").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        count += vendor in vendor_ids and kind[:4] in {"0x03", "0x12"}
    return count
