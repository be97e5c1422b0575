"""What a training step and the memory of a device are sums of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aios.cost.evidence import Evidence
from aios.cost.spent import Spent
from aios.cost.training.pricing import HELD, PARTS
from aios.cost.training.steps import steps_of
from aios.records.candidate import Priced
from aios.records.explanation import Account, Bound, Piece
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.model import ModelProfile

__all__ = ["training_accounts"]

_KERNELS: Mapping[str, tuple[str, Bound]] = {
    "products": ("matrix products", "compute"),
    "scores": ("attention", "compute"),
    "elementwise": ("norms, activations, copies", "memory"),
    "launch": ("starting kernels", "overhead"),
}
_BOUNDS: Mapping[str, Bound] = {
    "recompute": "compute",
    "tensor": "network",
    "context": "network",
    "expert": "network",
    "pipeline": "network",
    "data": "network",
    "bubble": "overhead",
    "optimizer": "memory",
}


def training_accounts(
    intent: Intent, option: Priced, profile: ModelProfile, fleet: Fleet, evidence: Evidence
) -> tuple[tuple[Account, ...], Spent]:
    """Return the time of one step and the memory of one device, part by part, and what devices do.

    Raises ValueError where the intent trains no transformer, which is the caller's mistake.
    """
    model = profile.transformer
    if intent.train is None or model is None:
        raise ValueError(f"{intent.name} trains no transformer")
    steps = steps_of(model, intent.train, [option.candidate], fleet, evidence.calibrations)
    seconds, held = steps.parts_s(0), steps.held_by(0)
    time, memory = option.estimates["time"], option.estimates["memory"]
    pieces = [Piece(name=PARTS[name], value=seconds[name], bound=bound) for name, bound in _BOUNDS.items()]
    for name, part in steps.kernels_s(0).items():
        pieces.append(Piece(name=_KERNELS[name][0], value=part, bound=_KERNELS[name][1]))
    accounts = (
        Account(
            of=f"one step of {intent.train.batch} sequences",
            unit="s",
            total=float(steps.value[0]),
            source=time.source,
            pieces=_sorted(pieces),
            basis=time.basis,
        ),
        Account(
            of="memory of the fullest device",
            metric="memory",
            unit="B",
            total=sum(held.values()),
            source=memory.source,
            pieces=_sorted(Piece(name=HELD[name], value=size) for name, size in held.items()),
            basis=memory.basis,
        ),
    )
    return accounts, steps.spent(0)


def _sorted(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    return tuple(sorted((piece for piece in pieces if piece.value > 0), key=lambda piece: -piece.value))
