"""How long to search and from which seed."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Limits"]


class Limits(NamedTuple):
    """All that an answer depends on besides its inputs.

    seed: of the search · workers: 1 gives the same answer every time, on every machine ·
    deterministic_limit: work allowed for choosing (and again for explaining), in the solver's deterministic seconds,
    which count operations and not the clock
    """

    seed: int = 0
    workers: int = 1
    deterministic_limit: float = 60.0
