"""What the time of a request to a fixed network is a sum of.

Where the time was learnt, by the kinds of work that it was learnt for, each with its factor; where it was measured, or
nothing was learnt, operator by operator on the roofline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from aios.cost.evidence import Evidence, Library
from aios.cost.interval import Unknown
from aios.cost.network_setting import PREDICTOR_NAME
from aios.cost.network_time import NetworkRow, NetworkTimes, observations_of
from aios.cost.roofline import OperatorTime, operator_times, spent_in
from aios.cost.service import Service, Workbench
from aios.cost.spent import Spent
from aios.cost.tiers import tier_rates
from aios.records.calibration import Calibration
from aios.records.candidate import Priced
from aios.records.explanation import Account, Bound, Piece
from aios.records.fleet import DeviceType, Fleet
from aios.records.model import ModelProfile

__all__ = ["network_accounts"]

_CLASSES: Mapping[str, str] = {
    "convolution": "dense convolutions",
    "pointwise": "1 x 1 convolutions, products with weights",
    "grouped": "grouped convolutions",
    "depthwise": "depthwise convolutions",
    "attention": "attention",
    "normalization": "norms",
    "elementwise": "activation functions, sums, products",
    "softmax": "softmax",
    "pooling": "pooling",
    "movement": "copies",
}
_PARTS: Mapping[str, tuple[str, Bound]] = {
    "wide_depthwise_macs": (_CLASSES["depthwise"], "compute"),
    "misaligned_macs": ("channels that are no multiple of 8", "compute"),
    "thin_pointwise_values": (_CLASSES["pointwise"], "memory"),
    "group_normalization_values": (_CLASSES["normalization"], "memory"),
    "strided_normalization_values": (_CLASSES["normalization"], "memory"),
    "silu_values": (_CLASSES["elementwise"], "memory"),
    "strided_product_values": (_CLASSES["movement"], "memory"),
    "masked_scores": (_CLASSES["attention"], "memory"),
    "unfused_scores": (_CLASSES["attention"], "memory"),
    "pooling_taps": (_CLASSES["pooling"], "memory"),
    "weights": ("reading weights", "memory"),
    "convolution_weights": ("reading weights", "memory"),
    "derived_weights": ("computing weights anew", "memory"),
    "kernels": ("starting operators", "overhead"),
    "streamed": ("weights that do not fit on the chip, over its link", "network"),
    "serial": ("what one core does alone", "overhead"),
}


class _Amount(NamedTuple):
    """Seconds of a call by what they wait for."""

    name: str
    bound: Bound
    seconds: float


class _Split(NamedTuple):
    """What a call goes into, before it is brought to the call's time. how: what the split rests on"""

    amounts: tuple[_Amount, ...]
    spent: Spent
    how: str


def network_accounts(
    option: Priced, profile: ModelProfile, device: DeviceType, fleet: Fleet, evidence: Evidence
) -> tuple[tuple[Account, ...], Spent | None, tuple[str, ...]]:
    """Return the accounts of a request and of a call, what the device does meanwhile, and what cannot be told."""
    candidate = option.candidate
    rates = tier_rates(candidate, device, fleet)
    if isinstance(rates, Unknown):
        return (), None, (f"time: {rates.reason}",)
    learnt = NetworkTimes([candidate], {candidate.model: profile}, fleet.types, evidence.calibrations)
    service = Workbench(Library(evidence), learnt).service_of(candidate, profile, device, rates)
    if isinstance(service, Unknown):
        return (), None, (f"time: {service.reason}",)
    request = _request(option, service)
    row = learnt.row_of(candidate, profile, device, candidate.batch) if service.learnt else None
    if row is not None:
        split: _Split | str = _by_parts(row, evidence.calibrations[PREDICTOR_NAME, row.setting.metric])
    else:
        times = operator_times(profile, device, candidate, candidate.batch, rates)
        split = times.reason if isinstance(times, Unknown) else _by_operator(times)
    if isinstance(split, str):
        return request, None, (f"what the time of a call goes into: {split}",)
    return (*request, _call(candidate.batch, service, split)), split.spent, ()


