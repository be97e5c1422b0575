"""Power modes and limits that candidates of a device choose between."""

from __future__ import annotations

from aios.candidates.caps import caps_of
from aios.records.fleet import DeviceType
from aios.records.intent import Intent

__all__ = ["modes_of"]

_SAVED = frozenset({"power", "energy", "carbon"})
"""Metrics that a limit makes smaller; it makes nothing else better."""


def modes_of(device: DeviceType, intent: Intent) -> tuple[str | None, ...]:
    """Return the modes of a device by name, else limits to set on an accelerator where an intent asks for watts."""
    if device.power_modes:
        return tuple(sorted(mode.name for mode in device.power_modes))
    asked = {item.metric for item in intent.bounds} | {item.metric for item in intent.goal}
    return caps_of(device) if device.kind != "cpu" and asked & _SAVED else (None,)
