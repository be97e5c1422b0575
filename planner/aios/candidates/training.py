"""Every way to train a transformer: device type x devices and machines x how a step is split over them x precision."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from operator import le
from typing import NamedTuple

from aios.candidates.hosts import Host
from aios.candidates.modes import modes_of
from aios.candidates.rejections import Rejections
from aios.records.base import trusted
from aios.records.candidate import Candidate, Priced, Rejection
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceType
from aios.records.intent import Intent, Training
from aios.records.metrics import metric
from aios.records.model import ModelProfile
from aios.records.training import Job, Search, Spot, TrainingPlan, TrainingPlans
from aios.records.transformer import Transformer
from aios.records.transformers import length_reason
from aios.records.units import Dimension, format_quantity

__all__ = ["TrainingSpace", "best_splits", "training_candidates", "training_problems"]

_KEPT = 4
"""Splits kept of each number of devices: the quickest, the leanest, and two between."""
_HALF = ("bf16", "fp16")
_MOST_TOKENS, _MOST_SEQUENCES = 1e20, 1e9
"""Beyond these a number is a mistake: published runs stay below 1e14 tokens and 1e7 tokens per sequence."""
_GIVEN = set(Candidate.model_fields)


class TrainingSpace(NamedTuple):
    """What is the same for all candidates of one model on one device type. place: the device, with the executor where
    several take part · search: finds splits"""

    intent: Intent
    train: Training
    name: str
    digest: str
    model: Transformer
    device: DeviceType
    hosts: tuple[Host, ...]
    executor: str
    place: str
    rejections: Rejections
    search: Search


class _Group(NamedTuple):
    """Machines that a job may be spread over. where: what tells them from others, empty if there are none · few:
    machines that a group of its own among them already offers"""

    where: str
    hosts: tuple[Host, ...]
    few: int = 0

    @property
    def machines(self) -> int:
        return sum(host.machines for host in self.hosts)


def training_problems(intent: Intent, profiles: Mapping[str, ModelProfile]) -> list[Diagnostic]:
    """Return why what an intent wants to train cannot be planned at all."""
    if intent.train is None:
        return []
    found = []
    for choice in intent.models:
        if profiles[choice.name].transformer is None:
            found.append(
                Diagnostic(
                    summary=f"{choice.name} is no transformer, and the training of other networks is not planned",
                    where=choice.where,
                    reason="how a step is split and what it takes follows from blocks, widths and heads",
                    remedy="name a transformer: a published model as `card`, or a folder with its config.json",
                )
            )
    for name, most in (("tokens", _MOST_TOKENS), ("batch", _MOST_SEQUENCES), ("sequence", _MOST_SEQUENCES)):
        if getattr(intent.train, name) > most:
            where = intent.spans.get(f"spec.train.{name}") or intent.where
            summary = f"{getattr(intent.train, name):.3g} is more than any training job has as `{name}`"
            found.append(Diagnostic(summary=summary, where=where, remedy=f"write at most {most:.0e}"))
    if intent.load is not None:
        where = intent.spans.get("spec.load.rate") or intent.where
        summary = f"{intent.name} has both a load and a training job"
        found.append(Diagnostic(summary=summary, where=where, remedy="write two intents, one for each"))
    return found


def training_candidates(space: TrainingSpace) -> Iterator[Candidate]:
    """Yield the candidates that memory and structure allow; what is left out becomes a rejection."""
    train, rejections = space.train, space.rejections
    too_long = length_reason(space.model, train.sequence)
    if too_long:
        rejections.add(space.name, "longest sequence", too_long, resolvable="train on shorter sequences")
        return
    if space.device.kind == "cpu":
        reason = "training steps of transformers are predicted for accelerators alone"
        rejections.add(f"{space.name} on {space.device.name}", "an accelerator", reason)
        return
    if not rejections.allows("batch", train.batch, f"batch {train.batch}") or not rejections.allows(
        "replicas", 1, "1 replica"
    ):
        return
    for precision in _precisions(space):
        if rejections.allows("precision", precision, precision):
            yield from _of_precision(space, precision)


def _precisions(space: TrainingSpace) -> Iterator[str]:
    """Yield in what products can be computed: 16 bits, and 8 where the device has them."""
    peaks = space.device.peak_ops_per_s
    half = next((name for name in _HALF if name in peaks), None)
    if half is None:
        reason = f"nobody states a bf16 or fp16 peak of {space.device.name}"
        what = f"{space.name} on {space.device.name}"
        space.rejections.add(what, "16-bit products", reason, resolvable="state `peak` of the device type")
        return
    yield half
    if "fp8" in peaks:
        yield "fp8"


def _groups(hosts: Sequence[Host]) -> Iterator[_Group]:
    """Yield machines with equally many devices that are as good as each other, and all such where they differ in price
    or electricity: a job spread over unlike machines would wait for the slowest."""
    wide: dict[int, list[Host]] = {}
    for host in hosts:
        wide.setdefault(host.devices, []).append(host)
    for alike in wide.values():
        sites: dict[Hashable, list[Host]] = {}
        for host in alike:
            sites.setdefault(host.site, []).append(host)
        distinct = len(wide) > 1 or len(sites) > 1
        groups = [_Group(f"on {found[0].node}" if distinct else "", tuple(found)) for found in sites.values()]
        yield from groups
        if len(groups) > 1:
            label = f"anywhere with {alike[0].devices}"
            yield _Group(label, tuple(alike), max(group.machines for group in groups))


def _spots(group: _Group) -> Iterator[Spot]:
    """Yield how many devices are used: powers of two of one machine, then whole machines: powers of two, halfway
    between them, and all."""
    nodes = tuple(host.node for host in group.hosts)
    width = group.hosts[0].devices
    if not group.few:
        for devices in sorted({*_powers_of_two(width), width}):
            yield Spot(nodes, devices, 1)
    counts = {*_powers_of_two(group.machines), *(3 * half for half in _powers_of_two(group.machines // 3))}
    for machines in sorted({*counts, group.machines}):
        if machines > max(1, group.few):
            yield Spot(nodes, width, machines)


def _powers_of_two(top: int) -> list[int]:
    return [1 << power for power in range(top.bit_length())]


def _of_precision(space: TrainingSpace, precision: str) -> Iterator[Candidate]:
    what = f"{space.name} {precision} on"
    job = Job(space.train.sequence, space.train.batch, precision)
    searched: list[tuple[Spot, TrainingPlans]] = []
    kept = 0
    for group in _groups(space.hosts):
        for wanted in _spots(group):
            for spot, where, found in _searched(space, job, wanted, group, what):
                searched.append((spot, found))
                for plan in _spread(found.plans):
                    kept += 1
                    for mode in modes_of(space.device, space.intent):
                        yield _candidate(space, precision, spot, where, plan, mode)
    _tell(space, what, searched, kept)


def _searched(
    space: TrainingSpace, job: Job, spot: Spot, group: _Group, what: str
) -> Iterator[tuple[Spot, str, TrainingPlans]]:
    """Yield what is found for a number of devices, with where that is; machines that cannot work together may do so
    with those of their own node."""
    try:
        yield spot, group.where, space.search(space.model, space.device, spot, job)
    except InputError as error:
        said = error.diagnostics[0]
        number = f"{_number(spot)} " if spot.machines > 1 else ""
        place = f"{what} {number}{space.device.name}"
        space.rejections.add(place, "known hardware", said.summary, resolvable=said.remedy)
        for host in group.hosts if len(group.hosts) > 1 else ():
            if host.machines >= spot.machines > 1:
                own = spot._replace(nodes=(host.node,))
                yield from _searched(space, job, own, _Group(f"on {host.node}", (host,)), what)


def _tell(space: TrainingSpace, what: str, searched: Sequence[tuple[Spot, TrainingPlans]], kept: int) -> None:
    """Add a rejection for the numbers of devices that cannot be, by reason, and for the splits that are left out."""
    device, model, train = space.device.name, space.model, space.train
    full = [(spot, found.least_bytes, found) for spot, found in searched if not found.plans and found.least_bytes]
    odd = [spot for spot, found in searched if found.least_bytes is None]
    if full:
        spot, least, found = min(full, key=lambda item: item[1])
        reason = (
            f"each device would hold {_bytes(least)} at least, in the leanest way to split a step over "
            f"{_number(spot)}, and {_bytes(found.usable_bytes)} of its {_bytes(found.capacity_bytes)} may be taken"
        )
        names = ", ".join(dict.fromkeys(_number(spot) for spot, _, _ in full))
        space.rejections.add(f"{what} {names} {device}", "memory", reason, resolvable="more or larger devices")
    if odd:
        heads = max((kind.heads for kind in model.attention), default=0)
        reason = (
            f"no degrees whose product is that number divide {train.batch} sequences, {heads} heads and "
            f"{model.layers} blocks"
        )
        remedy = "choose a batch that more numbers of devices divide"
        names = ", ".join(dict.fromkeys(map(_number, odd)))
        space.rejections.add(f"{what} {names} {device}", "degrees divide the job", reason, resolvable=remedy)
    considered = sum(found.considered for _, found in searched if found.plans)
    if considered > kept:
        reason = (
            f"of {considered:,} ways to split a step over these devices, all others do not fit, are slower and no "
            f"leaner than these {kept}, or lie between two of them"
        )
        space.rejections.add(f"{what} {device}, split otherwise", "quick or lean", reason)


def _number(spot: Spot) -> str:
    return f"{spot.machines} x {spot.devices}" if spot.machines > 1 else str(spot.devices)


def _bytes(size: float) -> str:
    return format_quantity(size, Dimension.BYTES)


def _spread(plans: Sequence[TrainingPlan]) -> list[TrainingPlan]:
    """Return a few plans evenly from quickest to leanest."""
    last = len(plans) - 1
    places = {round(step * last / (_KEPT - 1)) for step in range(_KEPT)} if plans else set()
    return [plans[place] for place in sorted(places)]


def _candidate(
    space: TrainingSpace, precision: str, spot: Spot, where: str, plan: TrainingPlan, mode: str | None
) -> Candidate:
    degrees = {
        "tensor": plan.tensor,
        "pipeline": plan.pipeline,
        "data": plan.data,
        "context": plan.context,
        "expert": plan.expert,
    }
    short = {"tensor": "tp", "pipeline": "pp", "context": "cp", "expert": "ep", "data": "dp"}
    ways = "-".join(f"{short[name]}{degrees[name]}" for name in short if degrees[name] > 1) or "none"
    sharding = f"zero{plan.shard}" if plan.shard else "none"
    chunks = f"v{plan.chunks}" if plan.chunks > 1 else ""
    parts = (
        space.intent.name, space.name, space.place, precision, f"{spot.machines}x{spot.devices}", ways + chunks,
        f"mb{plan.micro_batch}", f"recompute-{plan.recompute}", f"sharding-{sharding}", where, mode or "",
    )  # fmt: skip
    fields = {
        "id": "/".join(part for part in parts if part),
        "intent": space.intent.name,
        "model": space.name,
        "model_digest": space.digest,
        "device": space.device.name,
        "nodes": spot.nodes,
        "executor": space.executor,
        "precision": precision,
        "quantization": "none",
        "compression": "none",
        "batch": space.train.batch,
        "threads": 0,
        "replicas": 1,
        "parallelism": ways,
        "power_mode": mode,
        "tiers": {},
        "devices": spot.devices,
        "machines": spot.machines,
        "degrees": degrees,
        "settings": {
            "micro_batch": str(plan.micro_batch),
            **({"chunks": str(plan.chunks)} if plan.chunks > 1 else {}),
            "recompute": plan.recompute,
            "sharding": sharding,
        },
    }
    return trusted(Candidate, fields, _GIVEN)


def best_splits(intent: Intent, options: Sequence[Priced]) -> tuple[tuple[Priced, ...], tuple[Rejection, ...]]:
    """Leave out splits that another one over the same devices, in the same precision, is quicker than and no worse in
    all that the intent requires and wants: between equals, the quickest is meant."""
    named = list(dict.fromkeys([*(item.metric for item in intent.require), *(item.metric for item in intent.goal)]))
    front: dict[tuple[object, ...], list[tuple[float, ...]]] = {}
    kept: dict[str, Priced] = {}
    rejections: dict[str, Rejection] = {}
    for option in sorted(options, key=lambda item: (_figures(item, ("time",)), item.candidate.id)):
        own, figures = front.setdefault(_place(option.candidate), []), _figures(option, named)
        if any(all(map(le, other, figures)) for other in own):
            what = f"slower splits of {option.candidate.model} on {option.candidate.device}"
            reason = f"quicker ones of the same devices are no worse in {', '.join(named)}"
            rejections.setdefault(what, Rejection(what=what, clause="the quickest", reason=reason, by="candidates"))
        else:
            own.append(figures)
            kept[option.candidate.id] = option
    return tuple(option for option in options if option.candidate.id in kept), tuple(rejections.values())


def _place(candidate: Candidate) -> tuple[object, ...]:
    return (
        candidate.model, candidate.device, candidate.executor, candidate.precision, candidate.nodes, candidate.devices,
        candidate.machines,
    )  # fmt: skip


def _figures(option: Priced, names: Sequence[str]) -> tuple[float, ...]:
    """Return expected values and the ends of intervals, the less the better; infinite where nothing is known."""
    found: list[float] = []
    for name in names:
        estimate, side = option.estimates.get(name), 1.0 if metric(name).better == "lower" else -1.0
        found += (
            [math.inf] * 3 if estimate is None else [side * n for n in (estimate.low, estimate.value, estimate.high)]
        )
    return tuple(found)
