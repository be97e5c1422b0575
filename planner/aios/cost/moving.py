"""What it costs to move what runs: the time in which a replica does not serve.

The bytes that must be there travel over the slowest link between the two machines; then the process starts anew and
warms up. Nothing travels within a machine.
"""

from __future__ import annotations

from typing import NamedTuple

from aios.cost.interval import Interval
from aios.records.base import Source
from aios.records.candidate import Candidate, Estimate
from aios.records.fleet import Fleet, Topology
from aios.records.model import VALUE_BYTES, ModelProfile

__all__ = ["Way", "outage", "state_bytes", "way_between"]

RESTART_S = Interval(1.0, 10.0, 60.0)
"""Seconds from stopping a replica to its first answer elsewhere where nobody measured them: a runtime that maps a small
model is there in one, an engine that compiles kernels for a large one in a minute."""
UNKNOWN_LINK = Interval(125e6, 1.25e9, 12.5e9)
"""Bytes/s between machines of which nobody says how they are joined: 10 Gbit/s Ethernet, anything from 1 to 100."""
OPTIMIZER_BYTES = 12.0
"""Bytes that mixed-precision Adam keeps of each parameter beside the weights: a 32-bit copy and two 32-bit moments
(Rajbhandari et al., ZeRO, 2020, section 3.1)."""


class Way(NamedTuple):
    """How data goes from one machine to another. bytes_per_s: None within one machine · words: what that is"""

    bytes_per_s: Interval | None
    source: Source
    words: str


def state_bytes(profile: ModelProfile, candidate: Candidate, *, trained: bool) -> float:
    """Return the bytes of state that one replica needs to go on: its weights; of a training job also the optimizer's,
    a parameter's each."""
    weights = profile.weight_bytes_at(candidate.precision)
    if not trained:
        return weights
    held = VALUE_BYTES.get(candidate.precision, 4.0)
    return profile.parameters * (held + OPTIMIZER_BYTES)


def way_between(fleet: Fleet, source: str, target: str) -> Way:
    """Return how data goes between two nodes: a link that is stated, else the slowest level that joins all nodes."""
    if source == target and next((node.count for node in fleet.nodes if node.name == source), 1) == 1:
        return Way(None, "analytic", "nothing travels within one machine")
    for link in fleet.links:
        if {source, target} == {end.partition("/")[0] for end in link.ends}:
            rate = link.bandwidth_bytes_per_s.value
            return Way(Interval(rate, rate, rate), link.bandwidth_bytes_per_s.source, f"link {source} to {target}")
    levels = [level for level in fleet.topology if not level.members or {source, target} <= set(level.members)]
    rates = [found for level in levels if (found := _slowest(level)) is not None]
    if rates:
        rate = min(rates)
        return Way(Interval(rate, rate, rate), "declared", "slowest level of the fleet's topology")
    return Way(UNKNOWN_LINK, "assumed", "no link is stated: 10 Gbit/s, anything from 1 to 100")


def _slowest(level: Topology) -> float | None:
    own = [] if level.bandwidth_bytes_per_s is None else [level.bandwidth_bytes_per_s.value]
    outer = None if level.between is None else _slowest(level.between)
    return min([*own, *([] if outer is None else [outer])], default=None)


def outage(size_bytes: float, way: Way, replicas: float = 1.0) -> Estimate:
    """Return the seconds in which ``replicas`` moved replicas do not serve, added up over them."""
    restart, words = RESTART_S, "restart and warm-up 10 s, anything from 1 to 60"
    if way.bytes_per_s is None:
        return _estimate(restart.times(replicas), f"{words}; {way.words}")
    low, value, high = way.bytes_per_s
    travels = Interval(size_bytes / high, size_bytes / value, size_bytes / low)
    basis = f"{size_bytes:.4g} bytes at {value:.4g} bytes/s ({way.words}) take {travels.value:.3g} s; {words}"
    return _estimate(restart.plus(travels).times(replicas), basis)


def _estimate(number: Interval, basis: str) -> Estimate:
    low, value, high = number
    return Estimate(metric="disruption", value=value, low=low, high=high, unit="s", source="assumed", basis=basis)
