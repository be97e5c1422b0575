"""How long measurements take: what is expected of one, by what it consists of and by what others of its kind took."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from aios.records.candidate import Candidate, Priced, label_of
from aios.workflow.measuring import endpoint_s
from aios.workflow.profilingsubjects import Task

__all__ = ["Durations"]

_PREPARED_S = 3.0
"""What preparing a model is taken for before any was: quantising a small one. Training takes minutes, and nobody knows
how many; what takes longer than there is time is cut off."""

_ITEMS = 300
"""What evaluation data are taken for before any were measured on."""

_PROCESS_S, _FEWEST_CALLS = 0.5, 8
"""Start of the process that an engine is measured in, and the calls that it makes at least."""


@dataclass
class Durations:
    """What measuring took in this run, and is expected to take.

    engine_s: time for an engine setting · spent: kind -> seconds of each that was made; ``artefact``: preparing models,
    ``short``: engines for a part of their time
    """

    engine_s: float
    spent: dict[str, list[float]] = field(default_factory=dict)
    _ratios: dict[str, list[float]] = field(default_factory=dict)

    def preparing(self, candidate: Candidate) -> float:
        """Return the seconds that preparing a model is expected to take: as long as others in the same way."""
        found = self._ratios.get(f"artefact {label_of(candidate)}") or self._ratios.get("artefact") or [1.0]
        return _PREPARED_S * statistics.median(found)

    def measuring(self, option: Priced, task: Task) -> float:
        """Return the seconds that a measurement is expected to take."""
        return self._plain(option, task) * statistics.median(self._ratios.get(_kind(task)) or [1.0])

    def prepared(self, candidate: Candidate, seconds: float) -> None:
        """Learn what preparing a model took."""
        self._learn("artefact", seconds, _PREPARED_S)
        self._ratios.setdefault(f"artefact {label_of(candidate)}", []).append(seconds / _PREPARED_S)

    def measured(self, option: Priced, task: Task, seconds: float) -> None:
        """Learn what a measurement took."""
        self._learn(_kind(task), seconds, self._plain(option, task))

    def _learn(self, kind: str, seconds: float, plain: float) -> None:
        self.spent.setdefault(kind, []).append(seconds)
        self._ratios.setdefault(kind, []).append(max(1e-3, seconds / plain))

    def _plain(self, option: Priced, task: Task) -> float:
        """Return what a measurement takes by what it consists of, on a machine that does as is predicted."""
        throughput = option.estimates.get("throughput")
        known = throughput is not None and throughput.value > 0
        item_s = max(1, option.candidate.replicas) / throughput.value if throughput is not None and known else 0.01
        if task.kind == "accuracy":
            return _PROCESS_S + _ITEMS * item_s
        if task.kind == "service":
            return _PROCESS_S + max(self.engine_s * task.share, _FEWEST_CALLS * task.batch * item_s)
        return endpoint_s(item_s)


def _kind(task: Task) -> str:
    return task.kind if task.share == 1.0 else "short"
