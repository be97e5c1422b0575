"""Keeps predictions beside what was measured, in the ledger beside the profiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from aios.records.candidate import label_of
from aios.records.errors import AiosError
from aios.records.ledger import LedgerEntry
from aios.records.measurement import Measured, Measurement, Verdict, candidate_of
from aios.records.state import Resource
from aios.spi.executor import Counted, Executor, Watching
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.state import Ledger
    from aios.workflow.reading import Given

__all__ = ["keep_counted", "keep_profiled", "keep_verified", "ledger_of"]

_QUANTILES = {"latency.p50": 0.5, "latency.p90": 0.9, "latency.p95": 0.95, "latency.p99": 0.99}
_FEWEST = 100
"""Requests that a service must have counted before its quantiles say something."""


def ledger_of(setting: Setting) -> Ledger:
    """Return the ledger beside the profiles."""
    from aios.state import Ledger

    return Ledger(setting.profiles / "ledger")


def keep_profiled(setting: Setting, given: Given, measurement: Measurement) -> None:
    """Append what would have been predicted of a time that was measured, by all that was known before it.

    given: without the measurement. What cannot be kept is a warning: it was measured all the same.
    """
    entry = _of_call(given, measurement)
    if entry is not None:
        _append(setting, [entry])


def keep_verified(
    setting: Setting, resource: Resource, verdicts: Sequence[Verdict], conditions: Mapping[str, str]
) -> None:
    """Append the promises of a service that were measured under the stated load."""
    engine = _engine(resource)
    _append(
        setting,
        [
            _of_claim("verify", resource, verdict.metric, engine, verdict.measured, conditions, setting.now())
            for verdict in verdicts
            if verdict.measured is not None
        ],
    )


def keep_counted(setting: Setting, resource: Resource, executor: Executor) -> None:
    """Append quantiles of what a service counted of its clients since it was applied, where it counts."""
    from aios.workflow.standing import seconds_since

    if not isinstance(executor, Watching):
        return
    now = setting.now()
    age_s = seconds_since(resource.applied_at, now) + 1.0
    counted = [item for item in executor.counted(resource.handle) if item.requests and item.began_s <= age_s]
    if sum(item.requests for item in counted) < _FEWEST:
        return
    engine = _engine(resource)
    found = [
        _of_claim("service", resource, metric, engine, measured, {}, now)
        for metric, measured in _counted_quantiles(counted)
    ]
    _append(setting, found)


def _counted_quantiles(counted: Sequence[Counted]) -> Iterator[tuple[str, Measured]]:
    from aios.records.metrics import ENDLESS_S
    from aios.verify.counts import quantile

    requests = sum(item.requests for item in counted)
    for metric, q in _QUANTILES.items():
        value, low, high = quantile(counted, q, requests)
        if value < ENDLESS_S:
            yield metric, Measured(value=value, low=low, high=high, unit="s", n=requests, meter="the service's counts")


def _append(setting: Setting, entries: Sequence[LedgerEntry | None]) -> None:
    found = [entry for entry in entries if entry is not None]
    if not found:
        return
    try:
        ledger_of(setting).append(found)
    except AiosError as error:
        setting.warn(f"the ledger of errors does not have this: {error}")


def _engine(resource: Resource) -> str:
    from aios.spi import registry

    engine: str = registry.load("aios.executors", resource.executor).engine()
    return engine


def _of_claim(
    by: Literal["verify", "service"],
    resource: Resource,
    metric: str,
    engine: str,
    measured: Measured,
    conditions: Mapping[str, str],
    at: str,
) -> LedgerEntry | None:
    """Return the entry of a promise; None where nothing was predicted."""
    own = [claim for claim in resource.claims if claim.metric == metric and claim.address == resource.address]
    if not own:
        return None
    estimate, deployment = own[0].estimate, resource.deployment
    return LedgerEntry(
        by=by,
        address=resource.address,
        model=deployment.model,
        model_digest=deployment.model_digest,
        device=deployment.device,
        executor=deployment.executor,
        engine=engine,
        precision=label_of(deployment),
        threads=deployment.threads,
        batch=deployment.batch,
        power_mode=deployment.power_mode,
        metric=metric,
        predicted=estimate.value,
        low=estimate.low,
        high=estimate.high,
        source=estimate.source,
        basis=estimate.basis,
        measured=measured,
        conditions=conditions,
        at=at,
    )


def _of_call(given: Given, measurement: Measurement) -> LedgerEntry | None:
    """Return the entry of an engine's time per call; None of another kind, or where nothing can be predicted."""
    from aios.cost import call_time
    from aios.workflow.planning import evidence_of

    subject, measured = measurement.subject, measurement.values.get("time")
    models = [
        (intent, profile)
        for intent in given.intents
        for profile in given.profiles[intent.name].values()
        if profile.digest == subject.model
    ]
    if subject.kind != "service" or measured is None or not models or subject.device not in given.fleet.types:
        return None
    intent, profile = models[0]
    candidate = candidate_of(subject, profile.name, intent.name)
    evidence = evidence_of(given, intent)
    evidence = evidence.model_copy(
        update={"measurements": {k: v for k, v in evidence.measurements.items() if v.subject != subject}}
    )
    device = given.fleet.types[subject.device]
    found = call_time(candidate, profile, device, evidence)
    if found is None:
        return None
    without = None
    if found.correction is not None:
        plain = call_time(candidate, profile, device, evidence.model_copy(update={"corrections": {}}))
        without = plain and (plain.time.low, plain.time.value, plain.time.high)
    return LedgerEntry(
        by="profile",
        model=profile.name,
        model_digest=subject.model,
        device=subject.device,
        executor=subject.executor,
        engine=subject.engine,
        precision=label_of(subject),
        threads=subject.threads,
        batch=subject.batch,
        power_mode=subject.power_mode,
        metric="time",
        predicted=found.time.value,
        low=found.time.low,
        high=found.time.high,
        source=found.source,
        basis=found.basis,
        correction=found.correction,
        without=without,
        measured=measured,
        conditions=measurement.conditions,
        at=measurement.as_of,
    )
