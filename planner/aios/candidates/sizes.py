"""How many threads, items per batch and replicas are worth considering, and why no more."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from aios.candidates.hosts import Host
from aios.candidates.rejections import Rejections
from aios.records.fleet import DeviceType
from aios.records.intent import Intent
from aios.records.model import ModelProfile

__all__ = ["batches_of", "powers_of_two", "replica_bound", "replicas_of", "threads_of"]

LARGEST_BATCH = 64
"""No batch beyond this is considered unless pinned: throughput of networks that serve requests one item each is flat by
then on published curves, and every item waits for the whole batch."""

WINDOW_S = 1.0
"""Stands for the latency bound where the intent has none: nobody calls a service of a stated rate that takes longer."""

EVERY_REPLICA_COUNT_UP_TO = 16
"""Replica counts are all considered up to here, then in steps of an eighth: finer steps change load by less than the
uncertainty of a service time. ``with_fewest`` adds the count from which on requirements are kept."""


def threads_of(device: DeviceType, hosts: Sequence[Host], intent: Intent, rejections: Rejections) -> tuple[int, ...]:
    """Return thread counts per replica: powers of two up to the cores and the full count; 0 on what is no cpu.

    A pin replaces the list; it does not concern devices without CPU threads.
    """
    if device.kind != "cpu":
        return (0,)
    cores = max((host.cores or 1 for host in hosts), default=1)
    if not any(host.cores for host in hosts):
        rejections.add(
            f"more than 1 thread on {device.name}", "cores unknown", f"nothing states how many cores {device.name} has",
            resolvable=f"state cores of {device.name} or cpu of its node",
        )  # fmt: skip
    found = sorted({*powers_of_two(cores), *(host.cores for host in hosts if host.cores)})
    if intent.pin.threads:
        found = sorted(set(intent.pin.threads))
    elif cores > len(found):
        listed = ", ".join(map(str, found))
        rejections.add(
            f"thread counts on {device.name} other than {listed}", "powers of two and all cores",
            f"of 1 to {cores} threads, those between differ by less than a factor of two", resolvable="pin threads",
        )  # fmt: skip
    kept = []
    for threads in found:
        what = f"{threads} threads on {device.name}"
        if threads > cores or threads < 1:
            rejections.add(what, "cores", f"{device.name} has {cores} cores on its largest node")
        elif rejections.allows("threads", threads, what):
            kept.append(threads)
    return tuple(kept)


def batches_of(profile: ModelProfile, intent: Intent, rejections: Rejections) -> tuple[int, ...]:
    """Return batch sizes: 1 if the model's batch is fixed or there is no load, else powers of two up to a bound.

    The bound: a batch holds what arrives while the one before computes, and that takes no longer than the tightest
    latency bound L; so at most rate x L + 1 items come together. A pin replaces the list.
    """
    fixed = profile.batch_axis is None
    if fixed or (intent.load is None and not intent.pin.batch):
        found = [1]
        if fixed:
            reason = f"the file of {profile.name} fixes the batch at {profile.fixed_batch or 1}"
            rejections.add(
                f"{profile.name} in batches", "fixed batch", reason, resolvable="export with a dynamic batch"
            )
        else:
            rejections.add(
                "batches above 1", "no load", "without a load nothing arrives together", resolvable="set load"
            )
    else:
        found = sorted(set(intent.pin.batch)) or _batch_grid(intent, rejections)
    if fixed:
        found += [batch for batch in intent.pin.batch if batch != 1]
    kept = []
    for batch in found:
        if fixed and batch != 1:
            rejections.add(f"{profile.name} in batches of {batch}", "fixed batch", f"{profile.name} has no batch axis")
        elif rejections.allows("batch", batch, f"batch {batch}"):
            kept.append(batch)
    return tuple(kept)


def _batch_grid(intent: Intent, rejections: Rejections) -> list[int]:
    if intent.load is None:
        return [1]
    bound_s, basis = _latency_bound_s(intent)
    together = intent.load.rate_per_s * bound_s + 1
    largest = min(LARGEST_BATCH, 1 << int(math.log2(together) + 1e-9))
    rejections.add(
        f"batches above {largest}", "batch bound",
        f"at {intent.load.rate_per_s:.3g}/s at most {together:.3g} items come together within {basis}"
        + (f"; none above {LARGEST_BATCH} is considered" if largest == LARGEST_BATCH else ""),
        resolvable="pin batch",
    )  # fmt: skip
    return powers_of_two(largest)


def replica_bound(intent: Intent, rejections: Rejections) -> int | None:
    """Return the largest number of replicas that the load can justify; None where there is no load, no bound on
    latency, or losses are to be survived: what sustains the load may then take as many as there is room for.

    By Little's law at most a = rate x L requests are in service when each takes no longer than the tightest latency
    bound L; with a + 3 sqrt(a) + 1 servers (square-root staffing, Halfin and Whitt 1981) waiting is already rare.
    """
    timed = any(item.metric.startswith("latency.") for item in intent.require)
    if intent.load is None or intent.placement.survive is not None or not timed:
        return None
    bound_s, basis = _latency_bound_s(intent)
    busy = intent.load.rate_per_s * bound_s
    bound = math.ceil(busy + 3 * math.sqrt(busy) + 1)
    rejections.add(
        f"replicas above {bound}", "replica bound",
        f"at {intent.load.rate_per_s:.3g}/s within {basis} at most {busy:.3g} requests are in service at once",
        resolvable="pin replicas",
    )  # fmt: skip
    return bound


def replicas_of(fits: int, bound: int | None, intent: Intent, rejections: Rejections, family: str) -> tuple[int, ...]:
    """Return replica counts from 1 to what fits and the load justifies; a pin replaces the list.

    family: device and threads, for the rejection of counts that do not fit.
    """
    if intent.pin.replicas:
        found: Iterable[int] = sorted(set(intent.pin.replicas))
    else:
        top = min(fits, bound) if bound is not None else fits
        found = _replica_grid(top)
        if top > EVERY_REPLICA_COUNT_UP_TO:
            rejections.add(
                f"replica counts above {EVERY_REPLICA_COUNT_UP_TO} off the steps of an eighth", "replica steps",
                "neighbouring counts differ in load by less than a service time is known; the fewest that keep every "
                "requirement are considered all the same", resolvable="pin replicas",
            )  # fmt: skip
        if bound is None or fits < bound:
            rejections.add(f"more than {fits} replicas on {family}", "room", f"the fleet has room for {fits}")
    kept = []
    for replicas in found:
        if not 1 <= replicas <= fits:
            rejections.add(f"{replicas} replicas on {family}", "room", f"the fleet has room for {fits}")
        elif rejections.allows("replicas", replicas, f"{replicas} replicas"):
            kept.append(replicas)
    return tuple(kept)


def _replica_grid(top: int) -> list[int]:
    found = list(range(1, min(top, EVERY_REPLICA_COUNT_UP_TO) + 1))
    while found and found[-1] < top:
        found.append(min(top, found[-1] + found[-1] // 8))
    return found


def powers_of_two(top: int) -> list[int]:
    """Return 1, 2, 4, ... up to ``top``."""
    return [1 << power for power in range(top.bit_length())]


def _latency_bound_s(intent: Intent) -> tuple[float, str]:
    """Return the tightest latency bound in seconds, and how it is named to people."""
    bounds = [(item.bound, item.text) for item in intent.require if item.metric.startswith("latency.")]
    return min(bounds, default=(WINDOW_S, "a second, as no latency is required"))
