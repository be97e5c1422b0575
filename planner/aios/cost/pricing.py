"""Every candidate with its estimates; candidates that differ in replicas alone share most of the work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aios.cost.accuracy import accuracies, accuracy_notes
from aios.cost.effects import change_of
from aios.cost.evidence import Evidence, Library
from aios.cost.interval import Interval, Unknown, estimate
from aios.cost.load import LATENCIES, OF_JOBS, Loaded, loaded
from aios.cost.making import priced_of
from aios.cost.memory import Memory, memory_of
from aios.cost.network_power import NetworkPowers
from aios.cost.network_time import NetworkTimes
from aios.cost.power import Drawn, Power, power_of
from aios.cost.protecting import protection_notes
from aios.cost.service import Service, Workbench
from aios.cost.site import Site, site_of
from aios.cost.tiers import residences_of, tier_rates
from aios.records.candidate import Candidate, Demand, Estimate, Priced, Residence
from aios.records.fleet import DeviceType, Fleet
from aios.records.intent import Intent
from aios.records.metrics import METRICS
from aios.records.model import ModelProfile

__all__ = ["price"]

_OF_OTHERS = {
    **{
        name: "only language models answer in tokens"
        for name in METRICS
        if name.startswith(("latency.ttft.", "latency.tpot."))
    },
    **OF_JOBS,
}
"""Metrics that mean nothing for a network that answers requests, and why."""


class _Setup(NamedTuple):
    """All that does not depend on the number of replicas. share: of its device that one replica takes, None unknown ·
    drawn: watts at work, where they were learnt and no energy was measured · notes: as in ``Priced``"""

    device: DeviceType
    service: Service | Unknown
    memory: Memory
    residences: tuple[Residence, ...]
    accuracy: Mapping[str, Estimate]
    unknown: Mapping[str, str]
    demand: Demand
    site: Site
    drawn: Drawn | None
    notes: tuple[str, ...]


def price(
    intent: Intent,
    candidates: Iterable[Candidate],
    profiles: Mapping[str, ModelProfile],
    fleet: Fleet,
    evidence: Evidence,
) -> tuple[Priced, ...]:
    """Return the candidates, in their order, with what each is expected to do under the intent's load.

    profiles: by model name, one for each candidate's model · fleet: holds each candidate's device type. Raises KeyError
    when one is missing, which is the caller's mistake.
    """
    candidates = tuple(candidates)
    if intent.train is not None:
        from aios.cost.training.pricing import price_training

        return price_training(intent, candidates, profiles, fleet, evidence)
    library = Library(evidence)
    language = [item for item in candidates if profiles[item.model].transformer is not None]
    others = [item for item in candidates if profiles[item.model].transformer is None]
    fixed = iter(_networks(intent, others, profiles, fleet, evidence, library))
    found = iter(_language(intent, language, profiles, fleet, evidence, library))
    return tuple(next(fixed if profiles[item.model].transformer is None else found) for item in candidates)


def _language(
    intent: Intent,
    candidates: Sequence[Candidate],
    profiles: Mapping[str, ModelProfile],
    fleet: Fleet,
    evidence: Evidence,
    library: Library,
) -> Sequence[Priced]:
    if not candidates:
        return ()
    from aios.cost.language import price_language

    return price_language(intent, candidates, profiles, fleet, evidence, library)


def _networks(
    intent: Intent,
    candidates: Iterable[Candidate],
    profiles: Mapping[str, ModelProfile],
    fleet: Fleet,
    evidence: Evidence,
    library: Library,
) -> list[Priced]:
    """Return candidates that run networks whose work is the same for every item."""
    candidates = tuple(candidates)
    workbench = Workbench(library, NetworkTimes(candidates, profiles, fleet.types, evidence.calibrations))
    powers = NetworkPowers(candidates, profiles, fleet.types, evidence.calibrations)
    setups: dict[tuple[object, ...], _Setup] = {}
    accuracy: dict[tuple[object, ...], tuple[dict[str, Estimate], dict[str, str]]] = {}
    priced = []
    for candidate in candidates:
        kind = (candidate.model, candidate.device, candidate.executor, candidate.way)
        key: tuple[object, ...] = (*kind, candidate.threads, candidate.batch, candidate.power_mode, candidate.nodes)
        if candidate.tiers:  # replicas share a tier
            key = (*key, *candidate.tiers.items(), candidate.replicas)
        setup = setups.get(key)
        if setup is None:
            profile, device = profiles[candidate.model], fleet.types[candidate.device]
            if kind not in accuracy:
                accuracy[kind] = accuracies(intent, candidate, profile, device, library)
            rates = tier_rates(candidate, device, fleet)
            service = rates if isinstance(rates, Unknown) else workbench.service_of(candidate, profile, device, rates)
            if isinstance(service, Service):
                service = service._replace(basis=service.basis + library.disturbance(candidate))
            change = change_of(candidate, profile, evidence.transforms)
            sizes = change.part_bytes(profile, max(candidate.batch, profile.fixed_batch or 1))
            residences = residences_of(sizes, candidate, device, rates)
            known = isinstance(service, Unknown) or service.energy_j is not None
            drawn = None if known else powers.of(candidate)
            setup = setups[key] = _setup(
                candidate, residences, device, fleet, service, accuracy[kind], drawn, accuracy_notes(candidate, library)
            )
        priced.append(_priced(intent, candidate, setup))
    return priced


def _setup(
    candidate: Candidate,
    residences: tuple[Residence, ...],
    device: DeviceType,
    fleet: Fleet,
    service: Service | Unknown,
    accuracy: tuple[Mapping[str, Estimate], Mapping[str, str]],
    drawn: Drawn | None,
    notes: tuple[str, ...],
) -> _Setup:
    measured = service.memory_bytes if isinstance(service, Service) else None
    memory = memory_of(candidate, {item.part: item.bytes for item in residences}, device, measured)
    moved: dict[str, float] = {}
    for item in residences:
        if item.part in candidate.tiers:
            moved[item.tier] = moved.get(item.tier, 0.0) + item.bytes
    demand = Demand(
        share=_share(candidate, device, fleet),
        cores=candidate.threads,
        device_memory_bytes=0.0 if device.kind == "cpu" else memory.replica.high,
        node_memory_bytes=memory.node_bytes(device, moved),
        tier_bytes={tier: size for tier, size in moved.items() if tier != "dram" or device.kind == "cpu"},
    )
    site = site_of(candidate, device, fleet)
    unknown = {**_OF_OTHERS, **accuracy[1], **site.unknown}
    return _Setup(device, service, memory, residences, accuracy[0], unknown, demand, site, drawn, notes)


def _share(candidate: Candidate, device: DeviceType, fleet: Fleet) -> float:
    """Return what one replica takes of its device: threads / cores of a cpu, all of anything else."""
    if device.kind != "cpu" or not candidate.threads:
        return 1.0
    cores = device.cores or min(
        (
            node.cores / sum(len(slot.ids) for slot in node.devices if slot.type == device.name)
            for node in fleet.nodes
            if node.name in candidate.nodes and node.cores
        ),
        default=candidate.threads,
    )
    return min(1.0, candidate.threads / cores)


def _priced(intent: Intent, candidate: Candidate, setup: _Setup) -> Priced:
    replicas, device, service = candidate.replicas, setup.device, setup.service
    estimates: dict[str, Estimate] = {}
    unknown = setup.unknown
    share = setup.demand.share * replicas
    rate: Interval | Unknown
    utilisation: Interval | Unknown
    if isinstance(service, Unknown):
        rate = utilisation = service
        unknown = {**unknown, **dict.fromkeys((*LATENCIES, "throughput"), service.reason)}
        power: Power | Unknown = power_of(candidate, device, share, rate, utilisation, None, "analytic")
    else:
        state = loaded(service, replicas, intent.load, device.kind == "cpu")
        estimates |= state.estimates
        if state.overloaded:
            unknown = {**unknown, **dict.fromkeys(LATENCIES, state.overloaded)}
        power = power_of(
            candidate, device, share, state.rate, state.utilisation,
            service.energy_j, service.source, service.busy, setup.drawn,
        )  # fmt: skip
        _put_energy(estimates, power, state)
    if isinstance(power, Unknown):
        unknown = {**unknown, **setup.site.without_power(power.reason)}
    else:
        estimates["power"] = estimate("power", power.watts, power.source, power.basis)
        if setup.site.carbon is not None:
            estimates["carbon"] = setup.site.carbon_of(power)
    estimates["memory"] = estimate("memory", setup.memory.total(replicas), setup.memory.source, setup.memory.basis)
    if setup.site.price is not None:
        estimates["cost"] = setup.site.cost_of(share)
    estimates |= setup.accuracy
    weights = next((item.bytes for item in setup.residences if item.part == "weights"), 0.0)
    protected = protection_notes(candidate.protection, weights) if candidate.protection else ()
    return priced_of(candidate, estimates, setup.demand, unknown, setup.residences, (*protected, *setup.notes))


def _put_energy(estimates: dict[str, Estimate], power: Power | Unknown, state: Loaded) -> None:
    """Energy per request: mean power over requests served per second."""
    if isinstance(power, Unknown) or state.rate.low <= 0:
        return
    low, value, high = power.watts
    ends = Interval(low / state.rate.high, value / state.rate.value, high / state.rate.low)
    estimates["energy"] = estimate("energy", ends, power.source, f"power / requests served; {power.basis}")
