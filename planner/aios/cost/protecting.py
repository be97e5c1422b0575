"""What protection costs a service: nothing in a request, seconds when it starts, memory that is not given back."""

from __future__ import annotations

from collections.abc import Sequence

from aios.records.protection import ProtectionName
from aios.records.units import Dimension, format_quantity

__all__ = ["protection_notes"]

_DECRYPTING = (0.4e9, 4e9)
"""Bytes/s of AES-256-GCM on one core with AES instructions, copying into fresh memory included: busy and fast ones."""
_EXAMINING = (0.3e9, 2e9)
"""Bytes/s of SHA-256 on one core."""
_PROGRAMS_BYTES = 120e6
"""Of the interpreter, its modules and the shared libraries of onnxruntime and numpy, as they are installed by pip."""
_COPIES = 2.0
"""Of the weights in an artefact, at most: as they are, and rearranged for the kernels."""


def protection_notes(names: Sequence[ProtectionName], weights_bytes: float) -> tuple[str, ...]:
    """Return what keeping ``names`` costs a service of a model with so many bytes of weights, in words."""
    if not names:
        return ()
    content = _COPIES * weights_bytes
    fast = slow = 0.0
    if "encrypted" in names:
        fast, slow = fast + weights_bytes / _DECRYPTING[1], slow + content / _DECRYPTING[0]
    if "attested" in names:
        fast, slow = fast + _PROGRAMS_BYTES / _EXAMINING[1], slow + _PROGRAMS_BYTES / _EXAMINING[0]
    elif "signed" in names:
        fast, slow = fast + weights_bytes / _EXAMINING[1], slow + content / _EXAMINING[0]
    least, most = (format_quantity(seconds, Dimension.TIME) for seconds in (fast, slow))
    said = (
        f"{', '.join(names)}: adds {least} to {most} to a start, less what runs beside it, and nothing to a request "
        "(assumed: rates of AES-256-GCM and SHA-256 on one "
        "core; `benchmarks/protection.py` measures it)"
    )
    if "encrypted" not in names:
        return (said,)
    held = format_quantity(content, Dimension.BYTES)
    return (
        said,
        f"encrypted: up to {held} of plain weights stay in memory while the service stands, one copy for all replicas",
    )
