"""Power limits that a device may be given: a cap trades time for energy."""

from __future__ import annotations

from aios.records.fleet import DeviceType

__all__ = ["caps_of"]

_SHARES = (0.8, 0.65, 0.5)
"""Of the highest limit. Networks that keep a graphics processor busy train with least energy at about half of it (the
open traces of Zeus, NSDI 2023: 0.48 to 0.58 of it for the middle half of 98 workloads); the others cost less time."""
_STEP_W = 5.0
"""Limits are set in whole steps; each candidate more is one more row to read."""


def caps_of(device: DeviceType) -> tuple[str | None, ...]:
    """Return the power modes to try, the highest limit first: None for no cap, then limits such as ``250W``.

    None alone where the device's range is not stated, or where it has modes of its own, which say more.
    """
    if device.power_modes or device.cap_low_w is None or device.cap_high_w is None:
        return (None,)
    low, high = device.cap_low_w.value, device.cap_high_w.value
    rounded = (_STEP_W * round(share * high / _STEP_W) for share in _SHARES)
    return (None, *dict.fromkeys(f"{watts:g}W" for watts in rounded if low <= watts < high))
