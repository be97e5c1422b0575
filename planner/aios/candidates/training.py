"""Every way to train a transformer: device type x devices and machines x how a step is split over them x precision."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.candidates.hosts import Host
from aios.candidates.modes import modes_of
from aios.candidates.sizes import powers_of_two
from aios.candidates.transformers import HALF, OnDevice, bytes_text
from aios.records.candidate import Candidate
from aios.records.errors import Diagnostic, InputError
from aios.records.intent import Intent, Training
from aios.records.model import ModelProfile
from aios.records.training import Job, Search, Spot, TrainingPlan, TrainingPlans
from aios.records.transformers import length_reason

__all__ = ["training_candidates", "training_problems"]

_KEPT = 4
"""Splits kept of each number of devices: the quickest, the leanest, and two between."""
_SHORT = {"tensor": "tp", "pipeline": "pp", "context": "cp", "expert": "ep", "data": "dp"}
"""Dimension over which a step is split -> its name in ids, outermost last."""
_MOST_TOKENS, _MOST_SEQUENCES = 1e20, 1e9
"""Beyond these a number is a mistake: published runs stay below 1e14 tokens and 1e7 tokens per sequence."""


class _Group(NamedTuple):
    """Machines that a job may be spread over. where: tells the group from others in ids, empty where it is the only one
    · few: up to so many machines, smaller groups among them have candidates of their own"""

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


def training_candidates(space: OnDevice, train: Training, search: Search) -> Iterator[Candidate]:
    """Yield the candidates that memory and structure allow; what is left out becomes a rejection.

    search: finds the ways to split a step
    """
    rejections = space.rejections
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
            yield from _of_job(space, Job(train.sequence, train.batch, precision), search)


def _precisions(space: OnDevice) -> Iterator[str]:
    """Yield the precisions of matrix products: 16 bits, and fp8 where the device states a peak of it."""
    peaks = space.device.peak_ops_per_s
    half = next((name for name in HALF if name in peaks), None)
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
        for devices in sorted({*powers_of_two(width), width}):
            yield Spot(nodes, devices, 1)
    counts = {*powers_of_two(group.machines), *(3 * half for half in powers_of_two(group.machines // 3))}
    for machines in sorted({*counts, group.machines}):
        if machines > max(1, group.few):
            yield Spot(nodes, width, machines)


def _of_job(space: OnDevice, job: Job, search: Search) -> Iterator[Candidate]:
    what = f"{space.name} {job.precision} on"
    searched: list[tuple[Spot, TrainingPlans]] = []
    kept = 0
    for group in _groups(space.hosts):
        for wanted in _spots(group):
            for spot, where, found in _searched(space, job, search, wanted, group, what):
                searched.append((spot, found))
                for plan in _spread(found.plans):
                    kept += 1
                    for mode in modes_of(space.device, space.intent):
                        yield _candidate(space, job, spot, where, plan, mode)
    _tell(space, job, what, searched, kept)


def _searched(
    space: OnDevice, job: Job, search: Search, spot: Spot, group: _Group, what: str
) -> Iterator[tuple[Spot, str, TrainingPlans]]:
    """Yield what is found for a number of devices, with where that is; where nothing connects the machines of several
    nodes, those of each node alone."""
    try:
        yield spot, group.where, search(space.model, space.device, spot, job)
    except InputError as error:
        said = error.diagnostics[0]
        number = f"{_number(spot)} " if spot.machines > 1 else ""
        place = f"{what} {number}{space.device.name}"
        space.rejections.add(place, "known hardware", said.summary, resolvable=said.remedy)
        for host in group.hosts if len(group.hosts) > 1 else ():
            if host.machines >= spot.machines > 1:
                own = spot._replace(nodes=(host.node,))
                yield from _searched(space, job, search, own, _Group(f"on {host.node}", (host,)), what)


def _tell(space: OnDevice, job: Job, what: str, searched: Sequence[tuple[Spot, TrainingPlans]], kept: int) -> None:
    """Add rejections: numbers of devices over which no split fits or divides evenly, and splits that are left out."""
    device, model = space.device.name, space.model
    full = [(spot, found.least_bytes, found) for spot, found in searched if not found.plans and found.least_bytes]
    odd = [spot for spot, found in searched if found.least_bytes is None]
    if full:
        spot, least, found = min(full, key=lambda item: item[1])
        reason = (
            f"each device would hold {bytes_text(least)} at least, in the leanest way to split a step over "
            f"{_number(spot)}, and {bytes_text(found.usable_bytes)} of its {bytes_text(found.capacity_bytes)} may be "
            "taken"
        )
        names = ", ".join(dict.fromkeys(_number(spot) for spot, _, _ in full))
        space.rejections.add(f"{what} {names} {device}", "memory", reason, resolvable="more or larger devices")
    if odd:
        heads = max((kind.heads for kind in model.attention), default=0)
        reason = (
            f"no degrees whose product is that number divide {job.global_batch} sequences, {heads} heads and "
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


def _spread(plans: Sequence[TrainingPlan]) -> list[TrainingPlan]:
    """Return a few plans evenly from quickest to leanest."""
    last = len(plans) - 1
    places = {round(step * last / (_KEPT - 1)) for step in range(_KEPT)} if plans else set()
    return [plans[place] for place in sorted(places)]


def _candidate(space: OnDevice, job: Job, spot: Spot, where: str, plan: TrainingPlan, mode: str | None) -> Candidate:
    ways = "-".join(f"{short}{degree}" for name, short in _SHORT.items() if (degree := getattr(plan, name)) > 1)
    sharding = f"zero{plan.shard}" if plan.shard else "none"
    chunks = {"chunks": str(plan.chunks)} if plan.chunks > 1 else {}
    parts = (
        space.intent.name, space.name, space.place, job.precision, f"{spot.machines}x{spot.devices}",
        (ways or "none") + (f"v{plan.chunks}" if chunks else ""), f"mb{plan.micro_batch}",
        f"recompute-{plan.recompute}", f"sharding-{sharding}", where, mode or "",
    )  # fmt: skip
    return space.candidate(
        id="/".join(part for part in parts if part),
        nodes=spot.nodes,
        precision=job.precision,
        batch=job.global_batch,
        parallelism=ways or "none",
        power_mode=mode,
        devices=spot.devices,
        machines=spot.machines,
        degrees={name: getattr(plan, name) for name in ("tensor", "pipeline", "data", "context", "expert")},
        settings={
            "micro_batch": str(plan.micro_batch),
            **chunks,
            "recompute": plan.recompute,
            "sharding": sharding,
        },
    )
