"""What keeps NVIDIA GPUs from being used here: the kernel's driver, its library, permissions, cards that are lost."""

from __future__ import annotations

import grp
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aios.spi.checkup import Finding
from aios_plugins.nvidia.nvml import text

__all__ = ["examine"]

_CHECK = "probe.nvidia"
_VENDOR = "0x10de"
"""NVIDIA's number on PCI."""


def examine(root: Path = Path("/")) -> Iterator[Finding]:
    """Yield what is found. root: stands before /proc, /sys and /dev."""
    driver, cards, files = _driver(root), _cards(root), sorted((root / "dev").glob("nvidia[0-9]*"))
    if driver is None and not cards and not files:
        yield Finding(check=_CHECK, status="skipped", seen="no NVIDIA GPU: no card on PCI, no driver, no /dev/nvidia0")
        return
    if driver is None and not files:
        yield Finding(
            check=_CHECK,
            status="fail",
            seen=f"{cards} NVIDIA card{'s' if cards > 1 else ''} on PCI, and no driver is loaded",
            remedy="install the driver, or load it; in a container, start it with the NVIDIA container toolkit",
            command="sudo modprobe nvidia && nvidia-smi",
        )
        return
    closed = [path for path in (root / "dev/nvidiactl", *files) if path.exists() and not _is_usable(path)]
    if closed:
        yield _closed(closed)
        return
    yield from _asked(driver)


def _driver(root: Path) -> str | None:
    """Return the version of the driver that the kernel has loaded."""
    try:
        told = (root / "proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b", told)
    return found[1] if found else "of unknown version"


def _cards(root: Path) -> int:
    """Return how many display controllers of NVIDIA are on PCI."""
    count = 0
    for device in (root / "sys/bus/pci/devices").glob("*"):
        try:
            vendor, kind = ((device / name).read_text(encoding="ascii").strip() for name in ("vendor", "class"))
        except (OSError, UnicodeDecodeError):
            continue
        count += vendor == _VENDOR and kind.startswith("0x03")
    return count


def _is_usable(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _closed(paths: list[Path]) -> Finding:
    """Say which group may use the files; the driver's own setting is that everybody may."""
    try:
        group = grp.getgrgid(paths[0].stat().st_gid).gr_name
    except (OSError, KeyError):
        group = "video"
    names = " ".join(map(str, paths))
    if group == "root":  # nobody should join that one
        remedy, command = "let users of this machine use them, as is usual", f"sudo chmod a+rw {names}"
    else:
        remedy, command = f"join the group {group}, then log in anew", f"sudo usermod -aG {group} $USER"
    return Finding(
        check=_CHECK,
        status="fail",
        seen=f"this user may not use {names}",
        remedy=f"{remedy}; in a container, pass the devices to it",
        command=command,
    )


def _asked(driver: str | None) -> Iterator[Finding]:
    """Ask NVML, which is the driver's own library."""
    try:
        import pynvml
    except ImportError:
        yield Finding(
            check=_CHECK,
            status="fail",
            seen="the package nvidia-ml-py is not installed",
            remedy="install it: NVIDIA GPUs cannot be seen without",
            command="pip install nvidia-ml-py",
        )
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        yield _refused(pynvml, error, driver)
        return
    try:
        yield from _cards_of(pynvml)
    except pynvml.NVMLError as error:
        yield _refused(pynvml, error, driver)
    finally:
        pynvml.nvmlShutdown()


def _refused(pynvml: Any, error: Any, driver: str | None) -> Finding:
    loaded = f"the driver {driver} is loaded" if driver else "no driver is loaded"
    known = {
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: (
            f"{loaded}, and its library libnvidia-ml is of another version",
            "restart the machine, or load the driver anew: it was updated while it was in use",
            "sudo rmmod nvidia_drm nvidia_modeset nvidia_uvm nvidia && sudo modprobe nvidia",
        ),
        pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: (
            f"{loaded}, but its library libnvidia-ml.so.1 is not here",
            "install the libraries of the same version; in a container, start it with the NVIDIA container toolkit",
            "ldconfig -p | grep libnvidia-ml",
        ),
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED: (
            "the library of the driver is here, but the driver is not loaded",
            "load it; when that fails, `dmesg` says why",
            "sudo modprobe nvidia",
        ),
        pynvml.NVML_ERROR_NO_PERMISSION: (
            f"{loaded}, but this user may not talk to it",
            "join the group that owns /dev/nvidiactl",
            "ls -l /dev/nvidiactl",
        ),
    }
    other = (f"NVML does not start: {error}", "see what the driver's own tool says", "nvidia-smi")
    seen, remedy, command = known.get(getattr(error, "value", None), other)
    return Finding(check=_CHECK, status="fail", seen=seen, remedy=remedy, command=command)


def _cards_of(pynvml: Any) -> Iterator[Finding]:
    count, lost = pynvml.nvmlDeviceGetCount(), []
    for index in range(count):
        try:
            pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(index))
        except pynvml.NVMLError as error:
            lost.append(f"GPU {index}: {error}")
    if lost:
        yield Finding(
            check=_CHECK,
            status="fail",
            seen="; ".join(lost),
            remedy="reset the card, or restart the machine; `dmesg | grep -i xid` says what happened to it",
            command="nvidia-smi",
        )
        return
    version = text(pynvml.nvmlSystemGetDriverVersion())
    seen = f"{count} GPU{'s' if count != 1 else ''}, driver {version}"
    if count:
        yield Finding(check=_CHECK, status="ok", seen=seen)
    else:
        remedy = "in a container, pass them to it (--gpus all); a CUDA_VISIBLE_DEVICES is not what hides them here"
        yield Finding(check=_CHECK, status="warn", seen=seen, remedy=remedy, command="nvidia-smi -L")
