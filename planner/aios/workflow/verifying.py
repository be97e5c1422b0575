"""verify: the stated load on what stands, and each promise against what was measured."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceType, Fleet
from aios.records.measurement import Measured, Verdict
from aios.records.plan import Claim, Deployment
from aios.records.state import Resource, State
from aios.spi.executor import Executor, Exercise, Trace
from aios.spi.meter import Reading
from aios.workflow.comparisons import answers_of, as_stored, compares_with_stored, paired_words
from aios.workflow.keeping import artefacts_of
from aios.workflow.ledger import keep_counted, keep_verified
from aios.workflow.loading import bursts, items_for, open_loop
from aios.workflow.metering import RESIDENT_METER, best_meter, dynamic_energy, metered, resident_bytes
from aios.workflow.reading import fleet_of
from aios.workflow.setting import Setting
from aios.workflow.stages import stage
from aios.workflow.verifyingwhole import Part, verify_whole
from aios.workflow.watching import watched_executors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aios.models.data_files import Items
    from aios.records.model import ModelProfile

__all__ = ["Verified", "verify"]

_LONE_REQUESTS = 200
"""Requests when no load is stated: one at a time."""

_BURSTS, _BURST = 3, 16
"""Bursts that throughput is measured with, and requests per replica and place in a batch in each: always work to do."""


@dataclass(frozen=True)
class Verified:
    """What verifying one resource gave. conditions: how it was measured, in words and units."""

    address: str
    verdicts: tuple[Verdict, ...]
    conditions: Mapping[str, str]


@dataclass
class _Found:
    """What has been measured of one resource so far, and what could not be."""

    measured: dict[str, Measured] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)
    conditions: dict[str, str] = field(default_factory=dict)


def verify(setting: Setting, targets: tuple[str, ...], seconds: float, seed: int) -> tuple[Verified, ...]:
    """Exercise each applied service at its stated load for ``seconds`` and judge its claims.

    Raises InputError for an unknown target, or when nothing is applied.
    """
    from aios.workflow.keeping import load_state
    from aios.workflow.runs import keep_verdicts
    from aios.workflow.standing import pick

    state = load_state(setting)
    if not state.resources:
        raise InputError(Diagnostic(summary="nothing is applied, so there is nothing to verify", command="aios status"))
    fleet = fleet_of(setting)
    done: list[Verified] = []
    pipelines: dict[str, list[Part]] = {}
    for resource in pick(state, _stages(state, targets)):
        with stage("verify", address=resource.address, plan=resource.plan, load_s=seconds) as at:
            one, part = _verify_one(setting, fleet, resource, seconds, seed)
            at.note(verdicts={verdict.metric: verdict.verdict for verdict in one.verdicts})
        done.append(one)
        keep_verified(setting, resource, one.verdicts, one.conditions)
        if "/" in resource.address:
            pipelines.setdefault(resource.address.partition("/")[0], []).append(part)
    for name, parts in pipelines.items():
        if len(parts) == len(_stages(state, (name,))):
            setting.tell(f"{name}: requests through all of its stages for {seconds:g} s")
            done.append(Verified(*verify_whole(setting, name, parts, seconds, seed)))
    keep_verdicts(setting, done)
    return tuple(done)


def _stages(state: State, targets: tuple[str, ...]) -> tuple[str, ...]:
    """Return targets, those that are pipelines as their stages."""
    found: list[str] = []
    for name in targets:
        own = [address for address in state.resources if address.startswith(f"{name}/")]
        found += own if own and name not in state.resources else [name]
    return tuple(found)


def _verify_one(setting: Setting, fleet: Fleet, resource: Resource, seconds: float, seed: int) -> tuple[Verified, Part]:
    from aios.spi import registry
    from aios.verify import judge

    loaded = registry.load("aios.executors", resource.executor)
    executor = watched_executors({resource.executor: loaded})[resource.executor]
    seen = executor.observe(resource.address, resource.handle)
    claims = tuple(claim for claim in resource.claims if claim.address == resource.address)
    profile = None
    found = _Found()
    if seen.condition == "written":
        raise InputError(
            Diagnostic(
                summary=f"{resource.address} cannot be measured: nothing runs, {executor.name} only writes it down",
                remedy="serve it as its files say and measure it there, or pin another executor in the intent",
                command="aios plugins",
            )
        )
    if seen.condition in ("absent", "dead", "starting"):
        for claim in claims:
            found.failed[claim.metric] = f"the service is {seen.condition}: {seen.detail}"
    else:
        device = fleet.types.get(resource.deployment.device)
        profile = _served(resource)
        own = resource.model_copy(update={"claims": claims})
        keep_counted(setting, own, executor)
        _measure(found, setting, own, profile, device, executor, seen.pids, seconds, seed)
    verdicts = judge(claims, found.measured, found.failed, found.unmeasured)
    return Verified(resource.address, verdicts, found.conditions), Part(resource, seen, profile, verdicts)


def _measure(
    found: _Found,
    setting: Setting,
    resource: Resource,
    profile: ModelProfile,
    device: DeviceType | None,
    executor: Executor,
    pids: Sequence[int],
    seconds: float,
    seed: int,
) -> None:
    """Fill ``found`` from one run at the stated load, bursts beyond it, and the items that the load did not reach."""
    deployment = resource.deployment
    given = items_for(setting, resource.evaluate, profile)
    items, judged = given.inputs, bool(resource.evaluate and _of_accuracy(resource))
    load = open_loop(_schedule(deployment, seconds, seed, resource.address), items, keep_outputs=judged)
    setting.tell(f"{resource.address}: {len(load.at_s)} requests in {seconds:g} s")
    meter, why_not = (
        best_meter(device)
        if device
        else (None, f"the fleet has no {deployment.device}; name the one it was planned for with --fleet")
    )
    trace, reading = metered(meter, device, pids, lambda: executor.exercise(resource.handle, load))
    _latency(found, trace, load)
    _energy(found, reading, device, deployment, len(load.at_s), why_not)
    _memory(found, pids, resource.deployment)
    capacity = _throughput(found, resource, executor, items)
    _accuracy(found, setting, _of_accuracy(resource), resource, profile, executor, (load, trace), given, capacity)


def _of_accuracy(resource: Resource) -> tuple[Claim, ...]:
    """Return what is promised of the accuracy of what stands."""
    return tuple(claim for claim in resource.claims if claim.metric.startswith("accuracy."))


def _served(resource: Resource) -> ModelProfile:
    """Return the model that is served. Raises InputError where its file changed, or says nothing of its inputs."""
    from aios.workflow.inspecting import inspect_deployed

    deployment = resource.deployment
    profile = inspect_deployed(deployment)
    if profile.digest != deployment.model_digest:
        raise InputError(
            Diagnostic(
                summary=f"{deployment.model_path} is no longer the model that {resource.address} serves",
                remedy="plan and apply the new one first, or put the old one back",
                command="aios plan",
            )
        )
    if not profile.inputs:
        lacking = f"{deployment.model} has no file that says what it takes in"
        raise InputError(
            Diagnostic(
                summary=f"{resource.address} cannot be measured: {lacking}",
                remedy="measure it with the tools of what serves it",
            )
        )
    return profile


def _schedule(deployment: Deployment, seconds: float, seed: int, address: str) -> NDArray[np.float64]:
    """Return sending times: the stated load, or lone requests one after another when none is stated."""
    import numpy as np

    from aios.verify import arrival_times

    if deployment.rate_per_s is None:
        return np.linspace(0.0, seconds, _LONE_REQUESTS, endpoint=False)
    generator = np.random.default_rng([seed, zlib.crc32(address.encode())])
    return arrival_times(deployment.rate_per_s, seconds, deployment.arrivals, generator)


def _latency(found: _Found, trace: Trace, load: Exercise) -> None:
    """Latencies, and the rate that was really answered."""
    import numpy as np

    from aios.verify import latency_values

    found.measured |= latency_values(trace)
    failures = int(np.isinf(trace.latency_s).sum())
    sent = len(trace.latency_s)
    if failures:
        text = f"{failures} of {sent} requests failed: " + ", ".join(f"{n} × {e}" for e, n in trace.errors.items())
        for name in ("latency.mean", "latency.p50", "latency.p90", "latency.p95", "latency.p99"):
            if name not in found.measured:
                found.failed[name] = text
        found.conditions["failed"] = text
    found.conditions["load"] = f"{sent} requests over {load.at_s[-1]:.1f} s, open loop"


def _throughput(
    found: _Found, resource: Resource, executor: Executor, items: Mapping[str, NDArray[Any]]
) -> Measured | None:
    """Measure what the service can sustain, and return it: bursts that keep every replica busy."""
    from aios.verify import burst_capacity

    size = _BURST * resource.deployment.replicas * resource.deployment.batch
    capacity = burst_capacity([executor.exercise(resource.handle, load) for load in bursts(items, _BURSTS, size)])
    if capacity is None:
        found.failed["throughput"] = "no burst of requests was answered"
    else:
        found.measured["throughput"] = capacity
    return capacity


def _energy(
    found: _Found,
    reading: Reading | None,
    device: DeviceType | None,
    deployment: Deployment,
    requests: int,
    why_not: str,
) -> None:
    """Power and energy per request: what the load caused, and the idle power of the share that the service reserves,
    assumed where nobody states it just as predictions do."""
    from aios.cost.interval import Interval
    from aios.cost.power import beside

    caused = dynamic_energy(reading, device) if reading and device else None
    if reading is None or device is None or caused is None:
        for name in ("power", "energy"):
            found.unmeasured[name] = f"no meter here can: {why_not}"
        return
    share = sum(place.share * place.replicas * len(place.devices) for place in deployment.placement)
    seen = Interval(*[caused / reading.seconds] * 3)
    idle = beside(device, deployment.power_mode, share, seen, reading.scope)
    meter, power = reading.meter, seen.plus(idle)
    if idle.value:
        meter += f", with {idle.value:.3g} W of idle power for its share"
        meter += "" if device.idle_w else f" (assumed, {idle.low:.3g} to {idle.high:.3g} W)"
    for name, unit, watts in (("power", "W", power), ("energy", "J", power.times(reading.seconds / requests))):
        low, value, high = watts
        found.measured[name] = Measured(value=value, low=low, high=high, unit=unit, n=requests, meter=meter)
    found.conditions["meter"] = meter


def _exact(value: float, unit: str, meter: str, n: int) -> Measured:
    """Return a measurement whose meter states no error: its interval is the value itself."""
    return Measured(value=value, low=value, high=value, unit=unit, n=n, meter=meter)


def _memory(found: _Found, pids: Sequence[int], deployment: Deployment) -> None:
    size = resident_bytes(pids, mapped=bool(deployment.tiers))
    if size is None:
        found.unmeasured["memory"] = "the kernel does not tell it of these processes"
    else:
        meter = f"{RESIDENT_METER}, without pages of files" if deployment.tiers else RESIDENT_METER
        found.measured["memory"] = _exact(size, "B", meter, len(pids))


def _accuracy(
    found: _Found,
    setting: Setting,
    claims: Sequence[Claim],
    resource: Resource,
    profile: ModelProfile,
    executor: Executor,
    done: tuple[Exercise, Trace],
    items: Items,
    capacity: Measured | None,
) -> None:
    """Accuracy over every evaluation item, as answered by the endpoint."""
    import numpy as np

    from aios.verify import score

    names = [claim.metric for claim in claims]
    if not resource.evaluate:
        found.unmeasured |= dict.fromkeys(names, "the intent names no evaluation data with labels")
    if not resource.evaluate or not names:
        return
    answers = _answered(resource, executor, done, items.inputs, capacity)
    if not answers:
        return
    known = sorted(answers)
    stored = None
    if compares_with_stored(names):
        reference = as_stored(resource.deployment, profile)
        artefact = executor.prepare(reference, artefacts_of(setting))
        asked = {name: array[known] for name, array in items.inputs.items()}
        stored = next(iter(executor.infer(reference, artefact, asked).values()))
    outputs = np.stack([answers[item] for item in known])
    judged = answers_of(items.at(known), outputs, stored)
    scores = score(names, judged, "answers of the served endpoint", claims[0].confidence)
    found.measured |= scores.values
    found.conditions |= paired_words(scores.values)
    if items.labels is None:
        lacking = (name for name in names if name not in scores.values)
        found.unmeasured |= dict.fromkeys(lacking, "the intent names no evaluation data with labels")


def _answered(
    resource: Resource,
    executor: Executor,
    done: tuple[Exercise, Trace],
    inputs: Mapping[str, NDArray[Any]],
    capacity: Measured | None,
) -> Mapping[int, Any]:
    """Return item -> answer of the endpoint. Items that the load did not reach go out at half its capacity."""
    import numpy as np

    first, trace = done
    answers: dict[int, Any] = {}
    runs = [(first.item, trace)]
    left = np.setdiff1d(np.arange(len(next(iter(inputs.values())))), first.item)
    if len(left) and capacity is not None:
        at_s = np.arange(len(left)) / (0.5 * capacity.value)
        load = Exercise(at_s=at_s, item=left, inputs=inputs, keep_outputs=True, trial=True)
        runs.append((left, executor.exercise(resource.handle, load)))
    for asked, answer in runs:
        output = next(iter(answer.outputs.values()))
        for position, item in enumerate(asked):
            if np.isfinite(answer.latency_s[position]):
                answers.setdefault(int(item), output[position])
    return answers
