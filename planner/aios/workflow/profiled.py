"""What a profiling run is asked for and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from aios.records.intent import Goal
from aios.records.measurement import Measurement

if TYPE_CHECKING:
    from aios.fidelity import Rival

__all__ = ["Manner", "Profiled", "Proof", "Settled", "Unmade"]

Settled = Literal["measured", "open", "infeasible", "described"]
"""The choice is proved by measurements; rivals were left when time was up; nothing can meet the intent; none of its
devices is this machine's."""


@dataclass(frozen=True)
class Manner:
    """How to profile. seconds: of measuring one engine setting, at most · budget_s: of the whole run; None: no end ·
    fresh: measure again what was measured before · exhaustive: measure everything, whatever it may change"""

    seconds: float = 1.0
    budget_s: float | None = None
    fresh: bool = False
    exhaustive: bool = False


class Unmade(NamedTuple):
    """What there was no time for. what: in words · seconds: that it is expected to take; of what was cut off, that it
    took until then · cut: whether it was begun"""

    what: str
    seconds: float
    cut: bool


@dataclass(frozen=True)
class Proof:
    """How far the choice of one intent rests on measurements.

    candidates: that this machine can run · measured: of these, with an engine or endpoint measurement of their own ·
    choice: id of the candidate that is chosen with what is known · close: measured ones whose first goal is within the
    intervals · rivals: what may still be better · out: requirement -> how many cannot meet it · leaning: what was taken
    of candidates that were not measured, from what was measured of others, in words · required: whether the intent is
    """

    settled: Settled
    candidates: int
    measured: int
    choice: str | None = None
    close: tuple[str, ...] = ()
    rivals: tuple[Rival, ...] = ()
    out: Mapping[str, int] = field(default_factory=dict)
    leaning: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True)
class Profiled:
    """What a profiling run did.

    measured: in order · reused: how many measurements from before were asked for · skipped: why -> how many settings
    were left out · names: digest of a model -> its name, for people · goals: the first of each intent · proofs: by
    intent · seconds: in all · measuring_s: of these spent on measuring, by kind (``artefact``: preparing models,
    ``short``: engines for a part of their time) · unmade: what would have been measured, had there been time
    """

    measured: tuple[Measurement, ...]
    reused: int
    skipped: dict[str, int]
    names: dict[str, str]
    goals: Mapping[str, Goal]
    proofs: Mapping[str, Proof]
    seconds: float
    measuring_s: Mapping[str, float]
    unmade: tuple[Unmade, ...] = ()

    @property
    def settled(self) -> dict[str, Settled]:
        """How far the choice of each intent rests on measurements."""
        return {name: proof.settled for name, proof in self.proofs.items()}

    @property
    def is_infeasible(self) -> bool:
        """Whether no plan can have all that is required."""
        return any(proof.settled == "infeasible" and proof.required for proof in self.proofs.values())
