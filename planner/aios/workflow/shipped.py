"""The device catalogue that ships, of which a process reads each file once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from aios import catalogue

if TYPE_CHECKING:
    from aios.fleet import Catalogue

__all__ = ["shipped_catalogue"]


@cache
def shipped_catalogue() -> Catalogue:
    """Return the device types that ship with aios.

    Discovery reads all of them to tell what this machine is, and a command that applies discovers it again and again.
    """
    from aios.fleet import load_catalogue

    return load_catalogue(catalogue.root() / "hardware")
