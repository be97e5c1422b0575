"""What executors refuse, told in as few rows as it takes: a device, a model on it, a precision of that, or settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.candidates.rejections import Rejections
from aios.records.candidate import Candidate, label_of
from aios.records.fleet import DeviceType
from aios.records.model import ModelProfile
from aios.spi.executor import Executor, Protecting, Refusal

__all__ = ["Refusals"]


class _Setting(NamedTuple):
    """A candidate but for its replicas, which are copies: one answer holds for every number of them."""

    model: str
    precision: str
    mode: str | None
    threads: int
    batch: int
    tiers: str


class Refusals:
    """Asks executors and keeps their refusals until all have been asked."""

    def __init__(self, executors: Mapping[str, Executor]) -> None:
        self._executors = executors
        self._asked: dict[tuple[str, str], list[_Setting]] = {}
        self._refused: dict[tuple[str, str, Refusal], list[_Setting]] = {}

    def accepts(self, candidate: Candidate, device: DeviceType, model: ModelProfile) -> bool:
        """Say whether the candidate's executor can run one replica of it."""
        label = label_of(candidate)
        tiers = ", ".join(f"{part} in {tier}" for part, tier in candidate.tiers.items()) or "own memory"
        setting = _Setting(candidate.model, label, candidate.power_mode, candidate.threads, candidate.batch, tiers)
        self._asked.setdefault((candidate.executor, device.name), []).append(setting)
        executor = self._executors[candidate.executor]
        refusal = _unprotected(candidate, executor) or executor.can(candidate, device, model)
        if refusal is not None:
            self._refused.setdefault((candidate.executor, device.name, refusal), []).append(setting)
        return refusal is None

    def tell(self, rejections: Rejections) -> None:
        """Add one rejection for each family that was refused for the same reason."""
        for (executor, device, refusal), refused in self._refused.items():
            for what in _families(self._asked[executor, device], refused, device):
                rejections.add(what, refusal.clause, refusal.reason, executor, refusal.resolvable)


def _unprotected(candidate: Candidate, executor: Executor) -> Refusal | None:
    """Return what is required of the model's files and is not kept by the executor, as nobody would notice that."""
    if not candidate.protection:
        return None
    kept = executor.protects if isinstance(executor, Protecting) else frozenset()
    lacking = [name for name in candidate.protection if name not in kept]
    if not lacking:
        return None
    return Refusal(
        clause=f"requires: {', '.join(candidate.protection)}",
        reason=f"{executor.name} loads models that are neither examined nor decrypted: not {' and not '.join(lacking)}",
        resolvable="an executor that declares it, such as onnxruntime",
    )


def _families(asked: Sequence[_Setting], refused: Sequence[_Setting], device: str) -> list[str]:
    """Return names of the largest families that were refused whole, and of what remains by its settings."""
    if len(refused) == len(asked):
        return [f"every model on {device}"]
    found = []
    for model in dict.fromkeys(item.model for item in refused):
        of_model = [item for item in refused if item.model == model]
        if len(of_model) == sum(item.model == model for item in asked):
            found.append(f"{model} on {device}")
            continue
        for precision in dict.fromkeys(item.precision for item in of_model):
            of_precision = [item for item in of_model if item.precision == precision]
            every = [item for item in asked if (item.model, item.precision) == (model, precision)]
            found.append(f"{model} {precision} on {device}{_settings(every, of_precision)}")
    return found


def _settings(asked: Sequence[_Setting], refused: Sequence[_Setting]) -> str:
    """Return what sets the refused settings apart: values of a dimension that were never accepted, else how many."""
    if len(refused) == len(asked):
        return ""
    accepted = set(asked) - set(refused)
    for word, field in (("threads", "threads"), ("batch", "batch"), ("power mode", "mode"), ("", "tiers")):
        values = dict.fromkeys(getattr(item, field) for item in refused)
        if not any(getattr(item, field) in values for item in accepted):
            return f" with {word} {', '.join(map(str, values))}".replace("  ", " ")
    return f" in {len(refused)} of {len(asked)} settings"
