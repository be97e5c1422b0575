"""Time of one communication between equal devices: all-reduce, all-gather, reduce-scatter, all-to-all, send-recv.

base = start + steps x hop + bytes sent / (share x bandwidth), with the quicker of a low-latency and a bulk protocol:
the form of ``cost.collectives``, with the shares that it assumes where nothing was calibrated. What is learnt is how
libraries and devices differ, by size, number of devices and what connects them. Of devices that nobody measured little
more than constants: effects of size that a few machines have in common do not hold of the next one.
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

__all__ = ["OPERATIONS", "PREDICTOR", "all_reduce_s"]

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
_ADAPTER_SHARE = 0.4
"""Of a device's host bus, that its part of the network between machines carries where devices of a machine are joined
by a switch: 0.2 with 4 adapters of 100 Gbit/s for 8 devices on PCIe 4 (AWS p4d), 0.8 with one of 200 Gbit/s on PCIe 4
or of 400 on PCIe 5 each (DGX A100, DGX H100)."""
_START_S = 8e-6
_HOP_S = 1.1e-6
"""Of rings inside a machine: all-reduce of 256 bytes takes 10, 14.5 and 25 us on 2, 4 and 8 devices with 2, 6 and 14
steps (looked for on published measurements)."""
_NETWORK_HOP_S = 10e-6
_DIRECT_START_S = 3e-6
"""Of one kernel that reads its peers' memory: the small all-reduce kernels of inference engines (``custom``)."""
_OVER_MEMORY = 0.5
"""Of the rate of the host's bus where devices do not reach each other's memory: data passes it twice."""
_MARGIN = 0.1


class _Links(NamedTuple):
    """Of rows: bandwidth (bytes/s, one direction) of the slowest link in the ring, and whether that is the host's bus
    or a network between machines."""

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
        hop = np.where(links.between > 0, _NETWORK_HOP_S, _HOP_S)
        steps = passes * np.where(keeps > 0, count - 1, 1.0)
        start = np.where(direct, _DIRECT_START_S, _START_S + steps * hop)
        sending = passes * sent / links.bandwidth
        quick = sending / PRIOR.quick_share
        bulk = PRIOR.bulk_start_s + sending / PRIOR.bulk_share
        total = start + np.minimum(quick, bulk)
        features = {
            "size": np.log(size),
            "devices": np.log(count),
            "sending": sending / total,
            "pace": np.log(sending / start),
            "between": links.between,
        }
        base, least = np.log(total), np.where(links.between > 0, -np.inf, np.log(sent / links.bandwidth) - _MARGIN)
    good = unknown == ""
    path = np.where(links.between > 0, "between", np.where(links.bus > 0, "bus", "own"))
    keys = {
        "operation": operations,
        "path": path,
        "setting": observed.word("software"),
        "class": _classes(observed.types, devices),
        "device": observed.types,
        "stratum": path,
    }
    cleaned = {name: np.where(good, column, 0.0) for name, column in features.items()}
    return Design(cleaned, np.where(good, base, 0.0), keys, np.where(good, least, -np.inf), unknown)


def all_reduce_s(types: Texts, devices: Mapping[str, DeviceType], count: Floats, size: Floats) -> Floats:
    """Return seconds of an all-reduce between ``count`` devices of one machine, over their own links, else over the
    host's memory; 0 for one device and where no link is known. size: bytes"""
    import numpy as np

    names, places = np.unique(types.astype(str), return_inverse=True)
    own, host = np.array([_ports(f"{name}\x1f", devices) for name in names]).reshape(-1, 2)[places].T
    bandwidth = np.where(np.isfinite(own), own, _OVER_MEMORY * host)
    sending = 2.0 * size * (count - 1) / count / bandwidth
    start = _START_S + 2.0 * (count - 1) * _HOP_S
    quick, bulk = sending / PRIOR.quick_share, PRIOR.bulk_start_s + sending / PRIOR.bulk_share
    found: Floats = np.where((count > 1) & np.isfinite(sending), start + np.minimum(quick, bulk), 0.0)
    return found


def _links(observed: Observations, devices: Mapping[str, DeviceType], count: Floats, nodes: Floats) -> _Links:
    import numpy as np

    said = observed.word("interconnect")
    pairs, places = np.unique(np.char.add(np.char.add(observed.types, "\x1f"), said), return_inverse=True)
    own, host = np.array([_ports(str(pair), devices) for pair in pairs]).reshape(-1, 2)[places].T
    joined = (said != "pairs") | (count <= 2)
    bandwidth = np.where(joined & np.isfinite(own), own, host)
    between = nodes > 1
    adapters = np.where(
        (said == "switch") & np.isfinite(host), _ADAPTER_SHARE * host * np.maximum(count // nodes, 1), 0
    )
    network = np.where(adapters > 0, adapters, _NETWORK_BYTES_PER_S)
    slowest = np.where(between, np.minimum(np.nan_to_num(bandwidth, nan=np.inf), network), bandwidth)
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
    version=2,
    metrics=("latency.mean",),
    stages=(
        StageForm(("path",), 0),
        StageForm(("operation", "setting"), 1, 20),
        StageForm(("class",), 0, 20),
        StageForm(("device",), 2, 40),
        StageForm(("device", "operation"), 1, 20),
        StageForm(("device", "operation", "setting"), 1, 12),
    ),
    design=_design,
    target=target_of,
    value=value_of,
)
