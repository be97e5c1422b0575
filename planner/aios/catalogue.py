"""Where the data that ships with aios lies: the device catalogue, ready-made intents, schemas, cards of networks."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aios.records.networks.cards import Cards

__all__ = ["network_cards", "root"]


def root() -> Path:
    """Return the folder that holds ``hardware/``, ``intents/`` and ``schemas/``.

    In an installed wheel that is ``aios/_catalog``; in a checkout (editable install) the repository root.
    """
    packaged = Path(__file__).parent / "_catalog"
    if packaged.is_dir():
        return packaged
    return Path(__file__).resolve().parents[2]


@cache
def network_cards() -> Cards:
    """Return the cards of well-known networks that ship as ``cards/networks/*.csv``.

    Of one name in several files ``traced.csv`` counts first: it holds networks at the sizes of their publishers.
    """
    from aios.records.networks.cards import Cards

    files = sorted((root() / "cards" / "networks").glob("*.csv"), reverse=True)
    return Cards(path.read_text(encoding="utf-8") for path in files)
