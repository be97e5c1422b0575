"""What a document of the fleet room is."""

from __future__ import annotations

from typing import get_args

from aios.records.document import Document
from aios.records.fleet import DeviceKind

__all__ = ["is_device"]

_DEVICE_KINDS = frozenset(get_args(DeviceKind))


def is_device(document: Document) -> bool:
    """Return whether a document holds a device type, in the form of the catalogue's files."""
    return "apiVersion" not in document.data and document.kind in _DEVICE_KINDS
