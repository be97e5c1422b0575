"""What is true and measured now against what was applied and promised.

Pure: observations and counts come from executors, the time from workflow. A promise counts as broken only when what was
counted lies outside of what chance explains; what no promise depends on is told as not mattering.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from aios.records.base import digest_of
from aios.records.drift import Deviation, DeviationKind
from aios.records.measurement import Measured
from aios.records.metrics import find_metric
from aios.records.plan import Claim
from aios.records.state import Resource
from aios.records.units import Dimension, format_quantity
from aios.spi.executor import Counted, Observation, Stranger
from aios.verify.promises import above, broken_promises

__all__ = ["Looked", "deviations", "deviations_of"]


class Looked(NamedTuple):
    """A resource and all that could be found out of it.

    seen: None when nobody can tell, ``why`` then says why · counted: oldest first, of this deployment alone ·
    resident_bytes: of all its processes, None where it is not told
    """

    resource: Resource
    seen: Observation | None
    why: str = ""
    counted: Sequence[Counted] = ()
    resident_bytes: float | None = None


def deviations(looks: Sequence[Looked], strangers: Sequence[Stranger], now: datetime) -> tuple[Deviation, ...]:
    """Return every deviation, by resource, then of what no resource is. now: UTC"""
    found = [deviation for look in looks for deviation in deviations_of(look, now)]
    for stranger in strangers:
        found.append(
            Deviation(
                address=stranger.address or "?",
                kind="foreign",
                what="service",
                text=f"{stranger.what}: the state does not know it",
                command=stranger.remedy,
            )
        )
    return tuple(found)


def deviations_of(look: Looked, now: datetime) -> tuple[Deviation, ...]:
    """Return the deviations of one resource: of what stands, then of what is measured."""
    if look.seen is None:
        return (_deviation(look, "unknown", "condition", look.why, command=None),)
    standing = _standing(look, look.seen)
    if look.seen.condition not in ("healthy", "degraded"):
        return standing
    return (*standing, *_measured(look, now), *_restarts(look, look.seen))


def _standing(look: Looked, seen: Observation) -> tuple[Deviation, ...]:
    """Return how what stands differs from what was made."""
    resource, found = look.resource, []
    if resource.unfinished:
        text = f"an earlier {resource.unfinished} did not finish"
        found.append(_deviation(look, "changed", "apply", text))
    if seen.condition == "absent" or (seen.condition == "dead" and not seen.pids):
        found.append(_deviation(look, "missing", "service", f"it does not stand any more: {seen.detail}"))
    elif seen.condition in ("dead", "starting"):
        found.append(_deviation(look, "unhealthy", "service", seen.detail))
    elif seen.condition == "degraded":
        found.append(_deviation(look, "unhealthy", "replicas", seen.detail))
    if seen.taken_by:
        text = f"where it should listen is {seen.taken_by} now"
        found.append(_deviation(look, "foreign", "port", text, command=None))
    wanted = digest_of(resource.deployment)
    if seen.deployment_digest not in (None, wanted):
        text = f"it runs another deployment ({_short(seen.deployment_digest)}) than was applied ({_short(wanted)})"
        found.append(_deviation(look, "changed", "deployment", text))
    found += [_deviation(look, "changed", "artefact", text) for text in seen.differences]
    return tuple(found)


def _short(digest: str | None) -> str:
    return (digest or "").removeprefix("sha256:")[:12]


def _deviation(
    look: Looked, kind: DeviationKind, what: str, text: str, *, matters: bool = True, command: str | None = "aios apply"
) -> Deviation:
    return Deviation(address=look.resource.address, kind=kind, what=what, text=text, matters=matters, command=command)


def _restarts(look: Looked, seen: Observation) -> tuple[Deviation, ...]:
    if not seen.restarts:
        return ()
    died = "1 replica died and was" if seen.restarts == 1 else f"{seen.restarts:,} replicas died and were"
    text = f"{died} started again; its log says more"
    return (_deviation(look, "unhealthy", "restarts", text, matters=False, command=None),)


def _measured(look: Looked, now: datetime) -> tuple[Deviation, ...]:
    """Return the promises that what was counted breaks, and one note of those that nothing here measures."""
    resource = look.resource
    claims = tuple(claim for claim in resource.claims if claim.address == resource.address)
    found: list[Deviation] = []
    for broken in broken_promises(claims, resource.deployment, look.counted):
        since = now - timedelta(seconds=broken.began_s)
        text = broken.words.replace("{since}", _clock(since, now))
        found.append(
            Deviation(
                address=resource.address,
                kind=broken.kind,
                what=broken.what,
                text=text,
                matters=broken.matters,
                clause=broken.claim.clause if broken.claim else None,
                bound=broken.bound,
                measured=broken.measured,
                since=since.isoformat(timespec="seconds").replace("+00:00", "Z"),
                command="aios plan" if broken.matters else None,
            )
        )
    found += _memory(look, claims)
    return (*found, *_unmeasured(look, claims))


def _clock(since: datetime, now: datetime) -> str:
    same_day = since.date() == now.date()
    return since.strftime("%H:%M UTC" if same_day else "%Y-%m-%d %H:%M UTC")


def _memory(look: Looked, claims: Sequence[Claim]) -> list[Deviation]:
    claim = next((item for item in claims if item.metric == "memory" and item.bound is not None), None)
    taken = look.resident_bytes
    if claim is None or claim.bound is None or taken is None or taken <= claim.bound:
        return []
    meter = "proportional set size of all its processes"
    now, most = (format_quantity(value, Dimension.BYTES) for value in (taken, claim.bound))
    text = f"memory is {above(taken / claim.bound)} the plan ({now}, promised <= {most}; meter: {meter})"
    measured = Measured(value=taken, low=taken, high=taken, unit="B", n=1, meter=meter)
    found = _deviation(look, "performance", "memory", text, command="aios plan")
    return [found.model_copy(update={"clause": claim.clause, "bound": claim.bound, "measured": measured})]


_COUNTED = ("latency.p50", "latency.p90", "latency.p95", "latency.p99", "throughput", "memory")


def _unmeasured(look: Looked, claims: Sequence[Claim]) -> list[Deviation]:
    """Return one note that names the promises of which running services tell nothing."""
    promised = [claim.metric for claim in claims if claim.bound is not None and find_metric(claim.metric)]
    names = [name for name in promised if name not in _COUNTED]
    if not look.counted or not any(stretch.requests for stretch in look.counted):
        names = [name for name in promised if name != "memory"]
        why = "no request came since it was applied" if look.counted else "nothing was counted since it was applied"
    else:
        why = "a running service does not tell it"
    if not names:
        return []
    text = f"not measured: {', '.join(names)} ({why}; `aios verify` measures)"
    return [_deviation(look, "performance", "unmeasured", text, matters=False, command="aios verify")]
