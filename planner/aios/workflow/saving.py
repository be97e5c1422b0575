"""Writing files that the user asked for."""

from __future__ import annotations

from pathlib import Path

__all__ = ["save"]


def save(path: Path, text: str | bytes) -> None:
    """Write ``text`` to ``path``, whole or not at all. Raises WorldError when the disk refuses."""
    from aios.state import write_atomically

    write_atomically(path, text)
