"""A node of Slurm, whichever file describes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from aios_plugins.slurm.gres import Gres

__all__ = ["Description", "Node", "state_of"]

_OUT = ("DOWN", "DRAIN", "FAIL", "NOT_RESPONDING", "MAINT", "INVALID_REG")
_SAME = {"DRAINED": "DRAIN", "DRAINING": "DRAIN", "FAILING": "FAIL", "ERROR": "DOWN", "INVAL": "INVALID_REG"}


@dataclass(frozen=True)
class Description:
    """What is said of one or several nodes; they share it.

    cpus: that jobs may have, hardware threads where cores have several · physical: cores · memory_mib: that jobs may
    have · taken: of the generic resources; None where it is not told · state: words in capitals · reserved: CPUs or
    memory are kept from jobs
    """

    cpus: int | None = None
    physical: int | None = None
    memory_mib: float | None = None
    gres: tuple[Gres, ...] = ()
    taken: tuple[Gres, ...] | None = None
    taken_cpus: float = 0.0
    taken_mib: float = 0.0
    features: tuple[str, ...] = ()
    architecture: str = ""
    state: tuple[str, ...] = ()
    reason: str = ""
    reserved: bool = False


@dataclass(slots=True)
class Node:
    """One node. switches: that it is below, the closest first."""

    name: str
    line: int
    description: Description
    partitions: Sequence[str] = ()
    switches: list[str] = field(default_factory=list)
    block: str | None = None


def state_of(words: Sequence[str]) -> str | None:
    """Return why no job is started on a node, as one word; None if jobs are."""
    plain = {_SAME.get(word, word) for word in words}
    return next((word for word in _OUT if word in plain), None)


def state_words(text: str) -> tuple[str, ...]:
    """Return the words of a state such as ``DOWN*+DRAIN``; the star says that the node does not respond."""
    words = re.findall(r"[A-Z_]+", text.upper()[:200])
    return (*words, "NOT_RESPONDING") if "*" in text else tuple(words)
