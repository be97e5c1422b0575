"""What an applied pipeline promises as a whole, against what requests through all of its stages meet."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

from aios.records.measurement import Measured, Verdict
from aios.records.model import ModelProfile
from aios.records.plan import Claim, Deployment
from aios.records.state import Resource
from aios.spi.executor import Observation
from aios.workflow.loading import items_for
from aios.workflow.passing import Leg, Passed, pass_through
from aios.workflow.setting import Setting

__all__ = ["Part", "claims_of_whole", "verify_whole"]

_LONE_REQUESTS = 50
"""Requests when no load is stated: one at a time."""
_METER = "client on this machine that asks the stages in order, from the intended sending time"


class Part:
    """A stage that was measured by itself. verdicts: of its own claims"""

    def __init__(
        self, resource: Resource, seen: Observation, profile: ModelProfile | None, verdicts: Sequence[Verdict]
    ) -> None:
        self.resource = resource
        self.seen = seen
        self.profile = profile
        self.measured = {item.metric: item.measured for item in verdicts if item.measured is not None}

    @property
    def deployment(self) -> Deployment:
        """What stands."""
        return self.resource.deployment


def claims_of_whole(pipeline: str, resources: Sequence[Resource]) -> tuple[Claim, ...]:
    """Return what the latest plan promises of a pipeline."""
    return next((found for item in resources if (found := _of(item, pipeline))), ())


def _of(resource: Resource, address: str) -> tuple[Claim, ...]:
    return tuple(claim for claim in resource.claims if claim.address == address)


def verify_whole(
    setting: Setting, pipeline: str, parts: Sequence[Part], seconds: float, seed: int
) -> tuple[str, tuple[Verdict, ...], Mapping[str, str]]:
    """Send the stated load through all stages and judge what is claimed of the whole; return address, verdicts, how."""
    from aios.verify import judge, latency_values

    claims = claims_of_whole(pipeline, [part.resource for part in parts])
    measured = _together(claims, parts)
    failed: dict[str, str] = {}
    conditions: dict[str, str] = {}
    silent = [part for part in parts if part.profile is None or part.seen.endpoint is None]
    if silent:
        why = ", ".join(f"{part.resource.address} is {part.seen.condition}" for part in silent)
        failed = {claim.metric: why for claim in claims if claim.metric.startswith("latency.")}
    else:
        passed = _passed(setting, pipeline, parts, seconds, seed)
        measured |= latency_values(passed.trace, _METER)
        sent = len(passed.trace.latency_s)
        if passed.trace.errors:
            text = ", ".join(f"{count} x {error}" for error, count in passed.trace.errors.items())
            failed = {claim.metric: text for claim in claims if claim.metric not in measured}
            conditions["failed"] = text
        conditions["load"] = f"{sent} requests through {' -> '.join(_names(parts))} in {seconds:.1f} s, open loop"
        if passed.generated:
            listed = ", ".join(passed.generated)
            conditions["inputs"] = (
                f"what stands before {listed} gives nothing of the right shape: sent inputs of their own"
            )
    accuracy = "what happens to data between models is not aios's to know"
    unmeasured = {claim.metric: accuracy for claim in claims if claim.metric.startswith("accuracy.")}
    return pipeline, judge(claims, measured, failed, unmeasured), conditions


def _names(parts: Sequence[Part]) -> list[str]:
    names = [part.resource.address.partition("/")[2] for part in _in_order(parts)]
    return [
        name if part.deployment.per == 1 else f"{part.deployment.per} x {name}"
        for name, part in zip(names, _in_order(parts), strict=True)
    ]


def _in_order(parts: Sequence[Part]) -> list[Part]:
    """Return stages, each behind those that it takes from."""
    left, found = list(parts), list[Part]()
    while left:
        behind = {name for part in left for name in part.deployment.next}
        ready = [part for part in left if part.resource.address not in behind] or left
        found += ready
        left = [part for part in left if part not in ready]
    return found


def _passed(setting: Setting, pipeline: str, parts: Sequence[Part], seconds: float, seed: int) -> Passed:
    import numpy as np

    from aios.verify import arrival_times

    ordered = _in_order(parts)
    legs = []
    for part in ordered:
        deployment, profile = part.deployment, part.profile
        assert profile is not None
        assert part.seen.endpoint is not None
        after = tuple(k for k, other in enumerate(ordered) if part.resource.address in other.deployment.next)
        items = items_for(setting, part.resource.evaluate, profile).inputs
        legs.append(Leg(part.resource.address, part.seen.endpoint, deployment.served_as, deployment.per, after, items))
    first = ordered[0].deployment
    if first.rate_per_s is None:
        return pass_through(legs, np.linspace(0.0, seconds, _LONE_REQUESTS, endpoint=False))
    generator = np.random.default_rng([seed, zlib.crc32(pipeline.encode())])
    return pass_through(legs, arrival_times(first.rate_per_s / first.per, seconds, first.arrivals, generator))


def _together(claims: Sequence[Claim], parts: Sequence[Part]) -> dict[str, Measured]:
    """Return what the stages' own measurements come to: what they take adds up, the slowest sustains the fewest."""
    found: dict[str, Measured] = {}
    for name in {claim.metric for claim in claims} & {"power", "energy", "memory", "throughput"}:
        own = [(part.measured.get(name), part.deployment.per) for part in parts]
        known = [(item, per) for item, per in own if item is not None]
        if len(known) < len(own):
            continue
        ends = {}
        for end in ("low", "value", "high"):
            if name == "throughput":
                ends[end] = min(getattr(item, end) / per for item, per in known)
            else:
                ends[end] = sum(getattr(item, end) * (per if name == "energy" else 1) for item, per in known)
        meter = "of the stages, measured one after the other"
        found[name] = Measured(**ends, unit=known[0][0].unit, n=min(item.n for item, _ in known), meter=meter)
    return found