def _request(option: Priced, service: Service) -> tuple[Account, ...]:
    """Return the mean latency, where it is known: the call, and what comes on top of it."""
    latency = option.estimates.get("latency.mean")
    if latency is None:
        return ()
    call_s = service.replicas[1].full_s
    pieces = (
        Piece(name="the call", value=min(call_s, latency.value), bound=None),
        Piece(name="serving and queueing", value=max(0.0, latency.value - call_s), bound="overhead"),
    )
    told = Account(
        of="a request, on average",
        metric="latency.mean",
        unit="s",
        total=sum(piece.value for piece in pieces),
        source=latency.source,
        pieces=pieces,
        basis=latency.basis,
    )
    return (told,)


def _call(batch: int, service: Service, split: _Split) -> Account:
    """Return the time of a call as the split shares it out, kinds of one name together."""
    call_s = service.replicas[1].full_s
    scale = call_s / sum(item.seconds for item in split.amounts)
    sums: dict[str, dict[Bound, float]] = {}
    for name, bound, seconds in split.amounts:
        own = sums.setdefault(name, {})
        own[bound] = own.get(bound, 0.0) + seconds * scale
    pieces = [
        Piece(name=name, value=sum(own.values()), bound=max(own, key=lambda bound: own[bound]))
        for name, own in sums.items()
    ]
    kept = sorted((piece for piece in pieces if piece.value > 0), key=lambda piece: -piece.value)
    return Account(
        of=f"one call of {batch}" if batch > 1 else "one call",
        unit="s",
        total=sum(piece.value for piece in kept),
        source=service.source,
        pieces=tuple(kept),
        basis=f"{split.how}, times {scale:.3g} to come to the call's time: {service.basis}",
    )


def _by_operator(times: Iterable[OperatorTime]) -> _Split | str:
    """Return the longer of arithmetic and moving data of each kind of operator, and starting all of them."""
    times = tuple(times)
    spent = spent_in(times)
    if spent is None:
        return "no operator counts"
    longer: list[tuple[Bound, float]] = [
        ("compute", item.compute_s) if item.compute_s >= item.memory_s else ("memory", item.memory_s) for item in times
    ]
    amounts = [_Amount(item.kind, *own) for item, own in zip(times, longer, strict=True)]
    amounts.append(_Amount("starting operators", "overhead", sum(item.launch_s for item in times)))
    return _Split(tuple(amounts), spent, "roofline of each operator")


def _by_parts(row: NetworkRow, learnt: Calibration) -> _Split | str:
    """Return the kinds of work that the time was learnt for, each at the device's rates times what was learnt of it."""
    amounts = tuple(_Amount(*_named(name), seconds) for name, seconds in _parts_s(row, learnt).items())
    sums = dict.fromkeys(("compute", "memory", "overhead", "network"), 0.0)
    for item in amounts:
        sums[item.bound] += item.seconds
    if not sum(sums.values()):
        return "no kind of work counts"
    spent = Spent(sums["compute"], sums["memory"], sums["overhead"] + sums["network"])
    return _Split(amounts, spent, "kinds of work at the device's rates, each times what was learnt of it")


def _parts_s(row: NetworkRow, learnt: Calibration) -> dict[str, float]:
    """Return the seconds per item of each part of a prediction under the factors of the narrowest group known."""
    import numpy as np

    from aios.cost.learning.mix import mixed
    from aios.cost.network_predictor import PREDICTOR

    design = PREDICTOR.design(observations_of([row], row.setting.metric), {row.device.name: row.device})
    names = tuple(design.parts)
    # One row for each part, of which it has nothing but that part.
    alone = replace(
        design.take(np.zeros(len(names), dtype=np.int64)),
        base=np.full(len(names), -np.inf),
        parts={name: np.where(np.arange(len(names)) == place, design.parts[name][0], 0.0)
               for place, name in enumerate(names)},
    )  # fmt: skip
    return dict(zip(names, np.exp(mixed(alone, learnt.mixes)).tolist(), strict=True))


def _named(part: str) -> tuple[str, Bound]:
    """Return what a part is called, and what it waits for."""
    if part in _PARTS:
        return _PARTS[part]
    kind, _, unit = part.rpartition("_")
    return _CLASSES.get(kind, part.replace("_", " ")), "compute" if unit == "macs" else "memory"
