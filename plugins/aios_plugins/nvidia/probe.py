"""Finds NVIDIA GPUs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from aios.records.fleet import DeviceType, Fact
from aios.spi.checkup import Finding
from aios.spi.matrix import in_words
from aios.spi.probe import Discovery, Found
from aios_plugins.nvidia.cards import Card, in_order, read_cards, topologies
from aios_plugins.nvidia.nvml import Gpu, NvmlAbsent, opened

__all__ = ["Probe", "device_type", "discovery_of_cards", "found_of", "grouped", "type_name"]


class Probe:
    """Finds the NVIDIA GPUs that NVML shows; equal ones are one type."""

    name: ClassVar[str] = "nvidia"
    api_version: ClassVar[int] = 1

    def discover(self, measure: bool) -> Discovery:  # noqa: ARG002 - NVML answers without measurements
        """Return the GPUs; without a driver, a sentence that says so."""
        try:
            with opened() as pynvml:
                return discovery_of_cards(read_cards(pynvml))
        except NvmlAbsent as absent:
            return Discovery(missing=(str(absent),))

    def examine(self) -> list[Finding]:
        """Return what keeps the GPUs from being used."""
        from aios_plugins.nvidia.examining import examine

        return list(examine())


def discovery_of_cards(cards: Sequence[Card]) -> Discovery:
    """Return ``cards`` grouped into types, with what joins them.

    A GPU in MIG mode is no device as a whole: only its instances can run something. Without any it is not counted.
    """
    usable = [card for card in cards if card.gpu.parts or not card.gpu.mig]
    idle = Counter(card.gpu.name for card in cards if card.gpu.mig and not card.gpu.parts)
    missing = [
        f"{count} x {name} in MIG mode without an instance: not usable as a whole, not counted; "
        "make instances with `nvidia-smi mig -cgi ... -C`, or end the mode with `nvidia-smi -mig 0`"
        for name, count in idle.items()
    ]
    if not cards:
        missing.append("no NVIDIA GPU: the driver is there and shows none")
    groups = grouped(usable)
    topology = topologies(usable)
    return Discovery(
        devices=tuple(found_of(members) for members in groups),
        topology=topology,
        seen=(*(_seen(members) for members in groups), *(in_words(level) for level in topology)),
        missing=tuple(missing),
    )


def grouped(cards: Sequence[Card]) -> list[list[Card]]:
    """Return the cards by type, in the order of the ids that they get."""
    groups: dict[Gpu, list[Card]] = {}
    for card in in_order(cards):
        groups.setdefault(card.gpu.model_copy(update={"uuid": None}), []).append(card)
    return list(groups.values())


def found_of(cards: Sequence[Card], reader: str = "NVML") -> Found:
    """Return cards of one type. reader: who read their figures.

    What is taken of a card that is cut into parts is not told part by part: it counts as free.
    """
    gpu = cards[0].gpu
    used = () if gpu.parts else tuple(card.used for card in cards)
    return Found(type=device_type(gpu, reader), count=len(cards), partitions=gpu.parts, used=used if any(used) else ())


def device_type(gpu: Gpu, reader: str = "NVML") -> DeviceType:
    """Return what is known of such a GPU without its datasheet. Peak rates are not: the catalogue adds them."""
    ref = f"{reader}, driver {gpu.driver}" if gpu.driver else reader
    identity = {
        "vendor": "NVIDIA",
        "name": gpu.name,
        "driver": gpu.driver,
        "compute_capability": gpu.compute_capability,
        "pcie": gpu.pcie,
        "power_limit_min_w": gpu.power_limit_min_w,
        "power_limit_max_w": gpu.power_limit_max_w,
    }
    low, high = gpu.power_limit_min_w, gpu.power_limit_max_w
    if low and high and low > high:
        low = high = None  # no range
    features = (f"sm_{gpu.compute_capability.replace('.', '')}",) if gpu.compute_capability else ()
    return DeviceType(
        name=type_name(gpu.name),
        kind="gpu",
        vendor="NVIDIA",
        model=gpu.name,
        memory_bytes=_fact(gpu.memory_bytes, "B", ref),
        frequency_hz=_fact(gpu.clock_hz, "Hz", f"{ref}, largest SM clock"),
        features=features,
        tdp_w=_fact(gpu.power_limit_w, "W", f"{ref}, default power limit"),
        cap_low_w=_fact(low, "W", f"{ref}, lowest power limit") if low and high else None,
        cap_high_w=_fact(high, "W", f"{ref}, highest power limit") if low and high else None,
        identity={key: f"{value:g}" if isinstance(value, float) else value for key, value in identity.items() if value},
    )


def type_name(name: str) -> str:
    """Return NVML's ``name`` in the catalogue's form: ``Tesla T4`` is ``nvidia-t4``."""
    plain = re.sub(r"^(nvidia|tesla|quadro|\s)+\b", "", name.lower())
    return "nvidia-" + re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _fact(value: float | None, unit: str, ref: str) -> Fact | None:
    return None if value is None else Fact(value=value, unit=unit, source="measured", ref=ref)


def _seen(cards: Sequence[Card]) -> str:
    gpu = cards[0].gpu
    known = [
        gpu.memory_bytes and f"{gpu.memory_bytes / 2**30:.1f} GiB",
        _power(cards),
        gpu.compute_capability and f"compute capability {gpu.compute_capability}",
        gpu.pcie and f"PCIe {gpu.pcie}",
        gpu.ecc is not None and f"ECC {'on' if gpu.ecc else 'off'}",
        gpu.driver and f"driver {gpu.driver}",
        gpu.parts and f"each cut into {' + '.join(gpu.parts)}",
        _use(cards),
    ]
    return f"{len(cards)} x {gpu.name}: {', '.join(words for words in known if words)} (NVML)"


def _power(cards: Sequence[Card]) -> str | None:
    gpu = cards[0].gpu
    if gpu.power_limit_w is None:
        return None
    words = f"power limit {gpu.power_limit_w:g} W"
    if gpu.power_limit_min_w and gpu.power_limit_max_w:
        words += f" ({gpu.power_limit_min_w:g} to {gpu.power_limit_max_w:g} W may be set)"
    now = {card.limit_w for card in cards if card.limit_w is not None} - {gpu.power_limit_w}
    return words + (f", now {' and '.join(f'{limit:g}' for limit in sorted(now))} W" if now else "")


def _use(cards: Sequence[Card]) -> str | None:
    processes = sum(card.processes or 0 for card in cards)
    taken = [card.used for card in cards if card.used]
    busy = [card.utilisation for card in cards if card.utilisation]
    words = [
        taken and f"memory taken now: {_shares(taken)} of {len(taken)} of them ({processes} processes)",
        busy and f"busy now: {_shares(busy)} of {len(busy)} of them",
    ]
    return ", ".join(told for told in words if told) or None


def _shares(shares: Sequence[float]) -> str:
    return ", ".join(f"{share:.0%}".replace("%", " %") for share in shares)
