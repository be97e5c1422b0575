"""Where the data that ships with aios lies: the device catalogue, ready-made intents, schemas."""

from __future__ import annotations

from pathlib import Path

__all__ = ["root"]


def root() -> Path:
    """Return the folder that holds ``hardware/``, ``intents/`` and ``schemas/``.

    In an installed wheel that is ``aios/_catalog``; in a checkout (editable install) the repository root.
    """
    packaged = Path(__file__).parent / "_catalog"
    if packaged.is_dir():
        return packaged
    return Path(__file__).resolve().parents[2]
