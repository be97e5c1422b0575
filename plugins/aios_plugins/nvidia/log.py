"""Reads the XML log of ``nvidia-smi -q -x``, of any driver since 2015."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aios.records.errors import Diagnostic, InputError
from aios.spi.texts import Element, place, xml_of
from aios_plugins.nvidia.cards import Card
from aios_plugins.nvidia.nvml import Gpu

__all__ = ["link_bytes_per_s", "read_log"]

# One direction of one NVLink, by the architecture that the log names: NVLink 1 (P100) to 5 (Blackwell), from NVIDIA's
# architecture whitepapers. Of Ampere, A100 and A30 have NVLink 3 at this rate; the others' links are slower.
_LINK_BYTES_PER_S = {"Pascal": 20e9, "Volta": 25e9, "Turing": 25e9, "Hopper": 25e9, "Blackwell": 50e9}
_FAST_AMPERE = re.compile(r"\bA(100|800|30)\b")


def read_log(file: str, content: bytes) -> list[Card]:
    """Return the GPUs of a log. Raises InputError for what is no XML, hostile, or no such log."""
    root = xml_of(content, file)
    if root.tag != "nvidia_smi_log":
        raise InputError(
            Diagnostic(
                summary=f"{file} is no log of nvidia-smi: its root is <{root.tag[:60]}>",
                where=place(file, root.line),
                remedy="give what this prints",
                command="nvidia-smi -q -x",
            )
        )
    gpus = [child for child in root.children if child.tag == "gpu"]
    if not gpus:
        raise InputError(Diagnostic(summary=f"{file} shows no GPU", where=place(file, root.line)))
    driver = _text(root, "driver_version")
    unnamed = [gpu for gpu in gpus if _text(gpu, "product_name") is None]
    if unnamed:
        summary = "this GPU has no <product_name>"
        raise InputError(*(Diagnostic(summary=summary, where=place(file, gpu.line)) for gpu in unnamed))
    return [_card(gpu, driver) for gpu in gpus]


def link_bytes_per_s(cards: Sequence[Card]) -> tuple[float | None, str | None]:
    """Return the rate of one NVLink in one direction that follows from the GPUs' architecture, and where it is from."""
    rates = {_rate(card) for card in cards}
    rate = rates.pop() if len(rates) == 1 else None
    return (rate, "NVLink of this architecture") if rate else (None, None)


def _rate(card: Card) -> float | None:
    if card.architecture == "Ampere":
        return 25e9 if _FAST_AMPERE.search(card.gpu.name) else None
    return _LINK_BYTES_PER_S.get(card.architecture or "")


def _card(gpu: Element, driver: str | None) -> Card:
    generation = _number(gpu, "pci", "pci_gpu_link_info", "pcie_gen", "max_link_gen")
    width = _number(gpu, "pci", "pci_gpu_link_info", "link_widths", "max_link_width")
    power = "gpu_power_readings" if _child(gpu, "gpu_power_readings") else "power_readings"
    running = _child(gpu, "processes")
    load = _number(gpu, "utilization", "gpu_util")
    ecc = _text(gpu, "ecc_mode", "current_ecc")
    return Card(
        gpu=Gpu(
            name=_text(gpu, "product_name") or "NVIDIA GPU",
            uuid=_text(gpu, "uuid"),
            driver=driver,
            memory_bytes=_mebibytes(gpu, "total"),
            power_limit_w=_number(gpu, power, "default_power_limit"),
            power_limit_min_w=_number(gpu, power, "min_power_limit"),
            power_limit_max_w=_number(gpu, power, "max_power_limit"),
            pcie=f"{generation:g} x{width:g}" if generation and width else None,
            mig=_text(gpu, "mig_mode", "current_mig") == "Enabled",
            clock_hz=_scaled(_number(gpu, "max_clocks", "sm_clock"), 1e6),
            ecc=None if ecc is None else ecc == "Enabled",
        ),
        architecture=_text(gpu, "product_architecture"),
        limit_w=_number(gpu, power, "current_power_limit") or _number(gpu, power, "power_limit"),
        memory_used_bytes=_mebibytes(gpu, "used"),
        utilisation=None if load is None else min(load, 100.0) / 100,
        processes=None if running is None else sum(map(_computes, running.children)),
    )


def _computes(process: Element) -> bool:
    """Say whether a process computes on the GPU (``C``, ``C+G``); one of type ``G`` draws a screen."""
    return process.tag == "process_info" and _text(process, "type") != "G"


def _child(element: Element, tag: str) -> Element | None:
    return next((child for child in element.children if child.tag == tag), None)


def _text(element: Element, *path: str) -> str | None:
    """Return the text at ``path``; None for what is absent, empty or ``N/A``."""
    found: Element | None = element
    for tag in path:
        found = _child(found, tag) if found else None
    words = found.text if found else ""
    return None if words in {"", "N/A", "[N/A]", "Not Supported", "[Not Supported]"} else words


def _number(element: Element, *path: str) -> float | None:
    match = re.match(r"\d{1,9}(?:\.\d{1,6})?", _text(element, *path) or "")
    return float(match[0]) if match else None


def _mebibytes(gpu: Element, part: str) -> float | None:
    return _scaled(_number(gpu, "fb_memory_usage", part), 2**20)


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
