"""What a service did in the last minutes, in the few numbers that fit on a line."""

from __future__ import annotations

from collections.abc import Sequence

from aios.records.base import Record
from aios.records.metrics import ENDLESS_S
from aios.records.plan import Claim
from aios.spi.executor import Counted
from aios.verify.counts import Tail, smallest
from aios.verify.promises import QUANTILES

__all__ = ["Lately", "lately"]


class Lately(Record):
    """Of the last minutes. seconds: how many · rate_per_s: requests · failed: of them without an answer · metric: the
    percentile of latency that was promised, else ``latency.p99`` · latency_s: its value, None where there were too few
    requests for it, ENDLESS_S where it lies among the failed · bound_s: what was promised of it"""

    seconds: float
    requests: int
    rate_per_s: float
    failed: int
    metric: str
    latency_s: float | None
    bound_s: float | None = None


def lately(counted: Counted, claims: Sequence[Claim], address: str) -> Lately:
    """Return the numbers of a stretch; of several promised percentiles the highest is told."""
    promised = {claim.metric: claim.bound for claim in claims if claim.address == address and claim.bound is not None}
    names = [name for name in QUANTILES if name in promised]
    name = names[-1] if names else "latency.p99"
    enough = counted.requests * (1 - QUANTILES[name]) >= 1
    value = smallest([Tail(counted)], QUANTILES[name]) if enough else None
    seconds = counted.began_s - counted.ended_s
    return Lately(
        seconds=seconds,
        requests=counted.requests,
        rate_per_s=counted.requests / seconds if seconds else 0.0,
        failed=counted.failed,
        metric=name,
        latency_s=None if value is None else min(value, ENDLESS_S),
        bound_s=promised.get(name),
    )
