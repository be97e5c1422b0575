"""What nobody metered behind an endpoint, from what was, on the same device with the same executor: energy and memory.

A request costs a part that grows with the CPU time of its computing and a part that does not (network, parsing,
dispatch), so that two candidates differ by the ratio of their CPU times on the first part alone. How large that is, is
known within limits: of the time for which a replica is occupied, computing takes the share ``compute x capacity``; the
processes around the replica draw too, so that its share of the energy lies between 0.6 of that and all.

A service takes the memory of its engine and something beside it, which is much the same whatever it serves.
"""

from __future__ import annotations

import math

from aios.cost.evidence import Library
from aios.cost.interval import Interval, interval_of
from aios.records.candidate import Candidate
from aios.records.measurement import Measured, Measurement

__all__ = ["borrowed_energy", "borrowed_memory"]

_LEAST_OF_SHARE = 0.6


def borrowed_energy(candidate: Candidate, time: Interval, library: Library) -> Measured | None:
    """Return joules per request of a candidate on a cpu, from the nearest one that was metered; None without any.

    time: of a full call of the candidate, s
    """
    wanted = _cpu_time(library.find("service", candidate), candidate, time)
    nearest: tuple[float, str, Measurement, Measurement] | None = None
    for served, alone in library.served(candidate):
        if not {"energy", "capacity"} <= served.values.keys():
            continue
        its = alone.values["cpu_time"].value if "cpu_time" in alone.values else 0.0
        if its > 0 and wanted.value > 0 and served.subject.power_mode == candidate.power_mode:
            found = (abs(math.log(wanted.value / its)), served.subject.digest, served, alone)
            nearest = found if nearest is None or found[:2] < nearest[:2] else nearest
    if nearest is None:
        return None
    _, _, served, alone = nearest
    energy, its = interval_of(served.values["energy"]), alone.values["cpu_time"].value
    each = alone.values["time"].value / served.subject.batch
    share = min(1.0, each * served.values["capacity"].value)
    ends = [1 + part * (cpu / its - 1) for part in (_LEAST_OF_SHARE * share, 1.0) for cpu in (wanted.low, wanted.high)]
    low, high = energy.low * max(0.0, min(ends)), energy.high * max(ends)
    value = min(high, max(low, energy.value * (1 + share * (wanted.value / its - 1))))
    metered = served.values["energy"]
    meter = f"{metered.meter}, of {served.subject.precision} with {served.subject.threads} threads, by CPU time"
    return metered.model_copy(update={"value": value, "low": low, "high": high, "meter": meter})


def borrowed_memory(candidate: Candidate, library: Library) -> Measured | None:
    """Return bytes of a service whose engine alone was measured, with what serving added to the engine that is nearest
    in size; None without any."""
    own = library.find("service", candidate)
    if own is None or "memory" not in own.values:
        return None
    engine = own.values["memory"]
    both = [(a.values["memory"], b.values["memory"]) for a, b in library.served(candidate) if _have_memory(a, b)]
    if not both:
        return None
    served, alone = min(both, key=lambda pair: (abs(pair[1].value - engine.value), pair[0].value))
    value = engine.value + max(0.0, served.value - alone.value)
    low, high = value * served.low / served.value, value * served.high / served.value
    meter = f"{engine.meter}, and what serving added to another"
    return served.model_copy(update={"value": value, "low": low, "high": high, "meter": meter})


def _have_memory(*items: Measurement) -> bool:
    return all("memory" in item.values and item.values["memory"].value > 0 for item in items)


def _cpu_time(alone: Measurement | None, candidate: Candidate, time: Interval) -> Interval:
    """Return CPU seconds per item: measured, else those of a call, in which further threads wait for some of it."""
    if alone is not None and "cpu_time" in alone.values:
        return interval_of(alone.values["cpu_time"])
    threads = max(1, candidate.threads)
    return Interval(time.low, time.value * (1 + threads) / 2, time.high * threads).times(1 / candidate.batch)
