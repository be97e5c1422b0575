"""How actions are carried out."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PARALLELISM", "Manner"]

PARALLELISM = 10
"""Actions that may run at once where nobody says how many."""


class Manner(NamedTuple):
    """parallelism: actions that may run at once · rollback_on_failure: a failure takes back all that the run did"""

    parallelism: int = PARALLELISM
    rollback_on_failure: bool = False
