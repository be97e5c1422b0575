"""NVML, as far as it is needed here: opened for a while, every question allowed to go unanswered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aios.records.base import Record

__all__ = ["Gpu", "NvmlAbsent", "ask", "handles", "opened", "read_gpu", "scaled", "text"]


class NvmlAbsent(Exception):
    """NVML cannot be used here; the message is a sentence that says why."""


class Gpu(Record):
    """What NVML says of one GPU; what it does not answer is None.

    memory_bytes: in all · power_limit_w, power_limit_min_w, power_limit_max_w: default limit and the range that may be
    set · compute_capability: ``8.0`` · pcie: largest generation and width, ``4 x16`` · mig: MIG mode is on ·
    parts: profiles of the MIG instances there are, ``1g.10gb`` · clock_hz: largest SM clock · ecc: it is on
    """

    name: str
    uuid: str | None = None
    driver: str | None = None
    memory_bytes: float | None = None
    compute_capability: str | None = None
    power_limit_w: float | None = None
    power_limit_min_w: float | None = None
    power_limit_max_w: float | None = None
    pcie: str | None = None
    mig: bool = False
    parts: tuple[str, ...] = ()
    clock_hz: float | None = None
    ecc: bool | None = None


@contextmanager
def opened() -> Iterator[Any]:
    """Yield the ``pynvml`` module between its init and shutdown; raises NvmlAbsent where there is no driver."""
    try:
        import pynvml
    except ImportError:
        raise NvmlAbsent("NVIDIA GPUs were not looked for: the package nvidia-ml-py is not installed") from None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NvmlAbsent(f"no NVIDIA GPU: {_in_words(pynvml, error)}") from None
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def handles(pynvml: Any) -> list[Any]:
    """Return the handle of every GPU that answers."""
    found = []
    for index in range(ask(pynvml, pynvml.nvmlDeviceGetCount) or 0):
        handle = ask(pynvml, pynvml.nvmlDeviceGetHandleByIndex, index)
        if handle is not None:
            found.append(handle)
    return found


def ask(pynvml: Any, question: Callable[..., Any], *arguments: Any) -> Any:
    """Return NVML's answer, or None where this GPU or driver has none."""
    try:
        return question(*arguments)
    except pynvml.NVMLError:
        return None


def read_gpu(pynvml: Any, handle: Any) -> Gpu:
    """Return what NVML says of the GPU ``handle``."""
    memory = ask(pynvml, pynvml.nvmlDeviceGetMemoryInfo, handle)
    limits = ask(pynvml, pynvml.nvmlDeviceGetPowerManagementLimitConstraints, handle) or (None, None)
    capability = ask(pynvml, pynvml.nvmlDeviceGetCudaComputeCapability, handle)
    generation = ask(pynvml, pynvml.nvmlDeviceGetMaxPcieLinkGeneration, handle)
    width = ask(pynvml, pynvml.nvmlDeviceGetMaxPcieLinkWidth, handle)
    mig = ask(pynvml, pynvml.nvmlDeviceGetMigMode, handle)
    clock = ask(pynvml, pynvml.nvmlDeviceGetMaxClockInfo, handle, pynvml.NVML_CLOCK_SM)
    ecc = ask(pynvml, pynvml.nvmlDeviceGetEccMode, handle)
    return Gpu(
        name=text(ask(pynvml, pynvml.nvmlDeviceGetName, handle)) or "NVIDIA GPU",
        uuid=text(ask(pynvml, pynvml.nvmlDeviceGetUUID, handle)),
        driver=text(ask(pynvml, pynvml.nvmlSystemGetDriverVersion)),
        memory_bytes=float(memory.total) if memory is not None and memory.total else None,
        compute_capability=f"{capability[0]}.{capability[1]}" if capability else None,
        power_limit_w=scaled(ask(pynvml, pynvml.nvmlDeviceGetPowerManagementDefaultLimit, handle), 1e-3),
        power_limit_min_w=scaled(limits[0], 1e-3),
        power_limit_max_w=scaled(limits[1], 1e-3),
        pcie=f"{generation} x{width}" if generation and width else None,
        mig=bool(mig and mig[0]),
        parts=_parts(pynvml, handle) if mig and mig[0] else (),
        clock_hz=scaled(clock, 1e6),
        ecc=None if ecc is None else bool(ecc[0]),
    )


def _parts(pynvml: Any, handle: Any) -> tuple[str, ...]:
    """Return the profiles of a GPU's MIG devices; NVML calls one ``NVIDIA A100-SXM4-80GB MIG 1g.10gb``."""
    parts = []
    for index in range(ask(pynvml, pynvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
        part = ask(pynvml, pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, index)
        name = None if part is None else text(ask(pynvml, pynvml.nvmlDeviceGetName, part))
        if name and (profile := re.search(r"MIG (\S+)$", name)):
            parts.append(profile[1])
    return tuple(parts)


def scaled(value: int | None, factor: float) -> float | None:
    """Return ``value`` times ``factor``; None for what is not told or zero."""
    return round(value * factor, 6) if value else None


def text(value: str | bytes | None) -> str | None:
    """Return a name as text: older versions of pynvml give bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _in_words(pynvml: Any, error: Exception) -> str:
    codes = {
        pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "the driver's library libnvidia-ml is not installed",
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "the NVIDIA driver is not loaded",
        pynvml.NVML_ERROR_NO_PERMISSION: "this user may not talk to the NVIDIA driver",
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "driver and library differ in version (reboot after an update)",
    }
    return codes.get(getattr(error, "value", None), str(error))
