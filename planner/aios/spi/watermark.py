"""What marks the weights of a model as somebody's, and finds such a mark again: the watermark protocol."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol

from aios.records.base import Record

__all__ = ["Mark", "Watermark"]


class Mark(Record):
    """What was found of an owner's mark.

    found: whether ``chance`` is below the limit that was asked for · score: the test's statistic · needed: that counts
    as found · chance: upper bound of the probability that a model without the mark, of which the key was chosen
    independently, scores as high · weights, tensors: that were looked at
    """

    found: bool
    score: float
    needed: float
    chance: float
    weights: int
    tensors: int


class Watermark(Protocol):
    """Embeds and finds marks in one family of model formats. Its module must import without its libraries.

    suffixes: of the files that it reads
    """

    name: ClassVar[str]
    api_version: ClassVar[int]
    suffixes: ClassVar[tuple[str, ...]]

    def embed(self, source: Path, target: Path, secret: bytes, owner: str, strength: float | None) -> Mapping[str, str]:
        """Write ``source`` with the mark of ``owner`` to ``target``, and what belongs to it beside; return a report.

        strength: change of each weight as a share of the size of its row; None: as little as is found safely. Raises
        InputError for a model that cannot bear a mark.
        """

    def find(self, source: Path, secret: bytes, owner: str, chance: float) -> Mark:
        """Return what is found of the mark of ``owner``; ``chance``: of a false alarm, that is accepted at most."""
