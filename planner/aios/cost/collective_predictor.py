"""Time of one communication between equal devices: all-reduce, all-gather, reduce-scatter, all-to-all, send-recv.

base = start + steps x hop + bytes sent / (share x bandwidth), with the quicker of a low-latency and a bulk protocol:
the form of ``cost.collectives``, with what it assumes where nothing was calibrated. What is learnt is how libraries and
devices differ, by size, number of devices and what connects them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.collectives import PRIOR
from aios.cost.learning import Design, Predictor, StageForm
from aios.cost.logarithms import target_of, value_of
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations, Texts

__all__ = ["OPERATIONS", "PREDICTOR"]

OPERATIONS: Mapping[str, tuple[float, bool]] = {
    "all-reduce": (2.0, True),
    "all-gather": (1.0, True),
    "reduce-scatter": (1.0, True),
    "all-to-all": (1.0, True),
    "send-recv": (1.0, False),
}
"""Name -> how often a ring passes the data on, and whether a device keeps its own n-th part of it."""

_NETWORK_BYTES_PER_S = 12.5e9
"""Between machines, of each: 100 Gbit/s, where nothing is said of their network."""
_NETWORK_HOP_S = 10e-6
_DIRECT_START_S = 3e-6
"""Of one kernel that reads its peers' memory: the small all-reduce kernels of inference engines (``custom``)."""
_MARGIN = 0.1


class _Links(NamedTuple):
    """Of rows: bandwidth (bytes/s, one direction) of the slowest link in the ring, whether that is the host's bus."""

    bandwidth: Floats
    bus: Floats
    between: Floats


def _design(observed: Observations, devices: Mapping[str, DeviceType]) -> Design:
    import numpy as np

    operations, count = observed.word("operation"), observed.number("devices")
    size, nodes = observed.number("message_bytes"), observed.number("nodes", 1.0)
    links = _links(observed, devices, count, nodes)
    unknown = _unknown(observed, devices, links)
    passes, keeps = (
        np.array([float(OPERATIONS.get(str(name), (1.0, True))[part]) for name in operations]) for part in (0, 1)
    )
    direct = np.char.startswith(observed.word("software"), "custom")
    with np.errstate(all="ignore"):
        sent = size * np.where(keeps > 0, (count - 1) / count, 1.0)
        hop = np.where(links.between > 0, _NETWORK_HOP_S, PRIOR.hop_s)
        steps = passes * np.where(keeps > 0, count - 1, 1.0)
        start = np.where(direct, _DIRECT_START_S, PRIOR.start_s + steps * hop)
        sending = passes * sent / links.bandwidth
        quick = sending / PRIOR.quick_share
        bulk = PRIOR.bulk_start_s + sending / PRIOR.bulk_share
        total = start + np.minimum(quick, bulk)
        features = {
            "size": np.log(size),
            "devices": np.log(count),
            "sending": sending / total,
            "pace": np.log(sending / start),
            "bus": links.bus,
            "between": links.between,
        }
        base, least = np.log(total), np.where(links.between > 0, -np.inf, np.log(sent / links.bandwidth) - _MARGIN)
    good = unknown == ""
    keys = {
        "operation": operations,
        "setting": observed.word("software"),
        "class": _classes(observed.types, devices),
        "device": observed.types,
        "stratum": operations,
    }
    cleaned = {name: np.where(good, column, 0.0) for name, column in features.items()}
    return Design(cleaned, np.where(good, base, 0.0), keys, np.where(good, least, -np.inf), unknown)


def _links(observed: Observations, devices: Mapping[str, DeviceType], count: Floats, nodes: Floats) -> _Links:
    import numpy as np

    said = observed.word("interconnect")
    pairs, places = np.unique(np.char.add(np.char.add(observed.types, "\x1f"), said), return_inverse=True)
    own, host = np.array([_ports(str(pair), devices) for pair in pairs]).reshape(-1, 2)[places].T
    joined = (said != "pairs") | (count <= 2)
    bandwidth = np.where(joined & np.isfinite(own), own, host)
    between = nodes > 1
    slowest = np.where(between, np.minimum(np.nan_to_num(bandwidth, nan=np.inf), _NETWORK_BYTES_PER_S), bandwidth)
    bus = ~between & ~(joined & np.isfinite(own))
    return _Links(slowest, bus.astype(float), between.astype(float))


def _ports(pair: str, devices: Mapping[str, DeviceType]) -> tuple[float, float]:
    """Return the bandwidth to other devices and to the host of ``type + separator + said``, NaN where unknown."""
    name, _, said = pair.partition("\x1f")
    links = devices[name].interconnects if name in devices else ()
    host = [item.bandwidth_bytes_per_s.value for item in links if item.kind.startswith("pcie")]
    own = [item.bandwidth_bytes_per_s.value for item in links if not item.kind.startswith("pcie")]
    if said.startswith("pcie"):
        own = []
    return max(own, default=float("nan")), max(host, default=float("nan"))


def _unknown(observed: Observations, devices: Mapping[str, DeviceType], links: _Links) -> Texts:
    import numpy as np

    reasons = np.full(len(observed), "", dtype="<U80")
    reasons[~(observed.number("message_bytes") > 0)] = "the size of its message is not stated"
    reasons[~(observed.number("devices") > 1)] = "nothing is said of more than one device"
    reasons[~np.isfinite(links.bandwidth)] = "no bandwidth between its devices is known"
    reasons[~np.isin(observed.types, list(devices))] = "no device of the catalogue is called so"
    operations = observed.word("operation")
    for name in np.unique(operations):
        if str(name) not in OPERATIONS:
            reasons[operations == name] = f"unknown operation {str(name)[:40]}"
    return reasons


def _classes(types: Texts, devices: Mapping[str, DeviceType]) -> Texts:
    import numpy as np

    unique, places = np.unique(types, return_inverse=True)
    found = [devices[name].architecture or devices[name].kind if name in devices else "" for name in map(str, unique)]
    return np.array(found or [""])[places]


PREDICTOR = Predictor(
    name="collective",
    version=1,
    metrics=("latency.mean",),
    stages=(
        StageForm((), 2),
        StageForm(("operation", "setting"), 1, 20),
        StageForm(("class",), 1, 20),
        StageForm(("device",), 2, 40),
        StageForm(("device", "operation"), 1, 20),
        StageForm(("device", "operation", "setting"), 1, 12),
    ),
    design=_design,
    target=target_of,
    value=value_of,
)
