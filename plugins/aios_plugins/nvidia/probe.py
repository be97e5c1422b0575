"""Finds NVIDIA GPUs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

from aios.records.fleet import DeviceType, Fact
from aios.spi.probe import Discovery, Found
from aios_plugins.nvidia.nvml import Gpu, NvmlAbsent, handles, opened, read_gpu

__all__ = ["Probe", "device_type", "discovery_of", "type_name"]


class Probe:
    """Finds the NVIDIA GPUs that NVML shows; equal ones are one type."""

    name: ClassVar[str] = "nvidia"
    api_version: ClassVar[int] = 1

    def discover(self, measure: bool) -> Discovery:  # noqa: ARG002 - NVML answers without measurements
        """Return the GPUs; without a driver, a sentence that says so."""
        try:
            with opened() as pynvml:
                return discovery_of([read_gpu(pynvml, handle) for handle in handles(pynvml)])
        except NvmlAbsent as absent:
            return Discovery(missing=(str(absent),))


def discovery_of(gpus: Iterable[Gpu]) -> Discovery:
    """Return ``gpus`` grouped into types. A GPU in MIG mode is no device: only its instances could run something."""
    whole, split = Counter[Gpu](), Counter[Gpu]()
    for gpu in gpus:
        (split if gpu.mig else whole)[gpu.model_copy(update={"uuid": None})] += 1
    missing = [f"{count} x {gpu.name} in MIG mode: not usable as a whole, not counted" for gpu, count in split.items()]
    if not whole and not split:
        missing.append("no NVIDIA GPU: the driver is there and shows none")
    return Discovery(
        devices=tuple(Found(type=device_type(gpu), count=count) for gpu, count in whole.items()),
        seen=tuple(_seen(gpu, count) for gpu, count in whole.items()),
        missing=tuple(missing),
    )


def device_type(gpu: Gpu) -> DeviceType:
    """Return what is known of such a GPU without its datasheet. Peak rates are not: the catalogue adds them."""
    ref = f"NVML, driver {gpu.driver}" if gpu.driver else "NVML"
    identity = {
        "vendor": "NVIDIA",
        "name": gpu.name,
        "driver": gpu.driver,
        "compute_capability": gpu.compute_capability,
        "pcie": gpu.pcie,
        "power_limit_min_w": gpu.power_limit_min_w,
        "power_limit_max_w": gpu.power_limit_max_w,
    }
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
        identity={key: f"{value:g}" if isinstance(value, float) else value for key, value in identity.items() if value},
    )


def type_name(name: str) -> str:
    """Return NVML's ``name`` in the catalogue's form: ``Tesla T4`` is ``nvidia-t4``."""
    plain = re.sub(r"^(nvidia|tesla|quadro|\s)+\b", "", name.lower())
    return "nvidia-" + re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _fact(value: float | None, unit: str, ref: str) -> Fact | None:
    return None if value is None else Fact(value=value, unit=unit, source="measured", ref=ref)


def _seen(gpu: Gpu, count: int) -> str:
    known = [
        gpu.memory_bytes and f"{gpu.memory_bytes / 2**30:.1f} GiB",
        gpu.power_limit_w and f"power limit {gpu.power_limit_w:g} W",
        gpu.compute_capability and f"compute capability {gpu.compute_capability}",
        gpu.pcie and f"PCIe {gpu.pcie}",
        gpu.driver and f"driver {gpu.driver}",
    ]
    return f"{count} x {gpu.name}: {', '.join(words for words in known if words)}"
