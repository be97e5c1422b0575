"""What the numbers of a priced candidate are sums of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from aios.cost.energy.intensity import intensities
from aios.cost.evidence import Evidence, Library
from aios.cost.interval import Unknown
from aios.cost.network_time import NetworkTimes
from aios.cost.roofline import operator_times, spent_in
from aios.cost.service import Workbench
from aios.cost.spent import Spent
from aios.cost.tiers import tier_rates
from aios.records.candidate import Priced
from aios.records.explanation import Account, Bound, Explanation, Piece
from aios.records.fleet import DeviceType, Fleet
from aios.records.intent import Intent
from aios.records.model import ModelProfile

__all__ = ["explain"]

_IDLE_SHARE = 0.15
"""Of the rating, where nobody states the idle power: as in ``cost.power``."""
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
        from aios.cost.training_accounts import training_accounts

        told = _Told(*training_accounts(intent, option, profile, fleet, evidence))
    elif profile.transformer is not None:
        from aios.cost.language.explaining import language_accounts

        told = _Told(*language_accounts(intent, option, profile, fleet, evidence))
    else:
        told = _network(option, profile, device, fleet, evidence)
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


def _network(option: Priced, profile: ModelProfile, device: DeviceType, fleet: Fleet, evidence: Evidence) -> _Told:
    """Return the time of one call by kind of operator, and what is left of a request's latency beside it."""
    candidate = option.candidate
    rates = tier_rates(candidate, device, fleet)
    times = rates if isinstance(rates, Unknown) else operator_times(profile, device, candidate, candidate.batch, rates)
    if isinstance(times, Unknown) or isinstance(rates, Unknown):
        return _Told((), None, (f"time: {times.reason if isinstance(times, Unknown) else ''}",))
    learnt = NetworkTimes([candidate], {candidate.model: profile}, fleet.types, evidence.calibrations)
    service = Workbench(Library(evidence), learnt).service_of(candidate, profile, device, rates)
    physical = sum(max(item.compute_s, item.memory_s) + item.launch_s for item in times)
    if isinstance(service, Unknown) or physical <= 0:
        return _Told((), None, (f"time: {service.reason if isinstance(service, Unknown) else 'no operator counts'}",))
    call_s = service.replicas[1].full_s
    scale = call_s / physical
    pieces = _sorted(
        [
            *_by_kind((item.kind, item.compute_s * scale, item.memory_s * scale) for item in times),
            Piece(name="starting operators", value=sum(item.launch_s for item in times) * scale, bound="overhead"),
        ]
    )
    basis = f"roofline of each operator, times {scale:.3g} to come to the call's time: {service.basis}"
    what = f"one call of {candidate.batch}" if candidate.batch > 1 else "one call"
    accounts = [_account(what, None, pieces, service.source, basis)]
    latency = option.estimates.get("latency.mean")
    if latency is not None:
        parts = [
            Piece(name="the call", value=min(call_s, latency.value), bound=None),
            Piece(name="serving and queueing", value=max(0.0, latency.value - call_s), bound="overhead"),
        ]
        accounts.insert(
            0, _account("a request, on average", "latency.mean", tuple(parts), latency.source, latency.basis)
        )
    return _Told(tuple(accounts), spent_in(times))


def _account(of: str, metric: str | None, pieces: tuple[Piece, ...], source: object, basis: str) -> Account:
    total = sum(piece.value for piece in pieces)
    return Account.model_validate(
        {"of": of, "metric": metric, "unit": "s", "total": total, "source": source, "pieces": pieces, "basis": basis}
    )


def _by_kind(times: Iterable[tuple[str, float, float]]) -> list[Piece]:
    """Return the longer of arithmetic and moving data, summed by kind and by which of them it is."""
    found: dict[str, dict[Bound, float]] = {}
    for kind, compute_s, memory_s in times:
        bound: Bound = "compute" if compute_s >= memory_s else "memory"
        sums = found.setdefault(kind, {})
        sums[bound] = sums.get(bound, 0.0) + max(compute_s, memory_s)
    return [
        Piece(name=kind, value=sum(sums.values()), bound=max(sums, key=lambda bound: sums[bound]))
        for kind, sums in found.items()
    ]


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
    if device.idle_w is not None:
        idle = device.idle_w.value * share
    else:
        idle = _IDLE_SHARE * device.tdp_w.value * share if device.tdp_w is not None else 0.0
    idle = min(idle, estimate.value)
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
