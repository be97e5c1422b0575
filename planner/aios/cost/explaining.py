"""What the numbers of a priced candidate are sums of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from aios.cost.energy.intensity import intensities
from aios.cost.evidence import Evidence
from aios.cost.power import resting_w
from aios.cost.spent import Spent
from aios.records.candidate import Priced
from aios.records.explanation import Account, Bound, Explanation, Piece
from aios.records.fleet import DeviceType, Fleet
from aios.records.intent import Intent
from aios.records.model import ModelProfile

__all__ = ["explain"]

_BOUNDS: Mapping[str, Bound] = {"compute": "compute", "memory": "memory", "waiting": "overhead"}
_WORK = {"compute": "arithmetic", "memory": "moving data", "waiting": "waiting with clocks up"}


class _Told(NamedTuple):
    """Accounts of time, and what devices do meanwhile."""

    accounts: tuple[Account, ...]
    spent: Spent | None
    unknown: tuple[str, ...] = ()


def explain(intent: Intent, option: Priced, profile: ModelProfile, fleet: Fleet, evidence: Evidence) -> Explanation:
    """Return where the time, memory and watts of one candidate go. profile: of its model"""
    candidate = option.candidate
    device = fleet.types[candidate.device]
    if intent.train is not None:
        from aios.cost.training.accounts import training_accounts

        told = _Told(*training_accounts(intent, option, profile, fleet, evidence))
    elif profile.transformer is not None:
        from aios.cost.language.explaining import language_accounts

        told = _Told(*language_accounts(intent, option, profile, fleet, evidence))
    else:
        from aios.cost.network_accounts import network_accounts

        told = _Told(*network_accounts(option, profile, device, fleet, evidence))
    memory = None if any(item.metric == "memory" for item in told.accounts) else _memory(option)
    further = (memory, _power(option, device, told.spent))
    return Explanation(
        intent=intent.name,
        candidate=candidate.id,
        model=candidate.model,
        device=candidate.device,
        accounts=(*told.accounts, *(item for item in further if item is not None)),
        unknown=told.unknown,
    )


def _sorted(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    return tuple(sorted((piece for piece in pieces if piece.value > 0), key=lambda piece: -piece.value))


def _memory(option: Priced) -> Account | None:
    """Return what one device holds."""
    candidate, estimate = option.candidate, option.estimates.get("memory")
    if estimate is None:
        return None
    devices = candidate.replicas * candidate.devices * candidate.machines
    each = candidate.devices * candidate.machines
    parts = [
        Piece(name=item.part.replace("_", " "), value=item.bytes / each)
        for item in option.residences
        if item.part not in candidate.tiers
    ]
    total = estimate.value / devices
    known = sum(piece.value for piece in parts)
    parts.append(Piece(name="runtime, workspace, margin", value=max(0.0, total - known)))
    return Account(
        of="memory of one device" if each > 1 else "memory of one replica",
        metric="memory",
        unit="B",
        total=sum(piece.value for piece in parts),
        source=estimate.source,
        pieces=_sorted(parts),
        basis=estimate.basis,
    )


def _power(option: Priced, device: DeviceType, spent: Spent | None) -> Account | None:
    """Return the watts of all devices: what they draw idle, and what their work adds by what it does."""
    candidate, estimate = option.candidate, option.estimates.get("power")
    if estimate is None:
        return None
    share = option.demand.share * candidate.replicas * candidate.devices * candidate.machines
    idle = min(resting_w(device) * share, estimate.value)
    work = estimate.value - idle
    pieces = [Piece(name="idle", value=idle)]
    if spent is None or spent.compute + spent.memory + spent.waiting <= 0:
        pieces.append(Piece(name="work", value=work))
    else:
        shares = intensities(spent.compute, spent.memory, spent.waiting)
        whole = sum(shares.values())
        pieces += [
            Piece(name=_WORK[name], value=work * share_ / whole, bound=_BOUNDS[name]) for name, share_ in shares.items()
        ]
    return Account(
        of="power of all devices",
        metric="power",
        unit="W",
        total=sum(piece.value for piece in pieces),
        source=estimate.source,
        pieces=_sorted(pieces),
        basis=estimate.basis,
    )
